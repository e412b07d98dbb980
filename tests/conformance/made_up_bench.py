"""Runs of the benchmark that never took place, ordinary and hostile."""

import io
from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st
from rich.console import Console

from conformance.bench.model import Group, Machine, Measured, Run, Sample, Scenario, Server, Unit
from conformance.bench.reports import compare, json_report, terminal
from conformance.bench.scenarios import SCENARIOS
from conformance.bench.servers import PEERS
from tests.conformance.made_up import pieces

MACHINE = Machine("Linux 6.8", "Xeon", 2, 8_000_000_000, 0.5)
FIVE = tuple(PEERS)


def sample(value: float, wrong: str = "") -> Sample:
    return Sample(value, 3.0, int(value * 3), int(value * 3000), 1.5, 120_000_000, wrong)


def five(scale: float = 1.0, **others: object) -> Run:
    """Every scenario on five servers: the n-th is n times as good as the first, and reads faster by `scale`."""
    rows = []
    for scenario in SCENARIOS:
        for number, server in enumerate(FIVE, 1):
            value = 1000 / number if scenario.unit.less_is_better else 1000 * number * scale
            samples = tuple(sample(value * part) for part in (0.98, 1.0, 1.04))
            rows.append(Measured(scenario.name, server, samples))
    servers = tuple(
        Server(name, f"http://127.0.0.1:{5000 + number}", f"v{number}", 0.25, 50_000_000)
        for number, name in enumerate(FIVE)
    )
    plain = Run(
        *("0.1.0", 1_795_257_600.0, 3.0, 3, FIVE[0], MACHINE, SCENARIOS, servers, tuple(rows)),
        ceilings={"manifest-get-tag": 5500.0},
        commit="0123abc",
    )
    return replace(plain, **others)  # type: ignore[arg-type]


def altered(run: Run, new: Measured) -> Run:
    """The run with one row changed."""
    rows = (new if (row.scenario, row.server) == (new.scenario, new.server) else row for row in run.measured)
    return replace(run, measured=tuple(rows))


WRONG = altered(five(), Measured("blob-get-3MB", "ggcr", (sample(9), sample(9, wrong="GET /v2/a: 5 of 9 bytes"))))
LACKING = altered(five(), Measured("referrers", "distribution", (), "not offered: 404"))


def printed(run: Run, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    terminal.show(run, console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def compared(old: Run, new: Run) -> str:
    console = Console(file=io.StringIO(), width=120, color_system=None)
    compare.show(compare.compare(old, new), console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def saved(folder: Path, run: Run, name: str = "run.json") -> Path:
    path = folder / name
    path.write_text(json_report.render(run))
    return path


# Runs of any kind

names = pieces.filter(bool)
amounts = st.floats(0, 1e12) | st.just(0.0)
counts = st.integers(0, 10**15)
samples = st.builds(
    Sample,
    amounts,
    amounts,
    counts,
    counts,
    st.none() | amounts,
    st.none() | counts,
    st.just("") | pieces,
    st.none() | amounts,
)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    scenarios = draw(
        st.lists(
            st.builds(Scenario, names, pieces, st.sampled_from(Group), st.sampled_from(Unit), st.integers(0, 99)),
            max_size=3,
            unique_by=lambda one: one.name,
        )
    )
    servers = draw(
        st.lists(
            st.builds(Server, names, pieces, pieces, st.none() | amounts, st.none() | counts,
                      st.none() | st.dictionaries(pieces, amounts, max_size=2)),
            min_size=1, max_size=7, unique_by=lambda one: one.name,
        )
    )  # fmt: skip
    rows = [
        Measured(scenario.name, server.name, tuple(draw(st.lists(samples, max_size=3))), draw(pieces))
        for scenario in scenarios
        for server in servers
        if draw(st.booleans())
    ]
    machine = draw(st.builds(Machine, pieces, pieces, st.integers(0, 99), counts, amounts))
    return Run(
        version=draw(pieces), started=draw(amounts), seconds=draw(amounts), rounds=draw(st.integers(1, 3)),
        reference=draw(st.sampled_from(servers)).name, machine=machine, scenarios=tuple(scenarios),
        servers=tuple(servers), measured=tuple(rows),
        ceilings=draw(st.dictionaries(st.sampled_from([one.name for one in scenarios] or ["x"]), amounts, max_size=2)),
        commit=draw(pieces),
    )  # fmt: skip
