"""The access keys of a function app, in the files and the format of the Functions host.

Layout of AzureWebJobsSecretStorageType=files: ``host.json`` holds the master key and the keys that open every
function; ``<function>.json`` beside it holds the keys of one function. Missing ones are made.
Source: Azure/azure-functions-host, ``SecretManager``, ``FileSystemSecretsRepository``, ``HostSecrets``.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

AUTH_LEVELS = ("anonymous", "function", "system", "admin")


@dataclass(frozen=True)
class Keys:
    """All keys of an app; no key shows in its ``repr``."""

    master: str = field(repr=False)
    host: dict[str, str] = field(repr=False)  # by key name; open every function
    functions: dict[str, dict[str, str]] = field(repr=False)  # by function name, then by key name

    def opens(self, level: str, function: str | None, offered: str | None) -> bool:
        """Whether ``offered`` is enough for ``level`` at ``function`` (None: an admin page of the host)."""
        if level == "anonymous":
            return True
        allowed = [self.master]
        if level == "function":
            allowed += self.host.values()
            allowed += self.functions.get((function or "").lower(), {}).values()
        return offered is not None and any(hmac.compare_digest(key.encode(), offered.encode()) for key in allowed)

    def all(self) -> Iterable[str]:
        """Every key's value."""
        yield self.master
        yield from self.host.values()
        for keys in self.functions.values():
            yield from keys.values()


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
        by_function[name.lower()] = {key["name"]: key["value"] for key in document["keys"]}
    return Keys(
        master=host["masterKey"]["value"],
        host={key["name"]: key["value"] for key in host["functionKeys"]},
        functions=by_function,
    )


def _entry(name: str) -> dict[str, Any]:
    return {"name": name, "value": secrets.token_urlsafe(40), "encrypted": False}


def _read_or_make(path: Path, make: Any) -> dict[str, Any]:
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(make(), file, indent=2)
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document
