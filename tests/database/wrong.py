"""Databases with one deliberate fault each, around SQLite, and the cases of the suite that have to find them.

A case that no wrong database fails could be one that cannot fail: `test_suite.py` asks for one each."""

import asyncio
import importlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, ParamSpec, TypeVar

from registry.database.contract import Command, Database, Query, Transaction, Work
from registry.database.sqlite import DurableSqlite

P = ParamSpec("P")
T = TypeVar("T")
Kind = TypeVar("Kind", bound="type[Around]")

WRONG: "dict[str, type[Around]]" = {}


def wrong(*cases: str) -> Callable[[Kind], Kind]:
    """Declare a wrong database. Its docstring says the fault, `cases` which tests fail, without `test_`."""

    def declare(kind: Kind) -> Kind:
        assert kind.__doc__
        assert kind.__name__ not in WRONG
        kind.found_by = frozenset(f"test_{case}" for case in cases)
        WRONG[kind.__name__] = kind
        return kind

    return declare


class AroundTransaction(Transaction):
    """Another transaction, but for what a subclass does wrong."""

    def __init__(self, tx: Transaction, path: Path) -> None:
        self.tx = tx
        self.path = path

    def now(self) -> int:
        return self.tx.now()

    def first(self, query: Query[T], **values: object) -> T | None:
        return self.tx.first(query, **values)

    def all(self, query: Query[T], **values: object) -> list[T]:
        return self.tx.all(query, **values)

    def execute(self, command: Command, **values: object) -> int:
        return self.tx.execute(command, **values)

    def insert(self, command: Command, **values: object) -> int:
        return self.tx.insert(command, **values)

    def execute_many(self, command: Command, rows: Iterable[Mapping[str, object]]) -> None:
        self.tx.execute_many(command, rows)


class Around(Database):
    """Another database, but for what a subclass does wrong."""

    found_by: ClassVar[frozenset[str]]
    transaction: ClassVar[type[AroundTransaction]] = AroundTransaction

    immediate = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inner = DurableSqlite(path)

    @classmethod
    def spoil(cls, path: Path) -> None:
        """Make something of the tables wrong, which are new."""

    async def open(self) -> None:
        await self.inner.open()

    async def close(self) -> None:
        await self.inner.close()

    def version(self) -> object:
        return self.inner.version()

    async def now(self) -> int:
        return await self.inner.now()

    async def lookup(self, query: Query[T], **values: object) -> T | None:
        return await self.inner.lookup(query, **values)

    async def lookup_all(self, query: Query[T], **values: object) -> list[T]:
        return await self.inner.lookup_all(query, **values)

    async def execute(self, command: Command, **values: object) -> int:
        return await self.run(lambda tx: tx.execute(command, **values))

    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.inner.run(lambda tx: function(self.transaction(tx, self.path), *args, **kwargs))


def wrong_databases() -> "dict[str, type[Around]]":
    """All of them, by name."""
    importlib.import_module("tests.database.wrong_rows")
    importlib.import_module("tests.database.wrong_values")
    return WRONG


def make(argument: str) -> Around:
    """A handle of another process: `NAME PATH`."""
    name, _, path = argument.partition(" ")
    return wrong_databases()[name](Path(path))


Commands = list[tuple[Command, list[dict[str, object]]]]
"""What is to be written, each command once for each of its rows."""


class Undone(Exception):
    """Takes back what was only tried."""


class Written(AroundTransaction):
    """Remembers what it was asked to write."""

    def __init__(self, tx: Transaction, path: Path) -> None:
        super().__init__(tx, path)
        self.commands: Commands = []

    def execute(self, command: Command, **values: object) -> int:
        self.commands.append((command, [values]))
        return self.tx.execute(command, **values)

    def insert(self, command: Command, **values: object) -> int:
        self.commands.append((command, [values]))
        return self.tx.insert(command, **values)

    def execute_many(self, command: Command, rows: Iterable[Mapping[str, object]]) -> None:
        kept = [dict(row) for row in rows]
        self.commands.append((command, kept))
        self.tx.execute_many(command, kept)


async def tried(database: Around, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, Commands]:
    """What a transaction would return and write; it is rolled back."""
    found: list[tuple[T, Written]] = []

    def attempt(tx: Transaction) -> None:
        written = Written(tx, database.path)
        found.append((function(written, *args, **kwargs), written))
        raise Undone

    with suppress(Undone):
        await database.inner.run(attempt)
    result, written = found[-1]
    return result, written.commands


def write(tx: Transaction, commands: Commands) -> None:
    for command, rows in commands:
        tx.execute_many(command, rows)


# Transactions


