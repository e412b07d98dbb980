"""Write-ahead logs stay short, and nobody waits for that, however much is pushed without a pause."""

import asyncio
import fcntl
import multiprocessing
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from registry.database import migrations
from registry.database.checkpoint import LOG_BEGUN_ANEW, Checkpointer, Turn
from registry.database.connection import connect, index_path
from registry.database.sqlite import UnsyncedSqlite
from registry.names import RepositoryName
from registry.services.uploads import rows
from registry.settings.loading import load
from tests.faults.test_power_cut import permitted
from tests.server import running
from tests.soon import soon
from tests.speak.client import Client
from tests.speak.content import image

BOUND = 64 * 1024 * 1024
SECONDS = 3.0
CONTENT = 48 * 1024
WRITERS, SAVED = 3, 400
"""Claimed and saved: twice the content each time, and more where it is moved to other pages."""
NAME = RepositoryName("long/log")
Record = Callable[[str, object], None]


class Size:
    """The largest size that a file has while the block lasts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.largest = 0

    def __enter__(self) -> "Size":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.01):
            if self._path.exists():
                self.largest = max(self.largest, self._path.stat().st_size)


def save_without_pause(path: Path, ready: Barrier, told: "multiprocessing.Queue[tuple[float, int]]") -> None:
    """As a worker does whose clients send one chunk after the other: the longest wait in seconds, and how many."""

    async def work() -> tuple[float, int]:
        database = UnsyncedSqlite(path)
        await database.open()
        session = f"session-{os.getpid()}"
        await rows.insert(database, session, NAME, "sha256", "{}", b"", "boot")
        longest, count = 0.0, 0
        ready.wait(60)
        while count < SAVED:
            begun = time.monotonic()
            row = await rows.claim(database, NAME, session, "me")
            assert row is not None
            assert await rows.save(database, row, count, None, "{}", os.urandom(CONTENT), "boot", release=True)
            longest, count = max(longest, time.monotonic() - begun), count + 1
            await asyncio.sleep(0)
        await database.close()
        return longest, count

    told.put(asyncio.run(work()))


@pytest.mark.spec("STORAGE-1")
@pytest.mark.parametrize("beside", ["alone", "a reader who comes and goes"])
def test_the_log_of_open_uploads(beside: str, data: Path, record_property: Record) -> None:
    settings = load({"data": data}, {}).settings
    migrations.upgrade(settings)
    path = data / "uploads.db"
    spawn = multiprocessing.get_context("spawn")
    told: multiprocessing.Queue[tuple[float, int]] = spawn.Queue()
    ready = spawn.Barrier(WRITERS + 1)
    writers = [spawn.Process(target=save_without_pause, args=(path, ready, told)) for _ in range(WRITERS)]
    with Size(data / "uploads.db-wal") as log, closing(sqlite3.connect(path)) as reader:
        for writer in writers:
            writer.start()
        ready.wait(60)
        while beside != "alone" and any(writer.is_alive() for writer in writers) and told.qsize() < WRITERS:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM upload").fetchall()
            time.sleep(0.1)
            reader.execute("COMMIT")
            time.sleep(0.1)
        outcomes = [told.get(timeout=60) for _ in writers]
        for writer in writers:
            writer.join()
    longest, count = max(wait for wait, _ in outcomes), sum(count for _, count in outcomes)
    record_property("largest log, bytes", log.largest)
    record_property("longest wait, seconds", round(longest, 3))
    print(
        f"{count} sessions saved, {count * CONTENT >> 20} MiB; log {log.largest >> 20} MiB, waits up to {longest:.3f} s"
    )
    assert log.largest < BOUND
    assert longest < 2


@pytest.mark.spec("STORAGE-1")
def test_the_log_of_facts(data: Path, record_property: Record) -> None:
    """Large manifests, pushed to four workers at once."""
    pushed, longest = 0, 0.0

    def push(url: str, until: float) -> None:
        nonlocal pushed, longest
        with Client(url) as client:
            filling = os.urandom(500_000).hex()
            while time.monotonic() < until:
                body = image(annotations={"filling": filling, "at": str(time.monotonic_ns())})
                begun = time.monotonic()
                assert client.put_manifest("long/facts", "latest", body).status == 201
                longest = max(longest, time.monotonic() - begun)
                pushed += len(body)

    with running(data, "--workers", "4") as server, Size(data / "registry.db-wal") as log:
        until = time.monotonic() + SECONDS
        threads = [threading.Thread(target=push, args=[server.url, until]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    record_property("largest log, bytes", log.largest)
    record_property("longest wait, seconds", round(longest, 3))
    print(f"{pushed >> 20} MiB of manifests; log {log.largest >> 20} MiB, longest wait {longest:.3f} s")
    assert log.largest < BOUND
    assert pushed > BOUND, "too little was written to tell"


def fill(client: Client, count: int) -> None:
    """About a megabyte each."""
    for _ in range(count):
        body = image(annotations={"filling": os.urandom(500_000).hex()})
        assert client.put_manifest("long/alone", "latest", body).status == 201


@pytest.mark.spec("STORAGE-1", "STORAGE-14")
def test_one_process_at_a_time_copies(data: Path) -> None:
    log, database = data / "registry.db-wal", data / "registry.db"

    def copied() -> int:
        return database.stat().st_mtime_ns

    with running(data, "--workers", "2") as server, Client(server.url) as client:
        with log.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            before = copied()
            fill(client, 25)
            time.sleep(0.5)
            assert log.stat().st_size > 20_000_000, "the log was copied by who had not been given leave"
            assert copied() == before
        assert soon(lambda: copied() > before)
        fill(client, 25)
        assert soon(lambda: log.stat().st_size < 20_000_000)


@pytest.mark.spec("STORAGE-14")
@pytest.mark.skipif(not permitted(), reason="needs strace, and leave to use it")
def test_a_log_that_was_copied_whole_is_left_alone(data: Path, tmp_path: Path) -> None:
    """Until somebody writes to it, it is long still, but nothing is left to copy."""
    log, trace = data / "registry.db-wal", tmp_path / "strace.log"
    under = ["strace", "-D", "-f", "-qq", "-e", "trace=fcntl", "-o", str(trace)]
    begun = re.compile(r"F_WRLCK, l_whence=SEEK_SET, l_start=121,")
    """A checkpoint has the byte 121 of the index locked (sqlite.org/walformat.html section 2.3.1)."""

    def checkpoints() -> int:
        return len(begun.findall(trace.read_text()))

    with running(data, "--workers", "1", under=under) as server, Client(server.url) as client:
        # No further: what is written to a long log lets it begin anew.
        while log.stat().st_size <= LOG_BEGUN_ANEW:
            fill(client, 1)
        for _ in range(50):
            before = checkpoints()
            time.sleep(0.4)
            if checkpoints() == before:
                break
        else:
            pytest.fail("copied again and again, although nobody writes")
        assert before > 0
        assert log.stat().st_size > LOG_BEGUN_ANEW
        fill(client, 1)
        assert soon(lambda: log.stat().st_size < LOG_BEGUN_ANEW)


@pytest.mark.spec("STORAGE-1")
def test_a_log_that_a_reader_kept_long_is_cut_when_he_has_gone(data: Path) -> None:
    log = data / "registry.db-wal"
    with running(data, "--workers", "2") as server, Client(server.url) as client:
        client.push("long/reader", b"first")
        with closing(sqlite3.connect(data / "registry.db")) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM blob").fetchall()
            while log.stat().st_size < 20_000_000:
                body = image(annotations={"filling": os.urandom(500_000).hex()})
                assert client.put_manifest("long/reader", "latest", body).status == 201
            reader.execute("COMMIT")

        def cut() -> bool:
            client.push("long/reader", os.urandom(10))
            return log.stat().st_size < 10_000_000

        assert soon(cut)


AS_WHO_COPIES = """
import fcntl, sys
with open(sys.argv[1], "r+b") as index:
    fcntl.lockf(index, fcntl.LOCK_EX, 1, 121)
    print("copying", flush=True)
    sys.stdin.read()
