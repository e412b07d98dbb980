"""The unit of `spec/examples` forbids nothing that the registry does: what it asks of the kernel is allowed."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.test_power_cut import permitted
from tests.project.test_examples import CONFIG, UNIT
from tests.server import running

pytestmark = [
    pytest.mark.skipif(not permitted(), reason="needs strace, and leave to use it"),
    pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"),
]

AS_ROOT = {"fchown"}
"""What SQLite calls for root alone."""


def told(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.M)


def allowed() -> set[str]:
    """The names of the system calls that are left, sets of sets resolved."""
    shown = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True
    ).stdout
    sets: dict[str, list[str]] = {}
    for block in re.split(r"\n(?=@)", shown):
        name, *members = block.splitlines()
        sets[name] = [member.strip() for member in members if re.match(r"    [@\w]", member)]

    def calls(name: str) -> set[str]:
        return {call for member in sets[name] for call in calls(member)} if name.startswith("@") else {name}

    left: set[str] = set()
    for line in told("SystemCallFilter"):
        names = {call for name in line.removeprefix("~").split() for call in calls(name)}
        left = left - names if line.startswith("~") else left | names
    return left


def test_what_the_registry_asks_of_the_kernel_is_allowed(tmp_path: Path) -> None:
    log = tmp_path / "strace.log"
    data = tmp_path / "data"
    under = ["strace", "-D", "-f", "-qq", "-o", str(log)]
    kit = [sys.executable, "-m", "conformance", *("--only", "blobs/"), *("--only", "uploads_whole/")]
    kit += [*("--only", "uploads_sessions/"), *("--only", "manifests"), *("--only", "mount/"), *("--only", "delet*")]
    with running(data, "--config", str(CONFIG), "--workers", "2", under=under) as server:
        done = subprocess.run([*kit, server.url], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        server.process.send_signal(signal.SIGHUP)
        assert server.wait_for_output("all workers have the new settings", 60)
    text = log.read_text(errors="replace")
    asked = set(re.findall(r"^\d+ +(\w+)\(", text, re.M))
    assert {"openat", "fdatasync", "accept4", "execve"} <= asked, "it was looked at"
    assert asked - AS_ROOT - allowed() == set()
    families = set(re.findall(r"\bsocket(?:pair)?\((AF_\w+)", text))
    assert families <= set(told("RestrictAddressFamilies")[0].split())
    # MemoryDenyWriteExecute
    assert not re.findall(r"mmap\(.*PROT_WRITE\|PROT_EXEC|m?protect\(.*PROT_EXEC", text)
