"""Jobs of several workers: each is done by one at a time, and gone on with by another when that one is gone."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from registry.system import clock, host
from tests.server import Server, running
from tests.soon import soon
from tests.speak.client import Client

EXPIRY = ("--upload-expiry", "2s")
JOBS = ("expire uploads", "expire lists of referrers")
HOUR = 3_600_000_000

WATCHED = """
CREATE TABLE watched (job, old, new);
CREATE TRIGGER watch AFTER UPDATE OF token ON job_lease WHEN OLD.token <> '' AND NEW.token <> '' BEGIN
INSERT INTO watched VALUES (NEW.job, OLD.holder, NEW.holder); END;
"""
"""Writes down where a job is taken over from one who has not given it back."""


def asked(data: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(data / "uploads.db", timeout=10)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def dead() -> str:
    """The id of a process that has ended."""
    told = "from registry.system import host; print(host.process_id())"
    return subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout.strip()


def start_upload(server: Server) -> str:
    with Client(server.url) as client:
        return client.start("jobs/app")


def is_gone(server: Server, path: str) -> bool:
    with Client(server.url) as client:
        return client.get(path).status == 404


@pytest.mark.spec("OPERATE-20")
def test_one_worker_at_a_time(data: Path) -> None:
    with running(data, "--workers", "4", *EXPIRY) as server:
        with closing(sqlite3.connect(data / "uploads.db", timeout=10)) as connection:
            connection.executescript(WATCHED)
        done = []
        deadline = time.monotonic() + 6
        while time.monotonic() < deadline:
            start_upload(server)
            done.append(tuple(asked(data, "SELECT job, done FROM job_lease ORDER BY job")))
            time.sleep(0.05)
        assert asked(data, "SELECT * FROM watched") == []
        assert len({holder for (holder,) in asked(data, "SELECT holder FROM job_lease")}) >= 1
    rounds = len(set(done))
    assert 4 <= rounds <= 2 * 6 / 0.5 + 2, f"done {rounds} times in 6 seconds, each job every half second"


@pytest.mark.spec("OPERATE-20")
def test_killed_workers_leave_no_job_undone(data: Path) -> None:
    with running(data, "--workers", "2", *EXPIRY) as server:
        for _ in range(4):
            path = start_upload(server)
            for pid in server.workers():
                os.kill(pid, signal.SIGKILL)
                time.sleep(0.3)
            assert soon(partial(is_gone, server, path), 15)


@pytest.mark.spec("OPERATE-20")
@pytest.mark.parametrize(
    ("holder", "until", "seconds"),
    [("dead", HOUR, (0, 5)), ("alive", HOUR, None), ("alive", 4_000_000, (3, 9)), ("elsewhere", 4_000_000, (3, 9))],
    ids=["dead", "alive", "alive, not renewed", "of another machine"],
)
def test_a_lease_is_taken_over_when_its_holder_is_gone(
    holder: str, until: int, seconds: tuple[int, int] | None, data: Path
) -> None:
    with running(data, "--workers", "1", *EXPIRY) as server:
        path = start_upload(server)
    who = {"dead": dead(), "alive": host.process_id(), "elsewhere": "other-boot/pid:[1]/7/8"}[holder]
    for job in JOBS:
        asked(data, "DELETE FROM job_lease WHERE job = ?", job)
        asked(data, "INSERT INTO job_lease VALUES (?, 'token', ?, ?, 0)", job, who, clock.now() + until)
    time.sleep(2)
    begun = time.monotonic()
    with running(data, "--workers", "2", *EXPIRY) as server:
        if seconds is None:
            time.sleep(4)
            assert not is_gone(server, path)
        else:
            assert soon(lambda: is_gone(server, path), seconds[1])
            assert time.monotonic() - begun > seconds[0] - 2


@pytest.mark.spec("OPERATE-20")
def test_a_clock_that_was_put_back_keeps_no_job_from_being_done(data: Path) -> None:
    with running(data, "--workers", "1", *EXPIRY) as server:
        start_upload(server)
    for job in JOBS:
        asked(data, "DELETE FROM job_lease WHERE job = ?", job)
        asked(data, "INSERT INTO job_lease VALUES (?, '', '', 0, ?)", job, clock.now() + 24 * HOUR)
    with running(data, "--workers", "1", *EXPIRY) as server:
        path = start_upload(server)
        assert soon(lambda: is_gone(server, path), 10)
