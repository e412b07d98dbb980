"""Where connections come in: one at a time, to the worker that has the fewest.

Workers share one listening socket, and whoever wakes first could take all that wait there. So each tells the others
how many connections it has, and lets them go first while it has more.
"""

import asyncio
import errno
import mmap
import socket
from collections.abc import Callable
from typing import Any

import structlog

log = structlog.get_logger("registry")

TURN = 0.001
"""Seconds that a worker lets others go first."""

PAUSE = 1.0
"""Seconds to wait where no more connections can be opened."""

EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def shared_counts(workers: int) -> memoryview:
    """A number for each worker, which all that are forked afterwards see."""
    return memoryview(mmap.mmap(-1, 4 * workers)).cast("I")


class Crowd(set[Any]):
    """The connections of one worker, whose number the others see."""

    def __init__(self, counts: memoryview, slot: int) -> None:
        self._counts = counts
        self._slot = slot
        # Of the worker that had the slot before, nothing is left.
        counts[slot] = 0

    def add(self, connection: Any) -> None:
        super().add(connection)
        self._counts[self._slot] = len(self)

    def discard(self, connection: Any) -> None:
        super().discard(connection)
        self._counts[self._slot] = len(self)

    def least_elsewhere(self) -> int | None:
        """The connections of the worker that has the fewest; None without other workers."""
        return min((count for slot, count in enumerate(self._counts) if slot != self._slot), default=None)


class Door:
    """Accepts connections from a listening socket until it is closed."""

    def __init__(self, listening: socket.socket, crowd: Crowd, protocol: Callable[[], asyncio.Protocol]) -> None:
        self._listening = listening
        self._crowd = crowd
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._entering: set[asyncio.Task[Any]] = set()
        self._later: asyncio.TimerHandle | None = None
        self._loop.add_reader(listening, self._knock)

    def close(self) -> None:
        """Accept no more."""
        if self._later is not None:
            self._later.cancel()
        self._loop.remove_reader(self._listening)

    async def wait_closed(self) -> None:
        """Nothing is left to wait for but those who are coming in."""
        if self._entering:
            await asyncio.wait(self._entering)

    def _knock(self) -> None:
        least = self._crowd.least_elsewhere()
        if least is not None and len(self._crowd) + len(self._entering) > least:
            self._wait(TURN, self._accept)
        else:
            self._accept()

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._loop.remove_reader(self._listening)

        def go_on() -> None:
            self._later = None
            self._loop.add_reader(self._listening, self._knock)
            then()

        self._later = self._loop.call_later(seconds, go_on)

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # Another worker was first, or the client has left.
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            log.error("no more connections can be accepted for now", reason=error.strerror)
            self._wait(PAUSE, lambda: None)
            return
        connection.setblocking(False)
        entering = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, connection))
        self._entering.add(entering)
        entering.add_done_callback(self._entered)

    def _entered(self, task: "asyncio.Task[Any]") -> None:
        self._entering.discard(task)
        if not task.cancelled():
            task.exception()  # Who left at the door is nobody's failure.
