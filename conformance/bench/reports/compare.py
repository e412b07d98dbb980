"""Two runs of the benchmark, before and after: for each server and scenario the old figure, the new one, the ratio."""

from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from conformance.bench.model import Measured, Run, Scenario
from conformance.bench.reports import figures, markdown
from conformance.bench.reports.terminal import style_of
from conformance.reports.text import line

MEMORY = 0.02
"""Two machines have the same memory if it differs by less: some of it is the system's own."""


class Change(NamedTuple):
    """One scenario on one server in both runs."""

    scenario: Scenario
    old: Measured | None
    new: Measured | None
    ratio: float | None
    """How many times better the new one is; None unless both are valid."""
    sure: bool
    """Whether the rounds of the two runs do not overlap."""
    old_to_reference: float | None
    new_to_reference: float | None


class Comparison(NamedTuple):
    """`servers`: those that are in both runs, each with what was measured of it in both. `warnings`: what makes it
    doubtful; `missing`: what only one of the two runs has."""

    old: Run
    new: Run
    servers: dict[str, list[Change]]
    warnings: list[str]
    missing: list[str]


def compare(old: Run, new: Run) -> Comparison:
    earlier = {scenario.name: scenario for scenario in old.scenarios}
    same = [one for one in new.scenarios if (found := earlier.get(one.name)) and _alike(found, one)]
    names = {server.name for server in old.servers}
    servers = {
        server.name: [_change(old, new, scenario, server.name) for scenario in same]
        for server in new.servers
        if server.name in names
    }
    return Comparison(old, new, servers, _warnings(old, new), _missing(old, new))


def _alike(old: Scenario, new: Scenario) -> bool:
    return (old.unit, old.connections) == (new.unit, new.connections)


def _change(old: Run, new: Run, scenario: Scenario, server: str) -> Change:
    before, after = old.of(scenario.name, server), new.of(scenario.name, server)
    ratio, sure = None, False
    if before is not None and after is not None and before.valid and after.valid:
        better, worse = (before, after) if scenario.unit.less_is_better else (after, before)
        ratio = better.median / worse.median if worse.median else None
        had, have = [sample.value for sample in before.samples], [sample.value for sample in after.samples]
        sure = max(had) < min(have) or max(have) < min(had)
    known = old.reference == new.reference != server
    return Change(
        *(scenario, before, after, ratio, sure),
        old.ratio(scenario, server) if known else None,
        new.ratio(scenario, server) if known else None,
    )


def _warnings(old: Run, new: Run) -> list[str]:
    """What else has changed."""
    was, now = old.machine, new.machine
    differ = [
        f"{name}: {before} before, {after} now"
        for name, before, after in (
            ("system", was.system, now.system),
            ("processor", was.processor, now.processor),
            ("cores", was.cores, now.cores),
        )
        if before != after
    ]
    if abs(was.memory - now.memory) > MEMORY * max(was.memory, now.memory):
        differ.append(f"memory: {figures.size(was.memory)} before, {figures.size(now.memory)} now")
    said = []
    if differ:
        said.append(f"The machines differ ({'; '.join(differ)}): only the ratios to a reference can be compared.")
    said += [f"{when}: {figures.warning(run)}" for when, run in (("Before", old), ("Now", new)) if figures.warning(run)]
    if old.version != new.version:
        said.append(f"The benchmark has changed: {old.version} before, {new.version} now.")
    if min(old.rounds, new.rounds) == 1:
        said.append("With a single round nothing is known of the noise.")
    return [line(one) for one in said]


def _missing(old: Run, new: Run) -> list[str]:
    said = []
    for what, before, after in (
        ("server", [one.name for one in old.servers], [one.name for one in new.servers]),
        ("scenario", [one.name for one in old.scenarios], [one.name for one in new.scenarios]),
    ):
        said += [f"{what} {name}: only before" for name in before if name not in after]
        said += [f"{what} {name}: only now" for name in after if name not in before]
    earlier = {scenario.name: scenario for scenario in old.scenarios}
    said += [
        f"scenario {one.name}: measured differently, not compared"
        for one in new.scenarios
        if one.name in earlier and not _alike(earlier[one.name], one)
    ]
    return [line(one) for one in said]


