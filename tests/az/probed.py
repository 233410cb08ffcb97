"""Apps for `az ml-func test`: a model without dependencies, deployed for each trigger; run() does as it is told."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from azure.storage.blob import BlobServiceClient

from local_azure.waiting import wait_for

from .cloud import Cloud, unique
from .parts import Group, Image

TRIGGERS = ("http", "blob", "service-bus-queue")
SCRIPT = """
import json
import os
import threading
import time

LOCK = threading.Lock()
calls = 0


def init():
    if os.environ.get("FAIL_INIT"):
        raise RuntimeError("the model is broken")


def run(data):
    global calls
    with LOCK:
        calls += 1
        own = calls
    if len(data) > 100000 or not data:
        return {"characters": len(data)}
    value = json.loads(data)
    if value == "fail":
        raise ValueError("this input is not for me")
    if value == "nothing":
        return None
    if value == "count":
        return own
    if isinstance(value, dict) and "sleep" in value:
        time.sleep(value["sleep"])
    return value
"""
OPTIONS = "--image-name probed --model model.txt --requirements requirements.txt"
Probed = Callable[[str], "App"]


def write_project(folder: Path) -> Path:
    """Write the model and its script."""
    (folder / "score.py").write_text(SCRIPT)
    (folder / "model.txt").write_text("nothing\n")
    (folder / "requirements.txt").write_text("")
    return folder


def deployer(cloud: Cloud, group: Group, images: Callable[[str], Image]) -> Probed:
    """Deploys an app for a trigger, once; all on one plan."""

    @functools.cache
    def plan() -> str:
        return group.path("Web/serverfarms", group.plan())

    @functools.cache
    def deployed(trigger: str) -> App:
        name = unique(f"probed-{trigger[:4]}-")
        cloud.run(
            f"ml-func deploy -g {group.name} -n {name} --image {images(trigger).tag} --plan {plan()} "
            "--disable-app-insights --only-show-errors"
        )
        return App(cloud, group, name, trigger)

    return deployed


class App:
    """An app that was deployed."""

    def __init__(self, cloud: Cloud, group: Group, name: str, trigger: str) -> None:
        self.cloud, self.group, self.name, self.trigger = cloud, group, name, trigger

    def test(self, options: str, cwd: Path | None = None) -> tuple[int, Any, str]:
        """Exit code, result and stderr of a test."""
        answer = self.cloud.az(f"ml-func test -g {self.group.name} -n {self.name} {options} --only-show-errors", cwd)
        try:
            return answer.code, json.loads(answer.stdout), answer.stderr
        except ValueError:
            return answer.code, answer.stdout, answer.stderr

    @property
    def path(self) -> str:
        return self.group.path("Web/sites", self.name)

    @property
    def settings(self) -> dict[str, str]:
        answer: dict[str, str] = self.cloud.arm("POST", f"{self.path}/config/appsettings/list").json()["properties"]
        return answer

    def set(self, **changes: str | None) -> None:
        """Change app settings; None takes one away."""
        kept = {name: value for name, value in (self.settings | changes).items() if value is not None}
        assert self.cloud.arm("PUT", f"{self.path}/config/appsettings", {"properties": kept}).ok

    def set_and_await(self, condition: Callable[[], bool], what: str, **changes: str | None) -> None:
        """Change app settings, and wait until the app has been started with them."""
        self.set(**changes)
        wait_for(condition, 120, what)

    def host(self, page: str) -> Any:
        """A page of the app's own host, asked through ARM; None while it is not up."""
        answer = self.cloud.arm("GET", f"{self.path}/{page}")
        return answer.json() if answer.ok else None

    def functions(self) -> list[dict[str, Any]]:
        """The app's functions, as its host lists them; none while it is not up."""
        return [each["properties"] for each in (self.host("functions") or {"value": []})["value"]]

    def blobs(self) -> BlobServiceClient:
        return BlobServiceClient.from_connection_string(self.settings["TriggerConnectionString"], **self.cloud.sdk)

    def names(self, container: str) -> list[str]:
        return [each.name for each in self.blobs().get_container_client(container).list_blobs()]

    @contextlib.contextmanager
    def image(self, location: str) -> Iterator[None]:
        """Set the app to another image for a while."""
        web = f"{self.path}/config/web"
        before = self.cloud.arm("GET", web).json()["properties"]["linuxFxVersion"]
        assert self.cloud.arm("PATCH", web, {"properties": {"linuxFxVersion": f"DOCKER|{location}"}}).ok
        try:
            yield
        finally:
            self.cloud.arm("PATCH", web, {"properties": {"linuxFxVersion": before}})


def without_labels(cloud: Cloud, registry: str, tag: str) -> str:
    """Push the same image without labels, with requests of one's own; its location."""
    login = cloud.run(f"acr credential show --name {registry}")
    auth = (login["username"], login["passwords"][0]["value"])
    host, _, name = tag.partition("/")
    repository, _, reference = name.partition(":")
    base = f"https://{host}/v2/{repository}"
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    manifest = cloud.web.get(f"{base}/manifests/{reference}", headers=accept, auth=auth).json()
    config = cloud.web.get(f"{base}/blobs/{manifest['config']['digest']}", auth=auth).json()
    config["config"]["Labels"] = {}
    data = json.dumps(config).encode()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    place = cloud.web.post(f"{base}/blobs/uploads/", auth=auth).headers["Location"]
    joined = "&" if "?" in place else "?"
    put = cloud.web.put(f"{place}{joined}digest={digest}", data=data, auth=auth)
    assert put.status_code == 201, put.text
    manifest["config"] |= {"digest": digest, "size": len(data)}
    body = json.dumps(manifest)
    pushed = cloud.web.put(
        f"{base}/manifests/unlabelled", data=body, auth=auth, headers={"Content-Type": manifest["mediaType"]}
    )
    assert pushed.status_code == 201, pushed.text
    return f"{host}/{repository}@{pushed.headers['Docker-Content-Digest']}"
