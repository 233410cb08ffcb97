"""Build without an engine: the base's layers, ours on top, straight into the registry. Nothing of the base is run.

Jib and ko do this for Java and Go: an image is a base plus a few layers, and layers are tar files. Dependencies are
installed from wheels for the image's platform; models and code are streamed from where they lie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from azext_mlfunc.findings import Finding
from azext_mlfunc.manifest import Model
from azext_mlfunc.packaging.builders.base import Built, CannotBeBuilt
from azext_mlfunc.packaging.context import CHUNK, Entry
from azext_mlfunc.packaging.dependencies import DependencyLayer, LayerCache, NoWheels, make_layer
from azext_mlfunc.packaging.image import Image, Tally
from azext_mlfunc.packaging.layout import LAYERS, PLATFORM
from azext_mlfunc.packaging.oci import MANIFEST, Blob, Layer, blob_of, image_config, image_manifest, tar_layer
from azext_mlfunc.progress import Progress
from azext_mlfunc.registry.reference import Reference, parse_reference

if TYPE_CHECKING:
    from azext_mlfunc.registry.client import Manifest, Registry

_AT_ONCE = 4
"""How many layers are sent at the same time; each holds one chunk in memory."""


class BaseImporter(Protocol):
    """Has a registry fetch a base by itself, so that the base does not pass through this machine."""

    def __call__(self, host: str, base: Reference, digest: str) -> str | None:
        """Return the repository of `host` that then has the base, or None where that registry cannot fetch it."""


@dataclass
class DirectBuilder:
    """Builds right in the registry.

    :param open_registry: opens a repository of a registry: host, name.
    :param cache: where dependency layers are kept.
    :param use_cache: whether a kept layer may be taken.
    :param import_base: has the registry fetch the base by itself, where it can.
    """

    open_registry: Callable[[str, str], Registry]
    cache: LayerCache
    use_cache: bool
    import_base: BaseImporter
    name: ClassVar[str] = "direct"
    _installed: DependencyLayer | None = field(default=None, init=False)

    def check(self, image: Image, progress: Progress) -> None:
        from azure.cli.core.azclierror import FileOperationError, RequiredArgumentMissingError, ValidationError

        if not image.request.registry:
            raise RequiredArgumentMissingError(
                "Without an engine an image goes straight to a registry, and none is named.",
                "Name one with --registry, or build with an engine: --build docker.",
            )
        obstacles = [_needs_conda(line) for line in image.environment.only_conda]
        if not obstacles and image.environment.text:
            try:
                self._installed = make_layer(
                    image.environment.content,
                    image.environment.python_version,
                    self.cache,
                    progress,
                    lock=image.environment.lock,
                    use_cache=self.use_cache,
                )
            except NoWheels as problem:
                obstacles = list(problem.findings)
                if not problem.can_be_built:
                    raise CannotBeBuilt(
                        "The packages cannot be installed.\n" + "\n".join(map(str, obstacles)),
                        "Mend what is listed and run the same command again.",
                    ) from problem
            except OSError as problem:
                raise FileOperationError(
                    f"The packages could not be put into the cache: {problem}",
                    f"Check the disk and the folder {self.cache.folder}, or remove it: it is made anew.",
                ) from problem
        if obstacles:
            raise ValidationError(
                "The image cannot be made without an engine.\n" + "\n".join(map(str, obstacles)),
                "Change what is listed, or build with a Docker engine: --build docker.",
            )

    def build(self, image: Image, tally: Tally, progress: Progress) -> Built:
        request = image.request
        assert request.registry, "check() was asked first"
        progress.step(f"Assembling {request.reference} for {PLATFORM} on {image.base}")
        target = self.open_registry(request.registry, request.image_name)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            asked = pool.submit(_Base.ask, self.open_registry, parse_reference(image.base))
            layers = self._layers(image, tally)
            base = asked.result()
            base.check_python(image.environment.python_version)
            assert tally.manifest is not None
            labels = tally.manifest.labels()
            config = blob_of("config", image_config(base.config, layers, tally.manifest.settings, labels))
            document = image_manifest(base.manifest.document, config, layers)
            sending = _Sending(target, progress, [layer.blob for layer in layers] + [config])
            list(pool.map(sending.send, sending.blobs))
            self._bring_base(pool, base, request.registry, sending)
        # Last of all, so that a tag never names half an image.
        digest = target.put_manifest(request.image_tag, document, MANIFEST)
        progress.step(f"Sent {_mib(sending.sent)} in {sending.count} parts; the registry had the rest")
        size = len(document) + config.size + sum(layer["size"] for layer in base.manifest.document["layers"])
        size += sum(layer.blob.size for layer in layers)
        return Built(f"{request.repository}@{digest}", request.reference, digest, size)

    def _layers(self, image: Image, tally: Tally) -> list[Layer]:
        """Our layers, from what changes least to what changes most; the models' are read once for it."""
        installed = self._installed
        packed: list[Model] = []
        (models, models_at), (function_app, function_app_at), (code, code_at) = LAYERS
        layers = [_dependencies(installed)] if installed else []
        first = _first_then(tally.count("models", image.models(packed)), image.models)
        layers.append(tar_layer("models", first, models, models_at))
        lines = installed.lock.splitlines() if installed else []
        lock = [line for line in lines if not line.startswith("#")]
        tally.manifest = manifest = image.manifest(packed, lock)
        app = partial(image.function_app, manifest)
        first = _first_then(tally.count("functionApp", app()), app)
        layers.append(tar_layer("function app", first, function_app, function_app_at))
        first = _first_then(tally.count("source", image.code()), image.code)
        layers.append(tar_layer("code", first, code, code_at))
        return layers

    def _bring_base(self, pool: ThreadPoolExecutor, base: _Base, host: str, sending: _Sending) -> None:
        """See that the target has the base's layers: it may have them, mount them, fetch them, or get them sent."""
        missing = [blob for blob in base.blobs() if not sending.target.has_blob(blob.digest)]
        if not missing:
            return
        repository: str | None = base.reference.repository
        if base.reference.host != host:
            repository = self.import_base(host, base.reference, base.manifest.digest)
        if repository:
            missing = [blob for blob in missing if not sending.target.mount_blob(blob.digest, repository)]
        if missing:
            size = _mib(sum(blob.size for blob in missing))
            sending.progress.step(f"Bringing {size} of the base from {base.reference.host}, once")
            list(pool.map(sending.send, missing))