def show(comparison: Comparison, console: Console) -> None:
    """On a terminal."""
    for name, run in (("before", comparison.old), ("now", comparison.new)):
        console.print(Text(f"{name:<7} {figures.title(run)}\n        {figures.machine(run)}"), soft_wrap=True)
    for warning in comparison.warnings:
        console.print(Text(warning, "bold yellow"))
    for server, changes in comparison.servers.items():
        console.print()
        console.print(_table(comparison, server, changes))
    console.print()
    for note in _notes(comparison):
        console.print(Padding(Text(note, "dim"), (0, 0, 0, 2), expand=False))


def _table(comparison: Comparison, server: str, changes: list[Change]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(Text.assemble(line(server), (f"\n{_versions(comparison, server)}", "dim")), overflow="fold")
    table.add_column("unit")
    for name in ("before", "", "now", "", "ratio"):
        table.add_column(name, justify="right")
    related = any(change.old_to_reference or change.new_to_reference for change in changes)
    if related:
        table.add_column(Text(f"to {line(comparison.new.reference)}\nbefore"), justify="right")
        table.add_column("now", justify="right")
    for change in changes:
        style = style_of(change.ratio) if change.sure else ""
        cells = [Text(cell, "dim" if number in (1, 3) else "") for number, cell in enumerate(_figures(change))]
        row = [Text(line(change.scenario.name)), change.scenario.unit.value, *cells, Text(_ratio(change), style)]
        if related:
            row += [figures.times(change.old_to_reference), figures.times(change.new_to_reference)]
        table.add_row(*row)
    return table


def render_markdown(comparison: Comparison) -> str:
    text: list[str] = []
    for name, run in (("before", comparison.old), ("now", comparison.new)):
        text.append(f"- {name}: {markdown.escaped(figures.title(run))}. {markdown.escaped(figures.machine(run))}.")
    text += [f"- **{markdown.escaped(warning)}**" for warning in comparison.warnings]
    text += [f"- {markdown.escaped(note)}" for note in _notes(comparison)]
    for server, changes in comparison.servers.items():
        reference = markdown.escaped(comparison.new.reference)
        text += ["", f"### {markdown.escaped(server)} ({markdown.escaped(_versions(comparison, server))})", ""]
        text.append(markdown.row("scenario", ["unit", "before", "now", "ratio", f"to {reference} before", "now"]))
        text.append(markdown.row("---", ["---", *["---:"] * 5]))
        for change in changes:
            old, old_spread, new, new_spread = _figures(change)
            cells = [f"{old} {old_spread}".strip(), f"{new} {new_spread}".strip(), _ratio(change)]
            cells += [figures.times(change.old_to_reference), figures.times(change.new_to_reference)]
            text.append(markdown.row(markdown.code(change.scenario.name), [change.scenario.unit.value, *cells]))
    return "\n".join(text) + "\n"


def _figures(change: Change) -> list[str]:
    cells = []
    for row in (change.old, change.new):
        cells += [figures.median(row), figures.spread(row) if row is not None and row.valid else ""]
    return cells


def _ratio(change: Change) -> str:
    if change.ratio is None:
        return ""
    return figures.times(change.ratio) if change.sure else f"~ {figures.times(change.ratio)}"


def _versions(comparison: Comparison, server: str) -> str:
    before, now = (
        next((figures.version(one) for one in run.servers if one.name == server), "")
        for run in (comparison.old, comparison.new)
    )
    return now if before == now else f"{before} → {now}"


def _notes(comparison: Comparison) -> list[str]:
    said = ["Ratio: how many times better it is now, above 1 is better in every unit; ~: the rounds of both overlap."]
    if comparison.old.reference != comparison.new.reference:
        was, now = line(comparison.old.reference), line(comparison.new.reference)
        said.append(f"The reference has changed from {was} to {now}: ratios to it are left out.")
    return said + comparison.missing
