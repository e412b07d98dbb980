"""A server to be ill-treated, with a canary image that must outlive everything."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.badinput.rules import all_obey
from tests.server import Server, running
from tests.speak.answer import Answer
from tests.speak.content import image, random_blob
from tests.speak.requests import push_blob, put_manifest
from tests.speak.wire import request, talk

CANARY = "canary/image"
PLAYGROUND = "fuzz"
"""Repositories of this name and below it may change."""

# What the registry keeps on disk, and nothing else.
KEPT = re.compile(
    r"(registry|uploads)\.db(-wal|-shm|-journal)?|blobs(/.*)?|reserve(/[0-9]+)?|.*\.(lock|pid)",
)
# Below `blobs`: no element that came from a request, but digests and ids of sessions.
KEPT_BLOB = re.compile(r"blobs(/[a-z0-9_.-]*)*")


@dataclass
class Site:
    """The server and the canary."""

    server: Server
    root: Path
    manifest: bytes
    blobs: dict[str, bytes]
    workers: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.url

    def ask(self, method: str, target: str | bytes, *headers: bytes, body: bytes | None = None) -> Answer:
        """One request that must be answered, by the rules."""
        found = talk(self.url, request(method, target, *headers, body=body), [method])
        all_obey([method], found)
        assert found.answers, f"closed without an answer: {method} {target!r} {headers!r}"
        return found.answers[0]

    def intact(self) -> None:
        """The same processes serve the canary as it was pushed, and nothing stands where it should not."""
        assert self.server.process.poll() is None
        assert self.server.workers() == self.workers, "a worker died"
        assert "Traceback" not in self.server.output, self.server.output
        answer = self.ask("GET", f"/v2/{CANARY}/manifests/latest")
        assert (answer.status, answer.body) == (200, self.manifest)
        for digest, content in self.blobs.items():
            answer = self.ask("GET", f"/v2/{CANARY}/blobs/{digest}")
            assert (answer.status, answer.body) == (200, content)
        assert json.loads(self.ask("GET", f"/v2/{CANARY}/tags/list").body) == {"name": CANARY, "tags": ["latest"]}
        listed = json.loads(self.ask("GET", "/v2/_catalog").body)["repositories"]
        assert [name for name in listed if name.partition("/")[0] != PLAYGROUND] == [CANARY]
        assert sorted(os.listdir(self.root)) == ["data", "secret"]
        assert (self.root / "secret").read_bytes() == b"untouched"
        for path in self.server.data.rglob("*"):
            assert not path.is_symlink()
            kept = path.relative_to(self.server.data).as_posix()
            assert KEPT.fullmatch(kept), kept
            assert not kept.startswith("blobs") or KEPT_BLOB.fullmatch(kept), kept


@pytest.fixture(scope="package")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("site")
    (root / "secret").write_bytes(b"untouched")
    with running(root / "data", "--workers", "2", "--body-timeout", "2s") as server:
        contents = [b"{}", random_blob(), random_blob(200_000)]
        manifest = image(contents[0], contents[1:])
        with httpx.Client(base_url=server.url) as http:
            blobs = {push_blob(http, CANARY, content): content for content in contents}
            assert put_manifest(http, CANARY, "latest", manifest).status_code == 201
        yield Site(server, root, manifest, blobs, server.workers())


@pytest.fixture
def site(started: Site) -> Iterator[Site]:
    """The server, unharmed before and after the test."""
    yield started
    started.intact()
