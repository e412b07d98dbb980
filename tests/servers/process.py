"""A server as an ordinary process: its folder, its port, its log, and all that may befall it."""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self

PORTS = range(20_000, 32_000)
"""Below those that the kernel gives to clients: none of them takes the port of a server that is down for a moment."""

STARTING = 60.0
"""Seconds until a server answers; one that was killed may have a log to read again first."""

WAITING = 10.0
"""Seconds for which a port that somebody has is tried again: another one at first, the same one later."""

IN_USE = b"address already in use"


ENDED = "ZX"
STOPPED = f"T{ENDED}"
"""States of processes: no longer there but for their number; and that, or held by SIGSTOP."""


class Missing(Exception):
    """A program is not installed; one line that says how to come by it."""


class RealServer(ABC):
    """One server, not started yet. A context manager starts it, and at the end stops it and removes its folder.

    `settings` are the server's own, over those that the class gives it. What it has acknowledged is synced, as it is
    where it is not only tested."""

    name: ClassVar[str]
    """As `python -m tests.servers` calls it."""

    programs: ClassVar[tuple[str, ...]]
    remedy: ClassVar[str]
    """What installs the programs."""

    account: ClassVar[str | None] = None
    """Whose processes they are where root may not run them."""

    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    stopping: ClassVar[float] = 30.0
    """Seconds until it has stopped when it was told to; then it is killed."""

    path: ClassVar[tuple[str, ...]] = ()
    """Folders with programs, before those of PATH."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self.settings = dict(settings or {})
        self.environ: dict[str, str] = {}
        """What whoever uses the server needs in its environment."""
        self.port = 0
        self._found = {program: self._find(program) for program in self.programs}
        # Not in a folder of pytest's, which nobody else may enter; and short, as paths of sockets have to be.
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._fresh = 0
        self.made = False
        """Whether the data folder has been made."""
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)

    def _find(self, program: str) -> str:
        found = shutil.which(program, path=os.pathsep.join([*self.path, os.environ.get("PATH", os.defpath)]))
        if found is None:
            raise Missing(f"{self.name} needs {program}, which is not installed: {self.remedy}")
        return found

    @property
    def _user(self) -> str | None:
        return self.account if os.geteuid() == 0 else None

    @property
    @abstractmethod
    def url(self) -> str:
        """What a client is given: the database `registry`, or a bucket."""

    @abstractmethod
    def fresh(self) -> str:
        """The URL of a new and empty database, or bucket, on the running server."""

    @abstractmethod
    def _make(self) -> None:
        """Make the data folder, before the first start."""

    @abstractmethod
    def _furnish(self) -> None:
        """Make what `url` names, after the first start."""

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """What serves on `port`."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether it serves clients by now: this one, not whoever may have its port."""

    def _next(self) -> str:
        self._fresh += 1
        return f"registry{self._fresh}"

    # Its life

    def start(self) -> Self:
        """Start it and wait until it answers; the port and the data stay the same over restarts.

        Raises `RuntimeError`, with the log, if it does not come up."""
        assert not self.running, f"{self.name} is running"
        if not self.made:
            self._make()
        deadline = time.monotonic() + WAITING
        while True:
            if not self.made:
                self.port = free_port()
            said = self.log_path.stat().st_size if self.log_path.exists() else 0
            try:
                self._begin()
                break
            except RuntimeError:
                # Somebody else has taken the port, or has not let go of it yet.
                if IN_USE not in self.log_path.read_bytes()[said:].lower() or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        if not self.made:
            self._furnish()
            self.made = True
        return self

    def _begin(self) -> None:
        with self.log_path.open("ab") as log:
            self._process = self._popen(self._leashed(self._command()), stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + STARTING
        while not self._answers():
            ended = self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                how = f"ended with status {self._process.returncode}" if ended else f"not ready in {STARTING:g} s"
                self.kill()
                raise RuntimeError(f"{self.name} did not start ({how}):\n{self.log()}")
            time.sleep(0.01)

    def _leashed(self, command: Sequence[str]) -> list[str]:
        """The command, told to stop when the thread that starts it ends without having stopped it."""
        setpriv = shutil.which("setpriv")
        return [setpriv, "--pdeathsig", self.stop_signal.name[3:], *command] if setpriv else list(command)

    def _popen(self, command: Sequence[str], *, stdout: object, stderr: object) -> "subprocess.Popen[bytes]":
        account = {"user": self._user, "group": self._user, "extra_groups": []} if self._user else {}
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=self.folder,
            env=self._environ(),
            # A Ctrl-C at the terminal is for whoever started it, who stops it then.
            start_new_session=True,
            **account,
        )

    def _environ(self) -> dict[str, str]:
        """Nothing of the user's own."""
        return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}

    def _run(self, *command: str) -> None:
        """Run a program that prepares something. Raises `RuntimeError` with what it said."""
        process = self._popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said, _ = process.communicate(timeout=STARTING)
        if process.returncode:
            raise RuntimeError(f"{Path(command[0]).name} failed:\n{said.decode(errors='replace')[-3000:]}")

    def stop(self) -> int:
        """Tell it to stop, as an operator does, and wait; the exit status. One that does not is killed."""
        process = self._started
        self.resume()
        process.send_signal(self.stop_signal)
        try:
            status = process.wait(self.stopping)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"{self.name} did not stop in {self.stopping:g} s:\n{self.log()}") from None
        self._process = None
        return status

    def kill(self) -> None:
        """SIGKILL to all of its processes at once: nothing is flushed, no client is told."""
        process = self._started
        family = self._stopped()
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        while any(is_alive(pid) for pid in family):
            time.sleep(0.005)
        self._process = None

    def pause(self) -> None:
        """SIGSTOP to all of its processes: connections stay, and nothing answers."""
        self._stopped()

    def resume(self) -> None:
        """Let them go on."""
        for pid in reversed(family_of(self._started.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _stopped(self) -> list[int]:
        """All of its processes, stopped: the parents first, so that none of them starts another one meanwhile."""
        known: list[int] = []
        while True:
            found = [pid for pid in family_of(self._started.pid) if pid not in known]
            if not found:
                return known
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                while state_of(pid) not in STOPPED:
                    time.sleep(0.001)
            known += found

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def _started(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, f"{self.name} is not running"
        return self._process

    @property
    def pids(self) -> list[int]:
        """Its processes, the first one first."""
        return family_of(self._started.pid)

    @property
    def log_path(self) -> Path:
        return self.folder / "log"

    def log(self) -> str:
        """The last of what it said."""
        return self.log_path.read_text(errors="replace")[-5000:] if self.log_path.exists() else ""

    def close(self) -> None:
        """Stop it, and remove its folder."""
        try:
            if self.running:
                self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()


def free_port() -> int:
    while True:
        port = random.choice(PORTS)
        if not is_taken(port):
            return port


def is_taken(port: int) -> bool:
    """Whether a server cannot listen there now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def family_of(pid: int) -> list[int]:
    """The process and all below it, parents first; one that has ended has none."""
    found = [pid]
    for parent in found:
        # Any of its threads may have started one.
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, children.read_text().split())
    return found


def state_of(pid: int) -> str:
    """The letter by which the kernel tells what a process does; X if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ENDED[-1]


def is_alive(pid: int) -> bool:
    """Whether it runs, or could: one that only waits to be noticed does not."""
    return state_of(pid) not in ENDED
