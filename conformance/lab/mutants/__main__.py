"""`python -m conformance.lab.mutants`: which case finds which mutant.

Every case must be killed by a mutant, and every mutant be found by a case. The matrix proves both, once this has made
it and kept it in `matrix.json`: for each mutant the cases that were seen to find it. To make it in minutes, a mutant is
shown to the cases that its name is close to, to others only until one finds it, and then to those that nothing has
killed; `--full` shows every mutant to every case. `--check` repeats, for each case and for each mutant, one pair of
the kept matrix."""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from conformance.cases import load
from conformance.lab.mutants.court import AT_ONCE, RIGHT, Court, Courts, Showing, load_mutants
from conformance.lab.mutants.host import hosted
from conformance.lab.mutants.layer import Mutant
from conformance.model import Case

TRIES = 3
"""How often a mutant is shown to a case that does not find it: where requests race, a busy machine may keep them apart.
That a case can fail is shown by failing once."""

MATRIX = Path(__file__).with_name("matrix.json")
Matrix = dict[str, list[str]]
"""For each mutant the cases that were seen to find it."""


def make(courts: Courts, wrong: Sequence[Mutant], cases: Mapping[str, Case], kept: Matrix, *, full: bool) -> Matrix:
    """The matrix; mutants that `kept` has are only shown to cases that nothing has killed."""
    matrix = dict(kept)

    def gather(showings: Sequence[Showing], what: str) -> None:
        for showing, found in courts.show(showings, what):
            matrix[showing.mutant] = sorted({*matrix.get(showing.mutant, []), *found})
            # Each time, as it takes a while: `--more` goes on where this was ended.
            MATRIX.write_text(json.dumps(matrix, indent=1, sort_keys=True) + "\n")

    def first(mutant: Mutant) -> Showing:
        close = [name for name in sorted(cases) if full or kin(mutant, name)]
        return Showing(mutant.name, close, sorted(set(cases) - set(close)))

    gather([first(mutant) for mutant in wrong if not matrix.get(mutant.name)], "mutants")
    for start in range(0, len(wrong), AT_ONCE):
        living = sorted(set(cases) - {name for found in matrix.values() for name in found})
        if living and not full:
            gather([Showing(mutant.name, living) for mutant in wrong[start : start + AT_ONCE]], "cases that live")
    return matrix


def kin(mutant: Mutant, case: str) -> bool:
    """Whether a case and a mutant sound as if they were written together."""
    words = set(mutant.name.partition("/")[0].split("_"))
    return bool(words & {*KIN.get(case.partition("/")[0], ()), *case.partition("/")[0].split("_")})


# Groups of cases whose mutants go by another name.
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


def report(matrix: Matrix, cases: Mapping[str, Case], wrong: dict[str, Mutant]) -> int:
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


def check(courts: Courts, matrix: Matrix, cases: Mapping[str, Case], wrong: dict[str, Mutant]) -> int:
    """Each case against one mutant that it found, each mutant against one case that found it."""
    if set(matrix) != set(wrong) or report(matrix, cases, wrong):
        print(
            "the kept matrix is not of these mutants and cases: run python -m conformance.lab.mutants", file=sys.stderr
        )
        return 1
    wanted = {name: {found[0]} for name, found in matrix.items()}
    few_first = sorted(matrix, key=lambda name: len(matrix[name]))
    for case in cases:
        wanted[next(name for name in few_first if case in matrix[name])].add(case)
    showings = [Showing(name, sorted(chosen), again=True) for name, chosen in sorted(wanted.items())]
    missed = showings
    for _ in range(TRIES):
        missed = [
            Showing(showing.mutant, left, again=True)
            for showing, found in courts.show(missed, "mutants")
            if (left := sorted(set(showing.cases) - set(found)))
        ]
        if not missed:
            break
    failures = [f"{case} does not find {showing.mutant}" for showing in missed for case in showing.cases]
    print("\n".join(sorted(failures)))
    print(f"{sum(map(len, wanted.values())) - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance.lab.mutants", description=__doc__)
    parser.add_argument("--check", action="store_true", help="repeat what the kept matrix says")
    parser.add_argument("--full", action="store_true", help="show every mutant to every case")
    parser.add_argument("--more", action="store_true", help="keep the matrix there is, add what it lacks")
    parser.add_argument("--only", default="", help="show mutants whose name contains this to every case; keep nothing")
    parser.add_argument("--timeout", type=float, default=4.0, help="seconds for one case")
    parser.add_argument("--jobs", type=int, default=8, help="cases at a time, in each process")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="mutants at a time")
    options = parser.parse_args()
    cases, wrong = load(), load_mutants()
    with hosted() as host:
        spoiled = Court(host, cases, 30, options.jobs).found_by(None, cases)
        if not spoiled:
            spoiled = Court(host, cases, 30, options.jobs).found_by(RIGHT, cases)
    if spoiled:
        print(f"these fail on the right registry: {', '.join(spoiled)}", file=sys.stderr)
        return 2
    courts = Courts(options.timeout, options.jobs, options.processes)
    try:
        if options.only:
            showings = [Showing(name, sorted(cases)) for name in wrong if options.only in name]
            for showing, found in courts.show(showings, "mutants"):
                print(f"{showing.mutant}: {wrong[showing.mutant].fault} Found by {len(found)}: {', '.join(found[:4])}")
            return 0
        matrix: Matrix = json.loads(MATRIX.read_text()) if MATRIX.exists() else {}
        if options.check:
            return check(courts, matrix, cases, wrong)
        kept: Matrix = {}
        if options.more:
            kept = {name: [case for case in found if case in cases] for name, found in matrix.items() if name in wrong}
        return report(make(courts, list(wrong.values()), cases, kept, full=options.full), cases, wrong)
    finally:
        courts.close()


if __name__ == "__main__":
    sys.exit(main())
