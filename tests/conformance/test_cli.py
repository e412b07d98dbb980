"""The command `registry-conformance`: what can be said to it, what it says, and its exit status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from conformance import __version__
from conformance.cases import load
from conformance.lab.mutants.court import load_mutants
from conformance.lab.mutants.host import hosted
from conformance.settings import BEHAVIOURS, OPTIONS
from tests.server import Server

NOBODY = "http://127.0.0.1:1"

Done = subprocess.CompletedProcess[str]


def kit(*words: str, **variables: str) -> Done:
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("OCI_", "REGISTRY_"))}
    command = [sys.executable, "-m", "conformance", *words]
    environ |= variables
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environ)


def listed(done: Done) -> set[str]:
    assert done.returncode == 0, done.stderr
    return {line.partition("  ")[0].strip() for line in done.stdout.splitlines()}


def results(path: Path) -> dict[str, str]:
    return {result["case"]["id"]: result["outcome"] for result in json.loads(path.read_text())["results"]}


# What is wrong is one line


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["localhost:5000"], "http://localhost:5000 or https://localhost:5000"),
        (["http://"], "no host"),
        (["ftp://localhost"], "http or https"),
        (["http://localhost:99999"], "Port out of range"),
        (["http://localhost/registry"], "only scheme, host and port"),
        (["http://local host"], "not a URL"),
        (["http://[::1"], "not a URL"),
        ([NOBODY], "refused"),
        (["http://nobody.invalid"], "nobody.invalid"),
        ([], "which registry?"),
        ([NOBODY, "--bogus"], "--bogus"),
        ([NOBODY, "--level", "2.0"], "1.0, 1.1, dev"),
        ([NOBODY, "--category", "pulling"], "pulling"),
        ([NOBODY, "--allow", "everything"], "everything"),
        ([NOBODY, "--jobs", "0"], "--jobs"),
        ([NOBODY, "--jobs", "many"], "--jobs"),
        ([NOBODY, "--timeout", "-1"], "--timeout"),
        ([NOBODY, "--timeout", "nan"], "--timeout"),
        ([NOBODY, "--seed", "x"], "--seed"),
        ([NOBODY, "--read-only"], "--image"),
        ([NOBODY, "--read-only", "--image", "name"], "NAME:TAG"),
        ([NOBODY, "--only", "nothing is called so"], "no case is left"),
        ([NOBODY, "--json", "/dev/null/report.json"], "/dev/null"),
        (["--explain", "R-999"], "the nearest is R-224"),
        (["compare", "/nowhere/report.json"], "/nowhere/report.json"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(words: list[str], told: str) -> None:
    done = kit(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert told in line


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OCI_VERSION", "2.0"),
        ("OCI_TLS", "maybe"),
        ("OCI_API_PULL", "yes"),
        ("OCI_DATA_SHA512", "on"),
        ("REGISTRY_CONFORMANCE_STRICT", "yes"),
        ("REGISTRY_CONFORMANCE_LEVEL", "2"),
    ],
)
def test_a_variable_that_cannot_be_read_is_named(variable: str, value: str) -> None:
    done = kit("--list", **{variable: value})
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert value in line


# What is asked


def test_levels_hold_one_another() -> None:
    old, stable, new = (listed(kit("--list", "--level", level)) for level in ("1.0", "1.1", "dev"))
    assert old < stable < new


def test_two_categories_are_off_unless_asked_for() -> None:
    cases = load()
    kinds = {cases[identity].category.value for identity in listed(kit("--list", "--level", "dev"))}
    assert kinds == {"pull", "push", "discovery", "management"}
    kinds = {
        cases[identity].category.value for identity in listed(kit("--list", "--level", "dev", "--category", "all"))
    }
    assert kinds == {case.category.value for case in cases.values()}


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        (["--category", "pull", "--category", "discovery"], {}),
        (["--category", "pull,discovery"], {}),
        ([], {"REGISTRY_CONFORMANCE_CATEGORY": "pull discovery"}),
        ([], {"OCI_TEST_PULL": "1", "OCI_TEST_CONTENT_DISCOVERY": "1", "OCI_TEST_PUSH": "0"}),
    ],
)
def test_categories(words: list[str], variables: dict[str, str]) -> None:
    cases = load()
    found = listed(kit("--list", *words, **variables))
    assert {cases[identity].category.value for identity in found} == {"pull", "discovery"}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("read_only/manifest_head", {"read_only/manifest_head"}),
        ("read_only/*head", {"read_only/manifest_head", "read_only/blob_head"}),
        ("read_only/blob_?et", {"read_only/blob_get"}),
    ],
)
def test_only(pattern: str, expected: set[str]) -> None:
    assert listed(kit("--list", "--only", pattern)) == expected
    assert listed(kit("--list", REGISTRY_CONFORMANCE_ONLY=pattern)) == expected


def test_the_official_filter() -> None:
    cases = load()
    found = listed(kit("--list", OCI_FILTER_TEST="OCI Conformance Test/sha256 blobs/mount"))
    assert found
    assert all(any(name.startswith("mount") for name in cases[case].official) for case in found)
    assert not [case for case in found if "sha512" in case]
    found = listed(kit("--list", OCI_FILTER_TEST="OCI Conformance Test/nested-index"))
    assert found
    assert all(any(name.startswith("nested-index") for name in cases[case].official) for case in found)


def test_what_a_requirement_says() -> None:
    done = kit("--explain", "r-075")
    assert done.returncode == 0
    assert "R-075 MUST" in done.stdout
    assert "uploads_order/" in done.stdout
    assert "client duty" in kit("--explain", "R-005").stdout


def test_help_names_every_variable() -> None:
    text = kit("--help").stdout
    assert [option.variable for option in OPTIONS if option.variable not in text.replace("\n", "")] == []
    assert all(behaviour in text for behaviour in BEHAVIOURS)


def test_version() -> None:
    done = kit("--version")
    assert (done.returncode, done.stdout) == (0, f"registry-conformance {__version__}\n")


# Runs


def test_a_run_and_its_reports(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    done = kit(server.url, "--only", "blobs/", "--report-dir", str(folder), "--badge", str(tmp_path / "own.svg"))
    assert done.returncode == 0, done.stdout
    assert "Level 1.1" in done.stdout.splitlines()[-1]
    found = results(folder / "report.json")
    assert found
    assert set(found.values()) <= {"passed", "skipped"}
    assert {path.name for path in folder.iterdir()} == {"report.json", "report.html", "junit.xml"}
    assert "1.1 passed" in (tmp_path / "own.svg").read_text()
    both = [str(folder / "report.json")] * 2
    table = kit("compare", *both, "--name", "this", "--name", "that", "--markdown", str(tmp_path / "table.md"))
    assert table.returncode == 0, table.stderr
    assert "this | that" in (tmp_path / "table.md").read_text()
    assert "this" in kit("compare", *both, "--name", "this", "--name", "that").stdout


def test_the_same_seed_pushes_the_same(server: Server, tmp_path: Path) -> None:
    urls = []
    for name in ("one", "two"):
        report = tmp_path / f"{name}.json"
        assert kit(server.url, "--seed", "7", "--only", "read_only/blob_get", "--json", str(report)).returncode == 0
        [result] = json.loads(report.read_text())["results"]
        urls.append(result["exchanges"][-1]["url"])
    assert urls[0] == urls[1]


def test_the_variables_of_the_official_suite(server: Server, tmp_path: Path) -> None:
    """As its documentation tells to set them, and nothing else."""
    done = kit(
        "--only", "read_only", "--only", "uploads_whole",
        OCI_REGISTRY=server.url.removeprefix("http://"),
        OCI_TLS="disabled",
        OCI_REPO1="official/one",
        OCI_REPO2="official/two",
        OCI_VERSION="stable",
        OCI_DATA_SHA512="F",
        OCI_API_TAGS_LIST="false",
        OCI_RESULTS_DIR=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    urls = {exchange["url"] for result in report["results"] for exchange in result["exchanges"]}
    assert all(url.startswith((f"{server.url}/v2/official/one/", f"{server.url}/v2/official/two/")) for url in urls)
    disabled = {
        result["case"]["id"]: result["reason"] for result in report["results"] if result["outcome"] == "disabled"
    }
    assert disabled["read_only/tags"] == "OCI_API_TAGS_LIST is false"
    assert all("sha512" in case or case == "read_only/tags" for case in disabled)
    assert len(disabled) > 1


def test_flags_go_before_variables_and_ours_before_the_official_ones(server: Server, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    variables = {"REGISTRY_CONFORMANCE_URL": NOBODY, "OCI_REGISTRY": "127.0.0.1:2", "OCI_VERSION": "1.0"}
    done = kit(
        server.url, "--only", "read_only/tags", "--json", str(report), REGISTRY_CONFORMANCE_LEVEL="dev", **variables
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(report.read_text())["level"] == "dev"
    assert NOBODY in kit("--only", "read_only/tags", **variables).stderr


def test_read_only_pushes_nothing(server: Server, http: httpx.Client, tmp_path: Path) -> None:
    name = "cli/read-only"
    assert kit(server.url, "--repository", name, "--fixed-repositories", "--only", "read_only/tags").returncode == 0
    [tag] = http.get(f"/v2/{name}/tags/list").json()["tags"]
    report = tmp_path / "report.json"
    done = kit(server.url, "--read-only", "--image", f"{name}:{tag}", "--json", str(report))
    assert done.returncode == 0, done.stdout
    document = json.loads(report.read_text())
    asked = {exchange["method"] for result in document["results"] for exchange in result["exchanges"]}
    assert asked == {"GET", "HEAD"}
    passed = [case for case, outcome in results(report).items() if outcome == "passed"]
    assert len(passed) >= 8
    assert all(case.startswith("read_only/") for case in passed)


@pytest.mark.parametrize(("flags", "status"), [((), 0), (("--strict",), 1)])
def test_a_registry_that_only_lacks_what_should_be(tmp_path: Path, flags: tuple[str, ...], status: int) -> None:
    """A media type with a parameter should not be, but may: a warning, and a failure if the run is strict."""
    report = tmp_path / "report.json"
    with hosted() as host:
        host.layer.use(load_mutants()["wrong_pull/type_with_charset"])
        done = kit(host.url, "--level", "dev", "--only", "manifests_pull/", "--json", str(report), *flags)
    assert done.returncode == status, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert found["exitStatus"] == status
    assert found["counts"]["warning"] > 0
    assert found["counts"]["failed"] == found["counts"]["broken"] == 0


def test_an_image_that_is_not_there_is_no_verdict(server: Server) -> None:
    done = kit(server.url, "--read-only", "--image", "not/there:latest", "--only", "read_only/manifest")
    assert done.returncode == 2
    assert "not/there:latest cannot be looked at" in done.stdout
