"""Flags made from the settings: one for each field, with its help and its default."""

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from registry.settings.fields import Settings
from registry.settings.secrets import SUFFIX
from registry.settings.sections import by_section, section_of
from registry.settings.sources import CONFIG
from registry.settings.units import Metavar
from registry.settings.values import shape_of

Command = TypeVar("Command", bound=Callable[..., None])

SOURCES = """
Each setting is also a key of the file (log_format: json) and an environment variable (REGISTRY_LOG_FORMAT=json).
A flag outranks the environment, the environment the file, and the file the default.
"""


def settings_flags(
    names: Iterable[str] | None = None, model: type[Settings] = Settings
) -> Callable[[Command], Command]:
    """Puts `--config` and a flag for each of these settings, by default all, in the place of a command's `**flags`."""

    def replace(command: Command) -> Command:
        signature = inspect.signature(command)
        own = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
        defaults = model().model_dump(mode="json")
        wanted = [name for section in by_section(model).values() for name in section] if names is None else names
        made = [made for name in wanted for made in _parameters(name, model, defaults[name])]
        command.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*own, _config(), *made]
        )
        return command

    return replace


def given(ctx: typer.Context, model: type[Settings] = Settings) -> dict[str, object]:
    """The settings, and the file, that the command line names: texts in the order given, or whether it is so."""
    flags = {}
    for name, value in ctx.params.items():
        source = ctx.get_parameter_source(name)
        if name in {CONFIG, *model.model_fields, *shape_of(model).flags} and source and source.name == "COMMANDLINE":
            flags[name] = value
    return flags


def _config() -> inspect.Parameter:
    option = typer.Option(None, metavar="FILE", help="YAML file to read settings from; or REGISTRY_CONFIG.")
    return _keyword(CONFIG, option, list[str])


def _parameters(name: str, model: type[Settings], default: object) -> list[inspect.Parameter]:
    """Values stay text, and all that are given are kept: `load` judges them, alike for every source."""
    field, shape = model.model_fields[name], shape_of(model)
    text, panel = (field.description or "").replace("[", r"\["), section_of(name, field).value
    if name in shape.records:
        return [_refused(name)]
    if name in shape.secrets:
        option = typer.Option(None, metavar="FILE", help=f"{text} Read from this file.", rich_help_panel=panel)
        return [_keyword(f"{name}{SUFFIX}", option, list[str]), _refused(name)]
    choices = [str(choice) for choice in get_args(field.annotation)] if get_origin(field.annotation) is Literal else []
    annotation: Any = list[str]
    if field.annotation is bool:
        annotation = bool
    elif default is not None and not isinstance(default, list):
        default = [str(default)]
    option = typer.Option(
        default,
        metavar="" if annotation is bool else _metavar(field, choices),
        help=text,
        rich_help_panel=panel,
        autocompletion=(lambda: choices) if choices else None,
    )
    return [_keyword(name, option, annotation)]


def _refused(name: str) -> inspect.Parameter:
    """What is no flag, and not offered as one, but told of by `load` as what it is."""
    return _keyword(name, typer.Option(None, hidden=True), list[str])


def _keyword(name: str, option: Any, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=annotation)


def _metavar(field: FieldInfo, choices: list[str]) -> str:
    marks = [mark.text for mark in field.metadata if isinstance(mark, Metavar)]
    if choices:
        return "|".join(choices)
    if marks:
        return marks[0]
    if field.annotation is Path:
        return "PATH"
    return "NUMBER" if int in {field.annotation, *get_args(field.annotation)} else "TEXT"
