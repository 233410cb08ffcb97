"""Route templates of HTTP triggers, matched as ASP.NET Core does.

A template is a path of literals, ``{name}``, ``{name?}``, ``{name:constraint}`` and a last ``{*name}``. Of several
matching routes the more specific one wins. Source: ASP.NET Core docs, "Routing", route templates and precedence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from local_azure.functions_host.errors import FunctionError

_CONSTRAINTS = {
    "int": r"-?\d+",
    "long": r"-?\d+",
    "alpha": r"[A-Za-z]+",
    "bool": r"(?i:true|false)",
    "guid": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
}
_PARAMETER = re.compile(r"\{(\*{0,2})([^{}:?=*]+)(?::([^{}?]+))?(\?)?\}")
_LITERAL, _CONSTRAINED, _PLAIN, _CATCH_ALL = range(4)


@dataclass(frozen=True)
class Route:
    """A compiled template; routes sort by precedence, the most specific first."""

    precedence: tuple[int, ...]
    pattern: re.Pattern[str]

    def match(self, path: str) -> dict[str, str] | None:
        """The route's values for a request path (percent-encoded), or None; absent optional ones are left out."""
        found = self.pattern.fullmatch(path.strip("/") if path.strip("/") else "")
        if found is None:
            return None
        return {name: unquote(value) for name, value in found.groupdict().items() if value is not None}


def compile_route(prefix: str, template: str) -> Route:
    """The route for ``template`` below ``prefix``.

    Raises:
        FunctionError: the template cannot be understood.
    """
    segments = [segment for segment in f"{prefix}/{template}".split("/") if segment]
    pattern, precedence = "", []
    for number, segment in enumerate(segments):
        slash = "/" if number else ""
        rank, part, optional = _segment(segment, last=number == len(segments) - 1, template=template)
        precedence.append(rank)
        pattern += f"(?:{slash}{part})?" if optional else slash + part
    return Route(tuple(precedence), re.compile(pattern))


def _segment(segment: str, last: bool, template: str) -> tuple[int, str, bool]:
    parameter = _PARAMETER.fullmatch(segment)
    if parameter is None:
        return _composite(segment, template)
    stars, name, constraint, question = parameter.groups()
    if not name.isidentifier():
        raise FunctionError(f"The route parameter '{name}' of '{template}' is not a valid name.")
    if stars:
        if not last:
            raise FunctionError(f"A catch-all parameter can only appear as the last segment of the route '{template}'.")
        return _CATCH_ALL, f"(?P<{name}>.+)", True
    if constraint is None:
        return _PLAIN, f"(?P<{name}>[^/]+)", bool(question)
    return _CONSTRAINED, f"(?P<{name}>{_constraint(constraint, template)})", bool(question)


def _composite(segment: str, template: str) -> tuple[int, str, bool]:
    """A literal segment, or one that mixes literals and parameters, such as ``{name}.{extension}``."""
    pattern, position, rank = "", 0, _LITERAL
    for parameter in _PARAMETER.finditer(segment):
        stars, name, constraint, question = parameter.groups()
        if stars or question or not name.isidentifier():
            raise FunctionError(f"The route '{template}' has a parameter that cannot stand inside a segment.")
        inner = _constraint(constraint, template) if constraint else "[^/]+"
        pattern += _literal(segment[position : parameter.start()], template) + f"(?P<{name}>{inner})"
        position, rank = parameter.end(), _CONSTRAINED
    return rank, pattern + _literal(segment[position:], template), False


def _literal(text: str, template: str) -> str:
    if "{" in text or "}" in text:
        raise FunctionError(f"The route '{template}' has an incomplete parameter.")
    return f"(?i:{re.escape(text)})"


def _constraint(name: str, template: str) -> str:
    if name not in _CONSTRAINTS:
        valid = ", ".join(sorted(_CONSTRAINTS))
        raise FunctionError(f"The route '{template}' has the constraint '{name}'; this host knows {valid}.")
    return _CONSTRAINTS[name]
