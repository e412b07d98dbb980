"""A registry whose surroundings a test chooses: its standard output and error, its user, its limits."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tests.soon import soon
from tests.speak.client import Client, Gone

Place = int | IO[Any] | None


class Launched:
    """A process that serves at `url`, the leader of a group of its own."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str) -> None:
        self.process = process
        self.url = url

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children]

    def answers(self) -> bool:
        try:
            with Client(self.url, timeout=5) as client:
                return client.get("/v2/").status == 200
        except Gone:
            return False

    def is_replaced(self, killed: int, count: int = 2) -> bool:
        workers = self.workers()
        return killed not in workers and len(workers) == count

    def end(self, number: int = signal.SIGTERM, timeout: float = 20) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout)


@contextmanager
def launched(
    data: Path,
    *flags: str,
    stdout: Place = subprocess.DEVNULL,
    stderr: Place,
    prefix: Sequence[str] = (),
    user: int = 0,
) -> Iterator[Launched]:
    """Started by the command `prefix`, if there is one."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "registry", "serve", "--data", str(data), "--port", str(port), *flags]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_")}
    process = subprocess.Popen(
        [*prefix, *command],
        stdout=stdout,
        stderr=stderr,
        env=environ,
        start_new_session=True,
    )
    found = Launched(process, f"http://127.0.0.1:{port}")
    try:
        assert soon(lambda: process.poll() is not None or found.answers(), 30)
        assert process.poll() is None
        yield found
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def cpu(pid: int) -> float:
    """Seconds that a process has worked."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_within(pid: int, seconds: float) -> float:
    before = cpu(pid)
    time.sleep(seconds)
    return cpu(pid) - before
