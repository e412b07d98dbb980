"""Objects as files in one folder: synced, renamed into place, read without blocking where the page cache has them.

    ROOT/<key>                     an object; a name given to `put` or `finish` is its key
    ROOT/_uploads/<upload>         the bytes of an upload so far
    ROOT/_uploads/put-<random>     an object on its way in

What survives a power cut is what was done in this order: the file's bytes, then its name, then the folder that holds
the name.
"""

import asyncio
import errno
import os
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import ClassVar, ParamSpec, TypeVar

import structlog

from registry.errors import OperatorError
from registry.storage.driver import (
    BLOCK,
    Appender,
    Driver,
    KeyUnknown,
    ObjectDamaged,
    Observer,
    Source,
    Stat,
    State,
    UploadLost,
)
from registry.storage.kernel import NO_ROOM, in_use, lock, modified, written
from registry.system import host
from registry.system.files import make_folder, push_out, read_cached, sync_folder, uninterrupted, unwritable, write_all
from registry.system.threads import Threads

log = structlog.get_logger("registry")

P = ParamSpec("P")
T = TypeVar("T")

PART = r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,254}"
KEY = re.compile(rf"(?=.{{1,400}}\Z){PART}(?:/{PART})*")
UPLOADS = "_uploads"

ON_THE_LOOP = 128 * 1024
"""Bytes that are hashed and written sooner than a thread would have been woken."""

PUSH_OUT = 8 * 1024 * 1024
"""Bytes after which the kernel is asked to start writing, so that the sync at the end finds little left."""


