"""`python -m conformance.mutants`: which case finds which mutant.

Every case must be killed by a mutant and every mutant be found by a case. The whole matrix takes minutes and is kept
in `matrix.json`; `--check` runs for each mutant a case that found it, and for each case a mutant that killed it."""

import argparse
import importlib
import json
import pkgutil
import sys
import time
from pathlib import Path

from rich.progress import track

from conformance import mutants, runner
from conformance.case import load
from conformance.model import Case, Level, Outcome
from conformance.mutants.host import Host, hosted
from conformance.mutants.layer import MUTANTS, Mutant
from conformance.registry import Target

MATRIX = Path(__file__).with_name("matrix.json")
Matrix = dict[str, list[str]]
"""For each mutant the cases that found it."""


def load_mutants() -> dict[str, Mutant]:
    for module in sorted(pkgutil.iter_modules(mutants.__path__), key=lambda module: module.name):
        if module.name.startswith("wrong_"):
            importlib.import_module(f"conformance.mutants.{module.name}")
    return MUTANTS


def found_by(host: Host, wrong: Mutant | None, cases: list[Case], timeout: float) -> list[str]:
    """The cases that do not pass. What breaks the kit's set-up counts: it does not pass unnoticed."""
    host.layer.use(wrong)
    target = Target(host.url, level=Level.DEV, seed=time.monotonic_ns(), timeout=timeout)
    run = runner.run(target, cases, jobs=4)
    if run.trouble:
        return [case.id for case in cases]
    return [result.case.id for result in run.results if result.outcome in (Outcome.FAILED, Outcome.BROKEN)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance.mutants", description=__doc__)
    parser.add_argument("--check", action="store_true", help="run only what the kept matrix says is enough")
    parser.add_argument("--only", default="", help="only mutants whose name contains this; nothing is kept")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds for one case")
    options = parser.parse_args()
    cases, wrong = load(), load_mutants()
    with hosted() as host:
        spoiled = found_by(host, None, list(cases.values()), 30)
        if spoiled:
            print(f"cases that fail on the right registry: {', '.join(spoiled)}", file=sys.stderr)
            return 2
        if options.check:
            return check(host, cases, wrong, options.timeout)
        chosen = [entry for name, entry in wrong.items() if options.only in name]
        matrix: Matrix = {}
        for entry in track(chosen, "mutants", disable=not sys.stderr.isatty()):
            matrix[entry.name] = sorted(found_by(host, entry, list(cases.values()), options.timeout))
            print(
                f"{entry.name}: {entry.fault} Found by {len(matrix[entry.name])}: {', '.join(matrix[entry.name][:4])}"
            )
        if options.only:
            return 0
        MATRIX.write_text(json.dumps(matrix, indent=1, sort_keys=True) + "\n")
        return report(matrix, cases, wrong)


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
    print(f"{len(wrong)} mutants, {len(wrong) - len(unfound)} found; {len(cases)} cases, {len(cases) - len(alive)} killed; "
          f"{pairs} pairs")  # fmt: skip
    return 1 if unfound or alive else 0


def check(host: Host, cases: dict[str, Case], wrong: dict[str, Mutant], timeout: float) -> int:
    """Each case against one mutant that killed it, each mutant against one case that found it."""
    matrix: Matrix = json.loads(MATRIX.read_text())
    if set(matrix) != set(wrong) or report(matrix, cases, wrong):
        print("the kept matrix is not of these mutants and cases: run python -m conformance.mutants", file=sys.stderr)
        return 1
    wanted: dict[str, set[str]] = {name: {found[0]} for name, found in matrix.items()}
    few_first = sorted(matrix, key=lambda name: len(matrix[name]))
    for case in cases:
        killer = next(name for name in few_first if case in matrix[name])
        wanted[killer].add(case)
    failures = []
    for name, chosen in track(sorted(wanted.items()), "mutants", disable=not sys.stderr.isatty()):
        missed = chosen - set(found_by(host, wrong[name], [cases[case] for case in sorted(chosen)], timeout))
        # A mutant that only now and then goes wrong gets a second chance.
        if missed:
            missed -= set(found_by(host, wrong[name], [cases[case] for case in sorted(missed)], timeout))
        failures += [f"{case} does not find {name}" for case in sorted(missed)]
    print("\n".join(failures))
    print(f"{sum(map(len, wanted.values()))} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
