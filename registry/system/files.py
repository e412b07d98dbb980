"""What files need to survive a power cut, and not to hold up a loop: below the standard library's level."""

import asyncio
import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

NOWAIT = getattr(os, "RWF_NOWAIT", 0)
SYNC_FILE_RANGE_WRITE = 2


def write_all(fd: int, block: bytes | memoryview, offset: int | None) -> None:
    """Write the whole block, at `offset` or at the file's position."""
    view = memoryview(block)
    while view:
        if offset is None:
            written = os.write(fd, view)
        else:
            written = os.pwrite(fd, view, offset)
            offset += written
        view = view[written:]


def read_cached(fd: int, length: int, offset: int) -> bytes | None:
    """What the page cache has of the file at `offset`, without waiting for a disk; None where it has nothing."""
    if not NOWAIT:
        return None
    buffer = bytearray(length)
    try:
        read = os.preadv(fd, [buffer], offset, NOWAIT)
    except (BlockingIOError, OSError) as error:
        if error.errno in (errno.EAGAIN, errno.EOPNOTSUPP):
            return None
        raise
    return bytes(memoryview(buffer)[:read]) if read else None


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path) -> None:
    """Make the folder and those above it, under names that survive a power cut."""
    made = [each for each in (folder, *folder.parents) if not os.path.exists(each)]
    folder.mkdir(parents=True, exist_ok=True)
    for each in made:
        sync_folder(each.parent)


def unwritable(error: OSError) -> str:
    """Why a folder cannot be made or written to, and what to do."""
    match error.errno:
        case errno.EEXIST | errno.ENOTDIR:
            return "what has that name is no folder; choose another --data"
        case errno.EACCES | errno.EPERM:
            return "Permission denied; choose another --data, or let it belong to the user that this runs as"
        case errno.ENAMETOOLONG:
            return "the name is too long; choose another --data"
        case errno.ELOOP:
            return "a symbolic link leads nowhere; choose another --data"
        case errno.EROFS:
            return "Read-only file system; serve it with --read-only, or choose another --data"
    return str(error.strerror or error)


def push_out(fd: int) -> None:
    """Start writing what is dirty, without waiting; a hint, so that failing is no failure."""
    if _sync_file_range is not None:
        _sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE)


async def uninterrupted(work: "asyncio.Future[T]") -> T:
    """The result of `work`; a cancellation is passed on only after `work` has ended."""
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        work.exception()  # nobody is left to be told
        raise cancelled
    return work.result()


def _find_sync_file_range() -> Callable[[int, int, int, int], int] | None:
    try:
        function = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    function.restype = ctypes.c_int
    return lambda fd, start, length, flags: int(function(fd, start, length, flags))


_sync_file_range = _find_sync_file_range()
