"""Small file systems, and what fills them up."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import RawIOBase
from pathlib import Path

import pytest

PAGE = 4096


class Disk:
    """A small file system, and files on it that take up what is left."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._filler = root / "filler"
        self._names = root / "names"

    def leave(self, free: int) -> None:
        """Fill it up but for so many bytes, rounded down to pages."""
        self.clear()
        with self._filler.open("wb", buffering=0) as filler:
            while takes(filler, bytes(64 * PAGE)):
                pass
            filler.truncate(max(filler.tell() - free // PAGE * PAGE, 0))

    def leave_no_names(self) -> None:
        """Make files until there can be no more."""
        self._names.mkdir(exist_ok=True)
        for number in range(1_000_000):
            try:
                (self._names / str(number)).touch()
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    return
                raise

    def clear(self) -> None:
        self._filler.unlink(missing_ok=True)
        if self._names.exists():
            for name in self._names.iterdir():
                name.unlink()


def takes(file: RawIOBase, block: bytes) -> bool:
    try:
        return file.write(block) == len(block)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return False
        raise


@contextmanager
def small_disk(root: Path, options: str) -> Iterator[Disk]:
    """Mounted for the length of a block; skips the test where that is not permitted."""
    root.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(root)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")
    try:
        yield Disk(root)
    finally:
        subprocess.run(["umount", str(root)], check=True)


def free(disk: Disk) -> int:
    status = os.statvfs(disk.root)
    return status.f_bavail * status.f_frsize
