"""Recorded exchanges with Azure's REST APIs, and how an answer is held against one.

A recording names in braces what differs from run to run. What a test knows it fills in; the others have to be there,
and to be the same wherever the same name stands. Everything else of a recorded answer has to be answered just so:
status, each field by name, type and value, but for

- times, which have to be written in the same form;
- secrets (``FAKE-…``), which have to be there;
- what a test names as varying, with its reason: there the type has to be the same, or what was null may be set.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from requests import Response

if TYPE_CHECKING:
    from .azure import LocalAzure

CHECKOUT = Path(__file__).parents[3]
FOLDER = (CHECKOUT / os.environ.get("MLFUNC_AZURE_WIRE", "../shared/azure-wire")).resolve()
NEEDED = (
    "needs recorded answers of Azure's REST APIs, which are not in this repository: the environment variable "
    "MLFUNC_AZURE_WIRE names their folder (default: ../shared/azure-wire)"
)
Names = dict[str, str]

_CONTAINER_APPS = "function apps on Container Apps are not part of the product"
_TASKS = "builds by the registry (ACR Tasks) are not part of the product"
LEFT_OUT = (
    ("app-containerapps-put-functionapp.json", _CONTAINER_APPS),
    ("web-sites-config-web-patch-containerapps.json", _CONTAINER_APPS),
    ("acr-list-build-source-upload-url.json", _TASKS),
    ("acr-list-log-sas-url.json", _TASKS),
    ("acr-run-get.json", _TASKS),
    ("acr-schedule-run.json", _TASKS),
)
"""The recordings that are not held, each with its reason."""

_PLACEHOLDER = re.compile(r"\{([a-zA-Z]\w*)\}")
_IN_HEADER = re.compile(r"\{([^}]+)\}")
_GUIDS = {"guid", "newGuid", "principalId", "tenantId", "clientId", "objectId", "callerObjectId"}
_GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SECRET = re.compile(r"FAKE(?:-[A-Z0-9]+)+")
_VERSION = re.compile(r"20\d\d-\d\d-\d\d(?:-preview)?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
_NO_TIME = "0001-01-01T00:00:00"
# which machine, bucket or version of the service it was
_INCIDENTAL = ("x-ms-ratelimit-", "api-supported-versions", "server-sb", "x-ms-operation-identifier")


@dataclass
class Ledger:
    """What has been held.

    Attributes:
        parts: by recording, and how many fields each has; held again it does not count again.
    """

    parts: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, file: str, part: str, fields: int) -> None:
        self.parts.setdefault(file, {})[part] = fields

    @property
    def fields(self) -> int:
        """How many were compared."""
        return sum(sum(parts.values()) for parts in self.parts.values())


LEDGER = Ledger()


@dataclass(frozen=True)
class Recording:
    """One file of the recordings: an operation."""

    file: str
    document: Mapping[str, Any]

    @classmethod
    def read(cls, file: str) -> Recording:
        return cls(file, json.loads((FOLDER / file).read_text("utf-8")))

    @property
    def answer(self) -> Exchange:
        """The operation's own request and answer."""
        return Exchange(self.file, "response", self.document["request"], self.document["response"])

    @cached_property
    def then(self) -> list[Exchange]:
        """The exchanges that follow."""
        own = self.document["request"]
        found = []
        for number, entry in enumerate(self.document.get("then") or []):
            request = entry["request"] if isinstance(entry["request"], dict) else {}
            request = {"api-version": own["api-version"], "method": own["method"], **request}
            if "path" not in request or request["path"].startswith("same"):
                request["path"] = own["path"]
            found.append(Exchange(self.file, f"then {number}", request, entry["response"]))
        return found

    @cached_property
    def errors(self) -> list[Exchange]:
        """What the operation refuses; that which a client refuses itself has no exchange."""
        return [
            Exchange(self.file, f"error {number}", self.document["request"], entry)
            for number, entry in enumerate(self.document.get("errors") or [])
            if isinstance(entry["status"], int)
        ]

    def error(self, text: str) -> Exchange:
        """The refusal of which the recording says this."""
        [found] = [each for each in self.errors if text in each.expected["when"]]
        return found

    @property
    def exchanges(self) -> list[Exchange]:
        """All of them; errors that any operation may answer have no operation of their own."""
        own = [self.answer] if isinstance(self.document["response"]["status"], int) else []
        return [*own, *self.then, *self.errors]


