"""`registry db`: the schema of the databases."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.flags import SOURCES, given, settings_flags
from registry.database.connection import is_there, sqlite_path
from registry.errors import OperatorError
from registry.settings.fields import Settings
from registry.settings.loading import Loaded, load

if TYPE_CHECKING:
    from registry.database.migrations import Current

EXAMPLES = """
Examples:

registry db current --data /srv/registry

registry db current --format json

registry db upgrade --data /srv/registry
"""

BEHIND = 3
"""The exit status that tells a script to upgrade."""

app = typer.Typer(name="db", add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


class Format(StrEnum):
    """How the revisions are printed."""

    TEXT = "text"
    JSON = "json"


@app.callback(epilog=EXAMPLES)
def database() -> None:
    """Show and upgrade the schema of the databases."""


@app.command(epilog=SOURCES + EXAMPLES)
@settings_flags(["data", "database"])
def upgrade(ctx: typer.Context, **flags: object) -> None:
    """Bring the databases to the newest schema, creating those that are missing."""
    settings = _kept(load(given(ctx)))
    from registry.database import migrations

    for was in migrations.upgrade(settings):
        state = "was at it" if was.revision == was.head else f"was at {was.revision}" if was.revision else "is new"
        print(f"{was.database}  {was.head}  ({state})")


@app.command(epilog=SOURCES + EXAMPLES)
@settings_flags(["data", "database"])
def current(
    ctx: typer.Context,
    form: Annotated[Format, typer.Option("--format", help="Form of the output.")] = Format.TEXT,
    **flags: object,
) -> None:
    """Print the revision of each database and whether it is the newest.

    Exit status: 0 all are, 3 registry db upgrade is needed, 1 there is no registry that this version could serve."""
    settings = _kept(load(given(ctx)))
    from registry.database import migrations
    from registry.database.connection import sqlite_path

    _there(settings)
    revisions = migrations.current(settings)
    if revisions[0].revision is None:
        raise OperatorError(
            f"{sqlite_path(revisions[0].database)} is no database of a registry: it has no tables of one"
        )
    print(_json(revisions) if form is Format.JSON else _table(revisions))
    if not all(_newest(entry) for entry in revisions):
        raise typer.Exit(BEHIND)


def _kept(loaded: Loaded) -> Settings:
    if loaded.settings.in_memory:
        raise OperatorError(f"storage ({loaded.origin['storage']}): a registry in memory keeps no database")
    return loaded.settings


def _there(settings: Settings) -> None:
    """Raises `OperatorError` where no registry has its database: what does not exist is not behind."""
    path = sqlite_path(settings.database_url)
    try:
        if is_there(path):
            return
        if not path.parent.exists():
            reason = "there is no such folder; look at --data, or let registry serve make a new registry there"
        elif path.parent.is_dir():
            reason = f"it has no {path.name}; look at --data, or let registry serve make a new registry there"
        else:
            reason = "it is a file"
    except OSError as error:
        reason = error.strerror or str(error)
    raise OperatorError(f"no registry in the folder {path.parent}: {reason}")


def _table(revisions: "list[Current]") -> str:
    rows = [
        (entry.database, entry.revision or "none", "head" if _newest(entry) else "behind: run registry db upgrade")
        for entry in revisions
    ]
    names, numbers = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
    return "\n".join(f"{name:{names}}  {number:{numbers}}  ({state})" for name, number, state in rows)


def _json(revisions: "list[Current]") -> str:
    import json

    rows = [
        {"database": entry.database, "revision": entry.revision, "head": entry.head, "newest": _newest(entry)}
        for entry in revisions
    ]
    return json.dumps(rows, indent=2)


def _newest(entry: "Current") -> bool:
    return entry.revision == entry.head
