"""`registry db`: the real databases, made and judged by the command."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Run, told


def test_upgrade_brings_every_database_to_the_head(run: Run, tmp_path: Path) -> None:
    before = run("db", "current").stdout.splitlines()
    assert [line.split(maxsplit=2)[1:] for line in before] == [["none", "(behind: run registry db upgrade)"]] * 2
    assert not (tmp_path / "registry-data").exists()

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
