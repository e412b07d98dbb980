"""SQLite as a `Database`: readers on the loop, one writer thread that shares each sync among all who wait for it."""

import asyncio
import os
import sqlite3
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Hashable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, ParamSpec, TypeVar
from urllib.parse import unquote

import structlog

from registry.database import Command, Database, Query, Session, SqliteSession, Transaction
from registry.errors import OperatorError, StorageFull, Unavailable

log = structlog.get_logger("registry")

P = ParamSpec("P")
T = TypeVar("T")

MOST_AT_ONCE = 64
"""Transactions that share one commit."""

WRITER_PATIENCE = 30_000
LOOP_PATIENCE = 5_000
"""Milliseconds to wait for another process that is writing: in the writer's thread, and on the loop."""

PAUSE = 0.00005
"""Seconds between two tries to begin while another process is writing."""

CHECKPOINT_EVERY = 1.0
"""Seconds between two copies of un-synced commits from the log into their file."""


def sqlite_path(url: str) -> Path:
    """The file of a `sqlite:///` URL."""
    return Path(unquote(url.removeprefix("sqlite:///")))


def connect(path: Path, patience: int, *, synchronous: str) -> sqlite3.Connection:
    """A connection in write-ahead mode that leaves transactions to its user. Raises `OperatorError`."""
    try:
        # Used by one thread at a time: the loop's, or the one that was started for it.
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
        connection.execute(f"PRAGMA busy_timeout = {patience}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cache_size = -8000")
    except sqlite3.Error as error:
        raise OperatorError(f"cannot use the database {path}: {error}") from error
    return connection


def translated(error: sqlite3.Error) -> Exception:
    """What a failure of the database means to whoever asked."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageFull("the database has no space left")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Unavailable("the database is busy")
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
        return Unavailable("the database cannot be written to")
    return error


class Sqlite(Database):
    """Reads on one persistent connection, at once and on the loop: in write-ahead mode readers never wait."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader: sqlite3.Connection
        self._reading: SqliteSession

    async def open(self) -> None:
        self._reader = connect(self.path, LOOP_PATIENCE, synchronous="NORMAL")
        self._reading = SqliteSession(self._reader)
        self._cursor = self._reader.cursor()

    async def close(self) -> None:
        self._reader.close()

    def version(self) -> Hashable:
        try:
            return self._cursor.execute("PRAGMA data_version").fetchone()  # type: ignore[no-any-return]
        except sqlite3.Error:
            return None  # Whoever asks the database for more is told what is wrong with it.

    async def lookup(self, query: Query[T], **values: object) -> T | None:
        return self._reading.first(query, **values)

    async def lookup_all(self, query: Query[T], **values: object) -> list[T]:
        return self._reading.all(query, **values)

    @abstractmethod
    async def execute(self, command: Command, **values: object) -> int: ...

    @abstractmethod
    async def run(self, function: Transaction[P, T], *args: P.args, **kwargs: P.kwargs) -> T: ...


