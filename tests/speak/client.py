"""A client on one kept-alive connection that is cheap enough for many threads, and that can stop half-way."""

import http.client
import json
import socket
import struct
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from registry.http.cache import CALM
from tests.speak.answer import Answer, Headers
from tests.speak.content import digest_of
from tests.speak.requests import with_digest

# The server has gone, or had gone before the request reached it.
Gone = (http.client.HTTPException, OSError)

UNTIL_KEPT = CALM + 3
"""Reads without a change in between, after which a worker has kept the answer, if it ever does."""


class Client:
    """One connection, made anew when the server closed it. Used by one thread."""

    def __init__(self, url: str, timeout: float = 30) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def request(
        self, method: str, path: str, body: bytes | Iterable[bytes] = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Raises one of `Gone`. A body that is not bytes is sent with chunked transfer coding."""
        told = dict(headers or {}) | ({"Content-Length": str(len(body))} if isinstance(body, bytes) else {})
        return self._ask(method, path, body, told)

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def read(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        """A GET or HEAD as most clients ask: without the length of a body that it does not have, nor any other header
        that an answer could depend on. Only what is asked for in this way may be kept by a worker."""
        return self._ask(method, path, None, headers or {})

    def _ask(self, method: str, path: str, body: bytes | Iterable[bytes] | None, headers: Mapping[str, str]) -> Answer:
        try:
            self._connection.request(method, path, body, headers, encode_chunked=not isinstance(body, bytes))
            return _answer(self._connection.getresponse())
        except BaseException:
            self.close()
            raise

    # What most tests begin with.

    def start(self, name: str) -> str:
        """The path of a new upload session, without what its location says of the offset."""
        answer = self.request("POST", f"/v2/{name}/blobs/uploads/")
        assert answer.status == 202, answer
        return answer.location.partition("?")[0]

    def patch(self, path: str, chunk: bytes, offset: int | None = None) -> Answer:
        """A chunk; with its place where `offset` is given."""
        place = {} if offset is None else {"Content-Range": f"{offset}-{offset + len(chunk) - 1}"}
        return self.request("PATCH", path, chunk, {"Content-Type": "application/octet-stream", **place})

    def finish(self, path: str, content: bytes, rest: bytes = b"") -> Answer:
        """The closing PUT of an upload of `content`, of which `rest` has yet to be sent."""
        return self.request("PUT", with_digest(path, digest_of(content)), rest)

    def push(self, name: str, content: bytes) -> str:
        """A blob in one request; its digest."""
        digest = digest_of(content)
        answer = self.request("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", content)
        assert answer.status == 201, answer
        return digest

    def put_manifest(self, name: str, reference: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        media_type = json.loads(body)["mediaType"]
        return self.request(
            "PUT", f"/v2/{name}/manifests/{reference}", body, {"Content-Type": media_type, **(headers or {})}
        )


def _answer(response: http.client.HTTPResponse) -> Answer:
    return Answer(response.status, Headers(response.getheaders()), response.read())


class Slow:
    """A request whose body is sent piece by piece, on a connection of its own."""

    def __init__(self, url: str, method: str, path: str, length: int, timeout: float = 30) -> None:
        self.socket = open_socket(url, timeout)
        head = f"{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n"
        self.socket.sendall(head.encode())

    def __enter__(self) -> "Slow":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, piece: bytes) -> None:
        self.socket.sendall(piece)

    def answer(self) -> Answer:
        response = http.client.HTTPResponse(self.socket)
        response.begin()
        return _answer(response)


def open_socket(url: str, timeout: float = 30, *, narrow: bool = False) -> socket.socket:
    """A connection of which nothing is read unless somebody does. `narrow`: the kernel keeps little of it for us."""
    place = urlsplit(url)
    assert place.hostname is not None
    address = (place.hostname, place.port or 80)
    if not narrow:
        return socket.create_connection(address, timeout)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    connection.settimeout(timeout)
    connection.connect(address)
    return connection


def read_all(reader: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    pieces = []
    while piece := reader.recv(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def reset_at_close(connection: socket.socket) -> None:
    """Let what closes it next reset it, as a client does that dies."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