@wrong("one_that_raises_leaves_nothing", "a_name_that_there_is_is_refused", "what_is_referred_to_stays")
class RollbacksIgnored(Around):
    """What was written before an error is committed."""

    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        errors: list[Exception] = []

        def keep(tx: Transaction) -> T | None:
            errors.clear()
            try:
                return function(tx, *args, **kwargs)
            except Exception as error:
                errors.append(error)
                return None

        result = await self.inner.run(keep)
        if errors:
            raise errors[0]
        return result  # type: ignore[return-value]


@wrong("one_that_raises_leaves_nothing")
class ErrorsWrapped(Around):
    """What the function raises comes out as something else."""

    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self.inner.run(function, *args, **kwargs)
        except Exception as error:
            raise RuntimeError("the transaction failed") from error


@wrong("one_that_fails_among_many_fails_alone")
class OneSpoilsAll(Around):
    """Transactions that share a commit share a failure."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._waiting: list[tuple[Callable[[Transaction], object], asyncio.Future[object]]] = []

    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting.append((lambda tx: function(tx, *args, **kwargs), future))
        await asyncio.sleep(0)
        if self._waiting:
            await self._commit_all()
        return await future  # type: ignore[return-value]

    async def _commit_all(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            results = await self.inner.run(lambda tx: [function(tx) for function, _ in batch])
        except Exception as error:
            for _, future in batch:
                future.set_exception(error)
        else:
            for (_, future), result in zip(batch, results, strict=True):
                future.set_result(result)


@wrong("one_whose_caller_was_cancelled_is_whole")
class PieceByPiece(Around):
    """Each command is a transaction of its own."""

    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        result, commands = await tried(self, function, *args, **kwargs)
        for command, rows in commands:
            await self.inner.run(write, [(command, rows)])
            await asyncio.sleep(0.002)
        return result


@wrong(
    "no_increment_is_lost",
    "no_increment_of_another_process_is_lost",
    "the_same_names_by_two_handles_at_once",
    "one_name_by_many_at_once",
    "names_by_several_processes_at_once",
    "what_was_read_is_read_again_after_a_conflict",
)
class ReadsAreOld(Around):
    """What was read may have changed when what follows from it is written."""

    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        result, commands = await tried(self, function, *args, **kwargs)
        await self.inner.run(write, commands)
        return result


@wrong("rows_locked_in_either_order", "no_increment_is_lost", "one_of_many_wins_a_comparison")
class ConflictsRaised(Around):
    """A transaction fails if another handle has one under way, as if it were its caller's to try again."""

    _under_way: ClassVar[dict[int, int]] = {}

    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if any(count for handle, count in self._under_way.items() if handle != id(self)):
            raise RuntimeError("deadlock detected")
        self._under_way[id(self)] = self._under_way.get(id(self), 0) + 1
        try:
            return await super().run(function, *args, **kwargs)
        finally:
            self._under_way[id(self)] -= 1


@wrong("one_whose_caller_has_gone_may_fail")
class FailuresLeftOver(Around):
    """What fails when its caller has gone is told to the loop, as nobody has heard of it."""

    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        done = asyncio.ensure_future(super().run(function, *args, **kwargs))
        return await asyncio.shield(done)


@wrong("closing_finishes_what_was_begun")
class ClosingDrops(Around):
    """What waits when it is closed is given up."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._tasks: set[asyncio.Task[object]] = set()

    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        async def later() -> T:
            await asyncio.sleep(0.001)
            return await self.inner.run(function, *args, **kwargs)

        task = asyncio.create_task(later())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await task
        except asyncio.CancelledError:
            raise RuntimeError("the database was closed") from None

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.inner.close()


@wrong(
    "what_another_one_was_told_survives_its_kill", "each_commit_is_seen_at_once", "what_it_returns_and_wrote_is_there"
)
class AnswersBeforeItCommits(Around):
    """The commit comes after the answer, as with `synchronous_commit = off`, and longer."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        result, commands = await tried(self, function, *args, **kwargs)

        async def later() -> None:
            await asyncio.sleep(0.3)
            await self.inner.run(write, commands)

        self._tasks.append(asyncio.create_task(later()))
        return result

    async def close(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.inner.close()


@wrong("one_that_is_killed_in_a_transaction_leaves_nothing")
class LocksOutliveTheirHolder(Around):
    """A process that is killed in a transaction keeps its lock."""

    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        lock = self.path.with_name("lock")
        for _ in range(100):
            try:
                lock.touch(exist_ok=False)
                break
            except FileExistsError:
                await asyncio.sleep(0.01)
        else:
            raise TimeoutError("the database is locked")
        try:
            return await super().run(function, *args, **kwargs)
        finally:
            lock.unlink()


@wrong("what_is_no_database_is_refused_in_one_line")
class OpensAnything(Around):
    """Whatever is wrong with it, opening succeeds."""

    async def open(self) -> None:
        try:
            await self.inner.open()
        except Exception:
            return
