"""Answers that are the same until the registry changes, kept whole by each worker for the next who asks.

Before one is used the database is asked whether anything was committed since, by whatever process: nobody gets what
was true a moment ago. Half of the work of a small answer is saved, and nothing is lost where much is pushed: then
answers are not kept in the first place.
"""

import time
from collections.abc import Callable, Hashable
from typing import NamedTuple

from registry.http.access import Target

Key = tuple[str, bytes]
"""Method, and the URL as it was sent."""

CALM = 32
"""Requests that could be answered so, without a change in between, after which answers are kept."""

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


class CachedAnswer(NamedTuple):
    """An answer: status line and headers but for those that differ each time, body, and what the log says of it."""

    head: bytes
    body: bytes
    target: Target
    size: int


class AnswerCache:
    """Of one worker. `version` changes with every commit; None: it cannot be told, and nothing is kept."""

    def __init__(self, version: Callable[[], Hashable], limit: int) -> None:
        """`limit`: bytes of memory; 0 keeps nothing."""
        self._version = version
        self._limit = limit
        self._kept: dict[Key, CachedAnswer] = {}
        self._of: Hashable = None
        self._until = 0.0
        self._size = 0
        self._calm = 0

    def find(self, key: Key) -> CachedAnswer | None:
        """The answer as of the latest commit."""
        kept = self._kept.get(key)
        return kept if kept is not None and self._still() else None

    def keep(self, key: Key, answer: CachedAnswer) -> None:
        """Remember an answer that was made just now, without a pause since its request came."""
        if not self._limit or not self._still():
            return
        # Nothing was committed since some time before it was made. Where much is pushed that is rare: then nothing
        # is kept. Where there is no room it stays so: letting others go for each new one would save nobody anything.
        cost = len(key[1]) + len(answer.head) + len(answer.body) + OVERHEAD
        if self._calm >= CALM and self._size + cost <= self._limit:
            self._size += cost
            self._kept[key] = answer

    def _still(self) -> bool:
        """Whether nothing was committed since this was last asked; if something was, all is forgotten."""
        version, now = self._version(), time.monotonic()
        if version is not None and version == self._of and now < self._until:
            self._calm += 1
            return True
        self._of, self._until = version, now + LIFETIME
        self._kept.clear()
        self._size = self._calm = 0
        return False
