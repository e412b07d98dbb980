"""What all commands share: help, version, completion and mistakes."""

import shutil
import subprocess
from pathlib import Path

import pytest

from registry import __version__
from registry.settings.fields import Settings
from tests.cli.conftest import COMMAND, Run, told

COMMANDS = ["", "serve", "config", "config show", "db", "db upgrade", "db current", "openapi"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_examples(command: str, run: Run) -> None:
    finished = run(*command.split(), "--help")
    assert (finished.returncode, finished.stderr) == (0, "")
    example = finished.stdout.split("Examples:")[1]
    assert f"registry {command}".strip() in example


def test_help_names_every_command(run: Run) -> None:
    shown = run("--help").stdout
    assert [name for name in ("serve", "config", "db", "openapi") if f" {name} " not in shown] == []


def test_help_of_serve_shows_every_setting_with_its_default(run: Run) -> None:
    shown = " ".join(run("serve", "--help", COLUMNS="250").stdout.split())
    for name, field in Settings.model_fields.items():
        flag = name.replace("_", "-")
        assert f"--{flag} " in shown
        assert (f"--no-{flag} " in shown) == (field.annotation is bool)
        assert str(field.description) in shown
    for default in ("5000", "1d", "4MiB", "30s", "registry-data", "delete", "no-read-only"):
        assert f"[default: {default}]" in shown


@pytest.mark.parametrize("command", ["", "config", "db"])
def test_a_group_alone_shows_its_help(command: str, run: Run) -> None:
    finished = run(*command.split())
    assert finished.returncode == 2
    assert "Usage: registry" in finished.stdout + finished.stderr


@pytest.mark.parametrize("command", ["", "serve", "db current"])
def test_short_help(command: str, run: Run) -> None:
    assert run(*command.split(), "-h").stdout == run(*command.split(), "--help").stdout


@pytest.mark.parametrize("command", ["--help", "config show", "openapi", "db upgrade"])
def test_what_cannot_be_printed_is_told(command: str, tmp_path: Path, environ: dict[str, str]) -> None:
    with open("/dev/full", "w") as full:
        finished = subprocess.run(
            [*COMMAND, *command.split()], cwd=tmp_path, env=environ, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert finished.returncode == 1
    assert finished.stderr == "registry: error: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize("command", ["--help", "config show", "openapi", "db current"])
def test_closed_output_is_told(command: str, tmp_path: Path, environ: dict[str, str]) -> None:
    shell = ["sh", "-c", '"$@" >&-', "sh", *COMMAND, *command.split()]
    finished = subprocess.run(shell, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True)
    assert finished.returncode == 1
    assert finished.stderr == "registry: error: cannot write to standard output: it is closed\n"


def test_version(run: Run) -> None:
    finished = run("--version")
    assert (finished.returncode, finished.stdout) == (0, f"holdfast {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["serv"], "Did you mean 'serve'?"),
        (["serve", "--prot", "1"], "--port"),
        (["serve", "extra"], "unexpected extra argument"),
        (["config", "show", "--format", "xml"], "'xml' is not one of"),
    ],
)
def test_usage_errors(arguments: list[str], hint: str, run: Run) -> None:
    finished = run(*arguments)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert hint in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("command", ["serve", "config show", "db upgrade", "db current"])
def test_a_wrong_setting_is_told_in_one_line(command: str, run: Run, tmp_path: Path) -> None:
    message = told(run(*command.split(), "--data", "", REGISTRY_PROT="1"))
    assert message == (
        "prot (environment REGISTRY_PROT): unknown setting, did you mean REGISTRY_PORT?; "
        "data (flag --data): '' is empty: leave it out to have the default"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["upgrade", "current"])
def test_memory_keeps_no_database(command: str, run: Run, tmp_path: Path) -> None:
    message = told(run("db", command, REGISTRY_STORAGE="memory:"))
    assert message == "storage (environment REGISTRY_STORAGE): a registry in memory keeps no database"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("shell", "sign"), [("bash", "complete -o"), ("zsh", "#compdef"), ("fish", "complete --command")]
)
def test_completion_script(shell: str, sign: str, run: Run, tmp_path: Path) -> None:
    finished = run("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert sign in finished.stdout
    assert "_REGISTRY_COMPLETE" in finished.stdout
    if shutil.which(shell):
        script = tmp_path / "completion"
        script.write_text(finished.stdout)
        subprocess.run([shell, "-n", script], check=True)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("registry ", {"serve", "config", "db", "openapi"}),
        ("registry db ", {"upgrade", "current"}),
        ("registry serve --log-", {"--log-format", "--log-requests"}),
        ("registry serve --log-format ", {"text", "json"}),
    ],
)
def test_completion(line: str, offered: set[str], run: Run) -> None:
    words = str(len(line.split(" ")) - 1)
    finished = run(_REGISTRY_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=words)
    assert set(finished.stdout.split()) == offered
