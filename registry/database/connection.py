"""Connections to SQLite's files: to write, or only to read; and what it means where one fails."""

import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, unquote

from registry.database.reserve import Reserve
from registry.errors import OperatorError, StorageFull, Unavailable

T = TypeVar("T")

OPENING = 10_000
"""Milliseconds to wait, however patient a connection is later, for who reads a log again after a kill: the first of
several processes that start."""

LOG_KEPT = 8 * 1024 * 1024
"""Bytes to which a log is cut when it has been emptied: what is written over again need not be allocated."""

PAUSE = 0.00005
"""Seconds between two tries to begin while another process is writing."""

RETRY_AFTER = {"retry-after": "5"}
"""For clients: who is busy, or has no disk, is not done at once."""

ROOMLESS = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
"""What a database says that cannot be opened as there is no room for its log."""


def sqlite_path(url: str) -> Path:
    """The file of a `sqlite:///` URL."""
    return Path(unquote(url.removeprefix("sqlite:///")))


def log_path(path: Path) -> Path:
    """The write-ahead log of a database."""
    return path.with_name(path.name + "-wal")


def index_path(path: Path) -> Path:
    """The index of that log, which all who use it share."""
    return path.with_name(path.name + "-shm")


def is_there(path: Path) -> bool:
    """Whether there is a file of that name. Raises `OperatorError` for what is none, such as a pipe: opening that, or
    what SQLite keeps beside it, would wait for ever."""
    found = False
    for each in (path, log_path(path), index_path(path), path.with_name(path.name + "-journal")):
        try:
            mode = each.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise OperatorError(f"cannot use the database {path}: {error.strerror}") from error
        if not stat.S_ISREG(mode):
            raise OperatorError(f"cannot use the database {path}: {each.name} is no file")
        found = found or each == path
    return found


def connect(path: Path, patience: int, *, synchronous: str) -> sqlite3.Connection:
    """A connection in write-ahead mode that leaves transactions, and copying the log, to its user.

    `patience`: milliseconds that it waits for another process. Raises `OperatorError`."""
    is_there(path)
    with told(path):
        try:
            return _connected(path, patience, synchronous)
        except sqlite3.Error as error:
            # A log and its index are made, for which there may be no room but that which is kept.
            if code(error) not in ROOMLESS or not Reserve(path.parent).release():
                raise
        return _connected(path, patience, synchronous)


def _connected(path: Path, patience: int, synchronous: str) -> sqlite3.Connection:
    # Used by one thread at a time: the loop's, or the one that was started for it.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        connection.execute(f"PRAGMA busy_timeout = {OPENING}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_KEPT}")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA foreign_keys = ON")
        prepare(connection, patience)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def connect_to_read(path: Path, patience: int, *, make_room: bool = False) -> sqlite3.Connection:
    """A connection that writes nothing and needs no leave to; it sees what other processes commit. The index of the log
    is made where there is none: `make_room` gives it the room that is kept.

    On a disk that nobody can write to there is no index of the log: then there must be no log. Raises
    `OperatorError`."""
    if not is_there(path):
        raise OperatorError(f"there is no database {path}: a read-only registry makes none")
    with told(path):
        try:
            return _connected_to_read(path, patience, "mode=ro")
        except sqlite3.Error as error:
            if make_room and code(error) in ROOMLESS and Reserve(path.parent).release():
                return _connected_to_read(path, patience, "mode=ro")
            if os.access(path.parent, os.W_OK) or code(error) not in (*ROOMLESS, sqlite3.SQLITE_READONLY):
                raise
            log = log_path(path)
            if log.exists() and log.stat().st_size > 0:
                raise OperatorError(
                    f"cannot read the database {path}: its newest changes are in {log.name}, which needs a folder that "
                    "can be written to; start the registry there once without --read-only and stop it, or copy the "
                    "folder to where it can be written to"
                ) from error
        return _connected_to_read(path, patience, "mode=ro&immutable=1")


def _connected_to_read(path: Path, patience: int, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?{how}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        connection.execute(f"PRAGMA busy_timeout = {OPENING}")
        prepare(connection, patience)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection, patience: int) -> None:
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA cache_size = -8000")
    # What is read first is what has to wait; after it the log's index is there.
    connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    connection.execute(f"PRAGMA busy_timeout = {patience}")


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Say which database it is that cannot be used."""
    try:
        yield
    except sqlite3.Error as error:
        raise OperatorError(f"cannot use the database {path}: {error}") from error


def code(error: sqlite3.Error) -> int:
    """SQLite's primary code; 0 for what Python itself raised."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process has what is needed, and will let go of it."""
    return code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL)


def is_full(error: sqlite3.Error) -> bool:
    """Whether there is no room, for the log's index neither."""
    return code(error) == sqlite3.SQLITE_FULL or getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_SHMSIZE


def translated(error: sqlite3.Error) -> Exception:
    """What a failure of the database means to whoever asked."""
    if is_full(error):
        return StorageFull("the database has no space left")
    if is_busy(error) or code(error) == sqlite3.SQLITE_LOCKED:
        return Unavailable("the database is busy", headers=RETRY_AFTER)
    if code(error) in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
        return Unavailable("the database cannot be used", headers=RETRY_AFTER)
    if code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Unavailable("the database is damaged", headers=RETRY_AFTER)
    return error


def when_free(deadline: float, attempt: Callable[[], T]) -> T:
    """What `attempt` gives, tried again while another process is writing, until that moment. For threads.

    SQLite itself would sleep for one to a hundred milliseconds where the other one is done in a tenth of one."""
    while True:
        try:
            return attempt()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
        time.sleep(PAUSE)
