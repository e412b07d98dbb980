"""Answers that a worker keeps until something changes: nobody can tell them from those that are made anew."""

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.server import Server, running
from tests.speak.client import Client, open_socket, read_all
from tests.speak.content import image
from tests.speak.requests import push_blob, push_image, put_manifest

ALIKE = 40
"""Requests after which an answer is kept, and some more."""

VARYING = {"date", "x-request-id"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("kept"), "--workers", "1") as server:
        yield server


@pytest.fixture
def plain(server: Server) -> Iterator[Client]:
    with Client(server.url) as connection:
        yield connection


@pytest.fixture
def http_client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url) as client:
        yield client


def paths(client: httpx.Client) -> list[tuple[str, str]]:
    _, digest = push_image(client, "kept/app", "v1")
    blob = push_blob(client, "kept/app", b"small")
    return [
        ("GET", "/v2/kept/app/manifests/v1"),
        ("HEAD", "/v2/kept/app/manifests/v1"),
        ("GET", f"/v2/kept/app/manifests/{digest}"),
        ("GET", f"/v2/kept/app/blobs/{blob}"),
        ("HEAD", f"/v2/kept/app/blobs/{blob}"),
        ("GET", "/v2/kept/app/tags/list"),
        ("GET", "/v2/kept/app/tags/list?n=1"),
        ("GET", f"/v2/kept/app/referrers/{digest}"),
        ("GET", "/v2/_catalog"),
    ]


def test_the_same_answer_each_time(plain: Client, http_client: httpx.Client, server: Server) -> None:
    for method, path in paths(http_client):
        anew = plain.read(path, method, {"X-Anew": "1"})
        seen = set()
        for _ in range(ALIKE):
            status, headers, body = plain.read(path, method)
            assert (status, body) == (anew.status, anew.body)
            seen.add(headers["x-request-id"])
            assert "date" in headers
            assert {k: v for k, v in headers.items() if k not in VARYING} == {
                k: v for k, v in anew.headers.items() if k not in VARYING
            }
        assert len(seen) == ALIKE, "each request has an id of its own"


def test_each_is_logged(plain: Client, http_client: httpx.Client, server: Server) -> None:
    push_image(http_client, "kept/logged", "v1")
    ids = [plain.read("/v2/kept/logged/manifests/v1").headers["x-request-id"] for _ in range(ALIKE)]
    http_client.get("/v2/")
    for request_id in ids:
        assert any(
            f"id={request_id}\n" in line + "\n" and " 200 GET manifest kept/logged v1 " in line
            for line in eventually_logged(server, ids[-1])
        )


def eventually_logged(server: Server, last: str) -> list[str]:
    deadline = time.monotonic() + 10
    while f"id={last}\n" not in server.output and time.monotonic() < deadline:
        time.sleep(0.05)
    return server.output.splitlines()


def test_what_an_answer_depends_on_is_heeded(plain: Client, http_client: httpx.Client) -> None:
    _, digest = push_image(http_client, "kept/headers", "v1")
    blob = push_blob(http_client, "kept/headers", b"0123456789")
    for _ in range(ALIKE):
        assert plain.read("/v2/kept/headers/manifests/v1").status == 200
        assert plain.read(f"/v2/kept/headers/blobs/{blob}").body == b"0123456789"
    assert plain.read("/v2/kept/headers/manifests/v1", headers={"If-None-Match": f'"{digest}"'}).status == 304
    status, _, body = plain.read(f"/v2/kept/headers/blobs/{blob}", headers={"Range": "bytes=2-4"})
    assert (status, body) == (206, b"234")
    assert plain.read(f"/v2/kept/headers/blobs/{blob}").body == b"0123456789"


def test_a_change_is_seen_at_once(plain: Client, http_client: httpx.Client) -> None:
    path = "/v2/kept/changing/manifests/v1"
    for round_ in range(5):
        body = image(nonce=f"kept-{round_}")
        digest = put_manifest(http_client, "kept/changing", "v1", body).headers["docker-content-digest"]
        for _ in range(ALIKE):
            assert plain.read(path).body == body
            assert plain.read(path, "HEAD").headers["docker-content-digest"] == digest
    assert http_client.delete(path).status_code == 202
    assert plain.read(path).status == 404


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_client_that_wants_the_connection_closed_has_it_closed(
    version: str, server: Server, plain: Client, http_client: httpx.Client
) -> None:
    push_image(http_client, "kept/closing", "v1")
    path = "/v2/kept/closing/manifests/v1"
    for _ in range(ALIKE):
        assert plain.read(path).status == 200
    wish = "Keep-Alive" if version == "1.0" else "close"
    with open_socket(server.url) as connection:
        connection.sendall(f"GET {path} HTTP/{version}\r\nHost: x\r\nConnection: {wish}\r\n\r\n".encode())
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close\r\n" in answer


def test_none_are_kept_where_none_may_be(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("none"), "--workers", "1", "--answer-memory", "0") as server:
        with httpx.Client(base_url=server.url) as client:
            push_image(client, "kept/none", "v1")
        with Client(server.url) as plain:
            answers = {plain.read("/v2/kept/none/manifests/v1").body for _ in range(ALIKE)}
        assert len(answers) == 1
