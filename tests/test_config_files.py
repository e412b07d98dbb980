"""Files of settings: what YAML allows, and what the operator is told of the rest."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.settings.fields import Settings
from registry.settings.loading import load
from tests.test_config import refusal

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes) -> Path:
        file = tmp_path / "registry.yaml"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write


@pytest.mark.spec("SETTING-4")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a: [\n", "registry.yaml line 2: is not YAML: "),
        ("\ta: 1\n", "registry.yaml line 1: is not YAML: "),
        ("port: 1\n---\nport: 2\n", "registry.yaml line 2: is not YAML: "),
        ("port: !!python/name:os.system\n", "registry.yaml line 1: is not YAML: "),
        (b"host: \xff\n", "registry.yaml: is not YAML: "),
        ("- port\n", "registry.yaml: holds no mapping"),
        ("port\n", "registry.yaml: holds no mapping"),
        ("port: 1\nport: 2\n", "registry.yaml line 2): was already set at"),
        ("log_format: json\nlog-format: text\n", "registry.yaml line 2): was already set at"),
        ("5: 1\n", "'5' ("),
        ("[a]: 1\n", "registry.yaml line 1): unknown setting"),
        ("port: 2024-99-99\n", "'2024-99-99' is no whole number"),
        ("port:\n", "port (registry.yaml line 1): '' is empty"),
        ("storage:\n", "storage (registry.yaml line 1): '' is empty"),
        ("trusted_proxy:\n", "trusted_proxy (registry.yaml line 1): '' is empty"),
        ("port: null\n", "port (registry.yaml line 1): None is nothing"),
        ("<<: {port: 1}\n", "'<<' (registry.yaml line 1): merge keys are not read"),
        ("port: &p 1\nworkers: *q\n", "registry.yaml line 2: is not YAML: "),
        ("PORT: 1\n", "unknown setting, did you mean port?"),
        ("'': 1\n", "'' (registry.yaml line 1): unknown setting"),
        ("? \n: 1\n", "'' (registry.yaml line 1): unknown setting"),
        ("port: !!int ''\n", "port (registry.yaml line 1): '' is empty"),
        ("port: !!timestamp never\n", "'never' is no whole number"),
        ("host: [!!bool perhaps]\n", "host (registry.yaml line 1): holds a value that is not"),
        ("host: " + "[" * 5000 + "\n", "registry.yaml: is nested too deep"),
        ("log_format: yes\n", "log_format (registry.yaml line 1): True is true or false where"),
        ("delete: maybe\n", "delete (registry.yaml line 1): 'maybe' should be a valid boolean"),
    ],
)
def test_files_that_are_no_settings(content: str | bytes, reason: str, write: Write) -> None:
    file = write(content)
    assert reason in refusal({"config": file}, {}).replace(str(file), "registry.yaml")


def test_what_yaml_allows_in_values(write: Write) -> None:
    file = write("host: &it registry.test\ndata: *it\ndelete: 'false'\nread_only: on\nworkers: null\n")
    loaded = load({"config": file}, {})
    assert (loaded.settings.host, loaded.settings.data) == ("registry.test", Path("registry.test"))
    assert (loaded.settings.delete, loaded.settings.read_only, loaded.settings.workers) == (False, True, None)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "No such file" in refusal({"config": tmp_path / "none"}, {})
    assert refusal({}, {"REGISTRY_CONFIG": str(tmp_path)}).startswith("config (environment REGISTRY_CONFIG): ")
    assert refusal({"config": str(tmp_path / "none" / "none")}, {}).startswith("config (flag --config): ")


@pytest.mark.parametrize("content", ["", "# nothing\n", "---\n", "{}\n"])
def test_an_empty_file_sets_nothing(content: str, write: Write) -> None:
    assert load({"config": write(content)}, {}).settings == Settings()


@pytest.mark.spec("SETTING-4")
def test_a_list_of_itself_many_times(write: Write) -> None:
    """What a few lines stand for is not written out to be refused."""
    lists = ["- &a0 [x, x]"] + [f"- &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 30)]
    begun = time.monotonic()
    told = refusal({"config": write("cors_origins:\n" + "\n".join(lists) + "\n")}, {})
    assert "should be a valid string" in told
    assert len(told) < 10_000
    assert time.monotonic() - begun < 5
