"""The package options file of the retired preview CLI."""

from __future__ import annotations

import pytest

from azext_mlfunc.triggers import make_trigger


@pytest.mark.parametrize(
    ("text", "trigger", "options"),
    [
        (
            '{"flavor": "functionsApp", "trigger": "Http", "authLevel": "anonymous"}',
            "http",
            {"auth_level": "anonymous"},
        ),
        ('{"flavor": "functionsApp", "trigger": "Http", "authLevel": null}', "http", {}),
        ("flavor: functionsapp\ntrigger: HTTP\nauthLevel: Function\n", "http", {"auth_level": "function"}),
        (
            '{ "flavor": "functionsApp",\n\t"trigger": "Blob",\n\t"inPath": "input/{blobname}.{blobextension}",\n'
            '\t"outPath": "output/{blobname}.out"}',
            "blob",
            {"input_path": "input/{blobname}.{blobextension}", "output_path": "output/{blobname}.out"},
        ),
        (
            "flavor: functionsApp\ntrigger: ServiceBusQueue\ninQueueName: inqueue\noutQueueName: outqueue\n",
            "service-bus-queue",
            {"input_queue": "inqueue", "output_queue": "outqueue"},
        ),
        ("trigger: service_bus_queue\n", "service-bus-queue", {}),
        (
            "flavor: functionsApp\ntrigger: blob\noutPath: results/{rand-guid}.json\n",
            "blob",
            {"output_path": "results/{rand-guid}.json"},
        ),
    ],
)
def test_trigger_and_options(files, text, trigger, options):
    read = files.read(text, "options.json" if text.startswith("{") else "options.yml")
    assert (read.trigger, read.trigger_options) == (trigger, options)
    assert make_trigger(read.trigger, read.trigger_options).name == trigger
    assert set(read.places) == {"trigger", *options}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flavor: iotEdge\ntrigger: Http\n", ["1 flavor"]),
        ("flavor: functionsApp\ntrigger: Timer\n", ["2 trigger"]),
        ("flavor: functionsApp\ntrigger: [Http]\n", ["2 trigger"]),
        ("trigger:\n  branches: [main]\n", ["1 trigger"]),
        ("flavor: functionsApp\ntrigger: Http\nauthLevel: everyone\n", ["3 authLevel"]),
        ("flavor: functionsApp\ntrigger: Blob\nauthLevel: function\n", ["3 authLevel"]),
        ("flavor: functionsApp\ntrigger: Http\ninPath: in/x\noutPath: out/x\n", ["3 inPath", "4 outPath"]),
        ("flavor: functionsApp\ntrigger: ServiceBusQueue\ninQueueName: 7\n", ["3 inQueueName"]),
        ('{\n    {"flavor": "functionsApp", \n    "trigger": "Http"}\n}\n', ["2 a key that is no text"]),
        ('"flavor": "functionsApp", \n    "trigger": "Blob"}\n', ["1 it is neither YAML nor JSON"]),
    ],
)
def test_what_is_wrong_is_said_with_line_and_key(files, text, expected):
    """The last two are examples of the CLI's own README, with their brackets as they stand there."""
    assert files.errors(text, "options.yml") == expected


def test_a_trigger_has_to_be_named_somewhere(files):
    assert files.errors("flavor: functionsApp\ninPath: in/x\n") == ["1 trigger"]
    assert files.read("flavor: functionsApp\n", overridden=("trigger",)).trigger is None


def test_a_trigger_of_the_command_line_replaces_the_files_options_too(files):
    text = "flavor: functionsApp\ntrigger: Blob\ninPath: in/x\n"
    options = files.read(text, overridden=("trigger",))
    assert (options.trigger, options.trigger_options) == (None, {})
    assert files.read(text, overridden=("input_path",)).trigger_options == {}


def test_a_later_finding_about_an_option_names_its_place_in_the_file(files):
    options = files.read("flavor: functionsApp\ntrigger: Blob\ninPath: In_Put/x\n")
    [finding] = [
        options.placed(found)
        for found in make_trigger("blob", options.trigger_options).check()
        if found.severity == "error" and found.where == "--input-path"
    ]
    assert (finding.where, finding.line) == (files.folder / "deployment.yml", 3)
    assert finding.found.startswith("inPath: ")
