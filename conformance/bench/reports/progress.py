"""Progress while servers are measured: a bar on a terminal, a line for each scenario and server elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task
from rich.text import Text

from conformance.bench.model import Sample, Scenario
from conformance.bench.reports import figures
from conformance.reports.text import line


class Quiet:
    """Shows nothing, and is told everything: a listener of `measure.run`."""

    def __enter__(self) -> "Quiet":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def starting(self, round_number: int, server: str) -> None:
        pass

    def measuring(self, round_number: int, scenario: Scenario, server: str) -> None:
        pass

    def measured(self, round_number: int, scenario: Scenario, server: str, sample: Sample | None, reason: str) -> None:
        pass

    def note(self, text: str) -> None:
        pass


class Live(Quiet):
    """Scenario, server, round and the time that remains, as far as it can be told from what has passed."""

    def __init__(self, console: Console, total: int, rounds: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._rounds = rounds
        self._total = total
        self._clock = clock
        self._began = clock()
        self._done = 0
        self._progress = Progress(
            BarColumn(bar_width=20), MofNCompleteColumn(), _Words(), console=console, transient=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=total, words="")

    def __enter__(self) -> "Live":
        self._began = self._clock()
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def starting(self, round_number: int, server: str) -> None:
        self._show(f"{self._round(round_number)}: {server} is being started and filled")

    def measuring(self, round_number: int, scenario: Scenario, server: str) -> None:
        self._show(f"{self._round(round_number)}: {scenario.name} on {server}{self._remaining()}")

    def measured(self, round_number: int, scenario: Scenario, server: str, sample: Sample | None, reason: str) -> None:
        self._done += 1
        if sample is None or sample.wrong:
            # The row ends here: later rounds leave it out.
            self._total -= self._rounds - round_number
        self._progress.update(self._task, completed=self._done, total=self._total)
        if sample is not None and not sample.wrong:
            if not self._console.is_terminal:
                value = f"{figures.number(sample.value)} {scenario.unit.value}"
                self._tell(f"{self._round(round_number)}  {scenario.name:<24}  {server:<16}  {value}")
        else:
            said = f"wrong: {sample.wrong}" if sample is not None else reason
            self._tell(f"{self._round(round_number)}  {scenario.name:<24}  {server:<16}  {said}")

    def note(self, text: str) -> None:
        if self._console.is_terminal:
            self._show(text)
        else:
            self._tell(text)

    def _round(self, number: int) -> str:
        return f"round {number}/{self._rounds}"

    def _remaining(self) -> str:
        if not self._done:
            return ""
        left = (self._clock() - self._began) / self._done * max(self._total - self._done, 0)
        return f", {left / 60:.0f} min left" if left >= 90 else f", {left:.0f} s left"

    def _show(self, words: str) -> None:
        self._progress.update(self._task, words=line(words))

    def _tell(self, words: str) -> None:
        self._console.print(Text(line(words)), soft_wrap=True)


class _Words(ProgressColumn):
    """Text that is never read as markup, and is cut where the line ends."""

    def render(self, task: Task) -> Text:
        return Text(str(task.fields["words"]), "dim", no_wrap=True, overflow="ellipsis")
