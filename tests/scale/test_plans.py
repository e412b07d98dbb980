"""Every statement of the services finds its rows by a key: none reads a table through, none sorts."""

import importlib
import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import registry.services
from registry import migrations
from registry.config import load
from registry.database import Statement


def statements() -> dict[str, Statement]:
    found: dict[str, Statement] = {}
    for module in pkgutil.iter_modules(registry.services.__path__):
        loaded = importlib.import_module(f"registry.services.{module.name}")
        for name, value in vars(loaded).items():
            if isinstance(value, Statement):
                found[f"{module.name}.{name}"] = value
    return found


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[sqlite3.Connection]]:
    folder = tmp_path_factory.mktemp("plans")
    migrations.upgrade(load({"data": folder}, {}).settings)
    with (
        closing(sqlite3.connect(Path(folder, "registry.db"))) as main,
        closing(sqlite3.connect(Path(folder, "uploads.db"))) as uploads,
    ):
        yield [main, uploads]


@pytest.mark.parametrize("name", statements())
def test_rows_are_found_by_key(name: str, databases: list[sqlite3.Connection]) -> None:
    text, _ = statements()[name].sqlite
    connection = databases["upload" in text.split("WHERE")[0]]
    parameters = dict.fromkeys(re.findall(r":(\w+)", text), 1)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", parameters)]
    assert not [step for step in plan if step.startswith("SCAN") or "TEMP B-TREE" in step], plan


def test_there_are_statements_to_look_at() -> None:
    assert len(statements()) > 40
