"""A request's body: whole, in blocks of about a megabyte, or poured out by threads that read it from the socket."""

import asyncio
from collections.abc import AsyncGenerator

from registry.errors import BodyStalled, ClientGone, RegistryError
from registry.http.tap import Sink, Tap
from registry.http.types import STALLED, Receive
from registry.names import LARGEST_NUMBER
from registry.system.files import uninterrupted

BLOCK = 1024 * 1024

ON_THE_LOOP = 128 * 1024
"""Bytes that are hashed and written sooner than a thread would have been woken."""


class RequestBody:
    """Read once. `length` in bytes as the client stated it, None if it did not; `patience` in seconds.

    A body that failed, as its client left or sent nothing more, fails again for everyone who asks: it must never
    look like one that has ended (RFC 9112 section 8)."""

    def __init__(self, receive: Receive, length: int | None, patience: float, tap: Tap | None = None) -> None:
        self.length = length
        self._receive = receive
        self._tap = tap
        self._patience = patience
        self._more = True
        self._failure: ClientGone | None = None
        self._ahead = b""
        """What was put back: it comes before the rest."""

    async def is_empty(self) -> bool:
        """Whether there is nothing in it: waits for its first bytes where its length was not stated.

        Raises `ClientGone`."""
        if self.length is not None:
            return self.length == 0
        while self._more and not self._ahead:
            self._ahead = await self._next()
        return not self._ahead

    def put_back(self, piece: bytes) -> None:
        """Let this come before what is left."""
        self._ahead = piece + self._ahead

    async def whole(self, limit: int | None = None, beyond: type[RegistryError] = RegistryError) -> bytes:
        """All of it. Raises `beyond` as soon as it is known to be longer than `limit` bytes, and `ClientGone`, after
        which `blocks` and `pour` have what came."""
        if limit is not None and self.length is not None and self.length > limit:
            stated = f"{self.length} bytes; " if self.length < LARGEST_NUMBER else ""
            raise beyond(f"{stated}the limit is {limit}{'' if stated else ' bytes'}")
        pieces: list[bytes] = []
        size = 0
        try:
            while self._more or self._ahead:
                pieces.append(await self._next())
                size += len(pieces[-1])
                if limit is not None and size > limit:
                    raise beyond(f"the limit is {limit} bytes")
        except (ClientGone, asyncio.CancelledError):
            # For who takes what came all the same.
            self._ahead = b"".join(pieces)
            raise
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """All of it. Raises `ClientGone` after the last byte that came, as it does what cancels the request."""
        pieces: list[bytes] = []
        size = 0
        while self._more or self._ahead:
            gone: BaseException | None = None
            try:
                piece = await self._next()
            except (ClientGone, asyncio.CancelledError) as error:
                piece, gone = b"", error
            pieces.append(piece)
            size += len(piece)
            if size and (size >= BLOCK or gone or not self._more):
                yield b"".join(pieces) if len(pieces) > 1 else piece
                pieces, size = [], 0
            if gone:
                raise gone

    async def pour(self, sink: Sink) -> None:
        """All of it, block by block, into `sink`, which is called in threads. Raises as `blocks` does."""
        while self._ahead:
            await self._into(sink, await self._next())
        if self._tap is not None and self._more and self._failure is None:
            try:
                tapped = await self._tap.pour(sink, self._patience)
            except BaseException as error:
                self._failure = error if isinstance(error, ClientGone) else ClientGone()
                raise
            if tapped:
                self._more = False
                return
        async for block in self.blocks():
            await self._into(sink, block)

    async def _into(self, sink: Sink, block: bytes) -> None:
        if len(block) <= ON_THE_LOOP:
            sink(block)
        else:
            await uninterrupted(asyncio.get_running_loop().run_in_executor(None, sink, block))

    async def _next(self) -> bytes:
        if self._ahead:
            piece, self._ahead = self._ahead[:ON_THE_LOOP], self._ahead[ON_THE_LOOP:]
            return piece
        if self._failure is not None:
            raise self._failure
        if not self._more:
            return b""
        try:
            async with asyncio.timeout(self._patience):
                message = await self._receive()
        except TimeoutError:
            self._failure = BodyStalled()
            raise self._failure from None
        except asyncio.CancelledError:
            self._failure = ClientGone()
            raise
        if message["type"] == "http.disconnect":
            self._failure = BodyStalled() if message.get(STALLED) else ClientGone()
            raise self._failure
        self._more = message.get("more_body", False)
        body: bytes = message.get("body", b"")
        return body
