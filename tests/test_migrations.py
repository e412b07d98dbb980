"""The migrations make the tables that the models describe, and nothing else."""

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, create_engine

from registry import migrations, models
from registry.config import load


def test_migrated_databases_are_what_the_models_describe(tmp_path: Path) -> None:
    settings = load({"data": tmp_path}, {}).settings
    migrations.upgrade(settings)
    for url, tables in ((settings.database_url, models.TABLES), (settings.uploads_url, models.SESSION_TABLES)):
        wanted = MetaData(naming_convention=models.metadata.naming_convention)
        for table in tables:
            table.to_metadata(wanted)
        engine = create_engine(url)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, wanted) == []
        engine.dispose()


def test_the_newest_revision_of_each_line_is_the_one_that_is_looked_for() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    script = ScriptDirectory.from_config(config)
    assert set(script.get_heads()) == set(migrations.HEADS.values())
    for line, head in migrations.HEADS.items():
        revision = script.get_revision(f"{line}@head")
        assert revision is not None
        assert revision.revision == head


def test_upgrading_twice_changes_nothing(tmp_path: Path) -> None:
    settings = load({"data": tmp_path}, {}).settings
    migrations.upgrade(settings)
    with closing(sqlite3.connect(tmp_path / "registry.db")) as connection:
        connection.execute("INSERT INTO repository (name, listed, created) VALUES ('kept', 1, 0)")
        connection.commit()
    migrations.upgrade(settings)
    with closing(sqlite3.connect(tmp_path / "registry.db")) as connection:
        assert connection.execute("SELECT name FROM repository").fetchall() == [("kept",)]
    assert [entry.revision == entry.head for entry in migrations.current(settings)] == [True, True]


def test_texts_are_compared_by_bytes(tmp_path: Path) -> None:
    settings = load({"data": tmp_path}, {}).settings
    migrations.upgrade(settings)
    with closing(sqlite3.connect(tmp_path / "registry.db")) as connection:
        connection.executemany(
            "INSERT INTO repository (name, listed, created) VALUES (?, 1, 0)", [("b",), ("B",), ("a",), ("A",)]
        )
        names = [name for (name,) in connection.execute("SELECT name FROM repository ORDER BY name")]
    assert names == ["A", "B", "a", "b"]
