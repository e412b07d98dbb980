"""Content to push, and the few requests that most tests begin with."""

import hashlib
import json
import os
from typing import Any
from urllib.parse import urljoin

import httpx

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


def with_digest(location: str, digest: str) -> str:
    """The URL that closes an upload: our parameter added to whatever query it has."""
    return f"{location}{'&' if '?' in location else '?'}digest={digest}"


def start_upload(http: httpx.Client, name: str, **parameters: str) -> str:
    """The location of a new session, without what it says of the offset: bytes are added wherever it stands."""
    return start_at(http, name, **parameters).partition("?")[0]


def start_at(http: httpx.Client, name: str, **parameters: str) -> str:
    """The location of a new session as it was given."""
    answer = http.post(f"/v2/{name}/blobs/uploads/", params=parameters)
    assert answer.status_code == 202, answer.text
    return urljoin(str(answer.url), answer.headers["location"])


def push_blob(http: httpx.Client, name: str, content: bytes, algorithm: str = "sha256") -> str:
    """POST and PUT; the blob's digest."""
    digest = digest_of(content, algorithm)
    answer = http.put(with_digest(start_upload(http, name), digest), content=content)
    assert answer.status_code == 201, answer.text
    return digest


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


def put_manifest(
    http: httpx.Client, name: str, reference: str, body: bytes, media_type: str = OCI_MANIFEST
) -> httpx.Response:
    return http.put(f"/v2/{name}/manifests/{reference}", content=body, headers={"content-type": media_type})


def push_image(http: httpx.Client, name: str, tag: str, layers: int = 2, size: int = 512) -> tuple[bytes, str]:
    """A whole image with random layers; its manifest and digest."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "nonce": os.urandom(8).hex()}).encode()
    contents = [random_blob(size) for _ in range(layers)]
    for content in [config, *contents]:
        push_blob(http, name, content)
    manifest = image(config, contents)
    answer = put_manifest(http, name, tag, manifest)
    assert answer.status_code == 201, answer.text
    return manifest, digest_of(manifest)


def errors(answer: httpx.Response) -> list[str]:
    """The codes of an error, in the one form that errors have (R-200)."""
    assert answer.headers["content-type"] == "application/json"
    entries = answer.json()["errors"]
    assert entries
    assert all(set(entry) <= {"code", "message", "detail"} for entry in entries)
    return [entry["code"] for entry in entries]
