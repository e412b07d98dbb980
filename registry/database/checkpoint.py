"""Keeps a write-ahead log short: what was committed is copied into its file while transactions go on."""

import fcntl
import os
import sqlite3
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import structlog

from registry.database.connection import LOG_KEPT, connect, index_path, log_path, when_free
from registry.database.reserve import Reserve

log = structlog.get_logger("registry")

EVERY, AGAIN = 0.1, 0.002
"""Seconds between two looks at the log; and while it is long, and somebody is writing to it."""

LOG_BEGUN_ANEW = 16 * 1024 * 1024
"""Bytes of a log from which on it does not wait for a pause of those who write."""

LOG_LONG = 64 * 1024 * 1024
"""Bytes of a log that an operator is told of, as somebody keeps it from being emptied."""

COPIES = 4
SHORT = 0.01
"""Seconds that a copy takes which leaves little to the next."""

GATE_PATIENCE = 0.1
"""Seconds in which a moment is looked for when nobody writes."""

SHORTEST_STAY, LONGEST_STAY = 0.0005, 0.008
"""Seconds for which those who write are kept waiting so that those who read what is in the log leave: each time longer,
until the log begins anew."""

ROOM_PATIENCE = 1.0
"""Seconds for which one waits for another process that is copying, to have room."""

TOLD_EVERY = 60.0
RESERVED_EVERY = 5.0


class Checkpointer:
    """A thread of each process, for one database; of several one does the work, and the others find nothing to do.

    Copying everything but what is being written at this moment lets all go on, but the log begins anew only after a
    pause of those who write, in which the rest is copied and those who read the log leave. So one is made: it is short,
    as little is left to copy. Only a reader that stays, such as a backup, keeps a log from beginning anew.

    SQLite before 3.51.3 may damage a database where a copy is begun of a log that was copied whole, and that somebody
    begins anew at this very moment (sqlite.org/wal.html#walresetbug). So a copy is begun only where something is left
    to copy, or while nobody can write; and by one process at a time, so that no other one copies the rest before it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = log_path(path)
        self._reserve = Reserve(path.parent)
        self._connection = connect(path, 0, synchronous="NORMAL")
        self._gate = connect(path, 0, synchronous="NORMAL")
        self._index = LogIndex(path)
        self._turn = Turn(self._log)
        self._stay = SHORTEST_STAY
        self._closing = threading.Event()
        self._told = self._reserved = float("-inf")
        self._reserve.keep()
        self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        # Waits for `make_room`, which goes on in its thread where the request that wanted it was cancelled.
        self._turn.close()
        self._gate.close()
        self._connection.close()

    def make_room(self) -> None:
        """For a transaction that frees some: give what is kept for it, and let the log begin anew."""
        self._reserve.release()
        self._begin_anew(ROOM_PATIENCE)

    def _run(self) -> None:
        pause = EVERY
        while not self._closing.wait(pause):
            size = self._size()
            pause = EVERY
            if size > LOG_BEGUN_ANEW:
                pause = AGAIN if self._begin_anew(0) else EVERY
            else:
                self._stay = SHORTEST_STAY
                if size > LOG_KEPT:
                    self._copy_some()
            now = time.monotonic()
            if now - self._reserved > RESERVED_EVERY:
                self._reserve.keep()
                self._reserved = now
            if size > LOG_LONG and now - self._told > TOLD_EVERY:
                self._told = now
                log.warning(
                    "a long log: somebody reads the database for long, or its disk is full",
                    log=str(self._log),
                    bytes=size,
                )

    def _size(self) -> int:
        try:
            return self._log.stat().st_size
        except OSError:
            return 0

    def _copy_some(self) -> None:
        with suppress(sqlite3.Error, OSError), self._turn.taken(0):
            if self._index.left():
                self._copy()

    def _begin_anew(self, patience: float) -> bool:
        """Let the next transaction write at the log's beginning, if a moment can be had for that; whether it is worth
        another try soon. It is not where all was copied before, nor where nobody can tell how much is left.

        Those who write wait for the last copy only, so that one comes after those in which little was left to do.
        `patience`: seconds to wait for another process that is at it."""
        with suppress(sqlite3.Error, OSError), self._turn.taken(patience):
            if (left := self._index.left()) == 0:
                return False  # Whoever writes next begins it anew.
            for _ in range(COPIES):
                begun = time.monotonic()
                if not self._index.left():
                    break
                self._copy()
                if time.monotonic() - begun < SHORT:
                    break
            when_free(time.monotonic() + GATE_PATIENCE, lambda: self._gate.execute("BEGIN IMMEDIATE"))
            try:
                if self._copy():
                    # From now on all read the file, and those who still read the log keep it as it is.
                    time.sleep(self._stay)
                    self._stay = min(2 * self._stay, LONGEST_STAY)
            finally:
                self._gate.execute("ROLLBACK")
            return left is not None
        return True

    def _copy(self) -> bool:
        """Whether all is copied. Raises `sqlite3.Error`."""
        with closing(self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")) as cursor:
            busy, frames, copied = cursor.fetchone()
        # Where another program is copying, both numbers are -1.
        return not busy and bool(frames == copied)


class Turn:
    """To copy a log: for one thread of one process at a time. The kernel takes it from one that dies."""

    def __init__(self, path: Path) -> None:
        """`path`: the log itself, which SQLite does not lock; a connection has to be there, that keeps it."""
        self._threads = threading.Lock()
        self._fd: int | None = None
        with suppress(OSError):
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Waits for the thread whose turn it is; it is nobody's in this process afterwards."""
        with self._threads:
            if self._fd is not None:
                os.close(self._fd)
            self._fd = None

    @contextmanager
    def taken(self, patience: float) -> Iterator[None]:
        """Raises `BlockingIOError` if somebody else has it for that many seconds, and `OSError` if it cannot be had."""
        deadline = time.monotonic() + patience
        if not self._threads.acquire(timeout=patience):
            raise BlockingIOError
        try:
            if self._fd is None:
                raise OSError("no log, or closed")
            while True:
                try:
                    fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise
                time.sleep(0.001)
            try:
                yield
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        finally:
            self._threads.release()


class LogIndex:
    """The index of a log, which all who use it share (sqlite.org/walformat.html section 2)."""

    COMMITTED = 16
    """Where the number of the last frame that was committed stands, of 4 bytes."""

    COPIED = 96
    """The same of the last one that was copied."""

    def __init__(self, path: Path) -> None:
        """A connection has to be there, and to stay: it is its descriptor that is read from. By closing one of our own
        this process would lose the locks that SQLite has on it (fcntl(2))."""
        self._fd: int | None = None
        with suppress(OSError):
            index = os.stat(index_path(path))
            for name in os.listdir("/proc/self/fd"):
                with suppress(OSError):
                    if os.path.samestat(os.fstat(int(name)), index):
                        self._fd = int(name)

    def left(self) -> int | None:
        """How many frames are left to copy; None where that cannot be told."""
        found = b"" if self._fd is None else os.pread(self._fd, self.COPIED + 4, 0)
        if len(found) < self.COPIED + 4:
            return None
        (committed,), (copied,) = (struct.unpack_from("=I", found, at) for at in (self.COMMITTED, self.COPIED))
        # Who begins the log anew writes the first one first.
        return max(0, int(committed - copied))
