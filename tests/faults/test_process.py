"""The process as its operator and its clients know it: start, drain, end, and clients that stall."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.faults.model import check_disk
from tests.server import Server, running
from tests.soon import soon
from tests.speak.answer import Answer
from tests.speak.client import Client, Slow, open_socket, read_all
from tests.speak.content import digest_of, image
from tests.speak.requests import with_digest

LARGE = 24 * 1024 * 1024
"""Bytes of an answer that sockets do not swallow whole."""


@contextmanager
def started(data: Path, workers: int, *flags: str) -> Iterator[Server]:
    """A server that the test ends itself."""
    server = Server(data, "--workers", str(workers), *flags).start()
    try:
        yield server
    finally:
        server.kill()


def begin_download(server: Server, path: str) -> socket.socket:
    """A client that has asked and reads nothing yet."""
    reader = open_socket(server.url)
    reader.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
    reader.recv(1, socket.MSG_PEEK)
    return reader


def refuses(server: Server) -> bool:
    try:
        open_socket(server.url).close()
    except ConnectionRefusedError:
        return True
    return False


# SIGTERM


def test_sigterm_lets_transfers_end(workers: int, tmp_path: Path) -> None:
    large, content = os.urandom(LARGE), os.urandom(300_000)
    with started(tmp_path / "data", workers) as server:
        with Client(server.url) as client:
            digest = client.push("drain/app", large)
            path = client.start("drain/app")
        reader = begin_download(server, f"/v2/drain/app/blobs/{digest}")
        url = with_digest(path, digest_of(content))
        with reader, Slow(server.url, "PUT", url, len(content)) as slow:
            slow.send(content[:1000])
            time.sleep(0.2)
            server.process.send_signal(signal.SIGTERM)
            assert soon(lambda: refuses(server)), "new connections are taken after SIGTERM"
            time.sleep(0.5)
            assert server.process.poll() is None
            slow.send(content[1000:])
            answer = slow.answer()
            assert answer.status == 201
            head, _, body = read_all(reader).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert digest_of(body) == digest
        assert server.process.wait(15) == 0
        server.stop()
        assert "Traceback" not in server.output, server.output
        server.start()
        with Client(server.url) as client:
            assert client.get(f"/v2/drain/app/blobs/{digest_of(content)}").body == content
        assert server.stop() == 0
        check_disk(tmp_path / "data", hashed=True)


def test_sigterm_ends_what_takes_longer_than_the_drain_timeout(workers: int, tmp_path: Path) -> None:
    first, rest = os.urandom(200_000), os.urandom(400_000)
    with started(tmp_path / "data", workers, "--drain-timeout", "1s") as server:
        with Client(server.url) as client:
            digest = client.push("drain/app", os.urandom(LARGE))
            path = client.start("drain/app")
            assert client.patch(path, first, 0).status == 202
        reader = begin_download(server, f"/v2/drain/app/blobs/{digest}")
        with reader, Slow(server.url, "PATCH", path, len(rest)) as slow:
            slow.send(rest[:100_000])
            time.sleep(0.3)
            begun = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            assert slow.answer().status == 503
            assert server.process.wait(15) == 0
            assert 0.8 < time.monotonic() - begun < 5
            server.stop()
        assert "Traceback" not in server.output, server.output
        server.start()
        with Client(server.url) as client:
            offset = client.get(path).offset
            # What came of the request that was cut off may count or not.
            assert len(first) <= offset <= len(first) + 100_000
            assert client.finish(path, first + rest, (first + rest)[offset:]).status == 201
        assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_ends_at_once(number: signal.Signals, workers: int, tmp_path: Path) -> None:
    with started(tmp_path / "data", workers) as server, Client(server.url) as client:
        assert client.get("/v2/").status == 200  # the connection is kept open
        begun = time.monotonic()
        server.process.send_signal(number)
        assert server.process.wait(10) == 0
        assert time.monotonic() - begun < 3
        assert "Traceback" not in server.output


# SIGKILL


def test_workers_do_not_outlive_their_supervisor(data: Path) -> None:
    with started(data, 2) as server:
        pids = server.workers()
        assert len(pids) == 2
        os.kill(server.process.pid, signal.SIGKILL)
        assert soon(lambda: refuses(server)), "the port is still taken"
        assert soon(lambda: not any(Path(f"/proc/{pid}/stat").exists() and not is_zombie(pid) for pid in pids))


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_killed_worker_is_replaced(data: Path) -> None:
    with running(data, "--workers", "2") as server:
        for _ in range(2):
            before = server.workers()
            time.sleep(1.1)  # those that die young are replaced after a pause
            os.kill(before[0], signal.SIGKILL)
            assert soon(partial(replaced, server, before[0]))
            assert before[1] in server.workers()
        for _ in range(20):
            with Client(server.url) as client:
                assert client.get("/v2/").status == 200
    assert server.output.count("worker died and is replaced") == 2


@pytest.mark.spec("OPERATE-4", "OPERATE-16")
def test_a_worker_alone_is_told_to_stop(data: Path) -> None:
    """It lets its requests end and says so; that is no failure, and the others stay."""
    content = os.urandom(300_000)
    with running(data, "--workers", "2") as server:
        time.sleep(1.1)
        with Client(server.url) as client:
            path = client.start("told/app")
        with Slow(server.url, "PUT", with_digest(path, digest_of(content)), len(content)) as slow:
            slow.send(content[:1000])
            time.sleep(0.3)
            before = server.workers()
            for pid in before:
                os.kill(pid, signal.SIGTERM)
            assert server.wait_for_output("waiting for 1 request")
            busy = [pid for pid in before if f"worker={pid}" in server.output]
            assert len(busy) == 1
            slow.send(content[1000:])
            assert slow.answer().status == 201
        assert soon(lambda: len(server.workers()) == 2 and not set(before) & set(server.workers()))
        os.kill(server.workers()[0], signal.SIGQUIT)
        assert soon(lambda: server.output.count("worker was told to stop and is replaced") == 3)
    assert "worker died" not in server.output
    assert "error" not in server.output
    assert server.output.count("waiting for") == 1


@pytest.mark.spec("OPERATE-4")
def test_workers_tell_once_where_all_are_told(data: Path) -> None:
    """To a whole group a signal comes at once; a worker that was told before has said it already."""
    with running(data, "--workers", "2", "--drain-timeout", "2s") as server:
        with Client(server.url) as client:
            path = client.start("told/app")
        with Slow(server.url, "PATCH", path, 1000) as slow:
            slow.send(b"x")
            time.sleep(0.3)
            os.killpg(server.process.pid, signal.SIGTERM)
            assert server.process.wait(15) == 0
    assert server.output.count("waiting for 1 request") == 1
    assert "worker=" not in server.output


def replaced(server: Server, killed: int) -> bool:
    workers = server.workers()
    return len(workers) == 2 and killed not in workers


def test_the_same_port_serves_at_once_after_a_kill(workers: int, tmp_path: Path) -> None:
    with started(tmp_path / "data", workers) as server:
        for number in range(3):
            port = server.port
            with Client(server.url) as client:
                body = image(annotations={"number": str(number)})
                assert client.put_manifest("again/app", "latest", body).status == 201
                server.kill()
            server.start()
            assert server.port == port
            with Client(server.url) as client:
                assert client.get("/v2/again/app/manifests/latest").body == body
        assert server.stop() == 0


# Start


def test_it_starts_quickly(data: Path, record_property: Callable[[str, object], None]) -> None:
    """The second start finds its tables made."""
    server = Server(data, "--workers", "1")
    for what in ("first", "second"):
        begun = time.monotonic()
        server.start()
        seconds = time.monotonic() - begun
        server.kill()
        record_property(f"{what} start, seconds", round(seconds, 2))
        print(f"{what} start: {seconds:.2f} s")
        assert seconds < 15


def refusal(data: Path, port: int = 0) -> str:
    """The one line that it says instead of starting."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_")}
    command = [sys.executable, "-m", "registry", "serve", "--data", str(data), "--port", str(port)]
    finished = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert finished.returncode == 1, finished
    assert finished.stdout == ""
    assert finished.stderr.count("\n") == 1, finished.stderr
    assert "Traceback" not in finished.stderr
    return finished.stderr


