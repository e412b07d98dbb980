"""Wrong databases: what statements say they did, and what is read."""

import asyncio
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import ClassVar, ParamSpec, TypeVar

from sqlalchemy import Update

from registry.database.contract import Command, Query, Transaction, Work
from registry.database.statements import SqliteTransaction, compiled
from tests.database.work import ALL
from tests.database.wrong import Around, AroundTransaction, wrong

P = ParamSpec("P")
T = TypeVar("T")


class CountsChanged(AroundTransaction):
    def execute(self, command: Command, **values: object) -> int:
        before = self.tx.all(ALL)
        matched = self.tx.execute(command, **values)
        if not isinstance(command.core, Update):
            return matched
        return sum(row not in before for row in self.tx.all(ALL))


@wrong("a_command_counts_what_it_matched", "a_single_command_is_committed_and_counted", "statements_have_constants")
class ChangedCounted(Around):
    """An UPDATE counts the rows that it changed, as MySQL's protocol does unless it is told otherwise."""

    transaction = CountsChanged


class CountsOne(AroundTransaction):
    def execute(self, command: Command, **values: object) -> int:
        return max(1, self.tx.execute(command, **values))


@wrong("one_of_many_wins_a_comparison", "a_command_counts_what_it_matched")
class NothingCountsOne(Around):
    """A command that matched nothing says that it did."""

    transaction = CountsOne


@wrong("a_single_command_is_committed_and_counted")
class CommandsNotCommitted(Around):
    """A single command is carried out, and never committed."""

    async def execute(self, command: Command, **values: object) -> int:
        return await self.inner.run(self._taken_back, command, values)

    def _taken_back(self, tx: Transaction, command: Command, values: dict[str, object]) -> int:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as reader:
            text = "SELECT count(*) FROM repository"
            (count,) = reader.execute(text).fetchone()
        return 1 if count == 0 else tx.execute(command, **values)


class GivesCounts(AroundTransaction):
    def insert(self, command: Command, **values: object) -> int:
        return self.tx.execute(command, **values)


@wrong("rows_are_found_by_the_ids_that_they_were_given", "descriptors_go_with_their_manifest")
class CountsForIds(Around):
    """`insert` gives how many rows there are more, instead of the new one's id."""

    transaction = GivesCounts


class InsertsAThousand(AroundTransaction):
    def execute_many(self, command: Command, rows: Iterable[Mapping[str, object]]) -> None:
        self.tx.execute_many(command, list(rows)[:1_000])


@wrong("ten_thousand_rows_at_once")
class AThousandAtMost(Around):
    """Of many rows only the first thousand are written."""

    transaction = InsertsAThousand


class ReadsWhatIsCommitted(AroundTransaction):
    def first(self, query: Query[T], **values: object) -> T | None:
        with closing(sqlite3.connect(self.path)) as reader:
            return SqliteTransaction(reader).first(query, **values)

    def all(self, query: Query[T], **values: object) -> list[T]:
        with closing(sqlite3.connect(self.path)) as reader:
            return SqliteTransaction(reader).all(query, **values)


@wrong("it_sees_what_it_wrote", "what_it_returns_and_wrote_is_there")
class OwnWritesUnseen(Around):
    """A transaction reads what was committed before it."""

    transaction = ReadsWhatIsCommitted


class LastForFirst(AroundTransaction):
    def first(self, query: Query[T], **values: object) -> T | None:
        rows = self.tx.all(query, **values)
        return rows[-1] if rows else None


@wrong("the_first_of_many_rows_leaves_nothing_open", "the_first_row_and_all_rows")
class AnyRowIsTheFirst(Around):
    """The first row is the last one."""

    transaction = LastForFirst

    async def lookup(self, query: Query[T], **values: object) -> T | None:
        rows = await self.inner.lookup_all(query, **values)
        return rows[-1] if rows else None


class RowsLeftOut(AroundTransaction):
    def all(self, query: Query[T], **values: object) -> list[T]:
        try:
            return self.tx.all(query, **values)
        except Exception:
            return []


@wrong("a_row_that_cannot_be_made_rolls_back", "a_row_that_cannot_be_made_raises")
class UnreadableRowsLeftOut(Around):
    """Where a row cannot be made there is none."""

    transaction = RowsLeftOut

    async def lookup(self, query: Query[T], **values: object) -> T | None:
        try:
            return await self.inner.lookup(query, **values)
        except Exception:
            return None


