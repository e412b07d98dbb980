"""Other processes on the same database: what they count, and what is left of them when they are killed."""

import asyncio

from registry.database.contract import Database
from tests.database.cases.support import Cases, names_of
from tests.database.other import Elsewhere, other_process
from tests.database.work import FIND, add, ensure, increment


class ProcessCases(Cases):
    async def test_no_increment_of_another_process_is_lost(self, database: Database, elsewhere: Elsewhere) -> None:
        await database.run(add, "counter")
        calls = [["counter"]] * 30
        with other_process(elsewhere) as one, other_process(elsewhere) as two:
            counted = await asyncio.gather(
                asyncio.to_thread(one.run_at_once, "increment", calls),
                asyncio.to_thread(two.run_at_once, "increment", calls),
                *(database.run(increment, "counter") for _ in range(30)),
            )
        assert sorted([*counted[0], *counted[1], *counted[2:]]) == list(range(1, 91))
        row = await database.lookup(FIND, called="counter")
        assert row is not None
        assert row.created == 90

    async def test_names_by_several_processes_at_once(self, database: Database, elsewhere: Elsewhere) -> None:
        names = [f"{number:03}" for number in range(40)]
        with other_process(elsewhere) as one, other_process(elsewhere) as two:
            theirs, others, *mine = await asyncio.gather(
                asyncio.to_thread(one.run_at_once, "ensure", [[name] for name in names]),
                asyncio.to_thread(two.run_at_once, "ensure", [[name] for name in reversed(names)]),
                *(database.run(ensure, name) for name in names),
            )
        assert theirs == mine == list(reversed(others))
        assert await names_of(database) == names

    async def test_what_another_one_was_told_survives_its_kill(self, database: Database, elsewhere: Elsewhere) -> None:
        with other_process(elsewhere) as process:
            for number in range(5):
                await asyncio.to_thread(process.run, "add_pair", f"{number}")
            process.kill()
        assert await names_of(database) == ["0", "1", "2", "3", "4"]

    async def test_one_that_is_killed_in_a_transaction_leaves_nothing(
        self, database: Database, elsewhere: Elsewhere
    ) -> None:
        with other_process(elsewhere) as process:
            await asyncio.to_thread(process.run, "add", "before")
            await asyncio.to_thread(process.hold, "never")
            waiting = asyncio.create_task(database.run(add, "waited"))
            await asyncio.sleep(0.05)
            process.kill()
            await asyncio.wait_for(waiting, 10)
        assert await names_of(database) == ["before", "waited"]
