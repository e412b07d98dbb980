"""`Database.run` and `Database.lookup`: how everyone reaches SQL, whichever database is behind it.

A `Query` or `Command` is written with SQLModel or SQLAlchemy; each database compiles it once to its text. `Work`, what
`run` is given, is a plain `def` whose first parameter is the `Transaction`, `tx`: it is run again as a whole on a
conflict, so it does SQL and nothing else.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import ClassVar, Concatenate, Generic, ParamSpec, TypeVar

from sqlalchemy import bindparam, insert
from sqlalchemy.sql.expression import Executable
from sqlmodel import SQLModel

from registry.errors import ReadOnly
from registry.models import table
from registry.system import clock

P = ParamSpec("P")
T = TypeVar("T")


class Statement:
    """A statement, which each database compiles for itself.

    Parameters are `bindparam`s, given by name at each execution, as plain values. A bind is called like the column that
    it sets or is compared with. Where it is compared for something else than being equal or not, a word says for what:
    `id_after` (>), `subject_from` (>=), `touched_before` (<), `id_up_to` (<=). `claim_was` is what the column of a row
    that is changed must be so far, however it is set. Two values for columns of one name, of two tables, are
    `repository_name` and `tag_name`; one value for both is `digest`. What is cut off is `limit` and `offset`."""

    def __init__(self, core: Executable) -> None:
        self.core = core


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


class Transaction(ABC):
    """One transaction. Rows are read and written by compiled statements."""

    @abstractmethod
    def now(self) -> int:
        """Microseconds since 1970, UTC, by the clock that all share who use the database."""

    @abstractmethod
    def first(self, query: Query[T], **values: object) -> T | None:
        """The first row, or None."""

    @abstractmethod
    def all(self, query: Query[T], **values: object) -> list[T]:
        """Every row."""

    @abstractmethod
    def execute(self, command: Command, **values: object) -> int:
        """How many rows it matched, also those that had the values already."""

    @abstractmethod
    def insert(self, command: Command, **values: object) -> int:
        """The id that the database gave to the new row."""

    @abstractmethod
    def execute_many(self, command: Command, rows: Iterable[Mapping[str, object]]) -> None:
        """The command once for each of the rows."""


Work = Callable[Concatenate[Transaction, P], T]

_FREEING: set[object] = set()


def frees(function: Work[P, T]) -> Work[P, T]:
    """Mark a transaction that makes room: where there is none, it is carried out in what is kept for it."""
    _FREEING.add(function)
    return function


def frees_room(function: object) -> bool:
    """Whether `frees` has marked it."""
    return function in _FREEING


class Database(ABC):
    """One database. Opened once per process, in its event loop."""

    immediate: ClassVar[bool] = False
    """Whether `lookup` and `lookup_all` mostly answer without waiting. Then they may be called outside of any task, by
    the first step of a request that only reads: they use nothing that needs one, no `asyncio.timeout` nor `TaskGroup`,
    before they have awaited something."""

    @abstractmethod
    async def open(self) -> None:
        """Connect. Raises `errors.OperatorError`."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what was begun, and disconnect."""

    def version(self) -> Hashable:
        """Changes with every commit, by whatever process; a matter of microseconds. None where it cannot be told."""
        return None

    async def now(self) -> int:
        """Microseconds since 1970, UTC, by the clock that all share who use the database."""
        return clock.now()

    def require_room(self) -> None:
        """Raises `errors.StorageFull` where the room that is left is for what makes more of it; `execute` and `run` do,
        too, unless they are given that (`frees`)."""

    @abstractmethod
    async def lookup(self, query: Query[T], **values: object) -> T | None:
        """The first row of a keyed read, as of the latest commit; a matter of microseconds.

        Raises `errors.Unavailable`."""

    @abstractmethod
    async def lookup_all(self, query: Query[T], **values: object) -> list[T]:
        """All rows of a keyed read, at most a page. Raises `errors.Unavailable`."""

    @abstractmethod
    async def execute(self, command: Command, **values: object) -> int:
        """One command that is a transaction of its own; how many rows it matched. Raises as `run` does."""

    @abstractmethod
    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`function(tx, *args)` in one transaction, committed when this returns.

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

    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        raise ReadOnly
