"""HTTP as bytes on a socket, for requests that no client library would send, and answers that must be exact."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from socket import SHUT_WR
from typing import Self
from urllib.parse import urlsplit

from tests.speak.answer import Answer, parse_head
from tests.speak.client import open_socket

PATIENCE = 8.0
"""Seconds within which everything is answered or closed."""

HOST = b"Host: registry\r\n"
PING = b"GET /v2/ HTTP/1.1\r\n" + HOST + b"\r\n"


class Wire:
    """One connection to the server. `rest`: what was received and not yet read."""

    def __init__(self, url: str, timeout: float = 15) -> None:
        self.socket = open_socket(url, timeout)
        self.rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, *pieces: bytes) -> None:
        self.socket.sendall(b"".join(pieces))

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str | int) -> None:
        """Send a request whose length is that of the body unless `content_length` says otherwise."""
        self.send(head(method, target, **({"content_length": len(body)} | headers)), body)

    def answer(self, *, bodiless: bool = False) -> Answer:
        """The next answer; of `bodiless` requests (HEAD) only the head is read. Raises `EOFError` if the server closes
        the connection before its last byte."""
        while (taken := take(self.rest, bodiless=bodiless)) is None:
            self._more()
        answer, self.rest = taken
        return answer

    def read(self, length: int) -> bytes:
        while len(self.rest) < length:
            self._more()
        content, self.rest = self.rest[:length], self.rest[length:]
        return content

    def closed(self) -> bool:
        """Whether the server closes the connection without another byte."""
        assert self.rest == b""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.socket.close()

    def _more(self) -> None:
        received = self.socket.recv(1 << 20)
        if not received:
            raise EOFError(f"the server closed the connection after {self.rest[:200]!r}")
        self.rest += received


def take(received: bytes, *, bodiless: bool = False) -> tuple[Answer, bytes] | None:
    """The first answer in what was received, and what stands behind it; None if it is not whole yet.

    Fails for what is no answer, and for one that does not say how long it is."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    status, headers = parse_head(received[:end])
    without = status < 200 or status in (204, 304)
    assert without or "content-length" in headers, f"an answer of unknown length: {headers}"
    length = 0 if without or bodiless else int(headers["content-length"])
    start = end + len(b"\r\n\r\n")
    if len(received) < start + length:
        return None
    return Answer(status, headers, received[start : start + length]), received[start + length :]


# Requests


def head(method: str, target: str, *lines: str, **headers: str | int) -> bytes:
    """A request's head; underscores in the names of headers stand for hyphens, `lines` are headers as they are."""
    parts = urlsplit(target)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    named = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: registry.example", *lines, *named, "", ""]).encode(
        "latin-1"
    )


def chunked(*pieces: bytes) -> bytes:
    """A body in chunked transfer coding, one chunk for each piece."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def request(method: str, target: str | bytes, *headers: bytes, body: bytes | None = None) -> bytes:
    """A request whose target nobody has normalised, its headers as they are; with a body, its length too."""
    path = target if isinstance(target, bytes) else target.encode("latin-1")
    length = [] if body is None else [b"Content-Length: %d" % len(body)]
    lines = [b"%s %s HTTP/1.1" % (method.encode(), path), HOST.rstrip(), *headers, *length, b"", body or b""]
    return b"\r\n".join(lines)


# Whole connections


class Hang(AssertionError):
    """Neither an answer nor the end of the connection came."""


@dataclass
class Talk:
    """What came back on one connection. `closed`: the server ended it; `rest`: bytes that are no whole answer."""

    answers: list[Answer] = field(default_factory=list)
    closed: bool = False
    rest: bytes = b""

    @property
    def statuses(self) -> list[int]:
        return [answer.status for answer in self.answers]


def talk(
    url: str, payload: bytes | Sequence[bytes], methods: Sequence[str] = ("GET",), *, hang_up: bool = False
) -> Talk:
    """Send the payload, and read until each of the methods has its answer or the server closes the connection.

    `hang_up`: close our side after the last byte. Raises `Hang`."""
    pieces = [payload] if isinstance(payload, bytes) else payload
    found = Talk()
    with Wire(url, PATIENCE) as connection:
        with suppress(OSError):  # Refused before it was complete: the answer is there all the same.
            for piece in pieces:
                connection.send(piece)
            if hang_up:
                connection.socket.shutdown(SHUT_WR)
        while len(found.answers) < len(methods):
            try:
                answer = connection.answer(bodiless=methods[len(found.answers)] == "HEAD")
            except TimeoutError:
                told = f"after {found.statuses} {connection.rest[:200]!r} on {b''.join(pieces)[:300]!r}"
                raise Hang(told) from None
            except (OSError, EOFError):
                found.closed = True
                break
            if answer.status != 100:
                found.answers.append(answer)
        found.rest = connection.rest
    return found


def answer_to(url: str, payload: bytes, method: str = "GET") -> Answer:
    """The first answer to these bytes, on a connection of their own. `method` says how it is to be read."""
    (answer,) = talk(url, payload, [method]).answers
    return answer


def ask(url: str, method: str, target: str, *headers: bytes, body: bytes = b"") -> Answer:
    """The answer to a request whose target nobody has normalised, on a connection of its own."""
    return answer_to(url, request(method, target.encode(), b"Connection: close", *headers, body=body), method)
