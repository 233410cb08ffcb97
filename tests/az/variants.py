"""Images as other tools leave them, made from one of ours: without labels, for another machine, behind an index."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import urljoin

from .azures import LocalAzure, Packaged
from .cloud import unique

_CONFIG = "application/vnd.docker.container.image.v1+json"
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"


class Repository:
    """The repository of an image.

    Args:
        azure: where it is.
        image: one that is in it.
    """

    def __init__(self, azure: LocalAzure, image: Packaged) -> None:
        self._web, self._login = azure.cloud.web, (azure.registry, azure.registry_password)
        host, _, rest = image.location.partition("/")
        self._name, _, self._digest = rest.partition("@")
        self._host = host
        self._url = f"https://{host}/v2/{self._name}"

    def variant(self, architecture: str = "amd64", labelled: bool = True, index: bool = False) -> str:
        """Another image with the same layers; its name with a tag.

        Args:
            architecture: of the machine that it says it is for.
            labelled: with our labels.
            index: a tag that leads to a list with this image alone.
        """
        manifest = json.loads(self._get(f"manifests/{self._digest}"))
        config = json.loads(self._get(f"blobs/{manifest['config']['digest']}"))
        config["architecture"] = architecture
        if not labelled:
            config["config"]["Labels"] = None
        raw = json.dumps(config).encode()
        manifest["config"] |= {"digest": self._upload(raw), "size": len(raw)}
        tag, raw = unique("variant"), json.dumps(manifest).encode()
        self._tag(tag, raw, manifest["mediaType"])
        if index:
            platform = {"os": "linux", "architecture": architecture}
            entry = {"mediaType": manifest["mediaType"], "digest": _digest(raw), "size": len(raw), "platform": platform}
            listed = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [entry]}
            self._tag(tag, json.dumps(listed).encode(), _INDEX)
        return f"{self._host}/{self._name}:{tag}"

    def _get(self, path: str) -> bytes:
        return self._ask("GET", f"{self._url}/{path}", headers={"Accept": f"{_MANIFEST}, {_OCI_MANIFEST}"})

    def _upload(self, raw: bytes) -> str:
        where = self._web.post(f"{self._url}/blobs/uploads/", auth=self._login).headers["Location"]
        self._ask("PUT", urljoin(self._url, where), params={"digest": _digest(raw)}, data=raw)
        return _digest(raw)

    def _tag(self, tag: str, raw: bytes, media_type: str) -> None:
        self._ask("PUT", f"{self._url}/manifests/{tag}", data=raw, headers={"Content-Type": media_type})

    def _ask(self, method: str, url: str, **options: Any) -> bytes:
        answer = self._web.request(method, url, auth=self._login, timeout=60, **options)
        assert answer.ok, answer.text
        return bytes(answer.content)


def _digest(raw: bytes) -> str:
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"
