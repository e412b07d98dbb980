"""The command line: `registry-conformance URL`, and beside it `compare` and `driver`.

Rich and Jinja are imported when there is something to show: `--help` and mistakes are answered at once."""

import argparse
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from conformance import __version__, settings
from conformance.model import Case, Duty, Run

if TYPE_CHECKING:
    from rich.console import Console

PROGRAM = "registry-conformance"

DESCRIPTION = """Tests whether a registry does what the OCI distribution specification says.

Exit status: 0 all passed or skipped, 1 failures, 2 could not run or could not judge."""

EPILOG = f"""examples:
  {PROGRAM} http://localhost:5000 --level dev
  {PROGRAM} https://user:password@registry.example.org --html report.html --json report.json
  {PROGRAM} --explain R-075                    what a requirement says, and what tests it
  {PROGRAM} compare a.json b.json --html c.html  several registries side by side
  {PROGRAM} driver file:///tmp/blobs            test a storage driver

Options may be given by the variables in brackets. The official suite's OCI_… variables are understood too."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    commands = {"compare": compare, "driver": driver}
    command = commands.get(words[0]) if words else None
    try:
        status = command(words[1:]) if command else run(words)
        sys.stdout.flush()
        return status
    except settings.SettingsInvalid as error:
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
    from conformance.reports.text import line

    # What is told may be a stranger's words.
    print(f"{PROGRAM}: {line(' '.join(message.split()))}", file=sys.stderr)
    return 2


def run(words: Sequence[str]) -> int:
    """Test a registry."""
    parser = Parser(
        PROGRAM, description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("url", nargs="?", metavar="URL", help="the registry, such as http://localhost:5000")
    settings.add_options(parser)
    parser.add_argument("--list", action="store_true", help="list the cases that would run, and run none")
    parser.add_argument("--explain", metavar="ID", help="what a requirement says, such as R-075, and what tests it")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    flags = vars(parser.parse_args(words))
    if flags["explain"]:
        return explain(flags["explain"])
    if flags["list"] and not flags["url"]:
        flags["url"] = os.environ.get(f"{settings.PREFIX}URL") or "http://localhost"
    chosen = settings.load(flags, os.environ)

    from conformance.cases import load

    cases = chosen.selected(list(load().values()))
    if not cases:
        raise settings.SettingsInvalid("no case is left: see --level, --category and --only")
    if flags["list"]:
        return enumerate_cases(cases, chosen.disabled)
    if all(chosen.disabled(case) for case in cases):
        raise settings.SettingsInvalid(f"every case is disabled: {chosen.disabled(cases[0])}")
    writable(chosen.reports)

    from conformance import runner
    from conformance.reports.terminal import Live

    console = console_for(sys.stdout)
    live = Live(console)
    live.begin(len(cases))
    try:
        done = runner.run(
            chosen.target, cases, jobs=chosen.jobs, strict=chosen.strict, disabled=chosen.disabled, listener=live.done
        )
    except KeyboardInterrupt:
        live.end(Run(chosen.target.url, chosen.target.level, chosen.strict, chosen.target.seed, 0, 0))
        raise
    return finish(done, live.end, console, chosen.reports)


def finish(done: Run, end: Callable[[Run], None], console: "Console", reports: dict[str, Path]) -> int:
    """Show a run, write its reports, and say how it ended."""
    from conformance.reports import terminal
    from conformance.reports.redact import redacted
    from conformance.reports.text import line

    end(done)
    # Once for all reports. What the server said is neither to be obeyed by the terminal nor to give a secret away.
    done = redacted(done)
    if not done.trouble:
        terminal.show(done, console)
    write(done, reports)
    if done.trouble:
        return complain(line(done.trouble if done.target in done.trouble else f"{done.target}: {done.trouble}"))
    return done.exit_status


def explain(identity: str) -> int:
    from conformance import requirements
    from conformance.cases import load

    try:
        found = requirements.find(identity.upper())
    except requirements.RequirementUnknown as error:
        return complain(str(error))
    print(f"{found.id} {found.duty.value}, since {found.since.value} ({found.section})\n\n{found.text}\n")
    cases = [case for case in load().values() if found.id in case.requirements]
    for case in cases:
        print(f"  {case.id}: {case.title}")
    if not cases:
        print(f"  No case: {requirements.UNOBSERVABLE.get(found.id, 'nothing tests it yet')}.")
    return 0


def enumerate_cases(cases: Sequence[Case], disabled: Callable[[Case], str]) -> int:
    widest = max(len(case.id) for case in cases)
    for case in cases:
        reason = disabled(case)
        duty = "" if case.duty is Duty.MUST else f" [{case.duty.value}]"
        left_out = f" (disabled: {reason})" if reason else ""
        print(f"{case.id:<{widest}}  {', '.join(case.requirements)}  {case.title}{duty}{left_out}")
    return 0


def compare(words: Sequence[str]) -> int:
    """Several runs side by side."""
    parser = Parser(
        f"{PROGRAM} compare",
        description="Puts JSON reports side by side.",
        epilog=f"example: {PROGRAM} compare ours.json theirs.json --name ours --name theirs --html both.html",
        allow_abbrev=False,
    )
    parser.add_argument("reports", nargs="+", metavar="REPORT.json", type=Path)
    parser.add_argument("--name", action="append", help="what a registry is called, in the order of the reports")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write the table as Markdown")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write the table as one HTML page")
    options = parser.parse_args(words)
    names = options.name or []
    if names and len(names) != len(options.reports):
        parser.error(f"{len(options.reports)} reports, but {len(names)} names")

    from conformance.reports import compare as side_by_side
    from conformance.reports import json_report

    try:
        runs = [json_report.load(path) for path in options.reports]
    except (json_report.ReportInvalid, OSError) as error:
        return complain(str(error))
    table = side_by_side.compare(runs, names)
    writable({kind: path for kind in ("markdown", "html") if (path := getattr(options, kind))})
    if options.markdown:
        options.markdown.write_text(side_by_side.markdown(table), "utf-8")
    if options.html:
        options.html.write_text(side_by_side.html(table), "utf-8")
    if not options.markdown and not options.html:
        console_for(sys.stdout).print(side_by_side.terminal(table))
    return 0


def driver(words: Sequence[str]) -> int:
    """Test a storage driver."""
    wanted = ("only", "timeout", "seed", *settings.REPORTS, "report-dir")
    options = [option for option in settings.OPTIONS if option.name in wanted and option.name != "seed"]
    parser = Parser(
        f"{PROGRAM} driver",
        description="Tests whether a storage driver keeps the contract.",
        epilog=f"example: {PROGRAM} driver mystore.drivers:make_driver --json report.json",
        allow_abbrev=False,
    )
    parser.add_argument("target", metavar="TARGET", help="file:///FOLDER, memory: or package.module:factory")
    settings.add_options(parser, options)
    parser.add_argument("--many", metavar="N", default="10000", help="how many objects are listed at once")
    parser.add_argument("--locks", action="store_true", help="an upload refuses a second appender")
    flags = vars(parser.parse_args(words))
    said = settings.read(flags, os.environ, options)
    reports = {
        kind: Path(said["report_dir"][0]) / name for kind, name in settings.REPORTS.items() if "report_dir" in said
    }
    reports |= {kind: Path(said[kind][0]) for kind in settings.REPORTS if kind in said}
    writable(reports)
    try:
        from conformance.drivers.run import run as run_suite
        from conformance.drivers.store import Store, TargetInvalid
    except ImportError as error:
        return complain(
            f"testing drivers needs the registry, pytest and anyio: {error}; in a checkout of the registry, "
            "pip install . './conformance[drivers]' has all"
        )

    from conformance.reports.terminal import Live

    console = console_for(sys.stdout)
    live = Live(console)
    try:
        done = run_suite(
            Store(flags["target"]),
            only=said.get("only", []),
            timeout=settings.seconds(said.get("timeout", ["30"])[0], "timeout"),
            many=settings.whole(flags["many"], "many", 1, 1_000_000),
            locks=flags["locks"] or None,
            begin=live.begin,
            listener=live.done,
        )
    except TargetInvalid as error:
        return complain(str(error))
    status = finish(done, live.end, console, reports)
    if threading.active_count() > 1:
        # A driver that hangs in a thread would keep the interpreter from ending.
        console.file.flush()
        os._exit(status)
    return status


def write(done: Run, reports: dict[str, Path]) -> None:
    """Write the reports that were asked for."""
    if not reports:
        return
    from conformance.reports import badge, html, json_report, junit

    renderers = {"badge": badge.render, "html": html.render, "json": json_report.render, "junit": junit.render}
    for kind, path in reports.items():
        try:
            path.write_text(renderers[kind](done), "utf-8")
        except OSError as error:
            raise settings.SettingsInvalid(f"--{kind}: cannot write {path}: {error.strerror or error}") from None


def writable(reports: dict[str, Path]) -> None:
    """Find out before the run, not after it, whether its reports can be written."""
    for kind, path in reports.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a"):
                pass
        except OSError as error:
            raise settings.SettingsInvalid(f"--{kind}: cannot write {path}: {error.strerror or error}") from None


def console_for(stream: object) -> "Console":
    from rich.console import Console

    # Tables that nobody sees on a terminal are not cut to its width.
    return Console(file=stream, highlight=False, width=None if sys.stdout.isatty() else 120)  # type: ignore[arg-type]
