"""Several worker processes on one socket: forked when everything is loaded, replaced when they die."""

import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple, NoReturn

import structlog

from registry.errors import OperatorError

log = structlog.get_logger("registry")

AWAITED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGALRM)
SHORT_LIVED = 1.0
"""Seconds; a worker that dies sooner is replaced only after as long a pause."""

READY = b"\0"
Work = Callable[[Callable[[], None], int, int], None]
"""A worker's work: given what to call once it serves, a descriptor that ends when the supervisor has died, and its
slot: a number below `count` that no other worker has at the same time."""


class Worker(NamedTuple):
    """A process, its slot, when it was started, and the pipe by which it says that it serves, or why it can't."""

    pid: int
    slot: int
    started: float
    told: int


class Supervisor:
    """Keeps `count` workers at work until a signal says stop."""

    def __init__(self, work: Work, count: int, drain: timedelta) -> None:
        self._work = work
        self._count = count
        self._drain = drain
        self._workers: dict[int, Worker] = {}
        self._alive, self._death = os.pipe()

    def run(self, ready: Callable[[], None], stopping: Callable[[], None]) -> None:
        """`ready` is called when all workers serve, `stopping` before they are asked to end.

        Raises `OperatorError` if the first workers cannot start."""
        signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)
        gc.freeze()
        for _ in range(self._count):
            self._start()
        failures = {self._hear(worker) for worker in self._workers.values()} - {""}
        if failures:
            self._stop()
            raise OperatorError("; ".join(sorted(failures)))
        ready()
        while signal.sigwait(AWAITED) not in (signal.SIGTERM, signal.SIGINT):
            self._replace_dead()
        stopping()
        self._stop()

    def _start(self) -> None:
        told, tell = os.pipe()
        slot = min(set(range(self._count)) - {worker.slot for worker in self._workers.values()})
        pid = os.fork()
        if pid == 0:
            os.close(told)
            os.close(self._death)
            for other in self._workers.values():
                os.close(other.told)
            self._be_worker(tell, slot)
        os.close(tell)
        self._workers[pid] = Worker(pid, slot, time.monotonic(), told)

    def _be_worker(self, tell: int, slot: int) -> NoReturn:
        status = 0
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, AWAITED)
            self._work(lambda: os.close(tell) if os.write(tell, READY) else None, self._alive, slot)
        except OperatorError as error:
            os.write(tell, str(error).encode())
            status = 1
        except BaseException as error:
            log.exception("worker failed")
            os.write(tell, f"{type(error).__name__}: {error}".encode())
            status = 70
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _hear(self, worker: Worker) -> str:
        """Why the worker cannot start; empty if it serves."""
        text = b""
        while piece := os.read(worker.told, 4096):
            text += piece
        return "" if text == READY else text.decode(errors="replace") or "a worker died before it served"

    def _replace_dead(self) -> None:
        while True:
            pid, status = self._wait()
            if pid == 0:
                return
            worker = self._workers.pop(pid)
            os.close(worker.told)
            log.error("worker died and is replaced", pid=pid, status=os.waitstatus_to_exitcode(status))
            if time.monotonic() - worker.started < SHORT_LIVED:
                time.sleep(SHORT_LIVED)
            self._start()

    def _stop(self) -> None:
        """Ask the workers to finish what they are at; end those that do not."""
        for pid in self._workers:
            os.kill(pid, signal.SIGTERM)
        # Their own limit comes first, and closes their databases.
        signal.setitimer(signal.ITIMER_REAL, self._drain.total_seconds() + 5)
        while self._workers:
            got = signal.sigwait(AWAITED)
            if got == signal.SIGALRM:
                for pid in self._workers:
                    os.kill(pid, signal.SIGKILL)
            while (pid := self._wait()[0]) != 0:
                os.close(self._workers.pop(pid).told)
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _wait(self) -> tuple[int, int]:
        if not self._workers:
            return 0, 0
        return os.waitpid(-1, os.WNOHANG)
