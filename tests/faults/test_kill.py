"""SIGKILL at any moment: what was acknowledged stays, what was not is there whole or not at all."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults.kill import Rounds
from tests.faults.model import check_disk
from tests.server import Server, running
from tests.speak.client import Client, Slow
from tests.speak.content import digest_of


def seed() -> str:
    """Another one each time, unless a failure is to be repeated."""
    return os.environ.get("FAULTS_SEED") or str(random.randrange(10**9))


def test_nothing_acknowledged_is_lost(workers: int, tmp_path: Path) -> None:
    rounds = Rounds(tmp_path, workers, seed(), longest=1.0)
    assert list(rounds.run(5)) == [0, 1, 2, 3, 4]
    assert rounds.requests > 50


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nothing_acknowledged_is_lost_in_many_rounds(workers: int, tmp_path: Path) -> None:
    rounds = Rounds(tmp_path, workers, seed())
    assert len(list(rounds.run(200))) == 200
    assert rounds.pending > 50
    assert rounds.resumed > 50


@pytest.mark.parametrize("rest", [b"", b"and the rest"], ids=["as-it-is", "with-rest"])
def test_what_was_never_acknowledged_is_no_part_of_the_blob(rest: bytes, data: Path) -> None:
    """A chunk that was on its way at the kill has left bytes behind the offset that counts."""
    first, lost = os.urandom(300_000), os.urandom(4 * 1024 * 1024)
    server = Server(data, "--workers", "1").start()
    try:
        with Client(server.url) as client:
            path = client.start("kill/tail")
            assert client.patch(path, first, 0).status == 202
        with Slow(server.url, "PATCH", path, len(lost) + 1) as slow:
            slow.send(lost)
            wait_for_bytes(data, len(first) + 1_000_000)
            server.kill()
        server.start()
        with Client(server.url) as client:
            status = client.get(path)
            assert (status.status, status.offset) == (204, len(first))
            assert client.finish(path, first + rest, rest).status == 201
            assert client.get(f"/v2/kill/tail/blobs/{digest_of(first + rest)}").body == first + rest
        check_disk(data, hashed=True)
    finally:
        server.kill()


def test_another_algorithm_does_not_hash_what_was_never_acknowledged(data: Path) -> None:
    """A digest that is named only at the end is that of the bytes that count."""
    first, lost = os.urandom(300_000), os.urandom(4 * 1024 * 1024)
    digest = digest_of(first, "sha512")
    server = Server(data, "--workers", "1").start()
    try:
        with Client(server.url) as client:
            path = client.start("kill/tail")
            assert client.patch(path, first, 0).status == 202
        with Slow(server.url, "PATCH", path, len(lost) + 1) as slow:
            slow.send(lost)
            wait_for_bytes(data, len(first) + 1_000_000)
            server.kill()
        server.start()
        with Client(server.url) as client:
            assert client.request("PUT", f"{path}?digest={digest}").status == 201
            assert client.get(f"/v2/kill/tail/blobs/{digest}").body == first
    finally:
        server.kill()


def wait_for_bytes(data: Path, size: int) -> None:
    """Until an open upload's file is that long."""
    deadline = time.monotonic() + 20
    while max((path.stat().st_size for path in (data / "blobs" / "_uploads").iterdir()), default=0) < size:
        assert time.monotonic() < deadline, "the bytes do not reach the file"
        time.sleep(0.01)


def test_the_other_worker_goes_on_when_one_is_killed(data: Path) -> None:
    """A session is not held by the dead, and the supervisor replaces them."""
    content = os.urandom(6 * 1024 * 1024)
    half = len(content) // 2
    with running(data, "--workers", "2") as server:
        before = set(server.workers())
        assert len(before) == 2
        with Client(server.url) as client:
            path = client.start("kill/worker")
            assert client.patch(path, content[:half], 0).status == 202
        with Slow(server.url, "PATCH", path, half) as slow:
            slow.send(content[half:-1])
            wait_for_bytes(data, half + 1_000_000)
            victim = holder(before, data)
            os.kill(victim, signal.SIGKILL)
            started = time.monotonic()
            with Client(server.url) as client:
                assert client.get(path).offset == half
                answer = client.finish(path, content, content[half:])
            assert answer.status == 201, answer
            assert time.monotonic() - started < 3, "the session waited for a process that is dead"
        with Client(server.url) as client:
            assert client.get(f"/v2/kill/worker/blobs/{digest_of(content)}").body == content
        deadline = time.monotonic() + 10
        while not (len(server.workers()) == 2 and victim not in server.workers()):
            assert time.monotonic() < deadline, "the worker was not replaced"
            time.sleep(0.05)
        assert before - {victim} < set(server.workers())


def holder(workers: set[int], data: Path) -> int:
    """The worker that has the upload's file open."""
    uploads = str(data / "blobs" / "_uploads")
    for pid in workers:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if os.readlink(descriptor).startswith(uploads):
                    return pid
            except FileNotFoundError:
                continue
    raise AssertionError("no worker has the upload open")
