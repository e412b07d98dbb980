"""Clients that send or read slowly, for as long as they like: they hold no thread, and nobody waits for them."""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.server import Server, running
from tests.soon import soon
from tests.speak.client import Client, Slow, open_socket
from tests.speak.content import digest_of

CLIENTS = 30
BODY = 100_000_000
"""Bytes that each of them says it will send: more than any of them ever does."""

BLOB = 10_000_000
"""Bytes that each of them asks for: more than the buffers on the way hold."""

ANSWERED = 5
"""Seconds that others are given. They need less than one; who waits for a slow client waits for ever."""

THREADS = 16 + 4 + (os.cpu_count() or 1) + 10
"""What a worker has at most: those of the storage, those for bodies, and a few."""


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    with running(data, "--workers", "1") as server:
        yield server


class Senders:
    """Each in a large PATCH of a session at `paths`, of which they have all sent `sent` bytes."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.sent = 300_000


@contextmanager
def senders(server: Server, pace: float, piece: int = 1) -> Iterator[Senders]:
    """They all send `piece` bytes more every `pace` seconds, and leave at the end."""
    stop = threading.Event()
    found = Senders()
    with Client(server.url) as client, ExitStack() as stack:
        found.paths = [client.start("slow/sent") for _ in range(CLIENTS)]
        slow = [stack.enter_context(Slow(server.url, "PATCH", path, BODY)) for path in found.paths]
        for each in slow:
            each.send(b"x" * found.sent)

        def send() -> None:
            while not stop.wait(pace):
                for each in slow:
                    each.send(b"x" * piece)
                found.sent += piece

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield found
        finally:
            stop.set()
            thread.join()


@contextmanager
def readers(server: Server, pace: float) -> Iterator[None]:
    """Each in the GET of a large blob, of which they all read one more block every `pace` seconds."""
    stop = threading.Event()
    with Client(server.url) as client, ExitStack() as stack:
        path = f"/v2/slow/read/blobs/{client.push('slow/read', os.urandom(BLOB))}"
        slow = [stack.enter_context(open_socket(server.url)) for _ in range(CLIENTS)]
        for each in slow:
            each.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())

        def read() -> None:
            while not stop.wait(pace):
                for each in slow:
                    assert each.recv(16_384)

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def others_are_served(server: Server) -> None:
    """Everything that needs a thread, and what needs none."""
    with Client(server.url, timeout=ANSWERED) as client:
        for size in (1_000, 100_000, 3_000_000):
            content = os.urandom(size)
            path = client.start("slow/others")
            assert client.patch(path, content, 0).status == 202
            assert client.finish(path, content).status == 201
            assert client.get(f"/v2/slow/others/blobs/{digest_of(content)}").body == content
            assert client.push("slow/others", os.urandom(size))


def threads(server: Server) -> int:
    (pid,) = server.workers()
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("Threads:"))


@pytest.mark.parametrize(
    ("pace", "piece"),
    [(1.0, 1), (0.01, 1), (0.01, 4000)],
    ids=["a byte a second", "a hundred bytes a second", "400 KB a second"],
)
def test_slow_senders(pace: float, piece: int, server: Server) -> None:
    with senders(server, pace, piece):
        for _ in range(3):
            others_are_served(server)
        assert threads(server) <= THREADS


def test_slow_readers(server: Server) -> None:
    with readers(server, 1.0):
        for _ in range(3):
            others_are_served(server)
        assert threads(server) <= THREADS


def test_what_slow_senders_sent_counts(server: Server) -> None:
    with senders(server, 0.1) as slow:
        others_are_served(server)
    with Client(server.url) as client:
        for path in slow.paths:
            assert soon(lambda path=path: client.get(path).offset == slow.sent)  # type: ignore[misc]
        rest = os.urandom(1_000_000)
        content = b"x" * slow.sent + rest
        assert client.finish(slow.paths[0], content, rest).status == 201
        assert client.get(f"/v2/slow/sent/blobs/{digest_of(content)}").body == content
