"""The direct builder between real registries: where the base's layers come from, and what a failure leaves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.cli.core.azclierror import AzCLIError, ResourceNotFoundError, ValidationError
from registry_parts import DockerRegistry

from azext_mlfunc.packaging import package
from azext_mlfunc.packaging.builders.direct import DirectBuilder
from azext_mlfunc.packaging.dependencies import LayerCache
from azext_mlfunc.packaging.image import Tally
from azext_mlfunc.packaging.models import LocalModel
from azext_mlfunc.packaging.request import PackageRequest
from azext_mlfunc.registry.client import Registry
from azext_mlfunc.registry.credentials import Credentials, Secret
from azext_mlfunc.triggers import HttpTrigger
from fakes import RecordingProgress

BASE_LAYER = bytes(range(256)) * 4096
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def push_base(
    host: str, repository: str = "functions/python", architecture: str = "amd64", env: list[str] | None = None
) -> str:
    """Push a base image of one layer, as Docker does; its name."""
    config = {
        "os": "linux",
        "architecture": architecture,
        "rootfs": {"diff_ids": ["sha256:x"]},
        "config": {"Cmd": ["x"], "Env": env},
    }
    data = json.dumps(config).encode()
    with Registry(host, repository) as registry:
        for blob in (BASE_LAYER, data):
            registry.upload_blob(sha256(blob), len(blob), lambda blob=blob: (blob,))
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/json", "digest": sha256(data), "size": len(data)},
            "layers": [{"mediaType": LAYER, "digest": sha256(BASE_LAYER), "size": len(BASE_LAYER)}],
        }
        registry.put_manifest("v1", json.dumps(document).encode(), MANIFEST)
    return f"{host}/{repository}:v1"


@pytest.fixture
def request_for(tmp_path: Path) -> Callable[..., PackageRequest]:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "score.py").write_text("def init(): pass\ndef run(data): return data\n")
    (tmp_path / "model.pkl").write_text("a model")

    def request(host: str, base: str) -> PackageRequest:
        return PackageRequest(
            models=(LocalModel(tmp_path / "model.pkl"),),
            entry_script=tmp_path / "src" / "score.py",
            source_directory=tmp_path / "src",
            trigger=HttpTrigger(),
            image_name="app",
            image_tag="v1",
            base_image=base,
            registry=host,
        )

    return request


def build(request: PackageRequest, tmp_path: Path, credentials: Any = None, importer: Any = None) -> list[str]:
    """Build, and return what was said."""
    progress = RecordingProgress()
    builder = DirectBuilder(
        lambda host, name: Registry(host, name, credentials, pause=lambda seconds: None),
        LayerCache(tmp_path / "cache"),
        use_cache=True,
        import_base=importer or (lambda host, base, digest: None),
    )
    image = package.plan(request)
    builder.check(image, progress)
    builder.build(image, Tally(), progress)
    return progress.steps


def layers(host: str, repository: str = "app") -> list[str]:
    with Registry(host, repository) as registry:
        return [layer["digest"] for layer in registry.manifest("v1").document["layers"]]


def is_tagged(host: str) -> bool:
    try:
        return bool(layers(host))
    except ResourceNotFoundError:
        return False


def test_a_base_of_another_registry_is_brought_once(start_registry, request_for, tmp_path):
    base, target = push_base(start_registry().host), start_registry().host
    said = build(request_for(target, base), tmp_path)
    assert any("Bringing 1.0 MiB of the base" in line for line in said)
    assert layers(target)[0] == sha256(BASE_LAYER) and len(layers(target)) == 4
    with Registry(target, "app") as registry:
        assert b"".join(registry.read_blob(sha256(BASE_LAYER))) == BASE_LAYER
    said = build(request_for(target, base), tmp_path)
    assert not any("Bringing" in line for line in said)
    assert said[-1].startswith("Sent 0.0 KiB in 0 parts")


def test_a_base_of_the_same_registry_is_mounted(start_registry, request_for, tmp_path):
    host = start_registry().host
    said = build(request_for(host, push_base(host)), tmp_path)
    assert not any("base" in line for line in said if line.startswith(("Bringing", "Sent a layer")))
    assert layers(host)[0] == sha256(BASE_LAYER)


def test_a_base_that_the_registry_fetches_itself_is_mounted(start_registry, request_for, tmp_path):
    base, target = push_base(start_registry().host), start_registry().host
    asked = []

    def importer(host, reference, digest):
        asked.append((host, reference.repository, digest.partition(":")[0]))
        push_base(host, "imported/python")
        return "imported/python"

    said = build(request_for(target, base), tmp_path, importer=importer)
    assert asked == [(target, "functions/python", "sha256")]
    assert not any("Bringing" in line for line in said)
    assert layers(target)[0] == sha256(BASE_LAYER)


def test_a_base_for_another_platform_is_refused_and_nothing_is_tagged(start_registry, request_for, tmp_path):
    host = start_registry().host
    with pytest.raises(ValidationError, match="is for linux/arm64; expected linux/amd64"):
        build(request_for(host, push_base(host, architecture="arm64")), tmp_path)
    assert not is_tagged(host)


def test_a_base_with_another_python_is_refused(start_registry, request_for, tmp_path):
    host = start_registry().host
    base = push_base(host, env=["FUNCTIONS_WORKER_RUNTIME_VERSION=3.11"])
    with pytest.raises(ValidationError, match=r"has Python 3\.11; the environment is for Python 3\.13"):
        build(request_for(host, base), tmp_path)
    assert not is_tagged(host)


def test_a_login_that_may_only_read_changes_nothing(start_registry, token_server, request_for, tmp_path):
    tokens = token_server({"reader": {"app": "pull"}, "": {"app": "pull"}})
    base, registry = push_base(start_registry().host), start_registry(tokens=tokens)

    class Reader:
        def find(self, host: str) -> Credentials | None:
            return Credentials(Secret(tokens.password), "reader", "of the test") if host == registry.host else None

    with pytest.raises(AzCLIError) as raised:
        build(request_for(registry.host, base), tmp_path, credentials=Reader())
    assert "push" in raised.value.error_msg and tokens.password not in str(vars(raised.value))
    assert not is_tagged(registry.host)


def test_a_full_registry_moves_no_tag(start_registry, request_for, tmp_path):
    base = push_base(start_registry().host)
    full: DockerRegistry = start_registry(largest_file=20)
    with pytest.raises(AzCLIError):
        build(request_for(full.host, base), tmp_path)
    assert not is_tagged(full.host)
