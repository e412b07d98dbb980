"""`registry db`: the real databases, made and judged by the command."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Run, told


def test_upgrade_brings_every_database_to_the_head(run: Run, tmp_path: Path) -> None:
    upgraded = run("db", "upgrade")
    assert (upgraded.returncode, upgraded.stdout, upgraded.stderr) == (0, "", "")

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
    (tmp_path / "registry.yaml").write_text("database: sqlite:///sql/facts.db\n")
    assert run("db", "upgrade", "--config", "registry.yaml").returncode == 0
    assert (tmp_path / "sql" / "facts.db").exists()
    assert not (tmp_path / "registry-data").exists()


def test_a_database_of_a_newer_version_is_refused(run: Run, tmp_path: Path) -> None:
    run("db", "upgrade")
    with closing(sqlite3.connect(tmp_path / "registry-data" / "registry.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'registry_9999'")
    assert "registry_9999" in told(run("db", "upgrade"))
    assert "registry_9999" in run("db", "current").stdout


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
        ("", "there is no such folder; registry db upgrade makes it"),
        ("kept/", "it has no registry.db; registry db upgrade makes it"),
        ("kept", "it is a file"),
        ("kept/uploads.db", "it has no registry.db; registry db upgrade makes it"),
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
    assert f"{tmp_path}/sql: " in told(run("db", "current", "--database", "sqlite:///sql/facts.db"))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.spec("SETTING-5")
def test_a_database_that_is_there_and_old_is_behind(run: Run, tmp_path: Path) -> None:
    run("db", "upgrade")
    (tmp_path / "registry-data" / "uploads.db").unlink()
    lines = run("db", "current").stdout.splitlines()
    assert [line.split(maxsplit=2)[2] for line in lines] == ["(head)", "(behind: run registry db upgrade)"]


@pytest.mark.spec("SETTING-5")
@pytest.mark.parametrize("command", ["upgrade", "current"])
def test_data_that_is_a_file_is_told(command: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "/file:" in told(run("db", command, "--data", "file"))
    assert "/file:" in told(run("serve", "--port", "0", "--data", "file"))


@pytest.mark.spec("SETTING-5")
@pytest.mark.parametrize("statement", [None, "CREATE TABLE x (y)"], ids=["empty", "of somebody else"])
def test_a_database_of_no_registry_is_not_behind(statement: str | None, run: Run, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "registry.db")) as database:
        database.execute(statement or "PRAGMA user_version")
    (tmp_path / "registry.db").touch()
    finished = run("db", "current", "--data", str(tmp_path))
    assert finished.returncode == 1
    assert "is no database of a registry" in finished.stderr
