"""The servers that are measured: those of the user by their URLs, known ones started here."""

import contextlib
import http.client
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from conformance.bench import peers
from conformance.bench.content import Target
from conformance.bench.errors import BenchError
from conformance.bench.peers import Peer, workers

IN_MEMORY = {"tmpfs", "ramfs"}
PER_SECOND = 1_500_000_000
"""Bytes that the fastest peer may store in a second of a sample, on a disk that takes as many."""

BESIDE = 1_000_000_000
"""Bytes of what a sample needs besides: its content, logs and databases."""


class Wanted(NamedTuple):
    """A server to measure: at the user's URL, or, without one, the peer of that name, started here."""

    name: str
    url: str = ""


class Running(NamedTuple):
    """A server that answers. What is None is not known, as it was not started here."""

    name: str
    target: Target
    pid: int | None = None
    start_seconds: float | None = None


PEERS: dict[str, Peer] = {
    "holdfast-1": workers(1),
    "holdfast-2": workers(2),
    **{name: peer for name, peer in peers.PEERS.items() if name != "holdfast"},
}
"""Those that can be started here."""


def missing(name: str) -> str:
    """Why a known peer cannot be started; empty if it can."""
    return peers.missing(PEERS[name])


def require(wanted: Wanted) -> None:
    """Raises `BenchError` if it cannot be measured."""
    if wanted.url:
        answering(wanted)
    elif wanted.name not in PEERS:
        raise BenchError(f"{wanted.name} is not a server known here: choose from {', '.join(PEERS)}, or give a URL")
    elif reason := missing(wanted.name):
        raise BenchError(reason)


def version(wanted: Wanted) -> str:
    """What it says it is."""
    if not wanted.url:
        return peers.version(PEERS[wanted.name])
    _, headers, _ = Target(wanted.url).ask("GET", "/v2/")
    return headers.get("Server", "")


def answering(wanted: Wanted) -> Running:
    """The user's server, if it lets us in."""
    target = Target(wanted.url)
    try:
        status, _, _ = target.ask("GET", "/v2/")
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BenchError(f"{target.url} does not answer ({reason}): is the registry started?") from None
    if status == 401:
        raise BenchError(f"{target.url} asks who you are: give it as {target.url.replace('://', '://user:password@')}")
    if status != 200:
        raise BenchError(f"{target.url} is not a registry: GET /v2/ answered {status}")
    return Running(wanted.name, target)


@contextlib.contextmanager
def running(wanted: Wanted, folder: Path) -> Iterator[Running]:
    """The server, for the length of a block; a peer with its data in a folder below that one."""
    if wanted.url:
        yield answering(wanted)
        return
    with contextlib.ExitStack() as stack:
        try:
            it = stack.enter_context(peers.started(PEERS[wanted.name], folder))
        except (RuntimeError, OSError) as error:
            raise BenchError(f"{error}; start it by hand to see why") from None
        yield Running(wanted.name, Target(it.url), it.pid, it.seconds)


def disk_folder() -> Path:
    """Where the data of peers go: a folder for temporary files that is on a disk."""
    for folder in (Path(tempfile.gettempdir()), Path("/var/tmp"), Path.home()):  # noqa: S108  (only as a parent)
        if folder.is_dir() and os.access(folder, os.W_OK) and file_system(folder) not in IN_MEMORY:
            return folder
    raise BenchError("every folder for temporary files is in memory: set TMPDIR to one on a disk")


def file_system(folder: Path) -> str:
    """The type of the file system that a folder is on; empty where the system does not tell."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return ""
    resolved = folder.resolve()
    around = [(len(fields[1]), fields[2]) for fields in mounts if resolved.is_relative_to(fields[1])]
    return max(around, default=(0, ""), key=lambda found: found[0])[1]


def require_space(folder: Path, seconds: float) -> None:
    """Raises `BenchError` where a sample of so many seconds could fill the disk."""
    found = os.statvfs(folder)
    left, needed = found.f_bavail * found.f_frsize, int(BESIDE + PER_SECOND * seconds)
    if left < needed:
        raise BenchError(
            f"{folder} has {left / 10**9:.1f} GB left, and a sample of {seconds:g} s may need {needed / 10**9:.1f}: "
            "set TMPDIR to a folder on a disk that has more"
        )
