"""Chunked transfer coding (RFC 9112 section 7.1), decoded here because trailers are not headers.

The parser of heads would read a `Connection` or `Content-Length` behind the last chunk as one of the request's own.
"""

import re

from registry.errors import HeadersTooLarge, RegistryError, RequestInvalid

LONGEST_LINE = 4096
"""Bytes of a chunk's size and extensions, which say nothing to anybody here."""

TRAILERS = 16 * 1024
"""Bytes of all trailers together; they are read and ignored."""

TURN = 1000
"""Chunks that are decoded at a time, so that very small ones keep nobody waiting."""

SIZE = re.compile(rb"0*([0-9a-fA-F]{1,16})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?")
TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*")


class ChunkedBody:
    """One body on its way in. `decode` is given the bytes as they come, wherever they are cut."""

    def __init__(self) -> None:
        self.complete = False
        self.error: RegistryError | None = None
        """What is wrong with it: `RequestInvalid`, or `HeadersTooLarge` for a line that never ends."""
        self._left = 0
        """Bytes of the chunk that are still to come."""
        self._line = b""
        """What has come of a line whose end has not."""
        self._next = self._size
        self._trailers = 0

    def decode(self, data: bytes, start: int) -> tuple[list[bytes], int]:
        """The pieces of content in `data` from `start` on, and where to go on: behind the body once it is `complete`,
        else at the end of `data`, or sooner where much is left or something is wrong: what came before that counts."""
        pieces: list[bytes] = []
        try:
            start = self._decode(data, start, pieces)
        except RegistryError as error:
            self.error = error
        return pieces, start

    def _decode(self, data: bytes, start: int, pieces: list[bytes]) -> int:
        while start < len(data) and not self.complete and len(pieces) < TURN:
            if self._left:
                piece = data[start : start + self._left]
                self._left -= len(piece)
                start += len(piece)
                pieces.append(piece)
                continue
            end = data.find(b"\n", start)
            line = self._line + (data[start:] if end < 0 else data[start : end + 1])
            if len(line) > LONGEST_LINE:
                raise HeadersTooLarge(f"the limit of a line between chunks is {LONGEST_LINE} bytes")
            if end < 0:
                self._line = line
                start = len(data)
            else:
                self._line = b""
                start = end + 1
                if not line.endswith(b"\r\n"):
                    raise RequestInvalid("a line between chunks does not end in CR LF")
                self._next(line[:-2])
        return start

    def _size(self, line: bytes) -> None:
        match = SIZE.fullmatch(line)
        if match is None:
            raise RequestInvalid("not the size of a chunk")
        self._left = int(match[1], 16)
        self._next = self._end_of_chunk if self._left else self._trailer

    def _end_of_chunk(self, line: bytes) -> None:
        if line:
            raise RequestInvalid("a chunk is longer than its size says")
        self._next = self._size

    def _trailer(self, line: bytes) -> None:
        if not line:
            self.complete = True
            return
        self._trailers += len(line)
        if self._trailers > TRAILERS:
            raise HeadersTooLarge(f"the limit of trailers is {TRAILERS} bytes")
        if TRAILER.fullmatch(line) is None:
            raise RequestInvalid("not a trailer")
