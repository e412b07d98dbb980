"""Claims on upload sessions: one request at a time writes to one, whatever happened to the one before.

The order is claim, read, write (spec/architecture.md#rule-5).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TypeVar

import orjson
import structlog

from registry import hashing
from registry.database.contract import Database
from registry.errors import ChunkOutOfOrder, StorageFull, Unavailable, UploadBusy, UploadUnknown
from registry.names import RepositoryName
from registry.services.uploads import rows
from registry.services.uploads.rows import CLAIM, UploadRow
from registry.storage.driver import Driver, State, UploadLocked, UploadLost
from registry.system import host

T = TypeVar("T")

log = structlog.get_logger("uploads")

PATIENCE = timedelta(seconds=3)
"""How long to wait for another request on the same session: a client that lost its connection is back before us."""


PAUSE = 0.5
"""Seconds between two tries to give back what could not be given back."""


class Claimed:
    """A session that this request alone may write to, until it is given back.

    `content`: its bytes, as long as they are few and storage has none; the hasher has seen those that storage has."""

    def __init__(self, row: UploadRow) -> None:
        self.row = row
        self.size = row.size
        self.content = row.content
        self.state: State = orjson.loads(row.state)
        in_storage = row.size > 0 and row.content is None
        self.hasher = hashing.resume(row.algorithm, row.hash) if in_storage else hashing.start(row.algorithm)
        self.given_back = False


class Claims:
    """The claims of this process, those too that it has yet to give back as the disk is or was full."""

    def __init__(self, database: Database, storage: Driver) -> None:
        self._database = database
        self._storage = storage
        self._process = host.process_id()
        self._owed: set[UploadRow] = set()
        self._retry: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def hold(
        self, name: RepositoryName, upload_id: str, patience: timedelta = PATIENCE, *, to_drop: bool = False
    ) -> AsyncIterator[Claimed]:
        """The session, for this request alone as long as the block lasts.

        `to_drop`: how many bytes it has matters to nobody: not that another request added some while this one waited,
        nor what a power cut has left of them.

        Raises `UploadUnknown`, also where its bytes turn out to be lost; `UploadBusy`, `ChunkOutOfOrder`;
        `StorageFull` for what the driver raises in the block."""
        row = await self._take(name, upload_id, patience, to_drop=to_drop)
        loop = asyncio.get_running_loop()
        renewals: set[asyncio.Task[object]] = set()
        timer: asyncio.TimerHandle

        def renew() -> None:
            nonlocal timer
            renewal: asyncio.Task[object] = loop.create_task(self.renew(row))
            renewals.add(renewal)
            renewal.add_done_callback(renewals.discard)
            timer = loop.call_later(CLAIM.total_seconds() / 4, renew)

        timer = loop.call_later(CLAIM.total_seconds() / 4, renew)
        claimed: Claimed | None = None
        try:
            claimed = Claimed(row)
            if not to_drop and self.doubtful(row):
                await self._recover(claimed)
            yield claimed
        except UploadLost:
            # Its bytes are gone: nothing can ever be added to it.
            await rows.forget(self._database, row)
            log.warning("upload lost", upload=upload_id, repository=name, size=row.size)
            raise UploadUnknown(upload_id) from None
        except UploadLocked:
            raise UploadBusy(upload_id) from None
        finally:
            timer.cancel()
            if claimed is None or not claimed.given_back:
                await self.release(row)

    async def _take(self, name: RepositoryName, upload_id: str, patience: timedelta, *, to_drop: bool) -> UploadRow:
        """Claim the session, waiting a little for a request that has it."""
        deadline = asyncio.get_running_loop().time() + patience.total_seconds()
        seen: int | None = None
        pause = 0.005
        met = await self.give_back_owed()
        if isinstance(met, StorageFull | Unavailable):
            raise met
        while True:
            row = await rows.claim(self._database, name, upload_id, self._process, to_drop=to_drop)
            if row is not None:
                if seen is not None and row.size != seen and not to_drop:
                    # The other request moved on: what this one meant to append at is no more.
                    await self.release(row)
                    raise ChunkOutOfOrder(f"the upload has {row.size} bytes by now")
                return row
            if seen is None:
                seen = (await self.row(name, upload_id)).size
            if asyncio.get_running_loop().time() >= deadline:
                raise UploadBusy(upload_id)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.1)

    async def row(self, name: RepositoryName, upload_id: str) -> UploadRow:
        """The row as it is. Raises `UploadUnknown`."""
        return await rows.find(self._database, name, upload_id)

    def doubtful(self, row: UploadRow) -> bool:
        """Whether its bytes may be lost that were never synced: the store was started anew since, as by a power cut."""
        in_storage = row.size > 0 and row.content is None
        return self._storage.volatile and in_storage and row.incarnation != self._storage.incarnation()

    async def _recover(self, claimed: Claimed) -> None:
        """Let only bytes count that are really there, hashed again: the saved hasher may vouch for lost ones."""
        size = min(claimed.size, await self._storage.appended(claimed.state))
        hasher = hashing.start(claimed.row.algorithm)
        read = 0
        if size:
            async for block in self._storage.reread(claimed.state):
                block = block[: size - read]
                await asyncio.to_thread(hasher.update, block)
                read += len(block)
        before, claimed.size, claimed.hasher = claimed.size, read, hasher
        await self.save(claimed)
        log.info("upload recovered after a reboot", upload=claimed.row.id, claimed=before, found=read)

    async def save(self, claimed: Claimed, *, last: bool = False) -> None:
        """Let the bytes count that were appended; the last thing that is done to it gives it back, too.

        Raises `UploadBusy` if the claim was lost."""
        hasher = claimed.hasher.save() if claimed.hasher and claimed.content is None else None
        state = dump(claimed.state)
        what = claimed.size, hasher, state, claimed.content, self._storage.incarnation()
        if not await rows.save(self._database, claimed.row, *what, release=last):
            raise UploadBusy(claimed.row.id)
        claimed.given_back = last

    async def forget(self, claimed: Claimed) -> None:
        """The session is no more."""
        await rows.forget(self._database, claimed.row)
        claimed.given_back = True

    async def release(self, row: UploadRow) -> None:
        """Now, or as soon as it can be: a session must not stay claimed by nobody."""
        self._owed.add(row)
        try:
            await rows.release(self._database, row)
            self._owed.discard(row)
        except BaseException as error:
            # Also where the request is cancelled just now.
            if self._retry is None or self._retry.done():
                self._retry = asyncio.create_task(self._keep_trying())
            log.warning("upload stays claimed for now", upload=row.id, reason=repr(error))
            if not isinstance(error, StorageFull | Unavailable):
                raise

    async def renew(self, row: UploadRow) -> None:
        """Keep a claim for longer, if that can be: the driver's own lock still holds where it can't."""
        with suppress(StorageFull, Unavailable):
            await rows.renew(self._database, row)

    async def give_back_owed(self) -> Exception | None:
        """Give back what is owed, each by itself; the last error that kept one of them."""
        met: Exception | None = None
        for row in tuple(self._owed):
            try:
                await rows.release(self._database, row)
                self._owed.discard(row)
            except Exception as error:
                met = error
        return met

    async def _keep_trying(self) -> None:
        """Until nothing is owed, whatever goes wrong: nobody else would try before the claim lapses."""
        told = False
        while self._owed:
            await asyncio.sleep(PAUSE)
            met = await self.give_back_owed()
            if met is not None and not isinstance(met, StorageFull | Unavailable) and not told:
                log.error("giving back uploads failed", reason=repr(met))
                told = True


def dump(state: State) -> str:
    return orjson.dumps(state).decode()


async def when_unlocked(attempt: Callable[[], Awaitable[T]]) -> T:
    """What `attempt` gives, tried again while the driver says that the upload is locked.

    A process that was killed counts as dead, and its claim as lapsed, a moment before its last thread lets go of the
    files. Raises `UploadLocked` if somebody really is at it."""
    deadline = asyncio.get_running_loop().time() + PATIENCE.total_seconds()
    while True:
        try:
            return await attempt()
        except UploadLocked:
            if asyncio.get_running_loop().time() >= deadline:
                raise
        await asyncio.sleep(0.01)
