"""Several worker processes on one socket: forked when everything is loaded, replaced when they die.

A worker that cannot be started, for whatever reason, is tried again after a pause that grows, and the others go on.
What is seen is acted upon first and logged afterwards.
"""

import gc
import math
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NoReturn

import structlog

from registry.door import NOBODY
from registry.errors import OperatorError
from registry.log import STREAM

log = structlog.get_logger("registry")

STOPS = (signal.SIGQUIT, signal.SIGTERM, signal.SIGINT)
"""The most urgent first."""

UNHEEDED = (signal.SIGUSR1, signal.SIGUSR2)
AWAITED = (*STOPS, signal.SIGCHLD, signal.SIGHUP, *UNHEEDED)

SHORT_LIVED = 1.0
"""Seconds; a worker that dies sooner is replaced only after a pause."""

PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds: the first pause before another try, and how far it grows."""

CLOSING = 5.0
"""Seconds that workers are given to close their databases, beyond what running requests are given."""

TOLD_WITHIN = 1.0
"""Seconds in which workers tell how many requests they wait for."""

READY = b"\0"
Work = Callable[[Callable[[], None], int, int], None]
"""A worker's work: given what to call once it serves, a descriptor that ends when the supervisor has died, and its
slot: a number below twice `count` that no other worker has at the same time."""


@dataclass(eq=False, slots=True)
class Worker:
    """A process, its slot, when it was started, and the pipe by which it says that it serves, or why it can't."""

    pid: int
    slot: int
    told: int
    pause: float
    """Seconds that were waited before it was started; more are before the next, if this one dies young."""
    started: float = field(default_factory=time.monotonic)
    text: bytes = b""
    deadline: float = math.inf
    """When it is killed: once it was asked to end, and does not."""

    @property
    def serves(self) -> bool:
        return self.text.startswith(READY)

    @property
    def leaving(self) -> bool:
        return self.deadline < math.inf

    @property
    def reason(self) -> str:
        """Why it cannot start."""
        return self.text.removeprefix(READY).decode(errors="replace")


@dataclass(slots=True)
class Vacancy:
    """A worker that is missing: when to try to start one, and after which pause that is."""

    due: float
    pause: float

    @classmethod
    def after(cls, pause: float) -> "Vacancy":
        """A longer pause than that."""
        longer = min(max(PAUSE, pause * 2), LONGEST_PAUSE)
        return cls(time.monotonic() + longer, longer)


