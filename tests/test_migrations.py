"""The migrations make the tables that the models describe, and nothing else."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, create_engine, inspect

from registry import models
from registry.database import migrations
from registry.settings.loading import load


def test_migrated_databases_are_what_the_models_describe(tmp_path: Path) -> None:
    settings = load({"data": tmp_path}, {}).settings
    migrations.upgrade(settings)
    for url, tables in ((settings.database_url, models.TABLES), (settings.uploads_url, models.UPLOAD_TABLES)):
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


@pytest.mark.parametrize("line", migrations.HEADS)
def test_every_revision_can_be_taken_back(tmp_path: Path, line: str) -> None:
    settings = load({"data": tmp_path}, {}).settings
    url = settings.database_url if line == "registry" else settings.uploads_url
    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    config.set_main_option("sqlalchemy.url", url)
    command.upgrade(config, f"{line}@head")
    command.downgrade(config, f"{line}@base")
    engine = create_engine(url)
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    engine.dispose()


def test_texts_are_compared_by_bytes(tmp_path: Path) -> None:
    settings = load({"data": tmp_path}, {}).settings
    migrations.upgrade(settings)
    with closing(sqlite3.connect(tmp_path / "registry.db")) as connection:
        connection.executemany(
            "INSERT INTO repository (name, listed, created) VALUES (?, 1, 0)", [("b",), ("B",), ("a",), ("A",)]
        )
        names = [name for (name,) in connection.execute("SELECT name FROM repository ORDER BY name")]
    assert names == ["A", "B", "a", "b"]


def test_what_the_first_revision_kept_is_kept(tmp_path: Path) -> None:
    """Blobs and who holds them, open sessions: made by 0001, seen after all later revisions."""
    settings = load({"data": tmp_path}, {}).settings
    for line, url in (("registry", settings.database_url), ("uploads", settings.uploads_url)):
        config = Config()
        config.set_main_option("script_location", str(migrations.FOLDER))
        config.set_main_option("sqlalchemy.url", url)
        command.upgrade(config, f"{line}_0001")
    with closing(sqlite3.connect(tmp_path / "registry.db")) as connection:
        connection.execute("INSERT INTO repository (id, name, listed, created) VALUES (7, 'kept', 1, 0)")
        connection.execute("INSERT INTO blob (id, digest, size, key, created) VALUES (5, 'sha256:a', 1, 'aa/a', 0)")
        connection.execute("INSERT INTO repository_blob VALUES (7, 5, 0)")
        connection.commit()
    with closing(sqlite3.connect(tmp_path / "uploads.db")) as connection:
        connection.execute(
            "INSERT INTO upload (id, repository, algorithm, size, state, boot, claimed_until, touched)"
            " VALUES ('u', 'kept', 'sha256', 3, '{}', 'b', 0, 0)"
        )
        connection.commit()
    migrations.upgrade(settings)
    with closing(sqlite3.connect(tmp_path / "registry.db")) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = connection.execute(
            "SELECT name, digest, key FROM repository JOIN repository_blob ON repository_id = repository.id"
            " JOIN blob ON blob_id = blob.id"
        ).fetchall()
        assert rows == [("kept", "sha256:a", "aa/a")]
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("DELETE FROM blob")
    with closing(sqlite3.connect(tmp_path / "uploads.db")) as connection:
        assert connection.execute("SELECT id, size, content FROM upload").fetchall() == [("u", 3, None)]


def test_open_sessions_know_in_which_incarnation_they_were_written(tmp_path: Path) -> None:
    """Made by the revision that still called it `boot`: what the rows say is kept, and so is their order by the key."""
    settings = load({"data": tmp_path}, {}).settings
    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    config.set_main_option("sqlalchemy.url", settings.uploads_url)
    command.upgrade(config, "uploads_0003")
    columns = "id, repository, algorithm, size, hash, state, {}, claim, claimant, claimed_until, touched, content"
    sessions = [
        ("a", "kept", "sha256", 3, b"saved", "{}", "this boot", None, None, 0, 7, None),
        ("b", "kept", "sha512", 2, None, "{}", "that boot", "token", "process", 8, 9, b"ab"),
    ]
    with closing(sqlite3.connect(tmp_path / "uploads.db")) as connection:
        row = ", ".join("?" * 12)
        connection.executemany(f"INSERT INTO upload ({columns.format('boot')}) VALUES ({row})", sessions)
        connection.commit()
    migrations.upgrade(settings)
    with closing(sqlite3.connect(tmp_path / "uploads.db")) as connection:
        kept = connection.execute(f"SELECT {columns.format('incarnation')} FROM upload ORDER BY id").fetchall()
        assert kept == sessions
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        table = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'upload'").fetchone()[0]
        assert "WITHOUT ROWID" in table
    command.downgrade(config, "uploads_0003")
    with closing(sqlite3.connect(tmp_path / "uploads.db")) as connection:
        assert connection.execute(f"SELECT {columns.format('boot')} FROM upload ORDER BY id").fetchall() == sessions


@pytest.mark.parametrize("revision", ["registry_0001", "registry_0002"])
def test_descriptors_and_lists_of_older_revisions(tmp_path: Path, revision: str) -> None:
    """Descriptors learn their repository and keep all else; tags that may be lists are known as such."""
    settings = load({"data": tmp_path}, {}).settings
    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    config.set_main_option("sqlalchemy.url", settings.database_url)
    command.upgrade(config, revision)
    lists = ["sha256-" + "a" * 64, "sha512-" + "b" * 64]
    with closing(sqlite3.connect(tmp_path / "registry.db")) as connection:
        connection.executemany("INSERT INTO repository VALUES (?, ?, 1, 0)", [(3, "a"), (4, "b")])
        connection.execute("INSERT INTO blob (id, digest, size, key, created) VALUES (5, 'sha256:blob', 1, 'aa/a', 0)")
        columns = "(id, repository_id, digest, media_type, size, created, body)"
        for number, repository in ((10, 3), (11, 3), (20, 4)):
            row = [number, repository, f"sha256:{number}"]
            connection.execute(f"INSERT INTO manifest {columns} VALUES (?, ?, ?, 'a/b', 2, 0, '{{}}')", row)
        descriptors = [
            (manifest, position, role, "a/b", digest, 1, blob, child)
            for manifest in (20, 10)
            for position, role, digest, blob, child in (
                (0, "config", "sha256:blob", 5, None),
                (1, "child", "sha256:11", None, 11),
                *((number, "layer", f"sha256:absent{number}", None, None) for number in range(2, 5000)),
            )
        ]
        connection.executemany("INSERT INTO descriptor VALUES (?, ?, ?, ?, ?, ?, ?, ?)", descriptors)
        tags = [(3, name, 10) for name in (*lists, "v1", "sha256-" + "a" * 63, "sha256-" + "a" * 64 + ".sig")]
        connection.executemany("INSERT INTO tag VALUES (?, ?, ?, 0)", tags)
        connection.commit()
    migrations.upgrade(settings)
    with closing(sqlite3.connect(tmp_path / "registry.db")) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        found = connection.execute(
            "SELECT manifest_id, position, role, media_type, digest, size, blob_id, child_id FROM descriptor"
        ).fetchall()
        assert sorted(found, key=str) == sorted(descriptors, key=str)
        places = connection.execute("SELECT DISTINCT manifest_id, repository_id FROM descriptor ORDER BY 1").fetchall()
        assert places == [(10, 3), (20, 4)]
        assert connection.execute("SELECT tag, fresh FROM referrers_list ORDER BY tag").fetchall() == [
            (name, 0) for name in lists
        ]
        connection.execute("DELETE FROM manifest WHERE id = 11")
        assert connection.execute("SELECT count(*) FROM descriptor WHERE child_id = 11").fetchall() == [(0,)]
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("DELETE FROM blob")


def test_a_new_database_is_what_the_revisions_come_to(tmp_path: Path) -> None:
    """Columns, keys, constraints and indexes, by name: later revisions name them."""
    made, migrated = (load({"data": tmp_path / name}, {}).settings for name in ("made", "migrated"))
    migrations.upgrade(made)
    (tmp_path / "migrated").mkdir()
    for line, url in (("registry", migrated.database_url), ("uploads", migrated.uploads_url)):
        config = Config()
        config.set_main_option("script_location", str(migrations.FOLDER))
        config.set_main_option("sqlalchemy.url", url)
        command.upgrade(config, f"{line}@head")
    assert described(made.database_url) == described(migrated.database_url)
    assert described(made.uploads_url) == described(migrated.uploads_url)


def described(url: str) -> dict[str, object]:
    engine = create_engine(url)
    inspector = inspect(engine)
    found: dict[str, object] = {}
    for name in inspector.get_table_names():
        columns = [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(name)]
        found[name] = (
            columns,
            inspector.get_pk_constraint(name),
            sorted((str(k["name"]), k["referred_table"], str(k["options"])) for k in inspector.get_foreign_keys(name)),
            sorted((str(u["name"]), u["column_names"]) for u in inspector.get_unique_constraints(name)),
            sorted((str(i["name"]), i["column_names"], i["unique"]) for i in inspector.get_indexes(name)),
        )
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT name, sql LIKE '%WITHOUT ROWID%' FROM sqlite_master WHERE sql NOTNULL"
        )
        found["without rowid"] = sorted(name for name, without in rows if without)
        found["revision"] = connection.exec_driver_sql("SELECT version_num FROM alembic_version").all()
        found["journal"] = connection.exec_driver_sql("PRAGMA journal_mode").all()
    engine.dispose()
    return found
