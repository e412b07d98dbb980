"""A database that another process has locked: nobody else waits for it, and who needs it waits once."""

import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.server import Server, running
from tests.soon import soon
from tests.speak.answer import Answer
from tests.speak.client import Client
from tests.speak.content import image

LOCKS = {
    "immediate": "BEGIN IMMEDIATE",
    "exclusive": "BEGIN EXCLUSIVE",
}
HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
connection.executescript(sys.argv[2])
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(path: Path, how: str) -> Iterator[None]:
    """By another process, as long as the block lasts."""
    command = [sys.executable, "-c", HOLDER, str(path), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        yield


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    with running(data, "--workers", "1") as server:
        yield server


@pytest.mark.spec("STORAGE-2")
@pytest.mark.parametrize("how", LOCKS)
def test_open_uploads_are_locked(how: str, server: Server) -> None:
    """Whoever pushes waits, and is answered when the lock goes; everybody else is answered as always."""
    with Client(server.url) as client:
        digest = client.push("locked/app", b"content")
        assert client.put_manifest("locked/app", "latest", image()).status == 201
        path = client.start("locked/app")
    answers: list[Answer] = []

    def push() -> None:
        with Client(server.url) as client:
            answers.append(client.request("POST", "/v2/locked/app/blobs/uploads/"))

    pushing = [threading.Thread(target=push) for _ in range(4)]
    waits: list[float] = []
    with locked(server.data / "uploads.db", LOCKS[how]), Client(server.url) as client:
        for thread in pushing:
            thread.start()
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            for what in (f"blobs/{digest}", "manifests/latest", path.removeprefix("/v2/locked/app/")):
                begun = time.monotonic()
                assert client.get(f"/v2/locked/app/{what}").status in (200, 204)
                waits.append(time.monotonic() - begun)
            begun = time.monotonic()
            client.push("locked/app", b"another")
            time.sleep(0.01)
        assert answers == []
    for thread in pushing:
        thread.join(10)
    assert {answer.status for answer in answers} == {202}
    slow = statistics.quantiles(waits, n=100)[98]
    print(f"{len(waits)} reads, 99 of 100 within {slow * 1000:.1f} ms")
    assert slow < 0.05


@pytest.mark.spec("STORAGE-2")
def test_open_uploads_are_locked_for_long(server: Server) -> None:
    """503 with when to come again after a few seconds, and at once for those who come next."""
    with Client(server.url) as client:
        path = client.start("locked/long")
        with locked(server.data / "uploads.db", "BEGIN EXCLUSIVE"):
            begun = time.monotonic()
            answer = client.patch(path, b"content")
            assert (answer.status, answer.codes) == (503, ["UNKNOWN"])
            assert int(answer.headers["retry-after"]) > 0
            assert 3 < time.monotonic() - begun < 8
            begun = time.monotonic()
            assert client.request("POST", "/v2/locked/long/blobs/uploads/").status == 503
            assert client.request("DELETE", path).status == 503
            assert time.monotonic() - begun < 1
        assert soon(lambda: client.patch(path, b"content").status == 202)
        assert client.finish(path, b"content").status == 201


def age(data: Path, seconds: int) -> None:
    """Let all promises be so old."""
    with sqlite3.connect(data / "registry.db") as connection:
        connection.execute("UPDATE repository_blob SET renewed = renewed - ?", [seconds * 1_000_000])
    connection.close()


@pytest.mark.spec("STORAGE-3")
@pytest.mark.parametrize("how", LOCKS)
def test_a_head_does_not_wait_for_who_writes(how: str, server: Server) -> None:
    config, large = b"{}", b"referred to" * 20_000
    with Client(server.url) as client:
        young = client.push("locked/head", b"of two hours ago")
        client.push("locked/head", config)
        referred = client.push("locked/head", large)
        assert client.put_manifest("locked/head", "latest", image(config, [large])).status == 201
        age(server.data, 2 * 3600)
        with locked(server.data / "registry.db", LOCKS[how]):
            begun = time.monotonic()
            for _ in range(20):
                assert client.request("HEAD", f"/v2/locked/head/blobs/{young}").status == 200
                assert client.get(f"/v2/locked/head/blobs/{referred}").body == large
                assert client.get("/v2/locked/head/manifests/latest").status == 200
            assert time.monotonic() - begun < 2
        assert soon(lambda: renewed_within(server.data, young, 3600)), "the promise was never written down"
        age(server.data, 48 * 3600)
        with locked(server.data / "registry.db", LOCKS[how]):
            begun = time.monotonic()
            assert client.request("HEAD", f"/v2/locked/head/blobs/{referred}").status == 200
            assert time.monotonic() - begun < 0.5
            # Nothing refers to it: it may be garbage by now, and nobody could write down that it is not.
            assert client.request("HEAD", f"/v2/locked/head/blobs/{young}").status == 404
            assert 0.5 < time.monotonic() - begun < 3
        assert client.request("HEAD", f"/v2/locked/head/blobs/{young}").status == 200
    assert server.output.count("promises that blobs stay cannot be written down") <= 1


def renewed_within(data: Path, digest: str, seconds: int) -> bool:
    query = "SELECT max(renewed) FROM repository_blob JOIN blob ON blob_id = blob.id WHERE digest = ?"
    connection = sqlite3.connect(data / "registry.db")
    try:
        (renewed,) = connection.execute(query, [digest]).fetchone()
    finally:
        connection.close()
    return bool(renewed / 1e6 > time.time() - seconds)


@pytest.mark.spec("STORAGE-3")
@pytest.mark.slow
def test_who_writes_waits_once(server: Server) -> None:
    """Also those who come behind it: 503 after half a minute, with when to come again."""
    answers: list[tuple[Answer, float]] = []

    def push(number: int) -> None:
        with Client(server.url, timeout=100) as client:
            begun = time.monotonic()
            body = image(annotations={"number": str(number)})
            answers.append((client.put_manifest("locked/once", "latest", body), time.monotonic() - begun))

    threads = [threading.Thread(target=push, args=[number]) for number in range(100)]
    with locked(server.data / "registry.db", "BEGIN IMMEDIATE"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {answer.status for answer, _ in answers} == {503}
    assert all("retry-after" in answer.headers for answer, _ in answers)
    assert 25 < max(wait for _, wait in answers) < 40
