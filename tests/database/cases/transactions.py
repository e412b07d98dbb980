"""A transaction is all or nothing, sees what it wrote, and says what it did."""

import asyncio
import gc
import time

import pytest
from sqlalchemy import func, select

from registry.database.contract import Database, Query, Transaction
from registry.errors import ManifestUnknown
from tests.database.cases.support import Cases, Make, Open, names_of
from tests.database.work import (
    ADD_DESCRIPTOR,
    ADD_REPOSITORY,
    ALL,
    BY_ID,
    COUNT,
    FIND,
    FIND_BLOB,
    LIST_ALL,
    REMOVE,
    SET,
    add,
    add_manifest,
    add_pair,
    blob,
    descriptor,
    descriptor_row,
)

BLOBS = Query(select(blob.c.digest).order_by(blob.c.digest), str)
SIZES = Query(select(func.count(), func.sum(descriptor.c.size)).select_from(descriptor), lambda *columns: columns)

MANY = 10_000

ROUNDS = 24
"""Calls that are cancelled, each a little later than the one before: from their first step to when one is done."""


class Refused(Exception):
    """What a transaction raises to see what becomes of it."""


def add_and_raise(tx: Transaction, name: str, error: Exception) -> None:
    add(tx, name)
    raise error


def unreadable(*columns: object) -> object:
    raise Refused(f"no row of {columns}")


