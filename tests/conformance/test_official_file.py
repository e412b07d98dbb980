"""The official suite's file: read as the suite reads it, with its variables going before it."""

import json
from pathlib import Path

import pytest

from conformance import official
from conformance.model import Category
from tests.conformance.test_cli import kit
from tests.server import Server

WHOLE = """
# as the suite's documentation has it
version: 1.0
registry: registry.example:5000
tls: Disabled
repo1: "some/where"
repo2: some/where/else
username: alice
password: "123"
cacheAuth: true
logging: warn
filterTest: ""
apis:
  pull: true
  blobs: {delete: false, mountAnonymous: false, uploadCancel: true}
  tags:
    list: false
    atomic: false
data:
  sparse: true
  noLayers: false
roData:
  tags: [one, two]
  manifests: []
resultsDir: ~
unknown: {key: value}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "suite.yaml"
    path.write_text(WHOLE)
    return path


def test_all_that_it_says(file: Path) -> None:
    wishes = official.read({"OCI_CONFIGURATION": str(file)})
    assert wishes.values == {
        "level": "1.0",
        "url": "http://registry.example:5000",
        "repository": "some/where",
        "second_repository": "some/where/else",
        "user": "alice",
        "password": "123",
        "fixed_repositories": "true",
        "image": "some/where:one",
    }
    assert set(wishes.off_apis) == {"Blob delete", "Blob delete atomic", "Blob anonymous mount", "Tag listing",
                                    "Tag delete atomic"}  # fmt: skip
    assert wishes.on_apis == {"Blob upload cancel"}
    assert set(wishes.off_data) == {"no-layers"}
    assert wishes.allow == {"sparse", "async-delete"}
    assert wishes.off_categories == {}


def test_variables_go_before_it_and_it_before_older_names(file: Path) -> None:
    variables = {
        "OCI_REPO1": "mine",
        "OCI_TLS": "enabled",
        "OCI_VERSION": "",
        "OCI_API_TAGS_LIST": "true",
        "OCI_ROOT_URL": "http://older.example",
        "OCI_NAMESPACE": "older",
    }
    wishes = official.read({"OCI_CONFIGURATION": str(file), **variables})
    assert wishes.values["repository"] == "mine"
    assert wishes.values["url"] == "https://registry.example:5000"
    assert wishes.values["level"] == "1.0"
    assert "Tag listing" in wishes.on_apis
    assert "Tag listing" not in wishes.off_apis


def test_the_one_in_the_working_directory_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert official.read({}).values == {}
    (tmp_path / "oci-conformance.yaml").write_text("apis: {pull: false, push: False}\n")
    wishes = official.read({})
    assert set(wishes.off_categories) == {Category.PULL}
    assert wishes.values == {"read_only": "true"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "~", "apis:\ndata: null\nroData: {tags: }\n"])
def test_one_that_says_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text(text)
    assert official.read({"OCI_CONFIGURATION": str(path)}) == official.read({})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot read"),
        (b"apis: [", "is not YAML"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"[" * 100_000, "is not YAML"),
        (b"a: !!python/object/apply:os.system [true]\nversion: x", "1.0, 1.1, stable or dev is expected"),
        (b"- registry", "has no keys"),
        (b"just a word", "has no keys"),
        (b"apis: {pull: sometimes}", "OCI_API_PULL is 'sometimes': true or false is expected"),
        (b"roData: {tags: [{a: b}]}", "tags is no list of words"),
        (b"version: 7", "1.0, 1.1, stable or dev is expected"),
        (b"tls: perhaps", "enabled, insecure or disabled is expected"),
    ],
    ids=range(11),
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "wrong.yaml"
    if content is not None:
        path.write_bytes(content)
    done = kit("--list", OCI_CONFIGURATION=str(path))
    assert done.returncode == 2
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert told in line


def test_a_run_that_it_describes(server: Server, tmp_path: Path) -> None:
    path, reports = tmp_path / "suite.yaml", tmp_path / "reports"
    address = server.url.removeprefix("http://")
    path.write_text(
        f"registry: {address}\ntls: disabled\nrepo1: file/one\nrepo2: file/two\nresultsDir: {reports}\n"
        "apis: {tags: {list: false}}\n"
    )
    done = kit("--only", "read_only", OCI_CONFIGURATION=str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((reports / "report.json").read_text())
    assert found["target"] == server.url
    reasons = {result["case"]["id"]: result["reason"] for result in found["results"]}
    assert reasons["read_only/tags"] == "OCI_API_TAGS_LIST is false"
    assert all("/v2/file/one/" in one["url"] for result in found["results"] for one in result["exchanges"])
