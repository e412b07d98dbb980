"""Format, lint and types, so that one command says whether the project is fit to hand over."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 450

CHECKS = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "."],
    "types": ["mypy"],
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("check", ["format", "lint", pytest.param("types", marks=pytest.mark.lengthy)])
def test_the_project_passes(check: str) -> None:
    command = [sys.executable, "-m", *CHECKS[check]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_is_one_to_get_lost_in() -> None:
    lines = {
        str(path.relative_to(ROOT)): path.read_text().count("\n")
        for folder in ("registry", "conformance", "tests")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {path: count for path, count in lines.items() if count > LONGEST_FILE} == {}
