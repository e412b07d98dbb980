"""The command line: `registry-bench URL …` or `--peers`, and beside it `compare` and `report`.

Rich and Jinja are imported when there is something to show: `--help` and mistakes are answered at once."""

import argparse
import difflib
import fnmatch
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance import __version__
from conformance.bench.errors import BenchError
from conformance.bench.model import Run, Scenario
from conformance.cli import Parser
from conformance.settings import SettingsInvalid, seconds, url_and_login, whole

if TYPE_CHECKING:
    from rich.console import Console

    from conformance.bench.servers import Wanted

PROGRAM = "registry-bench"

STREAM = Path("-")
"""As the name of a file: standard output."""

FORMS = ("json", "markdown", "html")
BEGIN, END = "<!-- registry-bench -->", "<!-- end of registry-bench -->"

QUICK = (
    "manifest-get-tag",
    "manifest-head-tag",
    "tags-list",
    "blob-head",
    "blob-get-233B",
    "blob-get-3MB",
    "push-4KB",
    "push-100KB",
    "push-10MB",
    "image-push",
    "image-pull",
    "blob-get-233B-p99",
)
"""The scenarios of `--quick`."""

DESCRIPTION = """Measures how fast registries are, side by side: in turn within each round, every answer checked.

It pushes to repositories whose names begin with bench/. Exit status: 0 fine, 1 a server answered wrongly, 2 could not
run."""

EPILOG = f"""examples:
  {PROGRAM} http://localhost:5000 http://localhost:5001 --html speed.html
  {PROGRAM} --peers holdfast-2,distribution --quick
  {PROGRAM} --peers --reference distribution --json now.json --markdown -
  {PROGRAM} compare before.json now.json      what has become faster, and what slower
  {PROGRAM} report now.json --html speed.html  other forms of a run that was kept"""


