"""A log that cannot be written, or that nobody reads: the registry goes on, and tells what was lost."""

import fcntl
import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.faults.launch import Launched, launched
from tests.soon import soon
from tests.speak.client import Client, open_socket, read_all

SIZES = fcntl.F_SETPIPE_SZ
PAGE = 4096
LONG = "x" * 3000
"""Part of a path that makes a long line."""


@contextmanager
def pipe_gone(data: Path, *flags: str) -> Iterator[Launched]:
    reading, writing = os.pipe()
    with launched(data, *flags, stdout=writing, stderr=writing) as server:
        os.close(writing)
        os.close(reading)
        yield server


@contextmanager
def pipe_unread(data: Path, *flags: str) -> Iterator[Launched]:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, SIZES, PAGE)
    with launched(data, *flags, stdout=writing, stderr=writing) as server:
        os.close(writing)
        with Client(server.url) as client:
            for _ in range(5):
                client.get(f"/{LONG}")  # it is full by then
        yield server
        os.close(reading)


@contextmanager
def disk_full(data: Path, *flags: str) -> Iterator[Launched]:
    with open("/dev/full", "wb", buffering=0) as full, launched(data, *flags, stdout=full, stderr=full) as server:
        yield server


@contextmanager
def closed(data: Path, *flags: str) -> Iterator[Launched]:
    prefix = ["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh"]
    with launched(data, *flags, stderr=None, prefix=prefix) as server:
        yield server


@contextmanager
def terminal_gone(data: Path, *flags: str) -> Iterator[Launched]:
    ours, theirs = pty.openpty()
    with launched(data, *flags, stdout=theirs, stderr=theirs) as server:
        os.close(theirs)
        os.close(ours)
        yield server


Way = Callable[..., AbstractContextManager[Launched]]
WAYS: dict[str, Way] = {
    "pipe gone": pipe_gone,
    "pipe unread": pipe_unread,
    "disk full": disk_full,
    "closed": closed,
    "terminal gone": terminal_gone,
}


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def broken(request: pytest.FixtureRequest, data: Path) -> Iterator[Launched]:
    """Two workers whose log is broken in one of the ways there are."""
    with request.param(data, "--workers", "2", "--upload-expiry", "1s") as server:
        yield server


@pytest.mark.spec("OPERATE-1")
def test_every_event_with_a_broken_log(broken: Launched, data: Path) -> None:
    with Client(broken.url) as client:
        lost = client.push("log/app", os.urandom(300_000))
        path = client.start("log/app")
        with closing(sqlite3.connect(data / "uploads.db", isolation_level=None)) as database:
            database.execute("ALTER TABLE upload RENAME TO elsewhere")
            time.sleep(0.8)  # the job that drops expired uploads fails
            database.execute("ALTER TABLE elsewhere RENAME TO upload")
        for _ in range(3):
            with open_socket(broken.url) as wrong:
                wrong.sendall(b"NOT HTTP AT ALL\r\n\r\n")
                assert read_all(wrong).startswith(b"HTTP/1.1 400")
        remove(data / "blobs", lost)
        answer = client.get(f"/v2/log/app/blobs/{lost}")
        assert answer.status >= 404
        assert answer.codes
        assert soon(lambda: client.get(path).status == 404), "expired uploads are not dropped any more"
    os.kill(broken.process.pid, signal.SIGUSR1)
    killed = broken.workers()[0]
    os.kill(killed, signal.SIGKILL)
    assert soon(partial(broken.is_replaced, killed))
    with Client(broken.url) as client:
        for _ in range(300):
            assert client.get(f"/v2/log/{LONG}").status == 404
    for _ in range(10):
        with Client(broken.url) as client:
            assert client.push("log/app", os.urandom(20_000))
    os.kill(broken.process.pid, signal.SIGKILL)
    assert soon(lambda: not broken.answers(), 5), "workers outlive their supervisor"


def remove(blobs: Path, digest: str) -> None:
    (file,) = blobs.rglob(digest.partition(":")[2])
    file.unlink()


@pytest.mark.spec("OPERATE-1")
def test_it_ends_with_a_broken_log(broken: Launched) -> None:
    begun = time.monotonic()
    assert broken.end() == 0
    assert time.monotonic() - begun < 4


@pytest.mark.spec("OPERATE-2")
def test_lost_lines_are_counted(workers: int, tmp_path: Path) -> None:
    """As many as were answered are there or counted, in the order of the answers."""
    requests, long = 150, LONG * 10
    reading, writing = os.pipe()
    flags = ["--workers", str(workers), "--log-format", "json"]
    with launched(tmp_path / "data", *flags, stderr=writing) as server, open(reading) as log:
        os.close(writing)
        with Client(server.url) as client:
            for number in range(requests):
                assert client.get(f"/v2/{long}/{number}").status == 404
        assert server.answers()
        lines: list[dict[str, object]] = []

        def seen() -> int:
            numbers = [line for line in lines if long in str(line.get("path"))]
            return len(numbers) + sum(int(str(line["lines"])) for line in lines if line["event"] == "log lines lost")

        while seen() < requests:
            lines.append(json.loads(log.readline()))
        assert any(line["event"] == "log lines lost" for line in lines)
        numbers = [int(str(line["path"]).rpartition("/")[2]) for line in lines if long in str(line.get("path"))]
        assert numbers == sorted(numbers)
        with Client(server.url) as client:
            client.get("/v2/and-it-goes-on")
        while "and-it-goes-on" not in log.readline():
            pass
        assert server.end() == 0


@pytest.mark.spec("OPERATE-3")
@pytest.mark.parametrize("form", ["text", "json"])
def test_everything_goes_to_one_stream(form: str) -> None:
    """Events, libraries, warnings, threads, prints: in one order, each in the log's form."""
    program = f"""if True:
        import logging, sys, threading, warnings, gc
        from registry import log
        import structlog
        log.configure({form!r})
        events = structlog.get_logger("registry")
        events.info("one", field="a")
        logging.getLogger("somebody").error("two %s", "b")
        warnings.warn("three")
        class Finalized:
            def __del__(self):
                raise ValueError("four")
        Finalized()
        def fail():
            raise ValueError("five")
        thread = threading.Thread(target=fail); thread.start(); thread.join()
        print("six")
        events.error("seven \\udce4", field="\\udce4")
        class Unreadable:
            def __repr__(self):
                raise ValueError
            __str__ = __repr__
        events.error("eight", field=Unreadable())
        raise ValueError("nine")
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == ""
    words = ["one", "two b", "three", "four", "five", "six", "seven", "eight", "nine"]
    places = [done.stderr.find(word) for word in words]
    assert places == sorted(places), done.stderr
    assert -1 not in places, done.stderr
    if form == "json":
        plain = [line for line in done.stderr.splitlines() if not line.startswith("{")]
        assert plain == ["six"]


@pytest.mark.spec("OPERATE-3")
def test_nothing_is_written_where_standard_error_was(data: Path) -> None:
    """What is opened must not get the number of a closed standard error, and with it the log."""
    with closed(data, "--workers", "1") as server:
        for fd in (0, 1, 2):
            assert os.readlink(f"/proc/{server.process.pid}/fd/{fd}") == os.devnull
