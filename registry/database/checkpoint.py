"""Keeps a write-ahead log short: what was committed is copied into its file while transactions go on."""

import fcntl
import os
import sqlite3
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from registry.database.connection import LOG_KEPT, connect, index_path, lock_path, log_path
from registry.database.reserve import Reserve

log = structlog.get_logger("registry")

EVERY = 0.1
"""Seconds between two looks at the log."""

LOG_BEGUN_ANEW = 16 * 1024 * 1024
"""Bytes of a log from which on it does not wait for a pause of those who write."""

LOG_LONG = 64 * 1024 * 1024
"""Bytes of a log that an operator is told of, as somebody keeps it from being emptied."""

COPIES = 4
SHORT = 0.01
"""Seconds that a copy takes which leaves little to the next."""

TRIES = 20
"""Moments, a millisecond apart, in which one is looked for when nobody reads what is in the log."""

RESTART_PATIENCE = 5
"""Milliseconds for which one waits for those who write, and lets them wait for those who read, while it has little to
copy."""

TOLD_EVERY = 60.0
RESERVED_EVERY = 5.0


class Checkpointer:
    """A thread of each process, for one database; of several one does the work, and the others find nothing to do.

    Copying everything but what is being written at this moment (PASSIVE) lets all go on, but the log begins anew only
    in a pause of those who write. RESTART makes that pause: after a PASSIVE it has little to copy, and it waits for
    nobody. Only a reader that stays, such as a backup, keeps a log from being emptied.

    A log that was copied whole is left alone: who writes next begins it anew. Where a checkpoint is begun just then,
    SQLite before 3.51.3 may take what he writes for copied (sqlite.org/wal.html#walresetbug). So one process at a time
    copies, and looks first: as long as it does, nobody else can copy the rest, and nobody begins a log anew that was
    not copied whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = log_path(path)
        self._reserve = Reserve(path.parent)
        self._connection = connect(path, RESTART_PATIENCE, synchronous="NORMAL")
        self._leave = Leave(lock_path(path))
        self._index = LogIndex(path)
        self._using = threading.Lock()
        self._closing = threading.Event()
        self._told = self._reserved = float("-inf")
        self._reserve.keep()
        self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        self._connection.close()
        self._leave.close()

    def let_go(self) -> None:
        """Once this process has no connection to the database any more: of the index, whose name others may need."""
        self._index.close()

    def make_room(self) -> None:
        """For a transaction that frees some: give what is kept for it, and let the log begin anew."""
        self._reserve.release()
        self._begin_anew()

    def _run(self) -> None:
        pause = EVERY
        while not self._closing.wait(pause):
            size = self._size()
            pause = SHORT if size > LOG_BEGUN_ANEW else EVERY
            if size > LOG_BEGUN_ANEW:
                if not self._index.is_copied():
                    self._begin_anew()
            elif size > LOG_KEPT:
                self._copy("PASSIVE")
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

    def _begin_anew(self) -> None:
        """Let the next transaction write at the log's beginning, if a moment can be had for that.

        Those who write wait for the last copy only, so that one comes after those in which little was left to do."""
        for _ in range(COPIES):
            begun = time.monotonic()
            self._copy("PASSIVE")
            if time.monotonic() - begun < SHORT:
                break
        for _ in range(TRIES):
            if self._copy("RESTART") or self._closing.wait(0.001):
                return

    def _copy(self, how: str) -> bool:
        """Whether all was done; not where nothing was left to do."""
        with self._using, suppress(sqlite3.Error, OSError), self._leave.taken():
            if self._index.is_copied():
                return False
            busy, _, _ = self._connection.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
            return not busy
        return False


class Leave:
    """To copy the log of a database: for one process at a time, or for all where the disk has no name for the file."""

    def __init__(self, path: Path) -> None:
        self._fd: int | None = None
        with suppress(OSError):
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Raises `BlockingIOError` if another process has it."""
        if self._fd is None:
            yield
            return
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)


class LogIndex:
    """The index of a log, which all who use it share (sqlite.org/walformat.html section 2).

    Its file is closed after the last connection of this process: by closing any descriptor of it the process would lose
    the locks that SQLite holds on it (fcntl(2)). There has to be a connection first, which makes it."""

    COMMITTED = 16
    """Where the number of the last frame that was committed stands, of 4 bytes."""

    COPIED = 96
    """The same of the last one that was copied."""

    def __init__(self, path: Path) -> None:
        self._fd: int | None = None
        with suppress(OSError):
            self._fd = os.open(index_path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def is_copied(self) -> bool:
        """Whether nothing is left to copy; False where it cannot be told."""
        found = b"" if self._fd is None else os.pread(self._fd, self.COPIED + 4, 0)
        if len(found) < self.COPIED + 4:
            return False
        (committed,), (copied,) = (struct.unpack_from("=I", found, at) for at in (self.COMMITTED, self.COPIED))
        return bool(committed == copied)
