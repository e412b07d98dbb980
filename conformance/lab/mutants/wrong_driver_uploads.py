"""Storage drivers that go wrong with uploads."""

import asyncio
import os
from collections.abc import AsyncIterator

from conformance.lab.mutants.wrong_drivers import wrong
from registry.storage.driver import BLOCK, Appender, KeyUnknown, Observer, Stat, State, UploadLost
from registry.storage.filesystem import FileAppender, FilesystemDriver
from registry.storage.memory import MemoryAppender, MemoryDriver, OpenUpload, StoredObject


class Wrapped(Appender):
    """An appender around another one, to be made wrong."""

    def __init__(self, appender: Appender) -> None:
        self.appender = appender

    async def write(self, block: bytes, observe: Observer) -> None:
        await self.appender.write(block, observe)

    async def close(self) -> State:
        return await self.appender.close()


@wrong
class AppendAfterFinish(MemoryDriver):
    """An upload that was finished can be appended to, and the object grows."""

    async def finish(self, state: State, name: str, size: int) -> str:
        upload = self._unlocked(state)
        if upload is not None and len(upload.content) == size:
            self._objects[name] = StoredObject(upload.content)
            return name
        return await super().finish(state, name, size)


@wrong
class FinishIgnoresSize(MemoryDriver):
    """Finish takes what is there, whatever its size."""

    async def finish(self, state: State, name: str, size: int) -> str:
        upload = self._unlocked(state)
        return await super().finish(state, name, len(upload.content) if upload else size)


@wrong
class FinishOnce(MemoryDriver):
    """Finish cannot be repeated."""

    async def _finished(self, state: State, name: str, size: int) -> str:
        if size == 0:
            return await self.put(name, b"")
        raise UploadLost(name)


@wrong
class FinishRefusesExisting(MemoryDriver):
    """An object that exists cannot be finished onto."""

    async def finish(self, state: State, name: str, size: int) -> str:
        if name in self._objects and self._unlocked(state) is not None:
            raise FileExistsError(name)
        return await super().finish(state, name, size)


@wrong
class FinishNeedsBytes(MemoryDriver):
    """An upload of no bytes cannot be finished."""

    async def finish(self, state: State, name: str, size: int) -> str:
        if size == 0:
            raise UploadLost(name)
        return await super().finish(state, name, size)


@wrong
class FinishesNothing(MemoryDriver):
    """What was never appended to is finished as if it had been."""

    async def _finished(self, state: State, name: str, size: int) -> str:
        return name if name in self._objects else await self.put(name, bytes(size))


@wrong
class FinishCopies(FilesystemDriver):
    """Finish reads the upload and puts what it read."""

    async def finish(self, state: State, name: str, size: int) -> str:
        if await self.appended(state) == size and size:
            content = b"".join([block async for block in self.reread(state)])
            await self.put(name, content)
        return await super().finish(state, name, size)


@wrong
class FinishInPlace(MemoryDriver):
    """Finish may be met half done: the upload is gone, the object not yet there."""

    async def finish(self, state: State, name: str, size: int) -> str:
        upload = self._unlocked(state)
        if upload is not None and len(upload.content) == size:
            await self.abort(state)
            await asyncio.sleep(0.002)
            self._objects[name] = StoredObject(upload.content)
            return name
        return await super().finish(state, name, size)


@wrong
class OffsetIgnored(MemoryDriver):
    """Bytes beyond the offset are not dropped."""

    async def append(self, state: State, offset: int) -> MemoryAppender:
        upload = self._unlocked(state)
        return await super().append(state, len(upload.content) if upload and offset < len(upload.content) else offset)


@wrong
class GapsAreFilled(MemoryDriver):
    """An offset beyond the end is filled with zeros."""

    async def append(self, state: State, offset: int) -> MemoryAppender:
        upload = self._unlocked(state) or self._uploads.setdefault(str(state["upload"]), OpenUpload())
        upload.content.extend(bytes(max(0, offset - len(upload.content))))
        return await super().append(state, offset)


