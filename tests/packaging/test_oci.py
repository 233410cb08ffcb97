"""Images as OCI has them: a base with more layers on top."""

from __future__ import annotations

import io
import json
import tarfile

from azext_mlfunc.packaging.context import text_entry
from azext_mlfunc.packaging.oci import (
    MANIFEST,
    Blob,
    Layer,
    blob_of,
    digest_of,
    image_config,
    image_manifest,
    tar_layer,
)

BASE_CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "created": "2026-01-01T00:00:00Z",
    "docker_version": "20.10",
    "config": {"Env": ["PATH=/usr/bin", "A=old"], "Cmd": ["run"], "Labels": {"a": "1"}, "Image": "sha256:x"},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:base"]},
    "history": [{"created_by": "debian"}],
}
LAYER = Layer(Blob("models", "sha256:blob", 5), "application/vnd.oci.image.layer.v1.tar", "sha256:diff")


def test_a_layer_lies_where_it_is_told_and_leaves_the_folders_above_alone():
    made = []

    def entries():
        made.append(1)
        return [text_entry("models/deep/weights", "w"), text_entry("models/vocab", "v")]

    layer = tar_layer("models", entries, "models", "/var/azureml-app/azureml-models")
    data = b"".join(layer.blob.chunks())
    assert (layer.blob.digest, layer.blob.size, layer.diff_id) == (digest_of(data), len(data), digest_of(data))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == [
            "var/azureml-app/azureml-models/deep",
            "var/azureml-app/azureml-models/deep/weights",
            "var/azureml-app/azureml-models/vocab",
        ]
    assert len(made) == 2


def test_the_config_is_the_base_s_with_ours():
    config = json.loads(image_config(BASE_CONFIG, [LAYER], {"A": "new", "B": "b=c"}, {"b": "2"}))
    assert config["config"] == {
        "Env": ["PATH=/usr/bin", "A=new", "B=b=c"],
        "Cmd": ["run"],
        "Labels": {"a": "1", "b": "2"},
    }
    assert config["rootfs"]["diff_ids"] == ["sha256:base", "sha256:diff"]
    assert [entry["created_by"] for entry in config["history"]] == ["debian", "az ml-func package: models"]
    assert config["created"] == "1980-01-01T00:00:00Z" and "docker_version" not in config


def test_a_base_without_settings_gets_ours():
    bare = {"architecture": "amd64", "os": "linux", "config": None, "rootfs": {"diff_ids": []}}
    config = json.loads(image_config(bare, [], {"A": "1"}, {}))
    assert config["config"]["Env"] == ["A=1"]


def test_the_manifest_is_oci_whatever_the_base_s_was():
    docker = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    base = {"layers": [{"mediaType": docker, "digest": "sha256:base", "size": 7}]}
    config = blob_of("config", b"{}")
    manifest = json.loads(image_manifest(base, config, [LAYER]))
    assert manifest["mediaType"] == MANIFEST
    assert manifest["config"]["digest"] == config.digest
    assert [(layer["mediaType"], layer["digest"], layer["size"]) for layer in manifest["layers"]] == [
        ("application/vnd.oci.image.layer.v1.tar+gzip", "sha256:base", 7),
        ("application/vnd.oci.image.layer.v1.tar", "sha256:blob", 5),
    ]


def test_the_same_gives_the_same_bytes():
    assert image_config(BASE_CONFIG, [LAYER], {"A": "1"}, {}) == image_config(BASE_CONFIG, [LAYER], {"A": "1"}, {})
