"""Many at once, by several handles: nobody fails, nothing is lost, everything is there once."""

import asyncio
import time

from registry.database.contract import Database, Transaction
from tests.database.cases.support import Cases, Open, names_of
from tests.database.other import Elsewhere, other_process
from tests.database.work import ALL, FIND, SWAP, add, ensure, increment, transfer

MEETING = 0.5
"""Seconds that one transaction gives another to come in between, where the database lets it."""


class RaceCases(Cases):
    async def test_the_same_names_by_two_handles_at_once(self, database: Database, other: Database) -> None:
        names = [f"{number:03}" for number in range(200)]
        ids = await asyncio.gather(*(handle.run(ensure, name) for name in names for handle in (database, other)))
        assert ids[::2] == ids[1::2]
        assert len(set(ids)) == len(names)
        assert await names_of(database) == names

    async def test_one_name_by_many_at_once(self, database: Database, other: Database) -> None:
        ids = await asyncio.gather(*(handle.run(ensure, "wanted") for _ in range(50) for handle in (database, other)))
        assert len(set(ids)) == 1
        assert await names_of(other) == ["wanted"]

    async def test_what_was_read_is_read_again_after_a_conflict(self, database: Database, elsewhere: Elsewhere) -> None:
        """Both have seen that there is none of the name, where the database lets both look."""

        def ensure_slowly(tx: Transaction, name: str) -> int:
            found = tx.first(FIND, called=name)
            if found is not None:
                return found.id
            time.sleep(MEETING)
            return add(tx, name)

        with other_process(elsewhere) as process:
            for number in range(2):
                mine = asyncio.create_task(database.run(ensure_slowly, f"{number}"))
                theirs = asyncio.create_task(asyncio.to_thread(process.run, "ensure", f"{number}"))
                assert await mine == await theirs
        assert await names_of(database) == ["0", "1"]

    async def test_no_increment_is_lost(self, open_more: Open) -> None:
        handles = [await open_more() for _ in range(4)]
        await handles[0].run(add, "counter")
        counted = await asyncio.gather(*(handle.run(increment, "counter") for _ in range(50) for handle in handles))
        assert sorted(counted) == list(range(1, 201))
        row = await handles[1].lookup(FIND, called="counter")
        assert row is not None
        assert row.created == 200

    async def test_one_of_many_wins_a_comparison(self, open_more: Open) -> None:
        handles = [await open_more() for _ in range(4)]
        await handles[0].run(add, "claimed")
        for number in range(10):
            won = await asyncio.gather(
                *(
                    handle.execute(SWAP, called="claimed", was=number, to=number + 1)
                    for _ in range(10)
                    for handle in handles
                )
            )
            assert sorted(won) == [0] * 39 + [1]

    async def test_rows_locked_in_either_order(self, open_more: Open) -> None:
        """Where the database ends one of two that wait for each other, it is run again."""
        handles = [await open_more() for _ in range(4)]
        for name in ("a", "b"):
            await handles[0].run(add, name, 1_000)
        await asyncio.gather(
            *(
                handle.run(transfer, *(("a", "b") if (number + place) % 2 else ("b", "a")))
                for number in range(25)
                for place, handle in enumerate(handles)
            )
        )
        assert [row.created for row in await handles[0].lookup_all(ALL)] == [1_000, 1_000]