def all_recordings() -> list[Recording]:
    return [Recording.read(path.name) for path in sorted(FOLDER.glob("*.json"))]


@dataclass(frozen=True)
class Exchange:
    """One request and its answer.

    Attributes:
        file: of the recording.
        part: of the recording.
        request: ``method``, ``path``, ``api-version`` (or a text with several), ``body``.
        expected: ``status``, ``headers``, ``body``.
    """

    file: str
    part: str
    request: Mapping[str, Any]
    expected: Mapping[str, Any]

    def sent(self, names: Names) -> Any:
        """The body of the request, filled in."""
        return _filled(self.request.get("body"), names)

    @property
    def version(self) -> str:
        """The oldest api-version that it was recorded with."""
        found = _VERSION.search(self.request["api-version"])
        assert found is not None, self.file
        return found[0]

    def send(self, azure: LocalAzure, names: Names, **change: Any) -> Response:
        """Send the recorded request.

        Args:
            azure: that is asked.
            names: for the placeholders.
            change: another ``path``, ``body`` or ``version``; ``path`` may be a whole URL.
        """
        path = change.get("path") or _filled(self.request["path"], names)
        body = change["body"] if "body" in change else self.sent(names)
        return azure.send(self.request["method"], path, body, change.get("version", self.version))

    def replay(
        self,
        azure: LocalAzure,
        names: Names,
        *,
        varies: Mapping[str, str] | None = None,
        bare: bool = False,
        **change: Any,
    ) -> Response:
        """Send the recorded request, and hold the answer; see ``send`` and ``hold``."""
        response = self.send(azure, names, **change)
        return self.hold(response, names, varies=varies, bare=bare)

    def hold(
        self,
        response: Response,
        names: Names,
        *,
        varies: Mapping[str, str] | None = None,
        bare: bool = False,
        body: Any = None,
    ) -> Response:
        """Hold an answer against the recorded one.

        Args:
            response: the answer.
            names: for the placeholders; those that it does not have are added as they are found.
            varies: fields whose values are other ones with good reason, as ``properties.list[].name``, and the reason.
            bare: the answer has no field that the recorded one has not.
            body: taken for the answer's own.

        Raises:
            AssertionError: it is not that answer.
        """
        assert response.status_code == self.expected["status"], f"{self}: {response.status_code} {response.text}"
        matcher = Matcher(names, dict(varies or {}), bare)
        for name, recorded in (self.expected.get("headers") or {}).items():
            matcher.header(name, recorded, response)
        recorded = self.expected.get("body")
        if recorded == "":
            assert response.content == b"", f"{self}: {response.text}"
        elif recorded is not None:
            matcher.compare(recorded, response.json() if body is None else body, "")
        unused = set(matcher.varies) - matcher.varied
        assert not unused, f"{self}: said to vary, but not there: {', '.join(sorted(unused))}"
        LEDGER.add(self.file, self.part, matcher.fields)
        return response

    def __str__(self) -> str:
        return f"{self.file}, {self.part}"


def _filled(value: Any, names: Names) -> Any:
    """A value of a request with the placeholders filled in, and without what the recording left out (``...``).

    Raises:
        KeyError: a name is missing.
    """
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: names[found[1]], value)
    if isinstance(value, list):
        return [_filled(each, names) for each in value]
    if isinstance(value, dict):
        return {key: _filled(each, names) for key, each in value.items() if key != "..."}
    return value


