"""What the JSON of requests has to be like: each field that an operation reads is of one JSON type.

A field is named by its path: ``properties.rights.[]`` are the entries of a list, ``tags.*`` the values of an object. A
field that is null or not there is of any type. Azure takes a number where a text is wanted, and a text that is a number
(`az functionapp plan create --max-burst` sends one), as its JSON library does: Newtonsoft.Json. That the rest is
refused, and how, is general knowledge of ARM.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from local_azure.arm.errors import invalid_body

Fields = Mapping[str, type]

_ENVELOPE: Fields = {
    "location": str,
    "kind": str,
    "tags": dict,
    "tags.*": str,
    "sku": dict,
    "sku.name": str,
    "sku.capacity": int,
    "identity": dict,
    "identity.type": str,
    "identity.userAssignedIdentities": dict,
    "identity.userAssignedIdentities.*": dict,
    "properties": dict,
}
"""What every resource has in the same form."""
_NAMES = {str: "String", dict: "Object", list: "Array", bool: "Boolean", int: "Integer"}


def like(values: Mapping[str, Any], prefix: str = "properties.") -> dict[str, type]:
    """The fields that these values are: whoever sets one has to send the same type."""
    return {f"{prefix}{name}": type(value) for name, value in values.items() if value is not None}


def settle_types(body: Any, fields: Fields) -> None:
    """Make each field of a body what it has to be.

    Args:
        body: the JSON; it is changed.
        fields: that the operation reads, beside those that every resource has.

    Raises:
        ArmError: a field cannot be made what it has to be.
    """
    for path, kind in {**_ENVELOPE, **fields}.items():
        for container, key in _found(body, path.split(".")):
            value = container[key]
            try:
                container[key] = _converted(value, kind)
            except ValueError:
                text = f"Error converting value {value!r} to type {_NAMES[kind]}. Path '{path}'."
                raise invalid_body(text) from None


def _converted(value: Any, kind: type) -> Any:
    """A value of the JSON type, made of one that can be taken for it.

    Raises:
        ValueError: it cannot.
    """
    if type(value) is kind:
        return value
    if kind is str and isinstance(value, (int, float)):
        return str(value)
    if kind is int and isinstance(value, str):
        return int(value)
    if kind is bool and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError


def _found(container: Any, steps: list[str]) -> Iterator[tuple[Any, Any]]:
    """What is at the end of a path, none of it null: each as where it is, and its name or number there."""
    keys: list[Any] = []
    if isinstance(container, list) and steps[0] == "[]":
        keys = list(range(len(container)))
    elif isinstance(container, dict) and steps[0] != "[]":
        keys = list(container) if steps[0] == "*" else [steps[0]] if steps[0] in container else []
    for key in keys:
        if container[key] is None:
            continue
        if steps[1:]:
            yield from _found(container[key], steps[1:])
        else:
            yield container, key
