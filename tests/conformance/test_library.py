"""The kit in another project: its README's example in that project's pytest, and the wheel in an empty environment."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from conformance import __version__
from tests.project.test_readme import pattern, steps
from tests.server import Server

KIT = Path(__file__).parents[2] / "conformance"
README = (KIT / "README.md").read_text()
SESSIONS = re.findall(r"```console\n(.*?)```", README, re.S)
[EXAMPLE] = re.findall(r"```python\n(.*?)```", README, re.S)

NOT_OURS = "registry"
"""The server's package: the kit must not need it."""


WITHOUT = ("-p", "no:schemathesis", "-p", "no:hypothesispytest")
"""Plugins that are ours, and take long to begin."""


def project(folder: Path, text: str = EXAMPLE) -> Path:
    folder.mkdir()
    (folder / "test_my_registry.py").write_text(text)
    return folder


def run_pytest(folder: Path, url: str, *words: str) -> "subprocess.CompletedProcess[str]":
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("REGISTRY_", "OCI_", "PYTEST_"))}
    environ |= {"MY_REGISTRY": url, "PYTHONPATH": str(KIT.parent)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        *WITHOUT,
        *words,
    ]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=100, check=False)


def test_the_example(server: Server, tmp_path: Path) -> None:
    done = run_pytest(project(tmp_path / "mine"), server.url, "-v")
    assert done.returncode == 0, done.stdout
    assert re.search(r"test_conformance\[blobs/\S+-R-030\S*\] PASSED", done.stdout)
    assert "failed" not in done.stdout


def test_tests_are_chosen_by_requirement(server: Server, tmp_path: Path) -> None:
    folder = project(tmp_path / "mine")
    done = run_pytest(folder, server.url, "--collect-only", "-q", "-k", "R-030")
    chosen = [line for line in done.stdout.splitlines() if "::" in line]
    assert chosen
    assert all("R-030" in line for line in chosen)


def test_a_registry_that_is_wrong_fails(tmp_path: Path) -> None:
    """A server that knows nothing: failures say which requirement, and what to type to see it again."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:  # fmt: skip
        try:
            assert server.stdout is not None
            found = re.search(r"port (\d+)", server.stdout.readline())
            assert found is not None
            folder = project(tmp_path / "mine", EXAMPLE.replace("blobs/", "blobs/get["))
            done = run_pytest(folder, f"http://127.0.0.1:{found[1]}")
        finally:
            server.kill()
    assert done.returncode == 1
    assert "R-050 MUST" in done.stdout
    assert "curl" in done.stdout


def test_nobody_there_is_a_failure_and_no_pass(tmp_path: Path) -> None:
    folder = project(tmp_path / "mine", EXAMPLE.replace("blobs/", "blobs/get["))
    done = run_pytest(folder, "http://127.0.0.1:1")
    assert done.returncode == 1
    assert "could not be judged" in done.stdout


def test_nothing_of_the_server_is_imported(tmp_path: Path) -> None:
    """The command with every case loaded, and the pytest classes, in an interpreter without the server."""
    script = f"""
import sys
class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {NOT_OURS!r}:
            raise ImportError(name)
sys.meta_path.insert(0, Nowhere())
import conformance.pytest_plugin, conformance.lab.coverage
from conformance.cli import main
assert main(["--list"]) == 0
assert main(["driver", "memory:"]) == 2
assert not [name for name in sys.modules if name.split(".")[0] == {NOT_OURS!r}]
"""
    environ = {**os.environ, "PYTHONPATH": str(KIT.parent)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "pip install . './conformance[drivers]'" in done.stderr


def test_no_distribution_of_strangers_is_named() -> None:
    """`holdfast` on PyPI is somebody else's; and what is not published, nobody may be made to look for there."""
    registry = tomllib.loads((KIT.parent / "pyproject.toml").read_text())["project"]
    kit = tomllib.loads((KIT / "pyproject.toml").read_text())["project"]
    assert (registry["name"], kit["name"]) == ("holdfast-registry", "holdfast-conformance")
    for project in (registry, kit):
        for needed in [project["dependencies"], *project["optional-dependencies"].values()]:
            assert not [each for each in needed if each.startswith("holdfast")]
    for place in (KIT, KIT.parent / "registry", KIT.parent / ".ci"):
        for path in [path for path in place.rglob("*") if path.suffix in {".py", ".md", ""} and path.is_file()]:
            assert not re.search(r"pip install[^\n]*\bholdfast\b(?!-)", path.read_text()), path


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("with_registry", [True, False])
def test_the_drivers_extra_is_installed_from_a_checkout(with_registry: bool, tmp_path: Path) -> None:
    """As the README says, and as the command says where the registry is missing."""
    ignored = shutil.ignore_patterns("__pycache__", ".*", "tests", "spec")
    checkout = Path(shutil.copytree(KIT.parent, tmp_path / "checkout", ignore=ignored))
    venv.create(tmp_path / "env", with_pip=True)
    scripts = tmp_path / "env" / "bin"
    wanted = ["..", ".[drivers]"] if with_registry else [".[drivers]"]
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("REGISTRY_", "OCI_", "PYTHON"))}
    subprocess.run(
        [str(scripts / "pip"), "install", "--quiet", *wanted], cwd=checkout / "conformance", env=environ, check=True
    )
    command = [str(scripts / "registry-conformance"), "driver", "memory:", "--only", "listing"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == (0 if with_registry else 2), done.stdout + done.stderr
    assert ("pip install . './conformance[drivers]'" in done.stderr) != with_registry
    listed = subprocess.run(
        [str(scripts / "pip"), "list"], env=environ, capture_output=True, text=True, check=True
    ).stdout
    names = {line.split()[0] for line in listed.splitlines() if line.startswith("holdfast")}
    assert names == {"holdfast-conformance", *(["holdfast-registry"] if with_registry else [])}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_readme_alone_is_enough(server: Server, tmp_path: Path) -> None:
    """From the folder alone, into an empty environment; downloads what the kit needs."""
    if shutil.which("crane") is None:
        pytest.skip("crane is not installed")
    folder = tmp_path / "kit"
    shutil.copytree(KIT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("REGISTRY_", "OCI_", "PYTHON"))}
    address = server.url.removeprefix("http://")
    for session in SESSIONS:
        for command, printed in steps(session):
            here = command.replace("localhost:5000", address)
            done = subprocess.run(
                ["bash", "-c", here],
                cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{command}\n{done.stdout}"
            assert re.fullmatch(pattern(printed), done.stdout.rstrip("\n"), re.S), f"{command}\n{done.stdout}"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_the_wheel_holds(tmp_path: Path) -> None:
    """The package and what it reads; neither wrong registries nor anything of the server."""
    venv.create(tmp_path / "env", with_pip=True)
    pip = tmp_path / "env" / "bin" / "pip"
    subprocess.run([pip, "wheel", "--quiet", "--no-deps", "-w", tmp_path, KIT], check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.name.split("-")[1] == __version__
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"conformance"}
    assert not [name for name in names if name.startswith("conformance/lab") or "mutants" in name or "results" in name]
    assert {"conformance/requirements.toml", "conformance/reports/schema.json"} <= set(names)
    assert "conformance/reports/templates/report.html.j2" in names
