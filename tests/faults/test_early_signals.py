"""Signals that come while the program is just being started, before there is anybody to hear them."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.server import Server
from tests.speak.client import Client

UNHEEDED = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
DELAYS = [step / 5 for step in range(6)]


def takes_signals(pid: int) -> bool:
    """Whether the program has said what is to become of them: it blocks SIGHUP, or handles it already."""
    status = Path(f"/proc/{pid}/status").read_text()
    masks = [int(found, 16) for found in re.findall(r"Sig(?:Blk|Cgt):\s*(\w+)", status)]
    return any(mask >> (signal.SIGHUP - 1) & 1 for mask in masks)


class Begun:
    """A program that was just begun."""

    def __init__(self, data: Path, *flags: str) -> None:
        self.begun = time.monotonic()
        self.said = ""
        command = [sys.executable, "-m", "registry", "serve", "--data", str(data), "--port", "0", *flags]
        environ = {key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_")}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ, start_new_session=True
        )
        while not takes_signals(self.process.pid):
            assert self.process.poll() is None
            time.sleep(0.001)
        self.heard_after = time.monotonic() - self.begun

    def ready(self) -> str:
        """The URL that it serves at."""
        assert self.process.stdout is not None
        timer = threading.Timer(30, self.process.kill)
        timer.start()
        try:
            for line in self.process.stdout:
                self.said += line
                if found := re.search(r"listens on (http\S+)", line):
                    return found[1]
        finally:
            timer.cancel()
        raise AssertionError(f"ended with {self.process.wait()}")

    def end(self) -> str:
        assert self.process.stdout is not None
        self.process.terminate()
        timer = threading.Timer(30, self.process.kill)
        timer.start()
        # Not by `communicate`: it would miss what was read with the line that it listens.
        with self.process.stdout as rest:
            self.said += rest.read()
        assert self.process.wait(30) == 0, self.said
        timer.cancel()
        assert "Traceback" not in self.said
        return self.said


@pytest.mark.spec("OPERATE-15")
def test_signals_are_taken_before_anything_large_is_imported(tmp_path: Path) -> None:
    begun = Begun(tmp_path / "data", "--workers", "1")
    begun.ready()
    served_after = time.monotonic() - begun.begun
    begun.end()
    assert begun.heard_after < served_after / 2


@pytest.mark.spec("OPERATE-15", "OPERATE-6")
@pytest.mark.parametrize("delay", DELAYS)
def test_what_is_not_heeded_ends_no_start(delay: float, workers: int, tmp_path: Path) -> None:
    begun = Begun(tmp_path / "data", "--workers", str(workers))
    time.sleep(delay)
    for number in UNHEEDED:
        os.killpg(begun.process.pid, number)
    with Client(begun.ready()) as client:
        assert client.get("/v2/").status == 200
    time.sleep(0.3)
    assert begun.end().count("signal ignored") >= 2


@pytest.mark.spec("OPERATE-15")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_start_is_ended_by_what_ends_the_registry(number: signal.Signals, workers: int, tmp_path: Path) -> None:
    for delay in DELAYS:
        begun = Begun(tmp_path / "data", "--workers", str(workers))
        time.sleep(delay)
        os.killpg(begun.process.pid, number)
        said, _ = begun.process.communicate(timeout=15)
        assert (begun.process.returncode, "Traceback" in said) == (0, False), (delay, said)
    # What was begun is gone on with.
    server = Server(tmp_path / "data", "--workers", str(workers)).start()
    with Client(server.url) as client:
        client.push("early/app", b"content")
    assert server.stop() == 0


@pytest.mark.spec("OPERATE-15")
def test_other_commands_end_by_signals(tmp_path: Path) -> None:
    """Whoever upgrades a database by hand, and is interrupted, must not take that for done."""
    hanging = tmp_path / "hanging.yaml"
    os.mkfifo(hanging)
    command = [sys.executable, "-m", "registry", "config", "show", "--config", str(hanging)]
    for number in (signal.SIGHUP, signal.SIGTERM):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(1.5)
        process.send_signal(number)
        process.communicate(timeout=15)
        assert process.returncode != 0


@pytest.mark.spec("OPERATE-15")
@pytest.mark.parametrize("delay", DELAYS)
def test_a_start_that_is_ended_leaves_no_folder(delay: float, tmp_path: Path) -> None:
    """What a registry in memory keeps beside it."""
    serve = [sys.executable, "-m", "registry", "serve", "--storage", "memory:", "--port", "0"]
    process = subprocess.Popen(serve, env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.DEVNULL)
    while not takes_signals(process.pid):
        assert process.poll() is None
        time.sleep(0.005)
    time.sleep(delay)
    process.terminate()
    assert process.wait(30) == 0
    assert list(tmp_path.iterdir()) == []
