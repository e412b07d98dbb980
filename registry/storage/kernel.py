"""What the kernel says of files: whether they can be written, who has locked them, when they were touched."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from registry.errors import StorageFull, Unavailable
from registry.storage.driver import UploadLocked, UploadLost

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_LEAVE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOTDIR)


def lock(fd: int, path: Path) -> None:
    """Lock the upload's file for this process, and see that it still has its name."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UploadLocked(path.name) from None
    with suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(fd), os.stat(path)):
            return
    raise UploadLost(f"{path.name} is not there")  # finished or aborted since it was opened


def in_use(path: str) -> bool:
    """Whether a request is at the upload, however slow its client is; also if it is already gone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def modified(entry: "os.DirEntry[str]") -> float:
    """When the file was last written to; for ever ago counts as now if it is already gone."""
    try:
        return entry.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


@contextmanager
def written() -> Iterator[None]:
    """Say what it means where the kernel does not write: `StorageFull`, or `Unavailable` for a disk that fails."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFull from error
        if error.errno in NO_LEAVE:
            raise Unavailable("the storage cannot be written to", headers={"retry-after": "5"}) from error
        raise
