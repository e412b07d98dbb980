"""`python -m tests.scale.plans`: how SQLite finds the rows of every statement that the services have, as a table."""

import gc
import importlib
import pkgutil
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import registry
from registry.database import migrations
from registry.database.contract import Statement
from registry.database.statements import compiled
from registry.settings.loading import load

NOT_IMPORTED = ("registry.__main__", "registry.database.migrations.env", "registry.database.migrations.versions")


def statements() -> dict[str, Statement]:
    """Every statement of the program, by module and name."""
    found: dict[str, Statement] = {}
    for module in pkgutil.walk_packages(registry.__path__, "registry."):
        if module.name.startswith(NOT_IMPORTED):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Statement) and value not in found.values():
                found[f"{module.name.rpartition('.')[2]}.{name}"] = value
    return found


def nameless() -> list[str]:
    """Statements that stand in no module under a name of their own, and so would not be looked at."""
    known = set(map(id, statements().values()))
    return [compiled(each)[0] for each in gc.get_objects() if isinstance(each, Statement) and id(each) not in known]


class Databases:
    """The tables as they are served, empty: the plan of a statement does not depend on the rows."""

    def __init__(self, main: sqlite3.Connection, uploads: sqlite3.Connection) -> None:
        self._main = main
        self._uploads = uploads

    def plan(self, statement: Statement) -> list[str]:
        """The steps, those that follow from foreign keys too."""
        text, _ = compiled(statement)
        connection = self._uploads if re.search(r"\b(FROM|INTO|UPDATE) (upload|job_lease)\b", text) else self._main
        parameters = dict.fromkeys(re.findall(r":(\w+)", text), 1)
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", parameters)]


@contextmanager
def databases(folder: Path) -> Iterator[Databases]:
    migrations.upgrade(load({"data": folder}, {}).settings)
    with (
        closing(sqlite3.connect(folder / "registry.db")) as main,
        closing(sqlite3.connect(folder / "uploads.db")) as uploads,
    ):
        for connection in main, uploads:
            connection.execute("PRAGMA foreign_keys = ON")
        yield Databases(main, uploads)


def main() -> None:
    print("| statement | how its rows are found |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder, databases(Path(folder)) as tables:
        for name, statement in sorted(statements().items()):
            print(f"| {name} | {'<br>'.join(tables.plan(statement)) or '–'} |")


if __name__ == "__main__":
    main()
