"""The access keys of a function app, in the files and the format of the Functions host.

Layout of AzureWebJobsSecretStorageType=files: ``host.json`` holds the master key, the keys that open every function and
those of extensions; ``<function>.json`` beside it holds the keys of one function. Missing ones are made.
Source: Azure/azure-functions-host, ``SecretManager``, ``FileSystemSecretsRepository``, ``HostSecrets``.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

AUTH_LEVELS = ("anonymous", "function", "system", "admin")


@dataclass(frozen=True)
class Scope:
    """What keys are for: a list in one of the files."""

    file: str
    list: str


EVERY_FUNCTION = Scope("host", "functionKeys")
EXTENSIONS = Scope("host", "systemKeys")


def one_function(name: str) -> Scope:
    """The scope of one function's own keys; no function can be called ``host``."""
    return Scope(name.lower(), "keys")


@dataclass(frozen=True)
class Keys:
    """All keys of an app; no key shows in its ``repr``."""

    master: str = field(repr=False)
    host: dict[str, str] = field(repr=False)  # by key name; open every function
    functions: dict[str, dict[str, str]] = field(repr=False)  # by function name, then by key name
    system: dict[str, str] = field(repr=False, default_factory=dict)  # by key name; of extensions

    def opens(self, level: str, function: str | None, offered: str | None) -> bool:
        """Whether ``offered`` is enough for ``level`` at ``function`` (None: an admin page of the host)."""
        if level == "anonymous":
            return True
        allowed = [self.master]
        if level == "function":
            allowed += self.host.values()
            allowed += self.functions.get((function or "").lower(), {}).values()
        return offered is not None and any(hmac.compare_digest(key.encode(), offered.encode()) for key in allowed)

    def of(self, scope: Scope) -> dict[str, str]:
        """The keys of a scope by name."""
        if scope == EVERY_FUNCTION:
            return self.host
        return self.system if scope == EXTENSIONS else self.functions.get(scope.file, {})

    def all(self) -> Iterable[str]:
        """Every key's value."""
        yield self.master
        yield from self.host.values()
        yield from self.system.values()
        for keys in self.functions.values():
            yield from keys.values()


class KeyStore:
    """The keys of an app in their files (0600); a change is written first, and holds from then on.

    Args:
        path: the host's file; the functions' are beside it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._functions: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self.keys = Keys("", {}, {})

    def load(self, functions: Iterable[str]) -> Keys:
        """Read the files; make those that are missing."""
        self._functions = tuple(functions)
        self.keys = load_keys(self._path, self._functions)
        return self.keys

    def put(self, scope: Scope, name: str, value: str | None = None) -> tuple[str, bool]:
        """Set a key, or make a new one (None); returns its value, and whether there was none of that name."""
        key = _entry(name, value)
        with self._lock:
            document = self._read(scope)
            others = [each for each in document[scope.list] if each["name"].lower() != name.lower()]
            created = len(others) == len(document[scope.list])
            self._write(scope, {**document, scope.list: [*others, key]})
        return str(key["value"]), created

    def put_master(self, value: str | None = None) -> str:
        """Set the master key, or make a new one (None); returns it."""
        key = _entry("master", value)
        with self._lock:
            self._write(EXTENSIONS, {**self._read(EXTENSIONS), "masterKey": key})
        return str(key["value"])

    def delete(self, scope: Scope, name: str) -> bool:
        """Take a key away; False: there is none of that name."""
        with self._lock:
            document = self._read(scope)
            others = [each for each in document[scope.list] if each["name"].lower() != name.lower()]
            found = len(others) < len(document[scope.list])
            if found:
                self._write(scope, {**document, scope.list: others})
        return found

    def _read(self, scope: Scope) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._file(scope).read_text(encoding="utf-8"))
        return document

    def _write(self, scope: Scope, document: dict[str, Any]) -> None:
        file = self._file(scope)
        draft = file.with_suffix(".new")
        draft.unlink(missing_ok=True)
        _create(draft, document)
        draft.replace(file)
        self.keys = load_keys(self._path, self._functions)

    def _file(self, scope: Scope) -> Path:
        return self._path.with_name(f"{scope.file}.json") if scope.list == "keys" else self._path


def load_keys(path: Path, functions: Iterable[str]) -> Keys:
    """Read the host's secrets file ``path`` and the functions' files beside it; make those that are missing (0600)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    host = _read_or_make(
        path,
        lambda: {"masterKey": _entry("master"), "functionKeys": [_entry("default")], "systemKeys": []},
    )
    by_function = {}
    for name in functions:
        document = _read_or_make(path.parent / f"{name.lower()}.json", lambda: {"keys": [_entry("default")]})
        by_function[name.lower()] = _by_name(document["keys"])
    return Keys(
        master=host["masterKey"]["value"],
        host=_by_name(host["functionKeys"]),
        functions=by_function,
        system=_by_name(host.get("systemKeys") or []),
    )


def _by_name(entries: Iterable[dict[str, Any]]) -> dict[str, str]:
    return {key["name"]: key["value"] for key in entries}


def _entry(name: str, value: str | None = None) -> dict[str, Any]:
    # Azure's own have this form and length: base64 for URLs, padded, so that a client has to quote them.
    made = secrets.token_urlsafe(40) + "==" if value is None else value
    return {"name": name, "value": made, "encrypted": False}


def _read_or_make(path: Path, make: Any) -> dict[str, Any]:
    if not path.exists():
        _create(path, make())
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def _create(path: Path, document: dict[str, Any]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
    if os.geteuid() == 0:  # as in a container, whose folder of keys is somebody's of the machine around it
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
