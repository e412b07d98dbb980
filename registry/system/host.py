"""Which boot of which machine this is, and whether a process of it still lives.

What cannot be read for want of a descriptor, or for any other passing reason, is unknown: neither dead nor alive."""

import errno
import os
import uuid
from functools import cache
from pathlib import Path

NONE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM)
"""Why something of the system cannot be read by this process now or ever."""

EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""What the kernel says when the process, or the machine, has no more to give at the moment."""


@cache
def boot_id() -> str:
    """Changes with every boot: what was not synced before a change may be lost.

    Random where there is none, the same for this process and for those that it forks afterwards. Raises `OSError`
    where it cannot be told for now; whoever asked once at the start is told ever after."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError as error:
        if error.errno not in NONE:
            raise
        return str(uuid.uuid4())


def process_id() -> str:
    """This process, among all that ever ran: boot, process namespace, number and start time."""
    try:
        identity = _identity(os.getpid())
    except OSError:
        identity = None
    return identity or f"{boot_id()}/unknown/{os.getpid()}/0"


def is_dead(process: str) -> bool:
    """Whether a process named by `process_id` is known to be gone; False where that cannot be told from here."""
    return _lives(process) is False


def is_alive(process: str) -> bool:
    """Whether a process named by `process_id` is known to live; False where that cannot be told from here."""
    return _lives(process) is True


def _lives(process: str) -> bool | None:
    """None where it cannot be told."""
    boot, _, rest = process.partition("/")
    space, _, numbers = rest.partition("/")
    pid = numbers.partition("/")[0]
    try:
        if boot != boot_id() or space != _namespace() or not pid.isdecimal():
            return None
        return _identity(int(pid)) == process
    except (OSError, OverflowError):
        return None


@cache
def _namespace() -> str:
    """Raises `OSError` where it cannot be told."""
    return os.readlink("/proc/self/ns/pid")


def _identity(pid: int) -> str | None:
    """None if there is no such process. Raises `OSError` where it cannot be told."""
    try:
        # The command may hold blanks and parentheses; the fields after it never do. A zombie is dead.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        # Or only hidden, as those of other users may be.
        if _signalled(pid):
            raise
        return None
    return None if fields[0] in "ZX" else f"{boot_id()}/{_namespace()}/{pid}/{fields[19]}"


def _signalled(pid: int) -> bool:
    """Whether there is something that a signal could be sent to."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
