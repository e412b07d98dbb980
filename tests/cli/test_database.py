"""`registry db`: the real databases, made and judged by the command."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import alembic.command
import pytest
from alembic.config import Config

from registry.database import migrations
from registry.settings.fields import Settings
from tests.cli.conftest import Run, told


def test_upgrade_brings_every_database_to_the_head(run: Run, tmp_path: Path) -> None:
    upgraded = run("db", "upgrade")
    assert (upgraded.returncode, upgraded.stderr) == (0, "")
    assert [line.split(maxsplit=2)[2] for line in upgraded.stdout.splitlines()] == ["(is new)"] * 2
    again = run("db", "upgrade")
    assert [line.split(maxsplit=2)[2] for line in again.stdout.splitlines()] == ["(was at it)"] * 2

    finished = run("db", "current")
    assert finished.returncode == 0
    names, _, states = zip(*(line.split(maxsplit=2) for line in finished.stdout.splitlines()), strict=True)
    folder = f"sqlite:///{tmp_path}/registry-data"
    assert names == (f"{folder}/registry.db", f"{folder}/uploads.db")
    assert states == ("(head)", "(head)")


def test_current_as_json(run: Run, tmp_path: Path) -> None:
    run("db", "upgrade", "--data", "kept")
    shown = json.loads(run("db", "current", "--data", "kept", "--format", "json").stdout)
    assert [entry["database"] for entry in shown] == [
        f"sqlite:///{tmp_path}/kept/registry.db",
        f"sqlite:///{tmp_path}/kept/uploads.db",
    ]
    assert all(entry["newest"] and entry["revision"] == entry["head"] for entry in shown)


def test_the_file_names_the_database(run: Run, tmp_path: Path) -> None:
    (tmp_path / "registry.yaml").write_text(f"database: sqlite:///{tmp_path}/sql/facts.db\n")
    assert run("db", "upgrade", "--config", "registry.yaml").returncode == 0
    assert (tmp_path / "sql" / "facts.db").exists()
    assert not (tmp_path / "registry-data").exists()


def test_a_database_of_a_newer_version_is_refused(run: Run, tmp_path: Path) -> None:
    run("db", "upgrade")
    with closing(sqlite3.connect(tmp_path / "registry-data" / "registry.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'registry_9999'")
    for finished in (run("db", "upgrade"), run("db", "current")):
        message = told(finished)
        assert "registry.db was made by a newer version of Holdfast (revision registry_9999; this version" in message


@pytest.mark.parametrize("command", ["upgrade", "current"])
def test_a_broken_database_is_told(command: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "registry-data").mkdir()
    (tmp_path / "registry-data" / "registry.db").write_bytes(b"no database " * 500)
    assert "registry.db" in told(run("db", command))


def test_a_folder_that_cannot_be_made_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in told(run("db", "upgrade", "--data", "file/within"))


@pytest.mark.spec("SETTING-5")
@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ("", "there is no such folder; look at --data, or let registry serve make a new registry there"),
        ("kept/", "it has no registry.db; look at --data, or let registry serve make a new registry there"),
        ("kept", "it is a file"),
        ("kept/uploads.db", "it has no registry.db; look at --data, or let registry serve make a new registry there"),
    ],
)
def test_where_there_is_no_registry_none_is_behind(made: str, reason: str, run: Run, tmp_path: Path) -> None:
    place = tmp_path / made
    if made.endswith("/"):
        place.mkdir()
    elif made:
        place.parent.mkdir(exist_ok=True)
        place.write_text("")
    before = sorted(tmp_path.rglob("*"))
    for form in ("text", "json"):
        message = told(run("db", "current", "--data", "kept", "--format", form))
        assert message == f"no registry in the folder {tmp_path}/kept: {reason}"
    assert f"{tmp_path}/sql: " in told(run("db", "current", "--database", f"sqlite:///{tmp_path}/sql/facts.db"))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.spec("SETTING-5")
def test_a_database_that_is_missing_beside_the_other_is_behind(run: Run, tmp_path: Path) -> None:
    run("db", "upgrade")
    (tmp_path / "registry-data" / "uploads.db").unlink()
    finished = run("db", "current")
    assert (finished.returncode, finished.stderr) == (3, "")
    states = [line.split(maxsplit=2)[2] for line in finished.stdout.splitlines()]
    assert states == ["(head)", "(behind: run registry db upgrade)"]


@pytest.mark.spec("SETTING-5")
def test_an_older_database_is_behind_until_it_is_upgraded(run: Run, tmp_path: Path) -> None:
    run("db", "upgrade")
    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    (tmp_path / "registry-data" / "registry.db").unlink()
    config.set_main_option("sqlalchemy.url", f"sqlite:///{tmp_path}/registry-data/registry.db")
    alembic.command.upgrade(config, "registry_0001")
    finished = run("db", "current", "--format", "json")
    assert (finished.returncode, finished.stderr) == (3, "")
    assert [entry["newest"] for entry in json.loads(finished.stdout)] == [False, True]
    assert "registry_0004  (was at registry_0001)" in run("db", "upgrade").stdout
    assert run("db", "current").returncode == 0


@pytest.mark.spec("SETTING-5")
@pytest.mark.parametrize("command", ["upgrade", "current"])
def test_data_that_is_a_file_is_told(command: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "/file:" in told(run("db", command, "--data", "file"))
    assert "/file:" in told(run("serve", "--port", "0", "--data", "file"))


VERSIONED = "CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES ('{}')"

FOREIGN = {
    "empty": ("PRAGMA user_version", "it has no tables of one"),
    "of somebody else": ("CREATE TABLE x (y)", "it has no tables of one"),
    "versioned, too": (VERSIONED.format("ae1027a6acf"), "ae1027a6acf is no revision of one"),
    "the other one": (VERSIONED.format("uploads_0001"), "uploads_0001 is no revision of one"),
}


@pytest.mark.spec("SETTING-5")
@pytest.mark.parametrize(("statements", "reason"), FOREIGN.values(), ids=FOREIGN)
def test_a_database_of_no_registry_is_not_behind_and_stays_as_it_is(
    statements: str, reason: str, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "registry.db"
    with closing(sqlite3.connect(file)) as database:
        database.executescript(statements)
    file.touch()
    before = file.read_bytes()
    message = told(run("db", "current", "--data", str(tmp_path)))
    assert message == f"{file} is no database of a registry: {reason}"
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["registry.db"]


@pytest.mark.spec("SETTING-5")
@pytest.mark.parametrize("name", ["registry.db", "uploads.db"])
def test_no_tables_are_made_in_a_database_of_somebody_else(name: str, run: Run, tmp_path: Path) -> None:
    run("db", "upgrade", "--data", str(tmp_path))
    for file in tmp_path.glob(f"{name}*"):
        file.unlink()
    with closing(sqlite3.connect(tmp_path / name)) as database:
        database.execute("CREATE TABLE x (y)")
    before = (tmp_path / name).read_bytes()
    for command in (["db", "current"], ["db", "upgrade"], ["serve", "--port", "0"]):
        message = told(run(*command, "--data", str(tmp_path)))
        assert message == f"{tmp_path}/{name} is no database of a registry: it has no tables of one"
    with closing(sqlite3.connect(tmp_path / name)) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("x",)]
    assert (tmp_path / name).read_bytes() == before


@pytest.mark.spec("SETTING-5")
def test_an_older_database_beside_a_newer_one_stays_as_it_is(run: Run, tmp_path: Path) -> None:
    """There is no way back from an upgrade that is given up halfway."""
    run("db", "upgrade")
    folder = tmp_path / "registry-data"
    (folder / "registry.db").unlink()
    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{folder}/registry.db")
    alembic.command.upgrade(config, "registry_0001")
    with closing(sqlite3.connect(folder / "uploads.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'uploads_9999'")
    for command in (["db", "upgrade"], ["serve", "--port", "0"]):
        assert "was made by a newer version of Holdfast" in told(run(*command))
    with closing(sqlite3.connect(folder / "registry.db")) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == ("registry_0001",)


@pytest.mark.spec("SETTING-5", "OPERATE-15")
@pytest.mark.parametrize(
    ("command", "made"),
    [
        ("serve", "registry.db"),
        ("serve", "uploads.db"),
        ("db upgrade", "registry.db-wal"),
        ("db current", "registry.db"),
        ("db current", "registry.db-shm"),
    ],
)
def test_what_is_no_file_is_told(command: str, made: str, run: Run, tmp_path: Path) -> None:
    """Opening a pipe would wait for whoever writes into it, and no signal would end that."""
    migrations.upgrade(Settings(data=tmp_path / "registry-data"))
    (tmp_path / "registry-data" / made).unlink(missing_ok=True)
    os.mkfifo(tmp_path / "registry-data" / made)
    assert f"{made} is no file" in told(run(*command.split()))


@pytest.mark.parametrize(
    "command",
    [
        f"serve --port 0 --data {'a' * 300}",
        f"serve --port 0 --data {'b/' * 2500}",
        f"db upgrade --database sqlite:////{'a' * 300}",
        f"db current --data {'a' * 300}",
    ],
    ids=["a name", "a path", "a database", "a name that is looked for"],
)
def test_a_name_that_is_too_long_is_told(command: str, run: Run) -> None:
    assert "too long" in told(run(*command.split()))
