"""`registry config show`."""

import json
from pathlib import Path

import pytest

from registry.settings.fields import Settings
from tests.cli.conftest import Run, told


def test_text_is_a_table_of_names_values_and_origins(run: Run, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("upload-expiry: 48h\nhost: 0.0.0.0\n")
    finished = run(
        *("config", "show", "--config", "my.yaml", "--port", "5001", "--no-delete"),
        *("--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "::1"),
        REGISTRY_LOG_FORMAT="json",
        REGISTRY_HOST="::1",
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    lines = [line for line in finished.stdout.splitlines() if line and not line.startswith("# ")]
    rows = {name: (value, origin) for name, value, origin in (line.split(maxsplit=2) for line in lines)}
    assert list(rows) == list(Settings.model_fields)
    assert rows["upload_expiry"] == ("2d", "my.yaml line 1")
    assert rows["host"] == ("::1", "environment REGISTRY_HOST")
    assert rows["log_format"] == ("json", "environment REGISTRY_LOG_FORMAT")
    assert rows["port"] == ("5001", "flag --port")
    assert rows["delete"] == ("false", "flag --no-delete")
    assert rows["trusted_proxy"] == ("10.0.0.0/8,::1/128", "flag --trusted-proxy")
    assert rows["public_url"] == ("-", "default")
    assert rows["storage"] == (f"file://{tmp_path}/registry-data/blobs", "default")
    assert {
        line.index(rows[name][1], len(name) + len(rows[name][0])) for name, line in zip(rows, lines, strict=True)
    } == {lines[0].index("environment")}


def test_json_is_for_scripts(run: Run) -> None:
    shown = json.loads(run("config", "show", "--format", "json", "--workers", "3").stdout)
    assert list(shown) == list(Settings.model_fields)
    assert shown["port"] == {"value": 5000, "origin": "default"}
    assert shown["workers"] == {"value": 3, "origin": "flag --workers"}
    assert shown["public_url"] == {"value": None, "origin": "default"}
    assert shown["trusted_proxy"] == {"value": [], "origin": "default"}


def test_yaml_is_read_back_as_a_file(run: Run, tmp_path: Path) -> None:
    flags = ["--data", "künftig", "--port", "0", "--manifest-types", "a/b", "--read-only", "--body-timeout", "1.5s"]
    written = run("config", "show", "--format", "yaml", *flags)
    (tmp_path / "registry.yaml").write_text(written.stdout)
    again = run("config", "show", "--format", "json", REGISTRY_CONFIG="registry.yaml")
    values = {name: entry["value"] for name, entry in json.loads(again.stdout).items()}
    direct = json.loads(run("config", "show", "--format", "json", *flags).stdout)
    assert values == {name: entry["value"] for name, entry in direct.items()}
    assert "read_only: true  # flag --read-only" in written.stdout.splitlines()
    # What follows from others goes on doing so.
    moved = run("config", "show", "--format", "json", "--data", "/srv/new", REGISTRY_CONFIG="registry.yaml")
    places = {name: entry["value"] for name, entry in json.loads(moved.stdout).items()}
    assert places["storage"] == "file:///srv/new/blobs"
    assert places["database"] == "sqlite:////srv/new/registry.db"


def test_it_creates_nothing(run: Run, tmp_path: Path) -> None:
    assert run("config", "show").returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.spec("SETTING-2", "SETTING-4")
def test_problems_are_told_instead_of_settings(run: Run, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("port: x\nupload_expiry: 3\n")
    message = told(run("config", "show", "--config", "my.yaml", "--port", "5001", REGISTRY_SEND_TIMEOUT="7"))
    assert message.split("; ") == [
        "port (my.yaml line 1): 'x' is no whole number",
        "upload_expiry (my.yaml line 2): 3 has no unit: write 3s, 3m, 3h or 3d",
        "send_timeout (environment REGISTRY_SEND_TIMEOUT): '7' has no unit: write 7s, 7m, 7h or 7d",
    ]


@pytest.mark.spec("SETTING-4")
def test_two_files_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("port: 1\n")
    message = told(run("config", "show", "--config", "none.yaml", "--config", "my.yaml"))
    assert message == "config (flag --config): was given 2 times: one file is read"


def test_the_last_of_a_flag_counts(run: Run) -> None:
    shown = json.loads(run("config", "show", "--format", "json", "--port", "1", "--port", "2").stdout)
    assert shown["port"] == {"value": 2, "origin": "flag --port"}
    assert told(run("config", "show", "--port", "x", "--port", "2")).startswith("port (flag --port): 'x' is no")
