"""Storage drivers with one deliberate fault each: how they are declared, and those that go wrong with objects."""

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from registry.storage.driver import BLOCK, Driver, KeyUnknown
from registry.storage.filesystem import FilesystemDriver
from registry.storage.memory import MemoryDriver, StoredObject

FOLDER = "CONFORMANCE_MUTANTS"
"""The environment variable with the folder in which the file drivers lie: another process must find them too."""

Wrong = TypeVar("Wrong", bound=type[Driver])


class WrongDriver(NamedTuple):
    """A fault, and what makes the driver that has it for a store of some name."""

    fault: str
    make: Callable[[str], Driver]


WRONG: dict[str, WrongDriver] = {}


def wrong(driver: Wrong) -> Wrong:
    """Make a driver's class a mutant. Its docstring says the fault."""

    def make(name: str) -> Driver:
        if issubclass(driver, FilesystemDriver):
            return driver(Path(os.environ.get(FOLDER, tempfile.gettempdir())) / driver.__name__ / name)
        return driver()

    assert driver.__doc__
    assert driver.__name__ not in WRONG
    WRONG[driver.__name__] = WrongDriver(driver.__doc__.strip().split("\n")[0], make)
    return driver


# Reading


@wrong
class LastByteLost(MemoryDriver):
    """A read ends before the last byte."""

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        left = (await self.size(key) - start if length is None else length) - 1
        async for block in super().read(key, start, length):
            if block[:left]:
                yield block[:left]
            left -= len(block)


@wrong
class StartIgnored(MemoryDriver):
    """A read from the middle begins at the start."""

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        async for block in super().read(key, 0, length):
            yield block


@wrong
class LengthOffByOne(MemoryDriver):
    """A read of no bytes yields one."""

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        if length == 0 and start < await self.size(key):
            length = 1
        async for block in super().read(key, start, length):
            yield block


@wrong
class EmptyBlockAtTheEnd(MemoryDriver):
    """A read ends with a block of no bytes."""

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        async for block in super().read(key, start, length):
            yield block
        yield b""


@wrong
class ReadsClamp(MemoryDriver):
    """A read of more than there is ends without a word."""

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        if length is not None:
            length = max(0, min(length, await self.size(key) - start))
        async for block in super().read(key, start, length):
            yield block


@wrong
class BlocksTooLarge(MemoryDriver):
    """A read yields everything in one block."""

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        yield b"".join([block async for block in super().read(key, start, length)])


@wrong
class StaleRead(MemoryDriver):
    """What was read once is still served after it was deleted."""

    def __init__(self) -> None:
        super().__init__()
        self._cache: dict[str, bytes] = {}

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        if key not in self._cache:
            self._cache[key] = bytes(self._find(key).content)
        content = self._cache[key]
        end = len(content) if length is None else start + length
        if end > len(content):
            raise ValueError(key)
        for position in range(start, end, BLOCK):
            yield content[position : min(position + BLOCK, end)]


@wrong
class DeletedWhileReadEndsShort(MemoryDriver):
    """A read of what is deleted meanwhile ends as if that were all."""

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        async for block in super().read(key, start, length):
            if key not in self._objects:
                return
            yield block


@wrong
class ReadersSeeTheNext(MemoryDriver):
    """A read that meets a second put fails."""

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        first = self._find(key)
        async for block in super().read(key, start, length):
            if self._objects.get(key) is not first:
                raise OSError("changed while it was read")
            yield block


@wrong
class ReadsByOffsetShared(MemoryDriver):
    """Two reads at once share one position."""

    def __init__(self) -> None:
        super().__init__()
        self._position = 0

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        content = self._find(key).content
        self._position, end = start, len(content) if length is None else start + length
        if end > len(content):
            raise ValueError(key)
        while self._position < end:
            at = self._position
            await asyncio.sleep(0)
            self._position = at + BLOCK
            yield bytes(content[at : min(at + BLOCK, end)])


@wrong
class ReadersLeak(FilesystemDriver):
    """A read never closes its file."""

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        with suppress(OSError):  # a race for the file is not what is wrong here
            os.open(self._path(key), os.O_RDONLY)
        async for block in super().read(key, start, length):
            yield block


@wrong
class EarlyLeaversBreakIt(MemoryDriver):
    """Who stops reading early leaves the object locked."""

    def __init__(self) -> None:
        super().__init__()
        self._reading: set[str] = set()

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        if key in self._reading:
            raise OSError("busy")
        async for block in super().read(key, start, length):
            self._reading.add(key)
            yield block
        self._reading.discard(key)


# Putting and deleting


