"""HTTP as bytes on a socket, for requests that no client library would send, and answers that must be exact."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """One answer as it came. `headers` keeps every line, names in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None


class Wire:
    """One connection to the server."""

    def __init__(self, url: str, timeout: float = 15) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.socket = socket.create_connection((parts.hostname, parts.port or 80), timeout)
        self._received = b""

    def send(self, *pieces: bytes) -> None:
        self.socket.sendall(b"".join(pieces))

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str | int) -> None:
        """Send a request whose length is that of the body unless `content_length` says otherwise."""
        self.send(head(method, target, **({"content_length": len(body)} | headers)), body)

    def answer(self, *, bodiless: bool = False) -> Answer:
        """The next answer; of `bodiless` requests (HEAD) only the head is read."""
        while b"\r\n\r\n" not in self._received:
            self._more()
        start, _, self._received = self._received.partition(b"\r\n\r\n")
        line, *lines = start.decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 ([1-5][0-9]{2}) [^\r\n]*", line)
        assert match is not None, line
        headers = [(name.lower(), value.strip()) for name, _, value in (text.partition(":") for text in lines)]
        status = int(match[1])
        lengths = [int(value) for name, value in headers if name == "content-length"]
        if bodiless or status < 200 or status in (204, 304):
            return Answer(status, headers, b"")
        assert len(lengths) == 1, headers
        return Answer(status, headers, self.read(lengths[0]))

    def read(self, length: int) -> bytes:
        while len(self._received) < length:
            self._more()
        content, self._received = self._received[:length], self._received[length:]
        return content

    def closed(self) -> bool:
        """Whether the server closes the connection without another byte."""
        assert self._received == b""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.socket.close()

    def _more(self) -> None:
        received = self.socket.recv(1 << 20)
        if not received:
            raise EOFError(f"the server closed the connection after {self._received[:200]!r}")
        self._received += received


@contextmanager
def wire(url: str, timeout: float = 15) -> Iterator[Wire]:
    connection = Wire(url, timeout)
    try:
        yield connection
    finally:
        connection.close()


def head(method: str, target: str, **headers: str | int) -> bytes:
    """A request's head; underscores in the names of headers stand for hyphens."""
    parts = urlsplit(target)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {path} HTTP/1.1", "host: registry.example"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunked(*pieces: bytes) -> bytes:
    """A body in chunked transfer coding, one chunk for each piece."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))
