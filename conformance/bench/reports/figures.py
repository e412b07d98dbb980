"""What all reports say of a run: figures in few digits, what a server costs, and the notes that belong to them."""

import math
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from conformance.bench.model import Group, Measured, Run, Scenario, Server, Unit
from conformance.reports.text import line

NEAR = 0.8
"""From this part of the client's ceiling on, the client may be what is measured."""

BUSY = 1.0
"""Load average per core above which a machine does something else as well."""


class Cost(NamedTuple):
    """CPU seconds of a server, each the mean of the scenarios that every server did; None where it is not known."""

    gigabyte_pulled: float | None
    gigabyte_pushed: float | None
    thousand_requests: float | None


class Ratios(NamedTuple):
    """A server's ratios to the reference over all scenarios."""

    least: float
    median: float
    most: float


class Fault(NamedTuple):
    """Why there is no figure."""

    scenario: str
    server: str
    reason: str


def number(value: float) -> str:
    """Three digits that count: 0.0123, 1.23, 12.3, 123, 12,345."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    decimals = 2 - math.floor(math.log10(abs(value)))
    if decimals <= 0:
        return f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.3g}"
    # 99.96 has become 100.0: one digit less.
    rounded = round(value, decimals)
    decimals = 2 - math.floor(math.log10(abs(rounded))) if rounded else decimals
    return f"{rounded:,.{max(decimals, 0)}f}" if decimals < 8 else f"{value:.3g}"


def times(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:.2f}×" if 0.1 <= ratio < 9.995 else f"{number(ratio)}×"


def size(amount: int | None) -> str:
    """In megabytes or gigabytes of powers of ten."""
    if amount is None:
        return ""
    return f"{number(amount / 1e9)} GB" if amount >= 1e9 else f"{number(amount / 1e6)} MB"


def seconds(value: float | None) -> str:
    return "" if value is None else f"{number(value)} s"


def plain(value: float | None) -> str:
    return "" if value is None else number(value)


def spread(row: Measured) -> str:
    """How far the rounds lie from their middle at most, as a part of the median; nothing to say of a single round."""
    return f"±{row.spread * 50:.0f}%" if len(row.samples) > 1 else ""


def half(row: Measured) -> str:
    """Of times, of which the figure is the 99th percentile: the 50th, in the middle of the rounds."""
    known = [sample.p50 for sample in row.samples if sample.p50 is not None]
    return number(statistics.median(known)) if known else ""


def median(row: Measured | None) -> str:
    """The figure, or why there is none."""
    if row is None or not row.samples:
        return "–"
    return number(row.median) if row.valid else "invalid"


def ratio(run: Run, scenario: Scenario, server: str) -> str:
    """To the reference; nothing for the reference itself."""
    return "" if server == run.reference else times(run.ratio(scenario, server))


def syncs(server: Server, scenario: str) -> str:
    """How often it syncs for each push of that scenario, if that was counted."""
    if server.syncs is None or scenario not in server.syncs:
        return ""
    count = server.syncs[scenario]
    return f"{count:.3g} {'sync' if count == 1 else 'syncs'}"


def grouped(run: Run) -> list[tuple[Group, list[Scenario]]]:
    """The scenarios that were measured, by group, in their order."""
    groups = [(group, [one for one in run.scenarios if one.group is group]) for group in Group]
    return [(group, scenarios) for group, scenarios in groups if scenarios]


def at_ceiling(run: Run, scenario: Scenario, row: Measured | None) -> bool:
    """Whether the figure is so near to what the client can do that the server may do more."""
    ceiling = run.ceilings.get(scenario.name, 0)
    if row is None or not row.valid or not ceiling or not row.median:
        return False
    part = ceiling / row.median if scenario.unit.less_is_better else row.median / ceiling
    return part >= NEAR


def wrong(run: Run) -> list[Fault]:
    """The rows that are invalid, as the server answered wrongly."""
    return [Fault(row.scenario, row.server, row.wrong) for row in run.measured if row.wrong]


def left_out(run: Run) -> list[Fault]:
    """The rows that were not measured."""
    return [Fault(row.scenario, row.server, row.reason) for row in run.measured if not row.samples]


def by_reason(faults: Sequence[Fault]) -> list[tuple[str, str]]:
    """Where, and why: one line for all the scenarios that a server lacks for one reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for fault in faults:
        found.setdefault((fault.server, fault.reason or "no reason given"), []).append(fault.scenario)
    return [(f"{line(server)}, {line(', '.join(names))}", line(reason)) for (server, reason), names in found.items()]


def peak(run: Run, server: str) -> int | None:
    """The most memory that a server took in any scenario."""
    known = [row.memory for row in run.measured if row.server == server and row.memory is not None]
    return max(known, default=None)


def ratios(run: Run, server: str) -> Ratios | None:
    found = [value for scenario in run.scenarios if (value := run.ratio(scenario, server)) is not None]
    return Ratios(min(found), statistics.median(found), max(found)) if found and server != run.reference else None


def brief(found: Ratios) -> str:
    return f"{times(found.least)} to {times(found.most)}, median {times(found.median)}"