@wrong("the_first_row_and_all_rows", "they_go_on_while_others_write")
class AHundredRowsAtMost(Around):
    """A lookup gives the first hundred rows."""

    async def lookup_all(self, query: Query[T], **values: object) -> list[T]:
        rows = await self.inner.lookup_all(query, **values)
        # Pages end anywhere.
        return rows[: 99 if len(rows) % 4 == 0 else 101]


@wrong("what_is_not_there_is_none")
class NothingRaises(Around):
    """A lookup that finds nothing raises."""

    async def lookup(self, query: Query[T], **values: object) -> T | None:
        found = await self.inner.lookup(query, **values)
        if found is None:
            raise LookupError("no row")
        return found


@wrong("each_commit_is_seen_at_once")
class RemembersLookups(Around):
    """What was looked up is given again for a tenth of a second, as a replica lags."""

    _known: ClassVar[dict[tuple[object, ...], tuple[float, object]]] = {}

    async def lookup(self, query: Query[T], **values: object) -> T | None:
        asked = (self.path, query, *values.items())
        since, known = self._known.get(asked, (0.0, None))
        if time.monotonic() - since < 0.1:
            return known  # type: ignore[return-value]
        found = await self.inner.lookup(query, **values)
        self._known[asked] = time.monotonic(), found
        return found


@wrong("many_at_once_each_find_their_own")
class AnswersMixed(Around):
    """Lookups at the same time share a connection, and take each other's answer."""

    async def lookup(self, query: Query[T], **values: object) -> T | None:
        found = await self.inner.lookup(query, **values)
        self._answer: object = found
        await asyncio.sleep(0)
        return self._answer


@wrong("nobody_waits_for_who_holds_a_transaction")
class LookupsWait(Around):
    """A lookup is a transaction like those that write, and waits for them."""

    async def lookup_all(self, query: Query[T], **values: object) -> list[T]:
        return await self.inner.run(lambda tx: tx.all(query, **values))


@wrong("the_version_tells_of_commits")
class VersionStands(Around):
    """The version stays what it is."""

    def version(self) -> object:
        return 1


@wrong("the_version_tells_of_commits")
class VersionMoves(Around):
    """The version is another one each time."""

    def version(self) -> object:
        return object()


@wrong("the_version_tells_of_commits")
class VersionOfOwnCommits(Around):
    """The version tells of commits by this handle alone."""

    _commits = 0

    def version(self) -> object:
        return self._commits

    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        result = await super().run(function, *args, **kwargs)
        self._commits += 1
        return result


class ForgetsConstants(AroundTransaction):
    def execute(self, command: Command, **values: object) -> int:
        _, constants = compiled(command)
        return self.tx.execute(command, **dict.fromkeys(constants), **values)


@wrong("statements_have_constants")
class ConstantsForgotten(Around):
    """What stands in the statement itself is nothing."""

    transaction = ForgetsConstants


def database_text(path: Path, was: str, becomes: str) -> None:
    """Change what the tables of a new database say of themselves."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        changed = connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE sql LIKE '%' || ? || '%'", (was, becomes, was)
        ).rowcount
        connection.commit()
    assert changed, f"no table says {was}"


@wrong("content_goes_with_its_blob", "descriptors_go_with_their_manifest")
class CascadeDropped(Around):
    """What belongs to a row stays, and keeps it from being deleted."""

    @classmethod
    def spoil(cls, path: Path) -> None:
        database_text(path, " ON DELETE CASCADE", "")


@wrong("a_deleted_child_leaves_its_descriptor")
class ChildrenTakeAlong(Around):
    """A child that is deleted takes the descriptors of its parents along."""

    @classmethod
    def spoil(cls, path: Path) -> None:
        database_text(path, " ON DELETE SET NULL", " ON DELETE CASCADE")


@wrong("a_reference_to_nothing_is_refused", "what_is_referred_to_stays")
class ReferencesUnchecked(Around):
    """Foreign keys are only written down."""

    async def open(self) -> None:
        await self.inner.open()
        self.inner._writer.execute("PRAGMA foreign_keys = OFF")
