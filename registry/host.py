"""Which boot of which machine this is, and whether a process of it still lives."""

import os
import uuid
from functools import cache
from pathlib import Path


@cache
def boot_id() -> str:
    """Changes with every boot: what was not synced before a change may be lost. Random where there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(uuid.uuid4())


def process_id() -> str:
    """This process, among all that ever ran: boot, process namespace, number and start time."""
    return _identity(os.getpid()) or f"{boot_id()}/unknown/{os.getpid()}/0"


def is_dead(process: str) -> bool:
    """Whether a process named by `process_id` is known to be gone; False where that cannot be told from here."""
    boot, _, rest = process.partition("/")
    space, _, numbers = rest.partition("/")
    pid = numbers.partition("/")[0]
    if boot != boot_id() or space == "unknown" or space != _namespace() or not pid.isdigit():
        return False
    return _identity(int(pid)) != process


def is_alive(process: str) -> bool:
    """Whether a process named by `process_id` is known to live; False where that cannot be told from here."""
    pid = process.rsplit("/", 2)[-2]
    return pid.isdigit() and _identity(int(pid)) == process


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return "unknown"


def _identity(pid: int) -> str | None:
    try:
        # The command may hold blanks and parentheses; the fields after it never do. A zombie is dead.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{boot_id()}/{_namespace()}/{pid}/{fields[19]}"
