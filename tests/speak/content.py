"""Content to push: blobs, descriptors, manifests."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

Descriptor = dict[str, Any]

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


def descriptor(content: bytes, media_type: str = LAYER, algorithm: str = "sha256", **more: Any) -> Descriptor:
    return {"mediaType": media_type, "digest": digest_of(content, algorithm), "size": len(content), **more}


def image(config: bytes | Descriptor = b"{}", layers: Sequence[bytes | Descriptor] = (), **more: Any) -> bytes:
    """An image manifest; `more` are further fields. What has another media type is given as its descriptor."""
    fields = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described(config, CONFIG),
        "layers": [described(layer, LAYER) for layer in layers],
        **more,
    }
    return json.dumps(fields).encode()


def index(manifests: Sequence[bytes | Descriptor] = (), **more: Any) -> bytes:
    """An image index, or a list of referrers. What is listed is an image manifest, or given as its descriptor."""
    entries = [described(manifest, OCI_MANIFEST) for manifest in manifests]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, **more}).encode()


def artifact(subject: bytes, config: bytes = b"{}", **more: Any) -> bytes:
    """A manifest that refers to another, an image's, as a signature does."""
    return image(config, subject=descriptor(subject, OCI_MANIFEST), **more)


def of_size(size: int, make: Callable[..., bytes] = image, **annotations: str) -> bytes:
    """An image, or what `make` makes, of exactly so many bytes."""
    without = len(make(annotations={**annotations, "filling": ""}))
    body = make(annotations={**annotations, "filling": "x" * (size - without)})
    assert len(body) == size
    return body


def described(content: bytes | Descriptor, media_type: str) -> Descriptor:
    return descriptor(content, media_type) if isinstance(content, bytes) else content
