"""`coverage.md` is what the command writes, and nothing that can be observed is without a case."""

import subprocess
import sys
from pathlib import Path

import pytest

from conformance.case import CASES
from conformance.cases import load
from conformance.lab.coverage import FILE, OLDER, official_tests, render, unasked, uncovered
from conformance.model import Case
from conformance.requirements import REQUIREMENTS, UNOBSERVABLE

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cases() -> dict[str, Case]:
    return dict(load())


def test_nothing_observable_is_without_a_case(cases: dict[str, Case]) -> None:
    assert [requirement.id for requirement in uncovered(cases.values())] == []


def test_every_official_test_is_asked(cases: dict[str, Case]) -> None:
    assert unasked(cases.values()) == []


def test_no_case_names_an_official_test_that_is_none(cases: dict[str, Case]) -> None:
    known = {*official_tests(), "tag-list"}
    strange = {case.id: set(case.official) - known for case in cases.values() if set(case.official) - known}
    assert strange == {}


def test_no_case_judges_by_what_nobody_can_observe(cases: dict[str, Case]) -> None:
    blind = {case.id for case in cases.values() if all(key in UNOBSERVABLE for key in case.requirements)}
    assert blind == set()


def test_the_older_suite_is_mapped_to_requirements_that_are_there() -> None:
    assert {key for keys in OLDER.values() for key in keys} <= set(REQUIREMENTS)


def test_a_requirement_that_loses_its_cases_is_told(cases: dict[str, Case]) -> None:
    fewer = [case for case in cases.values() if "R-075" not in case.requirements and "ping" not in case.official]
    assert "R-075" in [requirement.id for requirement in uncovered(fewer)]
    assert "ping" in unasked(fewer)


def test_the_file_is_up_to_date() -> None:
    assert FILE.read_text("utf-8") == render(load()), "run python -m conformance.lab.coverage"


def test_the_command_checks() -> None:
    command = [sys.executable, "-m", "conformance.lab.coverage", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (FILE.read_text("utf-8") == render(CASES)), done.stderr
