"""Objects as files in one folder: synced, renamed into place, read without blocking where the page cache has them.

    ROOT/<key>                     an object; a name given to `put` or `finish` is its key
    ROOT/_uploads/<upload>         the bytes of an upload so far
    ROOT/_uploads/put-<random>     an object on its way in

What survives a power cut is what was done in this order: the file's bytes, then its name, then the folder that holds
the name.
"""

import asyncio
import ctypes
import errno
import fcntl
import os
import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, ParamSpec, TypeVar

from registry.errors import OperatorError
from registry.storage.driver import (
    BLOCK,
    Appender,
    Driver,
    KeyUnknown,
    Observer,
    Stat,
    State,
    StoreFull,
    UploadLocked,
    UploadLost,
)

P = ParamSpec("P")
T = TypeVar("T")

KEY = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9._/-]{0,399}")
UPLOADS = "_uploads"

ON_THE_LOOP = 128 * 1024
"""Bytes that are hashed and written sooner than a thread would have been woken."""

PUSH_OUT = 8 * 1024 * 1024
"""Bytes after which the kernel is asked to start writing, so that the sync at the end finds little left."""

NOWAIT = getattr(os, "RWF_NOWAIT", 0)
SYNC_FILE_RANGE_WRITE = 2


class FilesystemDriver(Driver):
    """Files below `root`. Any number of processes of one machine may use the same folder."""

    volatile: ClassVar[bool] = True

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._uploads = self.root / UPLOADS
        self._threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="storage")
        self._folders: set[Path] = set()

    async def open(self) -> None:
        def prepare() -> None:
            try:
                self._uploads.mkdir(parents=True, exist_ok=True)
                probe = self._uploads / f"put-{secrets.token_hex(8)}"
                probe.write_bytes(b"")
                probe.unlink()
            except OSError as error:
                raise OperatorError(
                    f"cannot write to the storage folder {self.root}: {error.strerror or error}"
                ) from error

        await self._thread(prepare)

    async def close(self) -> None:
        self._threads.shutdown(wait=True)

    # Objects

    async def put(self, name: str, content: bytes) -> str:
        await self._thread(self.put_now, name, content)
        return name

    def put_now(self, name: str, content: bytes) -> None:
        """`put`, for a caller that is already in a thread."""
        target = self._path(name)
        temporary = self._uploads / f"put-{secrets.token_hex(16)}"
        try:
            with full():
                fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
                try:
                    write_all(fd, content, 0)
                    os.fdatasync(fd)
                finally:
                    os.close(fd)
                self._rename(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    async def size(self, key: str) -> int:
        try:
            return os.stat(self._path(key)).st_size
        except (FileNotFoundError, NotADirectoryError):
            raise KeyUnknown(key) from None

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        try:
            fd = os.open(self._path(key), os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise KeyUnknown(key) from None
        try:
            end = os.fstat(fd).st_size if length is None else start + length
            while start < end:
                block = read_cached(fd, min(BLOCK, end - start), start)
                if block is None:
                    block = await self._thread(os.pread, fd, min(BLOCK, end - start), start)
                if not block:
                    raise OSError(errno.EIO, f"object is shorter than {end} bytes", key)
                start += len(block)
                yield block
        finally:
            os.close(fd)

    async def delete(self, key: str) -> None:
        def remove() -> None:
            path = self._path(key)
            with suppress(FileNotFoundError, NotADirectoryError):
                path.unlink()
                sync_folder(path.parent)

        await self._thread(remove)

    async def list(self, prefix: str = "") -> AsyncIterator[Stat]:
        names = self._walk(self.root, prefix)
        while page := await self._thread(take, names, 1000):
            for stat in page:
                yield stat

    # Uploads

    async def begin(self, upload: str) -> State:
        state: State = {"upload": upload}
        self._upload(state)
        return state

    async def append(self, state: State, offset: int) -> "FileAppender":
        # On the loop: an open, a lock that never waits and a stat cost less than waking a thread.
        return FileAppender(self, state, self._lock(state, offset))

    async def appended(self, state: State) -> int:
        try:
            return os.stat(self._upload(state)).st_size
        except FileNotFoundError:
            return 0

    async def reread(self, state: State) -> AsyncIterator[bytes]:
        try:
            fd = os.open(self._upload(state), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise UploadLost(str(state["upload"])) from None
        try:
            start = 0
            while block := await self._thread(os.pread, fd, 4 * BLOCK, start):
                start += len(block)
                yield block
        finally:
            os.close(fd)

    async def finish(self, state: State, name: str, size: int) -> str:
        await self._thread(self._finish, state, name, size)
        return name

    def _finish(self, state: State, name: str, size: int) -> None:
        target = self._path(name)
        upload = self._upload(state)
        try:
            fd = os.open(upload, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if size == 0 else 0), 0o644)
        except FileNotFoundError:
            # Renamed by an earlier call whose caller died before it could remember the key; its folder may
            # not have been synced.
            if not target.is_file() or target.stat().st_size != size:
                raise UploadLost(f"{upload.name} is not there") from None
            sync_folder(target.parent)
            return
        try:
            lock(fd, upload)
            if os.fstat(fd).st_size != size:
                raise UploadLost(f"{upload.name} holds {os.fstat(fd).st_size} bytes, not {size}")
            with full():
                os.fdatasync(fd)
                self._rename(upload, target)
        finally:
            os.close(fd)

    async def abort(self, state: State) -> None:
        # Unlinking a large file frees its blocks, which takes a while.
        await self._thread(self._upload(state).unlink, True)

    async def stale(self, before: float) -> AsyncIterator[State]:
        def old() -> list[str]:
            with os.scandir(self._uploads) as entries:
                return [entry.name for entry in entries if modified(entry) < before]

        for name in await self._thread(old):
            yield {"upload": name}

    # Below the contract

    def _thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "asyncio.Future[T]":
        assert not kwargs
        return asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    def _path(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise ValueError(f"not a key of this store: {key!r}")
        return self.root / key

    def _upload(self, state: State) -> Path:
        return self._uploads / self._path(str(state["upload"])).name

    def _rename(self, source: Path, target: Path) -> None:
        """Give synced bytes their final name, and sync the folder that holds it."""
        self._folder(target.parent)
        os.rename(source, target)
        sync_folder(target.parent)

    def _folder(self, folder: Path) -> None:
        """Make `folder`, synced into its parents, up to the root."""
        if folder in self._folders:
            return
        if folder != self.root:
            self._folder(folder.parent)
            folder.mkdir(exist_ok=True)
            # Also when it was there: whoever made it may not have got as far as the sync.
            sync_folder(folder.parent)
        self._folders.add(folder)

    def _lock(self, state: State, offset: int) -> int:
        path = self._upload(state)
        with full():
            try:
                fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if offset == 0 else 0), 0o644)
            except FileNotFoundError:
                raise UploadLost(f"{path.name} is not there") from None
            try:
                lock(fd, path)
                held = os.fstat(fd).st_size
                if held < offset:
                    raise UploadLost(f"{path.name} holds {held} bytes, not {offset}")
                if held > offset:
                    os.ftruncate(fd, offset)
                os.lseek(fd, offset, os.SEEK_SET)
            except BaseException:
                os.close(fd)
                raise
        return fd

    def _walk(self, folder: Path, prefix: str) -> Iterator[Stat]:
        """Objects below `folder` in byte order of their keys, in which `a-b` and `a.b` stand before `a/b`."""
        try:
            with os.scandir(folder) as entries:
                found = sorted(((e.name + "/" if e.is_dir(follow_symlinks=False) else e.name), e.path) for e in entries)
        except FileNotFoundError:
            return
        for name, path in found:
            key = os.path.relpath(path, self.root)
            if name.endswith("/"):
                if key != UPLOADS and (f"{key}/".startswith(prefix) or prefix.startswith(f"{key}/")):
                    yield from self._walk(Path(path), prefix)
            elif key.startswith(prefix) and KEY.fullmatch(key):
                with suppress(FileNotFoundError):
                    stat = os.stat(path)
                    yield Stat(key, stat.st_size, stat.st_mtime)


class FileAppender(Appender):
    """An upload's file, open and locked by `flock`, which the kernel lets go of when the process dies."""

    def __init__(self, driver: FilesystemDriver, state: State, fd: int) -> None:
        self._driver = driver
        self._state = state
        self._fd = fd
        self._written = 0
        self._pending: asyncio.Future[None] | None = None

    async def write(self, block: bytes, observe: Observer) -> None:
        if len(block) <= ON_THE_LOOP:
            self.write_now(block, observe)
            return
        self._pending = self._driver._thread(self.write_now, block, observe)
        # The thread goes on when the task is cancelled: `close` waits for it before it lets go of the file.
        await asyncio.shield(self._pending)
        self._pending = None

    def write_now(self, block: bytes | memoryview, observe: Observer) -> None:
        """`write`, for a caller that is already in a thread."""
        observe(block)
        with full():
            write_all(self._fd, block, None)
        before, self._written = self._written, self._written + len(block)
        if before // PUSH_OUT != self._written // PUSH_OUT:
            push_out(self._fd)

    async def close(self) -> State:
        try:
            while self._pending is not None:
                pending, self._pending = self._pending, None
                with suppress(Exception):
                    await asyncio.shield(pending)
        finally:
            if self._pending is None:
                os.close(self._fd)
        return self._state


def lock(fd: int, path: Path) -> None:
    """Lock the upload's file for this process, and see that it still has its name."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UploadLocked(path.name) from None
    if os.fstat(fd).st_nlink == 0:
        raise UploadLost(f"{path.name} is not there")


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


def push_out(fd: int) -> None:
    """Start writing what is dirty, without waiting; a hint, so that failing is no failure."""
    if _sync_file_range is not None:
        _sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE)


def modified(entry: "os.DirEntry[str]") -> float:
    """When the file was last written to; for ever ago counts as now if it is already gone."""
    try:
        return entry.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def take(items: Iterator[T], most: int) -> list[T]:
    """The next `most` items."""
    return [item for item, _ in zip(items, range(most), strict=False)]


@contextmanager
def full() -> Iterator[None]:
    """Say `StoreFull` for what the kernel says of a full disk or an exhausted quota."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StoreFull(error.strerror) from error
        raise


def _find_sync_file_range() -> Callable[[int, int, int, int], int] | None:
    try:
        function = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    function.restype = ctypes.c_int
    return lambda fd, start, length, flags: int(function(fd, start, length, flags))


_sync_file_range = _find_sync_file_range()
