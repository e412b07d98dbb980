"""The bytes of a file that settings or a secret are read from: a file, a pipe of `<(…)`, or what never ends."""

import os
import select
import stat
import time
from pathlib import Path

LARGEST = 1024 * 1024
"""Bytes of a file of settings: a thousand times what a long one has."""

PATIENCE = 10.0
"""Seconds that whoever writes into a pipe has until its end."""


def read_bounded(path: Path, patience: float, largest: int = LARGEST, kind: str = "file of settings") -> bytes:
    """All of it, `largest` bytes at most. Raises `OSError` as reading does, `ValueError` for what is larger or does not
    end within `patience` seconds, and for a pipe that says nothing.

    What writes into a pipe may have failed: nothing is no answer of it. So is a pipe that was read before, which
    must not take back what it said then."""
    # To wait for one who writes into a pipe takes a descriptor: opening it would wait for ever.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        content = _until_end(fd, patience, largest)
        if len(content) > largest:
            size = f"{largest >> 20} MiB" if largest >> 20 else f"{largest >> 10} KiB"
            raise ValueError(f"is larger than {size}, which no {kind} is")
        if not content and stat.S_ISFIFO(os.fstat(fd).st_mode):
            raise ValueError("nothing comes from the pipe: nobody writes into it, or it was read before")
        return content
    finally:
        os.close(fd)


def _until_end(fd: int, patience: float, largest: int) -> bytes:
    """All of it, or more than `largest` bytes."""
    deadline = time.monotonic() + patience
    ready = select.poll()
    ready.register(fd, select.POLLIN)
    content = b""
    while len(content) <= largest:
        left = deadline - time.monotonic()
        if left <= 0 or not ready.poll(left * 1000):
            raise ValueError(f"does not end within {patience:.0f} second{'s'[: patience != 1]}")
        try:
            piece = os.read(fd, largest + 1)
        except BlockingIOError:
            continue  # Somebody else has read it.
        if not piece:
            return content
        content += piece
    return content
