"""Requests that no client library would send: targets as they are written, and bytes that are no HTTP."""

import http.client
import json
import socket
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Reply(NamedTuple):
    """An answer as it came; `headers` with names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def codes(self) -> list[str]:
        """The codes of an error in the one form that errors have."""
        assert self.headers["content-type"] == "application/json"
        errors: list[dict[str, Any]] = json.loads(self.body)["errors"]
        return [error["code"] for error in errors]


def send(url: str, data: bytes, method: str = "GET") -> Reply:
    """The first answer to these bytes. `method` says how it is to be read."""
    place = urlsplit(url)
    assert place.hostname is not None
    with socket.create_connection((place.hostname, place.port or 80), timeout=20) as connection:
        connection.sendall(data)
        with http.client.HTTPResponse(connection, method=method) as answer:
            answer.begin()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, headers, answer.read())


def request(url: str, target: str, method: str = "GET", body: bytes = b"", headers: str = "") -> Reply:
    """A request with a target that nobody has normalised. `headers`: further lines, each with its line end."""
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}"
    return send(url, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body, method)
