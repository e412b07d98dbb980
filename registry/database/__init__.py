"""Facts in SQL: the contract, and SQLite, which keeps it."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from registry.database.contract import Database
    from registry.settings.fields import Settings


class Databases(NamedTuple):
    """The facts, which survive everything that was acknowledged; and the open uploads, which a power cut may take."""

    facts: "Database"
    uploads: "Database"


def open_databases(settings: "Settings") -> Databases:
    """Those that the settings name, to be opened in the loop. A registry that is read-only has no uploads."""
    from registry.database.connection import sqlite_path
    from registry.database.contract import NoDatabase
    from registry.database.sqlite import DurableSqlite, ReadOnlySqlite, UnsyncedSqlite

    facts, uploads = sqlite_path(settings.database_url), sqlite_path(settings.uploads_url)
    if settings.read_only:
        return Databases(ReadOnlySqlite(facts), NoDatabase())
    return Databases(DurableSqlite(facts), UnsyncedSqlite(uploads))
