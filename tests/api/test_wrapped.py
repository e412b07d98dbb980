"""Who wraps what a registry is asked (`registry/services/registry.py`) is served as the registry itself."""

from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from typing import NamedTuple

import httpx
import pytest

from registry.app import App
from registry.asgi import Registry
from registry.change import Change
from registry.errors import BlobUnknown
from registry.names import Digest, RepositoryName
from registry.preconditions import Precondition
from registry.services.registry import Blobs, HeldBlob
from registry.settings.fields import Settings
from tests.api.test_kept_answers import VARYING
from tests.composed import serving
from tests.server import Server
from tests.speak.client import Client
from tests.speak.content import digest_of, image, random_blob
from tests.speak.requests import errors, push_blob, put_manifest, start_upload, with_digest

ELSEWHERE = bytes(range(256)) * 4096
"""A blob that another registry has, in whichever repository."""

ABSENT = digest_of(b"nobody has this")


class Fetched(NamedTuple):
    """It, found."""

    digest: str = digest_of(ELSEWHERE)
    size: int = len(ELSEWHERE)


class ReadThrough:
    """Blobs that are asked for elsewhere where they are not here. Counts what is asked, and tells it in a file."""

    def __init__(self, blobs: Blobs, settings: Settings) -> None:
        self._blobs = blobs
        self._asked = Counter[str]()
        self._file = settings.data / "asked"

    def _count(self, verb: str) -> None:
        self._asked[verb] += 1
        self._file.write_text(" ".join(f"{name}={count}" for name, count in sorted(self._asked.items())))

    async def find(self, name: RepositoryName, digest: Digest) -> HeldBlob:
        self._count("find")
        try:
            return await self._blobs.find(name, digest)
        except BlobUnknown:
            return fetched(digest)

    async def promise(self, name: RepositoryName, digest: Digest) -> HeldBlob:
        self._count("promise")
        try:
            return await self._blobs.promise(name, digest)
        except BlobUnknown:
            return fetched(digest)

    def read(self, found: HeldBlob, start: int, length: int) -> bytes | AsyncGenerator[bytes, None]:
        self._count("read")
        if isinstance(found, Fetched):
            return in_blocks(ELSEWHERE[start : start + length])
        return self._blobs.read(found, start, length)

    async def check(self, found: HeldBlob) -> None:
        self._count("check")
        if not isinstance(found, Fetched):
            await self._blobs.check(found)

    async def mount(self, change: Change, name: RepositoryName, digest: Digest, source: RepositoryName | None) -> bool:
        self._count("mount")
        return await self._blobs.mount(change, name, digest, source)

    async def remove(self, change: Change, name: RepositoryName, digest: Digest, condition: Precondition) -> None:
        self._count("remove")
        await self._blobs.remove(change, name, digest, condition)


def fetched(digest: Digest) -> Fetched:
    if digest != Fetched().digest:
        raise BlobUnknown(digest)
    return Fetched()


async def in_blocks(content: bytes) -> AsyncGenerator[bytes, None]:
    for at in range(0, len(content), 100_000):
        yield content[at : at + 100_000]


def read_through(settings: Settings) -> Registry:
    app = App(settings)
    app.blobs = ReadThrough(app.blobs, settings)
    return Registry(app)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(read_through, tmp_path_factory.mktemp("wrapped")) as server:
        yield server


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url) as http:
        yield http


def asked(server: Server) -> Counter[str]:
    file = server.data / "asked"
    pairs = (pair.split("=") for pair in (file.read_text() if file.exists() else "").split())
    return Counter({verb: int(count) for verb, count in pairs})


def test_a_blob_of_elsewhere_is_served_as_one_of_here(server: Server, http: httpx.Client) -> None:
    url, before = f"/v2/some/app/blobs/{Fetched().digest}", asked(server)
    whole, head = http.get(url), http.head(url)
    assert (whole.status_code, whole.content) == (200, ELSEWHERE)
    assert whole.headers["docker-content-digest"] == Fetched().digest
    for answer in (whole, head):
        for name in VARYING:
            del answer.headers[name]
    assert head.headers == whole.headers
    assert http.get(url, headers={"range": "bytes=250-260"}).content == ELSEWHERE[250:261]
    parts = http.get(url, headers={"range": "bytes=0-9,500000-500009"})
    assert parts.status_code == 206
    assert ELSEWHERE[500000:500010] in parts.content
    assert http.get(url, headers={"if-none-match": whole.headers["etag"]}).status_code == 304
    assert asked(server) - before == Counter(find=4, promise=1, read=4, check=1)


def test_many_times_too(server: Server) -> None:
    """Also where answers of here would be kept."""
    with Client(server.url) as client:
        for _ in range(40):
            assert client.read(f"/v2/some/app/blobs/{Fetched().digest}").body == ELSEWHERE


def test_it_is_not_here(http: httpx.Client) -> None:
    deleted = http.delete(f"/v2/some/app/blobs/{Fetched().digest}")
    assert (deleted.status_code, errors(deleted)) == (404, ["BLOB_UNKNOWN"])
    query = {"mount": Fetched().digest, "from": "some/app"}
    assert http.post("/v2/other/app/blobs/uploads/", params=query).status_code == 202
    missing = http.get(f"/v2/some/app/blobs/{ABSENT}")
    assert (missing.status_code, errors(missing)) == (404, ["BLOB_UNKNOWN"])


def test_all_else_is_as_it_was(server: Server, http: httpx.Client) -> None:
    before = asked(server)
    small, large = b"small", random_blob(300_000)
    for content in (small, large):
        digest = push_blob(http, "own/app", content)
        assert http.get(f"/v2/own/app/blobs/{digest}").content == content
        query = {"mount": digest, "from": "own/app"}
        assert http.post("/v2/own/other/blobs/uploads/", params=query).status_code == 201
        assert http.delete(f"/v2/own/app/blobs/{digest}").status_code == 202
        assert http.get(f"/v2/own/other/blobs/{digest}").content == content
    found = asked(server) - before
    assert (found["find"], found["mount"], found["remove"]) == (4, 2, 2)
    location = start_upload(http, "own/app")
    assert http.put(with_digest(location, digest_of(large)), content=large).status_code == 201
    put_manifest(http, "own/app", "v1", image())
    assert http.get("/v2/own/app/tags/list").json() == {"name": "own/app", "tags": ["v1"]}
