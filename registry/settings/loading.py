"""Settings from default, file, environment and flags, each judged, and where each came from."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from reprlib import Repr
from typing import TYPE_CHECKING

from pydantic import ValidationError

from registry.errors import OperatorError
from registry.settings.fields import Settings
from registry.settings.file import PATIENCE, read_bounded

if TYPE_CHECKING:
    import yaml

PREFIX = "REGISTRY_"
"""What the names of environment variables start with."""

# What Kubernetes tells every container of a namespace about a service `registry` or `registry-…`.
_KUBERNETES = re.compile(
    PREFIX
    + r"(?:\w+_)?(?:(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)=.*"
    r"|PORT=(?:tcp|udp|sctp)://.*)"
)
_CREDENTIALS = re.compile(r"(://).*@")
_FIRST = Repr()
_FIRST.maxlist = _FIRST.maxdict = 20
_FIRST.maxlevel = 3
_FIRST.maxstring = 1000

_NAMES = tuple(Settings.model_fields)
_LISTS = frozenset(name for name, field in Settings.model_fields.items() if isinstance(field.default, list))
_CONFIG = "config"

_NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and for each one where it came from."""

    settings: Settings
    origin: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Given:
    value: object
    origin: str


class _Sources:
    """What was given for each setting, from whoever counts least to whoever counts most, and what is wrong so far."""

    def __init__(self) -> None:
        self.given: dict[str, list[_Given]] = {}
        self.problems: list[str] = []

    def add(self, name: str, value: object, origin: str) -> None:
        self.given.setdefault(name, []).append(_Given(value, origin))

    def refuse(self, name: str, origin: str, reason: str) -> None:
        self.problems.append(f"{name} ({origin}): {reason}")


def load(flags: Mapping[str, object], environ: Mapping[str, str] = os.environ, *, patience: float = PATIENCE) -> Loaded:
    """Settings from default < file < environment < flag; a flag that is None was not given.

    The file is the flag `config` or REGISTRY_CONFIG; `patience`: seconds for a pipe to end. Every value is judged, also
    one that another outranks: it will count as soon as the other is gone. Raises `OperatorError`: one line for all that
    is wrong.
    """
    named, sources = _Sources(), _Sources()
    _from_environment(environ, named)
    _from_flags(flags, named)
    sources.problems = named.problems
    for file in named.given.pop(_CONFIG, [])[-1:]:
        _from_file(file, sources, patience)
    for name, entries in named.given.items():
        sources.given.setdefault(name, []).extend(entries)
    return _judged(sources)


def _judged(sources: _Sources) -> Loaded:
    """Raises `OperatorError`."""
    counting = {name: entries[-1] for name, entries in sources.given.items()}
    wrong: list[tuple[str, str]] = []
    settings = Settings()
    try:
        settings = Settings.model_validate({name: entry.value for name, entry in counting.items()})
    except ValidationError as error:
        wrong += _described(error, counting)
    for name, entries in sources.given.items():
        for outranked in entries[:-1]:
            try:
                Settings.model_validate({name: outranked.value})
            except ValidationError as error:
                wrong += _described(error, {name: outranked})
    if sources.problems or wrong:
        wrong.sort(key=lambda told: _NAMES.index(told[0]))
        raise OperatorError("; ".join([*sources.problems, *(problem for _, problem in wrong)]))
    return Loaded(settings, {name: counting[name].origin if name in counting else "default" for name in _NAMES})


def _from_flags(flags: Mapping[str, object], sources: _Sources) -> None:
    for name, value in flags.items():
        flag = ("--no-" if value is False else "--") + name.replace("_", "-")
        origin = f"flag {flag}"
        if name not in _NAMES and name != _CONFIG:
            sources.refuse(name, origin, f"unknown setting{_nearest(name)}")
        elif isinstance(value, list) and name not in _LISTS:
            if name == _CONFIG and len(value) > 1:
                sources.refuse(name, origin, f"was given {len(value)} times: one file is read")
            for each in value:
                sources.add(name, each, origin)
        elif value is not None:
            sources.add(name, value, origin)


