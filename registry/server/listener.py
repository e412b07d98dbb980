"""Where connections come in: one at a time, to the worker that has the fewest.

Workers share one listening socket, and whoever wakes first could take all that wait there. So each tells the others
how many connections it has, and lets them go first while it has more.

A worker takes no more connections than it has descriptors for, with what their requests will open: where that is
reached, those go that have been idle for longest.
"""

import asyncio
import errno
import mmap
import resource
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import structlog

log = structlog.get_logger("registry")

TURN = 0.001
"""Seconds that a worker lets others go first."""

PAUSE = 1.0
"""Seconds to wait where no more connections can be opened."""

FULL = 0.1
"""Seconds to wait where all connections are at something."""

CROWDED = 3.0
"""Seconds in which all connections have been taken, again and again, until those that stall are let go as soon as can
be: many that stall one after the other must not keep the others out for the sum of what each is given."""

IDLE = 0.25
"""Seconds that a connection may rest without having to go: a client that has something to ask does so sooner."""

HURRIED_IDLE = 0.1
"""The same where others have waited for long."""

LOOK_EVERY = 5.0
"""Seconds between two looks at all connections."""

TOLD_EVERY = 30.0
"""Seconds between two lines that say the same."""

DESCRIPTORS = 1024 * 1024
"""Descriptors that a process asks for at most."""

RESERVED = 100
"""Descriptors of a worker that are not for connections: databases, threads at work, the loop, the log. Where there are
few, half of them."""

EACH = 3
"""Descriptors for a connection at work: its own, one by which a thread reads from it, and a file."""

MOST = 10_000
"""Connections of a worker: a bound to what they take of memory."""

EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

NOBODY = 2**32 - 1
"""Stands for the count of a worker that there is not, or that takes no more connections."""


def shared_counts(workers: int) -> memoryview:
    """A number for each worker, which all that are forked afterwards see; `NOBODY` at first."""
    counts = memoryview(mmap.mmap(-1, 4 * workers)).cast("I")
    for slot in range(workers):
        counts[slot] = NOBODY
    return counts


