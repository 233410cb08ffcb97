"""Starting a host in a process of its own, from a test or a demo."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from local_azure.functions_host.keys import Keys, load_keys
from local_azure.processes import ManagedProcess
from local_azure.waiting import wait_for

CHECKOUT = Path(__file__).resolve().parents[2]


class HostFailed(Exception):
    """The host, or one of its functions, is in error; the text has the reasons."""


class FunctionsHost:
    """A Functions host for the app in ``script_root``.

    Args:
        script_root: the app's folder (wwwroot).
        python: the interpreter of the app's environment (3.13 or newer).
        settings: the app settings; they may hold secrets, and go to a file that only the user can read.
        state_dir: where settings, keys and the log are kept; keys survive a restart in the same folder.
        port: 0 for any free one.
        blob_polling_interval: seconds between two looks into a container.
        inherit: what of an environment the app finds beside its settings; by default this process's own. The host
            itself runs in it, too.
    """

    def __init__(
        self,
        script_root: Path,
        python: str | Path,
        settings: Mapping[str, str],
        state_dir: Path,
        port: int = 0,
        blob_polling_interval: float = 0.2,
        inherit: Mapping[str, str] | None = None,
    ) -> None:
        self._script_root = Path(script_root)
        self._python = str(python)
        self._settings = dict(settings)
        self._state_dir = Path(state_dir)
        self._port = port
        self._blob_polling_interval = blob_polling_interval
        self._inherit = inherit
        self._process: ManagedProcess | None = None
        self._url: str | None = None
        self.pid: int | None = None

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT`` of the started host."""
        if self._url is None:
            raise RuntimeError("The host is not started.")
        return self._url

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.running

    @property
    def log_file(self) -> Path:
        return self._state_dir / "host.log"

    @property
    def keys(self) -> Keys:
        """The app's access keys: ``keys.master``, ``keys.host["default"]``, ``keys.functions["score"]["default"]``."""
        names = [path.parent.name for path in self._script_root.glob("*/function.json")]
        return load_keys(self._keys_file, names)

    def logs(self) -> str:
        """All that was logged so far, by this start and earlier ones in the same folder."""
        return self.log_file.read_text("utf-8") if self.log_file.exists() else ""

    def start(self) -> FunctionsHost:
        """Start it; returns when it listens, which is before the app is loaded.

        Raises:
            HostFailed: it did not come up.
        """
        self._state_dir.mkdir(parents=True, exist_ok=True)
        settings_file = self._state_dir / "settings.json"
        with os.fdopen(os.open(settings_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self._settings, file)
        command = [
            sys.executable, "-m", "local_azure", "functions-host",
            "--script-root", str(self._script_root),
            "--python", self._python,
            "--settings", str(settings_file),
            "--keys", str(self._keys_file),
            "--address", "127.0.0.1",
            "--port", str(self._port),
            "--blob-polling-interval", str(self._blob_polling_interval),
            "--log", str(self.log_file),
            "--with-parent",
        ]  # fmt: skip
        inherited = os.environ if self._inherit is None else self._inherit
        environment = {**inherited, "PYTHONPATH": str(CHECKOUT)}
        self._process = ManagedProcess(command, environment, self._state_dir / "host.err", pipe_stdout=True)
        process = self._process.start()
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            self._process.stop()
            reason = (self._state_dir / "host.err").read_text("utf-8").strip()
            raise HostFailed(f"The Functions host did not start. {reason}")
        started = json.loads(line)
        self._url, self.pid = started["url"], started["pid"]
        return self

    def stop(self) -> None:
        """End the host and its worker; returns when they are gone."""
        if self._process is not None:
            self._process.stop()
        self._url = self.pid = None

    def status(self) -> dict[str, Any]:
        """The answer of GET /admin/host/status."""
        request = urllib.request.Request(f"{self.url}/admin/host/status", headers={"x-functions-key": self.keys.master})
        with urllib.request.urlopen(request, timeout=30) as response:
            document: dict[str, Any] = json.load(response)
        return document

    def wait_until_running(self, timeout: float = 120.0) -> FunctionsHost:
        """Wait until every function is loaded and listens.

        Raises:
            HostFailed: the host or a function is in error.
            TimeoutError: it was still starting after ``timeout`` seconds.
        """

        def settled() -> dict[str, Any] | None:
            if not self.running:
                raise HostFailed(f"The Functions host has ended. See {self.log_file}.")
            status = self.status()
            return status if status["state"] != "Starting" else None

        status = wait_for(settled, timeout, "the Functions host to run", interval=0.1)
        errors = [*status["errors"], *status["functionErrors"]]
        if status["state"] != "Running" or errors:
            raise HostFailed(f"The Functions host is {status['state']}. " + "\n".join(errors))
        return self

    def __enter__(self) -> FunctionsHost:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _keys_file(self) -> Path:
        return self._state_dir / "secrets" / "host.json"