class Supervisor:
    """Keeps `count` workers at work until a signal says stop.

    `connections` and `waiting` hold a number for each slot, shared with the workers: how many connections one has, and
    how many requests it waits for once it is to end. `drain`: how long that may take. `reload`: read the settings
    again, and whether workers are to be replaced for it."""

    def __init__(
        self,
        work: Work,
        count: int,
        *,
        connections: memoryview,
        waiting: memoryview,
        drain: Callable[[], timedelta],
        reload: Callable[[], bool],
    ) -> None:
        self._work = work
        self._count = count
        self._connections = connections
        self._waiting = waiting
        self._drain = drain
        self._reload = reload
        self._workers: dict[int, Worker] = {}
        self._vacancies = [Vacancy(0.0, 0.0) for _ in range(count)]
        self._outdated: list[Worker] = []
        """Workers with settings of before, to be replaced one after the other."""
        self._successor: Worker | None = None
        """Started to replace one of those; not counted before it serves."""
        self._failures: set[str] = set()
        self._serving = False
        """Whether all workers served once."""
        self._alive, self._death = os.pipe()
        self._woken, self._wake = os.pipe()

    def run(self, ready: Callable[[], None], stopping: Callable[[], None]) -> None:
        """`ready` is called when all workers serve, `stopping` before they are asked to end.

        Raises `OperatorError` if the first workers cannot start."""
        gc.freeze()
        with self._signals():
            while True:
                self._fill_vacancies()
                self._go_on_replacing()
                got = self._wait(self._next_due())
                self._bury()
                self._kill_late()
                for number in STOPS:
                    if number in got:
                        stopping()
                        self._stop(number)
                        return
                if not self._serving:
                    self._look_at_first(ready, stopping)
                if signal.SIGHUP in got and self._serving:
                    self._renew()
                for number in UNHEEDED:
                    if number in got:
                        log.info("signal ignored", signal=number.name)

    def _look_at_first(self, ready: Callable[[], None], stopping: Callable[[], None]) -> None:
        if self._failures:
            stopping()
            self._stop(signal.SIGQUIT)
            raise OperatorError("; ".join(sorted(self._failures)))
        if self._workers and all(worker.serves for worker in self._workers.values()):
            self._serving = True
            ready()

    # Signals, and what workers say.

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Each wakes `_wait` by its number in a pipe."""
        for fd in (self._woken, self._wake):
            os.set_blocking(fd, False)
        for number in AWAITED:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            # All has ended: an impatient signal must not turn that into a failure.
            for number in (*STOPS, signal.SIGHUP, *UNHEEDED):
                signal.signal(number, signal.SIG_IGN)

    def _wait(self, seconds: float) -> set[int]:
        """The signals that came, within so many seconds or until a worker says something."""
        poll = select.poll()
        told = {worker.told: worker for worker in self._workers.values() if worker.told >= 0}
        for fd in (self._woken, *told):
            poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(None if seconds == math.inf else max(seconds, 0) * 1000 + 1):
            if fd in told:
                self._hear(told[fd])
        with suppress(BlockingIOError):
            return set(os.read(self._woken, 65536))
        return set()

    def _hear(self, worker: Worker) -> None:
        with suppress(BlockingIOError):
            while piece := os.read(worker.told, 4096):
                worker.text += piece
            os.close(worker.told)
            worker.told = -1

    # Workers come.

    def _next_due(self) -> float:
        """Seconds until something is to be done."""
        dues = [vacancy.due for vacancy in self._vacancies]
        dues += [worker.deadline for worker in self._workers.values()]
        return min(dues, default=math.inf) - time.monotonic()

    def _fill_vacancies(self) -> None:
        for vacancy in [vacancy for vacancy in self._vacancies if vacancy.due <= time.monotonic()]:
            self._vacancies.remove(vacancy)
            if self._start(vacancy.pause) is None:
                self._vacancies.append(Vacancy.after(vacancy.pause))

    def _start(self, pause: float) -> Worker | None:
        """A new worker; None if there cannot be one for now."""
        taken = {worker.slot for worker in self._workers.values()}
        slot = next((slot for slot in range(2 * self._count) if slot not in taken), None)
        if slot is None:
            return None  # Those who are to end have not ended yet.
        pipe: tuple[int, ...] = ()
        # Until the child has handlers of its own, a signal to it would be taken for one to this process.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)
        try:
            told, tell = pipe = os.pipe()
            # The one other thread here is that of the log, which the child makes anew.
            pid = os.fork()
            if pid == 0:
                self._be_worker(told, tell, slot, before)
        except OSError as error:
            for fd in pipe:
                os.close(fd)
            log.error("cannot start a worker; trying again", reason=error.strerror)
            return None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(tell)
        os.set_blocking(told, False)
        worker = self._workers[pid] = Worker(pid, slot, told, pause)
        return worker

    def _be_worker(self, told: int, tell: int, slot: int, mask: set[int | signal.Signals]) -> NoReturn:
        status = 0
        try:
            signal.set_wakeup_fd(-1)
            for number in AWAITED:
                signal.signal(number, signal.SIG_DFL)
            # A whole group may get these: what they mean is for the supervisor to say.
            for number in (signal.SIGINT, signal.SIGHUP, *UNHEEDED):
                signal.signal(number, signal.SIG_IGN)
            signal.signal(signal.SIGQUIT, lambda *_: os._exit(0))
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            others = [worker.told for worker in self._workers.values() if worker.told >= 0]
            for fd in (told, self._death, self._woken, self._wake, *others):
                os.close(fd)
            self._work(lambda: tell_all(tell, READY), self._alive, slot)
        except OperatorError as error:
            tell_all(tell, str(error).encode())
            status = 1
        except BaseException as error:
            tell_all(tell, f"{type(error).__name__}: {error}".encode(errors="replace"))
            log.exception("worker failed")
            status = 70
        finally:
            STREAM.close()
            os._exit(status)

    # Workers go.

    def _bury(self) -> None:
        """Notice who has died; have those replaced that were not asked to end."""
        while self._workers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid not in self._workers:
                continue  # Not ours: a child that this process had before it became a registry.
            worker = self._workers.pop(pid)
            if worker.told >= 0:
                self._hear(worker)
            if worker.told >= 0:
                os.close(worker.told)
            self._connections[worker.slot] = NOBODY
            self._waiting[worker.slot] = 0
            if not worker.leaving:
                self._replace(worker, os.waitstatus_to_exitcode(status))

    def _replace(self, worker: Worker, status: int) -> None:
        if not self._serving and not worker.serves:
            self._failures.add(worker.reason or "a worker died before it served")
            return
        if worker is self._successor:
            self._successor = None
            self._outdated.clear()
            log.error("new settings not taken: a worker cannot start with them", reason=worker.reason, status=status)
            return
        if worker in self._outdated:
            self._outdated.remove(worker)
        aged = worker.serves and time.monotonic() - worker.started >= SHORT_LIVED
        vacancy = Vacancy(0.0, 0.0) if aged else Vacancy.after(worker.pause)
        self._vacancies.append(vacancy)
        if worker.reason:
            log.error("worker cannot start; trying again", reason=worker.reason, seconds=vacancy.pause)
        else:
            log.error("worker died and is replaced", pid=worker.pid, status=status, seconds=vacancy.pause)

    # Settings change.

    def _renew(self) -> None:
        if not self._reload():
            return
        if self._successor is not None:
            # It has the settings of a moment ago.
            self._dismiss(self._successor)
            self._successor = None
        self._outdated = [worker for worker in self._workers.values() if not worker.leaving]

    def _go_on_replacing(self) -> None:
        """One after the other: the new one serves before the old one lets its requests end."""
        new = self._successor
        if new is not None and new.serves:
            self._successor = None
            # Where the old one has died meanwhile, its place is taken as well.
            if self._outdated:
                self._dismiss(self._outdated.pop(0))
            elif self._vacancies:
                self._vacancies.pop()
            else:
                self._dismiss(new)
            if not self._outdated:
                log.info("all workers have the new settings")
        if self._successor is None and self._outdated and len(self._workers) < 2 * self._count:
            self._successor = self._start(0.0)
            if self._successor is None:
                self._outdated.clear()
                log.error("new settings not taken by all workers; send SIGHUP again")

    def _dismiss(self, worker: Worker) -> None:
        worker.deadline = time.monotonic() + self._drain().total_seconds() + CLOSING
        os.kill(worker.pid, signal.SIGTERM)

    def _kill_late(self) -> None:
        for worker in self._workers.values():
            if time.monotonic() >= worker.deadline:
                os.kill(worker.pid, signal.SIGKILL)
                worker.deadline += CLOSING

    # The end.

    def _stop(self, first: signal.Signals) -> None:
        """Ask the workers to finish what they are at; end those that do not. Another signal: at once."""
        hurried = first == signal.SIGQUIT
        for worker in self._workers.values():
            self._waiting[worker.slot] = NOBODY
        self._vacancies.clear()
        # Their own limit comes first, and closes their databases.
        patience = CLOSING + (0.0 if hurried else self._drain().total_seconds())
        self._send(signal.SIGQUIT if hurried else signal.SIGTERM, patience)
        told_by = -math.inf if hurried else time.monotonic() + TOLD_WITHIN
        while self._workers:
            if told_by > 0 and (self._all_told() or time.monotonic() > told_by):
                told_by = -math.inf
                tell_waiting(self._requests(), self._drain(), interrupted=first == signal.SIGINT)
            got = self._wait(min(self._next_due(), 0.05) if told_by > 0 else self._next_due())
            if got & {signal.SIGINT, signal.SIGQUIT}:
                told_by = -math.inf
                self._send(signal.SIGQUIT, CLOSING)
            self._bury()
            self._kill_late()

    def _send(self, number: signal.Signals, patience: float) -> None:
        """`patience`: seconds until they are killed."""
        for worker in self._workers.values():
            worker.deadline = min(worker.deadline, time.monotonic() + patience)
            os.kill(worker.pid, number)

    def _all_told(self) -> bool:
        return all(self._waiting[worker.slot] != NOBODY for worker in self._workers.values())

    def _requests(self) -> int:
        slots = [self._waiting[worker.slot] for worker in self._workers.values()]
        return sum(count for count in slots if count != NOBODY)


def tell_waiting(requests: int, drain: timedelta, *, interrupted: bool) -> None:
    """Log what the end waits for, if it does."""
    if requests:
        some = "1 request" if requests == 1 else f"{requests} requests"
        hint = ", Ctrl-C again to stop now" if interrupted else ""
        log.info(f"waiting for {some}{hint}", requests=requests, seconds=drain.total_seconds())


def tell_all(tell: int, text: bytes) -> None:
    """Say it to the supervisor, which may have died."""
    with suppress(OSError):
        os.write(tell, text[:4096])
