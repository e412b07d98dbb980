"""What a server's processes cost: CPU time and memory, read from /proc while it is under load."""

import os
import threading
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
INTERVAL = 0.1
"""Seconds between two looks at the memory."""


def tree(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for known in found:
        for task in PROC.glob(f"{known}/task/*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def cpu_seconds(pid: int) -> float:
    """Of all processes of the tree, in user and kernel mode, with children that have ended."""
    ticks = 0
    for member in tree(pid):
        try:
            fields = (PROC / str(member) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS


def memory(pid: int) -> int:
    """The sum of the proportional set sizes of the tree, in bytes: pages that are shared count once."""
    kilobytes = 0
    for member in tree(pid):
        try:
            lines = (PROC / str(member) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes * 1024


def known(pid: int | None) -> bool:
    """Whether the system tells: Linux does."""
    return pid is not None and (PROC / str(pid) / "smaps_rollup").exists()


class Watch:
    """What a tree of processes uses between `begin` and `end`; None where it is not known."""

    def __init__(self, pid: int | None) -> None:
        self._pid = pid if known(pid) else None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._peak = 0
        self._before = 0.0
        self.cpu_seconds: float | None = None
        self.memory: int | None = None

    def begin(self) -> None:
        if self._pid is not None:
            self._thread = threading.Thread(target=self._sample, args=(self._pid,), name="memory", daemon=True)
            self._thread.start()
            self._before = cpu_seconds(self._pid)

    def end(self) -> None:
        if self._pid is not None:
            self.cpu_seconds = cpu_seconds(self._pid) - self._before
            self.stop()
            self.memory = max(self._peak, memory(self._pid))

    def stop(self) -> None:
        """End the sampling, if the measuring did not come to its end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _sample(self, pid: int) -> None:
        while not self._stop.wait(INTERVAL):
            self._peak = max(self._peak, memory(pid))
