"""`registry serve`: the process, from its start to SIGTERM."""

import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import COMMAND, Run, told


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(stop: signal.Signals, environ: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    arguments = ["serve", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert wait_until_ready(f"http://127.0.0.1:{port}/v2/", server) == 200
            assert (tmp_path / "registry-data" / "registry.db").exists()
            server.send_signal(stop)
            output = server.communicate(timeout=15)
        finally:
            server.kill()
    assert server.returncode == 0, output
    assert "Traceback" not in "".join(output)


def wait_until_ready(url: str, server: subprocess.Popen[str]) -> int:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and server.poll() is None:
        try:
            return httpx.get(url).status_code
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"not ready, exit status {server.poll()}")


def test_a_taken_port_is_told(run: Run) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert port in told(run("serve", "--port", port))


def test_a_folder_that_cannot_be_made_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in told(run("serve", "--port", "0", "--data", "file/within"))


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [
        (["serve", "--port", "none"], {"rich", "yaml", "alembic"}),
        (["--version"], {"rich", "yaml", "alembic", "pydantic", "sqlalchemy", "starlette"}),
    ],
)
def test_nothing_is_imported_that_is_not_needed(arguments: list[str], unneeded: set[str], run: Run) -> None:
    report = run(*arguments, PYTHONPROFILEIMPORTTIME="1").stderr
    imported = {line.rpartition("|")[2].strip() for line in report.splitlines() if line.startswith("import time:")}
    assert "typer" in imported
    assert imported & unneeded == set()


def test_memory_leaves_nothing_behind(environ: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "temporary").mkdir()
    with subprocess.Popen(
        [*COMMAND, "serve", "--storage", "memory:", "--port", str(port)],
        cwd=tmp_path,
        env=environ | {"TMPDIR": str(tmp_path / "temporary")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert wait_until_ready(f"http://127.0.0.1:{port}/v2/", server) == 200
            server.terminate()
            assert server.wait(15) == 0
        finally:
            server.kill()
    assert [path.name for path in tmp_path.rglob("*")] == ["temporary"]
