"""`registry config`: what the settings are and where they come from."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from registry.cli.flags import SOURCES, given, settings_flags
from registry.settings.loading import Loaded, load

EXAMPLES = """
Examples:

registry config show --config registry.yaml --port 5001

registry config show --format json

registry config show --data /srv/registry --format yaml > registry.yaml
"""

app = typer.Typer(name="config", add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


class Format(StrEnum):
    """How the settings are printed; `yaml` can be read back as a file."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


@app.callback(epilog=EXAMPLES)
def config() -> None:
    """Show the settings and where they come from."""


@app.command(epilog=SOURCES + EXAMPLES)
@settings_flags()
def show(
    ctx: typer.Context,
    form: Annotated[Format, typer.Option("--format", help="Form of the output.")] = Format.TEXT,
    **flags: object,
) -> None:
    """Print each setting that would be in force, and where it came from."""
    loaded = load(given(ctx))
    match form:
        case Format.TEXT:
            print(_table(loaded))
        case Format.JSON:
            print(_json(loaded))
        case Format.YAML:
            print(_yaml(loaded))


def _table(loaded: Loaded) -> str:
    rows = [(name, _text(value), loaded.origin[name]) for name, value in loaded.settings.effective().items()]
    names, values = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"{name:{names}}  {value:{values}}  {origin}" for name, value, origin in rows)


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case None | []:
            return "-"
        case list():
            return ",".join(str(entry) for entry in value)
        case _:
            return str(value)


def _json(loaded: Loaded) -> str:
    shown = loaded.settings.effective().items()
    return json.dumps({name: {"value": value, "origin": loaded.origin[name]} for name, value in shown}, indent=2)


def _yaml(loaded: Loaded) -> str:
    # A value in JSON is one in YAML, on one line, which leaves room for the origin. What follows from other settings,
    # or from the machine, goes on doing so where this is read as a file.
    fixed = loaded.settings.model_dump()
    return "\n".join(
        f"{'# ' if fixed[name] is None else ''}{name}: {json.dumps(value, ensure_ascii=False)}  # {loaded.origin[name]}"
        for name, value in loaded.settings.effective().items()
    )
