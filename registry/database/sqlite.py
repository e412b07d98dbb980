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

import structlog

from registry.database.checkpoint import Checkpointer
from registry.database.connection import (
    PAUSE,
    connect,
    connect_to_read,
    is_busy,
    is_full,
    log_path,
    translated,
    when_free,
)
from registry.database.contract import Command, Database, Query, Transaction, Work, frees_room
from registry.database.reserve import Reserve
from registry.database.statements import SqliteTransaction
from registry.errors import OperatorError, ReadOnly, StorageFull, Unavailable

log = structlog.get_logger("registry")

P = ParamSpec("P")
T = TypeVar("T")

MOST_AT_ONCE = 64
"""Transactions that share one commit."""

WRITER_PATIENCE = 30.0
LOOP_PATIENCE = 5.0
"""Seconds that a transaction waits for another process that is writing: in the writer's thread, and on the loop."""

GIVEN_UP = 1.0
"""Seconds after one has waited in vain in which nobody on the loop waits."""

ON_THE_LOOP = 0.002
"""Seconds for which the loop itself waits: mostly the other one is done in a tenth of a millisecond."""

READER_PATIENCE = 2
"""Milliseconds that SQLite may wait where only reading is wanted."""

LONGEST_PAUSE = 0.05
"""Seconds between two tries, once the other one is taking long."""


class Sqlite(Database):
    """Reads on one persistent connection, at once and on the loop: in write-ahead mode readers never wait."""

    immediate = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader: sqlite3.Connection
        self._reading: SqliteTransaction
        self._waiting = 0
        """How many on the loop found the database busy, and wait."""
        self._gave_up = float("-inf")
        self._reserve = Reserve(path.parent)

    async def open(self) -> None:
        self._reader = self._connect()
        self._reading = SqliteTransaction(self._reader)
        self._cursor = self._reader.cursor()

    def _connect(self) -> sqlite3.Connection:
        return connect(self.path, READER_PATIENCE, synchronous="NORMAL")

    async def close(self) -> None:
        self._reader.close()

    def require_room(self) -> None:
        if self._reserve.is_given():
            raise StorageFull("the room that is left is kept for deleting")

    def version(self) -> Hashable:
        try:
            return self._cursor.execute("PRAGMA data_version").fetchone()  # type: ignore[no-any-return]
        except sqlite3.Error:
            return None  # Whoever asks the database for more is told what is wrong with it.

    async def lookup(self, query: Query[T], **values: object) -> T | None:
        try:
            return self._reading.first(query, **values)
        except sqlite3.Error as error:
            failure = error
        return await self._retry(failure, lambda: self._reading.first(query, **values))

    async def lookup_all(self, query: Query[T], **values: object) -> list[T]:
        try:
            return self._reading.all(query, **values)
        except sqlite3.Error as error:
            failure = error
        return await self._retry(failure, lambda: self._reading.all(query, **values))

    async def _retry(
        self, failure: sqlite3.Error, attempt: Callable[[], T], room: Callable[[], None] | None = None
    ) -> T:
        """What `attempt` gives, which has failed so; tried again while another process has the database.

        `room` makes some, in a thread, where that may help. Raises what the failure means."""
        begun = time.monotonic()
        # Who has waited in vain does not wait once more, nor do those behind it.
        patience = LOOP_PATIENCE if begun - self._gave_up > GIVEN_UP else 0.0
        # Where many wait already nobody need try at once.
        pause = PAUSE if self._waiting == 0 else LONGEST_PAUSE / 4
        self._waiting += 1
        try:
            while True:
                if is_busy(failure):
                    waited = time.monotonic() - begun
                    if waited > patience:
                        if patience:
                            self._gave_up = time.monotonic()
                        raise translated(failure) from failure
                    if waited < ON_THE_LOOP and pause == PAUSE:
                        time.sleep(PAUSE)  # noqa: ASYNC251
                    else:
                        pause = min(max(pause, ON_THE_LOOP / 2) * 2, LONGEST_PAUSE)
                        await asyncio.sleep(pause)
                elif is_full(failure) and room is not None:
                    await asyncio.get_running_loop().run_in_executor(None, room)
                    room = None
                else:
                    raise translated(failure) from failure
                try:
                    return attempt()
                except sqlite3.Error as error:
                    failure = error
        finally:
            self._waiting -= 1

    @abstractmethod
    async def execute(self, command: Command, **values: object) -> int: ...

    @abstractmethod
    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T: ...


class ReadOnlySqlite(Sqlite):
    """Reads alone, also where nothing can be written; transactions are refused."""

    def _connect(self) -> sqlite3.Connection:
        return connect_to_read(self.path, READER_PATIENCE)

    async def execute(self, command: Command, **values: object) -> int:
        raise ReadOnly

    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        raise ReadOnly


class UnsyncedSqlite(Sqlite):
    """Transactions run at once on the loop and are not synced: they survive the process, not a power cut.

    For what may be lost with the machine and is written often."""

    async def open(self) -> None:
        await super().open()
        self._writer = connect(self.path, 0, synchronous="NORMAL")
        self._writing = SqliteTransaction(self._writer)
        self._checkpointer = Checkpointer(self.path)

    async def close(self) -> None:
        await asyncio.to_thread(self._checkpointer.close)
        self._writer.close()
        await super().close()

    async def execute(self, command: Command, **values: object) -> int:
        if not command.frees:
            self.require_room()
        try:
            return self._writing.execute(command, **values)
        except sqlite3.Error as error:
            failure = error
        room = self._checkpointer.make_room if command.frees else None
        return await self._retry(failure, lambda: self._writing.execute(command, **values), room)

    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        def attempt() -> T:
            execute = self._writer.execute
            execute("BEGIN IMMEDIATE")
            try:
                result = function(self._writing, *args, **kwargs)
                execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    execute("ROLLBACK")
                raise
            return result

        if not frees_room(function):
            self.require_room()
        try:
            return attempt()
        except sqlite3.Error as error:
            failure = error
        return await self._retry(failure, attempt, self._checkpointer.make_room if frees_room(function) else None)


