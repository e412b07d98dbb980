"""The few requests that most tests begin or end with, by an httpx client."""

import json
import os
from urllib.parse import urljoin

import httpx

from tests.speak.content import OCI_MANIFEST, digest_of, image, random_blob


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


def arrived(http: httpx.Client, location: str) -> int:
    """How many bytes of the session count, as its status says."""
    answer = http.get(location)
    assert answer.status_code == 204, answer.text
    first, _, last = answer.headers["range"].partition("-")
    assert first == "0"
    return int(last) + 1


def finish(http: httpx.Client, location: str, whole: bytes, rest: bytes = b"") -> None:
    """Close the session with `rest` and see that the blob is `whole`."""
    answer = http.put(with_digest(location, digest_of(whole)), content=rest)
    assert answer.status_code == 201, answer.text
    assert http.get(answer.headers["location"]).content == whole