def _from_environment(environ: Mapping[str, str], sources: _Sources) -> None:
    for variable, value in sorted(environ.items()):
        if not variable.startswith(PREFIX) or _KUBERNETES.fullmatch(f"{variable}={value}"):
            continue
        name = variable.removeprefix(PREFIX).lower()
        origin = f"environment {variable}"
        if variable != PREFIX + name.upper() or name not in (*_NAMES, _CONFIG):
            sources.refuse(name, origin, f"unknown setting{_nearest(name, PREFIX)}")
        elif name == _CONFIG and not value.strip():
            sources.refuse(name, origin, f"{value!r} is empty: leave it out to read no file")
        else:
            sources.add(name, value, origin)


def _from_file(file: _Given, sources: _Sources, patience: float) -> None:
    import yaml  # costs a tenth of the start and is rarely needed

    path = Path(str(file.value))
    try:
        loader = yaml.SafeLoader(read_bounded(path, patience))
        node = loader.get_single_node()
        if node is None or node.tag == _NULL:
            return
        if not isinstance(node, yaml.MappingNode):
            sources.problems.append(f"{path}: holds no mapping of settings to values, such as port: 5001")
            return
        for key, value in node.value:
            _from_line(loader, key, value, f"{path} line {key.start_mark.line + 1}", sources)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        sources.refuse(_CONFIG, file.origin, f"{_brief(str(file.value))}: {reason}")
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        sources.problems.append(f"{path}{line}: is not YAML: {error.problem}")
    except yaml.YAMLError as error:
        sources.problems.append(f"{path}: is not YAML: {' '.join(str(error).split())}")
    except RecursionError:
        sources.problems.append(f"{path}: is nested too deep")


def _from_line(loader: "yaml.SafeLoader", key: "yaml.Node", value: "yaml.Node", origin: str, sources: _Sources) -> None:
    name = str(key.value).replace("-", "_") if isinstance(key.value, str) else "?"
    shown = name if name.isidentifier() else _brief(name)
    if key.tag == _MERGE:
        sources.refuse(shown, origin, "merge keys are not read: write the settings themselves")
    elif name not in _NAMES:
        sources.refuse(shown, origin, f"unknown setting{_nearest(name)}")
    elif name in sources.given:
        sources.refuse(name, origin, f"was already set at {sources.given[name][0].origin}")
    else:
        try:
            sources.add(name, _constructed(loader, value), origin)
        except ValueError as error:
            sources.refuse(name, origin, str(error))


def _constructed(loader: "yaml.SafeLoader", node: "yaml.Node") -> object:
    """Raises `ValueError` for what is not what its tag says."""
    if node.tag == _NULL and not node.value:
        return ""  # a key without a value, which is no null
    try:
        return loader.construct_object(node, deep=True)
    except (ValueError, LookupError, AttributeError):
        if isinstance(node.value, str):  # a date that is none, perhaps: let the setting say what it wanted
            return node.value
        raise ValueError("holds a value that is not what its tag says") from None


def _described(error: ValidationError, given: Mapping[str, _Given]) -> Iterator[tuple[str, str]]:
    """For each problem the setting, and what the operator is told."""
    for problem in error.errors(include_url=False):
        name = str(problem["loc"][0])
        origin = given[name].origin if name in given else "default"
        reason = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
        reason = "is no whole number" if problem["type"] in ("int_parsing", "int_from_float") else reason
        value = given[name].value if name in given and len(problem["loc"]) == 1 else problem["input"]
        yield name, f"{name} ({origin}): {_brief(value)} {reason}"


def _brief(value: object) -> str:
    """A value as it may be shown: without user and password, and not long."""
    # Of lists in lists not all: one of a few lines may name itself so often that nothing could hold it.
    text = _CREDENTIALS.sub(r"\1***@", _FIRST.repr(value) if isinstance(value, list | dict) else repr(value))
    return text if len(text) <= 80 else text[:77] + "..."


def _nearest(name: str, prefix: str = "") -> str:
    from difflib import get_close_matches

    match = get_close_matches(name.lower(), _NAMES, 1)
    return f", did you mean {prefix + match[0].upper() if prefix else match[0]}?" if match else ""