def test_a_port_that_is_taken(data: Path, tmp_path: Path) -> None:
    with running(tmp_path / "first", "--workers", "1") as server:
        assert str(server.port) in refusal(data, server.port)


@pytest.mark.parametrize("file", ["data", "data/blobs", "data/blobs/_uploads"])
def test_a_file_where_a_folder_should_be(file: str, tmp_path: Path) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a file")
    assert str(tmp_path / "data") in refusal(tmp_path / "data")
    assert path.read_text() == "a file"


@pytest.mark.parametrize("file", ["registry.db", "uploads.db"])
def test_a_database_that_is_none(file: str, data: Path) -> None:
    data.mkdir()
    (data / file).write_text("something else entirely\n" * 500)
    assert file in refusal(data)


@pytest.mark.parametrize("file", ["registry.db", "uploads.db"])
def test_a_database_of_a_newer_version(file: str, data: Path) -> None:
    with running(data, "--workers", "1"):
        pass
    with closing(sqlite3.connect(data / file)) as database, database:
        assert database.execute("UPDATE alembic_version SET version_num = 'from_the_future'").rowcount == 1
    line = refusal(data)
    assert file in line
    assert "from_the_future" in line


def test_two_servers_share_one_folder(data: Path) -> None:
    """As while one is being replaced by the next."""
    with running(data, "--workers", "1") as one, running(data, "--workers", "2") as other:
        assert one.port != other.port
        with Client(one.url) as here, Client(other.url) as there:
            for pushing, pulling in ((here, there), (there, here)):
                content = os.urandom(300_000)
                path = pushing.start("two/app")
                assert pushing.patch(path, content[:100_000], 0).status == 202
                assert pulling.get(path).offset == 100_000
                assert pulling.finish(path, content, content[100_000:]).status == 201
                assert pushing.get(f"/v2/two/app/blobs/{digest_of(content)}").body == content
                body = image(annotations={"by": str(id(pushing))})
                assert pushing.put_manifest("two/app", "latest", body).status == 201
                assert pulling.get("/v2/two/app/manifests/latest").body == body
    check_disk(data, hashed=True)


