"""How long a connection waits for its client: with a head, a body, an answer, or with nothing to do."""

import asyncio
import socket
from abc import abstractmethod
from contextlib import suppress

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from registry.asgi import Registry
from registry.errors import RegistryError, RequestTimeout
from registry.http.tap import duplicate, in_send_queue
from registry.server.chunked import ChunkedBody
from registry.server.cycle import Cycle
from registry.server.head import Head

KEEP_ALIVE = 75.0
"""Seconds that a connection may rest between two requests."""

HEAD_PATIENCE = 30.0
"""Seconds that the head of a request may take to arrive."""

UNWANTED_PATIENCE = 30.0
"""Seconds that are spent on a body that nobody wants, as its request has its answer, so that the connection goes on."""

STALLED = 5.0
"""Seconds after which a client that is at something counts as one that rests, where there is no room for others."""

STALLED_HEAD = 1.0
"""The same for a head: who has begun to ask goes on at once."""

HURRIED = 0.5
"""`STALLED` where others have waited for long."""

HURRIED_HEAD = 0.0
"""`STALLED_HEAD` there: of who has waited, too, what he sent is there already."""

LINGER = 5.0
"""Seconds that a client that is still sending has to read the last answer."""


class Patient(HttpToolsProtocol):
    """A connection as far as it is looked at from time to time, and where there is no room for others."""

    cycle: Cycle  # type: ignore[assignment]
    registry: Registry

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head = Head()
        self._chunks: ChunkedBody | None = None
        self._left = 0
        """Bytes of a body of known length that are still to come."""
        self._held = b""
        """What came behind a request that has no answer yet."""
        self._requests = 0
        self._is_tapped = self._tap_reads = False
        self._lingering = False
        """Whether the last answer was sent, and what else the client sends is thrown away."""
        self._head_since = self._last_received = self._answered = self._taking_since = self.loop.time()
        self._progress = (0, 0, 0, 0)
        """What changes when an answer goes on, as it was when the connection was last looked at."""

    @property
    def unanswered(self) -> Cycle | None:
        """The last request, unless it has its answer."""
        cycle: Cycle | None = self.cycle
        return None if cycle is None or cycle.response_complete else cycle

    @abstractmethod
    def refuse(self, error: RegistryError) -> None:
        """Answer without a handler, and close."""

    def idle_since(self, hurry: float) -> float | None:
        """When it began to wait for its client with nothing to show for it, in the loop's time; None: it waits for us.

        A client that is at something is given a while before it counts as idle, too: where there is no room for
        others, those who stall must not have it. The while is shorter the more `hurry` there is, from 0 to 1."""
        cycle = self.unanswered
        stalled = STALLED + hurry * (HURRIED - STALLED)
        if self._lingering:
            return self._answered
        if self.transport.get_write_buffer_size():
            # What it has taken by now: it was looked at some seconds ago.
            self._note_progress(self.loop.time())
            return self._taking_since + stalled
        if cycle is not None:
            # It may be us who do not read, or who cannot write what a thread has read.
            ours = not cycle.more_body or self._tap_reads or (self.flow.read_paused and not self._is_tapped)
            return None if ours else self._last_received + stalled
        if self._head.size:
            return self._head_since + STALLED_HEAD + hurry * (HURRIED_HEAD - STALLED_HEAD)
        if self._left or self._chunks is not None:
            return self._answered + stalled
        return None if self._held else self._last_received

    @property
    def is_at_something(self) -> bool:
        """Whether a request has begun whose answer the client has not taken."""
        rests = self.unanswered is None and not self._head.size and not self._left and self._chunks is None
        return not (self._lingering or (rests and not self.transport.get_write_buffer_size()))

    def close_idle(self) -> None:
        """Let go of a client that `idle_since` tells of: one that is asked for a body is told, as it would be later."""
        cycle = self.unanswered
        if cycle is None or self.transport.get_write_buffer_size() or self._lingering:
            self.transport.abort()
            return
        cycle.stalled = True
        cycle.wake()
        if self._is_tapped:
            # A thread waits for the socket.
            plug = duplicate(self.transport)
            if plug is None:
                self.transport.abort()
            else:
                with plug, suppress(OSError):
                    plug.shutdown(socket.SHUT_RD)

    def expire(self, now: float) -> None:
        """Let go of a client that does not go on: with a head, a body that nobody wants, an answer, or at all."""
        settings = self.registry.app.settings
        if self._is_stuck(now):
            self.transport.abort()
        elif self._lingering:
            if now - self._answered > LINGER:
                self.transport.close()
        elif self.unanswered is not None:
            return  # Whoever waits for its body has a patience of its own.
        elif self._head.size:
            if now - self._head_since > HEAD_PATIENCE:
                self.refuse(RequestTimeout())
        elif self._left or self._chunks is not None:
            if now - self._answered > min(UNWANTED_PATIENCE, settings.body_timeout.total_seconds()):
                self.transport.close()
        elif not self._held and now - self._last_received > (KEEP_ALIVE if self._requests else HEAD_PATIENCE):
            self.transport.close()

    def _is_stuck(self, now: float) -> bool:
        """Whether the client has not taken a byte of what waits for it, for too long."""
        self._note_progress(now)
        return now - self._taking_since > self.registry.frontend.send_patience

    def _note_progress(self, now: float) -> None:
        unsent = self.transport.get_write_buffer_size()
        cycle: Cycle | None = self.cycle
        # What the kernel has for it counts as taken only when it has gone.
        queued = in_send_queue(self.transport) if unsent else 0
        progress = (cycle.written if cycle is not None else 0, self._requests, unsent, queued)
        if unsent == 0 or progress != self._progress:
            self._progress = progress
            self._taking_since = now
