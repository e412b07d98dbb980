"""A run of the benchmark on a terminal: a table for each group, one of the servers, and how to read them."""

from collections.abc import Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from conformance.bench.model import Group, Run, Scenario, Server
from conformance.bench.reports import figures
from conformance.reports.text import line

NAME, CEILING, CELL, GAP = 24, 7, 12, 1
"""Widths of the columns; five servers fit into 100."""

BETTER, WORSE = 1.05, 0.95
"""Ratios from which on a difference is shown as one."""


def show(run: Run, console: Console) -> None:
    for part in parts(run, console.width):
        # Reasons and versions are left to the terminal to wrap, so that they can be copied as one line.
        console.print(part, soft_wrap=isinstance(part, Text))


def parts(run: Run, width: int) -> list[RenderableType]:
    """What is shown, from the top down."""
    shown: list[RenderableType] = [Text(), Text("registry-bench", "bold"), Text(figures.title(run))]
    shown += [Text(figures.machine(run))]
    at_once = max((width - NAME - GAP - CEILING) // (GAP + CELL), 1)
    for group, scenarios in figures.grouped(run):
        for first in range(0, len(run.servers), at_once):
            shown += [Text(), _table(run, group, scenarios, run.servers[first : first + at_once])]
    shown += [Text(), _servers(run), Text()]
    shown += _reasons("Invalid, as an answer was wrong:", "bold red", figures.wrong(run))
    shown += _reasons("Not measured:", "yellow", figures.left_out(run))
    shown += [Padding(Text(note, "dim"), (0, 0, 0, 2), expand=False) for note in figures.notes(run)]
    if figures.warning(run):
        shown.append(Text(figures.warning(run), "bold yellow"))
    style = "bold red" if figures.wrong(run) else "bold green"
    return [*shown, Text(), *_ratios(run), Text(figures.judgement(run), style)]


def _table(run: Run, group: Group, scenarios: Sequence[Scenario], servers: Sequence[Server]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    table.add_column(Text(group.value, "bold"), width=NAME, overflow="fold")
    table.add_column("ceiling", justify="right", width=CEILING, overflow="fold")
    for server in servers:
        table.add_column(heading(run, server.name), justify="right", width=CELL, overflow="fold")
    for scenario in scenarios:
        what = Text.assemble(line(scenario.name), "\n", (f"{scenario.unit.value}, c={scenario.connections}", "dim"))
        ceiling = run.ceilings.get(scenario.name)
        cells = [_cell(run, scenario, server) for server in servers]
        table.add_row(what, Text(figures.plain(ceiling), "dim"), *cells)
    return table


def heading(run: Run, name: str) -> Text:
    """A server's name, which may break after a hyphen or before its port."""
    broken = line(name).replace(":", "\n:") if len(name) > CELL else line(name)
    if len(name) > CELL and "-" in broken:
        broken = broken.replace("-", "-\n", 1)
    reference = len(run.servers) > 1 and name == run.reference
    return Text.assemble(broken, ("\n= 1×" if reference else "", "dim"))


def _cell(run: Run, scenario: Scenario, server: Server) -> Text:
    """Median; below it how far the rounds are apart, and the ratio; below it, where it is known, its syncs."""
    row = run.of(scenario.name, server.name)
    if row is None or not row.valid:
        return Text(figures.median(row), "bold red" if row is not None and row.samples else "dim")
    value = figures.median(row) + ("*" if figures.at_ceiling(run, scenario, row) else "")
    cell = Text.assemble(value, "\n", (figures.spread(row), "dim"))
    ratio = figures.ratio(run, scenario, server.name)
    if ratio:
        cell.append(f" {ratio}".rjust(6), style_of(run.ratio(scenario, server.name)))
    syncs = figures.syncs(server, scenario.name)
    return cell.append(f"\n{syncs}", "dim") if syncs else cell


def style_of(ratio: float | None) -> str:
    if ratio is None or WORSE <= ratio <= BETTER:
        return ""
    return "green" if ratio > 1 else "red"


def _servers(run: Run) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(Text("servers", "bold"), overflow="fold", min_width=15)
    columns = figures.servers(run)
    for heading in columns:
        # Two lines, the last word on the second.
        table.add_column(Text("\n".join(heading.rsplit(" ", 1))), justify="right")
    for number, server in enumerate(run.servers):
        name = Text.assemble(line(server.name), "\n", (figures.version(server), "dim"))
        table.add_row(name, *(Text(cells[number]) for cells in columns.values()))
    return table


def _ratios(run: Run) -> list[RenderableType]:
    """What is looked for first stands last, where a terminal shows it."""
    return [
        Text.assemble((line(server.name), "bold"), f": {figures.brief(ratios)}")
        for server in run.servers
        if (ratios := figures.ratios(run, server.name))
    ]


def _reasons(title: str, style: str, faults: Sequence[figures.Fault]) -> list[RenderableType]:
    if not faults:
        return []
    shown: list[RenderableType] = [Text(title, style)]
    for where, reason in figures.by_reason(faults):
        shown.append(Padding(Text(where), (0, 0, 0, 2), expand=False))
        shown.append(Padding(Text(reason, "dim"), (0, 0, 0, 4), expand=False))
    return [*shown, Text()]
