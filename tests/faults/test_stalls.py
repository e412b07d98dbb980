"""Clients that stall, dribble or leave in the middle of a request."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.server.patience import HEAD_PATIENCE
from tests.server import Server, running
from tests.soon import soon
from tests.speak.client import Client, Slow, open_socket, read_all
from tests.speak.content import digest_of


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("impatient") / "data", "--workers", "1", "--body-timeout", "1s") as server:
        yield server


def test_a_chunk_that_stalls_counts_as_far_as_it_came(impatient: Server) -> None:
    content = os.urandom(400_000)
    with Client(impatient.url) as client:
        path = client.start("stall/app")
        with Slow(impatient.url, "PATCH", path, len(content)) as slow:
            slow.send(content[:250_000])
            begun = time.monotonic()
            answer = slow.answer()
            assert answer.status == 408
            assert answer.codes == ["UNSUPPORTED"]
            assert answer.headers["connection"] == "close"
            assert 0.8 < time.monotonic() - begun < 4
            assert slow.socket.recv(1) == b"", "the connection cannot be used any more"
        assert client.get(path).offset == 250_000
        assert client.finish(path, content, content[250_000:]).status == 201
        assert client.get(f"/v2/stall/app/blobs/{digest_of(content)}").body == content


@pytest.mark.parametrize("what", ["manifest", "small blob", "large blob"])
def test_what_must_come_whole_and_stalls_leaves_nothing(what: str, impatient: Server) -> None:
    content = os.urandom(2_000_000 if what == "large blob" else 5_000)
    if what == "manifest":
        method, path, place = "PUT", "/v2/stall/whole/manifests/latest", "/v2/stall/whole/manifests/latest"
    else:
        method, path = "POST", f"/v2/stall/whole/blobs/uploads/?digest={digest_of(content)}"
        place = f"/v2/stall/whole/blobs/{digest_of(content)}"
    with Slow(impatient.url, method, path, len(content)) as slow:
        slow.send(content[:-1])
        assert slow.answer().status == 408
    with Client(impatient.url) as client:
        assert client.get(place).status == 404
    assert list((impatient.data / "blobs" / "_uploads").iterdir()) == []


def test_a_slow_client_that_keeps_sending_is_waited_for(impatient: Server) -> None:
    """It is silence that ends a request, not slowness."""
    content = os.urandom(60)
    with Client(impatient.url) as client:
        path = client.start("stall/slow")
        with Slow(impatient.url, "PATCH", path, len(content)) as slow:
            for start in range(0, 60, 10):
                slow.send(content[start : start + 10])
                time.sleep(0.3)
            assert slow.answer().status == 202
        assert client.finish(path, content).status == 201


def test_a_client_that_leaves_in_a_body_finds_what_came(impatient: Server) -> None:
    content = os.urandom(500_000)
    with Client(impatient.url) as client:
        path = client.start("stall/left")
        with Slow(impatient.url, "PATCH", path, len(content)) as slow:
            slow.send(content[:333_333])
        assert soon(lambda: client.get(path).offset == 333_333)
        assert client.finish(path, content, content[333_333:]).status == 201


def test_stalling_clients_hold_nobody_up(impatient: Server) -> None:
    with Client(impatient.url) as client:
        stalling = [Slow(impatient.url, "PATCH", client.start("stall/many"), 1000) for _ in range(50)]
        for slow in stalling:
            slow.send(b"a")
        begun = time.monotonic()
        content = os.urandom(2_000_000)
        assert client.push("stall/many", content) == digest_of(content)
        assert time.monotonic() - begun < 2
        statuses = {slow.answer().status for slow in stalling}
        for slow in stalling:
            slow.socket.close()
        assert statuses == {408}


@pytest.mark.slow
def test_half_a_head_is_not_waited_for(data: Path) -> None:
    with running(data, "--workers", "1") as server, open_socket(server.url) as half, open_socket(server.url) as used:
        used.sendall(b"GET /v2/ HTTP/1.1\r\nHost: test\r\n\r\n")
        assert used.recv(1 << 16).startswith(b"HTTP/1.1 200")
        half.settimeout(HEAD_PATIENCE * 2)
        half.sendall(b"GET /v2/ HTTP/1.1\r\nHost: te")
        begun = time.monotonic()
        told = read_all(half)
        assert HEAD_PATIENCE - 1 < time.monotonic() - begun < HEAD_PATIENCE * 1.5
        assert told.startswith(b"HTTP/1.1 408")
        used.sendall(b"GET /v2/ HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        assert b"HTTP/1.1 200" in read_all(used), "a connection kept for later is not half a head"
