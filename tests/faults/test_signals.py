"""Signals, by whom and to whom they are sent: how it stops, what it takes up anew, and what it does not heed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.faults.launch import launched
from tests.faults.test_process import begin_download, replaced, started
from tests.server import Server, running
from tests.soon import soon
from tests.speak.client import Client, Slow, open_socket

STALLED = 100_000
"""Bytes that came of a request which then says nothing more."""

HINT = ", Ctrl-C again to stop now"


ANOTHER_USER = ["--reuid", "61234", "--regid", "61234", "--clear-groups"]
BOUND = (
    ["setpriv", *ANOTHER_USER, "--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]
    if os.getuid() == 0
    else []
)
"""Begins a command that the limit of processes binds: root is free of it. What it may read and write stays."""


def limit(pid: int, what: str, soft: int) -> None:
    prefix = BOUND if os.stat(f"/proc/{pid}").st_uid != 0 else []
    subprocess.run([*prefix, "prlimit", "--pid", str(pid), f"--{what}={soft}:"], check=True)


def tell(server: Server, number: int) -> None:
    """To the whole group, as a terminal does."""
    os.killpg(server.process.pid, number)


def stall(server: Server, stack: ExitStack, count: int = 1) -> list[str]:
    """Uploads that are in flight and never go on; their paths."""
    with Client(server.url) as client:
        paths = [client.start("signal/app") for _ in range(count)]
    for path in paths:
        slow = stack.enter_context(Slow(server.url, "PATCH", path, 1_000_000))
        slow.send(os.urandom(STALLED))
    time.sleep(0.3)
    return paths


def waiting(server: Server) -> list[str]:
    return [line for line in server.output.splitlines() if "waiting for" in line]


def check_plain(server: Server, form: str = "text") -> None:
    """Nothing but lines of the log's own form."""
    assert "Traceback" not in server.output, server.output
    assert "CTRL+C" not in server.output
    assert "xception" not in server.output, server.output
    if form == "json":
        for line in server.output.splitlines():
            json.loads(line)


# How it stops


@pytest.mark.spec("OPERATE-4", "OPERATE-5")
def test_ctrl_c_and_again(workers: int, tmp_path: Path) -> None:
    form = "json" if workers > 1 else "text"
    with started(tmp_path / "data", workers, "--log-format", form) as server, ExitStack() as stack:
        paths = stall(server, stack, 3)
        idle = stack.enter_context(Client(server.url))
        assert idle.get("/v2/").status == 200
        tell(server, signal.SIGINT)
        assert server.wait_for_output(f"waiting for 3 requests{HINT}")
        time.sleep(0.3)
        assert server.process.poll() is None
        begun = time.monotonic()
        tell(server, signal.SIGINT)
        assert server.process.wait(10) == 0
        assert time.monotonic() - begun < 2.5
        server.stop()
        (line,) = waiting(server)
        if form == "json":
            told = json.loads(line)
            assert (told["requests"], told["level"]) == (3, "info")
        check_plain(server, form)
        server.start()
        with Client(server.url) as client:
            for path in paths:
                assert client.get(path).offset <= STALLED
                assert client.request("DELETE", path).status == 204
        assert server.stop() == 0


@pytest.mark.spec("OPERATE-4")
def test_sigterm_tells_without_the_hint(workers: int, tmp_path: Path) -> None:
    with started(tmp_path / "data", workers, "--drain-timeout", "1s") as server, ExitStack() as stack:
        stall(server, stack)
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
        assert 0.9 < time.monotonic() - begun < 4
        server.stop()
        (line,) = waiting(server)
        assert "waiting for 1 request" in line
        assert HINT not in line
        check_plain(server)


@pytest.mark.spec("OPERATE-4")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_nothing_is_told_where_nothing_is_waited_for(number: int, workers: int, tmp_path: Path) -> None:
    with started(tmp_path / "data", workers) as server, Client(server.url) as client:
        assert client.get("/v2/").status == 200
        with open_socket(server.url):
            tell(server, number)
            assert server.process.wait(10) == 0
        server.stop()
        assert waiting(server) == []
        check_plain(server)


