"""What a registry is judged by: `requirements.toml`, read once, and found by id."""

import re
import tomllib
from difflib import SequenceMatcher
from importlib.resources import files

from conformance.model import Duty, Level, Requirement

_TABLES = tomllib.loads(files("conformance").joinpath("requirements.toml").read_text("utf-8"))

REQUIREMENTS: dict[str, Requirement] = {
    identity: Requirement(
        id=identity,
        duty=Duty(table["duty"]),
        since=Level(table["since"]),
        section=table["section"],
        text=table["text"],
        observable=table.get("observable", True),
    )
    for identity, table in _TABLES.items()
}

UNOBSERVABLE: dict[str, str] = {
    identity: table["why"] for identity, table in _TABLES.items() if not REQUIREMENTS[identity].observable
}
"""Why nobody can judge by these from outside, by id."""


class RequirementUnknown(LookupError):
    """An id that no requirement has; names the one that comes nearest."""

    def __init__(self, identity: str) -> None:
        nearest = max(REQUIREMENTS, key=lambda known: _likeness(identity.upper(), known))
        super().__init__(f"there is no requirement {identity}; the nearest is {nearest}")
        self.nearest = nearest


def find(identity: str) -> Requirement:
    try:
        return REQUIREMENTS[identity]
    except KeyError:
        raise RequirementUnknown(identity) from None


def _likeness(wanted: str, known: str) -> tuple[float, int]:
    """How alike two ids are: their letters first, and among equals their numbers."""
    letters = SequenceMatcher(None, re.sub("[0-9]", "", wanted), re.sub("[0-9]", "", known))
    return letters.ratio(), -abs(_number(wanted) - _number(known))


def _number(identity: str) -> int:
    return int("".join(re.findall("[0-9]", identity))[:9] or 0)
