"""Repository names, tags, digests, references and content ranges: parsed once, then values."""

import re
from functools import lru_cache
from typing import NamedTuple, NewType, Self

from registry.errors import DigestMalformed, NameInvalid, SizeInvalid, TagInvalid, UploadInvalid

RepositoryName = NewType("RepositoryName", str)
Tag = NewType("Tag", str)

LONGEST_NAME = 255

# The specification's pattern with its nested repetition made linear: alternatives never overlap.
NAME = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*")
TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")
CONTENT_RANGE = re.compile(r"([0-9]+)-([0-9]+)")
_NUMBER = re.compile(r"[0-9]+")

LARGEST_NUMBER = 10**18
"""What every number that is larger counts as: the grammars bound no number of digits (RFC 9110 section 14.1.1)."""

ALGORITHMS = {"sha256": re.compile(r"[a-f0-9]{64}"), "sha512": re.compile(r"[a-f0-9]{128}")}
"""The algorithms that content may be stored under, and what their encoded part looks like."""


class Digest(str):
    """A well-formed digest, `<algorithm>:<encoded>` (BASE-14); `algorithm` may be one that is not in `ALGORITHMS`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `DigestMalformed` for what the grammar, or a known algorithm's length and alphabet, forbids."""
        algorithm, _, encoded = text.partition(":")
        known = ALGORITHMS.get(algorithm)
        if known.fullmatch(encoded) is None if known else len(text) > 255 or DIGEST.fullmatch(text) is None:
            raise DigestMalformed(text[:200])
        return cls(text)

    @property
    def algorithm(self) -> str:
        return self.partition(":")[0]

    @property
    def encoded(self) -> str:
        return self.partition(":")[2]

    @property
    def supported(self) -> bool:
        """Whether content can be stored under it."""
        return self.algorithm in ALGORITHMS

    @property
    def fallback_tag(self) -> Tag:
        """The tag of the client-maintained referrers list of this subject (R-170)."""
        return Tag(re.sub(r"[^a-zA-Z0-9._-]", "-", f"{self.algorithm[:32]}-{self.encoded[:64]}"))


Reference = Tag | Digest
"""What the last element of a manifest's URL is: a tag, or a digest (R-013)."""


class ContentRange(NamedTuple):
    """Where a chunk stands in its blob (R-070): first and last byte, both inclusive."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


@lru_cache(8192)
def parse_name(text: str) -> RepositoryName:
    """Raises `NameInvalid` for what R-010 forbids or is longer than 255 characters (R-011)."""
    if len(text) > LONGEST_NAME or NAME.fullmatch(text) is None:
        raise NameInvalid(text[:200])
    return RepositoryName(text)


def parse_tag(text: str) -> Tag:
    """Raises `TagInvalid` for what R-012 forbids."""
    if TAG.fullmatch(text) is None:
        raise TagInvalid(text[:200])
    return Tag(text)


def parse_reference(text: str) -> Reference:
    """Raises `TagInvalid` or `DigestMalformed`; the colon decides which of the two it is."""
    return Digest.parse(text) if ":" in text else parse_tag(text)


def parse_content_range(text: str, length: int | None) -> ContentRange:
    """A chunk's place, checked against the body's `length` where that is known (R-071).

    Raises `UploadInvalid` for what is not `<first>-<last>`, `SizeInvalid` if the lengths differ."""
    match = CONTENT_RANGE.fullmatch(text)
    if match is None:
        raise UploadInvalid(f"Content-Range is not <first>-<last>: {text[:100]}")
    place = ContentRange(number(match[1]), number(match[2]))
    if place.last < place.first:
        raise UploadInvalid(f"Content-Range ends before it starts: {text}")
    if length is not None and place.length != length:
        raise SizeInvalid(f"Content-Range {text} is {place.length} bytes, the body {length}")
    return place


def number(digits: str) -> int:
    """What one or more of the digits 0 to 9 say, at most `LARGEST_NUMBER`; however many they are, it takes no time."""
    digits = digits.lstrip("0")
    return min(int(digits), LARGEST_NUMBER) if 0 < len(digits) < 20 else LARGEST_NUMBER if digits else 0


def parse_number(text: str) -> int | None:
    """A number, or None: `int` takes signs, blanks, underscores and digits of other scripts."""
    return number(text) if _NUMBER.fullmatch(text) else None
