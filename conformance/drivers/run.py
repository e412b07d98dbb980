"""Runs the driver suite on one store, in a pytest session of its own, and makes of it a run like any other."""

import asyncio
import functools
import importlib.util
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.drivers.store import Store, TargetInvalid
from conformance.model import Case, Category, Duty, Finding, Level, Outcome, Result, Run, Subject
from conformance.settings import matches

SESSION = "conformance.drivers.session"

CASES = Path(__file__).with_name("cases")

GRACE = 2.0
"""Seconds beside the time of a case that its set-up and end may take."""

PROMISES = {
    "processes": "promise 1 (durable)",
    "faults": "promises 2 and 6 (all or nothing, whatever fails)",
    "listing": "list and stale",
    "objects": "put, size, read and delete",
    "races": "promise 5 (isolated)",
    "uploads": "begin, append, finish and abort",
}
"""What the cases of each module judge by, but for those below."""

WORDS = {
    "cancelled": "promise 6 (cancellable)",
    "left_open": "promise 6 (cancellable)",
    "part_is_never": "promise 2 (all or nothing)",
    "again": "promise 3 (immutable)",
    "exists": "promise 3 (immutable)",
    "not_copy": "promise 4 (no copying)",
    "finish_twice": "promise 4 (finish can be repeated)",
    "state": "the state of an upload",
    "another_instance": "promise 5 (isolated)",
}
"""The same by words in a case's name."""

CATEGORIES = {
    "processes": Category.PUSH,
    "faults": Category.MANAGEMENT,
    "listing": Category.DISCOVERY,
    "objects": Category.PULL,
    "races": Category.MANAGEMENT,
    "uploads": Category.PUSH,
}
"""What of a registry depends on them: a driver itself knows no categories, reports want one."""


class Stuck(Exception):
    """A case that took longer than it may."""


def run(
    store: Store,
    *,
    only: Sequence[str] = (),
    timeout: float = 30.0,
    many: int = 10_000,
    locks: bool | None = None,
    patience: float = 5.0,
    begin: Callable[[int], None] = lambda total: None,
    listener: Callable[[Result], None] = lambda result: None,
) -> Run:
    """All results, in the order of the cases; a listing may lag `patience` seconds. Raises `TargetInvalid`."""
    started, clock = time.time(), time.monotonic()
    store.begin()
    recorder = Recorder(store, only, timeout, begin, listener)
    try:
        with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
            ini = Path(folder) / "pytest.ini"
            ini.write_text("[pytest]\nanyio_mode = strict\n")
            recorder.configure(many, store.locks if locks is None else locks, patience)
            recorder.watch(lambda: pytest.main(arguments(folder, ini), plugins=[recorder]))
    finally:
        store.end()
    if recorder.invalid:
        raise TargetInvalid(recorder.invalid)
    results = tuple(recorder.results.values())
    seconds = time.monotonic() - clock
    return Run(store.target, Level.DEV, False, 0, started, seconds, results, recorder.trouble, Subject.DRIVER)


def arguments(folder: str, ini: Path) -> list[str]:
    """Nothing of the user's: no configuration, no conftest, no plugin but the one that runs coroutines."""
    found = importlib.util.find_spec(SESSION)
    assert found is not None
    assert found.origin is not None
    plugins = ["--disable-plugin-autoload", "-p", "anyio.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:terminal"]
    # Not what is written to the descriptors: whoever shows progress has kept the streams, which stay as they are.
    options = ["--rootdir", folder, "--noconftest", "--capture=sys", "-W", "ignore"]
    return [found.origin, "-c", str(ini), *options, *plugins]


