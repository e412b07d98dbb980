"""`python -m conformance.lab.mutants.drivers`: which case of the driver suite finds which wrong driver.

Every case must be killed by a mutant, and every mutant be found by a case. The whole matrix takes minutes: it is kept
in `driver_matrix.json`, and `--check` runs each mutant on a case that found it and each case on a mutant it finds."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.progress import track

from conformance.drivers.run import run as run_suite
from conformance.drivers.store import Store
from conformance.lab.mutants import wrong_driver_listing, wrong_driver_uploads, wrong_drivers
from conformance.lab.mutants.wrong_drivers import FOLDER, WRONG, WrongDriver
from conformance.model import Outcome, Run
from registry.storage.driver import Driver

MATRIX = Path(__file__).with_name("driver_matrix.json")
Matrix = dict[str, list[str]]
"""For each mutant the cases that found it."""

MODULES = (wrong_drivers, wrong_driver_listing, wrong_driver_uploads)
"""Imported for the mutants that they declare."""

MANY = 1_100
TIMEOUT = 10.0
PATIENCE = 0.3
"""These stores never lag: what is not listed at once is not listed."""


class Factories:
    """`factories.NAME` makes that mutant's drivers: what `registry-conformance driver` can be pointed at."""

    def __getattr__(self, name: str) -> Callable[[str], Driver]:
        if name not in WRONG:
            raise AttributeError(name)
        return WRONG[name].make


factories = Factories()


def run(target: str, only: Sequence[str]) -> Run:
    done = run_suite(Store(target), only=only, timeout=TIMEOUT, many=MANY, locks=True, patience=PATIENCE)
    if done.trouble:
        raise SystemExit(f"{target}: {done.trouble}")
    return done


def found_by(name: str, only: Sequence[str] = ()) -> list[str]:
    """The cases that a mutant does not pass."""
    done = run(f"conformance.lab.mutants.drivers:factories.{name}", only)
    found = (Outcome.FAILED, Outcome.BROKEN)
    return sorted(result.case.id for result in done.results if result.outcome in found)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance.lab.mutants.drivers", description=__doc__)
    parser.add_argument("--check", action="store_true", help="run only what the kept matrix says is enough")
    parser.add_argument("--only", default="", help="only mutants whose name contains this; nothing is kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        os.environ[FOLDER] = folder
        right = run(f"file://{folder}/right", ())
        cases = [result.case.id for result in right.results]
        spoiled = [result.case.id for result in right.results if result.outcome is not Outcome.PASSED]
        if spoiled:
            print(f"cases that the right driver does not pass: {', '.join(spoiled)}", file=sys.stderr)
            return 2
        if options.check:
            return check(cases)
        chosen = {name: entry for name, entry in WRONG.items() if options.only.lower() in name.lower()}
        matrix: Matrix = {}
        for name, entry in track(chosen.items(), "mutants", disable=not sys.stderr.isatty()):
            matrix[name] = found_by(name)
            print(f"{name}: {entry.fault} Found by {len(matrix[name])}: {', '.join(matrix[name][:4])}", flush=True)
        if options.only:
            return 0
        MATRIX.write_text(json.dumps(matrix, indent=1, sort_keys=True) + "\n")
        return report(matrix, cases, WRONG)


def report(matrix: Matrix, cases: Sequence[str], wrong: dict[str, WrongDriver]) -> int:
    """Say what is missing; 0 if nothing is."""
    unfound = sorted(name for name in wrong if not matrix.get(name))
    killed = {case for found in matrix.values() for case in found}
    alive = sorted(set(cases) - killed)
    for name in unfound:
        print(f"no case finds {name}: {wrong[name].fault}", file=sys.stderr)
    for case in alive:
        print(f"no mutant kills {case}", file=sys.stderr)
    pairs = sum(map(len, matrix.values()))
    print(
        f"{len(wrong)} wrong drivers, {len(wrong) - len(unfound)} found; "
        f"{len(cases)} cases, {len(cases) - len(alive)} killed; {pairs} pairs"
    )
    return 1 if unfound or alive else 0


def wanted(matrix: Matrix, cases: Sequence[str]) -> dict[str, set[str]]:
    """For each mutant the cases to run: every case on one mutant, every mutant with one case."""
    chosen = {name: {found[0]} for name, found in matrix.items()}
    few_first = sorted(matrix, key=lambda name: len(matrix[name]))
    for case in cases:
        chosen[next(name for name in few_first if case in matrix[name])].add(case)
    return chosen


def check(cases: Sequence[str]) -> int:
    matrix: Matrix = json.loads(MATRIX.read_text())
    if set(matrix) != set(WRONG) or report(matrix, cases, WRONG):
        print("the kept matrix is not of these mutants and cases: run python -m conformance.lab.mutants.drivers")
        return 1
    chosen = wanted(matrix, cases)
    failures = []
    for name, expected in track(sorted(chosen.items()), "mutants", disable=not sys.stderr.isatty()):
        missed = expected - set(found_by(name, sorted(expected)))
        # A race is lost only now and then: a mutant that was missed gets a second chance.
        if missed:
            missed -= set(found_by(name, sorted(missed)))
        failures += [f"{case} does not find {name}" for case in sorted(missed)]
    print("\n".join(failures) or "every case was killed again, every wrong driver found again")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