@wrong
class NoLock(MemoryDriver):
    """Two may append to one upload."""

    def _unlocked(self, state: State) -> OpenUpload | None:
        return self._uploads.get(str(state["upload"]))


@wrong
class LockKeptByRefusal(MemoryDriver):
    """A refused append keeps the upload's lock."""

    async def append(self, state: State, offset: int) -> MemoryAppender:
        try:
            return await super().append(state, offset)
        except UploadLost:
            if upload := self._uploads.get(str(state["upload"])):
                upload.locked = True
            raise


@wrong
class LockKeptByCancelling(MemoryDriver):
    """An append that is cancelled keeps the upload's lock."""

    async def append(self, state: State, offset: int) -> MemoryAppender:
        appender = await super().append(state, offset)
        await asyncio.sleep(0.0005)
        return appender


@wrong
class LockKeptByAClose(MemoryDriver):
    """Closing after a write that failed keeps the upload's lock."""

    async def append(self, state: State, offset: int) -> Appender:  # type: ignore[override]
        class Closing(Wrapped):
            failed = False

            async def write(self, block: bytes, observe: Observer) -> None:
                try:
                    await self.appender.write(block, observe)
                except BaseException:
                    self.failed = True
                    raise

            async def close(self) -> State:
                return state if self.failed else await self.appender.close()

        return Closing(await super().append(state, offset))


@wrong
class UploadsShareABuffer(MemoryDriver):
    """Uploads are told apart by the last part of their names alone."""

    async def begin(self, upload: str) -> State:
        return {"upload": upload.rpartition("/")[2]}


@wrong
class OneUploadAtATime(MemoryDriver):
    """All uploads that are open share one buffer."""

    async def begin(self, upload: str) -> State:
        busy = any(found.locked for found in self._uploads.values())
        return {"upload": next(iter(self._uploads)) if busy else upload}


@wrong
class StateIsNotJson(MemoryDriver):
    """The state holds bytes."""

    async def begin(self, upload: str) -> State:
        return {"upload": upload, "hash": b"\0"}


@wrong
class StateIsHuge(MemoryDriver):
    """The state grows past its limit."""

    async def begin(self, upload: str) -> State:
        return {"upload": upload, "parts": ["x" * 80] * 1000}


@wrong
class ObserverIsToldTwice(MemoryDriver):
    """The observer is told of each block twice."""

    async def append(self, state: State, offset: int) -> Appender:  # type: ignore[override]
        class Twice(Wrapped):
            async def write(self, block: bytes, observe: Observer) -> None:
                observe(block)
                await self.appender.write(block, observe)

        return Twice(await super().append(state, offset))


@wrong
class LargeBlocksAreCut(MemoryDriver):
    """A write keeps half a mebibyte of its block at most."""

    async def append(self, state: State, offset: int) -> Appender:  # type: ignore[override]
        class Cut(Wrapped):
            async def write(self, block: bytes, observe: Observer) -> None:
                await self.appender.write(block[: 512 * 1024], lambda _: observe(block))

        return Cut(await super().append(state, offset))


@wrong
class AppendedLags(MemoryDriver):
    """Appended tells what was there before the last chunk."""

    async def appended(self, state: State) -> int:
        return max(0, await super().appended(state) - 1)


@wrong
class FailedObserverCounts(MemoryDriver):
    """A block whose observer failed spoils the upload."""

    async def append(self, state: State, offset: int) -> Appender:  # type: ignore[override]
        uploads = self._uploads

        class Spoiling(Wrapped):
            async def write(self, block: bytes, observe: Observer) -> None:
                try:
                    await self.appender.write(block, observe)
                except Exception:
                    del uploads[str(state["upload"])].content[:]
                    raise

        return Spoiling(await super().append(state, offset))