class FilesystemDriver(Driver):
    """Files below `root`. Any number of processes of one machine may use the same folder."""

    volatile: ClassVar[bool] = True
    immediate = True

    def __init__(self, root: Path, *, read_only: bool = False) -> None:
        """`read_only`: nothing will be stored, so that `open` need not find out whether it could be."""
        self.root = root.absolute()
        self._read_only = read_only
        self._root = str(self.root)
        self._uploads = self.root / UPLOADS
        self._threads = Threads(max_workers=16, thread_name_prefix="storage")
        self._folders: set[Path] = set()

    def incarnation(self) -> str:
        return host.boot_id()

    async def open(self) -> None:
        await self._thread(self._find if self._read_only else self._prepare)

    def _find(self) -> None:
        if not self.root.is_dir():
            raise OperatorError(f"there is no storage folder {self.root}")

    def _prepare(self) -> None:
        try:
            make_folder(self._uploads)
            probe = self._uploads / f"put-{secrets.token_hex(8)}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            if error.errno in NO_ROOM and self._uploads.is_dir():
                # What is there can be read and deleted, and a worker that died must be replaced.
                log.warning("the storage folder is full", folder=str(self.root), reason=error.strerror)
                return
            raise OperatorError(f"cannot write to the storage folder {self.root}: {unwritable(error)}") from error

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
            with written():
                fd = self._open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
                try:
                    write_all(fd, content, 0)
                    os.fdatasync(fd)
                finally:
                    os.close(fd)
                self._rename(temporary, target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise

    async def size(self, key: str) -> int:
        try:
            stat = os.stat(self._file(key))
        except (FileNotFoundError, NotADirectoryError):
            raise KeyUnknown(key) from None
        if not S_ISREG(stat.st_mode):
            raise KeyUnknown(key)
        return stat.st_size

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        try:
            fd = os.open(self._file(key), os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise KeyUnknown(key) from None
        try:
            stat = os.fstat(fd)
            if not S_ISREG(stat.st_mode):
                raise KeyUnknown(key)
            end = stat.st_size if length is None else start + length
            if stat.st_size < end:
                raise ObjectDamaged(f"{stat.st_size} bytes, not {end}")
            while start < end:
                try:
                    block = read_cached(fd, min(BLOCK, end - start), start)
                    if block is None:
                        block = await self._thread(os.pread, fd, min(BLOCK, end - start), start)
                except OSError as error:
                    if error.errno != errno.EIO:
                        raise
                    raise ObjectDamaged(f"{error.strerror} at {start}") from error
                if not block:
                    raise ObjectDamaged(f"{start} bytes, not {end}")
                start += len(block)
                yield block
        finally:
            os.close(fd)

    async def delete(self, key: str) -> None:
        def remove() -> None:
            path = self._path(key)
            with written(), suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
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
        fd = -1
        try:
            with written():
                fd = self._open(upload, os.O_RDWR | (os.O_CREAT if size == 0 else 0))
            lock(fd, upload)
        except (FileNotFoundError, UploadLost):
            if fd >= 0:
                os.close(fd)
            # Renamed by an earlier call whose caller died before it could remember the key; its folder may
            # not have been synced.
            if not target.is_file() or target.stat().st_size != size:
                raise UploadLost(f"{upload.name} is not there") from None
            sync_folder(target.parent)
            return
        except BaseException:
            if fd >= 0:
                os.close(fd)
            raise
        try:
            if os.fstat(fd).st_size != size:
                raise UploadLost(f"{upload.name} holds {os.fstat(fd).st_size} bytes, not {size}")
            with written():
                try:
                    os.fdatasync(fd)
                except OSError as error:
                    if error.errno == errno.EIO:
                        # A second sync would succeed without the pages that the first one could not write.
                        upload.unlink(missing_ok=True)
                        raise UploadLost(f"the disk failed to keep {upload.name}") from error
                    raise
                self._rename(upload, target)
        finally:
            os.close(fd)

    async def abort(self, state: State) -> None:
        # Unlinking a large file frees its blocks, which takes a while.
        await self._thread(self._remove, self._upload(state))

    def _remove(self, upload: Path) -> None:
        # A folder of that name is somebody else's.
        with written(), suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            upload.unlink()

    async def stale(self, before: float) -> AsyncIterator[State]:
        def old() -> list[str]:
            try:
                entries = os.scandir(self._uploads)
            except FileNotFoundError:
                return []
            with entries:
                return [entry.name for entry in entries if KEY.fullmatch(entry.name) and is_stale(entry, before)]

        for name in await self._thread(old):
            yield {"upload": name}

    # Below the contract

    def _start(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "asyncio.Future[T]":
        assert not kwargs
        return asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    async def _thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Also a call that is cancelled has ended when it says so: what its thread does never overlaps the next."""
        return await uninterrupted(self._start(function, *args, **kwargs))

    def _file(self, key: str) -> str:
        if not KEY.fullmatch(key):
            raise ValueError(f"not a key of this store: {key!r}")
        return f"{self._root}/{key}"

    def _path(self, key: str) -> Path:
        return Path(self._file(key))

    def _upload(self, state: State) -> Path:
        upload = str(state["upload"])
        self._path(upload)
        return self._uploads / upload.replace("/", ",")

    def _rename(self, source: Path, target: Path) -> None:
        """Give synced bytes their final name, and sync the folder that holds it."""
        self._folder(target.parent)
        try:
            os.rename(source, target)
        except FileNotFoundError:
            # Somebody has removed the folder since it was made.
            self._folders.clear()
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

    def _open(self, path: Path, flags: int) -> int:
        """A file in the folder of the uploads, which is made again if somebody has removed it."""
        try:
            return os.open(path, flags | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:
            if not flags & os.O_CREAT:
                raise
        make_folder(self._uploads)
        return os.open(path, flags | os.O_CLOEXEC, 0o644)

    def _lock(self, state: State, offset: int) -> int:
        path = self._upload(state)
        with written():
            try:
                fd = self._open(path, os.O_RDWR | (os.O_CREAT if offset == 0 else 0))
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
            if not KEY.fullmatch(key):
                continue  # The uploads, and what others keep in the folder: `lost+found`.
            if name.endswith("/"):
                if f"{key}/".startswith(prefix) or prefix.startswith(f"{key}/"):
                    yield from self._walk(Path(path), prefix)
            elif key.startswith(prefix):
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

    async def take(self, source: Source, observe: Observer) -> None:
        await source.pour(lambda block: self._write(block, observe))

    async def write(self, block: bytes, observe: Observer) -> None:
        if len(block) <= ON_THE_LOOP:
            self._write(block, observe)
            return
        await self._driver._thread(self._write, block, observe)

    def _write(self, block: bytes | memoryview, observe: Observer) -> None:
        observe(block)
        with written():
            write_all(self._fd, block, None)
        before, self._written = self._written, self._written + len(block)
        if before // PUSH_OUT != self._written // PUSH_OUT:
            push_out(self._fd)

    async def close(self) -> State:
        os.close(self._fd)
        return self._state


def is_stale(entry: "os.DirEntry[str]", before: float) -> bool:
    """Whether it is an upload that nobody touched since `before`; what cannot be told of one says nothing of others."""
    try:
        return entry.is_file(follow_symlinks=False) and modified(entry) < before and not in_use(entry.path)
    except OSError as error:
        log.warning("cannot tell whether an upload is old", upload=entry.name, reason=error.strerror)
        return False


def take(items: Iterator[T], most: int) -> list[T]:
    """The next `most` items."""
    return list(islice(items, most))
