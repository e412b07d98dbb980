"""Files of settings that are no files, or have no end: pipes, devices, and what is too large."""

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from registry.settings.fields import Settings
from registry.settings.loading import load
from tests.test_config import refusal


def shown(command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """What `registry config show` says where the shell runs it as `$REGISTRY`."""
    begun = f"{sys.executable} -m registry config show"
    clean = {key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_")}
    return subprocess.run(
        ["bash", "-c", command],
        env=clean | environ | {"REGISTRY": begun},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.spec("SETTING-7")
@pytest.mark.parametrize(
    "pipe",
    [
        "$REGISTRY --config <(echo 'page_limit: 77')",
        "$REGISTRY --config <(sleep 2; echo 'page_limit: 77')",
        "$REGISTRY --config <(printf 'page_'; sleep 1; echo 'limit: 77'; head -c 900000 /dev/zero | tr '\\0' '#')",
        "echo 'page_limit: 77' | $REGISTRY --config /dev/stdin",
        "$REGISTRY --config /dev/stdin <<< 'page_limit: 77'",
    ],
)
def test_a_pipe_is_read_to_its_end(pipe: str) -> None:
    answer = shown(pipe)
    assert answer.returncode == 0, answer.stderr
    assert re.search(r"^page_limit +77 ", answer.stdout, re.MULTILINE)


@pytest.mark.spec("SETTING-7")
@pytest.mark.parametrize(
    ("given", "reason", "seconds"),
    [
        ("$REGISTRY --config /dev/zero", "is larger than 1 MiB", 5),
        ("$REGISTRY --config <(true)", "nothing comes from the pipe", 5),
        ("$REGISTRY --config <(yes 'a: b')", "is larger than 1 MiB", 5),
        pytest.param(
            "sleep 13 | $REGISTRY --config /dev/stdin", "does not end within 10 seconds", 14, marks=pytest.mark.lengthy
        ),
    ],
)
def test_what_has_no_end_is_told(given: str, reason: str, seconds: float) -> None:
    begun = time.monotonic()
    answer = shown(given)
    assert time.monotonic() - begun < seconds + 5
    assert (answer.returncode, answer.stderr.count("\n")) == (1, 1)
    assert reason in answer.stderr


@pytest.mark.lengthy
@pytest.mark.spec("SETTING-7")
def test_a_pipe_with_a_name(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = threading.Timer(1, lambda: pipe.write_text("page_limit: 77\n"))
    writing.start()
    assert load({"config": pipe}, {}).settings == Settings(page_limit=77)
    writing.join()
    begun = time.monotonic()
    assert "does not end within 10 seconds" in refusal({"config": pipe}, {})
    assert 9 < time.monotonic() - begun < 15


@pytest.mark.spec("SETTING-7")
def test_a_large_file(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    with file.open("wb") as large:
        large.truncate(1 << 30)
    begun = time.monotonic()
    assert "is larger than 1 MiB" in refusal({"config": file}, {})
    assert time.monotonic() - begun < 2
    line = b"page_limit: 77\n"
    file.write_bytes(line + b"#" * ((1 << 20) - len(line)))
    assert load({"config": file}, {}).settings.page_limit == 77


@pytest.mark.spec("SETTING-8")
def test_one_file_is_read(tmp_path: Path) -> None:
    """The other one may be a pipe that says what it says once, or not be there: it is neither opened nor judged."""
    file = tmp_path / "registry.yaml"
    file.write_text("page_limit: 77\n")
    other = tmp_path / "other.yaml"
    for content in (None, "nonsense: 1\n", "port: x\n"):
        if content is not None:
            other.write_text(content)
        assert load({"config": file}, {"REGISTRY_CONFIG": str(other)}).settings.page_limit == 77
        assert "REGISTRY_CONFIG" in refusal({}, {"REGISTRY_CONFIG": str(other)}) or content
    assert "is empty" in refusal({"config": file}, {"REGISTRY_CONFIG": " "})
