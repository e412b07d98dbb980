"""What the cases share: what a database says of itself, and handles."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar

from registry.database.contract import Database
from tests.database.work import ALL

Make = Callable[[], Database]
Open = Callable[[], Awaitable[Database]]
"""Makes a further handle on the case's database, not opened yet; opens one, which is closed at the end of the case."""


@dataclass(frozen=True)
class Abilities:
    """What databases may differ in, and still keep the contract."""

    tells_version: bool
    """Whether `version` changes with every commit; otherwise it is None."""


class Cases:
    """What a database's own test says of it; see `suite.DatabaseSuite`."""

    abilities: ClassVar[Abilities]


async def names_of(database: Database) -> list[str]:
    """All repositories, in the database's order."""
    return [row.name for row in await database.lookup_all(ALL)]
