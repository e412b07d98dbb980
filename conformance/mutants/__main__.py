"""`python -m conformance.mutants`: which case finds which mutant.

Every case must be killed by a mutant, and every mutant be found by a case. The matrix proves both, once this has made
it and kept it in `matrix.json`: for each mutant the cases that were seen to find it. To make it in minutes, a mutant is
shown first to the cases that nothing has killed yet, and to others only until one finds it; `--full` shows every mutant
to every case. `--check` repeats, for each case and for each mutant, one pair of the kept matrix."""

import argparse
import importlib
import json
import pkgutil
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.progress import track

from conformance import mutants, runner
from conformance.case import load
from conformance.model import Case, Level, Outcome
from conformance.mutants.host import Host, hosted
from conformance.mutants.layer import MUTANTS, Call, Mutant, Reply, Request
from conformance.registry import Target

MATRIX = Path(__file__).with_name("matrix.json")
Matrix = dict[str, list[str]]
"""For each mutant the cases that were seen to find it."""


async def nothing_wrong(call: Call, request: Request) -> Reply:
    return await call(request)


RIGHT = Mutant("right", "Nothing is wrong.", nothing_wrong)
"""What no case may find: the right registry, seen through the same layer as the wrong ones."""

AT_ONCE = 60
"""Cases shown to a mutant that none has found so far, before it is looked whether one does."""


def load_mutants() -> dict[str, Mutant]:
    for module in sorted(pkgutil.iter_modules(mutants.__path__), key=lambda module: module.name):
        if module.name.startswith("wrong_") and not module.name.startswith("wrong_driver"):
            importlib.import_module(f"conformance.mutants.{module.name}")
    return MUTANTS


class Court:
    """A registry that can be made wrong, and all cases."""

    def __init__(self, host: Host, cases: dict[str, Case], timeout: float, jobs: int) -> None:
        self._host = host
        self._cases = cases
        self._timeout = timeout
        self._jobs = jobs

    def found_by(self, wrong: Mutant | None, names: Iterable[str]) -> list[str]:
        """The cases that do not pass: also one that cannot judge any more does not let the mutant through."""
        self._host.layer.use(wrong)
        chosen = [self._cases[name] for name in names]
        target = Target(
            self._host.url,
            level=Level.DEV,
            seed=time.monotonic_ns(),
            timeout=self._timeout,
            allow=frozenset({"sparse"}),
        )
        run = runner.run(target, chosen, jobs=self._jobs)
        if run.trouble:
            return sorted(case.id for case in chosen)
        bad = (Outcome.FAILED, Outcome.BROKEN)
        return sorted(result.case.id for result in run.results if result.outcome in bad)


def make(court: Court, wrong: Sequence[Mutant], cases: dict[str, Case], kept: Matrix, *, full: bool) -> Matrix:
    """The matrix; mutants that `kept` has are not shown to cases that are killed already."""
    matrix = dict(kept)

    def alive() -> set[str]:
        return set(cases) - {name for found in matrix.values() for name in found}

    def note(mutant: Mutant, found: list[str]) -> None:
        matrix[mutant.name] = sorted({*matrix.get(mutant.name, []), *found})
        # Each time, as it takes a while: `--more` goes on where this was ended.
        MATRIX.write_text(json.dumps(matrix, indent=1, sort_keys=True) + "\n")

    for mutant in track([entry for entry in wrong if not matrix.get(entry.name)], "mutants", disable=quiet()):
        if full:
            note(mutant, court.found_by(mutant, cases))
            continue
        left = alive()
        waiting = sorted(cases, key=lambda name: (not kin(mutant, name), name not in left))
        found: list[str] = []
        while not found and waiting:
            found, waiting = court.found_by(mutant, waiting[:AT_ONCE]), waiting[AT_ONCE:]
        note(mutant, found)
    for close in (True, False):
        for mutant in track(wrong, "cases that live", disable=quiet()):
            living = [name for name in sorted(alive()) if kin(mutant, name) is close]
            if living:
                note(mutant, court.found_by(mutant, living))
    return matrix


def kin(mutant: Mutant, case: str) -> bool:
    """Whether a case and a mutant sound as if they were written together."""
    words = set(mutant.name.partition("/")[0].split("_"))
    return bool(words & {*KIN.get(case.partition("/")[0], ()), *case.partition("/")[0].split("_")})


