"""One request on a connection and its answer: uvicorn's cycle, which writes the head and the first of the body at once.

The first step of a request that only reads is taken at once, in the call that brought its head: it mostly needs no
other, and so no task.
"""

import types
from collections.abc import Coroutine, Generator, MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from registry.answers import Kept

Message = MutableMapping[str, Any]

JOINED = 16 * 1024
"""Bytes of a body that are copied behind the head, as one write costs less than two."""


class Cycle(RequestResponseCycle):
    """Sends answers whose length is told, or that have none by their status."""

    _head: bytes | None = None
    """The head, as long as nothing of the body has come."""
    kept: Kept | None = None
    """The whole answer, if it is one that others may have, too."""

    async def send(self, message: Message) -> None:  # type: ignore[override]
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            self.response_started = True
            self.waiting_for_100_continue = False
            self._headers: list[tuple[bytes, bytes]] = message["headers"]
            self._head = self._render(message["status"], self._headers)
            return
        if self.response_complete:
            raise RuntimeError(f"{message['type']} after the answer was complete")
        body: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        if self.scope["method"] != "HEAD":
            self.expected_content_length -= len(body)
        else:
            self.expected_content_length, body = 0, b""
        if self.expected_content_length < 0 or (self.expected_content_length and not more):
            raise RuntimeError("the answer's body has another length than its head says")
        self._write(body)
        if not more:
            if "registry.steady" in message:
                lines = [b"%s: %s\r\n" % pair for pair in self._headers if pair[0] != b"x-request-id"]
                self.kept = Kept(STATUS_LINE[200] + b"".join(lines), body, message["registry.steady"], len(body))
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()

    def _render(self, status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
        pairs = headers + self.default_headers
        values = dict(pairs)
        if b"content-length" in values:
            self.expected_content_length = int(values[b"content-length"])
        elif status not in (204, 304):
            raise RuntimeError("the answer has no content-length")
        if values.get(b"connection") == b"close":
            self.keep_alive = False
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
                self.transport.write(body)
        elif len(body) <= JOINED:
            self.transport.write(self._head + body)
        else:
            self.transport.writelines([self._head, body])
        self._head = None


async def goes_on(begun: Coroutine[Any, Any, None], awaited: Any) -> None:
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
