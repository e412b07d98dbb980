"""An answer on its way out: its head, then its body, whole or in pieces, counted."""

import asyncio
from collections.abc import AsyncGenerator

from registry.errors import ClientGone
from registry.http.access import Target
from registry.http.api import Api
from registry.http.context import Context
from registry.http.frontend import Frontend
from registry.http.responses import LARGE, Response
from registry.http.row import Row
from registry.http.types import STEADY, WHOLE, Send

WATCHED = 1024 * 1024
"""Bytes of an answer from which on the client is watched: one that has gone should not have a disk read for it."""

STREAMED = 512 * 1024
"""Bytes that an answer holds at most that is streamed: a block, and what the transport keeps of the one before."""


class Sending:
    """`status`: 0 until the answer has begun; `size`: bytes of the body that were sent."""

    __slots__ = ("_api", "_ctx", "_frontend", "_row", "_send", "size", "status")

    def __init__(self, frontend: Frontend, api: Api, ctx: Context, send: Send, row: Row | None) -> None:
        self._api = api
        self._frontend = frontend
        self._ctx = ctx
        self._send = send
        self._row = row
        self.status = 0
        self.size = 0

    async def send(self, response: Response) -> None:
        """Raises `ClientGone`."""
        body = response.body
        if isinstance(body, bytes):
            if self._ctx.scope["method"] == "HEAD":
                body = b""
            if len(body) > LARGE:
                await self._send_large(response, body)
                return
            await self._begin(response)
            self.size = len(body)
            message = {"type": "http.response.body", "body": body}
            if self._row is not None and self._row.steady and response.status == 200:
                message[STEADY] = self._target(self._row)
            await self._send(message)
            return
        room = self._frontend.streams
        await room.wait(STREAMED)
        room.take(STREAMED)
        try:
            # Before the head is sent, so that bytes that cannot be read are an error and not half an answer.
            first = await anext(body, b"")
            await self._begin(response)
            await self._stream(first, body, response.length or 0)
        finally:
            room.give_back(STREAMED)
            await body.aclose()

    async def _send_large(self, response: Response, body: bytes) -> None:
        """Piece by piece, so that a client that does not read holds little besides the body, of which few are held."""
        room = self._frontend.large_answers
        room.take(len(body))
        try:
            await self._begin(response, body)
            while self.size < len(body):
                piece = body[self.size : self.size + LARGE]
                sent = self.size + len(piece)
                await self._send({"type": "http.response.body", "body": piece, "more_body": sent < len(body)})
                self.size = sent
        finally:
            room.give_back(len(body))

    def _target(self, row: Row) -> Target:
        """Also of those who get the same answer later."""
        parameters = self._ctx.parameters
        return Target(self._ctx.scope["path"], row.name, parameters.get("name", ""), parameters.get("reference", ""))

    async def _begin(self, response: Response, whole: bytes | None = None) -> None:
        """Send the head. `whole`: the body, where it is not sent as one."""
        headers = response.headers
        headers += self._api.headers
        headers.append((b"x-request-id", self._ctx.id.encode()))
        cors = self._frontend.cors
        if cors is not None:
            headers += cors.headers(self._ctx.header(b"origin"))
        if response.length is not None and response.status not in (204, 304):
            headers.append((b"content-length", b"%d" % response.length))
        message = {"type": "http.response.start", "status": response.status, "headers": headers}
        if whole is not None and self._row is not None and self._row.steady and response.status == 200:
            message |= {WHOLE: whole, STEADY: self._target(self._row)}
        await self._send(message)
        self.status = response.status

    async def _stream(self, block: bytes, blocks: AsyncGenerator[bytes, None], length: int) -> None:
        watch = asyncio.create_task(self._watch()) if length > WATCHED else None
        try:
            while True:
                sent = self.size + len(block)
                await self._send({"type": "http.response.body", "body": block, "more_body": sent < length})
                self.size = sent
                if self.size >= length:
                    return
                if watch is not None:
                    if watch.done():
                        raise ClientGone
                    # Sending does not wait while the kernel takes the bytes: let others have their turn.
                    await asyncio.sleep(0)
                block = await anext(blocks)
        finally:
            if watch is not None:
                watch.cancel()

    async def _watch(self) -> None:
        """Ends when the client has gone."""
        while (await self._ctx.receive())["type"] != "http.disconnect":
            pass
