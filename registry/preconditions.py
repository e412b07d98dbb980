"""Conditional requests (RFC 9110 section 13): a digest in quotes is the strong ETag of what it names."""

import re
from typing import NamedTuple

from registry.errors import PreconditionFailed

_TAG = r'(?:W/)?(?:"[^"]*"|[A-Za-z0-9+._-]+:[A-Za-z0-9=_-]+)'
_LIST = re.compile(rf"\*|[ \t,]*{_TAG}(?:[ \t]*,(?:[ \t]*{_TAG})?)*[ \t]*")
"""A list of tags (RFC 9110 section 5.6.1), with quotes or, for a digest, without."""

_ETAG = re.compile(r'(W/)?"([^"]*)"|([^\s,"]+)')


def etag(digest: str) -> str:
    return f'"{digest}"'


def parse_etags(text: str, *, strong: bool = False) -> frozenset[str]:
    """The tags of an `If-Match` or `If-None-Match`, without quotes; `*` stands for itself.

    Weak ones count unless only `strong` ones may (RFC 9110 section 13.1.1: in `If-Match`); bare ones do. What guards
    against lost updates must not be guessed: a list in `If-Match` that is none names nothing."""
    if strong and _LIST.fullmatch(text.strip()) is None:
        return frozenset()
    # In quotes a star is a tag like any other, which nothing here has.
    return frozenset(
        quoted or bare
        for weak, quoted, bare in _ETAG.findall(text)
        if quoted != "*" and not (strong and (weak or bare.startswith("W/")))
    )


def matches(tags: frozenset[str], current: str | None) -> bool:
    """Whether what is there now (None: nothing) is among the tags."""
    return current is not None and ("*" in tags or current in tags)


class Precondition(NamedTuple):
    """What must hold for a request to be carried out; None: nothing was asked."""

    match: frozenset[str] | None = None
    none_match: frozenset[str] | None = None

    def check(self, current: str | None) -> None:
        """For a change: raises `PreconditionFailed` unless it holds for the digest that is there (None: nothing)."""
        self._check_match(current)
        if self.none_match is not None and matches(self.none_match, current):
            raise PreconditionFailed(f"If-None-Match: there is {current}")

    def is_unmodified(self, current: str) -> bool:
        """For reading what is there: whether the client has it already. Raises `PreconditionFailed`."""
        self._check_match(current)
        return self.none_match is not None and matches(self.none_match, current)

    def check_untagged(self) -> None:
        """For what has no entity tag, so that `If-Match` cannot name it. Raises `PreconditionFailed`."""
        if self.match is not None and "*" not in self.match:
            raise PreconditionFailed("If-Match: this has no entity tag")

    @property
    def wants_nothing(self) -> bool:
        """Whether it holds only where there is nothing (`If-None-Match: *`)."""
        return self.none_match is not None and "*" in self.none_match

    def _check_match(self, current: str | None) -> None:
        if self.match is not None and not matches(self.match, current):
            raise PreconditionFailed(f"If-Match: there is {current or 'nothing'}")


NO_PRECONDITION = Precondition()


def parse(match: str | None, none_match: str | None) -> Precondition:
    """Of the headers `If-Match` and `If-None-Match`; None: the request has none."""
    if match is None and none_match is None:
        return NO_PRECONDITION
    return Precondition(
        None if match is None else parse_etags(match, strong=True),
        None if none_match is None else parse_etags(none_match),
    )
