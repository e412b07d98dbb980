"""Conditional requests (RFC 9110 section 13): a digest in quotes is the strong ETag of what it names."""

import re
from typing import NamedTuple

from registry.errors import PreconditionFailed

_ETAG = re.compile(r'(?:W/)?"([^"]*)"|([^\s,"]+)')


def etag(digest: str) -> str:
    return f'"{digest}"'


def parse_etags(text: str) -> frozenset[str]:
    """The tags of an `If-Match` or `If-None-Match`, without quotes; weak and bare ones count, `*` stands for itself."""
    # In quotes a star is a tag like any other, which nothing here has.
    return frozenset(quoted or bare for quoted, bare in _ETAG.findall(text) if quoted != "*")


def matches(tags: frozenset[str], current: str | None) -> bool:
    """Whether what is there now (None: nothing) is among the tags."""
    return current is not None and ("*" in tags or current in tags)


class Precondition(NamedTuple):
    """What must hold for a change; None: nothing was asked."""

    match: frozenset[str] | None = None
    none_match: frozenset[str] | None = None

    def check(self, current: str | None) -> None:
        """Raises `PreconditionFailed` unless it holds for the digest that is there now; None: nothing is."""
        if self.match is not None and not matches(self.match, current):
            raise PreconditionFailed(f"If-Match: there is {current or 'nothing'}")
        if self.none_match is not None and matches(self.none_match, current):
            raise PreconditionFailed(f"If-None-Match: there is {current}")


NO_PRECONDITION = Precondition()
