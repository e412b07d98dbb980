"""Flags made from the settings: one for each field, with its help and its default."""

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from registry.settings.fields import Settings
from registry.settings.sections import section_of
from registry.settings.units import Metavar

Command = TypeVar("Command", bound=Callable[..., None])

SOURCES = """
Each setting is also a key of the file (log_format: json) and an environment variable (REGISTRY_LOG_FORMAT=json).
A flag outranks the environment, the environment the file, and the file the default.
"""


def settings_flags(names: Iterable[str] = Settings.model_fields) -> Callable[[Command], Command]:
    """Puts `--config` and a flag for each of these settings in the place of a command's `**flags`."""

    def replace(command: Command) -> Command:
        signature = inspect.signature(command)
        own = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
        defaults = Settings().model_dump(mode="json")
        made = [_parameter(name, Settings.model_fields[name], defaults[name]) for name in names]
        command.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*own, _config(), *made]
        )
        return command

    return replace


def given(ctx: typer.Context) -> dict[str, object]:
    """The settings, and the file, that the command line names: texts in the order given, or whether it is so."""
    flags = {}
    for name, value in ctx.params.items():
        source = ctx.get_parameter_source(name)
        if name in {"config", *Settings.model_fields} and source is not None and source.name == "COMMANDLINE":
            flags[name] = value
    return flags


def _config() -> inspect.Parameter:
    option = typer.Option(None, metavar="FILE", help="YAML file to read settings from; or REGISTRY_CONFIG.")
    return inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, default=option, annotation=list[str])


def _parameter(name: str, field: FieldInfo, default: object) -> inspect.Parameter:
    """Values stay text, and all that are given are kept: `config.load` judges them, alike for every source."""
    choices = [str(choice) for choice in get_args(field.annotation)] if get_origin(field.annotation) is Literal else []
    annotation: Any = list[str]
    if field.annotation is bool:
        annotation = bool
    elif default is not None and not isinstance(default, list):
        default = [str(default)]
    option = typer.Option(
        default,
        metavar="" if annotation is bool else _metavar(field, choices),
        help=(field.description or "").replace("[", r"\["),
        rich_help_panel=section_of(name, field).value,
        autocompletion=(lambda: choices) if choices else None,
    )
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
