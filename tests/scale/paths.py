"""The hot paths: what clients ask for all day, each a generator that prepares, yields, and then asks what counts."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator

from tests.speak.client import UNTIL_KEPT, Client
from tests.speak.content import CONFIG, artifact, digest_of, image

HotPath = Callable[[Client], Iterator[None]]

KB = 1000
MB = 1000 * KB

REPOSITORY = "hot/app"
MANIFEST = image(annotations={"of": "the hot paths"})
MANIFEST_DIGEST = digest_of(MANIFEST)
SMALL = b"small"
MANIFESTS = f"/v2/{REPOSITORY}/manifests"
BLOBS = f"/v2/{REPOSITORY}/blobs"
UPLOADS = f"{BLOBS}/uploads/"

FOLDER = "00"
"""Of the folder that blobs lie in, named by how their digests begin, only the first ever costs a sync more."""


def content(size: int, folder: str = FOLDER) -> bytes:
    """Bytes that nobody has, whose file lies in this folder."""
    start = os.urandom(size - 8)
    begun = hashlib.sha256(start)
    number = 0
    while True:
        end = number.to_bytes(8, "big")
        whole = begun.copy()
        whole.update(end)
        if whole.hexdigest().startswith(folder):
            return start + end
        number += 1


def warm(client: Client) -> None:
    """What only the first of all requests does: make the logs of the databases, and the folder."""
    client.push(REPOSITORY, content(200 * KB))
    path = client.start(REPOSITORY)
    assert client.patch(path, SMALL, 0).status == 202
    assert client.finish(path, SMALL).status == 201
    assert client.put_manifest(REPOSITORY, "latest", MANIFEST).status == 201


# Reading


def read(method: str, path: str) -> HotPath:
    """What nobody has asked for since the registry changed."""

    def asked(client: Client) -> Iterator[None]:
        client.push(REPOSITORY, content(100))
        # The first who asks finds out that something has changed.
        assert client.read("/v2/_catalog?n=1").status == 200
        yield
        assert client.read(path, method).status == 200

    return asked


def read_again(method: str, path: str) -> HotPath:
    """What others have asked for, and the worker has kept."""

    def asked(client: Client) -> Iterator[None]:
        for _ in range(UNTIL_KEPT):
            assert client.read(path, method).status == 200
        yield
        assert client.read(path, method).status == 200

    return asked


def referrers(client: Client) -> Iterator[None]:
    referrer = artifact(MANIFEST, os.urandom(8))
    assert client.put_manifest(REPOSITORY, digest_of(referrer), referrer).status == 201
    yield
    answer = client.read(f"/v2/{REPOSITORY}/referrers/{digest_of(MANIFEST)}")
    assert digest_of(referrer) in {entry["digest"] for entry in answer.json()["manifests"]}


def blob(method: str, size: int, part: range | None = None) -> HotPath:
    def asked(client: Client) -> Iterator[None]:
        whole = content(size)
        path = f"{BLOBS}/{client.push(REPOSITORY, whole)}"
        headers = {} if part is None else {"Range": f"bytes={part.start}-{part.stop - 1}"}
        yield
        answer = client.read(path, method, headers)
        assert answer.status == (200 if part is None else 206), answer
        assert method == "HEAD" or answer.body == (whole if part is None else whole[part.start : part.stop])

    return asked


# Pushing a blob


def monolithic(size: int) -> HotPath:
    def asked(client: Client) -> Iterator[None]:
        whole = content(size)
        yield
        assert client.finish(client.start(REPOSITORY), whole, whole).status == 201

    return asked


def single(size: int) -> HotPath:
    def asked(client: Client) -> Iterator[None]:
        whole = content(size)
        yield
        client.push(REPOSITORY, whole)

    return asked


def chunked(size: int, chunks: int) -> HotPath:
    """POST, PATCHes, PUT."""

    def asked(client: Client) -> Iterator[None]:
        whole = content(chunks * size)
        yield
        path = client.start(REPOSITORY)
        for start in range(0, len(whole), size):
            assert client.patch(path, whole[start : start + size], start).status == 202
        assert client.finish(path, whole).status == 201

    return asked


def chunk(size: int, before: int) -> HotPath:
    """One PATCH, after as many bytes before it."""

    def asked(client: Client) -> Iterator[None]:
        path = client.start(REPOSITORY)
        if before:
            assert client.patch(path, os.urandom(before), 0).status == 202
        piece = os.urandom(size)
        yield
        assert client.patch(path, piece, before).status == 202

    return asked


def close(client: Client) -> Iterator[None]:
    """The PUT without a body, after 3 MB in chunks."""
    whole = content(3 * MB)
    path = client.start(REPOSITORY)
    for start in range(0, 3 * MB, MB):
        assert client.patch(path, whole[start : start + MB], start).status == 202
    yield
    assert client.finish(path, whole).status == 201


def known(client: Client) -> Iterator[None]:
    """Bytes that the registry has under another name."""
    whole = content(MB)
    client.push("hot/other", whole)
    yield
    assert client.finish(client.start(REPOSITORY), whole, whole).status == 201


def first_of_folder(client: Client) -> Iterator[None]:
    whole = content(MB, "01")
    yield
    client.push(REPOSITORY, whole)


def mount(client: Client) -> Iterator[None]:
    digest = client.push("hot/other", content(100 * KB))
    yield
    assert client.request("POST", f"{UPLOADS}?mount={digest}&from=hot/other").status == 201


# Pushing a manifest


def manifest(client: Client) -> Iterator[None]:
    """Under a tag that moves; what it refers to is there."""
    config, layer = content(2 * KB), content(3 * KB)
    client.push(REPOSITORY, config)
    client.push(REPOSITORY, layer)
    assert client.put_manifest(REPOSITORY, "moving", image(os.urandom(8))).status == 201
    body = image(config, [layer])
    yield
    assert client.put_manifest(REPOSITORY, "moving", body).status == 201


def wide_manifest(layers: int) -> HotPath:
    def asked(client: Client) -> Iterator[None]:
        body = image(os.urandom(8), [number.to_bytes(2, "big") for number in range(layers)])
        yield
        assert client.put_manifest(REPOSITORY, digest_of(body), body).status == 201

    return asked


def push_image(client: Client) -> Iterator[None]:
    """As docker does it: of the config and each of three layers HEAD, POST, PATCH, PUT; then the manifest."""
    config = json.dumps({"mediaType": CONFIG, "nonce": os.urandom(500).hex()}).encode()
    layers = [content(100 * KB) for _ in range(3)]
    yield
    for each in [*layers, config]:
        assert client.request("HEAD", f"{BLOBS}/{digest_of(each)}").status == 404
        path = client.start(REPOSITORY)
        assert client.patch(path, each).status == 202
        assert client.finish(path, each).status == 201
    assert client.put_manifest(REPOSITORY, "pushed", image(config, layers)).status == 201


PATHS: dict[str, HotPath] = {
    "HEAD manifest by tag": read("HEAD", f"{MANIFESTS}/latest"),
    "HEAD manifest by digest": read("HEAD", f"{MANIFESTS}/{MANIFEST_DIGEST}"),
    "GET manifest by tag": read("GET", f"{MANIFESTS}/latest"),
    "GET manifest by digest": read("GET", f"{MANIFESTS}/{MANIFEST_DIGEST}"),
    "GET manifest by tag, again": read_again("GET", f"{MANIFESTS}/latest"),
    "HEAD manifest by tag, again": read_again("HEAD", f"{MANIFESTS}/latest"),
    "GET tags, a page, again": read_again("GET", "/v2/hot/app/tags/list?n=100"),
    "GET blob of 5 B, again": read_again("GET", f"{BLOBS}/{digest_of(SMALL)}"),
    "HEAD blob, again": read_again("HEAD", f"{BLOBS}/{digest_of(SMALL)}"),
    "GET tags, a page": read("GET", "/v2/hot/app/tags/list?n=100"),
    "GET catalogue, a page": read("GET", "/v2/_catalog?n=100"),
    "GET referrers, a page": referrers,
    "HEAD blob": blob("HEAD", MB),
    "GET blob of 4 KB": blob("GET", 4 * KB),
    "GET blob of 1 MB": blob("GET", MB),
    "GET a range of a blob of 4 KB": blob("GET", 4 * KB, range(1 * KB, 2 * KB)),
    "GET a range of a blob of 1 MB": blob("GET", MB, range(5 * KB, 6 * KB)),
    "push of 4 KB: POST, PUT": monolithic(4 * KB),
    "push of 100 KB: POST, PUT": monolithic(100 * KB),
    "push of 1 MB: POST, PUT": monolithic(MB),
    "push of 4 KB: POST": single(4 * KB),
    "push of 100 KB: POST": single(100 * KB),
    "push of 1 MB: POST": single(MB),
    "push of 1 MB, the first of its folder": first_of_folder,
    "push of 1 MB that is known": known,
    "push of 4 KB: POST, PATCH, PUT": chunked(4 * KB, 1),
    "push of 100 KB: POST, PATCH, PUT": chunked(100 * KB, 1),
    "push of 4 MB: POST, 4 PATCHes, PUT": chunked(MB, 4),
    "first PATCH, 4 KB": chunk(4 * KB, 0),
    "further PATCH, 100 KB": chunk(100 * KB, 20 * KB),
    "further PATCH, 1 MB": chunk(MB, 20 * KB),
    "PUT that closes 3 MB in chunks": close,
    "mount": mount,
    "PUT manifest of 1 layer, its tag moves": manifest,
    "PUT manifest of 100 layers": wide_manifest(100),
    "push of an image of 3 layers": push_image,
}
