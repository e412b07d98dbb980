"""A clock that jumps: what is dropped by age, and claims that lapse, must not believe it."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import running
from tests.speak.client import Client, Slow

LIBRARIES = list(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
EXPIRY = 8
"""Seconds; a sweep comes four times as often."""

Jump = Callable[[str], None]


@pytest.fixture
def jump(tmp_path: Path) -> Jump:
    """Move the clock of the servers that are started with `environ`: `+2d`, `-3h`."""
    if not LIBRARIES:
        pytest.skip("needs faketime")
    file = tmp_path / "clock"
    file.write_text("+0")

    def move(by: str) -> None:
        # In one step: it is read all the time.
        moved = file.with_suffix(".new")
        moved.write_text(by)
        moved.rename(file)

    return move


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(tmp_path / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


@pytest.mark.spec("UPLOAD-55")
@pytest.mark.parametrize("by", ["+2d", "-2d"])
@pytest.mark.parametrize("count", ["1", "2"])
def test_uploads_outlive_a_jump_of_the_clock(
    by: str, count: str, data: Path, jump: Jump, environ: dict[str, str]
) -> None:
    content = os.urandom(400_000)
    with (
        running(data, "--workers", count, "--upload-expiry", f"{EXPIRY}s", environ=environ) as server,
        Client(server.url) as client,
    ):
        resting = client.start("jump/app")
        assert client.patch(resting, content[:300_000]).status == 202
        moving = client.start("jump/app")
        with Slow(server.url, "PATCH", moving, len(content)) as slow:
            slow.send(content[:200_000])
            time.sleep(0.3)
            jump(by)
            until = time.monotonic() + EXPIRY * 0.6
            while time.monotonic() < until:
                time.sleep(0.2)
            answer = client.get(resting)
            assert (answer.status, answer.headers.get("range")) == (204, "0-299999"), "a session at rest was dropped"
            slow.send(content[200_000:])
            assert slow.answer().status == 202, "a session was dropped while bytes came"
        assert client.finish(moving, content).status == 201
        assert client.finish(resting, content, content[300_000:]).status in (201, 416)


@pytest.mark.spec("UPLOAD-55")
def test_sessions_are_dropped_all_the_same_after_a_jump(data: Path, jump: Jump, environ: dict[str, str]) -> None:
    flags = ("--workers", "1", "--upload-expiry", "2s")
    with running(data, *flags, environ=environ) as server, Client(server.url) as client:
        jump("+2d")
        time.sleep(1)
        path = client.start("jump/app")
        until = time.monotonic() + 15
        while client.get(path).status != 404:
            assert time.monotonic() < until, "a session that nobody comes back to is kept for ever"
            time.sleep(0.2)