def main(arguments: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    commands = {"compare": compare, "report": report}
    command = commands.get(words[0]) if words else None
    try:
        status = command(words[1:]) if command else run(words)
        sys.stdout.flush()
        return status
    except (SettingsInvalid, BenchError) as error:
        return complain(str(error))
    except KeyboardInterrupt:
        return complain("interrupted")
    except BrokenPipeError:
        # Whoever read has seen enough; nothing more can be written, not even by the interpreter when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return complain(f"cannot write to {error.filename or 'standard output'}: {error.strerror}")


def complain(message: str) -> int:
    tell(message)
    return 2


def tell(message: str) -> None:
    from conformance.reports.text import line

    # What is told may be a stranger's words.
    print(f"{PROGRAM}: {line(' '.join(message.split()))}", file=sys.stderr, flush=True)


def run(words: Sequence[str]) -> int:
    """Measure."""
    parser = Parser(
        PROGRAM, description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument(
        "urls", nargs="*", metavar="URL", help="a registry, such as http://localhost:5000 or https://user:password@host"
    )
    parser.add_argument(
        "--peers",
        nargs="?",
        const="all",
        metavar="NAME,…",
        help="start and stop these known servers; without names all",
    )
    parser.add_argument("--only", action="append", metavar="PATTERN", help="only these scenarios, such as 'push-*'; "
                        "may be repeated")  # fmt: skip
    parser.add_argument("--rounds", metavar="N", help="how often everything is measured (default 3)")
    parser.add_argument("--seconds", metavar="S", help="how long each scenario is measured each time (default 3)")
    parser.add_argument("--quick", action="store_true", help="one round, one second, a dozen scenarios")
    parser.add_argument("--reference", metavar="NAME", help="the server that ratios are to (default: distribution if "
                        "it is there, else the first)")  # fmt: skip
    parser.add_argument("--sync-check", action="store_true", help="count how often the servers started here sync "
                        "what they acknowledge (needs strace)")  # fmt: skip
    add_forms(parser)
    parser.add_argument("--no-progress", action="store_true", help="say nothing while measuring")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument("--list", action="store_true", help="list the scenarios and known servers, and measure nothing")
    options = parser.parse_args(words)
    scenarios = chosen(options.only, quick=options.quick)
    if options.list:
        return enumerate_all(scenarios)
    rounds = whole(options.rounds or ("1" if options.quick else "3"), "rounds", 1, 1000)
    length = seconds(options.seconds or ("1" if options.quick else "3"), "seconds")
    forms = forms_of(options)
    servers = wanted(options.urls, options.peers)
    reference = referred(servers, options.reference)
    writable(forms)

    from conformance.bench import measure
    from conformance.bench.reports import figures
    from conformance.bench.reports.progress import Live, Quiet

    total = rounds * len(scenarios) * len(servers)
    progress = Quiet() if options.no_progress else Live(console_for(sys.stderr), total, rounds)
    with progress:
        done = measure.run(
            servers, scenarios, rounds=rounds, seconds=length, reference=reference, sync_check=options.sync_check,
            listener=progress,
        )  # fmt: skip
    write(done, forms)
    show(done, forms)
    return figures.exit_status(done)


def compare(words: Sequence[str]) -> int:
    """Two runs, before and after."""
    parser = Parser(
        f"{PROGRAM} compare",
        description="Puts two runs side by side.",
        epilog=f"example: {PROGRAM} compare before.json now.json --markdown -",
        allow_abbrev=False,
    )
    parser.add_argument("old", metavar="OLD.json", type=Path)
    parser.add_argument("new", metavar="NEW.json", type=Path)
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write it as Markdown; - is standard output")
    options = parser.parse_args(words)
    old, new = kept(options.old), kept(options.new)
    forms = {"markdown": options.markdown} if options.markdown else {}
    writable(forms)

    from conformance.bench.reports import compare as before_and_after

    comparison = before_and_after.compare(old, new)
    if not comparison.servers:
        raise SettingsInvalid(f"{options.old} and {options.new} have no server in common")
    if forms:
        put("markdown", options.markdown, before_and_after.render_markdown(comparison))
    else:
        before_and_after.show(comparison, console_for(sys.stdout))
    return 0


def report(words: Sequence[str]) -> int:
    """The other forms of a run that was kept."""
    parser = Parser(
        f"{PROGRAM} report",
        description="Makes reports of a run that was kept.",
        epilog=f"example: {PROGRAM} report now.json --html speed.html",
        allow_abbrev=False,
    )
    parser.add_argument("run", metavar="RUN.json", type=Path)
    add_forms(parser)
    parser.add_argument(
        "--into", metavar="FILE", type=Path, help=f"put it as Markdown between the lines {BEGIN} and {END} of a file"
    )
    options = parser.parse_args(words)
    forms = forms_of(options)
    done = kept(options.run)
    writable(forms)
    write(done, forms)
    if options.into is not None:
        insert(options.into, renderer("markdown")(done))
    elif not forms:
        show(done, forms)
    return 0


def insert(path: Path, table: str) -> None:
    """Replace what stands between the marks."""
    try:
        before, begin, rest = path.read_text("utf-8").partition(f"{BEGIN}\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"--into: cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    _, end, after = rest.partition(f"{END}\n")
    if not begin or not end:
        raise SettingsInvalid(f"--into: {path} has no line {BEGIN} followed by a line {END}")
    put("into", path, f"{before}{begin}\n{table}\n{end}{after}")


# What was said, made things


def chosen(patterns: Sequence[str] | None, *, quick: bool) -> list[Scenario]:
    """The scenarios whose names match; all of them, or those of `--quick`, without a pattern."""
    from conformance.bench.scenarios import SCENARIOS

    if not patterns:
        return [one for one in SCENARIOS if not quick or one.name in QUICK]
    found: set[str] = set()
    names = [one.name for one in SCENARIOS]
    for pattern in (part for text in patterns for part in text.split(",") if part):
        matching = fnmatch.filter(names, pattern)
        if not matching:
            raise SettingsInvalid(f"--only: no scenario is called {pattern!r}{near(pattern, names)} (see --list)")
        found |= set(matching)
    if not found:
        raise SettingsInvalid("--only: no scenario is left (see --list)")
    return [one for one in SCENARIOS if one.name in found]


def near(word: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, names, 1)
    return f"; {close[0]}?" if close else ""


def wanted(urls: Sequence[str], known: str | None) -> list["Wanted"]:
    """The servers to measure, the known ones first. Those that are not installed are named and left out."""
    from conformance.bench.servers import PEERS, Wanted, missing

    if not urls and known is None:
        raise SettingsInvalid("which registries? give their URLs, or --peers to start known ones")
    servers: list[Wanted] = []
    given = [name for name in (known or "").split(",") if name]
    names = list(PEERS) if given == ["all"] else given
    if known is not None and not names:
        raise SettingsInvalid(f"--peers: which? {', '.join(PEERS)} or all")
    for name in names:
        if name not in PEERS:
            hint = "; URLs stand before --peers" if "://" in name else ""
            raise SettingsInvalid(f"--peers: {name!r} is none of {', '.join(PEERS)}{hint}")
        if names.count(name) > 1:
            raise SettingsInvalid(f"--peers: {name} is there twice")
    for name in names:
        reason = missing(name)
        if reason:
            tell(f"{name} is left out: {reason}")
        else:
            servers.append(Wanted(name))
    for url in urls:
        address, (user, password) = url_and_login(url)
        scheme, _, name = address.partition("://")
        if name in [server.name for server in servers]:
            raise SettingsInvalid(f"{address} is there twice")
        servers.append(Wanted(name, f"{scheme}://{user}:{password}@{name}" if user else address))
    if not servers:
        raise SettingsInvalid("no server is left: install one of those named above, or give a URL")
    return servers


def referred(servers: Sequence["Wanted"], name: str | None) -> str:
    """The server that ratios are to."""
    names = [server.name for server in servers]
    if name is None:
        return "distribution" if "distribution" in names else names[0]
    for server in servers:
        if name.rstrip("/").rpartition("://")[2] == server.name:
            return server.name
    raise SettingsInvalid(f"--reference: {name!r} is not measured; there is {', '.join(names)}")


def kept(path: Path) -> Run:
    """A run that was written as JSON."""
    from conformance.bench.reports import json_report

    try:
        return json_report.load(path)
    except json_report.ReportInvalid as error:
        raise SettingsInvalid(str(error)) from None
    except OSError as error:
        raise SettingsInvalid(f"cannot read {path}: {error.strerror or error}") from None


def enumerate_all(scenarios: Sequence[Scenario]) -> int:
    from conformance.bench.servers import PEERS, missing

    for one in scenarios:
        print(f"{one.name:<26}{one.group.value:<10}{one.unit.value:<12}c={one.connections:<4}{one.title}")
    print()
    for name in PEERS:
        print(f"{name:<26}{missing(name) or 'can be started here'}")
    return 0


# Reports


def add_forms(parser: argparse.ArgumentParser) -> None:
    for form, name in (("json", "JSON, every sample"), ("markdown", "Markdown"), ("html", "one HTML page")):
        parser.add_argument(f"--{form}", metavar="FILE", type=Path, help=f"write it as {name}; - is standard output")


def forms_of(options: argparse.Namespace) -> dict[str, Path]:
    forms = {form: path for form in FORMS if (path := getattr(options, form)) is not None}
    for form, path in forms.items():
        if [other.absolute() for other in forms.values()].count(path.absolute()) > 1:
            where = "standard output" if path == STREAM else str(path)
            raise SettingsInvalid(f"--{form}: only one report can be written to {where}")
    return forms


def writable(forms: dict[str, Path]) -> None:
    """Find out before the run, not after it, whether its reports can be written."""
    from conformance.cli import writable as files_writable

    files_writable({form: path for form, path in forms.items() if path != STREAM})


def write(done: Run, forms: dict[str, Path]) -> None:
    """The JSON first: the other forms can be made from it."""
    for form, path in forms.items():
        put(form, path, renderer(form)(done))


def renderer(form: str) -> Callable[[Run], str]:
    from conformance.bench.reports import html, json_report, markdown

    return {"html": html.render, "json": json_report.render, "markdown": markdown.render}[form]


def put(form: str, path: Path, text: str) -> None:
    if path == STREAM:
        sys.stdout.write(text)
        return
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise SettingsInvalid(f"--{form}: cannot write {path}: {error.strerror or error}") from None


def show(done: Run, forms: dict[str, Path]) -> None:
    """The tables: on standard output, unless a report is written there."""
    from conformance.bench.reports import terminal

    terminal.show(done, console_for(sys.stderr if STREAM in forms.values() else sys.stdout))


def console_for(stream: Any) -> "Console":
    from rich.console import Console

    # Tables that nobody sees on a terminal are not cut to its width.
    return Console(file=stream, highlight=False, width=None if stream.isatty() else 120)
