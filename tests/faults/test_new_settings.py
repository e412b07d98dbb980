"""SIGHUP: what the file says anew is taken by workers that serve with it, and by nobody where none does."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.faults.test_process import replaced, started
from tests.server import Server, running
from tests.soon import soon
from tests.speak.client import Client, Slow

SHORT_START = "import registry.server.supervisor\nregistry.server.supervisor.START_WITHIN = 1.0\n"


def with_code(folder: Path, code: str) -> dict[str, str]:
    """An environment in which Python begins with `code`."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": str(folder)}


def freeze_next(server: Server, before: list[int]) -> int:
    """Stop the worker that comes beside those of `before`, before it serves."""
    assert soon(lambda: bool(set(server.workers()) - set(before)))
    (new,) = set(server.workers()) - set(before)
    os.kill(new, signal.SIGSTOP)
    return new


def deletes(server: Server) -> int:
    with Client(server.url) as client:
        return client.request("DELETE", "/v2/hup/app/manifests/latest").status


@pytest.mark.spec("OPERATE-13")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_longest_drain(number: int, workers: int, tmp_path: Path) -> None:
    with started(tmp_path / "data", workers, "--drain-timeout", "36500d") as server:
        with Client(server.url) as client:
            path = client.start("long/app")
        with Slow(server.url, "PATCH", path, 1000) as slow:
            slow.send(b"x" * 500)
            time.sleep(0.3)
            server.process.send_signal(number)
            time.sleep(0.7)
            assert server.process.poll() is None, server.output
            slow.send(b"x" * 500)
            assert slow.answer().status == 202
        assert server.stop() == 0
        assert "Traceback" not in server.output


@pytest.mark.spec("OPERATE-7")
def test_settings_that_no_worker_serves_with(data: Path, tmp_path: Path) -> None:
    """A worker that dies afterwards is replaced by one with the settings of before."""
    config = tmp_path / "registry.yaml"
    config.write_text("delete: true\n")
    with running(data, "--workers", "2", "--config", str(config)) as server:
        before = server.workers()
        uploads = data / "blobs" / "_uploads"
        uploads.rename(data / "elsewhere")
        uploads.write_text("a file")
        config.write_text("delete: false\n")
        server.process.send_signal(signal.SIGHUP)
        assert server.wait_for_output("new settings not taken: ")
        uploads.unlink()
        (data / "elsewhere").rename(uploads)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
            assert soon(partial(replaced, server, pid))
        assert [deletes(server) for _ in range(6)] == [404] * 6
        server.process.send_signal(signal.SIGHUP)
        assert server.wait_for_output("all workers have the new settings")
        assert soon(lambda: [deletes(server) for _ in range(6)] == [405] * 6)


@pytest.mark.spec("OPERATE-7")
@pytest.mark.parametrize("at_first", ["true", "false"])
def test_read_only_is_for_a_start(at_first: str, tmp_path: Path) -> None:
    config = tmp_path / "registry.yaml"
    with running(tmp_path / "data", "--workers", "1"):
        pass  # So that there is something to be read.
    (tmp_path / "data" / "uploads.db").unlink()
    config.write_text(f"read_only: {at_first}\n")
    status = 405 if at_first == "true" else 202
    with running(tmp_path / "data", "--workers", "2", "--config", str(config)) as server:
        config.write_text(f"read_only: {'false' if at_first == 'true' else 'true'}\n")
        server.process.send_signal(signal.SIGHUP)
        assert server.wait_for_output("all workers have the new settings")
        for _ in range(6):
            with Client(server.url) as client:
                assert client.request("POST", "/v2/hup/app/blobs/uploads/").status == status
    assert "only_at_start=['read_only']" in server.output


@pytest.mark.spec("OPERATE-12")
def test_a_successor_that_does_not_come_to_serve(tmp_path: Path) -> None:
    config = tmp_path / "registry.yaml"
    config.write_text("delete: true\n")
    environ = with_code(tmp_path / "code", SHORT_START)
    with running(tmp_path / "data", "--workers", "2", "--config", str(config), environ=environ) as server:
        before = server.workers()
        config.write_text("delete: false\n")
        server.process.send_signal(signal.SIGHUP)
        frozen = freeze_next(server, before)
        assert server.wait_for_output("new settings not taken: ")
        assert "worker killed" in server.output
        assert server.workers() == before
        assert frozen not in before
        assert deletes(server) == 404


@pytest.mark.spec("OPERATE-12")
def test_a_replacement_that_does_not_come_to_serve(tmp_path: Path) -> None:
    environ = with_code(tmp_path / "code", SHORT_START)
    with running(tmp_path / "data", "--workers", "2", environ=environ) as server:
        time.sleep(1.1)
        before = server.workers()
        os.kill(before[0], signal.SIGKILL)
        frozen = freeze_next(server, before)
        assert server.wait_for_output("worker killed")
        assert soon(partial(replaced, server, frozen))


@pytest.mark.spec("OPERATE-7")
@pytest.mark.parametrize("count", [1, 2])
def test_sighup_during_the_start(count: int, tmp_path: Path) -> None:
    config, data = tmp_path / "registry.yaml", tmp_path / "data"
    config.write_text("delete: true\n")
    flags = ["--data", str(data), "--port", "0", "--workers", str(count), "--config", str(config)]
    command = [sys.executable, "-m", "registry", "serve", *flags]
    with ExitStack() as stack:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        # The folder is made by the start, long before anybody serves.
        assert soon(data.exists)
        config.write_text("delete: false\n")
        process.send_signal(signal.SIGHUP)
        assert process.stdout is not None
        heard = "all workers have the new settings" if count > 1 else "signal ignored"
        lines: list[str] = []
        stack.callback(process.stdout.close)
        deadline = time.monotonic() + 8
        while not any(heard in line for line in lines):
            assert time.monotonic() < deadline
            lines.append(process.stdout.readline())
            assert lines[-1], lines
