"""Deployments that differ in nothing but their names, so that what has come of them can be compared.

The names are of the same lengths, so that the names that are derived from them are, too.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers import AZ, OWN, Answer, az

from local_azure.waiting import wait_for

from .cloud import LOCATION, Cloud, unique

MANY = 6
"""How many deployments are under way at once: most of what they do is to wait."""
_FOREVER = 3600.0  # seconds
_PATIENCE = 120.0  # seconds
_READING = ("/listkeys", "/listcredentials", "/config/appsettings/list", "/containerlogs")
"""What is posted to a resource only to read."""
_STORAGE, _SITE, _NAMESPACE = "/storageAccounts/", "/sites/", "/namespaces/"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?")
_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DERIVED = re.compile(r"(\{app\}(?:fn|tr|-))[0-9a-f]{8}\b")
_OTHERS = (
    (_DERIVED, r"\1{hash}"),  # the names that have to be nobody else's
    (_TIME, "{time}"),
    (_GUID, "{guid}"),
    (re.compile(r"\b[0-9A-F]{64}\b"), "{verification}"),
    (re.compile(r"localhost:\d+"), "localhost:{port}"),
    (re.compile(r'^"0x[0-9A-F]+"$'), "{etag}"),
    (re.compile(r"waws-prod-local-001_\d+"), "{stamp}"),
)

Write = str
"""The path of a resource that is written, with `{group}`, `{app}` and `{hash}` for what differs."""


@dataclass(frozen=True)
class Deployment:
    """One app, with a resource group of its own.

    Attributes:
        cloud: where it is.
        image: of the app.
        app: its name.
        environment: more variables for the command.
        said: what the commands have written, on stdout and on stderr.
    """

    cloud: Cloud
    image: str
    app: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    said: list[str] = field(default_factory=list, repr=False)

    @classmethod
    def fresh(cls, cloud: Cloud, image: str) -> Deployment:
        return cls(cloud, image, unique("app"))

    @property
    def group(self) -> str:
        return f"group-of-{self.app}"

    @property
    def path(self) -> str:
        return f"{self.cloud.subscription}/resourceGroups/{self.group}"

    # -- the command

    def run(self, *more: str) -> Answer:
        """Deploy."""
        answer = az(*self._command(more), env={**self.cloud.environment, **self.environment})
        self.said.extend((answer.stdout, answer.stderr))
        return answer

    def interrupt(self, write: Write, number: int, *more: str) -> Answer:
        """Deploy, and send the process a signal right after a write was carried out; faults for that stay behind.

        Its answer is lost, so that the client sends it again; that one is not answered, and so nothing follows.
        """
        self.suffer(write, drop=True, after=True)
        self.suffer(write, nth=2, delay=_FOREVER)
        return self.interrupt_when(lambda: self.met(write) == 2, number, *more)

    def interrupt_when(self, it_is_time: Callable[[], bool], number: int, *more: str) -> Answer:
        """Deploy, and send the process a signal when it is time."""
        process = self.start(*more)
        try:
            wait_for(lambda: it_is_time() or process.poll() is not None, _PATIENCE, "the time to interrupt it")
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=_PATIENCE)
        finally:
            process.kill()
        self.said.extend((stdout, stderr))
        return Answer(process.returncode, stdout, stderr)

    def suffer(self, write: Write, **fault: Any) -> None:
        """Let a write suffer; see ``local_azure.faults.Fault``."""
        self.cloud.control("faults", "POST", {"method": "PUT", "path": self.pattern(write), **fault})

    def met(self, write: Write) -> int:
        """How often a fault was asked whether it is for this write."""
        return max(each["seen"] for each in self.cloud.control("faults") if each["path"] == self.pattern(write))

    def start(self, *more: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """Begin to deploy."""
        return subprocess.Popen(
            [AZ, *self._command(more)],
            env={**os.environ, **OWN, **self.cloud.environment, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    def _command(self, more: Sequence[str]) -> list[str]:
        named = ["--resource-group", self.group, "--name", self.app, "--location", LOCATION, "--image", self.image]
        return ["ml-func", "deploy", *named, *more]

    # -- its requests

    def requests(self) -> list[dict[str, Any]]:
        """All that were made about anything in its group."""
        return self.cloud.requests(path=f"/resourceGroups/{self.group}")

    def writes(self) -> list[Write]:
        """Those of them that write and were carried out, in their order."""
        found = []
        for request in self.requests():
            if request["method"] == "GET" or request["path"].lower().endswith(_READING):
                continue
            assert request["method"] == "PUT", request
            found.append(self.general(request["path"]))
        return found

    def pattern(self, write: Write) -> str:
        """A regular expression for the path of a write of this deployment."""
        own = {"{group}": self.group, "{app}": self.app, "{hash}": "[0-9a-f]{8}", "{guid}": "[0-9a-f-]{36}"}
        path = re.escape(write)
        for general, instead in own.items():
            path = path.replace(re.escape(general), instead)
        return f"^{path}$"

    def general(self, text: str) -> str:
        """A text without what is this deployment's own."""
        text = text.replace(self.group, "{group}").replace(self.app, "{app}")
        for pattern, instead in _OTHERS:
            text = pattern.sub(instead, text)
        return text

    # -- what has come of it

    def state(self) -> dict[str, Any]:
        """All of its resources, with what no list shows; without names, keys and times."""
        documents = self._documents()
        keys = self._keys(documents)

        def general(text: str) -> str:
            for name, key in keys:
                text = text.replace(key, name)
            return self.general(text)

        return dict(_changed(documents, general))

    def _documents(self) -> dict[str, Any]:
        everything = self.cloud.control("resources")
        found = {
            identifier: document
            for identifier, document in everything.items()
            if f"{identifier.lower()}/".startswith(f"{self.path.lower()}/")
        }
        for identifier in list(found):
            if _is(identifier, _SITE):
                found[f"{identifier}/config/web"] = self._get(f"{identifier}/config/web")
                found[f"{identifier}/config/appsettings"] = self._post(f"{identifier}/config/appsettings/list")
            if _is(identifier, _STORAGE):
                for container in self._get(f"{identifier}/blobServices/default/containers")["value"]:
                    found[container["id"]] = container
        return found

    def _keys(self, documents: Iterable[str]) -> list[tuple[str, str]]:
        """The keys of its resources, the longest first, with names that tell which one each is."""
        found: dict[str, str] = {}
        for identifier in documents:
            if _is(identifier, _STORAGE):
                keys = self._post(f"{identifier}/listKeys")["keys"]
                found |= {f"{{{key['keyName']} of {identifier}}}": key["value"] for key in keys}
            if "/authorizationrules/" in identifier.lower():
                found |= {f"{{{name} of {identifier}}}": key for name, key in self._rule(identifier).items()}
        return sorted(found.items(), key=lambda each: -len(each[1]))

    def _rule(self, identifier: str) -> dict[str, str]:
        return {name: key for name, key in self._post(f"{identifier}/listKeys").items() if name != "keyName"}

    def secrets(self) -> set[str]:
        """Every key, password and connection string of it."""
        documents = self._documents()
        found = {secret for _, secret in self._keys(documents)}
        for identifier, document in documents.items():
            if identifier.endswith("/config/appsettings"):
                settings = document["properties"].items()
                found |= {value for name, value in settings if re.search("(?i)storage|connection|password|key", name)}
                found -= {"true", "false", ""}
        for keys in (self.cloud.running.state / "apps" / self.app / "secrets").glob("*.json"):
            found |= {secret for secret in _texts(json.loads(keys.read_text("utf-8"))) if len(secret) > 20}
        return found

    def _get(self, path: str) -> Any:
        answer = self.cloud.arm("GET", path)
        assert answer.ok, answer.text
        return answer.json()

    def _post(self, path: str) -> Any:
        answer = self.cloud.arm("POST", path)
        assert answer.ok, answer.text
        return answer.json()

    def delete(self) -> None:
        """Take all of it away."""
        self.cloud.delete(self.path)