# Modules of cases whose mutants go by another name.
KIN = {
    "head": ("pull", "blobs"),
    "base": ("pull", "names"),
    "blob_ranges_more": ("ranges",),
    "blob_ranges": ("ranges",),
    "conditional": ("conditions",),
    "paging": ("discovery",),
    "isolation": ("deletes", "discovery"),
    "datasets_pushed": ("manifests",),
    "image_spec": ("manifests",),
    "tag_param": ("param",),
    "read_only": ("pull", "blobs"),
}


def report(matrix: Matrix, cases: dict[str, Case], wrong: dict[str, Mutant]) -> int:
    """Say what is missing; 0 if nothing is."""
    unfound = sorted(name for name in wrong if not matrix.get(name))
    killed = {case for found in matrix.values() for case in found}
    alive = sorted(set(cases) - killed)
    for name in unfound:
        print(f"no case finds {name}: {wrong[name].fault}", file=sys.stderr)
    for name in alive:
        print(f"no mutant kills {name}: {cases[name].title}", file=sys.stderr)
    pairs = sum(map(len, matrix.values()))
    print(
        f"{len(wrong)} mutants, {len(wrong) - len(unfound)} found; "
        f"{len(cases)} cases, {len(cases) - len(alive)} killed; {pairs} pairs seen"
    )
    return 1 if unfound or alive else 0


def check(court: Court, matrix: Matrix, cases: dict[str, Case], wrong: dict[str, Mutant]) -> int:
    """Each case against one mutant that it found, each mutant against one case that found it."""
    if set(matrix) != set(wrong) or report(matrix, cases, wrong):
        print("the kept matrix is not of these mutants and cases: run python -m conformance.mutants", file=sys.stderr)
        return 1
    wanted = {name: {found[0]} for name, found in matrix.items()}
    few_first = sorted(matrix, key=lambda name: len(matrix[name]))
    for case in cases:
        wanted[next(name for name in few_first if case in matrix[name])].add(case)
    failures = []
    for name, chosen in track(sorted(wanted.items()), "mutants", disable=quiet()):
        missed = chosen - set(court.found_by(wrong[name], sorted(chosen)))
        if missed:  # A race is not lost every time.
            missed -= set(court.found_by(wrong[name], sorted(missed)))
        failures += [f"{case} does not find {name}" for case in sorted(missed)]
    print("\n".join(failures))
    print(f"{sum(map(len, wanted.values())) - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


def quiet() -> bool:
    return not sys.stderr.isatty()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance.mutants", description=__doc__)
    parser.add_argument("--check", action="store_true", help="repeat what the kept matrix says")
    parser.add_argument("--full", action="store_true", help="show every mutant to every case")
    parser.add_argument("--more", action="store_true", help="keep the matrix there is, add what it lacks")
    parser.add_argument("--only", default="", help="show mutants whose name contains this to every case; keep nothing")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds for one case")
    parser.add_argument("--jobs", type=int, default=4, help="cases at a time")
    options = parser.parse_args()
    cases, wrong = load(), load_mutants()
    with hosted() as host:
        court = Court(host, cases, options.timeout, options.jobs)
        spoiled = Court(host, cases, 30, options.jobs).found_by(RIGHT, cases)
        if spoiled:
            print(f"these fail on the right registry: {', '.join(spoiled)}", file=sys.stderr)
            return 2
        if options.only:
            for entry in (entry for name, entry in wrong.items() if options.only in name):
                found = court.found_by(entry, cases)
                print(f"{entry.name}: {entry.fault} Found by {len(found)}: {', '.join(found[:4])}")
            return 0
        matrix: Matrix = json.loads(MATRIX.read_text()) if MATRIX.exists() else {}
        if options.check:
            return check(court, matrix, cases, wrong)
        kept = (
            {name: [case for case in found if case in cases] for name, found in matrix.items() if name in wrong}
            if options.more
            else {}
        )
        matrix = make(court, list(wrong.values()), cases, {k: v for k, v in kept.items() if v}, full=options.full)
        return report(matrix, cases, wrong)


if __name__ == "__main__":
    sys.exit(main())
