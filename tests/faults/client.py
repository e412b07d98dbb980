"""A client on one kept-alive connection that is cheap enough for many threads, and that can stop half-way."""

import hashlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.speak.requests import with_digest

# The server has gone, or had gone before the request reached it.
Gone = (http.client.HTTPException, OSError)


class Answer(NamedTuple):
    """What came back; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def codes(self) -> list[str]:
        """The codes of an error; fails for an answer that is not in the form of one."""
        assert self.headers["content-type"] == "application/json", self
        return [entry["code"] for entry in json.loads(self.body)["errors"]]

    @property
    def location(self) -> str:
        """Where it points to, without the host."""
        url = urlsplit(self.headers["location"])
        return f"{url.path}?{url.query}" if url.query else url.path

    @property
    def offset(self) -> int:
        """How many bytes a status says have arrived."""
        first, _, last = self.headers["range"].partition("-")
        assert first == "0", self
        return int(last) + 1

    def json(self) -> Any:
        return json.loads(self.body)


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
        plain = isinstance(body, bytes)
        told = dict(headers or {}) | ({"Content-Length": str(len(body))} if isinstance(body, bytes) else {})
        try:
            self._connection.request(method, path, body, told, encode_chunked=not plain)
            response = self._connection.getresponse()
            content = response.read()
        except BaseException:
            self.close()
            raise
        return Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, content)

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

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
        return self.request("PUT", with_digest(path, sha256(content)), rest)

    def push(self, name: str, content: bytes) -> str:
        """A blob in one request; its digest."""
        digest = sha256(content)
        answer = self.request("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", content)
        assert answer.status == 201, answer
        return digest

    def put_manifest(self, name: str, reference: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        media_type = json.loads(body)["mediaType"]
        return self.request(
            "PUT", f"/v2/{name}/manifests/{reference}", body, {"Content-Type": media_type, **(headers or {})}
        )


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


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
        content = response.read()
        return Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, content)


def open_socket(url: str, timeout: float = 30) -> socket.socket:
    host, port = urlsplit(url).netloc.split(":")
    return socket.create_connection((host, int(port)), timeout=timeout)


def read_all(reader: socket.socket) -> bytes:
    pieces = []
    while piece := reader.recv(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def soon(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
