"""Byte ranges of an answer (RFC 9110 section 14): kept in the order in which they were asked for, never merged."""

import re
from typing import NamedTuple

from registry.errors import RangeNotSatisfiable, TooManyRanges
from registry.names import number

MOST = 1024
"""Ranges in one request; zstd:chunked clients ask for that many, and halve their number on a 400."""

_SPEC = re.compile(r"([0-9]*)-([0-9]*)")


class Range(NamedTuple):
    """`length` bytes from `start` on."""

    start: int
    length: int

    def content_range(self, size: int) -> str:
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


def parse(text: str, size: int) -> list[Range] | None:
    """What a `Range` header asks of `size` bytes; None: all of them.

    Unknown units are ignored, as are ranges that together are more than twice the whole. Raises
    `RangeNotSatisfiable` if no byte was asked for that there is, or it can't be read; `TooManyRanges`."""
    unit, _, specs = text.partition("=")
    if unit.strip().lower() != "bytes":
        return None
    # A list may have empty elements, which say nothing (RFC 9110 section 5.6.1).
    asked = [spec for part in specs.split(",") if (spec := part.strip())]
    if len(asked) > MOST:
        raise TooManyRanges(f"{len(asked)} ranges; the limit is {MOST}")
    found = [part for spec in asked if (part := one(spec, size)) is not None]
    if not found:
        raise unsatisfiable(size)
    if len(found) > 1 and sum(part.length for part in found) > 2 * size:
        return None
    return found


def one(spec: str, size: int) -> Range | None:
    """One range, cut to what is there; None if nothing of it is. Raises `RangeNotSatisfiable` for what is none."""
    match = _SPEC.fullmatch(spec)
    if match is None or spec == "-":
        raise unsatisfiable(size)
    first, last = match.groups()
    if not first:
        length = min(number(last), size)
        return Range(size - length, length) if length else None
    start = number(first)
    end = min(number(last) + 1 if last else size, size)
    return Range(start, end - start) if start < end else None


def unsatisfiable(size: int) -> RangeNotSatisfiable:
    return RangeNotSatisfiable(f"the content has {size} bytes", headers={"content-range": f"bytes */{size}"})
