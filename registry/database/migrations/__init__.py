"""Brings a database to the tables that this version knows; Alembic is loaded only where an older one is to be changed.

There are two lines of revisions: `registry`, and `uploads` for the open sessions, which live in a file of their own
on SQLite and beside the other tables elsewhere.
"""

import fcntl
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from registry.database.connection import connect_to_read, is_there, sqlite_path
from registry.errors import OperatorError
from registry.settings.fields import Settings
from registry.system.files import make_folder, unwritable

HEADS = {"registry": "registry_0004", "uploads": "uploads_0004"}
"""The newest revision of each line."""

FOLDER = Path(__file__).parent

PATIENCE = 5000
"""Milliseconds to wait for another process that is migrating, or ending."""


class Current(NamedTuple):
    """A database, the revision it is at (None: it has no tables yet), and the one that this version wants."""

    database: str
    revision: str | None
    head: str


def current(settings: Settings) -> list[Current]:
    """Where each database stands; nothing is written, whatever file it is.

    Raises `OperatorError` if one cannot be read, is none of a registry, or was made by a newer version."""
    lines = {"registry": settings.database_url, "uploads": settings.uploads_url}
    return [Current(url, _looked_at(url, line), HEADS[line]) for line, url in lines.items()]


def _looked_at(url: str, line: str, *, make_room: bool = False) -> str | None:
    path = sqlite_path(url)
    if not is_there(path):
        return None
    with closing(connect_to_read(path, PATIENCE, make_room=make_room)) as connection:
        found = _revision(connection, path)
        if found is None:
            _not_of_somebody_else(connection, path)
    if found is not None:
        _known(path, line, found)
    return found


def _known(path: Path, line: str, found: str) -> None:
    """Raises `OperatorError` for a revision that this version has never heard of."""
    if not re.fullmatch(rf"{line}_[0-9]{{4}}", found):
        raise OperatorError(f"{path} is no database of a registry: {found} is no revision of one")
    if found > HEADS[line]:
        raise OperatorError(
            f"the database {path} was made by a newer version of Holdfast (revision {found}; this version knows up to "
            f"{HEADS[line]}); install that version, or use another --data folder"
        )


def _not_of_somebody_else(connection: sqlite3.Connection, path: Path) -> None:
    """Raises `OperatorError` where there are tables, which are none of a registry."""
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] > 0:
        raise OperatorError(f"{path} is no database of a registry: it has no tables of one")


def upgrade(settings: Settings) -> list[Current]:
    """Bring the databases to `HEADS`, and tell where they stood; safe to call from several processes at once. One that
    is only read is looked at.

    Raises `OperatorError` if one cannot be used, was made by a newer version, or is only read and is behind."""
    if settings.read_only and not settings.in_memory:
        _require(settings.database_url, "registry")
        return [Current(settings.database_url, HEADS["registry"], HEADS["registry"])]
    lines = {"registry": settings.database_url, "uploads": settings.uploads_url}
    # All are judged before one is changed: there is no way back.
    before = [Current(url, _looked_at(url, line, make_room=True), HEADS[line]) for line, url in lines.items()]
    if all(stood.revision == stood.head for stood in before):
        return before
    for line, url in lines.items():
        with alone(sqlite_path(url)):
            found = _looked_at(url, line, make_room=True)
            if found is None:
                _create(url, line)
            elif found != HEADS[line]:
                _migrate(url, line, found)
    return before


def _require(url: str, line: str) -> None:
    """See that a database that nothing is to be written to has the newest tables."""
    path = sqlite_path(url)
    with closing(connect_to_read(path, PATIENCE)) as connection:
        found = _revision(connection, path)
    if found != HEADS[line]:
        raise OperatorError(
            f"the database {path} is at revision {found or 'none'}, this version of Holdfast needs {HEADS[line]}, and "
            "a read-only registry does not change it; run registry db upgrade"
        )


def _revision(connection: sqlite3.Connection, path: Path) -> str | None:
    try:
        tables = "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"
        if connection.execute(tables).fetchone()[0] == 0:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None
    except sqlite3.Error as error:
        raise OperatorError(f"cannot use the database {path}: {error}") from error


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other processes from migrating the same file meanwhile."""
    try:
        make_folder(path.parent)
        # Whatever it is, opening it does not wait.
        lock = os.open(
            path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666
        )
    except OSError as error:
        raise OperatorError(f"cannot write to the folder {path.parent}: {unwritable(error)}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _create(url: str, line: str) -> None:
    """The newest tables in a file that has none: what the revisions come to, without loading what they need."""
    # Most of the start of a command that only looks at a database.
    from sqlalchemy.schema import CreateIndex, CreateTable

    from registry.database.statements import SQLITE
    from registry.models import TABLES, UPLOAD_TABLES

    path = sqlite_path(url)
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            _not_of_somebody_else(connection, path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            for table in TABLES if line == "registry" else UPLOAD_TABLES:
                connection.execute(str(CreateTable(table).compile(dialect=SQLITE)))
                for index in sorted(table.indexes, key=lambda index: str(index.name)):
                    connection.execute(str(CreateIndex(index).compile(dialect=SQLITE)))
            connection.execute(
                "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
                " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
            )
            connection.execute("INSERT INTO alembic_version VALUES (?)", [HEADS[line]])
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise OperatorError(f"cannot make the database {path}: {error}") from error


def _migrate(url: str, line: str, found: str) -> None:
    _known(sqlite_path(url), line, found)
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    try:
        command.upgrade(config, f"{line}@head")
    except (SQLAlchemyError, CommandError) as error:
        raise OperatorError(f"cannot migrate the database {sqlite_path(url)}: {error}") from error
