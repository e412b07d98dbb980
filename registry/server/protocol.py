"""A connection: requests come in one after the other, each is answered before the next is looked at.

uvicorn's protocol, of which the bookkeeping is used. The parser of heads never gets a byte beyond one, and bodies are
framed here: what a client sends ahead stays bytes, within a bound, until its turn comes.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine, MutableMapping
from typing import Any, cast

from registry.asgi import Registry
from registry.errors import ClientGone, RegistryError, RequestInvalid
from registry.http.access import Line
from registry.http.cache import PLAIN, CachedAnswer, Key
from registry.http.tap import Tap, duplicate
from registry.http.types import TAP, Receive, Scope, Send
from registry.server.chunked import ChunkedBody
from registry.server.cycle import JOINED, Cycle, finish_in_task, refusal
from registry.server.head import CHUNKED, Head
from registry.server.patience import Patient
from registry.system.clock import http_date

TAPPED_FROM = 256 * 1024
"""Bytes of a body from which on a thread is worth waking."""

TLS = b"\x16\x03"
"""What a client begins with that tries whether TLS is spoken here, as most do: nothing to warn of."""

AT_ONCE = 512 * 1024
"""Bytes of a kept answer that are given to the transport in one piece: a page of a list. It holds no copy of them."""

BUFFERED = 256 * 1024
"""Bytes of a body that may wait for its reader before the client is made to wait."""

Application = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

FRESH = 0.08
"""Seconds that a client has to ask that has just come in when the server stops."""

MOST_LINGERED = 8 * 1024 * 1024
"""Bytes of it that are thrown away at most."""


class Protocol(Patient):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.registry = cast(Registry, self.app)
        super().connection_made(transport)
        self._lingering_for = MOST_LINGERED
        self._is_last = False
        """Whether the next request is the last one, as the server stops."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._held = b""
        cycle: Cycle | None = self.cycle
        if cycle is not None:
            cycle.disconnected = not cycle.response_complete
            cycle.wake()
        self.cycle = None  # type: ignore[assignment]
        super().connection_lost(exc)

    # What comes in

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            self._lingering_for -= len(data)
            if self._lingering_for < 0:
                self.transport.close()
            return
        self._last_received = self.loop.time()
        if self._held:
            # Reading was stopped, but this was on its way.
            self._held += data
        else:
            self._advance(data)

    def _advance(self, data: bytes) -> None:
        """Take from `data` what is next; the rest has to wait, and the client to stop sending."""
        at = 0
        begun = False
        try:
            while at < len(data):
                if self._left:
                    at = self._take_body(data, at)
                elif self._chunks is not None:
                    at, enough = self._take_chunks(self._chunks, data, at)
                    if enough:
                        break
                elif begun or self.unanswered is not None:
                    break
                else:
                    at, begun = self._take_head(data, at)
        except RegistryError as error:
            self.refuse(error)
        if at < len(data) and not self._is_ending:
            self._held = data[at:] if at else data
            self.flow.pause_reading()
            if self.unanswered is None or self._chunks is not None:
                # Others first: many requests in one piece must not keep them waiting.
                self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """With what was held back, unless it has to wait for an answer to be complete, or to be taken."""
        waits = self.unanswered is not None or self.flow.write_paused
        if self._is_ending or (self._chunks is None and waits):
            return
        data, self._held = self._held, b""
        if data:
            self._advance(data)
        cycle: Cycle | None = self.cycle
        full = cycle is not None and len(cycle.body) > BUFFERED
        if not self._held and not full and not self._is_ending:
            self.flow.resume_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._held:
            self.loop.call_soon(self._go_on)

    # Heads

    def _take_head(self, data: bytes, at: int) -> tuple[int, bool]:
        """Read from `at` to the end of a head, or of `data`; where to go on, and whether a request was begun.

        Raises `RegistryError`."""
        head = self._head
        if head.size == 0:
            self._head_since = self._last_received
        try:
            at, complete = head.read(data, at)
        except RequestInvalid:
            if not data.startswith(TLS):
                self.logger.warning("invalid HTTP request from %s", self.client)
            raise
        if complete:
            self._begin(head)
        return at, complete

    def _begin(self, head: Head) -> None:
        """Let the request whose head has come be answered. Raises `RegistryError`."""
        length = head.body_length()
        if length == CHUNKED:
            self._chunks = ChunkedBody()
        else:
            self._left = length
        keep_alive = head.keep_alive and head.version != "1.0" and not self._is_last
        self._requests += 1
        reads = head.method in ("GET", "HEAD")
        steady = kept = None
        if reads and keep_alive and length == 0 and head.fields.keys() <= PLAIN and not self.flow.write_paused:
            steady = (head.method, head.url)
            kept = self.registry.frontend.cache.find(steady)
            if kept is not None and kept.size <= AT_ONCE and not self.registry.frontend.asks:
                self._answer_again(head.method, kept)
                return
        scope: MutableMapping[str, Any] = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": head.version,
            "method": head.method,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": self.root_path,
            "headers": head.headers,
            "state": {},
        }
        head.locate(scope)
        self.cycle = cycle = Cycle(
            scope,
            self.transport,
            self.flow,
            self.on_response_complete,
            self._end,
            expects_continue=length != 0 and head.expects_continue,
            keep_alive=keep_alive,
            more_body=length != 0,
            is_steady=steady is not None,
        )
        if self._left >= TAPPED_FROM and not reads and self.scheme == "http":
            scope[TAP] = Tap(self, cycle)
        if kept is None or steady is None:
            begun = cycle.run(self.registry)
        elif self.registry.frontend.asks:
            begun = cycle.run(self._kept_if_allowed(cycle, kept, steady))
        else:
            begun = self._answer_with(cycle, kept)
        if reads and self.registry.immediate:
            self._answer_at_once(begun, cycle, steady)
        else:
            self._track(self.loop.create_task(begun))

    # Answers

    def _answer_again(self, method: str, kept: CachedAnswer) -> None:
        """As before, for a request of its own."""
        frontend = self.registry.frontend
        started = time.perf_counter()
        request_id = frontend.next_request_id()
        head = b"%bx-request-id: %b\r\ndate: %b\r\n\r\n" % (kept.head, request_id.encode(), http_date())
        if kept.size <= JOINED:
            self.transport.write(head + kept.body)
        else:
            self.transport.writelines([head, kept.body])
        if frontend.observers:
            client = self.client[0] if self.client else ""
            duration = time.perf_counter() - started
            frontend.finished(Line(request_id, client, method, *kept.target, 200, kept.size, duration))
        self.server_state.total_requests += 1

    async def _answer_with(self, cycle: Cycle, kept: CachedAnswer) -> None:
        """The same for a large one: all who ask for it share its bytes, and hold a piece each."""
        frontend = self.registry.frontend
        started = time.perf_counter()
        request_id = frontend.next_request_id()
        status = 200
        try:
            await cycle.send_again(kept, request_id.encode())
        except ClientGone:
            status = 499
        if frontend.observers:
            client = self.client[0] if self.client else ""
            duration = time.perf_counter() - started
            frontend.finished(
                Line(request_id, client, cycle.scope["method"], *kept.target, status, cycle.sent, duration)
            )

    def _kept_if_allowed(self, cycle: Cycle, kept: CachedAnswer, key: Key) -> Application:
        """The same for who may have it; others get an answer of their own, and so does who asked before a commit."""

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if await self.registry.allows(scope, receive) and self.registry.frontend.cache.find(key) is kept:
                await self._answer_with(cycle, kept)
            else:
                await self.registry(scope, receive, send)

        return application

    def _answer_at_once(self, begun: Any, cycle: Cycle, steady: Key | None) -> None:
        """Take the first step here, which mostly is the whole way; make a task of what is left."""
        awaited, complete = None, False
        try:
            awaited = begun.send(None)
        except StopIteration:
            complete = True
        # Also of one that is still on its way: it was made without a pause since the request came.
        if steady is not None and cycle.kept is not None:
            self.registry.frontend.cache.keep(steady, cycle.kept)
        if not complete:
            self._track(self.loop.create_task(finish_in_task(begun, awaited)))

    def _track(self, task: "asyncio.Task[None]") -> None:
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self._is_ending:
            return
        # Idle connections are closed by `expire`: a timer for each answer costs more than one sweep.
        self._last_received = self._answered = self.loop.time()
        if self._held:
            self.loop.call_soon(self._go_on)
        else:
            self.flow.resume_reading()

    # Bodies

    def _take_body(self, data: bytes, at: int) -> int:
        """Hand on what `data` has of a body of known length from `at` on; where to go on."""
        piece = data[at : at + self._left]
        self._left -= len(piece)
        self._arrived(piece)
        if self._left == 0:
            self._body_complete()
        return at + len(piece)

    def _take_chunks(self, chunks: ChunkedBody, data: bytes, at: int) -> tuple[int, bool]:
        """The same of one in chunks, and whether that was enough for one turn. Raises `RegistryError`."""
        pieces, at = chunks.decode(data, at)
        for piece in pieces:
            self._arrived(piece)
        if chunks.error is not None:
            raise chunks.error
        if chunks.complete:
            self._chunks = None
            self._body_complete()
        return at, not chunks.complete

    def _arrived(self, piece: bytes) -> None:
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += piece
        if len(cycle.body) > BUFFERED:
            self.flow.pause_reading()
        cycle.wake()

    def _body_complete(self) -> None:
        self.cycle.more_body = False
        self.cycle.wake()

    # What a tap calls

    def tapped(self, request: object) -> tuple[socket.socket, bytes, int] | None:
        cycle = self.cycle
        if request is not cycle or self._left == 0 or cycle.disconnected or self.transport.is_closing():
            return None
        plug = duplicate(self.transport)
        if plug is None:
            return None
        if cycle.waiting_for_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.waiting_for_continue = False
        self.flow.pause_reading()
        self._is_tapped = True
        early, cycle.body = bytes(cycle.body), bytearray()
        return plug, early, self._left

    @property
    def has_stalled(self) -> bool:
        """Whether it is us who gave up waiting for more of the body."""
        cycle: Cycle | None = self.cycle
        return cycle is not None and cycle.stalled

    def tap_reads(self, reads: bool) -> None:
        self._tap_reads = reads
        self._last_received = self.loop.time()

    def untapped(self, left: int, gone: bool) -> None:
        self._is_tapped = False
        cycle: Cycle | None = self.cycle
        if gone and not (cycle is not None and cycle.stalled):
            if cycle is not None:
                cycle.disconnected = True
            self.transport.close()
        if cycle is None or self.transport.is_closing():
            return
        self._last_received = self.loop.time()
        self._left = left
        if left == 0:
            self._body_complete()
        self.flow.resume_reading()

    def shutdown(self) -> None:
        """The server stops: close when what was asked for has its answer, and what is just being asked."""
        cycle = self.unanswered
        if cycle is not None:
            cycle.keep_alive = False
        elif self._head.size or self._held or (self._requests == 0 and self.loop.time() - self._head_since < FRESH):
            self._is_last = True
            self.loop.call_later(FRESH, self._close_unasked)
        else:
            self.transport.close()

    def _close_unasked(self) -> None:
        if self.unanswered is None:
            self.transport.close()

    def refuse(self, error: RegistryError) -> None:
        """Answer without a handler, and close."""
        if self._is_ending:
            return
        cycle = self.unanswered
        open_body = self._left or self._chunks is not None
        if (cycle is not None and cycle.response_started) or (cycle is None and open_body):
            # Bytes now would be taken for a part of the answer, or for the answer to a request that is not there.
            self.transport.close()
            return
        frontend = self.registry.frontend
        method = self._head.method_so_far
        request_id = frontend.next_request_id()
        answer = refusal(error, request_id, has_body=method != "HEAD")
        self.transport.write(answer)
        self._end()
        if frontend.observers:
            client = self.client[0] if self.client else ""
            size = len(answer.partition(b"\r\n\r\n")[2])
            frontend.finished(Line(request_id, client, method or "-", "-", "-", "", "", error.status, size, 0.0))

    @property
    def _is_ending(self) -> bool:
        return self._lingering or self.transport.is_closing()

    def _end(self) -> None:
        """Close behind the last answer; where the client may still be sending, not before it can have read that.

        The kernel takes back what it has not sent yet when a socket is closed with bytes that nobody read (RFC 9112
        section 9.6)."""
        if self._left == 0 and self._chunks is None and not self.flow.read_paused:
            self.transport.close()
            return
        self._lingering = True
        self._held = b""
        self._answered = self.loop.time()
        cycle = self.unanswered
        if cycle is not None:
            # For whoever was still to answer it, the client has gone.
            cycle.disconnected = True
            cycle.wake()
        self.transport.write_eof()
        self.flow.resume_reading()
