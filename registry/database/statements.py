"""Statements for SQLite: compiled once to their text, and executed on a connection."""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.compiler import SQLCompiler

from registry.database.contract import Command, Query, Statement, T, Transaction
from registry.system import clock

SQLITE = sqlite.dialect(paramstyle="named")

Compiled = tuple[str, dict[str, Any]]
"""The text, and the values that stand in the statement itself."""

_COMPILED: dict[Statement, Compiled] = {}


def compiled(statement: Statement) -> Compiled:
    found = _COMPILED.get(statement)
    if found is None:
        core = statement.core.compile(dialect=SQLITE)  # type: ignore[attr-defined]
        assert isinstance(core, SQLCompiler)
        constants = {name: bind.value for name, bind in core.binds.items() if not bind.required}
        found = _COMPILED[statement] = str(core), constants
    return found


class SqliteTransaction(Transaction):
    """Statements on a connection that is in a transaction, or that only reads."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self._executemany = connection.executemany

    def now(self) -> int:
        return clock.now()

    def first(self, query: Query[T], **values: object) -> T | None:
        text, constants = compiled(query)
        # All rows: a statement that is not read to its end would keep its snapshot of the database open.
        rows = self._execute(text, {**constants, **values} if constants else values).fetchall()
        return query.row(*rows[0]) if rows else None

    def all(self, query: Query[T], **values: object) -> list[T]:
        text, constants = compiled(query)
        row = query.row
        return [row(*columns) for columns in self._execute(text, {**constants, **values})]

    def execute(self, command: Command, **values: object) -> int:
        text, constants = compiled(command)
        return self._execute(text, {**constants, **values} if constants else values).rowcount

    def insert(self, command: Command, **values: object) -> int:
        text, constants = compiled(command)
        return self._execute(text, {**constants, **values} if constants else values).lastrowid or 0

    def execute_many(self, command: Command, rows: Iterable[Mapping[str, object]]) -> None:
        text, constants = compiled(command)
        self._executemany(text, [{**constants, **row} for row in rows])
