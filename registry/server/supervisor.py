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
from datetime import timedelta
from typing import NoReturn

import structlog

from registry.errors import OperatorError
from registry.log import STREAM
from registry.server.listener import NOBODY
from registry.server.worker import READY, Vacancy, Worker, tell_all
from registry.settings.fields import Settings

log = structlog.get_logger("registry")

STOPS = (signal.SIGQUIT, signal.SIGTERM, signal.SIGINT)
"""The most urgent first."""

UNHEEDED = (signal.SIGUSR1, signal.SIGUSR2)
AWAITED = (*STOPS, signal.SIGCHLD, signal.SIGHUP, *UNHEEDED)

SHORT_LIVED = 1.0
"""Seconds; a worker that dies sooner is replaced only after a pause."""

CLOSING = 5.0
"""Seconds that workers are given to close their databases, beyond what running requests are given."""

TOLD_WITHIN = 1.0
"""Seconds in which workers tell how many requests they wait for."""

START_WITHIN = 120.0
"""Seconds in which a worker serves, or is killed: generous, as it may find a long log or a slow disk. The first ones
have as long as they need, as nobody serves instead."""

LONGEST_WAIT = 3600.0
"""Seconds: poll(2) cannot be asked for as many as a setting may say."""

Work = Callable[[Settings, Callable[[], None], int, int], None]
"""A worker's work: given its settings, what to call once it serves, a descriptor that ends when the supervisor has
died, and its slot: a number below twice `count` that no other worker has at the same time."""


