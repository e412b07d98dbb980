"""What all reports count and explain: results by verdict and group, and the requirements behind a result."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from conformance.model import Outcome, Requirement, Result, Run, Subject
from conformance.requirements import REQUIREMENTS

VERDICTS = ("failed", "broken", "warning", "passed", "skipped", "disabled")
"""What is said of a result, the worst first. A warning is a failure of what only should be."""

LABELS = {
    "failed": "failed",
    "broken": "could not be judged",
    "warning": "warnings",
    "passed": "passed",
    "skipped": "skipped",
    "disabled": "disabled",
}

MARKS = {"failed": "✗", "broken": "‼", "warning": "!", "passed": "✓", "skipped": "–", "disabled": "·"}

Group = Callable[[Result], str]

GROUPS: tuple[tuple[str, Group], ...] = (
    ("API", lambda result: result.case.api),
    ("Data", lambda result: result.case.data),
    ("Category", lambda result: result.case.category.value),
)


def verdict(result: Result) -> str:
    return "warning" if result.warning else result.outcome.value


def tally(results: Iterable[Result]) -> Counter[str]:
    return Counter(verdict(result) for result in results)


def grouped(run: Run, group: Group) -> dict[str, Counter[str]]:
    """Counts by group, in the order of the cases; results that belong to none are left out."""
    counts: dict[str, Counter[str]] = {}
    for result in run.results:
        if group(result):
            counts.setdefault(group(result), Counter())[verdict(result)] += 1
    return counts


def worst(counts: Counter[str]) -> str:
    """The verdict of a group: the worst of its results, but what was left out only counts if nothing else is there."""
    return next((name for name in VERDICTS if counts[name]), "disabled")


def headline(run: Run) -> str:
    """The run in one line."""
    if run.trouble:
        return f"could not run: {run.trouble}"
    if run.idle:
        return f"nothing was run: {run.idle}"
    counts = tally(run.results)
    return ", ".join(f"{counts[name]} {plural(name, counts[name])}" for name in VERDICTS if counts[name])


def title(run: Run) -> str:
    """What was tested, and by which edition of its rules."""
    return f"{run.subject.title} {run.level.value}" if run.subject is Subject.REGISTRY else run.subject.title


def terms(run: Run) -> list[str]:
    """Under which the run took place."""
    strict = ["strict: warnings are failures"] if run.strict else []
    return [*([f"seed {run.seed}"] if run.subject is Subject.REGISTRY else []), *strict]


def plural(name: str, count: int) -> str:
    """The verdict as it stands behind a number."""
    return {"warning": "warning" if count == 1 else "warnings"}.get(name, name)


def judgement(run: Run) -> str:
    """The verdict of the whole run, by its exit status."""
    if run.exit_status == 0:
        return "passed"
    return "failed" if run.exit_status == 1 else "broken"


def failures(run: Run) -> int:
    """What makes the run fail: failures, and warnings too if it is strict."""
    return run.count(Outcome.FAILED) + (run.warnings if run.strict else 0)


def requirements(result: Result) -> list[Requirement]:
    """What the case judges by, the one that was broken first. Unknown ones (of another edition) are left out."""
    wanted = [result.finding.requirement] if result.finding else []
    wanted += [identity for identity in result.case.requirements if identity not in wanted]
    return [REQUIREMENTS[identity] for identity in wanted if identity in REQUIREMENTS]


def when(run: Run) -> str:
    try:
        return datetime.fromtimestamp(run.started, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        return "at an unknown time"
