"""Answers: a status, headers and a body, bytes or a stream of known length. Sent by `http.sending`."""

from collections.abc import AsyncGenerator
from typing import Any

import orjson

from registry.errors import RegistryError

Header = tuple[bytes, bytes]

JSON: Header = (b"content-type", b"application/json")
OCTETS: Header = (b"content-type", b"application/octet-stream")

LARGE = 64 * 1024
"""Bytes of an answer that is not streamed from which on it is sent piece by piece, and counted while it is sent."""


class Response:
    """`length` in bytes is that of the body, or for HEAD that which the body would have."""

    __slots__ = ("body", "headers", "length", "status")

    def __init__(
        self,
        status: int,
        headers: list[Header] | None = None,
        body: bytes | AsyncGenerator[bytes, None] = b"",
        length: int | None = None,
    ) -> None:
        self.status = status
        self.headers = headers or []
        self.body = body
        self.length = len(body) if length is None and isinstance(body, bytes) else length

    @property
    def takes(self) -> int:
        """Bytes of memory that are worth counting while it is sent."""
        return len(self.body) if isinstance(self.body, bytes) and len(self.body) > LARGE else 0


def json(content: Any, status: int = 200, headers: list[Header] | None = None) -> Response:
    return Response(status, [JSON, *(headers or [])], orjson.dumps(content))


def failure(error: RegistryError) -> Response:
    """The form of errors in the OCI API (R-200)."""
    return json({"errors": error.entries()}, error.status, headers_of(error))


def headers_of(error: RegistryError) -> list[Header]:
    return [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in error.headers.items()]


def header(name: bytes, value: str) -> Header:
    return name, value.encode("latin-1")
