"""Memory for answers that wait for their clients: a bound on all of them together."""

import asyncio

from registry.errors import Unavailable

PAUSE = 0.05
"""Seconds between two looks at whether there is room."""

PATIENCE = 30.0
"""Seconds that an answer waits for room."""


class Room:
    """`limit` bytes that answers of one worker may take while they are sent; one that is larger has it alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0

    @property
    def is_tight(self) -> bool:
        """Whether half of it is taken: clients that take nothing must not have the rest, too."""
        return 2 * self._taken > self._limit

    def has(self, size: int) -> bool:
        """Whether there are `size` bytes."""
        return not self._taken or self._taken + size <= self._limit

    async def wait(self, size: int) -> None:
        """Until there are `size` bytes: hold nothing meanwhile. Raises `Unavailable`."""
        waited = 0.0
        while not self.has(size):
            if waited >= PATIENCE:
                raise Unavailable("too many answers are waiting for their clients")
            await asyncio.sleep(PAUSE)
            waited += PAUSE

    def take(self, size: int) -> None:
        self._taken += size

    def give_back(self, size: int) -> None:
        self._taken -= size
