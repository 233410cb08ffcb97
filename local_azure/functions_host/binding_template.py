"""Binding templates: ``{name}`` patterns that capture values from a trigger's path and fill an output's path.

Braces are written literally by doubling them. Every parameter captures greedily (``.*``), so of ``a.b.csv`` the
template ``{name}.{extension}`` gives ``a.b`` and ``csv``. Source: Azure/azure-webjobs-sdk, ``BindingTemplateParser``,
``BindingTemplateToken``, ``BindingTemplateSource``.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from local_azure.functions_host.errors import FunctionError

_TOKEN = re.compile(r"(?P<escape>\{\{|\}\})|\{(?P<parameter>[^{}]*)\}|(?P<literal>[^{}]+)|(?P<unbalanced>[{}])")
_BUILT_IN = {
    "rand-guid": lambda: str(uuid.uuid4()),
    "datetime": lambda: datetime.now(timezone.utc).strftime("%Y-%m-%dT%H-%M-%SZ"),
}


@dataclass(frozen=True)
class _Token:
    text: str
    is_parameter: bool = False


class BindingTemplate:
    """One parsed template.

    Raises:
        FunctionError: the template is not well formed, in the SDK's words.
    """

    def __init__(self, template: str) -> None:
        self.template = template
        self._tokens = _parse(template)

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(token.text for token in self._tokens if token.is_parameter)

    def capture(self, text: str) -> dict[str, str] | None:
        """The values of the parameters in ``text``, or None; of a repeated one the last counts, as in .NET."""
        pattern = "".join("(.*)" if token.is_parameter else re.escape(token.text) for token in self._tokens)
        found = re.fullmatch(pattern, text)
        return None if found is None else dict(zip(self.parameters, found.groups(), strict=True))

    def fill(self, values: Mapping[str, str]) -> str:
        """The template with the values (names are case-insensitive) put in.

        Raises:
            FunctionError: a parameter has no value.
        """
        known = {name.lower(): value for name, value in values.items()}
        return "".join(self._value(token.text, known) if token.is_parameter else token.text for token in self._tokens)

    def require(self, names: set[str]) -> None:
        """Check that every parameter is among the names that the trigger gives.

        Raises:
            FunctionError: one is not.
        """
        for name in self.parameters:
            if name.lower() not in {each.lower() for each in names} | set(_BUILT_IN):
                raise FunctionError(
                    f"Unable to resolve binding parameter '{name}'. Binding expressions must map to "
                    "either a value provided by the trigger or a property of the value the trigger "
                    "is bound to, or must be a system binding expression (e.g. sys.randguid, "
                    "sys.utcnow, etc.)."
                )

    @staticmethod
    def _value(name: str, known: Mapping[str, str]) -> str:
        if name.lower() in known:
            return known[name.lower()]
        if name.lower() in _BUILT_IN:
            return _BUILT_IN[name.lower()]()
        raise FunctionError(f"No value for named parameter '{name}'.")


def _parse(template: str) -> tuple[_Token, ...]:
    tokens = []
    for match in _TOKEN.finditer(template):
        if match["escape"] is not None:
            tokens.append(_Token(match["escape"][0]))
        elif match["parameter"] is not None:
            tokens.append(_parameter(match["parameter"], template, match.start() + 1))
        elif match["literal"] is not None:
            tokens.append(_Token(match["literal"]))
        else:
            side = "closing" if match["unbalanced"] == "{" else "opening"
            raise FunctionError(
                f"Invalid template '{template}'. Missing {side} bracket at position {match.start() + 1}."
            )
    return tuple(tokens)


def _parameter(name: str, template: str, position: int) -> _Token:
    if not name:
        raise FunctionError(f"Invalid template '{template}'. The parameter name at position {position} is empty.")
    if not name.isidentifier() and name.lower() not in _BUILT_IN:
        raise FunctionError(f"Invalid template '{template}'. The parameter name '{name}' is invalid.")
    return _Token(name, is_parameter=True)