@dataclass
class Matcher:
    """Compares an answer with a recorded one, and counts the fields."""

    names: Names
    varies: dict[str, str]
    bare: bool
    fields: int = 0
    varied: set[str] = dataclasses.field(default_factory=set)

    def header(self, name: str, recorded: str, response: Response) -> None:
        """Hold one header."""
        if name.lower().startswith(_INCIDENTAL):
            return
        actual = response.headers.get(name)
        if name.lower() == "retry-after":
            assert {"retry-after", "retry-after-ms"} & {each.lower() for each in response.headers}, response.headers
        elif name.lower() == "content-length" and recorded != "0":
            assert int(actual or 0) > 0, response.headers
        else:
            assert actual is not None, f"no header {name}: {response.headers}"
            form = self._header_form(name.lower(), recorded, response)
            assert form is None or re.fullmatch(form, actual), f"{name}: {actual} is not as {recorded}"
        self.fields += 1

    def _header_form(self, name: str, recorded: str, response: Response) -> str | None:
        """The form of a header's value; None: any."""
        if name == "etag":
            return r'"[0-9A-F]+"'
        if name == "content-type":
            return re.escape(recorded.split(";")[0]) + "(;.*)?"
        if name == "x-ms-failure-cause":
            return re.escape(recorded.split(" ")[0])
        if recorded.startswith("https://"):
            return self._url_form(recorded, parse_qs(urlsplit(response.request.url).query)["api-version"][0])
        return re.escape(recorded) if recorded == "0" else None  # the others tell in words

    def _url_form(self, recorded: str, version: str) -> str:
        """The form of an operation's URL: with the api-version that the request had."""
        recorded = _VERSION.sub(version, recorded.removeprefix("https://management.azure.com"))
        form, end = r"https://localhost:\d+", 0
        for found in _IN_HEADER.finditer(recorded):
            form += re.escape(recorded[end : found.start()])
            form += re.escape(self.names[found[1]]) if found[1] in self.names else "[^/?&]+"
            end = found.end()
        return form + re.escape(recorded[end:])

    def compare(self, recorded: Any, actual: Any, path: str) -> None:
        """Hold a value, and all that is in it."""
        if path in self.varies:
            self.varied.add(path)
            same_type = type(actual) is type(recorded)
            assert same_type or recorded is None, f"{path}: {actual!r} is not of the type of {recorded!r}"
            if not isinstance(recorded, (dict, list)):
                return
        if isinstance(recorded, dict):
            self._object(recorded, actual, path)
        elif isinstance(recorded, list):
            self._list(recorded, actual, path)
        elif isinstance(recorded, str):
            assert isinstance(actual, str), f"{path}: {actual!r} is not a text as {recorded!r}"
            self._text(recorded, actual, path)
        else:
            assert type(actual) is type(recorded), f"{path}: {actual!r} is not {recorded!r}"
            assert actual == recorded, f"{path}: {actual!r} is not {recorded!r}"

    def _object(self, recorded: Mapping[str, Any], actual: Any, path: str) -> None:
        assert isinstance(actual, dict), f"{path}: {actual!r} is not an object"
        for recorded_name, value in recorded.items():
            name = _PLACEHOLDER.sub(lambda found: self.names.get(found[1], found[0]), recorded_name)
            inside = f"{path}.{name}".lstrip(".")
            assert name in actual, f"{inside} is missing; there are {', '.join(actual)}"
            self.fields += 1
            self.compare(value, actual[name], inside)
        if self.bare:
            assert set(actual) <= set(recorded), f"{path}: {', '.join(set(actual) - set(recorded))} is too much"

    def _list(self, recorded: list[Any], actual: Any, path: str) -> None:
        assert isinstance(actual, list), f"{path}: {actual!r} is not a list"
        if path not in self.varies:
            assert len(actual) == len(recorded), f"{path}: {len(actual)} entries, recorded are {len(recorded)}"
        elif recorded:
            assert actual, f"{path} is empty"
            recorded = (recorded + recorded[:1] * len(actual))[: len(actual)]
        for one, other in zip(recorded, actual, strict=False):
            self.compare(one, other, f"{path}[]")

    def _text(self, recorded: str, actual: str, path: str) -> None:
        time = _TIME.fullmatch(recorded)
        if time and recorded != _NO_TIME:
            found = _TIME.fullmatch(actual)
            assert found and found[2] == time[2], f"{path}: {actual!r} is not a time as {recorded!r}"
            assert len(found[1] or "") <= len(".1234567"), f"{path}: {actual!r} has too many digits"
            return
        found = re.fullmatch(self._form(recorded), actual, re.DOTALL)
        assert found, f"{path}: {actual!r} is not {recorded!r}"
        self.names.update(found.groupdict())

    def _form(self, recorded: str) -> str:
        """A recorded text as a regular expression; placeholders without a name become groups of theirs."""
        form, end, new = "", 0, set()
        for found in re.finditer(rf"{_PLACEHOLDER.pattern}|{_SECRET.pattern}|\.\.\.", recorded):
            form += re.escape(recorded[end : found.start()])
            end, name = found.end(), found[1]
            if name is None:
                form += "[^;]+"
            elif name in self.names:
                form += re.escape(self.names[name])
            elif name in new:
                form += f"(?P={name})"
            else:
                new.add(name)
                form += f"(?P<{name}>{_GUID if name in _GUIDS else '[^/?&]+'})"
        return form + re.escape(recorded[end:])