"""
"""Has the lock of a checkpoint (sqlite.org/walformat.html section 2.3.1) until its input ends."""


@pytest.mark.spec("STORAGE-1")
def test_while_another_program_copies_nobody_waits_in_vain(tmp_path: Path) -> None:
    """Such as a shell of SQLite. Then nothing can be copied here, and no pause of those who write helps."""
    path = tmp_path / "registry.db"
    with closing(connect(path, 0, synchronous="NORMAL")) as writer:
        writer.execute("CREATE TABLE filling (content)")
        for _ in range(20):
            writer.execute("INSERT INTO filling VALUES (randomblob(1000000))")

        def refused() -> float:
            """The share of transactions that cannot begin as somebody else has the database."""
            tries = busy = 0
            until = time.monotonic() + 0.3
            while time.monotonic() < until:
                tries += 1
                try:
                    writer.execute("BEGIN IMMEDIATE")
                    writer.execute("ROLLBACK")
                except sqlite3.OperationalError:
                    busy += 1
                time.sleep(0.0005)
            return busy / tries

        how = [sys.executable, "-c", AS_WHO_COPIES, str(index_path(path))]
        with subprocess.Popen(how, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"copying\n"
            checkpointer = Checkpointer(path)
            time.sleep(0.3)  # Pauses would have become long ones.
            shares = [refused() for _ in range(8)]
            other.communicate()
        checkpointer.close()
    assert min(shares) < 0.4, shares


def test_a_turn_is_not_closed_under_who_has_it(tmp_path: Path) -> None:
    """Nor taken afterwards, when another file may have its descriptor."""
    (tmp_path / "log").touch()
    turn = Turn(tmp_path / "log")
    has_it, ended = threading.Event(), threading.Event()

    def take() -> None:
        with turn.taken(1):
            has_it.set()
            time.sleep(0.3)
        ended.set()

    thread = threading.Thread(target=take)
    thread.start()
    assert has_it.wait(10)
    turn.close()
    with (tmp_path / "other").open("w"), pytest.raises(OSError, match="closed"), turn.taken(0):
        pass
    assert ended.wait(10)
    thread.join()
