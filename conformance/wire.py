"""Requests as they are, and answers as they come: bounded in time and size, whatever the server does.

Made on the standard library's `http.client`, as a client that decodes, retries or corrects would hide what is judged.
"""

import contextlib
import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from conformance.model import Exchange, Message

Headers = Sequence[tuple[str, str]]
Body = bytes | Iterable[bytes] | None

KEPT = 2048
"""First bytes of a body that an exchange keeps."""

MOST_BODY = 64 * 1024 * 1024
MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)


class Broken(Exception):
    """The kit cannot judge: the connection was lost, the answer is endless or is no HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names in lower case; `body` whole, as it was sent; `url` that of the last redirect."""

    url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    seconds: float

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name.lower()]

    def header(self, name: str) -> str | None:
        """The header's value, several lines joined by commas; None if there is none."""
        values = self.all(name)
        return ", ".join(values) if values else None

    def json(self) -> Any:
        """The body read as JSON; None if it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def location(self) -> str | None:
        """The absolute URL that `Location` leads to."""
        value = self.header("location")
        if value is None:
            return None
        try:
            return urljoin(self.url, value)
        except ValueError:
            return value  # no URL at all: whoever follows it is told so


class Wire:
    """Connections of one task to any number of hosts, kept open. Ended from another thread by `abort`."""

    def __init__(self, timeout: float, context: ssl.SSLContext | None = None) -> None:
        self.timeout = timeout
        self.exchanges: list[Exchange] = []
        self._context = context
        self._open: dict[tuple[str, str], http.client.HTTPConnection] = {}
        self._deadline = time.monotonic() + timeout
        self._aborted = False

    def begin(self, timeout: float) -> None:
        """A new case: nothing recorded yet, and so many seconds for all of it."""
        self.exchanges = []
        self._deadline = time.monotonic() + timeout
        self._aborted = False

    def sibling(self) -> "Wire":
        """Another one for the same case, with what is left of its time: for requests at the same moment."""
        other = Wire(self.timeout, self._context)
        other._deadline = self._deadline
        return other

    def request(
        self, method: str, url: str, headers: Headers = (), body: Body = None, *, follow: bool = True
    ) -> Answer:
        """Send, and read the whole answer. A body that is no `bytes` is sent in chunks, without a length.

        Redirects of GET and HEAD are followed, without credentials to another host. Raises `Broken`."""
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._exchange(method, url, headers, body)
            target = answer.location
            if not follow or method not in ("GET", "HEAD") or answer.status not in REDIRECTS or target is None:
                return answer
            try:
                elsewhere = urlsplit(target).netloc != urlsplit(url).netloc
            except ValueError:
                raise Broken(f"redirected to what is no URL: {target[:200]}") from None
            if elsewhere:
                headers = [(name, value) for name, value in headers if name.lower() != "authorization"]
            url = target
        raise Broken(f"more than {MOST_REDIRECTS} redirects")

    def raw(
        self, url: str, *pieces: bytes, pause: float = 0.05, half_close: bool = False, most: int = MOST_BODY
    ) -> bytes:
        """Send bytes as they are, on a connection of their own, and all that comes back until it falls silent.

        Hangs up when `most` bytes have come."""
        parts = urlsplit(url)
        started = time.monotonic()
        received, error = b"", ""
        try:
            with self._connect(parts.scheme, parts.netloc) as connection:
                for piece in pieces:
                    connection.sendall(piece)
                    if len(pieces) > 1:
                        time.sleep(pause)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
                received = self._drain(connection, most)
        except OSError as problem:
            error = str(problem)
        sent = b"".join(pieces)
        line, _, _ = sent.partition(b"\r\n")
        status = received[9:12]
        self.exchanges.append(
            Exchange(
                "RAW",
                f"{url} {line.decode('latin-1')[:200]}",
                Message((), sent[:KEPT], len(sent)),
                int(status) if status.isdigit() else 0,
                Message((), received[:KEPT], len(received)),
                time.monotonic() - started,
                error,
            )
        )
        if error and not received:
            raise Broken(error)
        return received

    def abort(self) -> None:
        """End what is under way: its task gets `Broken`."""
        self._aborted = True
        for connection in list(self._open.values()):
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def _drain(self, connection: socket.socket, most: int) -> bytes:
        received = b""
        connection.settimeout(min(2.0, self._left()))
        with contextlib.suppress(TimeoutError, ConnectionError):
            while len(received) < most and (piece := connection.recv(min(65536, most - len(received)))):
                received += piece
                connection.settimeout(min(0.5, self._left()))
        return received

    def _connect(self, scheme: str, netloc: str) -> socket.socket:
        parts = urlsplit(f"//{netloc}")
        host, port = parts.hostname or "", parts.port or (443 if scheme == "https" else 80)
        plain = socket.create_connection((host, port), self._left())
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if scheme == "https":
            return (self._context or ssl.create_default_context()).wrap_socket(plain, server_hostname=host)
        return plain

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0 or self._aborted:
            raise Broken(f"no complete answer within {self.timeout:g} seconds")
        return left

    def _exchange(self, method: str, url: str, headers: Headers, body: Body) -> Answer:
        started = time.monotonic()
        sent = Message(tuple(headers), body[:KEPT] if isinstance(body, bytes) else b"", size_of(body))
        try:
            answer = self._attempt(method, url, headers, body, started)
        except (OSError, http.client.HTTPException, ValueError) as error:
            problem = f"{type(error).__name__}: {error}"
            if self._aborted or isinstance(error, TimeoutError):
                problem = f"no complete answer within {self.timeout:g} seconds"
            self.exchanges.append(Exchange(method, url, sent, 0, None, time.monotonic() - started, problem))
            raise Broken(f"{method} {url}: {problem}") from None
        kept = Message(answer.headers, answer.body[:KEPT], len(answer.body))
        self.exchanges.append(Exchange(method, url, sent, answer.status, kept, answer.seconds))
        return answer

    def _attempt(self, method: str, url: str, headers: Headers, body: Body, started: float) -> Answer:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not a URL that can be asked: {url[:200]}")
        key = (parts.scheme, parts.netloc)
        reused = key in self._open
        try:
            return self._send(key, method, url, headers, body, started)
        except (ConnectionError, http.client.BadStatusLine, http.client.RemoteDisconnected):
            self._forget(key)
            # A connection that rested may be closed by the server just as it is used: that judges nothing.
            if not reused or self._aborted or not isinstance(body, bytes | None):
                raise
        except BaseException:
            self._forget(key)
            raise
        try:
            return self._send(key, method, url, headers, body, started)
        except BaseException:
            self._forget(key)
            raise

    def _send(
        self, key: tuple[str, str], method: str, url: str, headers: Headers, body: Body, started: float
    ) -> Answer:
        connection = self._open.get(key)
        # A request that failed leaves its connection closed.
        if connection is None or connection.sock is None:
            connection = http.client.HTTPConnection(key[1].rpartition("@")[2])
            connection.sock = self._connect(*key)
            self._open[key] = connection
        connection.sock.settimeout(self._left())
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.putrequest(method, target, skip_accept_encoding=True)
        names = {name.lower() for name, _ in headers}
        for name, value in headers:
            connection.putheader(name, value.encode("latin-1", "replace"))
        if isinstance(body, bytes):
            if "content-length" not in names:
                connection.putheader("Content-Length", str(len(body)))
        elif body is not None:
            connection.putheader("Transfer-Encoding", "chunked")
        elif method in ("POST", "PUT", "PATCH") and "content-length" not in names:
            connection.putheader("Content-Length", "0")
        refused = self._send_body(connection, body)
        try:
            response = connection.getresponse()
        except (http.client.HTTPException, OSError):
            if refused is not None:
                raise refused from None
            raise
        content = self._read(connection, response)
        found = tuple((name.lower(), value) for name, value in response.getheaders())
        if response.will_close or refused is not None:
            self._forget(key)
        return Answer(url, response.status, found, content, time.monotonic() - started)

    def _send_body(self, connection: http.client.HTTPConnection, body: Body) -> OSError | None:
        """Send head and body; the error of a server that answers and closes before it has read all of it."""
        try:
            connection.endheaders(body if isinstance(body, bytes) else None)
            if body is not None and not isinstance(body, bytes):
                for piece in body:
                    if piece:
                        connection.sock.settimeout(self._left())
                        connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
                connection.send(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError) as error:
            return error
        return None

    def _read(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while True:
            if connection.sock is not None:
                connection.sock.settimeout(self._left())
            piece = response.read1(65536)
            if not piece:
                self._left()  # a head or a body that ends because it was aborted has not ended
                if response.length:
                    raise http.client.IncompleteRead(b"", response.length)
                # Before Python 3.12 nobody else does when all of a length was read: the connection is in use till then.
                response.close()
                return b"".join(pieces)
            self._left()
            pieces.append(piece)
            size += len(piece)
            if size > MOST_BODY:
                raise Broken(f"the answer is longer than {MOST_BODY} bytes")

    def _forget(self, key: tuple[str, str]) -> None:
        connection = self._open.pop(key, None)
        if connection is not None:
            connection.close()


def size_of(body: Body) -> int | None:
    return 0 if body is None else len(body) if isinstance(body, bytes) else None


def pieces_of(content: bytes, size: int = 65536) -> Iterator[bytes]:
    """A body to be sent in chunks, without a length."""
    for start in range(0, len(content), size):
        yield content[start : start + size]