# What is left


def test_finished_pushes_leave_no_temporary_files(workers: int, tmp_path: Path) -> None:
    data = tmp_path / "data"
    same = os.urandom(1_500_000)
    answers: list[Answer] = []

    def push(url: str) -> None:
        with Client(url) as client:
            for size in (0, 1, 5_000, 300_000, 1_500_000):
                content = os.urandom(size)
                client.push("clean/app", content)
                path = client.start("clean/app")
                answers.append(client.finish(path, content, content))
                path = client.start("clean/app")
                answers.append(client.patch(path, same, 0))
                answers.append(client.finish(path, same))
            path = client.start("clean/app")
            client.patch(path, same, 0)
            assert client.request("DELETE", path).status == 204
            path = client.start("clean/app")
            client.patch(path, same, 0)
            assert client.finish(path, b"something else").status == 400
            refused = client.request("POST", f"/v2/clean/app/blobs/uploads/?digest={digest_of(b'other')}", same)
            assert refused.status == 400

    with running(data, "--workers", str(workers)) as server:
        threads = [threading.Thread(target=push, args=[server.url]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {answer.status for answer in answers} == {201, 202}
        assert len(answers) == 4 * 15
        assert list((data / "blobs" / "_uploads").iterdir()) == []
    with closing(sqlite3.connect(data / "uploads.db")) as database:
        assert database.execute("SELECT count(*) FROM upload").fetchone() == (0,)
    check_disk(data, hashed=True)
