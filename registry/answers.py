"""Answers that are the same until the registry changes, kept whole by each worker for the next who asks.

Before one is used the database is asked whether anything was committed since, by whatever process: nobody gets what
was true a moment ago. Half of the work of a small answer is saved, and nothing is lost where much is pushed: then
answers are not kept in the first place.
"""

import time
from collections.abc import Callable, Hashable
from typing import NamedTuple

Key = tuple[str, bytes]
"""Method, and the URL as it was sent."""

CALM = 32
"""Requests without a change in between, after which answers are kept."""

LIFETIME = 600.0
"""Seconds after which an answer is made anew: who asks for a blob is promised that it stays, and that is written down
again from time to time (`services.blobs.RENEW_AFTER`)."""

OVERHEAD = 600
"""Bytes that an answer takes beside its own."""

PLAIN = frozenset(
    (
        b"host",
        b"user-agent",
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"connection",
        b"cache-control",
        b"pragma",
    )
)
"""Headers that no answer depends on. A request with any other one is answered anew."""


class Kept(NamedTuple):
    """An answer: status line and headers but for those that differ each time, body, and what the log says of it."""

    head: bytes
    body: bytes
    told: tuple[str, str, str, str]
    """Path, route, name and reference."""
    size: int


class Answers:
    """Of one worker. `version` changes with every commit; None: it cannot be told, and nothing is kept."""

    def __init__(self, version: Callable[[], Hashable], limit: int) -> None:
        """`limit`: bytes of memory; 0 keeps nothing."""
        self._version = version
        self._limit = limit
        self._kept: dict[Key, Kept] = {}
        self._of: Hashable = None
        self._until = 0.0
        self._size = 0
        self._calm = 0

    def find(self, key: Key) -> Kept | None:
        """The answer as of the latest commit."""
        if not self._limit:
            return None
        version = self._version()
        now = time.monotonic()
        if version is None or version != self._of or now > self._until:
            self._of = version
            self._until = now + LIFETIME
            self._kept.clear()
            self._size = self._calm = 0
            return None
        self._calm += 1
        return self._kept.get(key)

    def keep(self, key: Key, answer: Kept) -> None:
        """Remember an answer that was made without a pause since `find` did not know it.

        If the database has changed meanwhile the answer may be newer than `find` saw, never older: the next `find`
        drops it."""
        cost = len(key[1]) + len(answer.head) + len(answer.body) + OVERHEAD
        # Where it is full it stays as it is: letting others go for each new one would save nobody anything.
        if self._calm >= CALM and self._of is not None and self._size + cost <= self._limit:
            self._size += cost
            self._kept[key] = answer
