"""uvicorn's HTTP protocol, with bounds on what comes before a body, and errors in the registry's own form."""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from registry.errors import HeadersTooLarge, RegistryError, RequestInvalid, RequestTimeout
from registry.responses import failure

HEAD_LIMIT = 128 * 1024
"""Bytes of a request line and headers: a header of 1,024 ranges has 20,000 and more."""

TLS = b"\x16\x03"
"""What a client begins with that tries whether TLS is spoken here, as most do: nothing to warn of."""

HEAD_PATIENCE = 30.0
"""Seconds that the head of a request may take to arrive."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._in_head: bool = True
        self._aside = 0
        """Bytes since the last that were of a body: a head, or what may stand between chunks and after them."""
        self._head_since = self._heard = self.loop.time()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._heard = self.loop.time()
        if self._aside == 0:
            self._head_since = self._heard
        self._aside += len(data)
        try:
            while data:
                data = self.feed(data)
        except httptools.HttpParserError:
            if not data.startswith(TLS):
                self.logger.warning("invalid HTTP request from %s", self.client)
            self.refuse(RequestInvalid())
        if self._aside > HEAD_LIMIT:  # Nought as soon as a head is complete.
            self.refuse(HeadersTooLarge(f"the limit is {HEAD_LIMIT} bytes"))

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
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self._in_head = True
            return b"".join([*lines, b"\r\n", data[upgrade.args[0] :]])
        return b""

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes after a body is no header (RFC 9110 section 6.5.1).
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            raise ValueError("RFC 9112 section 3.2: not one Host")
        super().on_headers_complete()
        # Not before: what is raised above ends in a refusal.
        self._in_head = False
        self._aside = 0

    def on_body(self, body: bytes) -> None:
        self._aside = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head = True
        self._aside = 0
        super().on_message_complete()

    @property
    def unanswered(self) -> RequestResponseCycle | None:
        """The last request, unless it has its answer."""
        cycle: RequestResponseCycle | None = self.cycle
        return None if not cycle or cycle.response_complete else cycle

    def expire(self, now: float) -> None:
        """Close the connection if a head that was begun is not complete by now, or if nothing is asked for at all."""
        if self._in_head and self._aside:
            if now - self._head_since > HEAD_PATIENCE:
                self.refuse(RequestTimeout())
        elif self.unanswered is None and not self.timeout_keep_alive_task and now - self._heard > HEAD_PATIENCE:
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
