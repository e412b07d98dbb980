"""Runs cases against a registry, several at a time, and says how each one ended."""

import queue
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from conformance.case import RegistryCase
from conformance.client.registry import Disabled, Failed, Registry, Skipped, Target
from conformance.client.wire import Broken, Wire
from conformance.model import Case, Outcome, Result, Run

Listener = Callable[[Result], None]


def run(
    target: Target,
    cases: Sequence[RegistryCase],
    *,
    jobs: int = 4,
    strict: bool = False,
    disabled: Callable[[Case], str] = lambda case: "",
    listener: Listener = lambda result: None,
) -> Run:
    """All results, in the order of the cases. `disabled` gives the reason why a case is not to run, or nothing.

    `listener` is told of each result as it comes, by one thread at a time."""
    started = time.time()
    clock = time.monotonic()
    trouble = unreachable(target)
    if trouble:
        return Run(target.url, target.level, strict, target.seed, started, time.monotonic() - clock, (), trouble)
    results: dict[str, Result] = {}
    waiting: queue.SimpleQueue[RegistryCase] = queue.SimpleQueue()
    told = threading.Lock()

    def note(result: Result) -> None:
        with told:
            results[result.case.id] = result
            listener(result)

    for case in cases:
        reason = disabled(case)
        if reason:
            note(Result(case, Outcome.DISABLED, reason=reason))
        else:
            waiting.put(case)

    def work() -> None:
        wire = Wire(target.timeout, context(target))
        while True:
            try:
                case = waiting.get_nowait()
            except queue.Empty:
                wire.close()
                return
            note(judge(target, wire, case))

    threads = [threading.Thread(target=work, name=f"case-{number}", daemon=True) for number in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ordered = tuple(results[case.id] for case in cases)
    return Run(target.url, target.level, strict, target.seed, started, time.monotonic() - clock, ordered)


def judge(target: Target, wire: Wire, case: RegistryCase) -> Result:
    """Run one case; never raises, and never takes much longer than the time allowed."""
    wire.begin(target.timeout)
    started = time.monotonic()
    try:
        case.function(Registry(target, wire, case.id))
        result = Result(case, Outcome.PASSED)
    except Failed as failure:
        result = Result(case, Outcome.FAILED, finding=failure.finding)
    except Skipped as skipped:
        result = Result(case, Outcome.SKIPPED, reason=str(skipped))
    except Disabled as reason:
        result = Result(case, Outcome.DISABLED, reason=str(reason))
    except Broken as broken:
        result = Result(case, Outcome.BROKEN, reason=str(broken))
    except Exception as error:
        result = Result(case, Outcome.BROKEN, reason=f"the kit failed: {type(error).__name__}: {error}")
    finally:
        wire.end()
    return replace(result, seconds=time.monotonic() - started, exchanges=tuple(wire.exchanges))


def unreachable(target: Target) -> str:
    """Why there is nobody to judge; empty if the registry answers."""
    wire = Wire(target.timeout, context(target))
    wire.begin(target.timeout)
    try:
        Registry(target, wire, "reachable").get("/v2/")
    except Broken as broken:
        return str(broken)
    finally:
        wire.close()
    return ""


def context(target: Target) -> ssl.SSLContext | None:
    if not target.insecure:
        return None
    unchecked = ssl.create_default_context()
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    return unchecked
