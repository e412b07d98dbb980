"""The suite can fail: each of its cases fails for a wrong database, and each wrong database fails a case."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.database.wrong import wrong_databases
from tests.database.wrong_session import cases

ROOT = Path(__file__).parents[2]
SESSION = ROOT / "tests" / "database" / "wrong_session.py"


def test_there_is_a_wrong_database_for_each_case() -> None:
    found = {case for kind in wrong_databases().values() for case in kind.found_by}
    assert cases() - found == set()
    assert found - cases() == set()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_wrong_database_is_found(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    options = ["-q", "-p", "no:cacheprovider", f"--junitxml={report}", f"--basetemp={tmp_path / 'cases'}"]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(SESSION)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    outcomes = dict(read(report))
    wanted = {f"{name}::{case}" for name, kind in wrong_databases().items() for case in kind.found_by}
    assert set(outcomes) == wanted
    assert sorted(pair for pair, failed in outcomes.items() if not failed) == []


def read(report: Path) -> Iterator[tuple[str, bool]]:
    """Of each case whether the database failed it: not in its set-up, nor at its end."""
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname', '').rpartition('.')[2].removeprefix('Test')}::{case.get('name')}"
        assert case.find("error") is None, f"{name}: {case.find('error')!r}"
        yield name, case.find("failure") is not None