class UnsyncedSqlite(Sqlite):
    """Transactions run at once on the loop and are not synced: they survive the process, not a power cut.

    For what may be lost with the machine and is written often. A thread copies the log into the file."""

    async def open(self) -> None:
        await super().open()
        self._writer = connect(self.path, 0, synchronous="NORMAL")
        self._writer.execute("PRAGMA wal_autocheckpoint = 0")
        self._writing = SqliteSession(self._writer)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._checkpoint, name="checkpoint", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        self._closing.set()
        await asyncio.to_thread(self._thread.join)
        self._writer.close()
        await super().close()

    async def execute(self, command: Command, **values: object) -> int:
        try:
            return when_free(LOOP_PATIENCE, lambda: self._writing.execute(command, **values))
        except sqlite3.Error as error:
            raise translated(error) from error

    async def run(self, function: Transaction[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        execute = self._writer.execute
        try:
            when_free(LOOP_PATIENCE, lambda: execute("BEGIN IMMEDIATE"))
            try:
                result = function(self._writing, *args, **kwargs)
                execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise translated(error) from error
        return result

    def _checkpoint(self) -> None:
        log = self.path.with_name(self.path.name + "-wal")
        connection = connect(self.path, LOOP_PATIENCE, synchronous="NORMAL")
        try:
            while not self._closing.wait(CHECKPOINT_EVERY):
                with suppress(OSError, sqlite3.Error):
                    if log.stat().st_size > 1_000_000:
                        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        finally:
            connection.close()


def when_free(patience: int, attempt: Callable[[], T]) -> T:
    """What `attempt` gives, tried again while another process is writing, for so many milliseconds.

    SQLite itself would sleep for one to a hundred milliseconds where the other one is done in a tenth of one."""
    deadline = 0.0
    while True:
        try:
            return attempt()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            now = time.monotonic()
            deadline = deadline or now + patience / 1000
            if now >= deadline:
                raise
        time.sleep(PAUSE)


class Job(NamedTuple):
    """A transaction that waits for the writer, and the future that waits for its result."""

    function: Callable[[Session], Any]
    future: asyncio.Future[Any]


Outcome = tuple[Any, Exception | None]
"""What a job returned, or raised."""


class DurableSqlite(Sqlite):
    """Transactions run one after the other in a thread; all that wait are committed, and synced, together."""

    async def open(self) -> None:
        await super().open()
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        # Not FULL, which would sync while it keeps other workers from writing; `_sync` does so after the commit.
        self._writer = connect(self.path, 0, synchronous="NORMAL")
        self._session = SqliteSession(self._writer)
        path = self.path.with_name(self.path.name + "-wal")
        try:
            self._log = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise OperatorError(f"cannot use the database {self.path}: {path.name}: {error.strerror}") from error
        self._untrusted = False
        self._thread = threading.Thread(target=self._write, name="database", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        self._writer.close()
        os.close(self._log)
        await super().close()

    async def execute(self, command: Command, **values: object) -> int:
        return await self.run(execute, command, values)

    async def run(self, function: Transaction[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(Job(lambda session: function(session, *args, **kwargs), future))
        # The transaction is carried out also when the client has gone: nobody can take it back from the thread.
        return await asyncio.shield(future)

    def _write(self) -> None:
        open_for_more = True
        while open_for_more:
            batch: list[Job] = []
            job = self._jobs.get()
            while job is not None and len(batch) < MOST_AT_ONCE:
                batch.append(job)
                try:
                    job = self._jobs.get_nowait()
                except Empty:
                    break
            else:
                if job is not None:
                    batch.append(job)
            open_for_more = job is not None
            if batch:
                outcomes = self._commit(batch)
                self._loop.call_soon_threadsafe(settle, batch, outcomes)

    def _commit(self, batch: list[Job]) -> list[Outcome]:
        """The result or the error of each job, all of them committed.

        Most succeed. So all are run as they are, and only if one fails are they run again, each where it can be taken
        back alone: two statements less for each job."""
        execute = self._writer.execute
        if self._untrusted:
            return unwritable(batch)
        try:
            when_free(WRITER_PATIENCE, lambda: execute("BEGIN IMMEDIATE"))
            outcomes: list[Outcome] = [(job.function(self._session), None) for job in batch]
            execute("COMMIT")
        except Exception:
            with suppress(sqlite3.Error):
                if self._writer.in_transaction:
                    execute("ROLLBACK")
            outcomes = self._commit_apart(batch)
        return self._synced(batch, outcomes)

    def _commit_apart(self, batch: list[Job]) -> list[Outcome]:
        """The same, where some fail."""
        execute = self._writer.execute
        outcomes: list[Outcome] = []
        try:
            when_free(WRITER_PATIENCE, lambda: execute("BEGIN IMMEDIATE"))
            for job in batch:
                execute("SAVEPOINT job")
                try:
                    outcomes.append((job.function(self._session), None))
                except sqlite3.Error as error:
                    outcomes.append((None, translated(error)))
                    if not self._writer.in_transaction:
                        raise
                    execute("ROLLBACK TO job")
                except Exception as error:
                    outcomes.append((None, error))
                    execute("ROLLBACK TO job")
                execute("RELEASE job")
            execute("COMMIT")
        except Exception as error:
            with suppress(sqlite3.Error):
                if self._writer.in_transaction:
                    execute("ROLLBACK")
            failure = translated(error) if isinstance(error, sqlite3.Error) else error
            return [(None, failure)] * len(batch)
        return outcomes

    def _synced(self, batch: list[Job], outcomes: list[Outcome]) -> list[Outcome]:
        """The outcomes of what was committed, once it has reached the disk, with all that others committed before.

        A log that could not be synced is not trusted again: the kernel forgets what it failed to write, so that the
        next sync would succeed without it."""
        try:
            os.fdatasync(self._log)
        except OSError as error:
            self._untrusted = True
            log.critical("the database's log cannot be synced; restart the registry", error=str(error))
            return unwritable(batch)
        return outcomes


def unwritable(batch: list[Job]) -> list[Outcome]:
    return [(None, Unavailable("the database cannot be written to")) for _ in batch]


def execute(session: Session, command: Command, values: dict[str, object]) -> int:
    return session.execute(command, **values)


def settle(batch: list[Job], outcomes: list[Outcome]) -> None:
    """Answer everyone whose transaction was in the commit."""
    for job, (result, error) in zip(batch, outcomes, strict=True):
        if job.future.done():
            continue
        if error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)
