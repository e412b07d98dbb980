"""The wire: what an exchange says was sent is what was sent, and what must not be sent is not."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from conformance.client.wire import Body, Broken, Headers, Wire, pieces_of
from conformance.reports import explain
from conformance.reports.curl import command

JSON = ("Content-Type", "application/json")


class Listener:
    """Answers 200 to every request, and keeps their heads as they came."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            connection, _ = self._listening.accept()
            self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            received = b""
            while piece := connection.recv(65536):
                received += piece
                head, found, body = received.partition(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0
                )
                whole = body.endswith(b"0\r\n\r\n") if b"chunked" in head else len(body) == length
                if found and whole:
                    self.heads.append(head)
                    received = b""
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    it = Listener()
    yield it
    it.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    it = Wire(5)
    yield it
    it.close()


@pytest.mark.parametrize(
    ("method", "headers", "body", "added"),
    [
        ("GET", [], None, []),
        ("GET", [("Accept", "a/b"), ("Accept", "c/d")], None, []),
        ("HEAD", [("Host", "elsewhere.example")], None, []),
        ("POST", [], None, ["Content-Length: 0"]),
        ("POST", [("content-length", "0")], None, []),
        ("PUT", [JSON], b"{}", ["Content-Length: 2"]),
        ("PUT", [JSON], b"", ["Content-Length: 0"]),
        ("PATCH", [JSON], pieces_of(b"x" * 5000, 1500), ["Transfer-Encoding: chunked"]),
        ("DELETE", [], None, []),
    ],
)
def test_an_exchange_has_every_header_that_was_sent(
    listener: Listener, wire: Wire, method: str, headers: Headers, body: Body, added: list[str]
) -> None:
    assert wire.request(method, f"{listener.url}/v2/?a=b", headers, body).status == 200
    [head] = listener.heads
    first, *sent = head.decode().split("\r\n")
    [exchange] = wire.exchanges
    assert first == f"{method} /v2/?a=b HTTP/1.1"
    assert [f"{name}: {value}" for name, value in exchange.request.headers] == sent
    own = [] if "Host" in dict(headers) else [f"Host: {listener.url.removeprefix('http://')}"]
    assert sent == [*own, *(f"{name}: {value}" for name, value in headers), *added]
    assert {f"> {line}" for line in sent} <= set(explain.sent(exchange))


def test_the_command_leaves_to_curl_what_curl_sends_by_itself(listener: Listener, wire: Wire) -> None:
    wire.request("PUT", listener.url, [JSON], b"{}")
    wire.request("POST", listener.url)
    put, post = (command(exchange).text for exchange in wire.exchanges)
    assert "Host" not in put + post
    assert "Content-Length" not in put
    assert post.count("Content-Length: 0") == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a b", "http://127.0.0.1:1/a\r\nX: y", "http://127.0.0.1:1/é"])
def test_what_would_be_two_requests_is_none(listener: Listener, wire: Wire, url: str) -> None:
    with pytest.raises(Broken):
        wire.request("GET", url.replace("http://127.0.0.1:1", listener.url))
    with pytest.raises(Broken, match="line break"):
        wire.request("GET", listener.url, [("X-Odd", "a\r\nX-Other: b")])
    assert listener.heads == []
    assert [exchange.status for exchange in wire.exchanges] == [0, 0]


def test_a_case_that_does_not_end_is_ended() -> None:
    """Also where every byte comes in time, and it is the sum of them that does not."""
    stop = threading.Event()

    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not stop.wait(0.05):
                try:
                    connection.sendall(b"a")
                except OSError:
                    return

    wire = Wire(0.5)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=drip, args=[listening], daemon=True).start()
        wire.begin(0.5)
        try:
            with pytest.raises(Broken, match=r"within 0\.5 seconds"):
                wire.request("GET", f"http://127.0.0.1:{listening.getsockname()[1]}/")
        finally:
            stop.set()
            wire.end()
            wire.close()
