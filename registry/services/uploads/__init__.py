"""Upload sessions: bytes go to storage first, then the row moves on."""

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import aclosing, suppress
from datetime import timedelta
from typing import NamedTuple
from uuid import uuid4

import orjson
import structlog

from registry import hashing
from registry.change import Change
from registry.database.contract import Database
from registry.errors import (
    ChunkOutOfOrder,
    ClientGone,
    ContentGone,
    DigestInvalid,
    SizeInvalid,
    StorageFull,
    UploadBusy,
    UploadUnknown,
)
from registry.hashing import Hasher
from registry.names import ContentRange, Digest, RepositoryName
from registry.services.blobs import Blobs
from registry.services.registry import Body, Place, Progress
from registry.services.uploads import rows
from registry.services.uploads.claims import Claimed, Claims, dump, when_unlocked
from registry.services.uploads.rows import Resting
from registry.storage.driver import Driver, State
from registry.system import clock

log = structlog.get_logger("uploads")

WHOLE = 128 * 1024
"""Bytes of a body that is hashed on the loop and stored at once, without passing through an upload."""


AT_ONCE = 100
"""Rows of old sessions that are read at once."""


class Uploads:
    """The open sessions of all repositories."""

    def __init__(self, database: Database, storage: Driver, blobs: Blobs, *, small: int) -> None:
        self._database = database
        self._small = small
        self._whole = max(WHOLE, small)
        self._storage = storage
        self._blobs = blobs
        self._claims = Claims(database, storage)
        self._clock = clock.AgeClock()

    async def start(self, name: RepositoryName, algorithm: str) -> Progress:
        """A new session, whose bytes are hashed by `algorithm` as they pass; any other one may be named at the end."""
        upload_id = str(uuid4())
        state = await self._storage.begin(upload_id)
        begun = b"" if self._small else None
        incarnation = self._storage.incarnation()
        await rows.insert(self._database, upload_id, name, algorithm, dump(state), begun, incarnation)
        return Progress(upload_id, 0)

    async def status(self, name: RepositoryName, upload_id: str) -> Progress:
        """Where to continue. Raises `UploadUnknown`."""
        row = await self._claims.row(name, upload_id)
        if self._claims.doubtful(row):
            # What the request that goes on will find, told without writing it down.
            return Progress(upload_id, min(row.size, await self._storage.appended(orjson.loads(row.state))))
        return Progress(upload_id, row.size)

    async def append(self, name: RepositoryName, upload_id: str, body: Body, place: Place) -> Progress:
        """Add the body to the end. What came of a body that was cut off counts.

        Raises `UploadUnknown`, `ChunkOutOfOrder`, `UploadBusy`, `SizeInvalid`, `StorageFull`."""
        async with self._claims.hold(name, upload_id) as claimed:
            await check(place, claimed.size, body)
            await self._receive(claimed, body, place.range, last=True)
            return Progress(upload_id, claimed.size)

    async def finish(
        self,
        change: Change,
        name: RepositoryName,
        upload_id: str,
        body: Body,
        place: Place,
        expected: Callable[[], Digest],
    ) -> Digest:
        """Add the body, check the digest that `expected` gives, and make the bytes a blob of the repository.

        A chunk out of order is refused before the digest is looked at (R-076), and the session survives every
        refusal but a digest that does not match. Raises what `append` does, what `expected` does, `DigestInvalid`;
        `ContentGone`, after which the session starts at its beginning."""
        async with self._claims.hold(name, upload_id) as claimed:
            await check(place, claimed.size, body)
            digest = expected()
            if claimed.size == 0 and body.length is not None and body.length <= self._whole:
                await self._store_whole(change, name, digest, body, claimed)
            else:
                await self._close(change, name, digest, body, place.range, claimed)
        return digest

    async def finished(self, name: RepositoryName, digest: Digest, body: Body) -> None:
        """For a client that closes a session that is no more, as the first answer to that was lost: whether the
        repository holds what it asked for, which is promised once more.

        Whose last chunk is sent again, it is read and thrown away: it is no whole blob that could be judged. Raises
        `BlobUnknown` as things are at the end, `ClientGone`."""
        await self._blobs.promise(name, digest)
        if not await body.is_empty():
            async with aclosing(body.blocks()) as blocks:
                async for _ in blocks:
                    pass
            # It may have been deleted meanwhile.
            await self._blobs.promise(name, digest)

    async def push(self, change: Change, name: RepositoryName, digest: Digest, body: Body) -> None:
        """A blob in one request, without a session (R-061). Raises `DigestInvalid`, `ContentGone`, `StorageFull`."""
        if body.length is not None and body.length <= self._whole:
            await self._store_whole(change, name, digest, body, None)
            return
        self._database.require_room()
        # No row knows of this upload: if the process dies, the sweep finds its bytes.
        state = await self._storage.begin(str(uuid4()))
        hasher = hashing.start(digest.algorithm)
        try:
            size, state, cut = await self._write(state, 0, body, hasher, None)
            if cut is not None:
                raise cut
            matches(digest, hasher.digest())
            await self._keep(change, name, digest, state, size)
        except BaseException:
            await self._storage.abort(state)
            raise

    async def cancel(self, name: RepositoryName, upload_id: str) -> None:
        """Drop the session and its bytes (R-092). Raises `UploadUnknown`, `UploadBusy`."""
        async with self._claims.hold(name, upload_id, to_drop=True) as claimed:
            await self._drop(claimed)

    async def expire(self, age: timedelta) -> int:
        """Drop sessions that nobody touched for `age`, and bytes that no session knows; how many (R-093).

        One that cannot be dropped is logged, tried again by the next call, and keeps none of the others."""
        dropped = 0
        before = self._clock.now(age) - clock.microseconds(age)
        last = (-1, "")
        while portion := await self._database.lookup_all(
            rows.EXPIRED, touched_before=before, touched_after=last[0], id_after=last[1], limit=AT_ONCE
        ):
            for row in portion:
                dropped += await self._expire(row)
            last = portion[-1][:2]
        # Bytes are written to before their row is: those that old have outlived theirs, or never had one.
        async for state in self._storage.stale(before / 1e6 - age.total_seconds()):
            try:
                await self._storage.abort(state)
                dropped += 1
            except Exception as error:
                log.warning("old bytes of an upload cannot be removed", state=dump(state), reason=reason(error))
        return dropped

    async def _expire(self, row: Resting) -> bool:
        name = RepositoryName(row.repository)
        try:
            async with self._claims.hold(name, row.id, patience=timedelta(0), to_drop=True) as claimed:
                if claimed.row.size == row.size and claimed.row.state == row.state:
                    await self._drop(claimed)
                    return True
        except (UploadUnknown, UploadBusy):
            pass
        except Exception as error:
            log.warning("an old upload cannot be dropped", upload=row.id, repository=name, reason=reason(error))
        return False

    # Below: everything happens on a claimed session.

    async def _receive(self, claimed: Claimed, body: Body, place: ContentRange | None, *, last: bool = False) -> None:
        """Append the body and let it count; of one that is cut off, what came."""
        try:
            await self._append(claimed, body, place)
        except (ClientGone, asyncio.CancelledError):
            await self._claims.save(claimed, last=True)
            raise
        await self._claims.save(claimed, last=last)

    async def _append(self, claimed: Claimed, body: Body, place: ContentRange | None) -> None:
        if body.length == 0:
            return
        end = claimed.size + place.length if place else None
        before = claimed.size
        if claimed.content is not None:
            if body.length is None or claimed.size + body.length <= self._small:
                too_much = await self._gather(claimed, body, end)
                if not too_much:
                    return
                body.put_back(too_much)
            # From now on they are many: what was in the row goes first.
            body.put_back(claimed.content)
            before = 0
        try:
            written = await self._write(claimed.state, before, body, claimed.hasher, end)
        except StorageFull:
            # Give back the space of the bytes that do not count.
            appender = await when_unlocked(lambda: self._storage.append(claimed.state, before))
            await appender.close()
            raise
        claimed.size, claimed.state, claimed.content = written.size, written.state, None
        if written.cut is not None:
            raise written.cut

    async def _gather(self, claimed: Claimed, body: Body, end: int | None) -> bytes:
        """Add the body to the session's row as long as that is small; the block that was too much, or nothing."""
        assert claimed.content is not None
        async with aclosing(body.blocks()) as blocks:
            async for block in blocks:
                if end is not None and claimed.size + len(block) > end:
                    raise longer(end)
                if claimed.size + len(block) > self._small:
                    return block
                claimed.content += block
                claimed.size += len(block)
        if end is not None and claimed.size != end:
            raise SizeInvalid("the body is shorter than its Content-Range")
        return b""

    async def _write(self, state: State, size: int, body: Body, hasher: Hasher | None, end: int | None) -> "Written":
        """Hash the rest of the body and append it at `size`, up to `end` if that is known.

        Raises `SizeInvalid`, `StorageFull`; what cut the body off is returned with what came of it."""
        observer = Counter(hasher.update if hasher else ignore, size, end)
        appender = await when_unlocked(lambda: self._storage.append(state, size))
        cut: BaseException | None = None
        try:
            await appender.take(body, observer)
        except (ClientGone, asyncio.CancelledError) as error:
            # What came is there, also where it is the registry that has to stop.
            cut = error
        finally:
            state = await appender.close()
        if cut is None and end is not None and observer.size != end:
            raise SizeInvalid("the body is shorter than its Content-Range")
        return Written(observer.size, state, cut)

    async def _store_whole(
        self, change: Change, name: RepositoryName, digest: Digest, body: Body, claimed: Claimed | None
    ) -> None:
        """A body that is small enough to be held: hashed, stored and linked without an upload."""
        try:
            content = await body.whole()
        except (ClientGone, asyncio.CancelledError):
            if claimed is not None:
                with suppress(ClientGone):
                    await self._receive(claimed, body, None, last=True)
            raise
        found = hashing.digest_of(content, digest.algorithm)
        if found != digest:
            if claimed is not None:
                await self._drop(claimed)
            raise DigestInvalid(f"the content has the digest {found}")
        await self._blobs.store(change, name, digest, content)
        if claimed is not None:
            await self._claims.forget(claimed)
            if claimed.content is None and await self._storage.appended(claimed.state):
                await self._storage.abort(claimed.state)

    async def _close(
        self,
        change: Change,
        name: RepositoryName,
        digest: Digest,
        body: Body,
        place: ContentRange | None,
        claimed: Claimed,
    ) -> None:
        if body.length != 0:
            await self._receive(claimed, body, place)
        elif claimed.content is None:
            await self._trim(claimed)
        found = await self._digest(claimed, digest.algorithm)
        if found != digest:
            await self._drop(claimed)
            raise DigestInvalid(f"the content has the digest {found}")
        if claimed.content is not None:
            await self._blobs.store(change, name, digest, claimed.content)
            await self._claims.forget(claimed)
            return
        # Also where they are known: what storage has of them may be damaged, and these are not.
        try:
            await self._keep(change, name, digest, claimed.state, claimed.size)
        except ContentGone:
            await self._restart(claimed)
            raise
        await self._claims.forget(claimed)

    async def _trim(self, claimed: Claimed) -> None:
        """Drop bytes beyond the offset: whoever wrote them died before they could count."""
        if await self._storage.appended(claimed.state) > claimed.size:
            appender = await when_unlocked(lambda: self._storage.append(claimed.state, claimed.size))
            claimed.state = await appender.close()

    async def _keep(self, change: Change, name: RepositoryName, digest: Digest, state: State, size: int) -> None:
        """Finish the upload, and make its bytes a blob. Raises `ContentGone`."""

        async def finish(wanted: str) -> str:
            return await when_unlocked(lambda: self._storage.finish(state, wanted, size))

        await self._blobs.keep(change, name, digest, size, finish)

    async def _restart(self, claimed: Claimed) -> None:
        """Let the session start at its beginning again: its bytes are gone."""
        claimed.size, claimed.content = 0, b"" if self._small else None
        claimed.state = await self._storage.begin(str(uuid4()))
        await self._claims.save(claimed, last=True)

    async def _digest(self, claimed: Claimed, algorithm: str) -> Digest:
        """The digest of all bytes: known, unless another algorithm was asked for or nothing could be saved."""
        if claimed.content is not None:
            return hashing.digest_of(claimed.content, algorithm)
        if claimed.size == 0:
            return hashing.digest_of(b"", algorithm)
        if claimed.hasher is not None and claimed.hasher.algorithm == algorithm:
            return claimed.hasher.digest()
        hasher = hashlib.new(algorithm)
        async for block in self._storage.reread(claimed.state):
            await asyncio.to_thread(hasher.update, block)
        return Digest(f"{algorithm}:{hasher.hexdigest()}")

    async def _drop(self, claimed: Claimed) -> None:
        """The row first: a crash leaves only bytes."""
        await self._claims.forget(claimed)
        await self._storage.abort(claimed.state)


