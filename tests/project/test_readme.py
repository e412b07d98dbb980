"""What the README shows is what happens: its commands are run, its table of settings is the list of settings."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from registry.settings.fields import Settings
from registry.settings.sections import by_section
from tests.server import running

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SESSIONS = re.findall(r"^### ([^\n]+)\n+```console\n(.*?)```", README, re.M | re.S)


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


class Shell:
    """One bash for all commands, as the reader has it: with variables, functions and the folder that it is in."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            ["bash", "-o", "pipefail"],
            cwd=folder,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        """The exit status, and what was printed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{{ {command}\n}} < /dev/null\necho; echo {DONE} $?\n")
        self.process.stdin.flush()
        printed = ""
        for line in self.process.stdout:
            if line.startswith(DONE):
                return int(line.split()[1]), printed.removesuffix("\n")
            printed += line
        raise AssertionError(f"the shell ended\n{printed}")

    def __enter__(self) -> "Shell":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate(timeout=20)


DONE = "=====done"


def test_commands_print_what_is_shown(tmp_path: Path) -> None:
    """All of them, from top to bottom in one shell against one registry; only clients that are missing are left out."""
    missing: set[str] = set()
    with running(tmp_path / "data") as server, Shell(tmp_path, environment(tmp_path)) as shell:
        address = server.url.removeprefix("http://")
        for _, session in SESSIONS:
            tools = {command.split()[0] for command, _ in steps(session)}
            absent = {tool for tool in tools if shutil.which(tool) is None}
            missing |= absent
            for command, printed in [] if absent else steps(session):
                status, output = shell.run(command.replace("localhost:5000", address))
                assert status == 0, f"{command}\n{output}"
                shown = output.replace(address, "localhost:5000").rstrip("\n")
                assert re.fullmatch(pattern(printed), shown, re.S), f"{command}\n{shown}"
    if missing:
        pytest.skip(f"not installed, and left out: {', '.join(sorted(missing))}")


def environment(folder: Path) -> dict[str, str]:
    """Nothing of the user's own: no settings, no images."""
    storage = folder / "storage.conf"
    places = f'graphroot = "{folder / "images"}"\nrunroot = "{folder / "run"}"\n'
    storage.write_text(f'[storage]\ndriver = "vfs"\n{places}')
    environ = {key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_")}
    path = f"{Path(sys.executable).parent}:{environ['PATH']}"
    return environ | {"PATH": path, "HOME": str(folder), "CONTAINERS_STORAGE_CONF": str(storage)}


def test_there_are_commands_to_run() -> None:
    assert len(SESSIONS) >= 5


def test_every_setting_is_in_the_table_of_its_section_as_it_is() -> None:
    told = {
        heading: re.findall(r"^\| `([a-z_]+)` \| (.*?) \| (.*?) \|$", text, re.M)
        for heading, text in re.findall(r"^### ([^\n]+)\n(.*?)(?=^##)", README, re.M | re.S)
    }
    shown = Settings().model_dump(mode="json")
    wanted: dict[str, list[tuple[str, str, str | None]]] = {}
    for section, names in by_section(Settings).items():
        wanted[section.value] = rows = []
        for name in names:
            default = str(shown[name]).lower() if isinstance(shown[name], bool) else shown[name]
            text = "" if default in (None, []) else f"`{default}`"
            rows.append((name, text, Settings.model_fields[name].description))
    assert {heading: rows for heading, rows in told.items() if rows} == wanted
    assert [heading for heading, rows in told.items() if rows] == list(wanted)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (ROOT / target).exists(), target
