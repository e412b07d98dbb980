"""Starts after a kill: what was written since is read again, by one of the processes, and the others wait for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import Server, running
from tests.speak.client import Client

WRITER = """
import os, sqlite3, sys
for path in sys.argv[1:]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF")
    connection.executescript("CREATE TABLE filler (bytes BLOB)")
    for _ in range(30):
        connection.execute("INSERT INTO filler VALUES (randomblob(1000000))")
    connection.executescript("DROP TABLE filler")
os._exit(0)
"""
"""Leaves a log that takes a while to read, as whoever is killed does."""


@pytest.mark.spec("STORAGE-13")
@pytest.mark.parametrize("flags", [["--workers", "4"], ["--workers", "2", "--read-only"]], ids=["writing", "reading"])
def test_all_workers_wait_for_the_one_that_reads_a_long_log(flags: list[str], data: Path) -> None:
    content = os.urandom(1000)
    with running(data, "--workers", "1") as server, Client(server.url) as client:
        digest = client.push("restarts/app", content)
    for _ in range(3):
        subprocess.run([sys.executable, "-c", WRITER, data / "registry.db", data / "uploads.db"], check=True)
        assert (data / "registry.db-wal").stat().st_size > 30_000_000
        server = Server(data, *flags)
        try:
            with Client(server.start().url) as client:
                assert client.get(f"/v2/restarts/app/blobs/{digest}").body == content
            assert len(server.workers()) == int(flags[1])
        finally:
            server.kill()
