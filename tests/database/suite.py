"""All that every `Database` must do, in one class: what `registry/database/contract.py` promises, case by case.

    class TestMine(DatabaseSuite):
        abilities = Abilities(tells_version=False)

        @pytest.fixture
        def place(self, postgresql: Postgresql) -> str:
            url = postgresql.fresh()
            migrate(url)
            return url

        @pytest.fixture
        def make(self, place: str) -> Make:
            return lambda: MyDatabase(place)

        @pytest.fixture
        def elsewhere(self, place: str) -> Elsewhere:
            return Elsewhere("my_module:MyDatabase", place)

        @pytest.fixture
        def mistakes(self) -> list[Database]:
            return [MyDatabase("postgresql://nobody@127.0.0.1:1/nothing")]

Whatever only some databases can do stands in `Abilities`, or in cases of the subclass's own.
"""

from collections.abc import AsyncIterator

import pytest

from registry.database.contract import Database
from tests.database.cases.lookups import LookupCases
from tests.database.cases.opening import OpeningCases
from tests.database.cases.processes import ProcessCases
from tests.database.cases.races import RaceCases
from tests.database.cases.references import ReferenceCases
from tests.database.cases.support import Make, Open
from tests.database.cases.transactions import TransactionCases
from tests.database.cases.values import ValueCases


@pytest.mark.anyio
class Handles:
    """Subclass it and provide the fixtures

    - `make`: makes a handle on the case's own database, not opened yet; all of one case are on the same one, which has
      the tables that the registry's migrations make and no row,
    - `elsewhere`: how another process makes one."""

    @pytest.fixture
    async def open_more(self, make: Make) -> AsyncIterator[Open]:
        opened: list[Database] = []

        async def open_one() -> Database:
            database = make()
            await database.open()
            opened.append(database)
            return database

        yield open_one
        for database in opened:
            await database.close()

    @pytest.fixture
    async def database(self, open_more: Open) -> Database:
        return await open_more()

    @pytest.fixture
    async def other(self, open_more: Open) -> Database:
        """A second handle, as another process has one."""
        return await open_more()

    @pytest.fixture
    async def reader(self, other: Database) -> Database:
        """The handle that is looked things up with, while `database` writes."""
        return other


class DatabaseSuite(
    Handles, TransactionCases, ValueCases, ReferenceCases, LookupCases, RaceCases, ProcessCases, OpeningCases
):
    """`mistakes` are databases that are not there, or are none of a registry: `open` refuses them."""
