"""`--sync-check`: how often a server syncs for each push, counted by strace."""

import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from conformance.bench import jobs, load, processes
from conformance.bench.content import NoStock
from conformance.bench.errors import BenchError
from conformance.bench.scenarios import NAMES
from conformance.bench.servers import Running

CALLS = ("fsync", "fdatasync", "sync_file_range", "syncfs", "msync")
PUSHES = 20
SCENARIOS = ("push-100KB", "image-push")
PATIENCE = 10.0
"""Seconds for strace to attach."""

LINE = re.compile(rf"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(?:{'|'.join(CALLS)})$", re.MULTILINE)


class NotCounted(Exception):
    """Why strace did not count here."""


def syncs(program: Path, server: Running) -> dict[str, float]:
    """Syncs for each push, one push after the other. Raises `NotCounted` where strace is not there or not allowed."""
    if server.pid is None:
        raise NotCounted(f"{server.name}: only of a server that is started here can syncs be counted")
    if shutil.which("strace") is None:
        raise NotCounted("syncs are not counted: strace is not installed (apt-get install strace)")
    found = {}
    for name in SCENARIOS:
        push(program, server, name, 3)
        found[name] = counted(program, server, server.pid, name) / PUSHES
    return found


def push(program: Path, server: Running, name: str, count: int) -> None:
    """Without pulling anything afterwards: it is the pushes that are counted."""
    stock = NoStock(server.target, f"bench/{secrets.token_hex(4)}", lambda job: None)
    job = jobs.job(NAMES[name], stock, 0) | {"connections": 1, "count": count, "unchecked": True}
    result = load.run(program, job)
    if result.wrong:
        raise NotCounted(f"{server.name}: syncs are not counted: {result.wrong}")


def counted(program: Path, server: Running, pid: int, name: str) -> int:
    """How often the processes synced while that was pushed."""
    members = [option for member in processes.tree(pid) for option in ("-p", str(member))]
    with tempfile.NamedTemporaryFile("r", prefix="strace-") as summary, tempfile.TemporaryFile("w+") as complaint:
        strace = subprocess.Popen(  # noqa: S603
            ["strace", "-f", "-q", "-c", "-o", summary.name, "-e", f"trace={','.join(CALLS)}", *members],  # noqa: S607
            stderr=complaint,
        )
        try:
            deadline = time.monotonic() + PATIENCE
            while not traced(pid):
                if strace.poll() is not None or time.monotonic() > deadline:
                    complaint.seek(0)
                    said = " ".join(complaint.read().split())[:200] or "it did not attach"
                    raise NotCounted(f"{server.name}: syncs are not counted: {said}")
                time.sleep(0.05)
            push(program, server, name, PUSHES)
        finally:
            strace.send_signal(signal.SIGINT)
            try:
                strace.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                strace.kill()
                raise BenchError(f"{server.name}: strace does not let go of it: run without --sync-check") from None
        return sum(int(calls) for calls in LINE.findall(Path(summary.name).read_text()))


def traced(pid: int) -> bool:
    """Whether every thread of every process is."""
    for member in processes.tree(pid):
        for status in processes.PROC.glob(f"{member}/task/*/status"):
            try:
                if "\nTracerPid:\t0\n" in status.read_text():
                    return False
            except OSError:
                continue
    return True
