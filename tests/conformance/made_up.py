"""Runs that never took place, ordinary and hostile, and what a browser would see of a page."""

import html.parser
import io
from collections.abc import Callable
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from rich.console import Console

from conformance.model import Case, Category, Duty, Exchange, Finding, Level, Message, Outcome, Result, Run, Subject
from conformance.reports import badge, compare, json_report, junit, terminal
from conformance.reports import html as page

TARGET = "http://127.0.0.1:5000"
EVIL = "\x1b[2J\x1b]0;owned\x07[bold red]</pre></details><script>alert(1)</script>]]>&amp;\u202etxt\x9b31m|`x`\r\n\x00"
REPORTS: dict[str, Callable[[Run], str]] = {
    "html": page.render,
    "junit": junit.render,
    "json": json_report.render,
    "badge": badge.render,
    "terminal": lambda run: printed(run),
    "live": lambda run: live(run),
    "compare as html": lambda run: compare.html(compare.compare([run, run])),
    "compare as markdown": lambda run: compare.markdown(compare.compare([run, run])),
}


def case(identity: str, **values: object) -> Case:
    plain = Case(
        id=identity,
        title=f"Title of {identity}.",
        category=Category.PUSH,
        since=Level.V1_0,
        duty=Duty.MUST,
        requirements=("R-075",),
        official=(),
        api="Blob chunked",
        data="Image",
    )
    return replace(plain, **values)  # type: ignore[arg-type]


def exchange(**values: object) -> Exchange:
    plain = Exchange(
        method="PATCH",
        url=f"{TARGET}/v2/a/blobs/uploads/1",
        request=Message((("Content-Range", "5-9"),), b"hello", 5),
        status=400,
        answer=Message((("content-type", "application/json"),), b'{"errors":[]}', 13),
        seconds=0.25,
    )
    return replace(plain, **values)  # type: ignore[arg-type]


def run_of(*results: Result, **values: object) -> Run:
    return replace(Run(TARGET, Level.V1_1, False, 7, 1_700_000_000.0, 1.5, results), **values)  # type: ignore[arg-type]


FAILED = Result(
    case("uploads/gap"), Outcome.FAILED, 0.5, "", Finding("R-075", "status 416", "status 400"), (exchange(),)
)
WARNING = replace(FAILED, case=case("uploads/hint", duty=Duty.SHOULD))
PASSED = Result(case("blobs/get", category=Category.PULL, api="Blob get"), Outcome.PASSED, 0.1)
SKIPPED = Result(case("tags/delete", data="", api=""), Outcome.SKIPPED, reason="deleting is not offered")
DISABLED = Result(case("docker/catalog", category=Category.DOCKER), Outcome.DISABLED, reason="switched off")
BROKEN = Result(case("blobs/reset"), Outcome.BROKEN, 1.0, "connection lost")
MIXED = run_of(PASSED, FAILED, WARNING, SKIPPED, DISABLED, BROKEN)


def printed(run: Run, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    terminal.show(run, console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def live(run: Run, *, is_terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=is_terminal, color_system=None)
    progress = terminal.Live(console)
    progress.begin(len(run.results))
    for result in run.results:
        progress.start(result.case)
        progress.done(result)
    progress.end(run)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


# Content that a registry, or a report of unknown origin, may bring.

letters = st.text(st.characters() | st.sampled_from("\x1b\x00<>&\"'|`[]\\\r\n\u202e\ud800"), max_size=30)
pieces = letters | st.just(EVIL)
messages = st.builds(
    Message,
    st.lists(st.tuples(pieces, pieces), max_size=2).map(tuple),
    st.binary(max_size=60) | st.just(EVIL.encode()),
    st.none() | st.integers(0, 10**12),
)
exchanges = st.builds(
    Exchange,
    st.sampled_from(["GET", "PUT", "HEAD", "RAW"]) | pieces,
    pieces | pieces.map(lambda text: f"{TARGET}/{text}"),
    messages,
    st.integers(0, 999),
    st.none() | messages,
    st.floats(0, 1e6),
    pieces,
)
results = st.builds(
    Result,
    st.builds(
        case,
        pieces.filter(bool),
        title=pieces,
        category=st.sampled_from(Category),
        duty=st.sampled_from(Duty),
        requirements=st.tuples(pieces | st.just("R-075")),
        official=st.tuples(pieces),
        api=pieces,
        data=pieces,
    ),
    st.sampled_from(Outcome),
    st.floats(0, 1e6),
    pieces,
    st.none() | st.builds(Finding, pieces | st.just("R-075"), pieces, pieces),
    st.lists(exchanges, max_size=2).map(tuple),
)
runs = st.builds(
    Run,
    pieces,
    st.sampled_from(Level),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0, 1e6),
    st.lists(results, max_size=3, unique_by=lambda result: result.case.id).map(tuple),
    pieces,
    st.sampled_from(Subject),
)
anything = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Page(html.parser.HTMLParser):
    """The elements and attributes that a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts.append(data)

    def having(self, tag: str, name: str) -> list[dict[str, str | None]]:
        return [
            found for element, found in self.elements if element == tag and name in (found.get("class") or "").split()
        ]
