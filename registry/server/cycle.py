"""One request on a connection and its answer, as ASGI has them: `receive` and `send`.

The head and the first of the body are one write. The first step of a request that only reads is taken at once, in the
call that brought its head: it mostly needs no other, and so no task.
"""

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator, MutableMapping
from typing import Any

import structlog
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from registry.errors import ClientGone, RegistryError
from registry.http.access import Target
from registry.http.cache import CachedAnswer
from registry.http.responses import LARGE, failure
from registry.http.types import STALLED, STEADY, WHOLE, Message
from registry.system.clock import http_date

log = structlog.get_logger("requests")

JOINED = 16 * 1024
"""Bytes of a body that are copied behind the head, as one write costs less than two."""


class Cycle:
    """Sends answers whose length is told, or that have none by their status."""

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        transport: asyncio.Transport,
        flow: FlowControl,
        on_response: Callable[[], None],
        end: Callable[[], None],
        *,
        expects_continue: bool,
        keep_alive: bool,
        more_body: bool,
        is_steady: bool,
    ) -> None:
        """`is_steady`: whether others who ask the same may have the same answer."""
        self.scope = scope
        self.disconnected = False
        self.stalled = False
        """Whether no more of the body is waited for, though the client may still be there."""
        self.keep_alive = keep_alive
        self.waiting_for_continue = expects_continue
        self.body = bytearray()
        """What came and was not received yet."""
        self.more_body = more_body
        self.response_started = False
        self.response_complete = False
        self.sent = 0
        """Bytes of a kept body that were sent."""
        self.written = 0
        """Bytes of the answer that were given to the transport."""
        self.kept: CachedAnswer | None = None
        """The whole answer, if it is one that others may have, too."""
        self._is_steady = is_steady
        self._is_news = not more_body
        """Whether there is something to receive: bytes, the end of the body, or of the connection."""
        self._news: asyncio.Event | None = None
        """Set with it; made for the first who has to wait, as most requests never do."""
        self._transport = transport
        self._flow = flow
        self._on_response = on_response
        self._end = end
        self._head: bytes | None = None
        """The head, as long as nothing of the body has come."""
        self._expected = 0

    async def run(self, app: Callable[..., Coroutine[Any, Any, None]]) -> None:
        """Answer by `app`; of an answer that was broken off the client sees that it ends too soon."""
        try:
            await app(self.scope, self.receive, self.send)
        except Exception:
            log.exception("answering failed", path=self.scope["path"])
        finally:
            if not self.response_complete and not self.disconnected:
                self._transport.close()

    async def receive(self) -> Message:
        if self.waiting_for_continue and not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_continue = False
        if not self.disconnected and not self.response_complete and not self.stalled:
            if self.more_body:
                # What stands behind a body is not read before the answer to it is complete.
                self._flow.resume_reading()
            await self._hear()
        if self.response_complete or ((self.disconnected or self.stalled) and not self.body):
            return {"type": "http.disconnect", STALLED: self.stalled and not self.disconnected}
        # Of a connection that is lost, too, what came was received.
        body, self.body = bytes(self.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def _hear(self) -> None:
        if not self._is_news:
            if self._news is None:
                self._news = asyncio.Event()
            await self._news.wait()
        self._is_news = False
        if self._news is not None:
            self._news.clear()

    def wake(self) -> None:
        """There is something to receive."""
        self._is_news = True
        if self._news is not None:
            self._news.set()

    async def send(self, message: Message) -> None:
        """Raises `ClientGone`."""
        if self._flow.write_paused and not self.disconnected:
            await self._flow.drain()
        if self.disconnected:
            raise ClientGone
        if not self.response_started:
            self._headers: list[tuple[bytes, bytes]] = message["headers"]
            self._head = self._render(message["status"], self._headers)
            if self._is_steady and WHOLE in message:
                self.kept = self._to_keep(message[WHOLE], message[STEADY])
            self.response_started = True
            self.waiting_for_continue = False
            return
        if self.response_complete:
            raise RuntimeError(f"{message['type']} after the answer was complete")
        body: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        if self.scope["method"] != "HEAD":
            self._expected -= len(body)
        else:
            self._expected, body = 0, b""
        if self._expected < 0 or (self._expected and not more):
            raise RuntimeError("the answer's body has another length than its head says")
        self._write(body)
        if more:
            self._look_for_client()  # Or what is written next would seem to be sent.
        else:
            if self._is_steady and STEADY in message:
                self.kept = self._to_keep(body, message[STEADY])
            self._complete()

    async def send_again(self, kept: CachedAnswer, request_id: bytes) -> None:
        """The whole of an answer that was kept, piece by piece. Raises `ClientGone`."""
        self.response_started = True
        self._head = b"%bx-request-id: %b\r\ndate: %b\r\n\r\n" % (kept.head, request_id, http_date())
        while True:
            if self._flow.write_paused and not self.disconnected:
                await self._flow.drain()
            if self.disconnected:
                raise ClientGone
            piece = kept.body[self.sent : self.sent + LARGE]
            self._write(piece)
            self.sent += len(piece)
            if self.sent >= kept.size:
                break
            self._look_for_client()
        self._complete()

    def _look_for_client(self) -> None:
        """Raises `ClientGone` where a write has just found that out, before the loop tells."""
        if self._transport.is_closing():
            raise ClientGone

    def _to_keep(self, body: bytes, target: Target) -> CachedAnswer:
        lines = [b"%s: %s\r\n" % pair for pair in self._headers if pair[0] != b"x-request-id"]
        return CachedAnswer(STATUS_LINE[200] + b"".join(lines), body, target, len(body))

    def _complete(self) -> None:
        self.response_complete = True
        self.wake()
        if not self.keep_alive:
            self._end()
        self._on_response()

    def _render(self, status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
        # Of the answer, not of the request (RFC 9110 section 6.6.1).
        pairs = [*headers, (b"date", http_date())]
        values = dict(pairs)
        if b"content-length" in values:
            self._expected = int(values[b"content-length"])
        elif status not in (204, 304):
            raise RuntimeError("the answer has no content-length")
        if values.get(b"connection") == b"close":
            self.keep_alive = False
        elif self.waiting_for_continue and self.keep_alive:
            # Nobody knows whether a client that was not told to continue still sends its body.
            self.keep_alive = False
            pairs.append((b"connection", b"close"))
        elif not self.keep_alive:
            pairs.append((b"connection", b"close"))
        head = STATUS_LINE[status] + b"".join([b"%s: %s\r\n" % pair for pair in pairs]) + b"\r\n"
        # A line break in a header would be another header, or another answer.
        lines = len(pairs) + 2
        if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\0" in head:
            raise RuntimeError("a header of the answer holds a line break or a null")
        return head

    def _write(self, body: bytes) -> None:
        if self._head is None:
            if body:
                self._transport.write(body)
                self.written += len(body)
            return
        self.written += len(self._head) + len(body)
        if len(body) <= JOINED:
            self._transport.write(self._head + body)
        else:
            self._transport.writelines([self._head, body])
        self._head = None


def refusal(error: RegistryError, request_id: str, *, has_body: bool) -> bytes:
    """The last answer on a connection, to what never came to be a request, or stopped being one."""
    response = failure(error)
    assert isinstance(response.body, bytes)
    headers = [
        *response.headers,
        (b"x-request-id", request_id.encode()),
        (b"date", http_date()),
        (b"content-length", b"%d" % len(response.body)),
        (b"connection", b"close"),
    ]
    head = STATUS_LINE[response.status] + b"".join([b"%s: %s\r\n" % pair for pair in headers]) + b"\r\n"
    return head + response.body if has_body else head


async def finish_in_task(begun: Coroutine[Any, Any, None], awaited: Any) -> None:
    """The rest of a coroutine whose first step, outside of a task, came to await something."""
    await _steps(begun, awaited)


@types.coroutine
def _steps(begun: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    try:
        while True:
            try:
                value = yield awaited
            except GeneratorExit:
                begun.close()
                raise
            except BaseException as error:
                awaited = begun.throw(error)
            else:
                awaited = begun.send(value)
    except StopIteration:
        return
