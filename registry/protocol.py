"""uvicorn's HTTP protocol, with bounds on what comes before a body, and errors in the registry's own form."""

import asyncio
import socket
import time
from collections.abc import MutableMapping
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from registry.answers import PLAIN, Kept, Key
from registry.asgi import Registry
from registry.cycle import Cycle, goes_on
from registry.errors import HeadersTooLarge, RegistryError, RequestInvalid, RequestTimeout
from registry.log import Line
from registry.responses import failure
from registry.tap import Tap, duplicate

KEEP_ALIVE = 75.0
"""Seconds that a connection may rest between two requests."""

TAPPED_FROM = 256 * 1024
"""Bytes of a body from which on a thread is worth waking."""

HEAD_LIMIT = 128 * 1024
"""Bytes of a request line and headers: a header of 1,024 ranges has 20,000 and more."""

LONGEST_URL = 64 * 1024 - 1

TLS = b"\x16\x03"
"""What a client begins with that tries whether TLS is spoken here, as most do: nothing to warn of."""

BUFFERED = 256 * 1024
"""Bytes of a body that may wait for its reader before the client is made to wait."""

HEAD_PATIENCE = 30.0
"""Seconds that the head of a request may take to arrive."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    cycle: Cycle
    scope: MutableMapping[str, Any]  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.registry = cast(Registry, self.app)
        self._in_head: bool = True
        self._aside = 0
        """Bytes since the last that were of a body: a head, or what may stand between chunks and after them."""
        self._skip = 0
        """Bytes of a body that was tapped and whose rest nobody wants."""
        self._again = False
        """Whether the message that is being parsed has been answered with a kept answer."""
        self._asked = False
        """Whether there was a request."""
        self._at_once = False
        """Whether the next request may be answered in the very call that brings it."""
        self._head_since = self._heard = self.loop.time()

    def data_received(self, data: bytes) -> None:
        self._heard = self.loop.time()
        if self._skip:
            data = self._skipped(data)
            if not data:
                return
        if self._aside == 0:
            self._head_since = self._heard
        self._aside += len(data)
        # Only one: many requests in one piece must not keep others waiting.
        self._at_once = True
        try:
            while data:
                data = self.feed(data)
        except httptools.HttpParserError:
            if not data.startswith(TLS):
                self.logger.warning("invalid HTTP request from %s", self.client)
            self.refuse(RequestInvalid())
        if self._aside > HEAD_LIMIT:  # Nought as soon as a head is complete.
            self.refuse(HeadersTooLarge(f"the limit is {HEAD_LIMIT} bytes"))

    def _skipped(self, data: bytes) -> bytes:
        """What follows the body."""
        skipped = min(len(data), self._skip)
        self._skip -= skipped
        if self._skip == 0:
            self.on_message_complete()
        return data[skipped:]

    def feed(self, data: bytes) -> bytes:
        """Parse, and return what is still to be parsed.

        For a client that would like to upgrade that is its request once more, without the wish: it goes on in
        HTTP/1.1, but the parser would take the body for another protocol."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            method = self.parser.get_method()
            if method == b"CONNECT":
                self.refuse(RequestInvalid("not a proxy"))
                return b""
            lines = [b"%s %s HTTP/%s\r\n" % (method, self.url, self.parser.get_http_version().encode())]
            lines += [b"%s: %s\r\n" % pair for pair in self.headers if pair[0] != b"upgrade"]
            self._renew_parser()
            self._in_head = True
            return b"".join([*lines, b"\r\n", data[upgrade.args[0] :]])
        return b""

    def _renew_parser(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes after a body is no header (RFC 9110 section 6.5.1).
        if self._in_head:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        parser = self.parser
        headers = dict(self.headers)
        version = parser.get_http_version()
        if b"host" not in headers:
            if version == "1.1":
                raise ValueError("RFC 9112 section 3.2: no Host")
        elif len(headers) != len(self.headers) and [name for name, _ in self.headers].count(b"host") != 1:
            raise ValueError("RFC 9112 section 3.2: several Hosts")
        # Not before: what is raised above ends in a refusal.
        self._in_head = False
        self._aside = 0
        scope = self.scope
        scope["method"] = method = parser.get_method().decode("ascii")
        scope["http_version"] = version
        if parser.should_upgrade():
            return
        busy = self.unanswered is not None
        keep_alive = version != "1.0" and parser.should_keep_alive()
        self._asked = True
        steady = None
        if self._at_once and not busy and method in ("GET", "HEAD"):
            self._at_once = False
            if keep_alive and headers.keys() <= PLAIN and not self.flow.write_paused:
                steady = (method, self.url)
                kept = self.registry.answers.find(steady)
                if kept is not None:
                    self._answer_again(method, kept)
                    return
            at_once = True
        else:
            at_once = False
        self._locate(scope)
        self.cycle = cycle = Cycle(
            scope=scope,  # type: ignore[arg-type]
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=headers.get(b"expect", b"").lower() == b"100-continue",
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )
        if method not in ("GET", "HEAD") and self.scheme == "http":
            length = int(headers.get(b"content-length", 0))
            if length >= TAPPED_FROM:
                scope["registry.tap"] = Tap(self, cycle, length)
        if busy:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))
        elif at_once:
            self._answer_at_once(cycle, steady)
        else:
            self._start_asgi_task(cycle, self.app)

    def _locate(self, scope: MutableMapping[str, Any]) -> None:
        url = self.url
        if len(url) > LONGEST_URL:
            raise ValueError("RFC 9110 section 4.1: longer than it must be supported")
        if url.startswith(b"/") and b"#" not in url:
            raw_path, _, query = url.partition(b"?")
        else:
            parsed = httptools.parse_url(url)
            raw_path, query = parsed.path, parsed.query or b""
        path = raw_path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = raw_path
        scope["query_string"] = query

    def _answer_again(self, method: str, kept: Kept) -> None:
        """As before, for a request of its own."""
        app = self.registry.app
        started = time.perf_counter()
        request_id = app.next_request_id()
        own = [b"%s: %s\r\n" % pair for pair in self.server_state.default_headers]
        self.transport.write(
            b"%bx-request-id: %b\r\n%b\r\n%b" % (kept.head, request_id.encode(), b"".join(own), kept.body)
        )
        if app.settings.log_requests:
            client = self.client[0] if self.client else ""
            duration = time.perf_counter() - started
            app.requests.write(Line(request_id, client, method, *kept.told, 200, kept.size, duration))
        self._again = True
        self.server_state.total_requests += 1

    def _answer_at_once(self, cycle: Cycle, steady: Key | None) -> None:
        """Take the first step here, which mostly is the whole way; make a task of what is left."""
        begun = cycle.run_asgi(self.app)
        try:
            awaited = begun.send(None)
        except StopIteration:
            if steady is not None and cycle.kept is not None:
                self.registry.answers.keep(steady, cycle.kept)
            return
        task = self.loop.create_task(goes_on(begun, awaited))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    # What a tap calls.

    def tapped(self, request: object) -> tuple[socket.socket, bytes] | None:
        cycle = self.cycle
        # Another request may have come behind a body that is here as a whole.
        if request is not cycle or not cycle.more_body or cycle.disconnected or self.transport.is_closing():
            return None
        plug = duplicate(self.transport)
        if plug is None:
            return None
        if cycle.waiting_for_100_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.waiting_for_100_continue = False
        self.flow.pause_reading()
        early, cycle.body = bytes(cycle.body), bytearray()
        return plug, early

    def untapped(self, left: int, gone: bool) -> None:
        if gone:
            self.cycle.disconnected = True
            self.transport.close()
        if self.transport.is_closing():
            return
        self._heard = self.loop.time()
        self._renew_parser()
        self._skip = left
        if left == 0:
            self.on_message_complete()
        self.flow.resume_reading()

    def on_body(self, body: bytes) -> None:
        self._aside = 0
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > BUFFERED:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._aside = 0
        if self._again:
            self._again = False
        else:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        # Idle connections are closed by `expire`: a timer for each answer costs more than one sweep.
        self._heard = self.loop.time()
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)

    @property
    def unanswered(self) -> Cycle | None:
        """The last request, unless it has its answer."""
        cycle: Cycle | None = self.cycle
        return None if cycle is None or cycle.response_complete else cycle

    def expire(self, now: float) -> None:
        """Close the connection if a head that was begun is not complete by now, or if nothing is asked for at all."""
        if self._in_head and self._aside:
            if now - self._head_since > HEAD_PATIENCE:
                self.refuse(RequestTimeout())
        elif self.unanswered is None and now - self._heard > (KEEP_ALIVE if self._asked else HEAD_PATIENCE):
            self.transport.close()

    def refuse(self, error: RegistryError) -> None:
        """Answer without a handler, and close."""
        if self.transport.is_closing():
            return
        cycle = self.unanswered
        if cycle is not None:
            if cycle.response_started or not cycle.more_body:
                # What was asked for before comes first: bytes in between would be taken for a part of it.
                cycle.keep_alive = False
                self.flow.pause_reading()
                return
            if self.pipeline:
                self.transport.close()
                return
        response = failure(error)
        assert isinstance(response.body, bytes)
        lines = [STATUS_LINE[response.status]]
        lines += [b"%s: %s\r\n" % pair for pair in response.headers]
        lines.append(b"content-length: %d\r\nconnection: close\r\n\r\n" % len(response.body))
        if self.parser.get_method() != b"HEAD":
            lines.append(response.body)
        self.transport.write(b"".join(lines))
        self.transport.close()

    # What uvicorn calls.

    def _should_upgrade(self) -> bool:
        """Asked only where a client wants to: its request is not answered before `feed` has given it back."""
        return True


async def expire_heads(connections: set[Any]) -> None:
    """Close connections whose clients never finish to ask, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(HEAD_PATIENCE / 6)
        for connection in list(connections):
            connection.expire(loop.time())
