"""What the benchmark measures: scenarios, servers, and the figures of one run. Knows nothing of how it is done."""

import statistics
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class Unit(Enum):
    """What a scenario's figure counts."""

    REQUESTS = "requests/s"
    PUSHES = "pushes/s"
    PULLS = "pulls/s"
    MEGABYTES = "MB/s"
    """Megabytes of 1,000,000 bytes."""
    MILLISECONDS = "ms"
    """A time that a request took: the only unit of which less is better."""

    @property
    def less_is_better(self) -> bool:
        return self is Unit.MILLISECONDS


class Group(Enum):
    """What a scenario is about: a heading of the tables."""

    METADATA = "metadata"
    PULL = "pull"
    PUSH = "push"
    IMAGE = "images"
    LATENCY = "latency"


class Scenario(NamedTuple):
    """One thing that is measured. `name` never changes: it is what two runs are compared by."""

    name: str
    title: str
    group: Group
    unit: Unit
    connections: int
    """Clients at the same time."""


class Sample(NamedTuple):
    """One scenario on one server in one round."""

    value: float
    """In the scenario's unit."""
    seconds: float
    """How long was measured."""
    requests: int
    bytes: int
    """Of bodies, in both directions."""
    cpu_seconds: float | None = None
    """Of all processes of the server in that time; None for a server that was not started here."""
    memory: int | None = None
    """Peak of the proportional set sizes of all its processes, in bytes; None as above."""
    wrong: str = ""
    """Why this is no figure: the server's first wrong answer."""
    p50: float | None = None
    """Of times, of which `value` is the 99th percentile, the 50th in milliseconds."""


class Measured(NamedTuple):
    """What one server did in one scenario. Without samples it was not measured; `reason` says why."""

    scenario: str
    server: str
    samples: tuple[Sample, ...]
    reason: str = ""

    @property
    def wrong(self) -> str:
        """Why the row is invalid; empty if it is not."""
        return next((sample.wrong for sample in self.samples if sample.wrong), "")

    @property
    def valid(self) -> bool:
        return bool(self.samples) and not self.wrong

    @property
    def median(self) -> float:
        """Of a valid row, in the scenario's unit."""
        return statistics.median(sample.value for sample in self.samples)

    @property
    def spread(self) -> float:
        """Greatest less least, as a part of the median."""
        values = [sample.value for sample in self.samples]
        return (max(values) - min(values)) / self.median if self.median else 0.0

    @property
    def memory(self) -> int | None:
        """The highest peak of its rounds, in bytes."""
        return max((sample.memory for sample in self.samples if sample.memory is not None), default=None)

    @property
    def cpu_per_gigabyte(self) -> float | None:
        """CPU seconds for 1,000,000,000 bytes of bodies; None where it is not known."""
        return self._cpu_per(sum(sample.bytes for sample in self.samples), 1_000_000_000)

    @property
    def cpu_per_thousand(self) -> float | None:
        """CPU seconds for 1,000 requests; None where it is not known."""
        return self._cpu_per(sum(sample.requests for sample in self.samples), 1_000)

    def _cpu_per(self, amount: int, unit: int) -> float | None:
        spent = [sample.cpu_seconds for sample in self.samples if sample.cpu_seconds is not None]
        return sum(spent) / amount * unit if spent and amount else None


class Server(NamedTuple):
    """A server that was measured. What is None is not known, as it was not started here."""

    name: str
    url: str
    version: str = ""
    start_seconds: float | None = None
    """From its command to its first answer: the median of the rounds."""
    idle_memory: int | None = None
    """Proportional set sizes of all its processes before the first scenario, in bytes."""
    syncs: dict[str, float] | None = None
    """fsync and fdatasync for each push, by scenario, where `--sync-check` counted them."""


class Machine(NamedTuple):
    """Where it ran."""

    system: str
    processor: str
    cores: int
    memory: int
    """In bytes."""
    load: float
    """The load average before the run: of a busy machine the figures are worth less."""


@dataclass(frozen=True)
class Run:
    """One run of the benchmark: several rounds, in each of which every server is measured in turn."""

    version: str
    started: float
    """Seconds since the epoch."""
    seconds: float
    """How long each scenario is measured in each round."""
    rounds: int
    reference: str
    """The server that ratios are to."""
    machine: Machine
    scenarios: tuple[Scenario, ...]
    servers: tuple[Server, ...]
    measured: tuple[Measured, ...]
    ceilings: dict[str, float] = field(default_factory=dict)
    """What the client reaches on a server that does nothing, by scenario, in the scenario's unit."""
    commit: str = ""
    """Of the checkout that it was started from, if it was one."""

    def of(self, scenario: str, server: str) -> Measured | None:
        return next((row for row in self.measured if (row.scenario, row.server) == (scenario, server)), None)

    def ratio(self, scenario: Scenario, server: str) -> float | None:
        """How much better than the reference: 2.0 is twice as fast. None unless both rows are valid.

        The median of the ratios of each round, as those two figures were taken one after the other."""
        ours, theirs = self.of(scenario.name, server), self.of(scenario.name, self.reference)
        if ours is None or theirs is None or not (ours.valid and theirs.valid):
            return None
        pairs = list(zip((it.value for it in ours.samples), (it.value for it in theirs.samples), strict=False))
        ratios = [b / a if scenario.unit.less_is_better else a / b for a, b in pairs if a and b]
        return statistics.median(ratios) if ratios else None
