"""curl: the plain protocol, spoken in ways that the other clients do not."""

import json
import re
import subprocess
from pathlib import Path
from typing import ClassVar, NamedTuple

import pytest

from tests.interop.clients import Program
from tests.interop.conftest import Make
from tests.interop.registry import Registry
from tests.speak.content import OCI_MANIFEST, digest_of, image, random_blob
from tests.speak.images import MEGABYTE
from tests.speak.requests import push_blob, with_digest

UPGRADE = "--http2"
"""Asks to go on in HTTP/2, by `Upgrade: h2c`; a server that would rather not goes on in HTTP/1.1."""


class Answer(NamedTuple):
    """The last answer of a command; `talk` is all that was said, both ways."""

    status: int
    headers: dict[str, str]
    body: bytes
    talk: str


class Curl(Program):
    program: ClassVar[str] = "curl"

    def ask(self, path: str, *flags: str) -> Answer:
        """`path` may be a whole URL, as in a Location."""
        url = path if path.startswith("http") else self.registry.server.url + path
        body, head = self.fresh(), self.folder / "head"
        command = [self.program, "-sS", "-v", "--max-time", "30", "-o", str(body), "-D", str(head), *flags, url]
        done = subprocess.run(command, capture_output=True, env=self.environ, check=False)
        talk = done.stderr.decode(errors="replace")
        assert done.returncode == 0, talk
        lines = head.read_text().strip().split("\n\n")[-1].splitlines()
        headers = dict(re.split(r":\s*", line.strip(), maxsplit=1) for line in lines[1:])
        return Answer(int(lines[0].split()[1]), headers, body.read_bytes() if body.exists() else b"", talk)

    def upload(self, name: str) -> str:
        answer = self.ask(f"/v2/{name}/blobs/uploads/", "-X", "POST")
        assert answer.status == 202
        return answer.headers["location"]

    def file(self, content: bytes) -> str:
        path = self.fresh()
        path.write_bytes(content)
        return str(path)


@pytest.fixture
def curl(make: Make, registry: Registry) -> Curl:
    return make(Curl, registry)


def assert_holds(curl: Curl, name: str, content: bytes) -> None:
    assert curl.ask(f"/v2/{name}/blobs/{digest_of(content)}").body == content


def test_a_body_whose_length_is_not_told(curl: Curl, name: str) -> None:
    content = random_blob(3 * MEGABYTE)
    chunked = ("-H", "Transfer-Encoding: chunked", "-T", curl.file(content))
    answer = curl.ask(with_digest(curl.upload(name), digest_of(content)), *chunked)
    assert answer.status == 201
    assert "> Transfer-Encoding: chunked" in answer.talk
    assert "> Content-Length" not in answer.talk
    assert_holds(curl, name, content)


def test_a_chunked_upload(curl: Curl, name: str) -> None:
    content = random_blob(2 * MEGABYTE)
    location = curl.upload(name)
    for start, end in [(0, MEGABYTE), (MEGABYTE, 2 * MEGABYTE)]:
        part = curl.file(content[start:end])
        answer = curl.ask(location, "-X", "PATCH", "-T", part, "-H", f"Content-Range: {start}-{end - 1}")
        assert (answer.status, answer.headers["range"]) == (202, f"0-{end - 1}")
        location = answer.headers["location"]
    assert curl.ask(with_digest(location, digest_of(content)), "-X", "PUT").status == 201
    assert_holds(curl, name, content)


def test_a_large_body_waits_for_leave_to_come(curl: Curl, name: str) -> None:
    content = random_blob(2 * MEGABYTE)
    answer = curl.ask(with_digest(curl.upload(name), digest_of(content)), "-T", curl.file(content))
    assert answer.status == 201
    assert "> Expect: 100-continue" in answer.talk
    assert "< HTTP/1.1 100 Continue" in answer.talk
    assert_holds(curl, name, content)


def test_head(curl: Curl, registry: Registry, name: str) -> None:
    content = random_blob(1000)
    digest = push_blob(registry.http, name, content)
    answer = curl.ask(f"/v2/{name}/blobs/{digest}", "--head")
    assert answer.status == 200
    assert answer.headers["content-length"] == "1000"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["docker-content-digest"] == digest
    assert curl.ask(f"/v2/{name}/blobs/{digest_of(b'none')}", "--head").status == 404