def _is(identifier: str, kind: str) -> bool:
    """Whether it is of a resource of this kind itself, and not of one below."""
    return kind.lower() in identifier.lower() and identifier.lower().partition(kind.lower())[2].count("/") == 0


def _changed(document: Any, change: Callable[[str], str]) -> Any:
    """A document with all of its texts changed, and without the numbers that Azure counts plans with."""
    if isinstance(document, dict):
        return {
            change(name): 0 if name == "serverFarmId" and isinstance(value, int) else _changed(value, change)
            for name, value in document.items()
        }
    if isinstance(document, list):
        return [_changed(each, change) for each in document]
    return change(document) if isinstance(document, str) else document


def _texts(document: Any) -> Iterable[str]:
    if isinstance(document, Mapping):
        document = list(document.values())
    if isinstance(document, list):
        for each in document:
            yield from _texts(each)
    elif isinstance(document, str):
        yield document


def at_once(function: Any, *arguments: Iterable[Any]) -> list[Any]:
    """The function's results for all arguments, some of them at a time."""
    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(function, *arguments))


def package(cloud: Cloud, registry: str, project: Path, trigger: str) -> str:
    """Package a model that needs nothing but Python, so that its app is up at once; where the image is."""
    project.mkdir(exist_ok=True)
    (project / "score.py").write_text("def init():\n    pass\n\n\ndef run(data):\n    return data\n")
    (project / "model.json").write_text("{}")
    (project / "requirements.txt").write_text("")
    packaged = cloud.run(
        "ml-func package --build direct --model model.json --entry-script score.py --requirements requirements.txt "
        f"--trigger {trigger} --registry {registry} --image-name {trigger} --image-tag {unique('tag')}",
        cwd=project,
    )
    return str(packaged["tag"])