@dataclass(frozen=True)
class _Base:
    """The image to build on, as its registry has it."""

    reference: Reference
    registry: Registry
    manifest: Manifest
    config: dict[str, Any]

    @classmethod
    def ask(cls, open_registry: Callable[[str, str], Registry], reference: Reference) -> _Base:
        from azure.cli.core.azclierror import ValidationError

        registry = open_registry(reference.host, reference.repository)
        manifest = registry.manifest(reference.identifier)
        config = registry.config(manifest)
        platform = f"{config.get('os')}/{config.get('architecture')}"
        if platform != PLATFORM:
            raise ValidationError(
                f"{reference} is for {platform}; expected {PLATFORM}, the one platform that Functions runs.",
                "Name a base image for it with --base-image.",
            )
        if len(config.get("rootfs", {}).get("diff_ids", [])) != len(manifest.document["layers"]):
            raise ValidationError(
                f"{reference} is damaged: its config and its manifest differ in the number of layers.",
                "Name another base image with --base-image.",
            )
        return cls(reference, registry, manifest, config)

    def check_python(self, version: str) -> None:
        """Raise where the base says that it has another Python than the dependencies are for."""
        from azure.cli.core.azclierror import ValidationError

        settings = (self.config.get("config") or {}).get("Env") or []
        found = dict(line.partition("=")[::2] for line in settings).get("FUNCTIONS_WORKER_RUNTIME_VERSION")
        if found and found != version:
            raise ValidationError(
                f"{self.reference} has Python {found}; the environment is for Python {version}.",
                "Give the same Python in the conda file or --python-version, or another base image.",
            )

    def blobs(self) -> list[Blob]:
        """Its layers, to be read from its own registry."""
        return [
            Blob(
                "a layer of the base", layer["digest"], layer["size"], partial(self.registry.read_blob, layer["digest"])
            )
            for layer in self.manifest.document["layers"]
        ]


class _Sending:
    """Sends blobs that the registry does not have, several at a time, and keeps count."""

    def __init__(self, target: Registry, progress: Progress, blobs: Sequence[Blob]) -> None:
        self.target, self.progress, self.blobs = target, progress, blobs
        self.sent = self.count = 0
        self._expected = 0
        self._lock = Lock()

    def send(self, blob: Blob) -> None:
        """Send one blob unless it is there."""
        if self.target.has_blob(blob.digest):
            return
        assert blob.chunks is not None
        with self._lock:
            self._expected += blob.size
            self.count += 1
        self.target.upload_blob(blob.digest, blob.size, blob.chunks, self._add)
        self.progress.step(f"Sent {blob.name} ({_mib(blob.size)})")

    def _add(self, count: int) -> None:
        with self._lock:
            self.sent += count
            share = self.sent / max(self._expected, 1)
            self.progress.live(f"Sent {_mib(self.sent)}", min(max(share, 0.0), 1.0))


def _needs_conda(line: Any) -> Finding:
    return Finding(
        line.where,
        f"'{line.text}' is a package that only conda can install",
        f"packages that PyPI has as wheels for {PLATFORM}",
        "put it into the pip section if PyPI has it, or build with an engine: --build docker",
        line.number,
    )


def _dependencies(made: DependencyLayer) -> Layer:
    def chunks() -> Iterator[bytes]:
        with made.path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    return Layer(Blob("dependencies", made.digest, made.size, chunks), made.media_type, made.diff_id)


def _first_then(first: Iterable[Entry], again: Callable[[], Iterable[Entry]]) -> Callable[[], Iterable[Entry]]:
    """Gives `first` when it is called first, and makes the entries anew after that."""
    pending = [first]
    return lambda: pending.pop() if pending else again()


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB" if size >= 1 << 20 else f"{size / 1024:.1f} KiB"
