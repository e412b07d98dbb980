"""Objects and uploads in dicts: for tests and for trying things out; all is gone when the process ends."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import ClassVar

from registry.storage.driver import (
    BLOCK,
    Appender,
    Driver,
    KeyUnknown,
    ObjectDamaged,
    Observer,
    Stat,
    State,
    UploadLocked,
    UploadLost,
)


@dataclass(frozen=True, slots=True)
class StoredObject:
    content: bytes | bytearray
    modified: float = field(default_factory=time.time)


@dataclass(slots=True)
class OpenUpload:
    content: bytearray = field(default_factory=bytearray)
    touched: float = field(default_factory=time.time)
    locked: bool = False


class MemoryDriver(Driver):
    """One process's store. Keys are names; an upload's state is its name."""

    volatile: ClassVar[bool] = False
    immediate = True
    shared: ClassVar[bool] = False

    def __init__(self) -> None:
        self._objects: dict[str, StoredObject] = {}
        self._uploads: dict[str, OpenUpload] = {}

    # Objects

    async def put(self, name: str, content: bytes) -> str:
        self._objects[name] = StoredObject(content)
        return name

    async def size(self, key: str) -> int:
        return len(self._find(key).content)

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        content = memoryview(self._find(key).content)
        end = len(content) if length is None else start + length
        if end > len(content):
            raise ObjectDamaged(f"{key} has {len(content)} bytes, not {end}")
        for position in range(start, end, BLOCK):
            yield bytes(content[position : min(position + BLOCK, end)])

    async def delete(self, key: str) -> None:
        self._objects.pop(key, None)

    async def list(self, prefix: str = "") -> AsyncIterator[Stat]:
        for key in sorted(key for key in self._objects if key.startswith(prefix)):
            if found := self._objects.get(key):  # deleted since the keys were sorted
                yield Stat(key, len(found.content), found.modified)

    # Uploads

    async def begin(self, upload: str) -> State:
        return {"upload": upload}

    async def append(self, state: State, offset: int) -> "MemoryAppender":
        upload = self._unlocked(state) or OpenUpload()
        if len(upload.content) < offset:
            raise UploadLost(f"{state['upload']} holds {len(upload.content)} bytes, not {offset}")
        self._uploads[str(state["upload"])] = upload
        del upload.content[offset:]
        return MemoryAppender(upload, state)

    async def appended(self, state: State) -> int:
        upload = self._uploads.get(str(state["upload"]))
        return len(upload.content) if upload else 0

    async def reread(self, state: State) -> AsyncIterator[bytes]:
        upload = self._uploads.get(str(state["upload"]))
        if upload is None:
            raise UploadLost(f"{state['upload']} is not there")
        for position in range(0, len(upload.content), BLOCK):
            yield bytes(upload.content[position : position + BLOCK])

    async def finish(self, state: State, name: str, size: int) -> str:
        upload = self._unlocked(state)
        if upload is None:
            return await self._finished(state, name, size)
        if len(upload.content) != size:
            raise UploadLost(f"{state['upload']} holds {len(upload.content)} bytes, not {size}")
        self._objects[name] = StoredObject(upload.content)
        await self.abort(state)
        return name

    async def abort(self, state: State) -> None:
        self._uploads.pop(str(state["upload"]), None)

    async def stale(self, before: float) -> AsyncIterator[State]:
        for name, upload in tuple(self._uploads.items()):
            if upload.touched < before:
                yield {"upload": name}

    # Below the contract

    def _find(self, key: str) -> StoredObject:
        try:
            return self._objects[key]
        except KeyError:
            raise KeyUnknown(key) from None

    def _unlocked(self, state: State) -> OpenUpload | None:
        upload = self._uploads.get(str(state["upload"]))
        if upload is not None and upload.locked:
            raise UploadLocked(str(state["upload"]))
        return upload

    async def _finished(self, state: State, name: str, size: int) -> str:
        """What `finish` answers where no bytes are held: none were appended, or an earlier call has moved them."""
        if size == 0:
            return await self.put(name, b"")
        if name in self._objects and len(self._objects[name].content) == size:
            return name
        raise UploadLost(f"{state['upload']} is not there")


class MemoryAppender(Appender):
    """Holds the upload's lock until it is closed."""

    def __init__(self, upload: OpenUpload, state: State) -> None:
        self._upload = upload
        self._state = state
        upload.locked = True
        upload.touched = time.time()

    async def write(self, block: bytes, observe: Observer) -> None:
        observe(block)
        self._upload.content += block
        self._upload.touched = time.time()

    async def close(self) -> State:
        self._upload.locked = False
        return self._state
