"""Several runs side by side: a row for each case, a column for each registry."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from conformance.model import Case, Result, Run, Subject
from conformance.reports import explain, pages, summary
from conformance.reports.redact import redacted
from conformance.reports.terminal import STATES, STYLES
from conformance.reports.text import line

OTHER = "Other"
"""The group of the cases that belong to no single API."""

SYMBOLS = {
    "failed": "❌ fail",
    "broken": "⁉️ broken",
    "warning": "⚠️ warn",
    "passed": "✅ pass",
    "skipped": "skip",
    "disabled": "disabled",
    "": "–",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A registry: what it is called, and what was counted."""

    name: str
    target: str
    level: str
    headline: str
    counts: Counter[str]


@dataclass(frozen=True, slots=True)
class Cell:
    """How a case ended there, and why; no verdict where it was not run."""

    verdict: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    case: Case
    cells: tuple[Cell, ...]

    @property
    def differs(self) -> bool:
        """Whether the registries do not agree."""
        return len({cell.verdict for cell in self.cells}) > 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """`groups`: API and its rows, in the order of the cases."""

    title: str
    columns: tuple[Column, ...]
    groups: tuple[tuple[str, tuple[Row, ...]], ...]


def compare(runs: Sequence[Run], names: Sequence[str] = ()) -> Comparison:
    """Put runs side by side. Without `names` the registries are called by their URLs."""
    runs = [redacted(run) for run in runs]
    names = names or [run.target for run in runs]
    found: list[dict[str, Result]] = [{result.case.id: result for result in run.results} for run in runs]
    cases: dict[str, Case] = {}
    for run in runs:
        for result in run.results:
            cases.setdefault(result.case.id, result.case)
    groups: dict[str, list[Row]] = {}
    for identity, case in cases.items():
        row = Row(case, tuple(_cell(results.get(identity)) for results in found))
        groups.setdefault(case.api or OTHER, []).append(row)
    columns = tuple(
        Column(name, run.target, _level(run), summary.headline(run), summary.tally(run.results))
        for name, run in zip(names, runs, strict=True)
    )
    titles = dict.fromkeys(run.subject.title for run in runs)
    return Comparison(", ".join(titles), columns, tuple((api, tuple(rows)) for api, rows in groups.items()))


def terminal(comparison: Comparison) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Case", overflow="fold")
    for column in comparison.columns:
        table.add_column(Text(f"{line(column.name)}\nlevel {column.level}"), overflow="fold")
    for verdict in summary.VERDICTS:
        counts = [column.counts[verdict] for column in comparison.columns]
        if any(counts):
            table.add_row(Text(verdict, STYLES[verdict]), *(Text(str(count)) for count in counts))
    for api, rows in comparison.groups:
        table.add_section()
        table.add_row(Text(line(api), "bold"))
        for row in rows:
            cells = [Text(STATES.get(cell.verdict, "–"), STYLES.get(cell.verdict, "dim")) for cell in row.cells]
            table.add_row(Text(f"  {line(row.case.id)}"), *cells)
    return table


def markdown(comparison: Comparison) -> str:
    """A table of counts, and one for each API."""
    names = [_escaped(column.name) for column in comparison.columns]
    text = ["", *_markdown_row("", names), *_markdown_row("---", ["---:"] * len(names))]
    text += _markdown_row("level", [column.level for column in comparison.columns])
    for verdict in summary.VERDICTS:
        counts = [column.counts[verdict] for column in comparison.columns]
        if any(counts):
            text += _markdown_row(summary.LABELS[verdict], [str(count) for count in counts])
    for api, rows in comparison.groups:
        text += ["", f"### {_escaped(api)}", ""]
        text += [*_markdown_row("Case", names), *_markdown_row("---", ["---"] * len(names))]
        for row in rows:
            text += _markdown_row(_code(row.case.id), [SYMBOLS[cell.verdict] for cell in row.cells])
    return "\n".join(text[1:]) + "\n"


def html(comparison: Comparison) -> str:
    """One page, as the report of a single run is."""
    return pages.render("compare.html.j2", comparison=comparison)


def _level(run: Run) -> str:
    return run.level.value if run.subject is Subject.REGISTRY else "–"


def _cell(result: Result | None) -> Cell:
    if result is None:
        return Cell()
    verdict = summary.verdict(result)
    return Cell(verdict, "" if verdict == "passed" else explain.brief(result))


def _markdown_row(first: str, cells: Sequence[str]) -> list[str]:
    return ["| " + " | ".join([first, *cells]) + " |"]


def _escaped(text: str) -> str:
    """Text in which Markdown and HTML find nothing to do."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>()#+!|~&$@" else letter for letter in line(text))


def _code(text: str) -> str:
    """The same as a code span, in which only a backtick and, in a table, a bar mean something."""
    return "`" + line(text).replace("`", "'").replace("|", "\\|") + "`"
