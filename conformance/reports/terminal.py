"""A run on a terminal: progress while it goes on, then tables, then every failure explained."""

import threading
from collections import Counter

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from conformance.model import Case, Result, Run, Subject
from conformance.reports import explain, summary
from conformance.reports.redact import redacted, redacted_result
from conformance.reports.text import line, visible

STYLES = {
    "failed": "bold red",
    "broken": "bold magenta",
    "warning": "yellow",
    "passed": "green",
    "skipped": "cyan",
    "disabled": "dim",
}

STATES = {
    "failed": "FAIL",
    "broken": "Broken",
    "warning": "Warn",
    "passed": "Pass",
    "skipped": "Skip",
    "disabled": "Disabled",
}


class Live:
    """Progress: a bar with counts on a terminal, one line for each result elsewhere. Told from any thread."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._running: dict[str, None] = {}
        self._progress = Progress(
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            _Field("counts"),
            _Field("case"),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, counts=Text(), case=Text())

    def begin(self, total: int) -> None:
        """So many cases will come."""
        self._progress.update(self._task, total=total)
        if self._console.is_terminal:
            self._progress.start()

    def start(self, case: Case) -> None:
        """A case has begun: shown while it runs. Whoever does not tell this has the last one done shown instead."""
        with self._lock:
            self._running[case.id] = None
            self._show(case)

    def done(self, result: Result) -> None:
        """A case has ended. What did not go well is told at once."""
        verdict = summary.verdict(result)
        with self._lock:
            self._counts[verdict] += 1
            self._running.pop(result.case.id, None)
            if not self._console.is_terminal or verdict in ("failed", "broken", "warning"):
                # The row of what passed has nothing in it that a registry said.
                row = _row(result if verdict == "passed" else redacted_result(result))
                self._console.print(row, soft_wrap=True)
            if self._console.is_terminal:
                self._show(result.case)
                self._progress.advance(self._task)

    def end(self, run: Run) -> None:
        """All cases have ended, or none could begin."""
        if self._console.is_terminal:
            self._progress.stop()
        if run.results:
            self._console.print(Text(f"{len(run.results)} cases in {run.seconds:.1f} s"), soft_wrap=True)

    def _show(self, case: Case) -> None:
        """The case that has been running longest is what the user waits for."""
        name = next(iter(self._running), case.id)
        counts = Text("  ").join(
            Text(f"{summary.MARKS[verdict]} {self._counts[verdict]}", STYLES[verdict])
            for verdict in summary.VERDICTS
            if self._counts[verdict]
        )
        self._progress.update(self._task, counts=counts, case=Text(line(name), "dim", no_wrap=True))


class _Field(ProgressColumn):
    """A column of text that is never read as markup."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def render(self, task: Task) -> Text:
        field: Text = task.fields[self._name]
        return field


def show(run: Run, console: Console) -> None:
    """The whole report: what did not go well at its end, where it is seen, and the verdict last."""
    for part in parts(run):
        # Text is left to the terminal to wrap: commands and bodies must come out whole, and be copied as one line.
        console.print(part, soft_wrap=isinstance(part, Text))


def parts(run: Run) -> list[RenderableType]:
    """What is shown, from the top down."""
    run = redacted(run)
    shown = _heading(run)
    if run.results:
        shown += [_table(run, name, group) for name, group in summary.GROUPS if summary.grouped(run, group)]
    for verdict in ("disabled", "skipped"):
        shown += _reasons(run, verdict)
    for verdict in ("warning", "broken", "failed"):
        results = [result for result in run.results if summary.verdict(result) == verdict]
        for number, result in enumerate(results, 1):
            shown += _explained(result, f"{STATES[verdict]} {number} of {len(results)}")
    style = STYLES[summary.judgement(run)]
    name = f"Level {run.level.value}" if run.subject is Subject.REGISTRY else run.subject.title
    shown += [Text(), Text(visible(f"{name}: {summary.headline(run)}"), style)]
    return shown


def _heading(run: Run) -> list[RenderableType]:
    told = ", ".join([line(run.target), *summary.terms(run), summary.when(run)])
    return [Text(), Text(summary.title(run), "bold"), Text(told), Text()]


def _table(run: Run, name: str, group: summary.Group) -> RenderableType:
    """A row for each group: its verdict, as the official suite's summary has it, and the counts behind it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=name == "Category")
    rows = summary.grouped(run, group)
    used = [verdict for verdict in summary.VERDICTS if any(counts[verdict] for counts in rows.values())]
    total = summary.tally(run.results)
    table.add_column(name, footer="all", overflow="fold")
    table.add_column("", footer=_state(total))
    for verdict in used:
        table.add_column(verdict, justify="right", footer=Text(str(total[verdict]), STYLES[verdict]))
    for label, counts in rows.items():
        cells = [Text(str(counts[verdict] or ""), STYLES[verdict]) for verdict in used]
        table.add_row(Text(line(label)), _state(counts), *cells)
    return table


def _state(counts: Counter[str]) -> Text:
    worst = summary.worst(counts)
    return Text(STATES[worst], STYLES[worst])


def _row(result: Result) -> Text:
    verdict = summary.verdict(result)
    row = Text.assemble((f"{verdict:<8}", STYLES[verdict]), f" {line(result.case.id)}")
    return row if verdict == "passed" else row.append(f": {line(explain.brief(result))}", "dim")


def _reasons(run: Run, verdict: str) -> list[RenderableType]:
    """What was left out, by reason: a registry that lacks an API lacks it for many cases."""
    reasons: dict[str, list[str]] = {}
    for result in run.results:
        if summary.verdict(result) == verdict:
            reasons.setdefault(result.reason or "no reason given", []).append(result.case.id)
    if not reasons:
        return []
    parts: list[RenderableType] = [Text(f"{summary.LABELS[verdict].capitalize()}:", STYLES[verdict])]
    for reason, cases in reasons.items():
        parts.append(Padding(Text(line(reason)), (0, 0, 0, 2), expand=False))
        parts.append(Padding(Text(line(", ".join(cases)), "dim"), (0, 0, 0, 4), expand=False))
    return [*parts, Text()]


def _explained(result: Result, title: str) -> list[RenderableType]:
    verdict = summary.verdict(result)
    parts: list[RenderableType] = [
        Text(),
        Rule(Text(line(f"{title}: {result.case.id}")), style=STYLES[verdict], align="left"),
        Text(visible(result.case.title), "bold"),
    ]
    for requirement in summary.requirements(result):
        parts.append(Text(visible(explain.duty(requirement)), "bold blue"))
        parts.append(Padding(Text(visible(requirement.text)), (0, 0, 0, 4), expand=False))
    if result.finding is not None:
        parts.append(Text.assemble(("Expected: ", "green"), visible(result.finding.expected)))
        parts.append(Text.assemble(("Got:      ", "red"), visible(result.finding.got)))
    if result.reason:
        parts.append(Text.assemble(("Reason: ", "magenta"), visible(result.reason)))
    if result.exchanges:
        *before, last = result.exchanges
        parts += [Text(explain.outcome(exchange), "dim") for exchange in before]
        parts += [Text(row, "cyan") for row in explain.sent(last)]
        parts += [Text(row) for row in explain.came(last)]
        parts.append(Text("Again:", "bold"))
        parts += [Text(visible(row)) for row in explain.again(last)]
    return parts