@pytest.mark.spec("OPERATE-5")
@pytest.mark.parametrize("pause", [0.1, 0.5])
def test_impatience(pause: float, workers: int, tmp_path: Path) -> None:
    """Ctrl-C three times and more, while there are uploads and a download that nobody reads."""
    with started(tmp_path / "data", workers) as server, ExitStack() as stack:
        with Client(server.url) as client:
            digest = client.push("signal/app", os.urandom(24_000_000))
        stack.enter_context(begin_download(server, f"/v2/signal/app/blobs/{digest}"))
        stall(server, stack, 2)
        begun = time.monotonic()
        for _ in range(5):
            tell(server, signal.SIGINT)
            time.sleep(pause)
        assert server.process.wait(10) == 0
        assert time.monotonic() - begun < 5
        server.stop()
        check_plain(server)


@pytest.mark.spec("OPERATE-5")
@pytest.mark.parametrize("to_all", [False, True], ids=["to one", "to all"])
def test_sigquit_does_not_wait(to_all: bool, workers: int, tmp_path: Path) -> None:
    with started(tmp_path / "data", workers) as server, ExitStack() as stack:
        stall(server, stack, 2)
        begun = time.monotonic()
        if to_all:
            tell(server, signal.SIGQUIT)
        else:
            server.process.send_signal(signal.SIGQUIT)
        assert server.process.wait(10) == 0
        assert time.monotonic() - begun < 2.5
        server.stop()
        check_plain(server)


@pytest.mark.spec("OPERATE-5")
@pytest.mark.parametrize("after", [0.4, 0.9])
def test_ctrl_c_during_the_start(after: float, data: Path) -> None:
    command = [sys.executable, "-m", "registry", "serve", "--data", str(data), "--port", "0", "--workers", "2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        time.sleep(after)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=10)
        assert "registry/server/__init__.py" not in output
        assert "worker died" not in output


# What does not end it


@pytest.mark.spec("OPERATE-6")
@pytest.mark.parametrize("to", ["first", "worker", "all"])
def test_signals_that_end_nothing(to: str, workers: int, tmp_path: Path) -> None:
    with running(tmp_path / "data", "--workers", str(workers)) as server:
        before = server.workers()
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGHUP):
            if to == "all":
                tell(server, number)
            else:
                os.kill(server.process.pid if to == "first" else before[-1], number)
        if to != "worker" or workers == 1:
            assert server.wait_for_output("SIGUSR1")
            assert server.wait_for_output("SIGUSR2")
        time.sleep(0.3)
        for _ in range(5):
            with Client(server.url) as client:
                assert client.get("/v2/").status == 200
        # New settings, new workers.
        assert soon(lambda: len(server.workers()) == workers)
    assert "worker died" not in server.output


@pytest.mark.spec("OPERATE-7")
def test_sighup_takes_new_settings(tmp_path: Path) -> None:
    """Requests in flight end with the workers that they came to; nobody is refused."""
    config = tmp_path / "registry.yaml"
    config.write_text("page_limit: 1000\nmanifest_limit: 1MiB\n")
    content = os.urandom(500_000)
    with running(tmp_path / "data", "--workers", "2", "--config", str(config)) as server, ExitStack() as stack:
        with Client(server.url) as client:
            path = client.start("hup/app")
            assert client.request("DELETE", "/v2/hup/app/manifests/latest").status == 404
        slow = stack.enter_context(Slow(server.url, "PATCH", path, len(content)))
        slow.send(content[:STALLED])
        before = server.workers()
        config.write_text("delete: nonsense\n")
        server.process.send_signal(signal.SIGHUP)
        assert server.wait_for_output("settings stay as they are")
        assert server.workers() == before
        config.write_text("page_limit: 1000\nmanifest_limit: 1MiB\ndelete: false\nlog_format: json\n")
        server.process.send_signal(signal.SIGHUP)
        statuses = []
        while "all workers have the new settings" not in server.output:
            with Client(server.url) as client:
                statuses.append(client.get("/v2/").status)
        assert set(statuses) == {200}
        time.sleep(0.3)  # the last of the old ones has been told, and has a moment to hear it
        for _ in range(10):
            with Client(server.url) as client:
                assert client.request("DELETE", "/v2/hup/app/manifests/latest").status == 405
        slow.send(content[STALLED:])
        assert slow.answer().status == 202
        assert soon(lambda: len(server.workers()) == 2 and not set(before) & set(server.workers()))
        with Client(server.url) as client:
            assert client.finish(path, content).status == 201
    assert "only_at_start=['log_format']" in server.output


