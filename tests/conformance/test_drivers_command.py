"""`registry-conformance driver`: right drivers pass, wrong ones fail, and those that hang are left alone."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from conformance.drivers.faulty import CALLS
from conformance.lab.mutants.drivers import MATRIX, wanted
from conformance.lab.mutants.wrong_drivers import WRONG

ROOT = Path(__file__).parents[2]

MODULE = """
import asyncio, time
from registry.storage.memory import MemoryDriver

class Deaf(MemoryDriver):
    async def put(self, name, content):
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass

class Blocking(MemoryDriver):
    async def put(self, name, content):
        time.sleep(60)

class Waiting(MemoryDriver):
    async def put(self, name, content):
        await asyncio.Event().wait()

class Forgetful(MemoryDriver):
    async def delete(self, key):
        pass

def named(name):
    return stores.setdefault(name, MemoryDriver())

def one():
    return shared

def nothing():
    return "a string"

def failing(name):
    raise OSError("no route to the store")

class Full(MemoryDriver):
    pass

stores = {}
shared = MemoryDriver()
occupied = MemoryDriver()
asyncio.run(occupied.put("somebodys/object", b"precious"))

def not_empty():
    return occupied
"""


def driver(target: str, *words: str, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
    environ = {key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_")}
    environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([str(folder)] if folder else [])])
    command = [sys.executable, "-m", "conformance", "driver", target, "--many", "200", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environ, cwd=folder)
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done


def outcomes(report: Path) -> dict[str, str]:
    return {result["case"]["id"]: result["outcome"] for result in json.loads(report.read_text())["results"]}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "mine.py").write_text(textwrap.dedent(MODULE))
    return folder


SOME = ("faults/one_call_fails", "listing", "objects/put", "processes", "races/32", "uploads/finish")
"""Of each kind. What the driver does in all cases is seen by tests/storage; that the command says so, in --slow."""


@pytest.mark.parametrize("only", [SOME, pytest.param((), marks=pytest.mark.slow, id="all")])
def test_files(only: tuple[str, ...], tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "precious").write_text("somebody's")
    chosen = [word for pattern in only for word in ("--only", pattern)]
    done = driver(f"file://{store}", *chosen, "--report-dir", str(tmp_path / "reports"))
    assert done.returncode == 0, done.stdout
    found = outcomes(tmp_path / "reports" / "report.json")
    assert set(found.values()) == {"passed"}
    assert {case.partition("/")[0] for case in found} == {
        "faults", "listing", "objects", "processes", "races", "uploads",
    }  # fmt: skip
    assert [path.name for path in store.iterdir()] == ["precious"]
    assert len(list((tmp_path / "reports").iterdir())) == 4
    assert f"Storage driver\nfile://{store}, " in done.stdout
    for name in ("badge.svg", "junit.xml", "report.html"):
        text = (tmp_path / "reports" / name).read_text()
        assert "Storage driver" in text
        assert "OCI conformance" not in text


def test_memory_cannot_be_shared(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert driver("memory:", "--only", "processes", "--only", "put_again", "--json", str(report)).returncode == 0
    found = outcomes(report)
    assert {outcome for case, outcome in found.items() if case.startswith("processes/")} == {"skipped"}
    assert {outcome for case, outcome in found.items() if not case.startswith("processes/")} == {"passed"}


@pytest.mark.parametrize("target", ["mine:named", "mine:one", "mine:Full"])
def test_anybodys_driver(mine: Path, tmp_path: Path, target: str) -> None:
    report = tmp_path / "report.json"
    done = driver(target, "--only", "listing", "--only", "put_again", "--json", str(report), folder=mine)
    assert done.returncode == 0, done.stdout
    assert len(outcomes(report)) == 9


def test_a_failure_explains_itself(mine: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = driver("mine:Forgetful", "--only", "objects/delete", "--json", str(report), folder=mine)
    assert done.returncode == 1
    assert "FAIL" in done.stdout
    assert "DID NOT RAISE" in done.stdout
    assert "KeyUnknown" in done.stdout
    assert "failed" in outcomes(report).values()


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("mine:Waiting", "not done within 0.2 seconds"),
        ("mine:Blocking", "does not come back"),
        ("mine:Deaf", "does not come back"),
        ("mine:failing", "no route to the store"),
    ],
)
def test_what_hangs_is_broken(mine: Path, tmp_path: Path, target: str, told: str) -> None:
    report = tmp_path / "report.json"
    patience = "5" if target == "mine:failing" else "0.2"
    done = driver(target, "--timeout", patience, "--only", "objects/put_again", "--json", str(report), folder=mine)
    assert done.returncode == 2
    assert told in done.stdout
    assert set(outcomes(report).values()) == {"broken"}


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("s3", "none of"),
        ("file://relative", "absolute path"),
        ("file:///dev/null/store", "/dev/null"),
        ("nowhere:factory", "nowhere"),
        ("mine:missing", "missing"),
        ("mine:stores", "cannot be called"),
        ("mine:nothing", "not a storage driver"),
        ("mine:not_empty", "somebodys/object"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(mine: Path, target: str, told: str) -> None:
    done = driver(target, "--only", "objects/put_again", folder=mine)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert told in line


def test_nothing_to_run_is_told(tmp_path: Path) -> None:
    done = driver("memory:", "--only", "nothing is called so", "--json", str(tmp_path / "report.json"))
    assert done.returncode == 2
    assert "nothing was run: no case was selected" in done.stdout.splitlines()[-1]


def test_every_call_has_its_faults(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert driver("memory:", "--only", "faults/one_call_fails", "--json", str(report)).returncode == 0
    found = outcomes(report)
    assert len(found) == 2 * len(CALLS)
    assert set(found.values()) == {"passed"}


# The wrong drivers


def test_the_matrix_is_complete() -> None:
    """Of these mutants: each found by a case. That every case is killed is what `--check` finds out."""
    matrix = json.loads(MATRIX.read_text())
    assert len(WRONG) >= 30
    assert set(matrix) == set(WRONG)
    assert [name for name, found in matrix.items() if not found] == []


@pytest.mark.timeout(300)
def test_every_case_kills_and_every_mutant_is_found() -> None:
    """On a few mutants what `python -m conformance.lab.mutants.drivers --check` does on all."""
    matrix = json.loads(MATRIX.read_text())
    cases = sorted({case for found in matrix.values() for case in found})
    chosen = wanted(matrix, cases)
    for name in ("AppendAfterFinish", "DeleteDoesNothing", "LastByteLost", "StaleRead"):
        case = sorted(chosen[name])[0]
        done = driver(f"conformance.lab.mutants.drivers:factories.{name}", "--only", case, "--timeout", "10")
        assert done.returncode in (1, 2), f"{case} does not find {name}:\n{done.stdout}"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_whole_check() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "conformance.lab.mutants.drivers", "--check"],
        capture_output=True, text=True, timeout=1100, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
