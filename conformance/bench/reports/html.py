"""A run of the benchmark as one HTML page with bars, for a telephone as for a desktop, in the dark as in the light."""

import base64
import hashlib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from conformance.bench.model import Measured, Run, Scenario, Unit
from conformance.bench.reports import figures
from conformance.reports.text import line, visible

PACKAGE = "conformance.bench.reports"

WIDTHS = "".join(f".w{width}{{width:{width}%}}" for width in range(101))
"""A class for each length of a bar: the page's policy allows no style in an element."""


class Bar(NamedTuple):
    """One way to look at a row: what is written, and how long the bar is, in percent of the longest."""

    said: str
    width: int


class Row(NamedTuple):
    """A server in a scenario. `bars`: by view, one for each of `VIEWS`; `trouble` where there is no figure."""

    server: str
    place: int
    measured: Measured | None
    bars: dict[str, Bar]
    trouble: str


class View(NamedTuple):
    """What bars can show: `of` gives the length of a bar, `said` its words."""

    label: str
    of: Callable[[Run, Scenario, Measured], float | None]
    said: Callable[[Run, Scenario, Measured], str]


def _figure(run: Run, scenario: Scenario, row: Measured) -> str:
    star = "*" if figures.at_ceiling(run, scenario, row) else ""
    return f"{figures.number(row.median)}{star} {figures.spread(row)}".rstrip()


def _cpu(run: Run, scenario: Scenario, row: Measured) -> float | None:
    return row.cpu_per_gigabyte if scenario.unit is Unit.MEGABYTES else row.cpu_per_thousand


def _cpu_said(run: Run, scenario: Scenario, row: Measured) -> str:
    per = "GB" if scenario.unit is Unit.MEGABYTES else "1,000"
    value = _cpu(run, scenario, row)
    return "" if value is None else f"{figures.number(value)} s/{per}"


VIEWS = {
    "figure": View("Figures", lambda run, scenario, row: row.median, _figure),
    "ratio": View(
        "Ratios",
        lambda run, scenario, row: run.ratio(scenario, row.server),
        lambda run, scenario, row: figures.times(run.ratio(scenario, row.server)),
    ),
    "cpu": View("CPU", _cpu, _cpu_said),
    "memory": View(
        "Memory", lambda run, scenario, row: row.memory, lambda run, scenario, row: figures.size(row.memory)
    ),
}


def render(run: Run) -> str:
    """The page. Without a script it shows the figures; with it, ratios, CPU and memory too, and can be filtered.

    What a server said is escaped twice over: as text by `line`, as HTML by Jinja."""
    style = Markup(_part("conformance.reports", "style.css") + _part(PACKAGE, "bench.css") + WIDTHS)  # noqa: S704
    script = Markup(_part(PACKAGE, "bench.js"))  # noqa: S704
    policy = f"default-src 'none'; style-src {_allowed(style)}; script-src {_allowed(script)}; base-uri 'none'"
    rows = {scenario.name: _rows(run, scenario) for scenario in run.scenarios}
    views = {
        name: view for name, view in VIEWS.items() if _used(rows, name) and (name != "ratio" or len(run.servers) > 1)
    }
    page: str = (
        _environment()
        .get_template("bench.html.j2")
        .render(style=style, script=script, policy=policy, run=run, rows=rows, views=views)
    )
    return page


def _rows(run: Run, scenario: Scenario) -> list[Row]:
    found = [(number, server.name, run.of(scenario.name, server.name)) for number, server in enumerate(run.servers)]
    valid = [row for _, _, row in found if row is not None and row.valid]
    longest = {
        name: max((view.of(run, scenario, row) or 0 for row in valid), default=0) for name, view in VIEWS.items()
    }
    rows = []
    for number, server, row in found:
        bars = {}
        if row is not None and row.valid:
            for name, view in VIEWS.items():
                length = (view.of(run, scenario, row) or 0) / longest[name] if longest[name] else 0
                bars[name] = Bar(view.said(run, scenario, row), max(round(length * 100), 1 if length else 0))
        rows.append(Row(server, number, row, bars, "" if bars else _trouble(row)))
    return rows


def _trouble(row: Measured | None) -> str:
    if row is None:
        return "not measured"
    return f"invalid: {row.wrong}" if row.wrong else row.reason or "not measured"


def _used(rows: dict[str, list[Row]], view: str) -> bool:
    return any(row.bars[view].said for group in rows.values() for row in group if row.bars)


@cache
def _environment() -> Environment:
    """Made once: compiling a template takes longer than filling it in."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(PACKAGE), PackageLoader("conformance.reports")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"line": line, "visible": visible}
    environment.globals |= {"figures": figures}
    return environment


def _part(package: str, name: str) -> str:
    """A file of ours that goes into the page as it is."""
    return files(package).joinpath("templates", name).read_text("utf-8")


def _allowed(part: str) -> str:
    """The part's hash: the browser runs nothing else, even if something had got through the escaping."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'"
