"""Sections, secrets and lists of records on the command line."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from registry.settings.fields import Settings
from registry.settings.sections import Section, by_section
from tests.cli.conftest import Run, told

PROGRAM = """
import typer
from registry.cli import fail
from registry.cli.config import Format, shown
from registry.cli.flags import given, settings_flags
from registry.errors import OperatorError
from registry.settings.loading import load
from tests.example_settings import Example

app = typer.Typer()

@app.command()
@settings_flags(model=Example)
def show(ctx: typer.Context, **flags: object) -> None:
    try:
        print(shown(load(given(ctx, Example), model=Example), Format.TEXT))
    except OperatorError as error:
        fail(str(error))

app()
"""


@pytest.fixture
def example(tmp_path: Path, environ: dict[str, str]) -> Run:
    """Shows settings with secrets and records, of which `registry` has none, as `registry config show` does."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", PROGRAM, *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environ | variables, capture_output=True, text=True, timeout=30, check=False
        )

    return run


def panels(shown: str) -> dict[str, list[str]]:
    """The flags in each panel of a help."""
    return {
        title: re.findall(r"^│ (--[a-z-]+)", body, re.M)
        for title, body in re.findall(r"^╭─ ([A-Z][\w ]*) ─+╮\n(.*?)^╰", shown, re.M | re.S)
    }


@pytest.mark.spec("SETTING-9")
def test_help_has_a_panel_for_each_section(run: Run) -> None:
    wanted = {
        section.value: ["--" + name.replace("_", "-") for name in names]
        for section, names in by_section(Settings).items()
    }
    for command in ("serve", "config show"):
        shown = panels(run(*command.split(), "--help").stdout)
        own = shown.pop("Options")
        assert own[-1] == "--help"
        assert "--config" in own
        assert shown == wanted
        assert list(shown) == [section.value for section in Section]
    assert panels(run("db", "upgrade", "--help").stdout)["Storage"] == ["--data", "--database"]


@pytest.mark.spec("SETTING-9")
@pytest.mark.parametrize("form", ["text", "yaml"])
def test_what_is_shown_has_a_heading_for_each_section(form: str, run: Run) -> None:
    paragraphs = run("config", "show", "--format", form, "--workers", "1").stdout.rstrip("\n").split("\n\n")
    shown = {}
    for paragraph in paragraphs:
        heading, *lines = paragraph.splitlines()
        shown[heading] = [re.split(r":| ", line.removeprefix("# "))[0] for line in lines]
    assert shown == {f"# {section.value}": names for section, names in by_section(Settings).items()}


@pytest.mark.spec("SETTING-10", "SETTING-11")
def test_help_offers_the_file_of_a_secret_and_no_records(example: Run) -> None:
    shown = example("--help").stdout
    assert "--password-file  " in shown
    assert "Password [of the proxy]. Read from this file." in shown
    assert not re.search(r"--password[ ,]|--endpoints", shown)
    assert panels(shown)["Network"][-2:] == ["--password-file", "--signing-key-file"]


@pytest.mark.spec("SETTING-11")
def test_a_secret_is_read_from_the_file_that_a_flag_names(example: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    finished = example("--password-file", "secret")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert re.search(r"^password +\*{10} +flag --password-file$", finished.stdout, re.M)
    assert "hunter2" not in finished.stdout


@pytest.mark.spec("SETTING-10", "SETTING-11", "SETTING-12")
def test_no_flag_has_a_secret_or_records(example: Run) -> None:
    message = told(example("--password", "hunter2", "--endpoints", "hunter2"))
    assert message.split("; ") == [
        "password (flag --password): everybody sees a command line: give --password-file, or the variable or key of it",
        "endpoints (flag --endpoints): is a list of records, which only the file can hold",
    ]
