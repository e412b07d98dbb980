"""What the sweep of old sessions cannot drop: it must not keep the others, nor the jobs behind it."""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from registry.database.reserve import FILES, SIZE, Reserve
from tests.server import Server, running
from tests.soon import soon
from tests.speak.client import Client

FLAGS = ("--workers", "1", "--upload-expiry", "1s")
DAY = 86_400


@pytest.mark.spec("UPLOAD-55")
def test_what_cannot_be_dropped_keeps_nothing_else(data: Path) -> None:
    """Foreign folders among the uploads, a session whose bytes became one, and more busy ones than are read at once."""
    uploads = data / "blobs" / "_uploads"
    with running(data, "--workers", "1") as server, Client(server.url) as client:
        busy = [client.start("stuck/app") for _ in range(120)]
        broken, resting = client.start("stuck/app"), client.start("stuck/app")
        for path in (broken, resting):
            assert client.patch(path, os.urandom(300_000)).status == 202
    name = broken.rpartition("/")[2]
    (uploads / name).unlink()
    for folder in (uploads / name, uploads / "stray"):
        folder.mkdir()
        (folder / "inside").touch()
    (uploads / "orphan").write_bytes(b"bytes of no session")
    for file in ("stray", "orphan"):
        os.utime(uploads / file, (time.time() - DAY,) * 2)
    with closing(sqlite3.connect(data / "uploads.db")) as database, database:
        # Of a power cut, too: what is dropped need not be read first.
        database.execute("UPDATE upload SET incarnation = 'another' WHERE id = ?", (name,))
        held = "UPDATE upload SET claim = 'theirs', claimant = 'elsewhere', claimed_until = ?, touched = 1 WHERE id = ?"
        until = (int(time.time()) + DAY) * 1_000_000
        database.executemany(held, [(until, path.rpartition("/")[2]) for path in busy])
    with closing(sqlite3.connect(data / "registry.db")) as database, database:
        database.execute("INSERT INTO repository (name, listed, created) VALUES ('stuck/list', 0, 0)")
        database.execute("INSERT INTO offered_referrer SELECT id, 'sha256-a', 'sha256:b', 1 FROM repository")
    with running(data, *FLAGS) as server, Client(server.url) as client:
        assert soon(lambda: client.get(resting).status == 404, 5), "busy sessions stand before those behind them"
        assert soon(lambda: client.get(broken).status == 404, 5), "its bytes cannot be read"
        assert soon(lambda: not (uploads / "orphan").exists(), 5), "a foreign folder keeps old bytes"
        assert soon(lambda: offered(data) == 0, 5), "the jobs behind the uploads never run"
        assert client.get(busy[0]).status == 204
        assert (uploads / "stray" / "inside").exists()
        assert "Traceback" not in server.output
    shutil.rmtree(uploads / "stray")


def offered(data: Path) -> int:
    with closing(sqlite3.connect(data / "registry.db")) as database:
        return int(database.execute("SELECT count(*) FROM offered_referrer").fetchone()[0])


@pytest.mark.spec("UPLOAD-55")
def test_a_folder_of_uploads_that_is_none(data: Path) -> None:
    """The jobs behind the uploads run where these cannot even be listed."""
    with running(data, *FLAGS, "--log-format", "json") as server, Client(server.url) as client:
        assert client.get("/v2/").status == 200
        uploads = data / "blobs" / "_uploads"
        uploads.rmdir()
        uploads.write_bytes(b"")
        with closing(sqlite3.connect(data / "registry.db")) as database, database:
            database.execute("INSERT INTO repository (name, listed, created) VALUES ('stuck/list', 0, 0)")
            database.execute("INSERT INTO offered_referrer SELECT id, 'sha256-a', 'sha256:b', 1 FROM repository")
        assert soon(lambda: offered(data) == 0, 5)
        # Two jobs at once: which is the first to say so is up to them.
        assert soon(lambda: "a job failed" in server.output, 5)


@pytest.mark.spec("UPLOAD-55")
def test_a_claim_is_given_back_whatever_kept_it(data: Path) -> None:
    """An error that nobody expects, until it is gone: no request comes by in the meantime."""
    # The request itself fails with a traceback, which `running` would not have.
    server = Server(data, "--workers", "1").start()
    with stopping(server), Client(server.url) as client:
        path, other = client.start("stuck/app"), client.start("stuck/app")
        with closing(sqlite3.connect(data / "uploads.db")) as database, database:
            database.execute(
                "CREATE TRIGGER stuck BEFORE UPDATE ON upload"
                f" WHEN NEW.claim IS NULL AND NEW.id = '{path.rpartition('/')[2].partition('?')[0]}'"
                " BEGIN SELECT RAISE(ABORT, 'stuck'); END"
            )
        assert client.patch(path, b"bytes").status == 500
        assert client.patch(other, b"bytes").status == 202, "it has to do with the first one only"
        assert soon(lambda: "giving back uploads failed" in server.output, 5)
        time.sleep(1.5)
        assert server.output.count("giving back uploads failed") == 1
        with closing(sqlite3.connect(data / "uploads.db")) as database, database:
            database.execute("DROP TRIGGER stuck")
        assert soon(lambda: claims(data) == 0, 5), "nobody tries any more"


@contextmanager
def stopping(server: Server) -> Iterator[None]:
    try:
        yield
    finally:
        status = server.stop()
    assert status == 0, server.output


def claims(data: Path) -> int:
    with closing(sqlite3.connect(data / "uploads.db")) as database:
        return int(database.execute("SELECT count(claim) FROM upload").fetchone()[0])


@pytest.mark.spec("STORAGE-4")
def test_the_reserve_is_filled_again_after_the_clock_was_put_back(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path)
    reserve.keep()
    assert reserve.release()
    reserve.keep()
    assert not list((tmp_path / "reserve").iterdir()), "it was given just now"
    os.utime(tmp_path / "reserve", (time.time() + DAY,) * 2)
    reserve.keep()
    assert [file.stat().st_size for file in (tmp_path / "reserve").iterdir()] == [SIZE] * FILES
