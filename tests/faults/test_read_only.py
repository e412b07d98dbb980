"""`--read-only`: nothing is written, so that it serves where nothing can be."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.server import Server, running
from tests.speak.client import Client
from tests.speak.content import digest_of, image

NAME = "frozen/app"
SMALL, LARGE = b"small", b"large" * 50_000


def fill(data: Path) -> None:
    with running(data, "--workers", "1") as server, Client(server.url) as client:
        push(client)


def push(client: Client) -> None:
    client.push(NAME, SMALL)
    client.push(NAME, LARGE)
    assert client.put_manifest(NAME, "latest", image()).status == 201


def check(server: Server) -> None:
    with Client(server.url) as client:
        for content in (SMALL, LARGE):
            path = f"/v2/{NAME}/blobs/{digest_of(content)}"
            assert client.request("HEAD", path).status == 200
            assert client.get(path).body == content
        assert client.get(f"/v2/{NAME}/manifests/latest").body == image()
        assert client.get("/v2/_catalog").json()["repositories"] == [NAME]
        assert client.get(f"/v2/{NAME}/blobs/uploads/0b3ba2cf-2f0a-4b1a-8e08-3c3e9e5ff3d5").status == 404
        assert client.request("DELETE", f"/v2/{NAME}/manifests/latest").status == 405


def files(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if not path.is_symlink()
    }


@contextmanager
def mounted(folder: Path, at: Path) -> Iterator[Path]:
    """The folder once more, where nothing can be written to it."""
    at.mkdir()
    bound = subprocess.run(["mount", "--bind", str(folder), str(at)], capture_output=True, text=True, check=False)
    if bound.returncode != 0:
        pytest.skip(f"cannot mount: {bound.stderr.strip()}")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(at)], check=True)
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True)


def refusal(data: Path) -> str:
    """The one line that it says instead of starting."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_")}
    command = [sys.executable, "-m", "registry", "serve", "--read-only", "--data", str(data), "--port", "0"]
    finished = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert finished.returncode == 1, finished
    assert finished.stderr.count("\n") == 1, finished.stderr
    assert "Traceback" not in finished.stderr
    return finished.stderr


@pytest.mark.spec("STORAGE-7")
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("sessions", [True, False])
def test_a_file_system_that_is_read_only(sessions: bool, workers: str, tmp_path: Path) -> None:
    fill(tmp_path / "data")
    if not sessions:
        (tmp_path / "data" / "uploads.db").unlink()
    before = files(tmp_path / "data")
    with (
        mounted(tmp_path / "data", tmp_path / "frozen") as frozen,
        running(frozen, "--read-only", "--workers", workers) as server,
    ):
        check(server)
    assert files(tmp_path / "data") == before


@pytest.mark.spec("STORAGE-7")
def test_a_log_that_cannot_be_read(tmp_path: Path) -> None:
    """Left by a crash: nothing of it may be missing, so it is told what to do."""
    data = tmp_path / "data"
    server = Server(data, "--workers", "1").start()
    with Client(server.url) as client:
        push(client)
    server.kill()
    assert (data / "registry.db-wal").stat().st_size > 0
    (data / "registry.db-shm").unlink()
    with mounted(data, tmp_path / "frozen") as frozen:
        line = refusal(frozen)
        assert "registry.db-wal" in line
        assert "without --read-only" in line
    with running(data, "--workers", "1"):
        pass
    with mounted(data, tmp_path / "again") as frozen, running(frozen, "--read-only", "--workers", "1") as server:
        check(server)


@pytest.mark.spec("STORAGE-8")
def test_a_database_that_is_missing_or_behind(data: Path) -> None:
    line = refusal(data)
    assert "registry.db" in line
    assert not data.exists()
    fill(data)
    with closing(sqlite3.connect(data / "registry.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'registry_0001'")
    line = refusal(data)
    assert "registry_0001" in line
    assert "registry db upgrade" in line
    shutil.rmtree(data / "blobs")
    with closing(sqlite3.connect(data / "registry.db")) as database, database:
        database.execute("DROP TABLE alembic_version")
    assert "none" in refusal(data)


@pytest.mark.spec("STORAGE-7")
def test_it_follows_what_another_process_writes(data: Path) -> None:
    fill(data)
    with (
        running(data, "--workers", "1") as writing,
        running(data, "--workers", "2", "--read-only") as reading,
        Client(writing.url) as writer,
    ):
        check(reading)
        for number in range(20):
            body = image(annotations={"number": str(number)})
            assert writer.put_manifest(NAME, "latest", body).status == 201
            with Client(reading.url) as reader:
                assert reader.get(f"/v2/{NAME}/manifests/latest").body == body


@pytest.mark.spec("STORAGE-7")
def test_a_registry_in_memory_may_be_read_only(data: Path) -> None:
    with running(data, "--storage", "memory:", "--read-only") as server, Client(server.url) as client:
        assert client.get("/v2/_catalog").json() == {"repositories": []}
