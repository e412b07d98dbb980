"""Settings from default, file, environment and flags, each judged, and where each came from."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from registry.errors import OperatorError
from registry.settings.fields import Settings
from registry.settings.file import PATIENCE
from registry.settings.messages import described, nearest
from registry.settings.secrets import SecretFile
from registry.settings.sources import CONFIG, Given, Sources
from registry.settings.values import Shape, shape_of

PREFIX = "REGISTRY_"
"""What the names of environment variables start with."""

# What Kubernetes tells every container of a namespace about a service `registry` or `registry-…`.
_KUBERNETES = re.compile(
    PREFIX
    + r"(?:\w+_)?(?:(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)=.*"
    r"|PORT=(?:tcp|udp|sctp)://.*)"
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and for each one where it came from."""

    settings: Settings
    origin: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)
    """Of secrets that came from one: its path."""


def load(
    flags: Mapping[str, object],
    environ: Mapping[str, str] = os.environ,
    *,
    patience: float = PATIENCE,
    model: type[Settings] = Settings,
) -> Loaded:
    """Settings from default < file < environment < flag; a flag that is None was not given.

    The file is the flag `config` or REGISTRY_CONFIG; `patience`: seconds for a pipe to end. Every value is judged, also
    one that another outranks: it will count as soon as the other is gone. Raises `OperatorError`: one line for all that
    is wrong.
    """
    shape = shape_of(model)
    named, sources = Sources(shape, patience), Sources(shape, patience)
    _from_environment(environ, named)
    _from_flags(flags, named)
    sources.problems = named.problems
    for file in named.given.pop(CONFIG, [])[-1:]:
        from registry.settings.document import from_file  # YAML is a tenth of the start

        from_file(file, sources)
    for name, entries in named.given.items():
        sources.given.setdefault(name, []).extend(entries)
    return _judged(sources, model)


def _judged(sources: Sources, model: type[Settings]) -> Loaded:
    """Raises `OperatorError`."""
    names = sources.shape.names
    counting = {name: entries[-1] for name, entries in sources.given.items()}
    wrong: list[tuple[str, str]] = []
    settings = model()
    try:
        settings = model.model_validate({name: entry.value for name, entry in counting.items()})
    except ValidationError as error:
        wrong += described(error, counting, model)
    for name, entries in sources.given.items():
        for outranked in entries[:-1]:
            if isinstance(outranked.value, SecretFile) and outranked.value.path.strip():
                continue  # As with a file of settings that another took the place of: it is not opened.
            try:
                model.model_validate({name: outranked.value})
            except ValidationError as error:
                wrong += described(error, {name: outranked}, model)
    if sources.problems or wrong:
        wrong.sort(key=lambda told: names.index(told[0]))
        raise OperatorError("; ".join([*sources.problems, *(problem for _, problem in wrong)]))
    return Loaded(
        settings,
        {name: counting[name].origin if name in counting else "default" for name in names},
        {name: entry.value.path for name, entry in counting.items() if isinstance(entry.value, SecretFile)},
    )


def _from_flags(flags: Mapping[str, object], sources: Sources) -> None:
    shape = sources.shape
    for written, value in flags.items():
        name = shape.secret_of(written) or written
        flag = ("--no-" if value is False else "--") + written.replace("_", "-")
        origin = f"flag {flag}"
        if written not in (*shape.flags, CONFIG):
            sources.refuse(written, origin, _no_flag(written, shape))
        elif value is not None:
            entries = value if isinstance(value, list) and name not in shape.lists else [value]
            if name == CONFIG and len(entries) > 1:
                sources.refuse(name, origin, f"was given {len(entries)} times: one file is read")
            for each in entries:
                sources.add(name, Given(SecretFile(str(each), sources.patience) if name != written else each, origin))


def _no_flag(name: str, shape: Shape) -> str:
    if name in shape.secrets:
        return f"everybody sees a command line: give --{name.replace('_', '-')}-file, or the variable or key of it"
    if name in shape.records:
        return "is a list of records, which only the file can hold"
    return f"unknown setting{nearest(name, shape.flags)}"


def _from_environment(environ: Mapping[str, str], sources: Sources) -> None:
    shape = sources.shape
    for variable, value in sorted(environ.items()):
        if not variable.startswith(PREFIX) or _KUBERNETES.fullmatch(f"{variable}={value}"):
            continue
        written = variable.removeprefix(PREFIX).lower()
        origin = f"environment {variable}"
        secret = shape.secret_of(written)
        name = secret or written
        if variable != PREFIX + written.upper() or written not in (*shape.keys, CONFIG):
            sources.refuse(written, origin, f"unknown setting{nearest(written, shape.variables, PREFIX)}")
        elif name in shape.records:
            sources.refuse(name, origin, "is a list of records, which only the file can hold")
        elif name == CONFIG and not value.strip():
            sources.refuse(name, origin, f"{value!r} is empty: leave it out to read no file")
        elif secret and PREFIX + secret.upper() in environ:
            sources.refuse(secret, origin, f"{PREFIX}{secret.upper()} is set as well: one of the two")
        else:
            sources.add(name, Given(SecretFile(value, sources.patience) if secret else value, origin))
