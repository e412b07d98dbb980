"""What the README shows is what happens: its commands are run, its table of settings is the list of settings."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from registry.config import Settings
from tests.server import running

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SESSIONS = re.findall(r"^### (.+?)\n.*?```console\n(.*?)```", README, re.M | re.S)


def steps(session: str) -> list[tuple[str, str]]:
    """Commands and what they print."""
    found: list[tuple[str, str]] = []
    for line in session.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif found and found[-1][0].endswith("\\"):
            found[-1] = (found[-1][0][:-1] + line.strip(), "")
        else:
            command, printed = found[-1]
            found[-1] = (command, printed + line + "\n")
    return found


def pattern(printed: str) -> str:
    """`…` stands for anything, on one line or, alone on a line, over several."""
    parts = [re.escape(part) for part in printed.rstrip("\n").split("…")]
    return ".*".join(parts)


@pytest.mark.parametrize(("title", "session"), SESSIONS, ids=[title for title, _ in SESSIONS])
def test_commands_print_what_is_shown(title: str, session: str, tmp_path: Path) -> None:
    tools = {command.split()[0] for command, _ in steps(session)} - {"registry"}
    missing = sorted(tool for tool in tools if shutil.which(tool) is None)
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    folder = Path(sys.executable).parent
    with running(tmp_path / "data") as server:
        address = server.url.removeprefix("http://")
        environ = {key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_")}
        environ |= {"PATH": f"{folder}:{environ['PATH']}", "HOME": str(tmp_path)}
        for command, printed in steps(session):
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-c", command.replace("localhost:5000", address)],
                cwd=tmp_path,
                env=environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}"
            shown = done.stdout.replace(address, "localhost:5000").rstrip("\n")
            assert re.fullmatch(pattern(printed), shown, re.S), f"{command}\n{shown}"


def test_there_are_commands_to_run() -> None:
    assert len(SESSIONS) >= 4


def test_every_setting_is_in_the_table_as_it_is() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| (.*?) \| (.*?) \|$", README, re.M)
    shown = Settings().model_dump(mode="json")
    wanted = []
    for name, field in Settings.model_fields.items():
        default = shown[name]
        if isinstance(default, bool):
            default = "true" if default else "false"
        text = "" if default in (None, []) else f"`{default}`"
        wanted.append((name, text, field.description))
    assert rows == wanted


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (ROOT / target).exists(), target
