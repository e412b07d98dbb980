"""Clients that send ahead, and connections that hold what others need: what each can cost is bounded."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.faults.held import MIB, as_much_as_goes, memory, pushed
from tests.server import Server, running
from tests.speak.answer import Answer
from tests.speak.client import Client, open_socket, read_all
from tests.speak.content import digest_of, image
from tests.speak.wire import head


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("connections") / "data"
    with running(data, "--workers", "1", "--body-timeout", "2s") as server:
        yield server


# Clients that send ahead


@pytest.mark.spec("CONNECTION-1")
def test_requests_sent_ahead_of_a_stalled_answer_cost_little(data: Path) -> None:
    """They wait in the socket until their turn comes, and then every one of them has its answer."""
    with running(data, "--workers", "1") as server, Client(server.url) as client, ExitStack() as stack:
        digest = client.push("ahead/app", os.urandom(24 * MIB))
        before = memory(server)
        request = head("GET", "/v2/")
        count = MIB // 4 // len(request)
        ahead = [stack.enter_context(open_socket(server.url, narrow=True)) for _ in range(20)]
        for connection in ahead:
            connection.sendall(head("GET", f"/v2/ahead/app/blobs/{digest}"))
        time.sleep(0.5)
        for connection in ahead:
            as_much_as_goes(connection, request * count)
        time.sleep(0.5)
        assert client.get("/v2/").status == 200
        assert (memory(server) - before) / len(ahead) < 2 * MIB
        found: list[int] = []
        reading = threading.Thread(target=count_answers, args=[ahead[0], found])
        reading.start()
        ahead[0].sendall(head("GET", "/v2/", connection="close"))
        reading.join(30)
        assert found == [count + 2]


def count_answers(connection: socket.socket, found: list[int]) -> None:
    """How many answers come until the end of the connection. The first is a large blob, of bytes at random."""
    content = read_all(connection)
    found.append(content.count(b"HTTP/1.1 200 OK\r\n"))


@pytest.mark.spec("CONNECTION-1")
def test_many_requests_in_one_piece_keep_nobody_waiting(data: Path) -> None:
    with running(data, "--workers", "1") as server, Client(server.url) as client:
        path = pushed(client, "ahead/many", image())
        longest = []
        for _ in range(3):
            with open_socket(server.url) as ahead:
                found: list[int] = []
                reading = threading.Thread(target=count_answers, args=[ahead, found])
                ahead.sendall(head("GET", path) * 9000 + head("GET", path, connection="close"))
                reading.start()
                waits = []
                while reading.is_alive():
                    begun = time.monotonic()
                    assert client.get("/v2/").status == 200
                    waits.append(time.monotonic() - begun)
                reading.join()
            assert found == [9001]
            longest.append(max(waits))
        assert min(longest) < 0.15, longest


@pytest.mark.spec("CONNECTION-8")
@pytest.mark.parametrize("line", [b"a:b\r\n", b"ab: c\r\n", b"a:" + b"b" * 200 + b"\r\n"], ids=len)
def test_an_unfinished_head_costs_what_it_is_long(line: bytes, data: Path) -> None:
    clients, size = 40, 127 * 1024
    with running(data, "--workers", "1") as server, ExitStack() as stack:
        with Client(server.url) as client:
            assert client.get("/v2/").status == 200
        before = memory(server)
        for _ in range(clients):
            half = stack.enter_context(open_socket(server.url))
            with suppress(ConnectionError):  # Refused before it was complete.
                half.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n" + line * (size // len(line)))
        time.sleep(1)
        assert (memory(server) - before) / clients < 6 * size


def test_sizes_of_chunks_cost_nothing(impatient: Server) -> None:
    """A body of a million chunks of a byte, beside which others are served."""
    with Client(impatient.url) as client:
        path = client.start("ahead/chunks")
        before = memory(impatient)
        with open_socket(impatient.url) as connection:
            connection.sendall(head("PATCH", path, transfer_encoding="chunked"))
            sending = threading.Thread(target=connection.sendall, args=[b"1\r\nx\r\n" * MIB + b"0\r\n\r\n"])
            sending.start()
            waits = []
            while sending.is_alive():
                begun = time.monotonic()
                assert client.get("/v2/").status == 200
                waits.append(time.monotonic() - begun)
            sending.join()
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 202")
        assert max(waits) < 0.5
        assert memory(impatient) - before < 30 * MIB


# Requests behind the last one

LAST: dict[str, Callable[[Client], bytes]] = {
    "said to be the last": lambda _: head("GET", "/v2/", connection="close"),
    "said to be the last, in capitals": lambda _: head("GET", "/v2/", connection="Close, X-Thing"),
    "HTTP/1.0": lambda _: b"GET /v2/ HTTP/1.0\r\n\r\n",
    "HTTP/1.0 keep-alive": lambda _: b"GET /v2/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "HTTP/1.0 keep-alive, with a body": lambda client: (
        b"PATCH %s HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n12345"
        % client.start("last/app").encode()
    ),
    "refused with an expectation": lambda _: head("PUT", "/v2/", expect="100-continue", transfer_encoding="chunked"),
    "refused with an expectation and a body": lambda client: (
        head("PATCH", client.start("last/app"), expect="100-continue", content_length=5, content_range="7-11")
        + b"12345"
    ),
    "no HTTP": lambda _: b"\x16\x03 no HTTP\r\n\r\n",
    "a head that is too large": lambda _: head("GET", "/v2/", x="y" * 600_000),
    "a length that is none": lambda client: head("PATCH", client.start("last/app"), content_length="5, 5") + b"12345",
    "a large answer": lambda client: head(
        "GET", f"/v2/last/app/blobs/{client.push('last/app', os.urandom(MIB))}", connection="close"
    ),
}


@pytest.mark.spec("CONNECTION-2")
@pytest.mark.parametrize("pause", [0, 0.2], ids=["in one piece", "in two pieces"])
@pytest.mark.parametrize("what", LAST)
def test_what_follows_the_last_request_is_not_carried_out(what: str, pause: float, impatient: Server) -> None:
    """RFC 9112 section 9.6: its client was told, or will see, that nobody answers it."""
    nonce = os.urandom(8).hex()
    body = image(annotations={"nonce": nonce})
    with Client(impatient.url) as client:
        path = pushed(client, "last/app", body)
        last = LAST[what](client)
        behind = [
            head("DELETE", path),
            head("PUT", f"/v2/last/{nonce}/manifests/new", content_length=len(body)) + body,
            head("POST", "/v2/last/started/blobs/uploads/", content_length=0),
        ]
        with open_socket(impatient.url) as connection, suppress(ConnectionError):
            connection.sendall(last + (b"" if pause else b"".join(behind)))
            time.sleep(pause)
            if pause:
                connection.sendall(b"".join(behind))
            told = read_all(connection)
            assert told.count(b"HTTP/1.1 ") <= 1 + (b"HTTP/1.1 100" in told)
        assert client.get(path).body == body, "a request behind the last one was carried out"
        assert client.get(f"/v2/last/{nonce}/manifests/new").status == 404


@pytest.mark.spec("CONNECTION-2")
def test_what_follows_a_body_that_stalled_is_not_carried_out(impatient: Server) -> None:
    with Client(impatient.url) as client:
        path = pushed(client, "last/stalled", image())
        upload = client.start("last/stalled")
        with open_socket(impatient.url) as connection, suppress(ConnectionError):
            connection.sendall(head("PATCH", upload, transfer_encoding="chunked") + b"5\r\n12345\r\n")
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 408")
            connection.sendall(b"0\r\n\r\n" + head("DELETE", path) * 3)
            assert read_all(connection) == b""
        assert client.get(path).status == 200


# Connections that hold all descriptors


@pytest.mark.spec("OPERATE-9", "CONNECTION-14")
@pytest.mark.parametrize("asked", [False, True], ids=["never asked", "rest after a request"])
def test_idle_connections_leave_descriptors_for_work(asked: bool, workers: int, data: Path) -> None:
    """At a hard limit of 128 descriptors, 400 idle connections: those who work go on, and others come in."""
    content = os.urandom(3 * MIB)
    with (
        running(data, "--workers", str(workers), under=["prlimit", "--nofile=128:128"]) as server,
        ExitStack() as stack,
        Client(server.url, timeout=20) as working,
    ):
        digest = working.push("idle/app", content)

        def rest() -> None:
            for _ in range(400):
                idle = stack.enter_context(open_socket(server.url))
                if asked:
                    with suppress(ConnectionError):
                        idle.sendall(head("GET", "/v2/"))

        resting = threading.Thread(target=rest)
        resting.start()
        rounds = 0
        while resting.is_alive() or rounds < 5:
            rounds += 1
            told = [
                working.request("POST", f"/v2/idle/app/blobs/uploads/?digest={digest_of(content)}", content),
                working.get(f"/v2/idle/app/blobs/{digest}"),
                working.put_manifest("idle/app", "latest", image()),
                working.request("POST", "/v2/idle/app/blobs/uploads/"),
            ]
            assert all(answer.status in (200, 201, 202) or refused_for_now(answer) for answer in told), told
        begun = time.monotonic()
        with Client(server.url, timeout=20) as coming:
            assert coming.get(f"/v2/idle/app/blobs/{digest}").body == content
        assert time.monotonic() - begun < 10, "who comes is kept waiting by those who rest"


def refused_for_now(answer: Answer) -> bool:
    return answer.status == 503 and answer.headers["retry-after"].isdigit()
