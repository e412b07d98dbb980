"""`python -m conformance.lab.survey`: the kit on every registry that can be started here, written to `results/`.

A page for each registry explains every failure; `results/README.md` has them side by side. What depends on the moment
(times, random content) is left out, so that a page changes only when a verdict does."""

import argparse
import re
import sys
from pathlib import Path

from conformance import runner
from conformance.bench.peers import PEERS, Peer, missing, running, version
from conformance.case import RegistryCase
from conformance.cases import load
from conformance.client.registry import Target
from conformance.model import Category, Level, Outcome, Result, Run
from conformance.reports import explain, summary
from conformance.requirements import find

RESULTS = Path(__file__).with_name("results")
SEED = 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance.lab.survey", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(PEERS), help="only this registry; repeatable")
    parser.add_argument("--level", default="1.1", choices=[level.value for level in Level])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page would change")
    options = parser.parse_args()
    level = Level(options.level)
    cases = selected(load(), level)
    found: dict[str, Run] = {}
    for name in options.only or PEERS:
        reason = missing(PEERS[name])
        if reason:
            print(reason, file=sys.stderr)
            return 2
        with running(PEERS[name]) as url:
            found[name] = runner.run(Target(url, level=level, seed=SEED), cases, jobs=2)
        print(f"{name}: {summary.headline(found[name])} in {found[name].seconds:.1f} s")
    pages = {f"{name}.md": page(PEERS[name], run) for name, run in found.items()}
    if not options.only:
        pages["README.md"] = overview(found)
    changed = [name for name, text in pages.items() if not same(RESULTS / name, text)]
    if options.check:
        print("\n".join(f"results/{name} is not what was found now" for name in changed))
        return 1 if changed else 0
    RESULTS.mkdir(exist_ok=True)
    for name in changed:
        (RESULTS / name).write_text(pages[name])
    return 0


def selected(cases: dict[str, RegistryCase], level: Level) -> list[RegistryCase]:
    """What is asked of strangers: the level's cases of the four workflows."""
    return [case for case in cases.values() if level.includes(case.since) and case.category.by_default]


def same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


def page(peer: Peer, run: Run) -> str:
    """Every verdict on one registry that is no pass, explained."""
    rows = [f"# {peer.name}", "", f"`{version(peer)}`, level {run.level.value}: {summary.headline(run)}.", ""]
    for heading, wanted in (("Failures", "failed"), ("Could not be judged", "broken"), ("Warnings", "warning")):
        results = [result for result in run.results if summary.verdict(result) == wanted]
        if results:
            rows += [f"## {heading}", "", *(line for result in results for line in explained(result)), ""]
    skipped = [result for result in run.results if result.outcome is Outcome.SKIPPED]
    if skipped:
        rows += ["## Skipped", "", *(f"- `{result.case.id}`: {steady(result.reason)}" for result in skipped), ""]
    return "\n".join(rows)


def explained(result: Result) -> list[str]:
    finding = result.finding
    requirement = find(finding.requirement if finding else result.case.requirements[0])
    rows = [
        f"- `{result.case.id}`: {result.case.title}",
        f"  {requirement.id} {requirement.duty.value}: {requirement.text}",
    ]
    rows.append(f"  **{steady(explain.brief(result))}**")
    if result.exchanges:
        last = result.exchanges[-1]
        rows.append(f"  `{steady(last.method)} {steady(path(last.url))}` answered {last.status or 'nothing'}")
    return rows


def path(url: str) -> str:
    return "/" + url.split("/", 3)[-1]


def steady(text: str) -> str:
    """Without what differs from run to run, nor what Markdown would read."""
    text = re.sub(r"127\.0\.0\.1:[0-9]+", "HOST", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID", text)
    text = re.sub(r"_state=[^&\s'\"]+", "_state=STATE", text)
    return " ".join(text.replace("`", "'").replace("|", "/").split())[:300]


def overview(runs: dict[str, Run]) -> str:
    """All registries side by side, by category."""
    rows = [
        "# Results",
        "",
        "Made by `python -m conformance.lab.survey`; a page for each registry explains its failures.",
        "",
    ]
    rows += table(runs)
    return "\n".join([*rows, ""])


def table(runs: dict[str, Run]) -> list[str]:
    names = list(runs)
    rows = ["| | " + " | ".join(f"[{name}]({name}.md)" for name in names) + " |", "|---|" + "---|" * len(names)]
    rows.append("| version | " + " | ".join(steady(version(PEERS[name])) for name in names) + " |")
    for verdict in ("passed", "failed", "warning", "skipped", "broken"):
        counts = [str(summary.tally(run.results)[verdict]) for run in runs.values()]
        rows.append(f"| {summary.LABELS[verdict]} | " + " | ".join(counts) + " |")
    for category in Category:
        cells = [cell(run, category) for run in runs.values()]
        if any(cells):
            rows.append(f"| {category.value} | " + " | ".join(cells) + " |")
    return rows


def cell(run: Run, category: Category) -> str:
    counts = summary.tally(result for result in run.results if result.case.category is category)
    judged = counts["passed"] + counts["failed"] + counts["broken"] + counts["warning"]
    return f"{counts['passed']} of {judged}" if judged else ""


if __name__ == "__main__":
    sys.exit(main())
