"""What Alembic runs: the revisions it was asked for, in one transaction, on one database."""

from typing import Any

from alembic import context
from sqlalchemy import Connection, create_engine, event

from registry.models import metadata


def main() -> None:
    url = context.config.get_main_option("sqlalchemy.url")
    assert url is not None
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", prepare)
        event.listen(engine, "begin", begin)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


def prepare(connection: Any, _: object) -> None:
    """Take transactions out of the driver's hands: it would commit before each statement that changes a table."""
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")


def begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


main()
