"""Courts: wrong registries, each shown to cases, several at a time in processes of their own."""

import contextlib
import importlib
import multiprocessing
import multiprocessing.util
import pkgutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.progress import track

from conformance import runner
from conformance.case import RegistryCase
from conformance.cases import load
from conformance.client.registry import Target
from conformance.lab import mutants
from conformance.lab.mutants.host import Host, hosted
from conformance.lab.mutants.layer import MUTANTS, Call, Mutant, Reply, Request
from conformance.model import Level, Outcome


async def nothing_wrong(call: Call, request: Request) -> Reply:
    return await call(request)


RIGHT = Mutant("right", "Nothing is wrong.", nothing_wrong)
"""What no case may find: the right registry, seen through the same layer as the wrong ones."""

AT_ONCE = 120
"""Cases shown to a mutant that none has found so far, before it is looked whether one does."""

FRESH_AFTER = 20
"""Mutants after which a process begins anew: what they were pushed stays in its memory."""


def load_mutants() -> dict[str, Mutant]:
    for module in sorted(pkgutil.iter_modules(mutants.__path__), key=lambda module: module.name):
        if module.name.startswith("wrong_") and not module.name.startswith("wrong_driver"):
            importlib.import_module(f"conformance.lab.mutants.{module.name}")
    return MUTANTS


class Court:
    """A registry that can be made wrong, and all cases."""

    def __init__(self, host: Host, cases: dict[str, RegistryCase], timeout: float, jobs: int) -> None:
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


class Showing(NamedTuple):
    """A mutant that is shown to cases, and, if none of them finds it, to others until one does."""

    mutant: str
    cases: Sequence[str]
    others: Sequence[str] = ()
    again: bool = False
    """Whether the cases that miss it get a second try: a race is not lost every time."""


Shown = tuple[Showing, list[str]]
"""A showing and the cases that found the mutant."""


class Courts:
    """Several courts, each in a process of its own, that begin with a fresh registry now and then."""

    def __init__(self, timeout: float, jobs: int, processes: int) -> None:
        # Spawned: a process with a server in a thread cannot be forked.
        context = multiprocessing.get_context("spawn")
        self._pool = context.Pool(processes, open_court, (timeout, jobs), maxtasksperchild=FRESH_AFTER)

    def show(self, showings: Sequence[Showing], what: str) -> Iterator[Shown]:
        """What each showing found, as it is known."""
        shown = self._pool.imap_unordered(show, showings)
        yield from track(shown, what, total=len(showings), disable=not sys.stderr.isatty())

    def close(self) -> None:
        self._pool.close()
        self._pool.join()


_court: Court
"""The court of this process."""


def open_court(timeout: float, jobs: int) -> None:
    global _court
    load_mutants()
    stack = contextlib.ExitStack()
    _court = Court(stack.enter_context(hosted()), load(), timeout, jobs)
    # Such a process ends without `atexit`.
    multiprocessing.util.Finalize(None, stack.close, exitpriority=10)


def show(showing: Showing) -> Shown:
    wrong = MUTANTS[showing.mutant]
    found = _court.found_by(wrong, showing.cases)
    if showing.again:
        missed = sorted(set(showing.cases) - set(found))
        found += _court.found_by(wrong, missed) if missed else []
    for start in range(0, len(showing.others), AT_ONCE):
        if found:
            break
        found = _court.found_by(wrong, showing.others[start : start + AT_ONCE])
    return showing, found
