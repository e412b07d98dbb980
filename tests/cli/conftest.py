"""Runs `registry` as an operator does: a process of its own, with an environment of its own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "registry"]

Finished = subprocess.CompletedProcess[str]
Run = Callable[..., Finished]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "200",
        "LANG": "C.UTF-8",
    }


@pytest.fixture
def run(tmp_path: Path, environ: dict[str, str]) -> Run:
    """Runs the command in an empty folder; further variables of the environment as keywords."""

    def run(*arguments: str, **variables: str) -> Finished:
        return subprocess.run(
            [*COMMAND, *arguments], cwd=tmp_path, env=environ | variables, capture_output=True, text=True, timeout=30
        )

    return run


def told(finished: Finished) -> str:
    """The one line that the operator is told instead of a traceback."""
    assert finished.returncode == 1, finished
    assert finished.stdout == ""
    assert finished.stderr.startswith("registry: error: ")
    assert finished.stderr.count("\n") == 1
    return finished.stderr.removeprefix("registry: error: ").rstrip("\n")
