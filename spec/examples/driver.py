"""A storage driver to start from: objects and uploads are files in a folder, and every call does its work at once.

It keeps the whole contract of `registry.storage.driver`, and nothing of it is quick: whoever waits for the disk keeps
the others waiting. In an empty folder, with this file on PYTHONPATH, `registry-conformance driver driver:factory`
tests it.
"""

import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, ClassVar

from registry.storage.driver import (
    BLOCK,
    Appender,
    Driver,
    KeyUnknown,
    ObjectDamaged,
    Observer,
    Stat,
    State,
    UploadLost,
)
from registry.storage.kernel import written
from registry.system.files import make_folder, sync_folder, write_all

NO_FILE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class FolderDriver(Driver):
    """`objects/<key>` below a folder, and `uploads/<upload>` until it is finished."""

    volatile: ClassVar[bool] = True  # what was appended is synced by `finish` and not before

    def __init__(self, root: Path) -> None:
        self._objects = root.absolute() / "objects"
        self._uploads = root.absolute() / "uploads"

    async def open(self) -> None:
        make_folder(self._objects)
        make_folder(self._uploads)

    async def put(self, name: str, content: bytes) -> str:
        state = await self.begin(f"put-{secrets.token_hex(16)}")
        try:
            with written():
                self._upload(state).write_bytes(content)
            return await self.finish(state, name, len(content))
        except BaseException:
            await self.abort(state)
            raise

    async def size(self, key: str) -> int:
        if (size := size_of(self._objects / key)) is None:
            raise KeyUnknown(key)
        return size

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        try:
            file = (self._objects / key).open("rb")
        except NO_FILE:
            raise KeyUnknown(key) from None
        with file:
            size = os.fstat(file.fileno()).st_size
            end = size if length is None else start + length
            if end > size:
                raise ObjectDamaged(f"{size} bytes, not {end}")
            while block := os.pread(file.fileno(), min(BLOCK, end - start), start):
                start += len(block)
                yield block

    async def delete(self, key: str) -> None:
        with written(), suppress(*NO_FILE):
            (self._objects / key).unlink()
            sync_folder((self._objects / key).parent)

    async def list(self, prefix: str = "") -> AsyncIterator[Stat]:
        for key, stat in files(self._objects):
            if key.startswith(prefix):
                yield Stat(key, stat.st_size, stat.st_mtime)

    async def begin(self, upload: str) -> State:
        return {"upload": upload}

    async def append(self, state: State, offset: int) -> "FolderAppender":
        upload = self._upload(state)
        if await self.appended(state) < offset:
            raise UploadLost(f"{upload.name} has no {offset} bytes")
        with written():
            upload.parent.mkdir(parents=True, exist_ok=True)
            upload.touch()
            os.truncate(upload, offset)
            return FolderAppender(upload.open("ab"), state)

    async def appended(self, state: State) -> int:
        return size_of(self._upload(state)) or 0

    async def reread(self, state: State) -> AsyncIterator[bytes]:
        try:
            file = self._upload(state).open("rb")
        except NO_FILE:
            raise UploadLost(str(state["upload"])) from None
        with file:
            while block := file.read(BLOCK):
                yield block

    async def finish(self, state: State, name: str, size: int) -> str:
        upload, target = self._upload(state), self._objects / name
        if size == 0 and size_of(upload) is None:
            await (await self.append(state, 0)).close()
        found = size_of(upload)
        # Without a file, an earlier call may have renamed it, and its process died before it could say so.
        if size != (size_of(target) if found is None else found):
            raise UploadLost(f"{upload.name} has no {size} bytes")
        with written():
            if found is not None:
                with upload.open("rb") as file:
                    os.fdatasync(file.fileno())
                target.parent.mkdir(parents=True, exist_ok=True)
                upload.rename(target)
            for folder in target.parents[: name.count("/") + 1]:
                sync_folder(folder)
        return name

    async def abort(self, state: State) -> None:
        with written(), suppress(*NO_FILE):
            self._upload(state).unlink()

    async def stale(self, before: float) -> AsyncIterator[State]:
        for upload, stat in files(self._uploads):
            if stat.st_mtime < before:
                yield {"upload": upload}

    def _upload(self, state: State) -> Path:
        return self._uploads / str(state["upload"])


class FolderAppender(Appender):
    """The file of an upload, written at its end."""

    def __init__(self, file: BinaryIO, state: State) -> None:
        self._file = file
        self._state = state

    async def write(self, block: bytes, observe: Observer) -> None:
        observe(block)
        with written():
            write_all(self._file.fileno(), block, None)

    async def close(self) -> State:
        self._file.close()
        return self._state


def size_of(path: Path) -> int | None:
    """None where there is no such file."""
    with suppress(*NO_FILE):
        stat = path.stat()
        return stat.st_size if S_ISREG(stat.st_mode) else None
    return None


def files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Those below it by their paths, in byte order."""
    for path in sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()):
        with suppress(*NO_FILE):
            yield path, (folder / path).stat()


def factory(name: str) -> FolderDriver:
    """For the conformance suite: a store for each name, below the folder in which it is run."""
    return FolderDriver(Path("stores") / name)
