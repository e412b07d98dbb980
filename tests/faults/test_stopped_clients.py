"""Clients that stop: they read no more, or send for ever what nobody wants. Each is let go of after a while."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.faults.held import MIB, as_much_as_goes, descriptors, memory, pushed
from tests.server import Server, running
from tests.soon import soon
from tests.speak.client import Client, open_socket
from tests.speak.content import OCI_INDEX, image, index, of_size
from tests.speak.wire import head

PATIENCE = 2
"""Seconds that the registry of these tests waits for a client: for its body, and for it to take an answer."""


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("connections") / "data"
    limits = ("--send-timeout", f"{PATIENCE}s", "--body-timeout", f"{PATIENCE}s", "--manifest-limit", "16MiB")
    with running(data, "--workers", "1", *limits) as server:
        yield server


def large_index(size: int = 4 * MIB - 1000) -> bytes:
    return of_size(size, index, nonce=os.urandom(8).hex())


def received(connection: socket.socket) -> int:
    """Bytes that are still to be had, until the end of whatever kind; of a connection that is kept there is none."""
    connection.settimeout(10)
    size = 0
    with suppress(ConnectionError):
        while piece := connection.recv(MIB):
            size += len(piece)
    return size


# Clients that stop reading


def asked_for(what: str, client: Client) -> tuple[bytes, int]:
    """A request for it, or many of them, and the bytes of the answers without their heads."""
    name = f"stopped/{what.replace(' ', '-')}"
    if what == "large manifest":
        body = large_index()
        return head("GET", pushed(client, name, body)), len(body)
    if what in ("huge manifest", "kept manifest"):
        # More than the kernel takes.
        body = large_index(12 * MIB)
        path = pushed(client, name, body)
        for _ in range(0 if what == "huge manifest" else 5):
            assert client.get(path).body == body
        return head("GET", path), len(body)
    if what == "large blob":
        digest = client.push(name, os.urandom(24 * MIB))
        return head("GET", f"/v2/{name}/blobs/{digest}"), 24 * MIB
    if what == "many ranges":
        digest = client.push(name, os.urandom(24 * MIB))
        return head("GET", f"/v2/{name}/blobs/{digest}", range=f"bytes=0-{12 * MIB},{12 * MIB}-"), 24 * MIB
    if what == "small answers":
        body = image(annotations={"filling": "x" * 20_000})
        return head("GET", pushed(client, name, body)) * 1500, len(body) * 1500
    digest = client.push(name, os.urandom(10_000))
    return head("GET", f"/v2/{name}/blobs/{digest}") * 3000, 10_000 * 3000


@pytest.mark.spec("CONNECTION-11")
@pytest.mark.parametrize("what", ["large manifest", "large blob", "many ranges", "small answers", "small blobs"])
def test_who_stops_reading_is_let_go(what: str, impatient: Server) -> None:
    """After `--send-timeout` without a byte taken: what was on its way does not come any more."""
    with Client(impatient.url) as client:
        request, size = asked_for(what, client)
    with open_socket(impatient.url, narrow=True) as stopped:
        as_much_as_goes(stopped, request)
        time.sleep(PATIENCE * 2)
        assert received(stopped) < size, "the connection is held for ever"


@pytest.mark.spec("CONNECTION-15")
@pytest.mark.parametrize("what", ["huge manifest", "kept manifest", "large blob", "many ranges"])
@pytest.mark.parametrize("way", ["stops", "leaves"])
def test_an_answer_that_was_cut_is_logged_as_one(way: str, what: str, impatient: Server) -> None:
    """With 499 as one whose client has gone before, and the bytes that were sent; one taken whole is not."""
    with Client(impatient.url) as client:
        request, _ = asked_for(what, client)
        opening = request[: request.index(b"\r\n\r\n") + 4]
        path = opening.split()[1].decode()
        name, reference = path.removeprefix("/v2/").split("/manifests/" if "/manifests/" in path else "/blobs/")

        def lines() -> list[str]:
            found = impatient.output.splitlines()
            return [line for line in found if " GET " in line and f" {name} {reference} " in line]

        time.sleep(0.5)  # lines are written a moment later
        before = len(lines())
        with open_socket(impatient.url, narrow=True) as stopped:
            stopped.sendall(opening)
            stopped.recv(1000)
            if way == "stops":
                time.sleep(PATIENCE * 2)
        assert soon(lambda: len(lines()) > before)
    _, status, _, _, _, _, size, *_ = lines()[-1].split()
    assert status == "499", lines()
    assert 0 <= int(size.removesuffix("B")) < 20 * MIB


@pytest.mark.spec("CONNECTION-11")
@pytest.mark.parametrize("what", ["large manifest", "large blob"])
def test_who_reads_slowly_has_everything(what: str, impatient: Server) -> None:
    """It is taking nothing that ends a connection, not taking little."""
    with Client(impatient.url) as client:
        request, size = asked_for(what, client)
    with open_socket(impatient.url, narrow=True) as slow:
        slow.sendall(request)
        found = 0
        for _ in range(PATIENCE * 8):
            found += len(slow.recv(32 * 1024))
            time.sleep(0.3)
        while found < size:
            piece = slow.recv(MIB)
            assert piece, f"cut off after {found} of {size} bytes"
            found += len(piece)


@pytest.mark.spec("CONNECTION-12")
def test_those_who_stop_reading_give_their_memory_back(impatient: Server) -> None:
    with Client(impatient.url) as client:
        path = pushed(client, "stopped/many", large_index())
        for _ in range(5):
            assert client.get(path).status == 200
        before, open_before = memory(impatient), descriptors(impatient)
        with ExitStack() as stack:
            for _ in range(40):
                stopped = stack.enter_context(open_socket(impatient.url, narrow=True))
                stopped.sendall(head("GET", path))
            assert soon(lambda: descriptors(impatient) <= open_before, PATIENCE * 10), "they are held for ever"
            assert memory(impatient) - before < 40 * MIB


# Bodies that nobody wants


def refused_heads(client: Client) -> dict[str, tuple[bytes, int]]:
    """Requests whose head is enough to refuse them, and the status."""
    path = client.start("skip/app")
    return {
        "out of order": (head("PATCH", path, content_length=10**11, content_range=f"7-{10**11 + 6}"), 416),
        "no session": (head("PATCH", f"{path[:-12]}000000000000", content_length=10**11), 404),
        "no name": (head("POST", "/v2/A/blobs/uploads/", content_length=10**11), 400),
        "no method": (head("PUT", "/v2/", content_length=10**11), 405),
        "too large": (head("PUT", "/v2/skip/app/manifests/a", content_length=10**11, content_type=OCI_INDEX), 413),
        "in chunks": (head("PATCH", path, transfer_encoding="chunked", content_range="7-9"), 416),
    }


@pytest.mark.spec("CONNECTION-13")
@pytest.mark.parametrize("way", ["silence", "a byte now and then"])
@pytest.mark.parametrize("what", ["out of order", "no session", "no name", "no method", "too large", "in chunks"])
def test_a_body_that_nobody_wants_is_not_waited_for(what: str, way: str, impatient: Server) -> None:
    """Its connection ends soon after the answer, however the rest of it comes."""
    with Client(impatient.url) as client:
        opening, status = refused_heads(client)[what]
    with open_socket(impatient.url) as connection:
        connection.sendall(opening + (b"10000000\r\nx" if what == "in chunks" else b"x" * 5000))
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 %d" % status)
        if way == "silence":
            connection.settimeout(PATIENCE * 5)
            assert received(connection) == 0
            return
        deadline = time.monotonic() + PATIENCE * 10
        with suppress(ConnectionError):
            while True:
                connection.sendall(b"x")
                assert time.monotonic() < deadline, "it is read for ever"
                time.sleep(PATIENCE / 10)
