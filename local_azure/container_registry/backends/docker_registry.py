"""Debian's docker-registry as a backend: distribution 2.8, one process for each registry."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import time
from pathlib import Path

from local_azure.processes import ManagedProcess

PROGRAM = "docker-registry"
_LISTENING = re.compile(r"listening on (127\.0\.0\.1:[0-9]+)")
_START_TIMEOUT = 30.0  # seconds
_POLL = 0.005  # seconds


class DockerRegistry:
    """See :class:`.Backend`.

    Args:
        folder: its images, its configuration and its log.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "log"
        command = [PROGRAM, "serve", str(folder / "configuration.yml")]
        # Nothing of ours: variables named REGISTRY_… would change its configuration.
        self._process = ManagedProcess(command, {"PATH": os.environ.get("PATH", os.defpath)}, self._log)
        self._url = ""

    @property
    def url(self) -> str:
        return self._url

    async def start(self) -> None:
        if shutil.which(PROGRAM) is None:
            raise FileNotFoundError(f"The images in {self._folder} want {PROGRAM}, and there is none on PATH.")
        self._folder.mkdir(parents=True, exist_ok=True)
        configuration = {
            "version": 0.1,
            "log": {"accesslog": {"disabled": True}, "formatter": "json"},
            "storage": {"filesystem": {"rootdirectory": str(self._folder / "images")}, "delete": {"enabled": True}},
            # It chooses a free port and says so in its log.
            "http": {"addr": "127.0.0.1:0"},
        }
        (self._folder / "configuration.yml").write_text(json.dumps(configuration), "utf-8")  # JSON is YAML
        self._log.write_bytes(b"")
        self._process.start()
        try:
            self._url = f"http://{await self._address()}"
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        await asyncio.to_thread(self._process.stop)

    async def untag(self, repository: str, tag: str) -> None:
        await asyncio.to_thread(shutil.rmtree, self._repository(repository) / "_manifests" / "tags" / tag, True)

    async def forget(self, repository: str) -> None:
        for part in ("_manifests", "_layers", "_uploads"):
            await asyncio.to_thread(shutil.rmtree, self._repository(repository) / part, True)

    def _repository(self, name: str) -> Path:
        """Where its files are (distribution 2.8, registry/storage/paths.go); it reads them anew for each request."""
        return self._folder / "images" / "docker" / "registry" / "v2" / "repositories" / name

    async def _address(self) -> str:
        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            text = self._log.read_text("utf-8", "replace")
            found = _LISTENING.search(text)
            if found:
                return found[1]
            if not self._process.running:
                raise OSError(f"{PROGRAM} ended at once: {text.strip()[-2000:]}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{PROGRAM} did not come up; its log is {self._log}")
            await asyncio.sleep(_POLL)
