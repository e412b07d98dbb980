"""A run of the benchmark as Markdown: one table of figures and ratios, one of the servers, and the notes."""

from collections.abc import Sequence

from conformance.bench.model import Run, Scenario, Server
from conformance.bench.reports import figures
from conformance.reports.text import line


def render(run: Run) -> str:
    names = [escaped(server.name) for server in run.servers]
    if len(names) > 1:
        names = [f"{name} (=1)" if server.name == run.reference else name
                 for name, server in zip(names, run.servers, strict=True)]  # fmt: skip
    text = [row("scenario", ["unit", "c", "ceiling", *names]), row("---", ["---", *["---:"] * (len(names) + 2)])]
    for _, scenarios in figures.grouped(run):
        text += [_scenario(run, scenario) for scenario in scenarios]
    text += ["", *_servers(run), ""]
    for title, faults in (("Invalid", figures.wrong(run)), ("Not measured", figures.left_out(run))):
        text += [f"- {title}: {escaped(where)}: {escaped(reason)}" for where, reason in figures.by_reason(faults)]
    text += [f"- {escaped(note)}" for note in figures.notes(run)]
    text += [f"- {escaped(figures.title(run))}. {escaped(figures.machine(run))}."]
    if figures.warning(run):
        text.append(f"- **{escaped(figures.warning(run))}**")
    return "\n".join(text) + "\n"


def _scenario(run: Run, scenario: Scenario) -> str:
    ceiling = figures.plain(run.ceilings.get(scenario.name))
    about = [scenario.unit.value, str(scenario.connections), ceiling]
    return row(code(scenario.name), about + [_cell(run, scenario, server) for server in run.servers])


def _cell(run: Run, scenario: Scenario, server: Server) -> str:
    measured = run.of(scenario.name, server.name)
    if measured is None or not measured.valid:
        return figures.median(measured)
    star = "\\*" if figures.at_ceiling(run, scenario, measured) else ""
    ratio = figures.ratio(run, scenario, server.name)
    said = [f"**{ratio}**" if ratio else "", figures.spread(measured), figures.syncs(server, scenario.name)]
    return " ".join([figures.median(measured) + star, *filter(None, said)])


def _servers(run: Run) -> list[str]:
    columns = figures.servers(run)
    related = any(figures.ratios(run, server.name) for server in run.servers)
    names = ["version", *(escaped(heading) for heading in columns), *(["ratios"] if related else [])]
    text = [row("server", names), row("---", ["---", *["---:"] * (len(names) - 1)])]
    for number, server in enumerate(run.servers):
        cells = [escaped(figures.version(server)), *(cells[number] for cells in columns.values())]
        if related:
            ratios = figures.ratios(run, server.name)
            cells.append(figures.brief(ratios) if ratios else "")
        text.append(row(escaped(server.name), cells))
    return text


def row(first: str, cells: Sequence[str]) -> str:
    return "| " + " | ".join([first, *cells]) + " |"


def escaped(text: str) -> str:
    """Text in which Markdown and HTML find nothing to do."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>#+!|~&$@" else letter for letter in line(text))


def code(text: str) -> str:
    """The same as a code span, in which only a backtick and, in a table, a bar mean something."""
    return "`" + line(text).replace("`", "'").replace("|", "\\|") + "`"