class Job(NamedTuple):
    """A transaction that waits for the writer, and the future that waits for its result."""

    function: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    frees: bool
    """Whether it makes room."""
    since: float


Outcome = tuple[Any, Exception | None]
"""What a job returned, or raised."""


class DurableSqlite(Sqlite):
    """Transactions run one after the other in a thread; all that wait are committed, and synced, together."""

    async def open(self) -> None:
        await super().open()
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        # Not FULL, which would sync while it keeps other workers from writing; `_synced` does so after the commit.
        self._writer = connect(self.path, 0, synchronous="NORMAL")
        self._session = SqliteTransaction(self._writer)
        path = log_path(self.path)
        try:
            self._log = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            self._files = [(self.path, os.stat(self.path)), (path, os.fstat(self._log))]
        except OSError as error:
            raise OperatorError(f"cannot use the database {self.path}: {path.name}: {error.strerror}") from error
        self._trouble = ""
        """Why no transaction is taken any more."""
        self._told = ""
        self._checkpointer = Checkpointer(self.path)
        self._thread = threading.Thread(target=self._write, name="database", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._checkpointer.close)
        self._writer.close()
        os.close(self._log)
        await super().close()
        # What the logs held is kept for the next start, which makes them again.
        Reserve(self.path.parent).keep(at_once=True)

    async def execute(self, command: Command, **values: object) -> int:
        return await self._put(command.frees, execute, command, values)

    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._put(frees_room(function), function, *args, **kwargs)

    async def _put(self, frees: bool, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if not frees:
            self.require_room()
        future: asyncio.Future[T] = self._loop.create_future()
        work = Job(lambda tx: function(tx, *args, **kwargs), future, frees, time.monotonic())
        self._jobs.put(work)
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
                self._loop.call_soon_threadsafe(resolve, batch, outcomes)
            if self._trouble != self._told:
                # Last: whoever waits must not depend on whether this can be told.
                self._told = self._trouble
                log.critical(f"{self._trouble}; restart the registry", database=str(self.path))

    def _commit(self, batch: list[Job]) -> list[Outcome]:
        """The result or the error of each job, all of them committed.

        Most succeed. So all are run as they are, and only if one fails are they run again, each where it can be taken
        back alone: two statements less for each job."""
        if not self._trusted():
            return [(None, Unavailable("the database cannot be written to"))] * len(batch)
        try:
            self._begin(batch)
            outcomes: list[Outcome] = [(job.function(self._session), None) for job in batch]
            self._writer.execute("COMMIT")
        except Exception as error:
            self._roll_back()
            if isinstance(error, sqlite3.Error) and is_busy(error):
                # They have waited, and so have those behind them.
                return [(None, translated(error))] * len(batch)
            outcomes = self._commit_in_reserve(batch, self._commit_apart(batch))
        return self._synced(batch, outcomes)

    def _begin(self, batch: list[Job]) -> None:
        when_free(batch[0].since + WRITER_PATIENCE, lambda: self._writer.execute("BEGIN IMMEDIATE"))

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")

    def _commit_apart(self, batch: list[Job]) -> list[Outcome]:
        """The same, where some fail."""
        execute = self._writer.execute
        outcomes: list[Outcome] = []
        try:
            self._begin(batch)
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
            self._roll_back()
            failure = translated(error) if isinstance(error, sqlite3.Error) else error
            return [(None, failure)] * len(batch)
        return outcomes

    def _commit_in_reserve(self, batch: list[Job], outcomes: list[Outcome]) -> list[Outcome]:
        """Those once more that make room and found none: it is kept for them."""
        again = [n for n, (_, error) in enumerate(outcomes) if batch[n].frees and isinstance(error, StorageFull)]
        if again:
            self._checkpointer.make_room()
            for number, outcome in zip(again, self._commit_apart([batch[n] for n in again]), strict=True):
                outcomes[number] = outcome
        return outcomes

    def _trusted(self) -> bool:
        """Whether what is committed can be found again.

        A database or a log that was removed, or replaced, is written to as before, and is nobody's after a restart."""
        if self._trouble:
            return False
        try:
            moved = not all(os.path.samestat(os.stat(path), was) for path, was in self._files)
        except FileNotFoundError:
            moved = True
        except OSError:
            return False  # What it is cannot be seen now: later it may be.
        if moved:
            self._trouble = "the database's file or its log was removed or replaced"
        return not moved

    def _synced(self, batch: list[Job], outcomes: list[Outcome]) -> list[Outcome]:
        """The outcomes of what was committed, once it has reached the disk, with all that others committed before.

        A log that could not be synced is not trusted again: the kernel forgets what it failed to write, so that the
        next sync would succeed without it."""
        try:
            os.fdatasync(self._log)
        except OSError as error:
            self._trouble = f"the database's log cannot be synced ({error.strerror})"
            return [(None, Unavailable("the database cannot be written to"))] * len(batch)
        return outcomes


def execute(tx: Transaction, command: Command, values: dict[str, object]) -> int:
    return tx.execute(command, **values)


def resolve(batch: list[Job], outcomes: list[Outcome]) -> None:
    """Answer everyone whose transaction was in the commit."""
    for job, (result, error) in zip(batch, outcomes, strict=True):
        if job.future.done():
            continue
        if error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)
            # Whoever waits gets it all the same; where nobody does any more, the loop would write it into the log.
            job.future.exception()
