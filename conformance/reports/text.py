"""Shows text and bytes of strangers: nothing that steers a terminal, breaks XML or turns the direction of writing."""

import codecs
from functools import lru_cache

DUMPED = 256
"""Bytes of a binary body that are shown in hexadecimal."""

WIDTH = 16

_KEPT = dict.fromkeys(map(ord, "\n\t"))
_BREAKS = dict.fromkeys(map(ord, "\r\n\t"))
_DOTTED = bytes(byte if 32 <= byte < 127 else ord(".") for byte in range(256))


def visible(text: str) -> str:
    """The text with everything that is no printable character written as an escape, such as `\\x1b`; lines stay."""
    if text.translate(_KEPT).isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in "\n\t" else escape(letter) for letter in text)


def line(text: str) -> str:
    """The same on one line."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else escape(letter) for letter in text)


def escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def shown(body: bytes, size: int | None, limit: int) -> str:
    """The first bytes of a body for reading: as text, or as a hexadecimal dump if it is none."""
    if not body:
        return ""
    if is_text(body):
        return visible(decoded(body[:limit], whole=len(body) <= limit and size == len(body)).replace("\r\n", "\n"))
    return dump(body[: min(limit, DUMPED)])


def remainder(body: bytes, size: int | None, limit: int) -> str:
    """What is to be said of the bytes that `shown` leaves out; empty if there are none."""
    kept = min(len(body), limit if is_text(body) else min(limit, DUMPED))
    if size is None:
        return "(sent in chunks, not recorded)" if not body else f"(first {kept:,} bytes, length unknown)"
    return f"(first {kept:,} of {size:,} bytes)" if kept < size else ""


@lru_cache(maxsize=64)
def is_text(body: bytes) -> bool:
    """Whether most of it can be read; a stray control character does not make a text binary."""
    sample = decoded(body[:512], whole=False)
    odd = sample.count("\\x")
    if not sample.translate(_BREAKS).isprintable():
        odd += sum(
            sample.count(letter) for letter in set(sample) if not letter.isprintable() and letter not in "\r\n\t"
        )
    return odd * 10 <= len(sample)


def decoded(body: bytes, *, whole: bool) -> str:
    """Bytes read as UTF-8, others as escapes; without `whole` a last character may be cut off."""
    return codecs.getincrementaldecoder("utf-8")("backslashreplace").decode(body, final=whole)


def dump(body: bytes) -> str:
    """Offset, hexadecimal and ASCII, sixteen bytes a line."""
    rows = []
    for start in range(0, len(body), WIDTH):
        row = body[start : start + WIDTH]
        plain = row.translate(_DOTTED).decode("ascii")
        rows.append(f"{start:06x}  {row.hex(' '):<{WIDTH * 3 - 1}}  {plain}")
    return "\n".join(rows)
