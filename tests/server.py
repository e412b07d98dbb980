"""Starts the real registry, as a user would, on a free port of the loopback."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAM = ("-m", "registry")

READY = re.compile(r'(?:listens on |"event":"listening".*"url":")(http://[^\s"]+)')
IN_USE = "the port is taken"


class Server:
    """A running `registry serve`. `url` is where it listens, `output` what it printed so far."""

    def __init__(
        self,
        data: Path,
        *flags: str,
        environ: dict[str, str] | None = None,
        port: int = 0,
        under: Sequence[str] = (),
        program: Sequence[str] = PROGRAM,
    ) -> None:
        """`under`: a command that starts it, such as `prlimit --nofile=256`. `program`: what Python
        runs, with a command `serve`."""
        self.data = data
        self.program = program
        self.under = under
        self.flags = flags
        self.port = port
        self.environ = {key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_")}
        self.environ |= environ or {}
        self.output = ""
        self.url = ""

    def start(self, timeout: float = 30) -> "Server":
        """Start it and wait until it serves; the port stays the same over restarts.

        Who else picks a port meanwhile may be given this one: then it is tried again."""
        for _ in range(50):
            if self._begin(timeout):
                return self
            time.sleep(0.2)
        raise RuntimeError(f"the server did not start:\n{self.output}")

    def _begin(self, timeout: float) -> bool:
        """False: somebody else has the port."""
        self.url = ""
        said = len(self.output)
        command = [
            *self.under,
            sys.executable,
            *self.program,
            "serve",
            "--data",
            str(self.data),
            "--port",
            str(self.port),
        ]
        self.process = subprocess.Popen(
            [*command, *self.flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environ,
            start_new_session=True,
        )
        ready = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(ready,), daemon=True)
        self._reader.start()
        if not ready.wait(timeout) or not self.url:
            self.kill()
            if self.port and IN_USE in self.output[said:]:
                return False
            raise RuntimeError(f"the server did not start:\n{self.output}")
        self.port = int(self.url.rsplit(":", 1)[1])
        return True

    def _read(self, ready: threading.Event) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            match = READY.search(line)
            if match:
                self.url = match[1]
                ready.set()
        ready.set()

    def stop(self, timeout: float = 40) -> int:
        """SIGTERM, and wait; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout)
        self._close()
        return status

    def kill(self) -> None:
        """SIGKILL to it and all its workers at once: nothing is closed, nothing is flushed."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._close()

    def _close(self) -> None:
        self._reader.join(5)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def workers(self) -> list[int]:
        """The process ids of its workers; its own if it has none."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children] or [self.process.pid]

    def wait_for_output(self, text: str, timeout: float = 5) -> bool:
        deadline = time.monotonic() + timeout
        while text not in self.output:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


@contextmanager
def running(
    data: Path,
    *flags: str,
    environ: dict[str, str] | None = None,
    under: Sequence[str] = (),
    program: Sequence[str] = PROGRAM,
) -> Iterator[Server]:
    """A server for the length of a block; a traceback in its log fails the test."""
    server = Server(data, *flags, environ=environ, under=under, program=program).start()
    try:
        yield server
    finally:
        status = server.stop()
    assert "Traceback" not in server.output, server.output
    assert status == 0, server.output