class Supervisor:
    """Keeps `count` workers at work with `settings` until a signal says stop.

    `connections` and `waiting` hold a number for each slot, shared with the workers: how many connections one has, and
    how many requests it waits for once all are to end: `NOBODY` until it has told. `reload`: read the settings again,
    given those that workers have; None where these stay. They count once a worker serves with them."""

    def __init__(
        self,
        work: Work,
        settings: Settings,
        count: int,
        *,
        connections: memoryview,
        waiting: memoryview,
        reload: Callable[[Settings], Settings | None],
    ) -> None:
        self._work = work
        self._settings = settings
        self._offered: Settings | None = None
        """New settings with which no worker has served yet."""
        self._reload_asked = False
        """Whether SIGHUP came and was not acted upon yet."""
        self._count = count
        self._connections = connections
        self._waiting = waiting
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
        """`ready` is called when all workers serve that could be started, `stopping` before they are asked to end.

        One that could not, as there was no process or descriptor for it, is tried again like one that has died. Raises
        `OperatorError` if one of the first was started and cannot serve."""
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
                self._reload_asked = self._reload_asked or signal.SIGHUP in got
                if self._reload_asked and self._serving:
                    self._reload_asked = False
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
        # Those that came during the start come now.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, AWAITED)
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
        for fd, _ in poll.poll(min(max(seconds, 0), LONGEST_WAIT) * 1000 + 1):
            if fd in told:
                told[fd].hear()
        with suppress(BlockingIOError):
            return set(os.read(self._woken, 65536))
        return set()

    # Workers come.

    def _next_due(self) -> float:
        """Seconds until something is to be done."""
        dues = [vacancy.due for vacancy in self._vacancies]
        dues += [worker.due for worker in self._workers.values()]
        return min(dues, default=math.inf) - time.monotonic()

    def _fill_vacancies(self) -> None:
        for vacancy in [vacancy for vacancy in self._vacancies if vacancy.due <= time.monotonic()]:
            self._vacancies.remove(vacancy)
            worker = self._start(self._settings, vacancy.pause)
            if worker is None:
                self._vacancies.append(Vacancy.after(vacancy.pause))
            elif self._offered is not None:
                self._outdated.append(worker)

    def _start(self, settings: Settings, pause: float) -> Worker | None:
        """A new worker with these settings; None if there cannot be one for now."""
        taken = {worker.slot for worker in self._workers.values()}
        slot = next((slot for slot in range(2 * self._count) if slot not in taken), None)
        if slot is None:
            return None  # Those who are to end have not ended yet.
        pipe: tuple[int, ...] = ()
        # Until the child has handlers of its own, a signal to it would be taken for one to this process.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)
        self._waiting[slot] = 0
        try:
            told, tell = pipe = os.pipe()
            # The one other thread here is that of the log, which the child makes anew.
            pid = os.fork()
            if pid == 0:
                self._be_worker(settings, told, tell, slot, before)
        except OSError as error:
            for fd in pipe:
                os.close(fd)
            log.error("cannot start a worker; trying again", reason=error.strerror)
            return None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(tell)
        os.set_blocking(told, False)
        start_by = time.monotonic() + START_WITHIN if self._serving else math.inf
        worker = self._workers[pid] = Worker(pid, slot, told, pause, start_by=start_by)
        return worker

    def _be_worker(
        self, settings: Settings, told: int, tell: int, slot: int, mask: set[int | signal.Signals]
    ) -> NoReturn:
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
            self._work(settings, lambda: tell_all(tell, READY), self._alive, slot)
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

    @property
    def _drain(self) -> timedelta:
        return self._settings.drain_timeout

    def _bury(self) -> None:
        """Notice who has died; have those replaced that were not asked to end."""
        while self._workers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid not in self._workers:
                continue  # Not ours: a child that this process had before it became a registry.
            worker = self._workers.pop(pid)
            worker.hear()
            worker.forget()
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
            self._give_up_replacing("a worker cannot start with them", reason=worker.reason, status=status)
            return
        if worker in self._outdated:
            self._outdated.remove(worker)
        aged = worker.serves and time.monotonic() - worker.started >= SHORT_LIVED
        vacancy = Vacancy(0.0, 0.0) if aged else Vacancy.after(worker.pause)
        self._vacancies.append(vacancy)
        if worker.reason:
            log.error("worker cannot start; trying again", reason=worker.reason, seconds=vacancy.pause)
        elif worker.serves and status == 0:
            # Nothing else ends it so: not this process, but somebody has asked that one.
            log.info("worker was told to stop and is replaced", pid=worker.pid, seconds=vacancy.pause)
        else:
            log.error("worker died and is replaced", pid=worker.pid, status=status, seconds=vacancy.pause)

    # Settings change.

    def _renew(self) -> None:
        offered = self._reload(self._settings)
        if offered is None:
            return
        self._offered = offered
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
            if self._offered is not None:
                self._settings, self._offered = self._offered, None
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
            self._successor = self._start(self._offered or self._settings, 0.0)
            if self._successor is None:
                self._give_up_replacing("no worker can be started for now")

    def _give_up_replacing(self, why: str, **fields: object) -> None:
        """Workers keep the settings that they have; those that come later get what one has served with."""
        some = "" if self._offered is not None else " by all workers"
        self._offered = None
        self._outdated.clear()
        log.error(f"new settings not taken{some}: {why}; send SIGHUP to try again", **fields)

    def _dismiss(self, worker: Worker) -> None:
        self._tell(worker, signal.SIGTERM, self._drain.total_seconds())

    def _tell(self, worker: Worker, number: signal.Signals, patience: float) -> None:
        """To end. `patience`: seconds for its requests; one that does not serve has none."""
        worker.hear()
        given = CLOSING + (patience if worker.serves else 0.0)
        worker.deadline = min(worker.deadline, time.monotonic() + given)
        os.kill(worker.pid, number)

    def _kill_late(self) -> None:
        for worker in self._workers.values():
            if time.monotonic() < worker.due:
                continue
            os.kill(worker.pid, signal.SIGKILL)
            if worker.leaving:
                worker.deadline += CLOSING
            else:
                # Seen by `_bury`, as one that has died by itself.
                worker.start_by += CLOSING
                log.error("worker killed: it does not come to serve", pid=worker.pid, seconds=START_WITHIN)

    # The end.

    def _stop(self, first: signal.Signals) -> None:
        """Ask the workers to finish what they are at; end those that do not. Another signal: at once."""
        hurried = first == signal.SIGQUIT
        for worker in self._workers.values():
            self._waiting[worker.slot] = NOBODY
        self._vacancies.clear()
        # Their own limit comes first, and closes their databases.
        patience = 0.0 if hurried else self._drain.total_seconds()
        self._send(signal.SIGQUIT if hurried else signal.SIGTERM, patience)
        told_by = -math.inf if hurried else time.monotonic() + TOLD_WITHIN
        while self._workers:
            if told_by > 0 and (self._all_told() or time.monotonic() > told_by):
                told_by = -math.inf
                tell_waiting(self._requests(), self._drain, interrupted=first == signal.SIGINT)
            got = self._wait(min(self._next_due(), 0.05) if told_by > 0 else self._next_due())
            if got & {signal.SIGINT, signal.SIGQUIT}:
                told_by = -math.inf
                self._send(signal.SIGQUIT, 0.0)
            self._bury()
            self._kill_late()

    def _send(self, number: signal.Signals, patience: float) -> None:
        """`patience`: seconds for their requests."""
        for worker in self._workers.values():
            self._tell(worker, number, patience)

    def _all_told(self) -> bool:
        return all(self._waiting[worker.slot] != NOBODY for worker in self._workers.values())

    def _requests(self) -> int:
        slots = [self._waiting[worker.slot] for worker in self._workers.values()]
        return sum(count for count in slots if count != NOBODY)


def tell_waiting(requests: int, drain: timedelta, *, interrupted: bool, **fields: object) -> None:
    """Log what the end waits for, if it does."""
    if requests:
        some = "1 request" if requests == 1 else f"{requests} requests"
        hint = ", Ctrl-C again to stop now" if interrupted else ""
        log.info(f"waiting for {some}{hint}", requests=requests, seconds=drain.total_seconds(), **fields)
