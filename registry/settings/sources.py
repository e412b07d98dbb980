"""What was given for each setting, and by whom, before it is judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from registry.settings.values import Shape

CONFIG = "config"
"""Given as a setting is, but none: the file of settings."""

Place = tuple[int | str, ...]
"""Where a value stands: the name of the setting, the number of the record in it, the key in that one."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value, and where it came from."""

    value: object = field(repr=False)
    origin: str
    file: str = ""
    lines: Mapping[Place, int] = field(default_factory=dict)
    """Of records: where in the file each value in them stands."""

    def known(self, place: Place) -> Place:
        """This place, or the innermost one around it that has a line."""
        while len(place) > 1 and place not in self.lines:
            place = place[:-1]
        return place

    def origin_of(self, place: Place) -> str:
        line = self.lines.get(self.known(place))
        return self.origin if line is None else f"{self.file} line {line}"


class Sources:
    """What was given for each setting, from whoever counts least to whoever counts most, and what is wrong so far."""

    def __init__(self, shape: Shape, patience: float) -> None:
        self.shape = shape
        self.patience = patience
        """Seconds that a pipe has until its end."""
        self.given: dict[str, list[Given]] = {}
        self.problems: list[str] = []

    def add(self, name: str, given: Given) -> None:
        self.given.setdefault(name, []).append(given)

    def refuse(self, name: str, origin: str, reason: str) -> None:
        self.problems.append(f"{name} ({origin}): {reason}")
