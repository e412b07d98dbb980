"""`registry config`: what the settings are and where they come from."""

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated

import typer

from registry.cli.flags import SOURCES, given, settings_flags
from registry.settings.loading import Loaded, load
from registry.settings.secrets import SUFFIX, is_masked
from registry.settings.sections import by_section

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
    print(shown(load(given(ctx)), form))


def shown(loaded: Loaded, form: Format) -> str:
    """The settings as text, in the order of their sections, with a mask in place of every secret."""
    match form:
        case Format.TEXT:
            return _table(loaded)
        case Format.JSON:
            return _json(loaded)
        case Format.YAML:
            return _yaml(loaded)


def _sections(loaded: Loaded) -> Iterator[tuple[str, list[tuple[str, object]]]]:
    """The title of each, and the names and values in it."""
    values = loaded.settings.effective()
    for section, names in by_section(type(loaded.settings)).items():
        yield section.value, [(name, values[name]) for name in names]


def _table(loaded: Loaded) -> str:
    rows = {
        title: [(name, _text(value), loaded.origin[name]) for name, value in entries]
        for title, entries in _sections(loaded)
    }
    names, values = (max(len(row[column]) for section in rows.values() for row in section) for column in (0, 1))
    return _headed(
        {
            title: [f"{name:{names}}  {value:{values}}  {origin}" for name, value, origin in section]
            for title, section in rows.items()
        }
    )


def _headed(sections: Mapping[str, list[str]]) -> str:
    """A heading is a comment, in YAML and for whoever looks for the line of a setting."""
    return "\n\n".join("\n".join([f"# {title}", *lines]) for title, lines in sections.items())


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case None | []:
            return "-"
        case [dict(), *_] | dict():
            return json.dumps(value, ensure_ascii=False)
        case list():
            return ",".join(str(entry) for entry in value)
        case _:
            return str(value)


def _json(loaded: Loaded) -> str:
    entries = [entry for _, section in _sections(loaded) for entry in section]
    return json.dumps({name: {"value": value, "origin": loaded.origin[name]} for name, value in entries}, indent=2)


def _yaml(loaded: Loaded) -> str:
    return _headed({title: [_line(loaded, *entry) for entry in entries] for title, entries in _sections(loaded)})


def _line(loaded: Loaded, name: str, value: object) -> str:
    """A value in JSON is one in YAML, on one line, which leaves room for the origin.

    What follows from other settings, or from the machine, goes on doing so where this is read as a file: it is a
    comment, as is what is not shown."""
    key, path = name, loaded.files.get(name)
    if path:
        key, value = f"{name}{SUFFIX}", path
    text = json.dumps(value, ensure_ascii=False)
    absent = not path and (getattr(loaded.settings, name) is None or is_masked(text))
    return f"{'# ' if absent else ''}{key}: {text}  # {loaded.origin[name]}"