def cost(run: Run, server: str) -> Cost:
    """What a server spends. A scenario counts only if all servers did it, so that all are judged by the same work."""

    def mean(of: Callable[[Measured], float | None], wanted: Sequence[str]) -> float | None:
        known = [value for row in run.measured if row.server == server and row.scenario in wanted
                 if (value := of(row)) is not None]  # fmt: skip
        return statistics.fmean(known) if known else None

    comparable = [one for one in run.scenarios if _done_by_all(run, one.name)]
    large = [one for one in comparable if one.unit is Unit.MEGABYTES]
    pulled = [one.name for one in large if one.group is Group.PULL]
    pushed = [one.name for one in large if one.group is Group.PUSH]
    small = [one.name for one in comparable if one.group is Group.METADATA]
    return Cost(
        mean(lambda row: row.cpu_per_gigabyte, pulled),
        mean(lambda row: row.cpu_per_gigabyte, pushed),
        mean(lambda row: row.cpu_per_thousand, small),
    )


def _done_by_all(run: Run, scenario: str) -> bool:
    """By all whose CPU time is known: what was not started here is judged by nothing."""
    known = {
        row.server for row in run.measured if any(sample.cpu_seconds is not None for sample in row.samples)
    }  # fmt: skip
    rows = [run.of(scenario, server) for server in known]
    return bool(rows) and all(row is not None and row.valid for row in rows)


def version(server: Server) -> str:
    """What stands below a server's name: its version without the words around it, or its URL."""
    last = line(server.version).rpartition(" ")[2].removesuffix("+unknown")
    return last if last.removeprefix("v")[:1].isdigit() else line(server.version or server.url)


def servers(run: Run) -> dict[str, list[str]]:
    """What is known of the servers besides: by heading, a cell for each of them. What none has is left out."""
    costs = [cost(run, server.name) for server in run.servers]
    counted = list(dict.fromkeys(name for server in run.servers for name in server.syncs or {}))
    columns = {
        "start": [seconds(server.start_seconds) for server in run.servers],
        "memory, idle": [size(server.idle_memory) for server in run.servers],
        "memory, peak": [size(peak(run, server.name)) for server in run.servers],
        "CPU s/GB pulled": [plain(found.gigabyte_pulled) for found in costs],
        "CPU s/GB pushed": [plain(found.gigabyte_pushed) for found in costs],
        "CPU s/1,000 req": [plain(found.thousand_requests) for found in costs],
    }
    for name in counted:
        columns[f"syncs per {line(name)}"] = [
            f"{server.syncs[name]:.3g}" if server.syncs and name in server.syncs else "" for server in run.servers
        ]
    return {heading: cells for heading, cells in columns.items() if any(cells)}


def when(run: Run) -> str:
    try:
        return datetime.fromtimestamp(run.started, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, OSError, ValueError):
        return "at an unknown time"


def machine(run: Run) -> str:
    it = run.machine
    return line(f"{it.system}, {it.processor}, {it.cores} cores, {size(it.memory)}, load {it.load:.2f} at the start")


def title(run: Run) -> str:
    rounds = "1 round" if run.rounds == 1 else f"{run.rounds} rounds"
    said = [f"{rounds} of {run.seconds:g} s", when(run), f"registry-bench {line(run.version)}".rstrip()]
    return ", ".join(said + ([f"commit {line(run.commit)}"] if run.commit else []))


def notes(run: Run) -> list[str]:
    """What has to be known to read the figures."""
    said = ["Each figure is the median of the rounds."] if run.rounds > 1 else ["Each figure is from a single round."]
    if run.rounds > 1:
        said[0] += " ±: half of the way from the least to the greatest, as a part of the median."
    if len(run.servers) > 1:
        said.append(
            f"×: how many times better than {line(run.reference)}, the reference; above 1 is better in every unit."
        )
    if any(scenario.unit.less_is_better for scenario in run.scenarios):
        said.append("Of milliseconds, less is better.")
    if run.ceilings:
        said.append("Ceiling: what the client reaches on a server that does nothing.")
    if any(at_ceiling(run, scenario, run.of(scenario.name, server.name)) for scenario in run.scenarios
           for server in run.servers):  # fmt: skip
        said.append("*: within a fifth of the ceiling; the server may be capable of more.")
    if any(cost(run, server.name) != Cost(None, None, None) for server in run.servers):
        said.append(
            "CPU: seconds of all processes of the server, the mean of the scenarios that every server did: "
            "what is counted in MB/s for the gigabytes, metadata for the requests."
        )
    if any(peak(run, server.name) for server in run.servers):
        said.append("Memory: proportional set size of all processes of the server.")
    return said


def warning(run: Run) -> str:
    """Why the figures are worth less; empty if nothing is known against them."""
    cores = max(run.machine.cores, 1)
    if run.machine.load <= BUSY * cores:
        return ""
    return f"The machine was busy: load average {run.machine.load:.1f} on {cores} cores at the start."


def judgement(run: Run) -> str:
    """The run in one line."""
    invalid = len(wrong(run))
    valid = sum(row.valid for row in run.measured)
    rows = "figure" if valid == 1 else "figures"
    return f"{valid} {rows}" + (
        f", {invalid} invalid: wrong answers" if invalid else ", every answer checked was right"
    )


def exit_status(run: Run) -> int:
    """0: fine; 1: a row is invalid; 2: there is not one figure."""
    if wrong(run):
        return 1
    return 0 if any(row.valid for row in run.measured) else 2