class TransactionCases(Cases):
    async def test_what_it_returns_and_wrote_is_there(self, database: Database, other: Database) -> None:
        def add_three(tx: Transaction, first: str, *more: str, last: str) -> list[str]:
            for name in (first, *more, last):
                add(tx, name)
            return [row.name for row in tx.all(ALL)]

        assert await database.run(add_three, "a", "b", last="c") == ["a", "b", "c"]
        for handle in (database, other):
            assert await names_of(handle) == ["a", "b", "c"]

    async def test_one_that_raises_leaves_nothing(self, database: Database, other: Database) -> None:
        for error in (Refused("as it is"), ManifestUnknown("of a digest")):
            with pytest.raises(type(error)) as raised:
                await database.run(add_and_raise, "never", error)
            assert raised.value is error
        assert [await names_of(handle) for handle in (database, other)] == [[], []]
        await database.run(add, "next")
        assert await names_of(other) == ["next"]

    async def test_one_that_fails_among_many_fails_alone(self, database: Database) -> None:
        names = [f"{number:02}" for number in range(30)]
        errors = {name: Refused(name) for name in names[::3]}
        done = await asyncio.gather(
            *(
                database.run(add_and_raise, name, errors[name]) if name in errors else database.run(add, name)
                for name in names
            ),
            return_exceptions=True,
        )
        for name, outcome in zip(names, done, strict=True):
            assert outcome is errors[name] if name in errors else isinstance(outcome, int)
        assert await names_of(database) == [name for name in names if name not in errors]

    async def test_it_sees_what_it_wrote(self, database: Database) -> None:
        def write_and_read(tx: Transaction) -> list[object]:
            before = tx.first(FIND, called="mine")
            seen: list[object] = [before]
            add(tx, "mine", 1)
            seen.append([row.created for row in tx.all(ALL)])
            tx.execute(SET, called="mine", to=2)
            row = tx.first(FIND, called="mine")
            seen.append(row and row.created)
            tx.execute(REMOVE, called="mine")
            after = tx.first(COUNT)
            return [*seen, after]

        assert await database.run(write_and_read) == [None, [1], 2, 0]

    async def test_a_command_counts_what_it_matched(self, database: Database) -> None:
        """Also rows that had the values already: `RENEW`, then `JOIN` relies on it."""

        def count(tx: Transaction) -> list[int]:
            for name in ("a", "b", "c"):
                add(tx, name, 7)
            return [
                tx.execute(SET, called="a", to=8),
                tx.execute(SET, called="a", to=8),
                tx.execute(SET, called="nobody", to=8),
                tx.execute(LIST_ALL),
                tx.execute(LIST_ALL),
                tx.execute(REMOVE, called="a"),
                tx.execute(REMOVE, called="a"),
            ]

        assert await database.run(count) == [1, 1, 0, 3, 3, 1, 0]

    async def test_a_single_command_is_committed_and_counted(self, database: Database, other: Database) -> None:
        values = {"name": "one", "listed": False, "created": 1}
        assert await database.execute(ADD_REPOSITORY, **values) == 1
        assert await names_of(other) == ["one"]
        assert [await database.execute(SET, called="one", to=5) for _ in range(2)] == [1, 1]
        assert await database.execute(SET, called="nobody", to=5) == 0
        row = await other.lookup(FIND, called="one")
        assert row is not None
        assert row.created == 5
        assert await other.execute(REMOVE, called="one") == 1
        assert await names_of(database) == []

    async def test_rows_are_found_by_the_ids_that_they_were_given(self, database: Database, other: Database) -> None:
        def add_some(tx: Transaction, start: int) -> dict[str, int]:
            # Into another table in between, whose ids are others.
            add_manifest(tx, f"manifest/{start}")
            return {f"{number}": add(tx, f"{number}") for number in range(start, start + 20)}

        ids: dict[str, int] = {}
        for handle, start in ((database, 0), (other, 100), (database, 200)):
            ids |= await handle.run(add_some, start)
        assert len(set(ids.values())) == 60
        for name, given in ids.items():
            row = await database.lookup(BY_ID, this=given)
            assert row is not None
            assert row.name == name

    async def test_ten_thousand_rows_at_once(self, database: Database) -> None:
        def add_many(tx: Transaction) -> None:
            parent = add_manifest(tx, "large")
            tx.execute_many(ADD_DESCRIPTOR, (descriptor_row(parent, position) for position in range(MANY)))
            tx.execute_many(ADD_DESCRIPTOR, [])

        await database.run(add_many)
        assert await database.lookup(SIZES) == (MANY, MANY * (MANY - 1) // 2)

    async def test_a_name_that_there_is_is_refused(self, database: Database) -> None:
        await database.run(add, "taken")

        def add_two(tx: Transaction) -> None:
            add(tx, "half")
            add(tx, "taken")

        with pytest.raises(Exception) as refused:
            await database.run(add_two)
        assert not isinstance(refused.value, AssertionError)
        assert await names_of(database) == ["taken"]

    async def test_the_first_of_many_rows_leaves_nothing_open(self, database: Database, other: Database) -> None:
        def first_then_write(tx: Transaction) -> str:
            for number in range(1_000):
                add(tx, f"{number:04}")
            found = tx.first(ALL)
            tx.execute(REMOVE, called="0001")
            again = tx.first(ALL)
            assert found == again
            assert found is not None
            return found.name

        assert await database.run(first_then_write) == "0000"
        assert await other.execute(REMOVE, called="0000") == 1
        first = await database.lookup(ALL)
        assert first is not None
        assert first.name == "0002"

    async def test_a_row_that_cannot_be_made_rolls_back(self, database: Database) -> None:
        def read_in_vain(tx: Transaction, query: Query[object]) -> None:
            for name in ("never", "ever"):
                add(tx, name)
            tx.all(query)

        with pytest.raises(Refused):
            await database.run(read_in_vain, Query(ALL.core, unreadable))
        assert await names_of(database) == []
        await database.run(add, "next")
        assert await names_of(database) == ["next"]

    async def test_one_whose_caller_was_cancelled_is_whole(self, database: Database, other: Database) -> None:
        begun = time.monotonic()
        await database.run(add_pair, "before")
        lasted = time.monotonic() - begun
        for number in range(ROUNDS):
            task = asyncio.create_task(database.run(add_pair, f"{number:02}"))
            await asyncio.sleep(lasted * number / ROUNDS)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()
        await database.run(add_pair, "after")
        assert await other.lookup(FIND_BLOB, called="after") is not None
        assert await names_of(other) == await other.lookup_all(BLOBS)

    async def test_one_whose_caller_has_gone_may_fail(self, database: Database) -> None:
        """Nobody is left to be told: the loop is not, neither, which would write it into the log."""
        told: list[object] = []
        loop = asyncio.get_running_loop()
        before = loop.get_exception_handler()
        loop.set_exception_handler(lambda _, context: told.append(context))
        try:
            begun = time.monotonic()
            await database.run(add, "before")
            lasted = time.monotonic() - begun
            for number in range(ROUNDS):
                task = asyncio.create_task(database.run(add_and_raise, "never", Refused("unheard")))
                await asyncio.sleep(lasted * number / ROUNDS)
                task.cancel()
                await asyncio.wait([task])
                if not task.cancelled():
                    assert isinstance(task.exception(), Refused)
            del task
            await database.run(add, "next")
            await asyncio.sleep(0.01)
            gc.collect()
        finally:
            loop.set_exception_handler(before)
        assert told == []
        assert await names_of(database) == ["before", "next"]

    async def test_closing_finishes_what_was_begun(self, make: Make, open_more: Open) -> None:
        closing = make()
        await closing.open()
        tasks = [asyncio.create_task(closing.run(add_pair, f"{number:02}")) for number in range(40)]
        await asyncio.sleep(0)
        await closing.close()
        await asyncio.wait_for(asyncio.gather(*tasks), 10)
        database = await open_more()
        assert await names_of(database) == [f"{number:02}" for number in range(40)]
        assert await names_of(database) == await database.lookup_all(BLOBS)
