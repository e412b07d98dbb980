"""Lookups see the latest commit, whoever made it, and wait for nobody who writes."""

import asyncio
import time

import pytest

from registry.database.contract import Database, Query, Transaction
from tests.database.cases.support import Cases, names_of
from tests.database.other import Elsewhere, other_process
from tests.database.work import ALL, COUNT, FIND, SET, add

AT_ONCE = 1.0
"""Seconds, on a machine that has much else to do, within which what does not wait is done; writers hold on longer."""


def columns(*values: object) -> tuple[object, ...]:
    return values


AS_TUPLES = Query(ALL.core, columns)


class Unreadable(Exception):
    """What a row raises when it is made."""


def unreadable(*columns: object) -> object:
    raise Unreadable(columns)


def add_some(tx: Transaction, count: int) -> None:
    for number in range(count):
        add(tx, f"{number:04}", number)


async def found(database: Database, name: str) -> int | None:
    """What is counted at this name."""
    row = await database.lookup(FIND, called=name)
    return row and row.created


def move(tx: Transaction, to: int) -> None:
    tx.execute(SET, called="moving", to=to)


class LookupCases(Cases):
    """`reader` looks things up, while `database` writes."""

    async def test_what_is_not_there_is_none(self, reader: Database) -> None:
        assert await reader.lookup(FIND, called="nobody") is None
        assert await reader.lookup_all(ALL) == []
        assert await reader.lookup(COUNT) == 0

    async def test_each_commit_is_seen_at_once(self, database: Database, reader: Database) -> None:
        await database.run(add, "moving")
        for number in range(1, 101):
            if number % 2:
                await database.execute(SET, called="moving", to=number)
            else:
                await database.run(move, number)
            row = await reader.lookup(FIND, called="moving")
            assert row is not None
            assert row.created == number
            assert [row.created for row in await reader.lookup_all(ALL)] == [number]

    async def test_the_first_row_and_all_rows(self, database: Database, reader: Database) -> None:
        await database.run(add_some, 1_100)
        first = await reader.lookup(ALL)
        assert first is not None
        assert first.name == "0000"
        assert await names_of(reader) == [f"{number:04}" for number in range(1_100)]

    async def test_many_at_once_each_find_their_own(self, database: Database, reader: Database) -> None:
        await database.run(add_some, 500)
        rows = await asyncio.gather(*(found(reader, f"{number:04}") for number in range(500)))
        assert rows == list(range(500))

    async def test_they_go_on_while_others_write(self, database: Database, reader: Database) -> None:
        """A pair of rows is seen together or not at all."""

        def add_two(tx: Transaction, number: int) -> None:
            add(tx, f"{number}a")
            add(tx, f"{number}b")

        writing = asyncio.gather(*(database.run(add_two, number) for number in range(200)))
        seen: list[int] = []
        while not writing.done():
            seen.append(len(await reader.lookup_all(ALL)))
            await asyncio.sleep(0)
        await writing
        assert [count for count in seen if count % 2] == []
        assert seen == sorted(seen)
        assert await reader.lookup(COUNT) == 400

    async def test_nobody_waits_for_who_holds_a_transaction(
        self, database: Database, reader: Database, elsewhere: Elsewhere
    ) -> None:
        await database.run(add, "before")
        with other_process(elsewhere) as process:
            await asyncio.to_thread(process.hold, "held")
            begun = time.monotonic()
            for handle in (database, reader):
                assert await names_of(handle) == ["before"]
                assert await handle.lookup(FIND, called="held") is None
            taken = time.monotonic() - begun
            assert await asyncio.to_thread(process.let_go)
            assert taken < AT_ONCE
            assert await names_of(reader) == ["before", "held"]

    async def test_the_version_tells_of_commits(
        self, database: Database, reader: Database, elsewhere: Elsewhere
    ) -> None:
        if not self.abilities.tells_version:
            assert reader.version() is None
            return
        with other_process(elsewhere) as process:
            for number in range(20):
                before = reader.version()
                assert before is not None
                await reader.lookup(FIND, called="nobody")
                assert reader.version() == before
                if number % 3 == 0:
                    await asyncio.to_thread(process.run, "add", f"{number}")
                elif number % 3 == 1:
                    await database.run(add, f"{number}")
                else:
                    await database.execute(SET, called="0", to=number)
                assert reader.version() != before

    async def test_a_row_that_cannot_be_made_raises(self, database: Database, reader: Database) -> None:
        await database.run(add_some, 3)
        for _ in range(3):
            with pytest.raises(Unreadable):
                await reader.lookup(Query(ALL.core, unreadable))
            with pytest.raises(Unreadable):
                await reader.lookup_all(Query(ALL.core, unreadable))
            assert [row[1] for row in await reader.lookup_all(AS_TUPLES)] == ["0000", "0001", "0002"]
        await database.run(add, "next")
        assert await reader.lookup(COUNT) == 4