@pytest.mark.spec("OPERATE-7")
def test_sighup_again_and_again(tmp_path: Path) -> None:
    config = tmp_path / "registry.yaml"
    config.write_text("page_limit: 1000\n")
    with running(tmp_path / "data", "--workers", "2", "--config", str(config)) as server:
        before = server.workers()
        for _ in range(6):
            server.process.send_signal(signal.SIGHUP)
            time.sleep(0.1)
            with Client(server.url) as client:
                assert client.get("/v2/").status == 200
        assert soon(lambda: len(server.workers()) == 2 and not set(before) & set(server.workers()))


@pytest.mark.spec("SETTING-7")
def test_sighup_with_a_pipe_that_says_nothing(tmp_path: Path) -> None:
    """Settings stay, the workers serve meanwhile, and an end that comes meanwhile waits a second at most."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_text, args=["page_limit: 77\n"])
    writing.start()
    with running(tmp_path / "data", "--workers", "2", "--config", str(pipe)) as server:
        writing.join()
        silent = os.open(pipe, os.O_RDWR)
        server.process.send_signal(signal.SIGHUP)
        with Client(server.url) as client:
            assert client.get("/v2/").status == 200
        assert server.wait_for_output("does not end within 1 second")
        assert server.wait_for_output("settings stay as they are")
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 3
        os.close(silent)


# Workers that cannot be had


@pytest.mark.spec("OPERATE-8")
def test_fork_fails(data: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as written, launched(data, "--workers", "2", stderr=written, prefix=BOUND) as server:
        time.sleep(1.1)
        killed, other = server.workers()
        limit(server.process.pid, "nproc", 1)
        os.kill(killed, signal.SIGKILL)
        assert soon(lambda: log.read_text().count("cannot start a worker") >= 2)
        assert log.read_text().count("cannot start a worker") <= 3
        assert server.workers() == [other]
        assert server.answers()
        limit(server.process.pid, "nproc", 10_000)
        assert soon(partial(server.is_replaced, killed))
        assert server.end() == 0
    assert "Resource temporarily unavailable" in log.read_text()


@pytest.mark.spec("OPERATE-17")
@pytest.mark.parametrize("count", [1, 2])
def test_no_thread_for_a_start(count: int, tmp_path: Path) -> None:
    """For a user of its own, as the limit is one of users."""
    user = str(61235 + count)
    alone = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"]
    alone += ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override", "prlimit", f"--nproc={count + 1}"]
    if os.getuid() != 0:
        pytest.skip("cannot be another user")
    serve = [sys.executable, "-m", "registry", "serve", "--data", str(tmp_path / "data"), "--port", "0"]
    answer = subprocess.run(
        [*alone, *serve, "--workers", str(count)], capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.returncode == 1
    assert "registry: error: no thread can be started: the limit of processes is reached" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.spec("OPERATE-17")
def test_threads_are_refused_while_it_serves(data: Path, tmp_path: Path) -> None:
    """What there is has to do; nothing fails, and more are started when they can be."""
    log = tmp_path / "log"
    with log.open("wb") as written, launched(data, "--workers", "1", stderr=written, prefix=BOUND) as server:
        limit(server.process.pid, "nproc", 1)
        with Client(server.url) as client:
            for size in (300_000, 3_000_000):
                content = os.urandom(size)
                digest = client.push("few/app", content)
                assert client.get(f"/v2/few/app/blobs/{digest}").body == content
        limit(server.process.pid, "nproc", 10_000)
        assert server.end() == 0
    assert " 500 " not in log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.mark.spec("OPERATE-17")
def test_one_thread_for_all(data: Path, tmp_path: Path) -> None:
    """Uploads that go on without a pause, and are not fast, take turns with what else needs the thread."""
    log = tmp_path / "log"
    with log.open("wb") as written, launched(data, "--workers", "1", stderr=written, prefix=BOUND) as server:
        limit(server.process.pid, "nproc", 1)
        with Client(server.url) as client:
            paths = [client.start("few/app") for _ in range(3)]
        stopping = threading.Event()

        def upload(path: str) -> None:
            with Slow(server.url, "PATCH", path, 1 << 30) as slow:
                while not stopping.wait(0.015):
                    slow.send(bytes(200_000))

        uploading = [threading.Thread(target=upload, args=[path]) for path in paths]
        for each in uploading:
            each.start()
        time.sleep(0.5)
        waits = []
        with Client(server.url) as client:
            for _ in range(3):
                begun = time.monotonic()
                client.push("few/app", os.urandom(3_000_000))
                waits.append(time.monotonic() - begun)
        stopping.set()
        for each in uploading:
            each.join()
        assert max(waits) < 5, waits
        assert server.end() == 0


@pytest.mark.spec("OPERATE-8")
def test_no_descriptor_for_a_pipe(data: Path) -> None:
    with running(data, "--workers", "2") as server:
        time.sleep(1.1)
        killed, other = server.workers()
        limit(server.process.pid, "nofile", 4)
        os.kill(killed, signal.SIGKILL)
        assert server.wait_for_output("cannot start a worker")
        assert server.workers() == [other]
        limit(server.process.pid, "nofile", 1024)
        assert soon(partial(replaced, server, killed))
    assert "Too many open files" in server.output


@pytest.mark.spec("OPERATE-8")
def test_a_worker_that_cannot_start(data: Path) -> None:
    """Tried again after pauses that grow; the reason is told each time, the others serve, and the end need not wait."""
    with running(data, "--workers", "2") as server:
        time.sleep(1.1)
        uploads = data / "blobs" / "_uploads"
        uploads.rename(data / "elsewhere")
        uploads.write_text("a file")
        killed, other = server.workers()
        os.kill(killed, signal.SIGKILL)
        time.sleep(3.8)
        told = [line for line in server.output.splitlines() if "cannot start" in line and "storage folder" in line]
        assert len(told) in (2, 3), server.output
        assert other in server.workers()
        with Client(server.url) as client:
            assert client.get("/v2/").status == 200
        uploads.unlink()
        (data / "elsewhere").rename(uploads)
        assert soon(partial(replaced, server, killed))


@pytest.mark.spec("OPERATE-8")
def test_the_end_need_not_wait_for_a_replacement(data: Path) -> None:
    with running(data, "--workers", "2") as server:
        os.kill(server.workers()[0], signal.SIGKILL)
        assert server.wait_for_output("worker died")
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 0.8


@pytest.mark.spec("OPERATE-8")
def test_no_inode_for_a_worker(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8M,nr_inodes=60", "tmpfs", str(root)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")
    try:
        with running(root / "data", "--workers", "2") as server:
            with Client(server.url) as client:
                digest = client.push("inodes/app", os.urandom(100_000))
            for number in range(60):
                try:
                    (root / f"filler-{number}").touch()
                except OSError:
                    break
            killed, other = server.workers()
            os.kill(killed, signal.SIGKILL)
            # What a start needs of the disk may be there: then it is replaced.
            assert soon(lambda: "worker cannot start" in server.output or replaced(server, killed))
            assert "No space left" in server.output or replaced(server, killed)
            assert other in server.workers()
            with Client(server.url) as client:
                assert client.get(f"/v2/inodes/app/blobs/{digest}").status == 200
            for filler in root.glob("filler-*"):
                filler.unlink()
            assert soon(partial(replaced, server, killed))
    finally:
        subprocess.run(["umount", str(root)], check=True)
