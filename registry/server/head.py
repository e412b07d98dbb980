"""The heads of requests: read up to their very end and no further, checked, and what they say of the body."""

import re
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote

import httptools

from registry.errors import CodingUnknown, HeadersTooLarge, RequestInvalid

HEAD_LIMIT = 128 * 1024
"""Bytes of a request line and headers: a header of 1,024 ranges has 20,000 and more."""

MOST_HEADERS = 500
"""Lines of headers: very short ones take thirty times their bytes."""

MOST_BLANK_LINES = 16
"""Before a request (RFC 9112 section 2.2)."""

LONGEST_URL = 64 * 1024 - 1

CHUNKED = -1
"""Stands for the length of a body in chunked transfer coding."""

HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%-]*(?::[0-9]*)?|\[[0-9A-Fa-f:.v]+\](?::[0-9]*)?")
"""What names a host, and perhaps a port (RFC 3986 section 3.2)."""

END = b"\r\n\r\n"
BLANKS = b" \t"
BLANK = (b" ", b"\t")


class Head:
    """The head that a connection is at: what came of it, and once it is complete what it says.

    `headers` has every line, `fields` the last of several with one name; names are in lower case. `size`: bytes that
    came of one that is not complete."""

    def __init__(self) -> None:
        self.size = 0
        self.method = ""
        self.url = b""
        self.version = ""
        self.headers: list[tuple[bytes, bytes]] = []
        self.fields: dict[bytes, bytes] = {}
        self.keep_alive = False
        self._tail = b""
        """The last bytes that came, in which the end may begin."""
        self._first = b""
        """The first bytes of one that is not complete, or cannot be read."""
        self._blank_lines = 0
        self._complete = False
        self._host = b""
        """The last one that was found to be one: most requests of a connection name the same."""
        self._renew()

    def read(self, data: bytes, at: int) -> tuple[int, bool]:
        """Read from `at` to the end of a head, or of `data`: where to go on, and whether the head is complete.

        Raises `RegistryError` for what is none."""
        in_one_piece = self.size == 0
        if in_one_piece:
            end = data.find(END, at)
            stop = end + 4 if end >= 0 else len(data)
        else:
            # Its end may have begun in the piece before.
            end = (self._tail + data[at : at + 3]).find(END)
            if end >= 0:
                stop = at + end + 4 - len(self._tail)
            else:
                end = data.find(END, at)
                stop = end + 4 if end >= 0 else len(data)
        piece = data if at == 0 and stop == len(data) else data[at:stop]
        self.size += len(piece)
        if self.size > HEAD_LIMIT:
            raise HeadersTooLarge(f"the limit is {HEAD_LIMIT} bytes")
        upgrade = False
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # A client that would like to upgrade goes on in HTTP/1.1, but the parser would not.
            upgrade = True
        except httptools.HttpParserError as error:
            self._note(piece)
            raise RequestInvalid from error
        if len(self.headers) > MOST_HEADERS:
            raise HeadersTooLarge(f"the limit is {MOST_HEADERS} lines")
        if not self._complete:
            self._note(piece)
            self._tail = (self._tail + piece[-3:])[-3:]
            if end >= 0:
                self._blank_lines += 1
                if self._blank_lines > MOST_BLANK_LINES:
                    raise RequestInvalid("RFC 9112 section 2.2: blank lines instead of a request")
            return stop, False
        self._complete = False
        self.size = self._blank_lines = 0
        self.fields = fields = dict(self.headers)
        self.method = method = self._parser.get_method().decode("ascii")
        # The parser would have to write it down, which takes longer than to look where it mostly stands.
        usual = in_one_piece and piece.startswith(b"HTTP/1.1\r\n", len(method) + len(self.url) + 2)
        self.version = "1.1" if usual else self._parser.get_http_version()
        if upgrade or b"content-length" in fields or b"transfer-encoding" in fields:
            # It waits for a body that it will not be given.
            self._renew()
        self._check()
        return stop, True

    @property
    def method_so_far(self) -> str:
        """That of the head that is coming, or of the last one; empty where it cannot be told."""
        if not self.size:
            return self.method
        # Until it knows one the parser tells another.
        method: bytes = self._parser.get_method()
        return method.decode("ascii") if self._first.lstrip(b"\r\n").startswith(method + b" ") else ""

    @property
    def expects_continue(self) -> bool:
        """HTTP/1.0 asks nothing by it (RFC 9110 section 10.1.1)."""
        return self.version == "1.1" and b"100-continue" in elements(self.fields.get(b"expect", b""))

    def body_length(self) -> int:
        """How the body is framed (RFC 9112 section 6): its bytes, 0 without one, or `CHUNKED`. Raises `RegistryError`.

        The parser has refused lengths that are no number, are said twice, or stand beside a coding."""
        if b"transfer-encoding" not in self.fields:
            return int(self.fields.get(b"content-length", 0))
        if self.version == "1.0":
            raise RequestInvalid("RFC 9112 section 6.1: HTTP/1.0 has no transfer codings")
        codings = elements(b",".join([value for name, value in self.headers if name == b"transfer-encoding"]))
        if codings[-1:] != [b"chunked"] or codings.count(b"chunked") > 1:
            raise RequestInvalid("RFC 9112 section 6.3: the end of the body cannot be told")
        if len(codings) > 1:
            raise CodingUnknown(codings[0].decode("latin-1")[:100])
        return CHUNKED

    def locate(self, scope: MutableMapping[str, Any]) -> None:
        """Put path and query into the scope. Raises `RequestInvalid`."""
        url = self.url
        if len(url) > LONGEST_URL:
            raise RequestInvalid("RFC 9110 section 4.1: longer than it must be supported")
        if url.startswith(b"/") and b"#" not in url:
            raw_path, _, query = url.partition(b"?")
        else:
            try:
                parsed = httptools.parse_url(url)
            except httptools.HttpParserInvalidURLError:
                raise RequestInvalid("the target of the request is none") from None
            # That of a whole URL without a path is the root (RFC 9112 section 3.2.1).
            raw_path, query = parsed.path or b"/", parsed.query or b""
        try:
            path = raw_path.decode("ascii")
        except UnicodeDecodeError:
            raise RequestInvalid("RFC 9112 section 3.2: the target of the request is not ASCII") from None
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = raw_path
        scope["query_string"] = query

    def _note(self, piece: bytes) -> None:
        self._first = (piece if self.size == len(piece) else self._first + piece)[: MOST_BLANK_LINES * 2 + 8]

    def _check(self) -> None:
        """Raises `RequestInvalid` for a request that this server cannot be the one to answer."""
        host = self.fields.get(b"host")
        if host is not None and host == self._host and len(self.fields) == len(self.headers) and self.version == "1.1":
            return
        if not self.version.startswith("1."):
            raise RequestInvalid("RFC 9112 section 2.3: this is a server of HTTP/1.1")
        if host is None:
            if self.version == "1.1":
                raise RequestInvalid("RFC 9112 section 3.2: no Host")
        elif HOST.fullmatch(host) is None:
            raise RequestInvalid("RFC 9112 section 3.2: no valid Host")
        elif len(self.fields) != len(self.headers) and [name for name, _ in self.headers].count(b"host") != 1:
            raise RequestInvalid("RFC 9112 section 3.2: several Hosts")
        elif self.method == "CONNECT":
            raise RequestInvalid("not a proxy")
        else:
            self._host = host

    def _renew(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        # It is not to judge what follows a head, or how that is framed: `body_length` does.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True, lenient_transfer_encoding=True)

    # What the parser calls

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if value[-1:] in BLANK:
            # Blanks around a value are no part of it (RFC 9110 section 5.5), for nobody who reads it.
            value = value.strip(BLANKS)
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._complete = True
        # The parser has forgotten it when this message is complete, as most are at once.
        self.keep_alive = self._parser.should_keep_alive()


def elements(value: bytes) -> list[bytes]:
    """Of a header that is a list (RFC 9110 section 5.6.1), in lower case."""
    return [element for part in value.lower().split(b",") if (element := part.strip(BLANKS))] if value else []
