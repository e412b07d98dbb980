"""HTTP byte by byte: what an HTTP library would refuse to send, and exactly what comes back."""

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

PATIENCE = 8.0
"""Seconds within which everything is answered or closed."""

HOST = b"Host: registry\r\n"
PING = b"GET /v2/ HTTP/1.1\r\n" + HOST + b"\r\n"


class Hang(AssertionError):
    """Neither an answer nor the end of the connection came."""


@dataclass
class Reply:
    """One answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


@dataclass
class Talk:
    """What came back on one connection. `closed`: the server ended it; `rest`: bytes that are no whole answer."""

    replies: list[Reply] = field(default_factory=list)
    closed: bool = False
    rest: bytes = b""

    @property
    def statuses(self) -> list[int]:
        return [reply.status for reply in self.replies]


def talk(
    port: int, payload: bytes | Sequence[bytes], methods: Sequence[str] = ("GET",), *, hang_up: bool = False
) -> Talk:
    """Send the payload, and read until each of the methods has its answer or the server closes the connection.

    `hang_up`: close our side after the last byte. Raises `Hang`."""
    pieces = [payload] if isinstance(payload, bytes) else payload
    found = Talk()
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
        except OSError:  # Refused before it was complete: the answer is there all the same.
            pass
        while len(found.replies) < len(methods):
            reply = take(found, methods[len(found.replies)])
            if reply is not None:
                found.replies.append(reply)
                continue
            try:
                received = connection.recv(1 << 18)
            except TimeoutError:
                raise Hang(f"after {found.statuses} {found.rest[:200]!r} on {b''.join(pieces)[:300]!r}") from None
            except OSError:
                received = b""
            if not received:
                found.closed = True
                break
            found.rest += received
    return found


def take(found: Talk, method: str) -> Reply | None:
    """The next whole and final answer in what was received, taken out of it."""
    head, end, rest = found.rest.partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    match = re.fullmatch(r"HTTP/1\.1 ([0-9]{3}) .*", first)
    assert match, f"not a status line: {first[:200]!r}"
    if match[1] == "100":
        found.rest = rest
        return take(found, method)
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    status = int(match[1])
    lengths = [int(value) for name, value in headers if name == "content-length"]
    assert len(lengths) <= 1
    assert lengths or status in (204, 304), f"an answer of unknown length: {headers}"
    length = 0 if method == "HEAD" or not lengths else lengths[0]
    if len(rest) < length:
        return None
    found.rest = rest[length:]
    return Reply(status, headers, rest[:length])


def request(method: str, target: str | bytes, *headers: bytes, body: bytes | None = None) -> bytes:
    """A request, its headers as they are; with a body, its length too."""
    path = target if isinstance(target, bytes) else target.encode("latin-1")
    length = [] if body is None else [b"Content-Length: %d" % len(body)]
    lines = [b"%s %s HTTP/1.1" % (method.encode(), path), HOST.rstrip(), *headers, *length, b"", body or b""]
    return b"\r\n".join(lines)
