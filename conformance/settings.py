"""What the user says of a run: options, environment variables and those of the official suite, made one thing."""

import argparse
import fnmatch
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeVar
from urllib.parse import urlsplit

from conformance import official
from conformance.client.registry import Target
from conformance.model import Case, Category, Level

PREFIX = "REGISTRY_CONFORMANCE_"

AnyCase = TypeVar("AnyCase", bound=Case)

BEHAVIOURS = {
    "async-delete": "what was deleted may be seen a while longer",
    "sparse": "manifests whose parts are missing are accepted, and must be",
}
"""What the specification leaves to the operator, by the name that `--allow` has for it."""

READ_ONLY = "read_only/"
"""The cases that need no push."""


class SettingsInvalid(ValueError):
    """What the user said cannot be understood; told as one line, exit status 2."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option: `name` as on the command line, without the dashes. `kind` is text, flag, list, number or seconds."""

    name: str
    help: str
    kind: str = "text"
    metavar: str = ""
    choices: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        return PREFIX + self.key.upper()


LEVELS = tuple(level.value for level in Level)
CATEGORIES = (*(category.value for category in Category), "all")

OPTIONS = (
    Option("level", "version of the specification: 1.0, 1.1 (default) or dev", choices=LEVELS),
    Option("user", "user to log in as", metavar="NAME"),
    Option("password", "the user's password; better given by its variable", metavar="TEXT"),
    Option("token", "bearer token to send with every request", metavar="TEXT"),
    Option("insecure", "do not check the server's certificate", "flag"),
    Option("category", "only this category; may be repeated (default: all but interop and docker)", "list",
           "NAME", CATEGORIES),
    Option("only", "only cases whose id matches this pattern, or contains this text; may be repeated", "list",
           "PATTERN"),
    Option("repository", "where to push (default conformance/a); each case adds a part of its own", metavar="NAME"),
    Option("second-repository", "where blobs are mounted from (default conformance/b)", metavar="NAME"),
    Option("fixed-repositories", "push to exactly these repositories, one case at a time", "flag"),
    Option("read-only", "push nothing: only cases that look at --image", "flag"),
    Option("image", "what is already there, for --read-only", metavar="NAME:TAG"),
    Option("allow", "what the operator has chosen: async-delete, sparse; may be repeated", "list", "BEHAVIOUR",
           tuple(BEHAVIOURS)),
    Option("jobs", "cases at a time (default 4)", "number", "N"),
    Option("timeout", "seconds that one case may take (default 30)", "seconds", "SECONDS"),
    Option("seed", "what the content pushed is made from (default: another one each time)", "number", "N"),
    Option("strict", "warnings are failures", "flag"),
    Option("report-dir", "write all reports into this folder", metavar="FOLDER"),
    Option("junit", "write a JUnit report", metavar="FILE"),
    Option("json", "write a JSON report", metavar="FILE"),
    Option("html", "write an HTML report", metavar="FILE"),
    Option("badge", "write a badge (SVG)", metavar="FILE"),
)  # fmt: skip
"""Every option that a variable can say too."""

REPORTS = {
    "junit": "junit.xml",
    "json": "report.json",
    "html": "report.html",
    "badge": "badge.svg",
}
"""The files in `--report-dir`."""


@dataclass(frozen=True)
class Settings:
    """A run, ready to be started."""

    target: Target
    categories: frozenset[Category]
    only: tuple[str, ...] = ()
    jobs: int = 4
    strict: bool = False
    reports: dict[str, Path] = field(default_factory=dict)
    wishes: official.Wishes = field(default_factory=official.Wishes)

    def selected(self, cases: Sequence[AnyCase]) -> list[AnyCase]:
        """The cases that are asked for, in their order."""
        return [
            case
            for case in cases
            if case.category in self.categories
            and (self.target.level.includes(case.since) or self.wishes.asked(case))
            and matches(case.id, self.only)
            and self.wishes.filtered(case)
        ]

    def disabled(self, case: Case) -> str:
        """Why a case that was selected is not to run; empty if it is."""
        if self.target.read_only and not case.id.startswith(READ_ONLY):
            return "it pushes, and the run is read-only"
        return self.wishes.disabled(case)


def add_options(parser: argparse.ArgumentParser, options: Sequence[Option] = OPTIONS) -> None:
    for option in options:
        told = f"{option.help} [{option.variable}]"
        match option.kind:
            case "flag":
                parser.add_argument(f"--{option.name}", action="store_const", const="true", help=told)
            case "list":
                parser.add_argument(f"--{option.name}", action="append", metavar=option.metavar, help=told)
            case _:
                parser.add_argument(f"--{option.name}", metavar=option.metavar or None, help=told)


