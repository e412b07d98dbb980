"""Keeps a write-ahead log short: what was committed is copied into its file while transactions go on."""

import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path

import structlog

from registry.database.connection import LOG_KEPT, connect, log_path
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

TOLD_EVERY = 60.0
RESERVED_EVERY = 5.0


class Checkpointer:
    """A thread of each process, for one database; of several one does the work, and the others find nothing to do.

    Copying everything but what is being written at this moment (PASSIVE) lets all go on, but the log begins anew only
    in a pause of those who write. RESTART makes that pause: after a PASSIVE it has little to copy, and it waits for
    nobody. Only a reader that stays, such as a backup, keeps a log from being emptied."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = log_path(path)
        self._reserve = Reserve(path.parent)
        self._connection = connect(path, 0, synchronous="NORMAL")
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
        """Whether all was done."""
        with self._using, suppress(sqlite3.Error):
            busy, _, _ = self._connection.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
            return not busy
        return False
