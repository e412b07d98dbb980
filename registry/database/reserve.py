"""Room that is kept for making room: on a full disk uploads expire, what is deleted goes, and a start succeeds."""

import os
import time
from contextlib import suppress
from pathlib import Path

FOLDER = "reserve"
"""Beside the databases."""

FILES = 6
"""As many as a start makes, the logs of two databases and their indexes, and two more: disks run out of names, too."""

SIZE = 1024 * 1024
"""Bytes of each."""

REST = 3.0
"""Seconds for which nothing is kept again, once it was given: that would take it from who needed it."""


class Reserve:
    """Files that hold nothing, beside the databases that they are kept for; of all processes together."""

    def __init__(self, beside: Path) -> None:
        self._folder = beside / FOLDER
        self._files = [self._folder / str(number) for number in range(FILES)]
        self._ends = str(self._files[0]), str(self._files[-1])
        """The first that is given, and the last that is kept again."""

    def release(self) -> bool:
        """Give the room to whoever asks next; whether there was any."""
        given = False
        for file in self._files:
            with suppress(OSError):
                file.unlink()
                given = True
        return given

    def is_given(self) -> bool:
        """Whether somebody was given it, and there is no room to keep it again: what there is must not go to others."""
        try:
            if all(map(os.path.exists, self._ends)):
                return False
            left = os.statvfs(self._folder.parent)
        except OSError:
            return False
        return left.f_bavail * left.f_frsize < FILES * SIZE or (left.f_files > 0 and left.f_favail < FILES)

    def keep(self, *, at_once: bool = False) -> None:
        """Keep as much of it as there is room for; `at_once`: whoever was given it last is done."""
        try:
            if not self._folder.exists():
                self._folder.mkdir()
            elif self._whole() or not (at_once or self._has_rested()):
                return
        except OSError:
            return
        for file in self._files:
            if not self._kept(file):
                return

    def _has_rested(self) -> bool:
        """Whether it was given long enough ago, by whichever process: that only the folder's time tells them all.

        A time to come is that of a clock which was put back since: then nobody knows, and it counts as long ago."""
        return not 0 <= time.time() - self._folder.stat().st_mtime <= REST

    def _whole(self) -> bool:
        return all(file.exists() and file.stat().st_size == SIZE for file in self._files)

    def _kept(self, file: Path) -> bool:
        try:
            fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            os.posix_fallocate(fd, 0, SIZE)
        except OSError:
            # Not a part of it either: somebody may need just that.
            with suppress(OSError):
                file.unlink()
            return False
        finally:
            os.close(fd)
        return True
