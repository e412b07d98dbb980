"""`python -m tests.servers`: starts servers by hand, and leaves nothing behind, however it ends."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers.process import RealServer, family_of, is_alive
from tests.soon import soon

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "tests.servers"]


@contextmanager
def started(*words: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [*COMMAND, *words], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def refused(*words: str, **environ: str) -> str:
    done = subprocess.run(
        [*COMMAND, *words], cwd=ROOT, text=True, capture_output=True, check=False, env={**os.environ, **environ}
    )
    assert done.returncode == 2
    assert done.stdout == ""
    return done.stderr


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_what_it_started(how: signal.Signals, versitygw: RealServer) -> None:
    with started("s3", "--json") as process:
        told: dict[str, dict[str, Any]] = json.loads(line(process))
        folder = Path(told["s3"]["log"]).parent
        assert folder.exists()
        assert set(told["s3"]["environ"]) == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
        below = family_of(process.pid)[1:]
        assert below
        process.send_signal(how)
        assert process.wait(30) == 0
    assert not any(map(is_alive, below))
    assert not folder.exists()


def test_servers_end_with_one_that_is_killed(postgresql: RealServer) -> None:
    with started("postgresql", "--json") as process:
        told: dict[str, dict[str, Any]] = json.loads(line(process))
        below = family_of(process.pid)[1:]
        assert len(below) > 1
        process.kill()
    assert soon(lambda: not any(map(is_alive, below)), 20)
    shutil.rmtree(Path(told["postgresql"]["log"]).parent)


def test_each_url_is_one_line_and_the_keys_are_lines_for_a_shell(
    postgresql: RealServer, mariadb: RealServer, versitygw: RealServer
) -> None:
    with started("postgresql", "mariadb", "s3", "mariadb") as process:
        lines = [line(process) for _ in range(5)]
    shapes = [
        r"postgresql://registry@127\.0\.0\.1:\d+/registry\n",
        r"mysql://registry@127\.0\.0\.1:\d+/registry\n",
        r"s3://registry/holdfast\?endpoint=http://127\.0\.0\.1:\d+&region=us-east-1&addressing=path\n",
        r"export AWS_ACCESS_KEY_ID=\w+\n",
        r"export AWS_SECRET_ACCESS_KEY=\w+\n",
    ]
    assert all(map(matches, shapes, lines)), lines


def matches(shape: str, text: str) -> bool:
    return re.fullmatch(shape, text) is not None


@pytest.mark.parametrize(
    ("words", "environ", "told"),
    [
        (["oracle"], {}, "there is no server 'oracle'; there are postgresql, mariadb, s3"),
        (
            ["s3"],
            {"PATH": "/nowhere", "HOME": "/nowhere"},
            "s3 needs versitygw, which is not installed: go install github.com/versity/versitygw/cmd/versitygw@v1.8.0",
        ),
    ],
)
def test_what_cannot_be_started_is_one_line(words: Sequence[str], environ: dict[str, str], told: str) -> None:
    assert refused(*words, **environ) == f"python -m tests.servers: {told}\n"


def test_help_has_examples() -> None:
    done = subprocess.run([*COMMAND, "--help"], cwd=ROOT, text=True, capture_output=True, check=True)
    assert "python -m tests.servers mariadb s3" in done.stdout