@pytest.mark.parametrize(
    ("asked", "start", "end"), [("0-0", 0, 1), ("10-19", 10, 20), ("900-", 900, 1000), ("-7", 993, 1000)]
)
def test_a_range(asked: str, start: int, end: int, curl: Curl, registry: Registry, name: str) -> None:
    content = random_blob(1000)
    digest = push_blob(registry.http, name, content)
    answer = curl.ask(f"/v2/{name}/blobs/{digest}", "--range", asked)
    assert (answer.status, answer.body) == (206, content[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/1000"


def test_a_download_is_resumed(curl: Curl, registry: Registry, name: str) -> None:
    content = random_blob(2 * MEGABYTE)
    digest = push_blob(registry.http, name, content)
    path = Path(curl.file(content[:MEGABYTE]))
    curl("-sS", "--continue-at", "-", "-o", str(path), f"{registry.server.url}/v2/{name}/blobs/{digest}")
    assert path.read_bytes() == content
    (line,) = registry.requests(method="GET", route="blob")
    assert (line.status, line.size) == (206, MEGABYTE)


def test_several_ranges_at_once(curl: Curl, registry: Registry, name: str) -> None:
    content = random_blob(1000)
    digest = push_blob(registry.http, name, content)
    answer = curl.ask(f"/v2/{name}/blobs/{digest}", "--range", "500-509,0-4,-3")
    assert answer.status == 206
    kind, _, boundary = answer.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    opening, *parts, closing = answer.body.split(f"--{boundary}".encode())
    assert (opening, closing) == (b"", b"--\r\n")
    found = [part.partition(b"\r\n\r\n") for part in parts]
    assert [body.removesuffix(b"\r\n") for _, _, body in found] == [content[500:510], content[:5], content[-3:]]
    assert b"content-range: bytes 500-509/1000" in found[0][0].lower()


def test_a_range_beyond_the_end(curl: Curl, registry: Registry, name: str) -> None:
    digest = push_blob(registry.http, name, random_blob(1000))
    answer = curl.ask(f"/v2/{name}/blobs/{digest}", "--range", "1000-")
    assert answer.status == 416
    assert answer.headers["content-range"] == "bytes */1000"
    assert json.loads(answer.body)["errors"]


def test_an_answer_is_never_compressed(curl: Curl, registry: Registry, name: str) -> None:
    content = b"a" * MEGABYTE
    digest = push_blob(registry.http, name, content)
    answer = curl.ask(f"/v2/{name}/blobs/{digest}", "-H", "Accept-Encoding: gzip, br, zstd")
    assert "content-encoding" not in answer.headers
    assert answer.body == content


def test_asked_for_http_2_it_goes_on_in_http_1(curl: Curl, registry: Registry, name: str) -> None:
    content = random_blob(MEGABYTE)
    url = f"{registry.server.url}/v2/{name}/blobs/{push_blob(registry.http, name, content)}"
    answer = curl.ask(url, UPGRADE, "-o", curl.file(b""), url)
    assert (answer.status, answer.body) == (200, content)
    assert answer.talk.count("< HTTP/1.1 200") == 2
    assert "Re-using existing connection" in answer.talk
    assert "101" not in re.findall(r"< HTTP/1.1 (\d+)", answer.talk)


@pytest.mark.parametrize("size", [100, 3 * MEGABYTE])
@pytest.mark.parametrize("chunked", [False, True])
def test_asked_for_http_2_it_takes_a_body(size: int, chunked: bool, curl: Curl, name: str) -> None:
    content = random_blob(size)
    how = ("-H", "Transfer-Encoding: chunked") if chunked else ()
    answer = curl.ask(with_digest(curl.upload(name), digest_of(content)), UPGRADE, *how, "-T", curl.file(content))
    assert "> Upgrade: h2c" in answer.talk
    assert answer.status == 201, answer.body
    assert_holds(curl, name, content)


def test_a_body_is_never_taken_for_a_request(curl: Curl, registry: Registry, name: str) -> None:
    """What stands in a body whose request would like another protocol is content."""
    content = f"DELETE /v2/{name}/manifests/v1 HTTP/1.1\r\nHost: {registry.host}\r\n\r\n".encode()
    manifest = image()
    push_blob(registry.http, name, b"{}")
    kind = ("-H", f"Content-Type: {OCI_MANIFEST}")
    assert curl.ask(f"/v2/{name}/manifests/v1", "-X", "PUT", *kind, "-T", curl.file(manifest)).status == 201
    url = with_digest(curl.upload(name), digest_of(content))
    # It waits for leave, so that the body comes after the head has been read.
    answer = curl.ask(url, UPGRADE, "-H", "Expect: 100-continue", "-T", curl.file(content))
    assert registry.has(name, "v1")
    assert registry.requests(method="DELETE") == []
    assert answer.status == 201
    assert_holds(curl, name, content)


def test_query_and_headers_that_nobody_knows(curl: Curl, registry: Registry, name: str) -> None:
    digest = push_blob(registry.http, name, b"content")
    assert curl.ask(f"/v2/{name}/blobs/{digest}?ns=docker.io&a=b", "-H", "X-Unknown: 1").body == b"content"
