"""Requests as they are, and answers as they come: bounded in time and size, whatever the server does.

Answers are read by the standard library's `http.client`: a client that decodes, retries or corrects would hide what is
judged. Requests are written here, so that what is recorded is what was sent.
"""

import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from conformance.model import Exchange, Message

Headers = Sequence[tuple[str, str]]
Body = bytes | Iterable[bytes] | None

KEPT = 2048
"""First bytes of a body that an exchange keeps."""

GRACE = 1.0
"""Seconds beyond its time after which a case is aborted that has not noticed."""

MOST_BODY = 64 * 1024 * 1024
MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
UNSENDABLE = re.compile(r"[^\x21-\x7e]")


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
    """Connections of one task to any number of hosts, kept open. Ended from another thread by `abort`.

    What does not end by itself, between `begin` and `end`, is aborted: by one thread for all cases of the task."""

    def __init__(self, timeout: float, context: ssl.SSLContext | None = None) -> None:
        self.timeout = timeout
        self.exchanges: list[Exchange] = []
        self._context = context
        self._open: dict[tuple[str, str], socket.socket] = {}
        self._deadline = time.monotonic() + timeout
        self._aborted = False
        self._busy = False
        self._guarded: threading.Event | None = None

    def begin(self, timeout: float) -> None:
        """A new case: nothing recorded yet, and so many seconds for all of it."""
        self.exchanges = []
        self._deadline = time.monotonic() + timeout
        self._aborted, self._busy = False, True
        if self._guarded is None:
            self._guarded = threading.Event()
            threading.Thread(target=self._watch, args=[self._guarded], name="watchdog", daemon=True).start()

    def end(self) -> None:
        """The case is over."""
        self._busy = False

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
            if not follow or method not in ("GET", "HEAD") or answer.status not in REDIRECTS:
                return answer
            target = answer.location
            if target is None:
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
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self._guarded is not None:
            self._guarded.set()
            self._guarded = None
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def _watch(self, closed: threading.Event) -> None:
        """Abort what takes longer than it may, for as long as the wire is open."""
        rest = self.timeout
        while not closed.wait(rest):
            rest = self._deadline + GRACE - time.monotonic()
            if rest <= 0:
                if self._busy:
                    self.abort()
                # A case that begins meanwhile is not over before this is.
                rest = self.timeout

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
        first = body[:KEPT] if isinstance(body, bytes) else b""
        try:
            parts = address(url)
            headers = complete(method, parts, headers, body)
            answer = self._attempt(method, url, parts, headers, body, started)
        except (OSError, http.client.HTTPException, ValueError) as error:
            problem = f"{type(error).__name__}: {error}"
            if self._aborted or isinstance(error, TimeoutError):
                problem = f"no complete answer within {self.timeout:g} seconds"
            sent = Message(tuple(headers), first, size_of(body))
            self.exchanges.append(Exchange(method, url, sent, 0, None, time.monotonic() - started, problem))
            raise Broken(f"{method} {url}: {problem}") from None
        sent = Message(tuple(headers), first, size_of(body))
        kept = Message(answer.headers, answer.body[:KEPT], len(answer.body))
        self.exchanges.append(Exchange(method, url, sent, answer.status, kept, answer.seconds))
        return answer

    def _attempt(
        self, method: str, url: str, parts: SplitResult, headers: Headers, body: Body, started: float
    ) -> Answer:
        key = (parts.scheme, parts.netloc)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        reused = key in self._open
        try:
            answer = self._send(key, method, target, headers, body)
        except (ConnectionError, http.client.BadStatusLine, http.client.RemoteDisconnected):
            self._forget(key)
            # A connection that rested may be closed by the server just as it is used: that judges nothing.
            if not reused or self._aborted or not isinstance(body, bytes | None):
                raise
            try:
                answer = self._send(key, method, target, headers, body)
            except BaseException:
                self._forget(key)
                raise
        except BaseException:
            self._forget(key)
            raise
        status, found, content = answer
        return Answer(url, status, found, content, time.monotonic() - started)

    def _send(
        self, key: tuple[str, str], method: str, target: str, headers: Headers, body: Body
    ) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
        """Status, headers and body of the answer. `headers` are all that are sent."""
        connection = self._open.get(key)
        if connection is None:
            connection = self._open[key] = self._connect(*key)
        connection.settimeout(self._left())
        refused = self._write(connection, head(method, target, headers), body)
        response = http.client.HTTPResponse(connection, method=method)
        try:
            response.begin()
        except (http.client.HTTPException, OSError):
            response.close()
            if refused is not None:
                raise refused from None
            raise
        with contextlib.closing(response):
            content = self._read(connection, response)
        found = tuple((name.lower(), value) for name, value in response.getheaders())
        if response.will_close or refused is not None:
            self._forget(key)
        return response.status, found, content

    def _write(self, connection: socket.socket, head: bytes, body: Body) -> OSError | None:
        """Send head and body; the error of a server that answers and closes before it has read all of it."""
        try:
            if isinstance(body, bytes | None):
                connection.sendall(head + (body or b""))
                return None
            connection.sendall(head)
            for piece in body:
                if piece:
                    connection.settimeout(self._left())
                    connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            connection.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError) as error:
            return error
        return None

    def _read(self, connection: socket.socket, response: http.client.HTTPResponse) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while True:
            connection.settimeout(self._left())
            piece = response.read1(65536)
            if not piece:
                self._left()  # a head or a body that ends because it was aborted has not ended
                if response.length:
                    raise http.client.IncompleteRead(b"", response.length)
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


def address(url: str) -> SplitResult:
    """The parts of a URL that can be asked. Raises `ValueError`."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"not a URL that can be asked: {url[:200]}")
    return parts


def complete(method: str, parts: SplitResult, headers: Headers, body: Body) -> Headers:
    """The headers as they go out: those given, and what HTTP needs beside them. Raises `ValueError`."""
    names = {name.lower() for name, _ in headers}
    host = parts.netloc.rpartition("@")[2]
    before = [] if "host" in names else [("Host", host if host.isascii() else host.encode("idna").decode())]
    if isinstance(body, bytes) or (body is None and method in ("POST", "PUT", "PATCH")):
        after = [] if "content-length" in names else [("Content-Length", str(len(body or b"")))]
    else:
        after = [] if body is None or "transfer-encoding" in names else [("Transfer-Encoding", "chunked")]
    return [*before, *headers, *after]


def head(method: str, target: str, headers: Headers) -> bytes:
    """The request up to its body. Raises `ValueError` if a URL or a header would end before its end."""
    if UNSENDABLE.search(target) or UNSENDABLE.search(method):
        raise ValueError(f"not a URL that can be asked: {target[:200]!r}")
    lines = [f"{name}: {value}" for name, value in headers]
    if any("\n" in line or "\r" in line for line in lines):
        raise ValueError("a header with a line break in it")
    text = "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""])
    return text.encode("latin-1", "replace")


def size_of(body: Body) -> int | None:
    return 0 if body is None else len(body) if isinstance(body, bytes) else None


def pieces_of(content: bytes, size: int = 65536) -> list[bytes]:
    """A body to be sent in chunks, without a length; a list, as what is answered 401 is sent again."""
    return [content[start : start + size] for start in range(0, len(content), size)]
