"""What `spec/examples` offers to be copied: it is complete, and it works."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
import yaml

from registry.settings.fields import Settings
from registry.settings.loading import load
from registry.settings.sections import by_section
from registry.settings.units import SECOND
from tests.server import running

EXAMPLES = Path(__file__).parents[2] / "spec" / "examples"
CONFIG, UNIT = EXAMPLES / "config.yaml", EXAMPLES / "holdfast.service"


def unit() -> configparser.SectionProxy:
    """What the unit says of the service; of a key that is there twice, the last."""
    parsed = configparser.RawConfigParser(strict=False)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read_string(UNIT.read_text())
    return parsed["Service"]


def test_the_file_of_settings_has_each_one_with_its_default() -> None:
    text = CONFIG.read_text()
    paragraphs = re.findall(r"^# (.*)\n(?:\n|([a-z_]+): .*$)", text, re.M)
    wanted = []
    for section, names in by_section(Settings).items():
        wanted += [(section.value, ""), *((Settings.model_fields[name].description, name) for name in names)]
    assert paragraphs[1:] == wanted  # behind those that say what the file is
    assert yaml.safe_load(text) == Settings().model_dump(mode="json")
    assert load({"config": CONFIG}, {}).settings == Settings()


def test_a_server_starts_with_the_file_of_settings(data: Path) -> None:
    with running(data, "--config", str(CONFIG)) as server:
        assert httpx.get(f"{server.url}/v2/").status_code == 200


def test_the_unit_starts_what_the_file_is_for() -> None:
    command = unit()["ExecStart"].split()
    assert command[:2] == ["/opt/holdfast/bin/registry", "serve"]
    flags = dict(zip(command[2::2], command[3::2], strict=True))
    assert flags == {"--config": "/etc/holdfast/config.yaml", "--data": f"/var/lib/{unit()['StateDirectory']}"}
    assert (
        load({"config": CONFIG, "data": flags["--data"]}, {}).settings.storage_url == "file:///var/lib/holdfast/blobs"
    )


def test_the_unit_waits_for_running_requests_and_stops_only_the_first_process() -> None:
    assert int(unit()["TimeoutStopSec"]) * SECOND >= Settings().drain_timeout + 10 * SECOND
    assert unit()["KillMode"] == "mixed"
    assert unit()["ExecReload"] == "/bin/kill -HUP $MAINPID"


def test_systemd_has_nothing_against_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    installed = tmp_path / UNIT.name
    # It looks whether the program is there.
    installed.write_text(UNIT.read_text().replace("/opt/holdfast/bin/registry", "/bin/true"))
    for question in (["verify", "--man=no"], ["security", "--no-pager", "--offline=true", "--threshold=20"]):
        done = subprocess.run(
            ["systemd-analyze", *question, str(installed)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert UNIT.name not in done.stderr, done.stderr


def test_examples_are_named_by_the_page() -> None:
    page = (EXAMPLES.parent / "operation.md").read_text()
    assert {f"examples/{path.name}" for path in EXAMPLES.iterdir() if path.is_file()} == set(
        re.findall(r"\]\((examples/[^)]+)\)", page)
    )