@wrong
class EmptyObjectsAreNotKept(MemoryDriver):
    """An object of no bytes is not there."""

    def _find(self, key: str) -> StoredObject:
        found = super()._find(key)
        if not found.content:
            raise KeyUnknown(key)
        return found


@wrong
class UnknownIsEmpty(MemoryDriver):
    """What is not there is an empty object."""

    def _find(self, key: str) -> StoredObject:
        return self._objects.get(key) or StoredObject(b"")


@wrong
class FoldersAreObjects(MemoryDriver):
    """The folder of an object is an empty object."""

    def _find(self, key: str) -> StoredObject:
        if any(name.startswith(f"{key}/") for name in self._objects):
            return StoredObject(b"")
        return super()._find(key)


@wrong
class ReadsUnknownAsNothing(MemoryDriver):
    """A read of no bytes of what is not there succeeds."""

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        if length == 0 and key not in self._objects:
            return
        async for block in super().read(key, start, length):
            yield block


@wrong
class KeepsTheOld(MemoryDriver):
    """A put onto a key that exists keeps what is there."""

    async def put(self, name: str, content: bytes) -> str:
        return name if name in self._objects else await super().put(name, content)


@wrong
class DeleteDoesNothing(MemoryDriver):
    """Delete does nothing."""

    async def delete(self, key: str) -> None:
        return


@wrong
class DeleteTakesSiblings(MemoryDriver):
    """Delete removes every key that begins so."""

    async def delete(self, key: str) -> None:
        for name in [name for name in self._objects if name.startswith(key)]:
            del self._objects[name]


@wrong
class DeleteRaisesOnMissing(MemoryDriver):
    """Deleting what is not there is an error."""

    async def delete(self, key: str) -> None:
        self._find(key)
        await super().delete(key)


@wrong
class DeleteIsLate(MemoryDriver):
    """What was deleted is seen a moment longer."""

    async def delete(self, key: str) -> None:
        asyncio.get_running_loop().call_later(0.05, self._objects.pop, key, None)


@wrong
class PutInParts(MemoryDriver):
    """A reader sees an object while it is put."""

    async def put(self, name: str, content: bytes) -> str:
        for end in range(0, len(content), 1024 * 1024):
            self._objects[name] = StoredObject(content[:end])
            await asyncio.sleep(0)
        return await super().put(name, content)


@wrong
class PutAgainFails(MemoryDriver):
    """A second put of the same content is refused."""

    async def put(self, name: str, content: bytes) -> str:
        if name in self._objects:
            raise FileExistsError(name)
        return await super().put(name, content)


@wrong
class PutAfterDeleteIsLost(MemoryDriver):
    """What was deleted cannot be put again: a tombstone stays."""

    def __init__(self) -> None:
        super().__init__()
        self._deleted: set[str] = set()

    async def put(self, name: str, content: bytes) -> str:
        return name if name in self._deleted else await super().put(name, content)

    async def delete(self, key: str) -> None:
        self._deleted.add(key)
        await super().delete(key)


@wrong
class NamesAreCut(MemoryDriver):
    """Only the first 255 characters of a name count."""

    async def put(self, name: str, content: bytes) -> str:
        if len(name) > 255:
            raise OSError("file name too long")
        return await super().put(name, content)


@wrong
class NamesAreFolded(MemoryDriver):
    """Slashes become hyphens, so that two names are one object."""

    async def put(self, name: str, content: bytes) -> str:
        return await super().put(name.replace("/", "-"), content)


@wrong
class OneCharacterIsNoName(MemoryDriver):
    """A name of one character is refused."""

    async def put(self, name: str, content: bytes) -> str:
        if len(name) == 1:
            raise ValueError(name)
        return await super().put(name, content)


@wrong
class CancelledPutGoesOn(MemoryDriver):
    """A put that was cancelled stores its object later."""

    async def put(self, name: str, content: bytes) -> str:
        late = asyncio.get_running_loop().call_later(0.02, self._objects.__setitem__, name, StoredObject(content))
        await asyncio.sleep(0.002)
        late.cancel()
        return await super().put(name, content)


@wrong
class OneAtATime(MemoryDriver):
    """Two puts at once: the second is refused."""

    def __init__(self) -> None:
        super().__init__()
        self._busy = False

    async def put(self, name: str, content: bytes) -> str:
        if self._busy:
            raise OSError("busy")
        self._busy = True
        try:
            await asyncio.sleep(0)
            return await super().put(name, content)
        finally:
            self._busy = False


@wrong
class BufferedPut(FilesystemDriver):
    """A put is acknowledged while the bytes are still in the process."""

    async def put(self, name: str, content: bytes) -> str:
        asyncio.get_running_loop().call_later(0.05, self.put_now, name, content)
        return name
