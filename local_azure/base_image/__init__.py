"""A stand-in for Microsoft's Functions base image, made on this machine out of Debian and PyPI packages.

A test needs an image under the name that users' Dockerfiles start from, and the real one cannot be had
on every machine. This one has its shape (interpreter, environment, folders, start command; source:
Azure/azure-functions-docker, host/4), and Microsoft's real Python worker where the real image keeps it.
In place of the .NET host it carries local_azure's own Functions host, whose packages the app does not
see. The operating system is Debian trixie, the Debian release whose own Python is 3.13.

:func:`rootfs_tar` makes the file system and :data:`CONFIG` says the rest of the image, both without an
engine; :func:`docker_import` gives the two to an engine. ``python -m local_azure.base_image`` does
either.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PYTHON_VERSION = "3.13"
NAME = f"mcr.microsoft.com/azure-functions/python:4-python{PYTHON_VERSION}"

HOST_ROOT = "azure-functions-host"
OUR_HOST_FOLDER = f"{HOST_ROOT}/host"
START_COMMAND = "opt/startup/start_nonappservice.sh"

_HERE = Path(__file__).parent
_LOCAL_AZURE = _HERE.parent
# What the host imports; a change in any other part of local_azure leaves the image as it is.
_OF_THE_HOST = ("__init__.py", "processes.py", "waiting.py", "functions_host")


@dataclass(frozen=True)
class ImageConfig:
    """What an image says beside its file system: the environment and the command of its containers."""

    env: Mapping[str, str]
    cmd: tuple[str, ...]


CONFIG = ImageConfig(
    env={
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "AzureWebJobsScriptRoot": "/home/site/wwwroot",
        "HOME": "/home",
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "FUNCTIONS_WORKER_RUNTIME_VERSION": PYTHON_VERSION,
        "ASPNETCORE_URLS": "http://+:80",
        "ASPNETCORE_CONTENTROOT": f"/{HOST_ROOT}",
        "DOTNET_RUNNING_IN_CONTAINER": "true",
    },
    cmd=(f"/{START_COMMAND}",),
)

_DEBIAN_SUITE = "trixie"
_DEBIAN_PACKAGES = ("python3", "python3-pip", "python3-venv", "ca-certificates", "libgomp1")
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
_CUSTOMIZE = _HERE / "customize.sh"
_REQUIREMENTS = (_HERE / "worker.txt", _HERE / "host.txt")
_TRUSTED = Path("/etc/ssl/certs/ca-certificates.crt")


def rootfs_tar(cache: Path) -> Path:
    """Makes the image's file system, or finds it in the cache if it was made from the same inputs.

    Args:
        cache: A folder that keeps what was made between calls; it need not exist.

    Returns:
        The path of the tar archive in the cache: the whole file system of the image, uncompressed.

    Raises:
        FileNotFoundError: If mmdebstrap is not installed.
        subprocess.CalledProcessError: If mmdebstrap failed; it has said why on stderr.
    """
    cache.mkdir(parents=True, exist_ok=True)
    debian, ours = _debian_tar(cache), dict(our_files())
    sources = (part for name, path in ours.items() for part in (name.encode(), path.read_bytes()))
    tar = cache / f"rootfs-{_digest([debian.name.encode(), *sources])}.tar"
    if not tar.exists():
        for older in cache.glob("rootfs-*.tar"):
            older.unlink(missing_ok=True)
        with _whole(tar) as unfinished:
            shutil.copyfile(debian, unfinished)
            with tarfile.open(unfinished, "a") as archive:
                for name, path in ours.items():
                    archive.add(path, name, filter=_plain)
    return tar


def docker_import(tar: Path) -> None:
    """Gives a file system made by :func:`rootfs_tar` to the engine of ``DOCKER_HOST``, as :data:`NAME`.

    Raises:
        FileNotFoundError: If there is no docker command.
        subprocess.CalledProcessError: If it failed; it has said why on stderr.
    """
    settings = [f"ENV {name}={value}" for name, value in CONFIG.env.items()]
    command = "CMD [" + ", ".join(f'"{word}"' for word in CONFIG.cmd) + "]"
    changes = [option for change in (*settings, command) for option in ("--change", change)]
    subprocess.run(["docker", "import", *changes, tar, NAME], check=True, stdout=subprocess.DEVNULL)


def _debian_tar(cache: Path) -> Path:
    """Everything but our own host: the slow part, which a change in the host leaves as it is."""
    command = [
        *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(_DEBIAN_PACKAGES)}"),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
        f"--customize-hook={_CUSTOMIZE}",
        _DEBIAN_SUITE,
    ]
    inputs = [path.read_bytes() for path in (Path(__file__), _CUSTOMIZE, *_REQUIREMENTS, _TRUSTED)]
    tar = cache / f"debian-{_digest(inputs)}.tar"
    if not tar.exists():
        with _whole(tar) as unfinished:
            subprocess.run([*command, unfinished], check=True)
    return tar


def our_files() -> Iterator[tuple[str, Path]]:
    """Our own files in the image: the path there, the path here."""
    yield START_COMMAND, _HERE / "start_nonappservice.sh"
    parts = [_LOCAL_AZURE / name for name in _OF_THE_HOST]
    for path in sorted(file for part in parts for file in (part.rglob("*.py") if part.is_dir() else [part])):
        yield f"{OUR_HOST_FOLDER}/{_LOCAL_AZURE.name}/{path.relative_to(_LOCAL_AZURE)}", path


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """The entry of a file, without what differs from one checkout to the next."""
    entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "root", "root"
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry


def _digest(parts: Iterable[bytes]) -> str:
    """A short name for a content: the same parts, the same name."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


@contextmanager
def _whole(result: Path) -> Iterator[Path]:
    """A path to make a result at: it appears under its own name only once it is whole."""
    with tempfile.TemporaryDirectory(dir=result.parent, prefix=".unfinished-") as folder:
        unfinished = Path(folder) / result.name
        yield unfinished
        try:
            unfinished.rename(result)
        except OSError:
            if not result.exists():  # else another process was faster with the same content
                raise
