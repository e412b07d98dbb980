"""What the kit speaks of: requirements, cases, exchanges, results. Plain values, from which every report is made."""

from dataclasses import dataclass, field
from enum import Enum


class Level(Enum):
    """A version of the specification, oldest first."""

    V1_0 = "1.0"
    V1_1 = "1.1"
    DEV = "dev"

    def includes(self, other: "Level") -> bool:
        """Whether what `other` asks is asked at this level too."""
        order = list(Level)
        return order.index(other) <= order.index(self)


class Duty(Enum):
    """How strictly a requirement is meant (RFC 2119)."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


class Category(Enum):
    """The four workflows of the specification, and two of our own that are off unless asked for."""

    PULL = "pull"
    PUSH = "push"
    DISCOVERY = "discovery"
    MANAGEMENT = "management"
    INTEROP = "interop"
    DOCKER = "docker"

    @property
    def by_default(self) -> bool:
        return self not in (Category.INTEROP, Category.DOCKER)


class Subject(Enum):
    """What a run was about."""

    REGISTRY = "registry"
    DRIVER = "storage driver"

    @property
    def title(self) -> str:
        """What was tested, as a heading says it."""
        return "OCI conformance" if self is Subject.REGISTRY else "Storage driver"


class Outcome(Enum):
    """How a case ended. `BROKEN`: the kit could not judge."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    DISABLED = "disabled"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Requirement:
    """A sentence of the specification in our words. `section` is its heading there."""

    id: str
    duty: Duty
    since: Level
    section: str
    text: str
    observable: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to find out. `id` is `<group>/<name>`, with `[variant]` where it has variants.

    `requirements` are the ids it judges by, the most important first; `official` names the tests of the official
    suite that ask the same. A case of duty SHOULD that fails is a warning."""

    id: str
    title: str
    category: Category
    since: Level
    duty: Duty
    requirements: tuple[str, ...]
    official: tuple[str, ...]
    api: str
    data: str


@dataclass(frozen=True, slots=True)
class Message:
    """One half of an exchange. `body` is its first bytes, `size` how many bytes it had; None: unknown."""

    headers: tuple[tuple[str, str], ...]
    body: bytes
    size: int | None


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and what came back; `status` 0 and no answer where nothing did. `seconds` until the last byte."""

    method: str
    url: str
    request: Message
    status: int
    answer: Message | None
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was wrong: the requirement, what was expected and what came instead."""

    requirement: str
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Result:
    """How a case ended. `reason` says why it was skipped, disabled or broken; `finding` why it failed."""

    case: Case
    outcome: Outcome
    seconds: float = 0.0
    reason: str = ""
    finding: Finding | None = None
    exchanges: tuple[Exchange, ...] = ()

    @property
    def warning(self) -> bool:
        """A failure of something that should be, but need not be."""
        return self.outcome is Outcome.FAILED and self.case.duty is not Duty.MUST


@dataclass(frozen=True, slots=True)
class Run:
    """All results of one registry or driver, in the order of the cases. `started` in seconds since 1970.

    Of a driver, which knows none, `level` and `seed` say nothing."""

    target: str
    level: Level
    strict: bool
    seed: int
    started: float
    seconds: float
    results: tuple[Result, ...] = field(default=())
    trouble: str = ""
    subject: Subject = Subject.REGISTRY

    @property
    def idle(self) -> str:
        """Why nothing was run; empty if something was."""
        if not self.results:
            return "no case was selected"
        if all(result.outcome is Outcome.DISABLED for result in self.results):
            return f"every case is disabled: {self.results[0].reason or 'no reason given'}"
        return ""

    def count(self, outcome: Outcome) -> int:
        """Results of this outcome; warnings do not count as failures."""
        return sum(result.outcome is outcome and not result.warning for result in self.results)

    @property
    def warnings(self) -> int:
        return sum(result.warning for result in self.results)

    @property
    def exit_status(self) -> int:
        """0: all passed or skipped; 1: failures; 2: could not run, or could not judge."""
        if self.trouble or self.idle:
            return 2
        if self.count(Outcome.FAILED) or (self.strict and self.warnings):
            return 1
        return 2 if self.count(Outcome.BROKEN) else 0
