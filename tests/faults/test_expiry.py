"""The sweep of old sessions against clients that come just then, or are slow."""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.model import check_disk
from tests.server import Server, running
from tests.speak.client import Client, Slow
from tests.speak.content import digest_of
from tests.speak.requests import with_digest


@pytest.fixture(scope="module")
def sweeping(workers: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("sweep") / "data"
    with running(data, "--workers", str(workers), "--upload-expiry", "1s") as server:
        yield server
        check_disk(data, hashed=True)


def test_old_sessions_go_and_leave_nothing(sweeping: Server) -> None:
    with Client(sweeping.url) as client:
        paths = [client.start("sweep/old") for _ in range(5)]
        for path in paths[1:]:
            assert client.patch(path, b"some bytes", 0).status == 202
        assert {client.get(path).status for path in paths} == {204}
        deadline = time.monotonic() + 10
        while {client.get(path).status for path in paths} != {404}:
            assert time.monotonic() < deadline, "old sessions are kept"
            time.sleep(0.1)
        assert client.patch(paths[1], b"more", 10).codes == ["BLOB_UPLOAD_UNKNOWN"]
    assert not {path.rpartition("/")[2] for path in paths} & set(os.listdir(sweeping.data / "blobs" / "_uploads"))


def test_a_session_in_use_outlives_the_sweep(sweeping: Server) -> None:
    """A chunk that takes longer than sessions may rest, from a client that is slow but not silent."""
    content = os.urandom(9_000)
    with Client(sweeping.url) as client:
        path = client.start("sweep/slow")
        assert client.patch(path, content[:4_000], 0).status == 202
        with Slow(sweeping.url, "PATCH", path, 5_000) as slow:
            for start in range(4_000, 9_000, 500):
                slow.send(content[start : start + 500])
                time.sleep(0.3)
            answer = slow.answer()
        assert (answer.status, answer.offset) == (202, 9_000)
        assert client.get(path).offset == 9_000
        assert client.finish(path, content).status == 201
        assert client.get(f"/v2/sweep/slow/blobs/{digest_of(content)}").body == content


def test_a_push_in_one_request_outlives_the_sweep(sweeping: Server) -> None:
    content = os.urandom(2_500_000)
    with Client(sweeping.url) as client:
        url = f"/v2/sweep/slow/blobs/uploads/?digest={digest_of(content)}"
        with Slow(sweeping.url, "POST", url, len(content)) as slow:
            slow.send(content[:1_500_000])
            for start in range(1_500_000, 2_500_000, 100_000):
                time.sleep(0.3)
                slow.send(content[start : start + 100_000])
            assert slow.answer().status == 201
        assert client.get(f"/v2/sweep/slow/blobs/{digest_of(content)}").body == content


def test_chunks_at_the_moment_of_the_sweep(sweeping: Server) -> None:
    """A chunk is taken (202) and lasts, or finds no session (404)."""
    seed = random.randrange(10**9)

    def push(number: int) -> Counter[int]:
        chance = random.Random(f"{seed}/{number}")
        found: Counter[int] = Counter()
        with Client(sweeping.url) as client:
            for _ in range(3):
                path = client.start("sweep/edge")
                assert client.patch(path, b"a" * 1000, 0).status == 202
                time.sleep(1 + chance.uniform(-0.05, 0.3))
                answer = client.patch(path, b"b" * 1000, 1000)
                assert answer.status in (202, 404), f"seed {seed}: {answer}"
                found[answer.status] += 1
                if answer.status == 202:
                    content = b"a" * 1000 + b"b" * 1000
                    url = with_digest(path, digest_of(content))
                    assert client.request("PUT", url).status == 201, f"seed {seed}"
        return found

    with ThreadPoolExecutor(12) as threads:
        found = sum(threads.map(push, range(12)), Counter[int]())
    assert found.total() == 36
