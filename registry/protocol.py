"""uvicorn's HTTP protocol, with bounds on what comes before a body, and errors in the registry's own form."""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from registry.errors import HeadersTooLarge, RegistryError, RequestInvalid, RequestTimeout
from registry.responses import failure

HEAD_LIMIT = 128 * 1024
"""Bytes of a request line and headers: a header of 1,024 ranges has 20,000 and more."""

HEAD_PATIENCE = 30.0
"""Seconds that the head of a request may take to arrive."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._in_head: bool = True
        self._head_bytes = 0
        self._head_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            if self._head_bytes == 0:
                self._head_since = self.loop.time()
            self._head_bytes += len(data)
            super().data_received(data)
            if self._head_bytes > HEAD_LIMIT:  # Nought as soon as a head is complete.
                self.refuse(HeadersTooLarge(f"the limit is {HEAD_LIMIT} bytes"))
        else:
            super().data_received(data)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        try:
            super().on_headers_complete()
        except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
            # Raised again by the parser as its own error, which ends in `send_400_response`.
            self._in_head = True
            raise

    def on_message_complete(self) -> None:
        self._in_head = True
        super().on_message_complete()

    def expire(self, now: float) -> None:
        """Close the connection if a head that was begun is not complete by now."""
        if self._in_head and self._head_bytes and now - self._head_since > HEAD_PATIENCE:
            self.refuse(RequestTimeout())

    def refuse(self, error: RegistryError) -> None:
        """Answer without a handler, and close."""
        if self.transport.is_closing():
            return
        response = failure(error)
        assert isinstance(response.body, bytes)
        lines = [STATUS_LINE[response.status]]
        lines += [b"%s: %s\r\n" % pair for pair in response.headers]
        lines += [b"content-length: %d\r\nconnection: close\r\n\r\n" % len(response.body), response.body]
        self.transport.write(b"".join(lines))
        self.transport.close()

    # What uvicorn calls.

    def send_400_response(self, msg: str) -> None:
        self.refuse(RequestInvalid(msg))

    def _unsupported_upgrade_warning(self) -> None:
        """Clients that would like to speak HTTP/2 go on in HTTP/1.1, which is nothing to warn of."""

    def _should_upgrade_to_ws(self) -> bool:
        return False


async def expire_heads(connections: set[Any]) -> None:
    """Close connections whose clients never finish to ask, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(HEAD_PATIENCE / 6)
        for connection in list(connections):
            connection.expire(loop.time())