class Recorder:
    """A pytest plugin: chooses cases, ends those that hang, and writes down how each one ended."""

    def __init__(
        self,
        store: Store,
        only: Sequence[str],
        timeout: float,
        begin: Callable[[int], None],
        listener: Callable[[Result], None],
    ) -> None:
        self.results: dict[str, Result] = {}
        self.trouble = ""
        self.invalid = ""
        self._store = store
        self._only = only
        self._timeout = timeout
        self._begin = begin
        self._listener = listener
        self._waiting: list[Case] = []
        self._begun = time.monotonic()
        self._abandoned = False

    def watch(self, session: Callable[[], int]) -> None:
        """Run the session in a thread, and leave it alone if a case blocks it: no coroutine can end such a case."""
        status: list[int] = []
        thread = threading.Thread(target=lambda: status.append(int(session())), name="driver cases", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(0.05)
            if thread.is_alive() and time.monotonic() - self._begun > 2 * self._timeout + GRACE:
                self._abandon()
                return
        if not status or status[0] not in (0, 1, 5):
            self.trouble = self.trouble or f"pytest ended with status {status}"

    def _abandon(self) -> None:
        self._abandoned = True
        reason = "the driver does not come back, and cannot be interrupted"
        for case in list(self._waiting):
            self.results[case.id] = Result(case, Outcome.BROKEN, reason=reason)
            self._listener(self.results[case.id])
            reason = f"not run: {self._waiting[0].id} has not come back"

    def configure(self, many: int, locks: bool, patience: float) -> None:
        """What the cases are told when pytest has imported them: not before, so that their assertions are rewritten."""
        self._many, self._locks, self._patience = many, locks, patience

    def pytest_configure(self, config: pytest.Config) -> None:
        pytest.register_assert_rewrite("conformance.drivers.suite", "conformance.drivers.cases")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.trouble = str(report.longrepr).strip().splitlines()[-1]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        from conformance.drivers.cases import support
        from conformance.drivers.session import Given, TestDriver

        support.PATIENCE = self._patience
        Given.store = self._store
        TestDriver.many, TestDriver.locks = self._many, self._locks
        items[:] = [item for item in items if matches(case_of(item).id, self._only)]
        self._waiting = [case_of(item) for item in items]
        self._begin(len(items))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        assert isinstance(item, pytest.Function)
        item.obj = limited(item.obj, self._timeout)
        self._begun = time.monotonic()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: "pytest.CallInfo[None]") -> Iterator[None]:
        report: Any = yield
        case = case_of(item)
        before = self.results.get(case.id)
        result = judged(case, call, before)
        if self._abandoned:
            return report  # type: ignore[no-any-return]
        if call.excinfo is not None and isinstance(call.excinfo.value, TargetInvalid):
            self.invalid = str(call.excinfo.value)
            item.session.shouldstop = self.invalid
        self.results[case.id] = replace(result, seconds=call.duration + (before.seconds if before else 0))
        if call.when == "teardown" and not self.invalid:
            self._waiting.pop(0)
            self._listener(self.results[case.id])
        return report  # type: ignore[no-any-return]


def judged(case: Case, call: "pytest.CallInfo[None]", before: Result | None) -> Result:
    """How a case stands after its set-up, its body or its end."""
    if call.excinfo is None:
        return before or Result(case, Outcome.PASSED)
    error = call.excinfo.value
    if isinstance(error, Stuck):
        return Result(case, Outcome.BROKEN, reason=str(error))
    if isinstance(error, pytest.skip.Exception):
        return Result(case, Outcome.SKIPPED, reason=str(error))
    told = re.sub(r"\s*\n\s*", "; ", str(error).strip()) or type(error).__name__
    if not isinstance(error, AssertionError | pytest.fail.Exception):
        told = f"{type(error).__name__}: {error}"
    if call.when == "setup":
        return Result(case, Outcome.BROKEN, reason=f"the store could not be made ready: {told}"[:2000])
    if before is not None and before.outcome is not Outcome.PASSED:
        return before
    where = [entry for entry in call.excinfo.traceback if Path(entry.path).is_relative_to(CASES)]
    line = str(where[-1].statement).strip() if where else ""
    expected = f"to hold: {line}" if line else f"an orderly {call.when}"
    return Result(case, Outcome.FAILED, finding=Finding(case.requirements[0], expected[:500], told[:2000]))


def case_of(item: pytest.Item) -> Case:
    """The case that a test of pytest's is."""
    assert isinstance(item, pytest.Function)
    module = item.function.__module__.rpartition(".")[2]
    name = item.originalname.removeprefix("test_")
    variant = item.name[len(item.originalname) :]
    promise = next((promise for word, promise in WORDS.items() if word in name), PROMISES[module])
    told = (item.function.__doc__ or "").strip().split("\n")[0]
    title = told or f"{name.replace('_', ' ').capitalize()}{f' {variant}' if variant else ''}."
    return Case(
        id=f"{module}/{name}{variant}",
        title=title,
        category=CATEGORIES[module],
        since=Level.V1_0,
        duty=Duty.MUST,
        requirements=(promise,),
        official=(),
        api=module.capitalize(),
        data="",
    )


def limited(function: Callable[..., Any], timeout: float) -> Callable[..., Any]:
    """The coroutine function, ended as stuck when its time is over."""

    @functools.wraps(function)
    async def run_limited(*args: Any, **kwargs: Any) -> Any:
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                return await function(*args, **kwargs)
        except TimeoutError:
            if limit.expired():
                raise Stuck(f"not done within {timeout:g} seconds") from None
            raise

    return run_limited
