"""Content to push: blobs, descriptors, manifests."""

import hashlib
import json
import os
from typing import Any

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
EMPTY = "application/vnd.oci.empty.v1+json"


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def random_blob(size: int = 512) -> bytes:
    return os.urandom(size)


def descriptor(content: bytes, media_type: str = LAYER, algorithm: str = "sha256", **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content, algorithm), "size": len(content), **more}


def image(config: bytes = b"{}", layers: list[bytes] | None = None, **more: Any) -> bytes:
    """An image manifest."""
    fields = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(config, CONFIG),
        "layers": [descriptor(layer) for layer in layers or []],
        **more,
    }
    return json.dumps(fields).encode()


def index(manifests: list[bytes], **more: Any) -> bytes:
    """An image index."""
    entries = [descriptor(manifest, OCI_MANIFEST) for manifest in manifests]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, **more}).encode()