def raise_descriptor_limit() -> None:
    """Let this process, and those that it forks, have as many descriptors as it is allowed to ask for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError) as error:
            log.warning("the limit of descriptors stays as it is", limit=soft, reason=str(error))


def most_connections() -> int:
    """How many connections a worker can take without running out of descriptors for their requests."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST
    return max(1, min(MOST, (soft - min(RESERVED, soft // 2)) // EACH))


def in_backlog(listening: socket.socket) -> int:
    """Clients that wait to be accepted (tcp(7): `tcpi_unacked` of a listening socket); 0 where it cannot be told."""
    with suppress(OSError, struct.error):
        return int(struct.unpack_from("I", listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64), 24)[0])
    return 0


class Connections(set[Any]):
    """The connections of one worker, whose number the others see."""

    def __init__(self, counts: memoryview, slot: int) -> None:
        self._counts = counts
        self._slot = slot
        self._told = -TOLD_EVERY
        # Of the worker that had the slot before, nothing is left.
        counts[slot] = 0

    def add(self, connection: Any) -> None:
        super().add(connection)
        self._counts[self._slot] = len(self)

    def discard(self, connection: Any) -> None:
        super().discard(connection)
        self._counts[self._slot] = len(self)

    def leave(self) -> None:
        """Take no more: others need not wait for this worker."""
        self._counts[self._slot] = NOBODY
        self._counts = shared_counts(self._slot + 1)

    def least_elsewhere(self) -> int | None:
        """The connections of the worker that has the fewest; None without other workers."""
        least = min((count for slot, count in enumerate(self._counts) if slot != self._slot), default=NOBODY)
        return None if least == NOBODY else least

    async def expire(self, patience: timedelta) -> None:
        """Let go of clients that do not go on, for ever. `patience`: the shortest that the settings have with one."""
        loop = asyncio.get_running_loop()
        pause = min(LOOK_EVERY, max(patience.total_seconds() / 4, 0.1))
        while True:
            await asyncio.sleep(pause)
            for connection in list(self):
                with self._alone(connection):
                    connection.expire(loop.time())

    def dismiss(self, now: float, most: int, hurry: float = 0.0) -> int:
        """Close up to `most` of those that are idle, longest first, and those that are at nothing before those that
        stall; how many. `now` in the loop's time.

        `hurry`: from 0 to 1, how little a client that stalls is waited for, as others wait for its place."""
        idle = []
        for connection in list(self):
            with self._alone(connection):
                since = connection.idle_since(hurry)
                if since is not None and now - since >= IDLE + hurry * (HURRIED_IDLE - IDLE):
                    idle.append((connection.is_at_something, since, id(connection), connection))
        chosen = sorted(idle)[:most]
        for _, _, _, connection in chosen:
            with self._alone(connection):
                connection.close_idle()
        return len(chosen)

    @contextmanager
    def _alone(self, connection: Any) -> Iterator[None]:
        """What fails with one connection ends that one, and is nothing to the others."""
        try:
            yield
        except Exception:
            now = time.monotonic()
            if now - self._told >= TOLD_EVERY:
                self._told = now
                log.exception("a connection fails when it is looked at; cutting it off")
            with suppress(Exception):
                connection.transport.abort()


class Listener:
    """Accepts connections from a listening socket until it is closed."""

    def __init__(
        self, listening: socket.socket, connections: Connections, protocol: Callable[[], asyncio.Protocol]
    ) -> None:
        self._listening = listening
        self._connections = connections
        self._most = most_connections()
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._entering: set[asyncio.Task[Any]] = set()
        self._later: asyncio.TimerHandle | None = None
        self._told: dict[str, float] = {}
        self._full_since: float | None = None
        """Since when somebody has waited all the time, as all connections were taken."""
        self._loop.add_reader(listening, self._on_readable)

    def close(self) -> None:
        """Accept no more."""
        if self._later is not None:
            self._later.cancel()
        self._loop.remove_reader(self._listening)
        self._connections.leave()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for but those who are coming in."""
        if self._entering:
            await asyncio.wait(self._entering)

    def _on_readable(self) -> None:
        least = self._connections.least_elsewhere()
        if least is not None and len(self._connections) + len(self._entering) > least:
            self._wait(TURN, self._accept)
        else:
            self._accept()

    def _wait(self, seconds: float, then: Callable[[], None] | None = None) -> None:
        self._loop.remove_reader(self._listening)

        def go_on() -> None:
            self._later = None
            self._loop.add_reader(self._listening, self._on_readable)
            if then is not None:
                then()

        self._later = self._loop.call_later(seconds, go_on)

    def _accept(self) -> None:
        if len(self._connections) + len(self._entering) >= self._most:
            hurry = self._hurry(self._loop.time())
            if self._connections.dismiss(self._loop.time(), max(1, in_backlog(self._listening)), hurry):
                self._wait(TURN)
            else:
                self._wait(FULL * (1 - 0.9 * hurry))
                self._tell("no more connections for now: all are at something", limit=self._most)
            return
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # Another worker was first, or the client has left.
        except OSError as error:
            # Those that name the network's trouble are the client's (accept(2)): the next may do better.
            most = max(1, in_backlog(self._listening))
            dismissed = error.errno in EXHAUSTED and self._connections.dismiss(self._loop.time(), most)
            self._wait(FULL if dismissed else PAUSE)
            self._tell("no more connections can be accepted for now", reason=error.strerror)
            return
        if self._full_since is not None and in_backlog(self._listening) == 0:
            self._full_since = None
        connection.setblocking(False)
        entering = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, connection))
        self._entering.add(entering)
        entering.add_done_callback(self._entered)

    def _hurry(self, now: float) -> float:
        """How much there is where all connections are taken: more from moment to moment, up to 1."""
        if self._full_since is None:
            self._full_since = now
        return min((now - self._full_since) / CROWDED, 1.0)

    def _tell(self, event: str, **fields: object) -> None:
        """Log it, unless it was a short while ago."""
        now = self._loop.time()
        if now - self._told.get(event, -TOLD_EVERY) >= TOLD_EVERY:
            self._told[event] = now
            log.error(event, **fields)

    def _entered(self, task: "asyncio.Task[Any]") -> None:
        self._entering.discard(task)
        if not task.cancelled():
            task.exception()  # Who left at the door is nobody's failure.
