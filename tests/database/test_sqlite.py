"""SQLite, as each part of the registry uses it, against the suite that every database must pass."""

from pathlib import Path

import pytest

from registry.database import migrations
from registry.database.contract import Database
from registry.database.sqlite import DurableSqlite, ReadOnlySqlite, Sqlite, UnsyncedSqlite
from registry.errors import ReadOnly
from registry.settings.loading import load
from tests.database.cases.lookups import LookupCases
from tests.database.cases.support import Abilities, Make, Open, names_of
from tests.database.other import Elsewhere
from tests.database.suite import DatabaseSuite, Handles
from tests.database.work import SET, add

SQLITE = Abilities(tells_version=True)


def migrated(folder: Path) -> Path:
    """The file with the facts, in a folder of its own."""
    migrations.upgrade(load({"data": folder}, {}).settings)
    return folder / "registry.db"


def wrong_files(folder: Path) -> list[Path]:
    """None of them a database that could be opened."""
    folder.mkdir()
    (folder / "text.db").write_text("This is no database, but a text that is long enough to be looked at. " * 10)
    (folder / "folder.db").mkdir()
    return [folder / "nowhere" / "registry.db", folder / "text.db", folder / "folder.db"]


def durable(path: str) -> DurableSqlite:
    return DurableSqlite(Path(path))


def unsynced(path: str) -> UnsyncedSqlite:
    return UnsyncedSqlite(Path(path))


class OnFile:
    """A database in a file of the case's own."""

    kind: type[Sqlite]

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return migrated(tmp_path / "data")

    @pytest.fixture
    def make(self, path: Path) -> Make:
        return lambda: self.kind(path)

    @pytest.fixture
    def mistakes(self, tmp_path: Path) -> list[Database]:
        return [self.kind(path) for path in wrong_files(tmp_path / "wrong")]


class TestDurable(OnFile, DatabaseSuite):
    kind = DurableSqlite
    abilities = SQLITE

    @pytest.fixture
    def elsewhere(self, path: Path) -> Elsewhere:
        return Elsewhere("tests.database.test_sqlite:durable", str(path))


class TestUnsynced(OnFile, DatabaseSuite):
    """The same tables: what it does not promise, to survive a power cut, no case asks for."""

    kind = UnsyncedSqlite
    abilities = SQLITE

    @pytest.fixture
    def elsewhere(self, path: Path) -> Elsewhere:
        return Elsewhere("tests.database.test_sqlite:unsynced", str(path))


class TestReadOnly(OnFile, Handles, LookupCases):
    """Looks up what another handle writes."""

    kind = DurableSqlite
    abilities = SQLITE

    @pytest.fixture
    def elsewhere(self, path: Path) -> Elsewhere:
        return Elsewhere("tests.database.test_sqlite:durable", str(path))

    @pytest.fixture
    async def reader(self, path: Path, open_more: Open) -> Database:
        reader = ReadOnlySqlite(path)
        await reader.open()
        return reader

    async def test_it_writes_nothing(self, database: Database, reader: Database) -> None:
        with pytest.raises(ReadOnly):
            await reader.run(add, "never")
        with pytest.raises(ReadOnly):
            await reader.execute(SET, called="never", to=1)
        assert await names_of(database) == []