class Written(NamedTuple):
    """What an upload has come to; `cut`: what cut off the body that was appended last."""

    size: int
    state: State
    cut: BaseException | None


class Counter:
    """Observes what is appended, counts it, and ends it where it is more than was announced."""

    def __init__(self, observe: Callable[[bytes | memoryview], object], size: int, end: int | None) -> None:
        self._observe = observe
        self._end = end
        self.size = size

    def __call__(self, block: bytes | memoryview) -> None:
        if self._end is not None and self.size + len(block) > self._end:
            raise longer(self._end)
        self._observe(block)
        self.size += len(block)


async def check(place: Place, size: int, body: Body) -> None:
    """Raises `ChunkOutOfOrder` for a chunk that does not start at `size`, where the upload ends (R-075).

    Nothing may be sent to any location of before; but one that says more bytes is from before some were lost."""
    if place.range is not None:
        if place.range.first != size:
            raise ChunkOutOfOrder(f"the upload has {size} bytes, the chunk starts at {place.range.first}")
    elif place.offset is not None and (place.offset > size or (place.offset < size and not await body.is_empty())):
        raise ChunkOutOfOrder(f"the upload has {size} bytes, and had {place.offset} at the location of this chunk")


def matches(expected: Digest, found: Digest) -> None:
    if expected != found:
        raise DigestInvalid(f"the content has the digest {found}")


def longer(end: int) -> SizeInvalid:
    return SizeInvalid(f"the body is longer than its Content-Range of {end} bytes")


def reason(error: Exception) -> str:
    """What the log tells of a failure: what the system said, where it was the system."""
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}"


def ignore(block: object) -> None:
    """Nothing to hash with: the bytes are read again at the end."""
