"""`Database.run` and `Database.lookup`: how everyone reaches SQL, whichever database is behind it.

A `Query` or `Command` is written with SQLModel or SQLAlchemy and compiled once to its text. A function for `run` is a
plain `def` whose first parameter is a `Session`: one transaction, run again as a whole on a conflict, so it does SQL
and nothing else.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import cached_property
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from sqlalchemy import bindparam, insert
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import Executable
from sqlmodel import SQLModel

from registry.errors import ReadOnly
from registry.models import table

P = ParamSpec("P")
T = TypeVar("T")

SQLITE = sqlite.dialect(paramstyle="named")


class Statement:
    """A statement and its text. Parameters are `bindparam`s, given by name at each execution, as plain values."""

    def __init__(self, core: Executable) -> None:
        self.core = core

    @cached_property
    def sqlite(self) -> tuple[str, dict[str, Any]]:
        """The text for SQLite, and the values that stand in the statement itself."""
        compiled = self.core.compile(dialect=SQLITE)  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)
        constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        return str(compiled), constants


class Query(Statement, Generic[T]):
    """A `select` whose rows are handed out as `row(*columns)`."""

    def __init__(self, core: Executable, row: Callable[..., T]) -> None:
        super().__init__(core)
        self.row = row


class Command(Statement):
    """An `insert`, `update` or `delete`. `frees`: it makes room, as what `frees` marks does."""

    def __init__(self, core: Executable, *, frees: bool = False) -> None:
        super().__init__(core)
        self.frees = frees


def insertion(model: type[SQLModel]) -> Command:
    """An `insert` of every column but a key that the database numbers."""
    columns = [column for column in table(model).columns if column is not table(model).autoincrement_column]
    return Command(insert(table(model)).values({column.name: bindparam(column.name) for column in columns}))


class Session(ABC):
    """One transaction. Rows are read and written by compiled statements."""

    @abstractmethod
    def first(self, query: Query[T], **values: object) -> T | None:
        """The first row, or None."""

    @abstractmethod
    def all(self, query: Query[T], **values: object) -> list[T]:
        """Every row."""

    @abstractmethod
    def execute(self, command: Command, **values: object) -> int:
        """How many rows it changed."""

    @abstractmethod
    def insert(self, command: Command, **values: object) -> int:
        """The id that the database gave to the new row."""

    @abstractmethod
    def execute_many(self, command: Command, rows: Iterable[Mapping[str, object]]) -> None:
        """The command once for each of the rows."""


Transaction = Callable[Concatenate[Session, P], T]

_FREEING: set[object] = set()


def frees(function: Transaction[P, T]) -> Transaction[P, T]:
    """Mark a transaction that makes room: where there is none, it is carried out in what is kept for it."""
    _FREEING.add(function)
    return function


def frees_room(function: object) -> bool:
    """Whether `frees` has marked it."""
    return function in _FREEING


class Database(ABC):
    """One database. Opened once per process, in its event loop."""

    @abstractmethod
    async def open(self) -> None:
        """Connect. Raises `errors.OperatorError`."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what was begun, and disconnect."""

    def version(self) -> Hashable:
        """Changes with every commit, by whatever process; a matter of microseconds. None where it cannot be told."""
        return None

    @abstractmethod
    async def lookup(self, query: Query[T], **values: object) -> T | None:
        """The first row of a keyed read, as of the latest commit; a matter of microseconds.

        Raises `errors.Unavailable`."""

    @abstractmethod
    async def lookup_all(self, query: Query[T], **values: object) -> list[T]:
        """All rows of a keyed read, at most a page. Raises `errors.Unavailable`."""

    @abstractmethod
    async def execute(self, command: Command, **values: object) -> int:
        """One command that is a transaction of its own; how many rows it changed. Raises as `run` does."""

    @abstractmethod
    async def run(self, function: Transaction[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`function(session, *args)` in one transaction, committed when this returns.

        No I/O inside (spec/architecture.md#rule-4).

        What the function raises rolls it back and is raised here. Raises `errors.StorageFull` and
        `errors.Unavailable`."""


class NoDatabase(Database):
    """Nothing is there, and nothing can be kept: the open sessions of a registry that is read-only."""

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def lookup(self, query: Query[T], **values: object) -> T | None:
        return None

    async def lookup_all(self, query: Query[T], **values: object) -> list[T]:
        return []

    async def execute(self, command: Command, **values: object) -> int:
        raise ReadOnly

    async def run(self, function: Transaction[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        raise ReadOnly


class SqliteSession(Session):
    """Statements on a connection that is in a transaction, or that only reads."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self._executemany = connection.executemany

    def first(self, query: Query[T], **values: object) -> T | None:
        text, constants = query.sqlite
        # All rows: a statement that is not read to its end would keep its snapshot of the database open.
        rows = self._execute(text, {**constants, **values} if constants else values).fetchall()
        return query.row(*rows[0]) if rows else None

    def all(self, query: Query[T], **values: object) -> list[T]:
        text, constants = query.sqlite
        row = query.row
        return [row(*columns) for columns in self._execute(text, {**constants, **values})]

    def execute(self, command: Command, **values: object) -> int:
        text, constants = command.sqlite
        return self._execute(text, {**constants, **values} if constants else values).rowcount

    def insert(self, command: Command, **values: object) -> int:
        text, constants = command.sqlite
        return self._execute(text, {**constants, **values} if constants else values).lastrowid or 0

    def execute_many(self, command: Command, rows: Iterable[Mapping[str, object]]) -> None:
        text, constants = command.sqlite
        self._executemany(text, [{**constants, **row} for row in rows])