def read(
    flags: Mapping[str, object], environ: Mapping[str, str], options: Sequence[Option] = OPTIONS
) -> dict[str, list[str]]:
    """What was said of each option, flags before variables; nothing where nothing was said."""
    said: dict[str, list[str]] = {}
    for option in options:
        value = flags.get(option.key)
        if isinstance(value, list):
            words = [str(word) for word in value]
        elif value is not None:
            words = [str(value)]
        else:
            text = environ.get(option.variable, "")
            words = text.replace(",", " ").split() if option.kind == "list" else [text] if text else []
        if option.kind == "list":
            words = [word for part in words for word in part.split(",") if word]
        for word in words:
            if option.choices and word not in option.choices:
                source = f"--{option.name}" if value is not None else option.variable
                raise SettingsInvalid(f"{source}: {word!r} is none of {', '.join(option.choices)}")
        if words:
            said[option.key] = words
    return said


def load(flags: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """Flags go before variables of ours, these before those of the official suite. Raises `SettingsInvalid`."""
    try:
        wishes = official.read(environ)
        said = read(flags, environ)
    except official.VariableInvalid as error:
        raise SettingsInvalid(str(error)) from None

    def text(key: str, default: str = "") -> str:
        return said[key][0] if key in said else wishes.values.get(key, default)

    address, login = url_and_login(str(flags.get("url") or environ.get(f"{PREFIX}URL") or wishes.values.get("url", "")))
    names = {key: text(key) for key in ("repository", "second_repository") if text(key)}
    level = Level(text("level", Level.V1_1.value))
    fixed = flag(text("fixed_repositories"), "fixed-repositories")
    target = Target(
        url=address,
        level=level,
        repository=names.get("repository", Target.repository),
        second=names.get("second_repository", Target.second),
        fixed=fixed,
        user=text("user", login[0]),
        password=text("password", login[1]),
        token=text("token"),
        insecure=flag(text("insecure"), "insecure"),
        read_only=flag(text("read_only"), "read-only"),
        image=text("image"),
        allow=frozenset(said.get("allow", [])) | frozenset(wishes.allow),
        seed=whole(text("seed"), "seed", 0, 2**63) if text("seed") else secrets.randbits(32),
        timeout=seconds(text("timeout", "30"), "timeout"),
    )
    if target.image and not any(mark in target.image.rpartition("/")[2] for mark in ":@"):
        raise SettingsInvalid(f"--image: {target.image!r} is not NAME:TAG or NAME@DIGEST")
    if target.read_only and not target.image:
        raise SettingsInvalid("read-only, but of which image? --image NAME:TAG, or OCI_RO_DATA_TAGS, says it")
    reports = {kind: Path(text("report_dir")) / name for kind, name in REPORTS.items() if text("report_dir")}
    reports |= {kind: Path(text(kind)) for kind in REPORTS if text(kind)}
    categories = {Category(word) for word in said.get("category", []) if word != "all"} or wishes.categories
    if "all" in said.get("category", []):
        categories = set(Category)
    return Settings(
        target=target,
        categories=frozenset(categories or {category for category in Category if category.by_default}),
        only=tuple(said.get("only", [])),
        jobs=whole(text("jobs", "1" if fixed else "4"), "jobs", 1, 256),
        strict=flag(text("strict"), "strict"),
        reports=reports,
        wishes=wishes,
    )


def matches(identity: str, patterns: Sequence[str]) -> bool:
    """Whether an id is asked for: a pattern with `*` or `?` must match all of it, other text may stand anywhere."""
    return not patterns or any(
        fnmatch.fnmatchcase(identity, pattern.replace("[", "[[]")) if set(pattern) & set("*?") else pattern in identity
        for pattern in patterns
    )


def url_and_login(text: str) -> tuple[str, tuple[str, str]]:
    """The registry's base URL without user and slash, and the login that stood in it. Raises `SettingsInvalid`."""
    if not text:
        raise SettingsInvalid(f"which registry? give its URL, such as http://localhost:5000, or set {PREFIX}URL")
    if "://" not in text:
        raise SettingsInvalid(f"{text!r} has no scheme: say http://{text} or https://{text}")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise SettingsInvalid(f"{text!r} is not a URL: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise SettingsInvalid(f"{text!r}: the scheme must be http or https")
    if not host or any(letter.isspace() or not letter.isprintable() for letter in text):
        raise SettingsInvalid(f"{text!r} is not a URL: there is no host in it")
    if parts.path.rstrip("/") not in ("", "/v2") or parts.query or parts.fragment:
        raise SettingsInvalid(f"{text!r}: only scheme, host and port are expected; the API is at /v2/")
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}", (parts.username or "", parts.password or "")


def flag(text: str, name: str) -> bool:
    if text not in official.TRUE | official.FALSE | {""}:
        raise SettingsInvalid(f"--{name}: {text!r} is neither true nor false")
    return text in official.TRUE


def whole(text: str, name: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 20 or not least <= int(text) <= most:
        raise SettingsInvalid(f"--{name}: {text!r} is not a whole number from {least} to {most}")
    return int(text)


def seconds(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 86_400:
        fail(f"--{name}: {text!r} is not a number of seconds above 0, up to a day")
    return value


def fail(message: str) -> NoReturn:
    raise SettingsInvalid(message)
