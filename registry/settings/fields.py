"""Settings: one list of fields, from which flags, environment, file, `config show` and the documentation derive."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from reprlib import Repr
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote, unquote

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from registry.errors import OperatorError
from registry.settings.file import PATIENCE, read_bounded
from registry.settings.units import (
    DAY,
    SECOND,
    Duration,
    MediaType,
    Metavar,
    Network,
    Origin,
    Size,
    any_origin_alone,
    between,
    listed,
    positive,
)

if TYPE_CHECKING:
    import yaml

PREFIX = "REGISTRY_"
"""What the names of environment variables start with."""

MEMORY = "memory:"
"""The storage URL of a registry that forgets everything when it stops."""


_PUBLIC_URL = re.compile(
    r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<prefix>(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*)/?"
)
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


def _plain(path: str) -> bool:
    """Whether this is the path of a URL and nothing more."""
    return bool(path) and not set(path) & set("?#") and unquote(path).isprintable()


class Settings(BaseModel):
    """Everything an operator can set. `load` reads file and environment; made directly it is made from values alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 or :: for every one.")
    port: int = Field(default=5000, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    data: Path = Field(default=Path("registry-data"), description="Folder for everything that is kept.")
    storage: Annotated[str | None, Metavar("URL")] = Field(
        default=None,
        description="Where blobs are kept: file:///PATH, or memory:. By default the folder blobs in the data folder.",
    )
    database: Annotated[str | None, Metavar("URL")] = Field(
        default=None,
        description="Where facts are kept: sqlite:////PATH, and open uploads beside. "
        "By default registry.db in the data folder.",
    )
    workers: int | None = Field(
        default=None, ge=1, le=64, description="Processes that serve. By default one for each core, at most 4."
    )
    log_format: Literal["text", "json"] = Field(default="text", description="Form of the log.")
    log_requests: bool = Field(default=True, description="Log a line for each request.")
    read_only: bool = Field(default=False, description="Refuse everything that would change the registry.")
    delete: bool = Field(default=True, description="Let clients delete tags, manifests and blobs.")
    public_url: Annotated[str | None, Metavar("URL")] = Field(
        default=None,
        description="URL that clients reach the registry by, prefix included. By default the one they used.",
    )
    trusted_proxy: Annotated[list[Network], BeforeValidator(listed), Metavar("NETWORK")] = Field(
        default=[], description="Network of proxies whose X-Forwarded-… headers count; repeatable."
    )
    cors_origins: Annotated[
        list[Origin], BeforeValidator(listed), AfterValidator(any_origin_alone), Metavar("ORIGIN")
    ] = Field(
        default=[],
        description="Origin of web pages that may use the registry from a browser, or * for all; repeatable.",
    )
    upload_expiry: Annotated[Duration, AfterValidator(positive)] = Field(
        default=DAY, description="How long an upload may rest before it is dropped."
    )
    manifest_limit: Annotated[Size, between(1 << 10, 64 << 20)] = Field(
        default=4 << 20, description="Largest manifest accepted: 1KiB to 64MiB."
    )
    small_blob: Annotated[Size, between(0, 1 << 20)] = Field(
        default=16 << 10, description="Largest blob that is kept in the database instead of in storage: 0 to 1MiB."
    )
    answer_memory: Annotated[Size, between(0, 1 << 30)] = Field(
        default=16 << 20,
        description="Memory of each worker for answers kept until the registry changes: 0 to 1GiB.",
    )
    manifest_types: Annotated[list[MediaType], BeforeValidator(listed), Metavar("MEDIA-TYPE")] = Field(
        default=[], description="Media type of manifests accepted besides the built-in ones; repeatable."
    )
    sparse: bool = Field(
        default=True, description="Accept manifests whose blobs or children are not in the repository."
    )
    page_limit: int = Field(
        default=10000, ge=1, le=100000, description="Most entries in one page of tags or catalogue."
    )
    drain_timeout: Duration = Field(
        default=30 * SECOND, description="How long running requests may take after SIGTERM."
    )
    body_timeout: Annotated[Duration, AfterValidator(positive)] = Field(
        default=300 * SECOND, description="How long to wait for more bytes of a request body."
    )
    send_timeout: Annotated[Duration, AfterValidator(positive)] = Field(
        default=60 * SECOND, description="How long to wait for a client to take bytes of an answer."
    )

    @field_validator("*", mode="before")
    @classmethod
    def _sane(cls, value: object, info: ValidationInfo) -> object:
        if value is None and cls.model_fields[str(info.field_name)].default is not None:
            raise ValueError("is nothing: leave it out to have the default")
        if isinstance(value, str) and not value.strip():
            raise ValueError("is empty: leave it out to have the default")
        if isinstance(value, str | Path) and not str(value).isprintable():
            raise ValueError("holds characters that cannot be printed")
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("is true or false where a value is needed")
        return value

    @field_validator("storage")
    @classmethod
    def _storage_supported(cls, value: str | None) -> str | None:
        if value is not None and value != MEMORY:
            scheme, _, path = value.partition("://")
            if scheme != "file":
                raise ValueError("is not a storage supported: file:///PATH and memory: are")
            if not path.startswith("/") or not _plain(path):
                raise ValueError("must be file:/// and an absolute path, with %3F for ? and %23 for #")
        return value

    @field_validator("database")
    @classmethod
    def _database_supported(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            if info.data.get("storage") == MEMORY:
                raise ValueError("would outlive the blobs that it describes: storage is memory:")
            scheme, _, path = value.partition(":///")
            if scheme != "sqlite":
                raise ValueError("is not a database supported: sqlite:////PATH is")
            if not _plain(path) or path == ":memory:":
                raise ValueError("must be sqlite:/// and the path of a file, with %3F for ? and %23 for #")
            if not path.startswith("/"):
                raise ValueError(f"is relative: sqlite:////{path} is the absolute path, with four slashes")
            if Path(unquote(path)).name == "uploads.db":
                raise ValueError("has the name of the file that keeps open uploads")
        return value

    @field_validator("workers")
    @classmethod
    def _workers_share(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and value > 1 and info.data.get("storage") == MEMORY:
            raise ValueError("must be 1: with storage memory: workers would not see each other's blobs")
        return value

    @field_validator("public_url")
    @classmethod
    def _public_url_plain(cls, value: str | None) -> str | None:
        if value is None:
            return None
        match = _PUBLIC_URL.fullmatch(value)
        if match is None or not 0 < int(match["port"] or 1) < 65536:
            raise ValueError("must be http(s)://HOST, HOST:PORT or either with /PREFIX, and nothing more")
        if f"{match['prefix']}/".startswith("/v2/"):
            raise ValueError("must not end in /v2: that is added to it")
        return value.removesuffix("/")

    @property
    def storage_url(self) -> str:
        """`memory:` or an absolute `file://` URL, percent-encoded."""
        if self.storage == MEMORY:
            return MEMORY
        path = self.data / "blobs" if self.storage is None else Path(unquote(self.storage.removeprefix("file://")))
        return path.absolute().as_uri()

    @property
    def database_url(self) -> str:
        """An absolute `sqlite:///` URL, percent-encoded; for `memory:` the server makes `data` a temporary one."""
        return self._beside_database(None)

    @property
    def uploads_url(self) -> str:
        """The same for the database of open uploads, `uploads.db` beside the other one."""
        return self._beside_database("uploads.db")

    def _beside_database(self, name: str | None) -> str:
        given = self.database and Path(unquote(self.database.removeprefix("sqlite:///")))
        path = (given or self.data / "registry.db").absolute()
        return "sqlite:///" + quote(str(path.with_name(name) if name else path))

    @property
    def worker_count(self) -> int:
        """How many processes serve."""
        if self.storage == MEMORY:
            return 1
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return self.workers or min(usable or 1, 4)

    @property
    def prefix(self) -> str:
        """The path of `public_url`: empty or `/prefix`."""
        match = _PUBLIC_URL.fullmatch(self.public_url or "")
        return match["prefix"] if match else ""

    def effective(self) -> dict[str, object]:
        """Every setting as it would stand in a file, what was left to the registry as it was decided."""
        shown = self.model_dump(mode="json")
        shown["storage"] = self.storage_url
        shown["workers"] = self.worker_count
        if self.storage != MEMORY:
            shown["database"] = self.database_url
        return shown


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
