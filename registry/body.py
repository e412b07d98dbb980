"""A request's body as the server library hands it out: whole, or in blocks of about a megabyte.

This is the one place where bytes come from: a body that a thread reads straight from the socket would be another class
with the same two methods.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from registry.errors import BodyStalled, ClientGone, RegistryError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

BLOCK = 1024 * 1024


class RequestBody:
    """Read once. `length` in bytes as the client stated it, None if it did not; `patience` in seconds."""

    def __init__(self, receive: Receive, length: int | None, patience: float) -> None:
        self.length = length
        self._receive = receive
        self._patience = patience
        self._more = True

    async def whole(self, limit: int | None = None, beyond: type[RegistryError] = RegistryError) -> bytes:
        """All of it. Raises `beyond` as soon as it is known to be longer than `limit` bytes, and `ClientGone`."""
        if limit is not None and self.length is not None and self.length > limit:
            raise beyond(f"{self.length} bytes; the limit is {limit}")
        piece = await self._next()
        if not self._more:
            if limit is not None and len(piece) > limit:
                raise beyond(f"the limit is {limit} bytes")
            return piece
        pieces, size = [piece], len(piece)
        while self._more:
            if limit is not None and size > limit:
                raise beyond(f"the limit is {limit} bytes")
            piece = await self._next()
            pieces.append(piece)
            size += len(piece)
        if limit is not None and size > limit:
            raise beyond(f"the limit is {limit} bytes")
        return b"".join(pieces)

    async def blocks(self) -> AsyncIterator[bytes]:
        """All of it. Raises `ClientGone` after the last byte that came."""
        pieces: list[bytes] = []
        size = 0
        while self._more:
            gone: ClientGone | None = None
            try:
                piece = await self._next()
            except ClientGone as error:
                piece, gone = b"", error
            pieces.append(piece)
            size += len(piece)
            if size and (size >= BLOCK or gone or not self._more):
                yield b"".join(pieces) if len(pieces) > 1 else piece
                pieces, size = [], 0
            if gone:
                raise gone

    async def _next(self) -> bytes:
        if not self._more:
            return b""
        try:
            async with asyncio.timeout(self._patience):
                message = await self._receive()
        except TimeoutError:
            self._more = False
            raise BodyStalled from None
        if message["type"] == "http.disconnect":
            self._more = False
            raise ClientGone
        self._more = message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece
