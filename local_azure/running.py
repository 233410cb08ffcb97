"""A local Azure as seen from outside: its folder, its process, and what a shell has to export to reach it."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local_azure.certificates import Certificates
from local_azure.processes import accepts_connections
from local_azure.settled import Settled
from local_azure.waiting import wait_for

CHECKOUT = Path(__file__).resolve().parents[1]
_STOP_TIMEOUT = 60.0  # seconds


def add_state(parser: argparse.ArgumentParser) -> None:
    """Add ``--state``."""
    default = CHECKOUT / ".venv" / "local-azure"
    parser.add_argument("--state", type=Path, default=default, metavar="DIR", help="folder that it keeps all in")


@contextlib.contextmanager
def alone(file: Path, wait: bool) -> Iterator[None]:
    """Be the only process that is in here with this file.

    Args:
        file: made if it is missing; it stays, and says nothing by being there.
        wait: for another process to leave.

    Raises:
        BlockingIOError: another process is in, and shall not be waited for.
    """
    with file.open("a") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


@dataclass(frozen=True)
class Running:
    """The local Azure of one state folder, running or not.

    Attributes:
        state: the folder.
    """

    state: Path

    @property
    def log_file(self) -> Path:
        return self.state / "server.log"

    @property
    def pid_file(self) -> Path:
        return self.state / "server.pid"

    def pid(self) -> int | None:
        """Its process; None: it does not run. A stale file may name a stranger's process, which is not taken."""
        try:
            pid = int(self.pid_file.read_text("utf-8"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if str(self.state).encode() in command else None

    def settled(self) -> Settled:
        """Its ports and identities.

        Raises:
            FileNotFoundError: nothing was ever started here.
        """
        return Settled.read(self.state / "settled.json")

    def answers(self) -> bool:
        """Whether it is up."""
        return self.pid() is not None and accepts_connections(self.settled().proxy)

    def stop(self) -> bool:
        """End it, and return when it is gone; False: it did not run."""
        pid = self.pid()
        if pid is None:
            return False
        os.kill(pid, signal.SIGTERM)
        try:
            wait_for(lambda: not _is_there(pid), _STOP_TIMEOUT, "the local Azure to end")
        except TimeoutError:
            os.killpg(pid, signal.SIGKILL)
        self.pid_file.unlink(missing_ok=True)
        return True

    def environment(self) -> dict[str, str]:
        """What to set so that an unmodified az, the SDKs and curl reach it."""
        settled, certificates = self.settled(), Certificates.in_folder(self.state / "certificates")
        proxy, bundle, direct = f"http://127.0.0.1:{settled.proxy}", str(certificates.bundle), _no_proxy()
        return {
            "AZURE_CONFIG_DIR": str(self.state / "azure-config"),
            **_extensions(),
            "AZURE_CORE_COLLECT_TELEMETRY": "false",
            "IDENTITY_ENDPOINT": f"http://127.0.0.1:{settled.identity}/msi/token",
            "IDENTITY_HEADER": settled.identity_header,
            "HTTPS_PROXY": proxy,
            "https_proxy": proxy,
            "NO_PROXY": direct,
            "no_proxy": direct,
            "REQUESTS_CA_BUNDLE": bundle,
            "SSL_CERT_FILE": bundle,
            "CURL_CA_BUNDLE": bundle,
            "LOCAL_AZURE": f"https://localhost:{settled.arm}",
        }


def _is_there(pid: int) -> bool:
    """Whether a process runs; one that has ended, and nobody has asked about, has no command line any more."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def _no_proxy() -> str:
    names = [name for name in os.environ.get("NO_PROXY", "").split(",") if name]
    return ",".join(dict.fromkeys([*names, "localhost", "127.0.0.1"]))


def _extensions() -> dict[str, str]:
    """Where az finds its extensions: where it did before, though its configuration is another one."""
    own = Path(sys.prefix) / "azure-extensions"
    named = os.environ.get("AZURE_EXTENSION_DIR") or (str(own) if own.is_dir() else None)
    return {"AZURE_EXTENSION_DIR": named} if named else {}
