"""The package options file of the retired preview CLI (azure_cli_ml_preview): which trigger a packaged model gets.

Sources: README.md of the repository that brought that CLI, "Package Options File"; azureml-contrib-functions 1.62,
whose requests have the same keys and null for what the user left out. The case of the values is not told apart.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from azext_mlfunc.packaging.deployment_files.base import Format, Key
from azext_mlfunc.packaging.deployment_files.document import shortened
from azext_mlfunc.packaging.deployment_files.draft import Draft, simplified

_OPTIONS = {
    "authLevel": "auth_level",
    "inPath": "input_path",
    "outPath": "output_path",
    "inQueueName": "input_queue",
    "outQueueName": "output_queue",
}
"""Which key is which field of our triggers."""
_FLAVOR = "functionsApp"


def _take(draft: Draft) -> None:
    from azext_mlfunc.triggers import TRIGGERS

    flavor = draft.get("flavor")
    if flavor and simplified(flavor.text) != simplified(_FLAVOR):
        draft.wrong(
            flavor,
            "flavor",
            f"'{shortened(flavor.text)}'",
            _FLAVOR,
            "leave the file out: it is for another kind of app",
        )
        return
    if draft.is_overridden("trigger"):
        return
    names = ", ".join(trigger.name for trigger in TRIGGERS)
    value = draft.get("trigger")
    if value is None:
        if "trigger" not in draft.root.fields or draft.root.fields["trigger"].kind == "null":
            remedy = "add the key trigger, or choose with --trigger"
            missing = replace(draft.root, key="trigger")
            draft.wrong(missing, "trigger", "the file names none", f"one of {names}", remedy)
        return
    trigger = next((each for each in TRIGGERS if simplified(each.name) == simplified(value.text)), None)
    if trigger is None:
        draft.wrong(value, "trigger", f"'{shortened(value.text)}'", f"one of {names}", "choose one of them")
        return
    draft.set("trigger", trigger.name, value)
    own = {field.name: field for field in trigger.options()}
    for key, option in _OPTIONS.items():
        given = draft.get(key)
        if given is None:
            continue
        if option not in own:
            remedy = "remove it, or name the trigger that it belongs to"
            draft.wrong(given, option, f"the trigger '{trigger.name}' has no such option", _keys(own), remedy)
            continue
        choices = own[option].metadata["choices"]
        text = given.text.strip()
        if choices and text.lower() not in choices:
            draft.wrong(given, option, f"'{shortened(text)}'", f"one of {', '.join(choices)}", "choose one of them")
        else:
            draft.set(option, text.lower() if choices else text, given)


def _keys(options: Collection[str]) -> str:
    return "only " + " or ".join(key for key, option in _OPTIONS.items() if option in options)


PACKAGE_OPTIONS = Format(
    name=f"package options of the retired preview CLI (flavor: {_FLAVOR}, trigger)",
    marks=("flavor", "trigger", *_OPTIONS),
    keys={
        "flavor": Key("flavor", _FLAVOR),
        "trigger": Key("trigger", "Http, Blob or ServiceBusQueue"),
        "authLevel": Key("auth_level", "anonymous, function or admin"),
        "inPath": Key("input_path", "container and name pattern, as input/{blobname}.json"),
        "outPath": Key("output_path", "container and name pattern, as output/{blobname}_out.json"),
        "inQueueName": Key("input_queue", "the name of a queue"),
        "outQueueName": Key("output_queue", "the name of a queue"),
    },
    take=_take,
)