@wrong
class CancelledWriteLandsLater(MemoryDriver):
    """A write that was cancelled lands where the next one has begun."""

    async def append(self, state: State, offset: int) -> Appender:  # type: ignore[override]
        content = (await self._touched(state)).content

        class Late(Wrapped):
            async def write(self, block: bytes, observe: Observer) -> None:
                late = asyncio.get_running_loop().call_later(0.001, content.extend, block[:1])
                await asyncio.sleep(0)
                late.cancel()
                await self.appender.write(block, observe)

        return Late(await super().append(state, offset))

    async def _touched(self, state: State) -> OpenUpload:
        return self._uploads.setdefault(str(state["upload"]), OpenUpload())


@wrong
class AbortDoesNothing(MemoryDriver):
    """Abort keeps the bytes."""

    async def abort(self, state: State) -> None:
        upload = self._uploads.get(str(state["upload"]))
        if upload is not None and any(found.content is upload.content for found in self._objects.values()):
            await super().abort(state)


@wrong
class AbortRaisesOnMissing(MemoryDriver):
    """Aborting what is not there is an error."""

    async def abort(self, state: State) -> None:
        if str(state["upload"]) not in self._uploads:
            raise KeyUnknown(str(state["upload"]))
        await super().abort(state)


@wrong
class AbortTakesTheObject(MemoryDriver):
    """Aborting after finish removes the object."""

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[str, str] = {}

    async def finish(self, state: State, name: str, size: int) -> str:
        key = await super().finish(state, name, size)
        self._names[str(state["upload"])] = key
        return key

    async def abort(self, state: State) -> None:
        await super().abort(state)
        self._objects.pop(self._names.get(str(state["upload"]), ""), None)


@wrong
class RereadMissesTheTail(MemoryDriver):
    """Reread ends at the last whole block."""

    async def reread(self, state: State) -> AsyncIterator[bytes]:
        async for block in super().reread(state):
            yield block if len(block) == BLOCK else block[:-1]


@wrong
class UploadsAreListed(MemoryDriver):
    """Uploads that are not finished are listed as objects."""

    async def list(self, prefix: str = "") -> AsyncIterator[Stat]:
        async for stat in super().list(prefix):
            yield stat
        for name, upload in self._uploads.items():
            if f"uploads/{name}".startswith(prefix):
                yield Stat(f"uploads/{name}", len(upload.content), upload.touched)


@wrong
class StaleIgnoresTime(MemoryDriver):
    """Every upload is stale."""

    async def stale(self, before: float) -> AsyncIterator[State]:
        async for state in super().stale(10_000_000_000.0):
            yield state


@wrong
class StaleKnowsTheBeginningOnly(MemoryDriver):
    """Appending does not make an upload younger."""

    async def append(self, state: State, offset: int) -> Appender:  # type: ignore[override]
        upload = self._uploads.get(str(state["upload"]))
        touched = upload.touched if upload else None
        appender = await super().append(state, offset)
        uploads = self._uploads

        class Untouching(Wrapped):
            async def close(self) -> State:
                if touched is not None:
                    uploads[str(state["upload"])].touched = touched
                return await self.appender.close()

        return Untouching(appender)


@wrong
class StaleIsEmpty(MemoryDriver):
    """No upload is ever stale."""

    async def stale(self, before: float) -> AsyncIterator[State]:
        nothing: list[State] = []
        for state in nothing:
            yield state


@wrong
class UploadsStayInTheProcess(FilesystemDriver):
    """Other processes do not find what this one has appended."""

    async def begin(self, upload: str) -> State:
        return await super().begin(upload) | {"process": os.getpid()}

    async def append(self, state: State, offset: int) -> FileAppender:
        if state["process"] != os.getpid():
            raise UploadLost("another process has it")
        return await super().append(state, offset)


@wrong
class AppendsPastTheState(FilesystemDriver):
    """An append goes on where the file ends, not where the state says."""

    async def append(self, state: State, offset: int) -> FileAppender:
        return await super().append(state, max(offset, await self.appended(state)))
