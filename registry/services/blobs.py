"""Blobs: bytes that a repository holds. Bytes first, then the row; who asks for them is promised a time of grace."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy import join as join_tables

from registry.change import Change
from registry.database.contract import Command, Database, Query, Transaction, frees, insertion
from registry.errors import BlobDamaged, BlobUnknown, ContentGone, Unavailable
from registry.models import Blob, BlobContent, Descriptor, Repository, RepositoryBlob, table
from registry.names import Digest, RepositoryName
from registry.preconditions import Precondition
from registry.services import repositories, waiting
from registry.services.keys import (
    KNOWN,
    KeyRefused,
    choose,
    key_of,
    let_die,
    link_living,
    refuse_dying,
    refuse_old,
)
from registry.services.promises import RENEW, Promises
from registry.services.registry import HeldBlob
from registry.storage.driver import Driver, KeyUnknown, ObjectDamaged
from registry.system import clock

log = structlog.get_logger("registry")

repository, blob, member = table(Repository), table(Blob), table(RepositoryBlob)
content = table(BlobContent)
descriptor = table(Descriptor)

RENEW_AFTER = clock.microseconds(timedelta(hours=1))
"""A promise is written down again only when the last one is this old: a HEAD should not cost a commit each time."""

GRACE = clock.microseconds(timedelta(hours=24))
"""How long a promise holds for a blob that nothing refers to."""


class FoundBlob(NamedTuple):
    """A blob of a repository, and where its bytes are."""

    id: int
    repository_id: int
    digest: str
    size: int
    key: str | None
    renewed: int
    content: bytes | None = None
    """The bytes, where `Blobs.find` found a small blob."""


class StoredBlob(NamedTuple):
    """A blob of the registry, whoever holds it."""

    id: int
    size: int
    key: str | None


FOUND = (blob.c.id, member.c.repository_id, blob.c.digest, blob.c.size, blob.c.key, member.c.renewed)
HELD = (
    repository.c.name == bindparam("name"),
    blob.c.digest == bindparam("digest"),
    member.c.repository_id == repository.c.id,
    member.c.blob_id == blob.c.id,
)
FIND = Query(select(*FOUND).where(*HELD), FoundBlob)
FIND_WITH_CONTENT = Query(
    select(*FOUND, content.c.content)
    .select_from(join_tables(blob, content, content.c.blob_id == blob.c.id, isouter=True))
    .where(*HELD),
    FoundBlob,
)
STORED = Query(select(blob.c.id, blob.c.size, blob.c.key).where(blob.c.digest == bindparam("digest")), StoredBlob)
HOLDER = Query(select(member.c.repository_id).where(member.c.blob_id == bindparam("blob_id")).limit(1), int)
INSERT = insertion(Blob)
CONTENT = Query(select(content.c.content).where(content.c.blob_id == bindparam("blob_id")), bytes)
INSERT_CONTENT = insertion(BlobContent)
DELETE_CONTENT = Command(delete(content).where(content.c.blob_id == bindparam("blob_id")))
NAME = Query(select(repository.c.name).where(repository.c.id == bindparam("id")), str)
REFERRED = Query(
    select(descriptor.c.manifest_id)
    .where(descriptor.c.blob_id == bindparam("blob_id"), descriptor.c.repository_id == bindparam("repository_id"))
    .limit(1),
    int,
)
MOVE = Command(update(blob).where(blob.c.id == bindparam("id")).values(key=bindparam("key"), size=bindparam("size")))
LINK = insertion(RepositoryBlob)
UNLINK = Command(
    delete(member).where(member.c.repository_id == bindparam("repository_id"), member.c.blob_id == bindparam("blob_id"))
)


class Blobs:
    """The blobs of all repositories."""

    def __init__(self, database: Database, storage: Driver, *, small: int, read_only: bool) -> None:
        self._database = database
        self._storage = storage
        self._small = small
        self._read_only = read_only
        self._promises = Promises(database)

    async def find(self, name: RepositoryName, digest: Digest) -> FoundBlob:
        """With the content of a small one. Raises `BlobUnknown` for what the repository does not hold (R-032)."""
        found = await self._database.lookup(FIND_WITH_CONTENT, name=name, digest=digest)
        if found is None:
            raise BlobUnknown(digest)
        return found

    async def promise(self, name: RepositoryName, digest: Digest) -> FoundBlob:
        """The blob, for a client that will rely on its being there: it won't be garbage for a while.

        The promise is written down behind the answer. Only what may be garbage by now is not there without: what
        nothing refers to, and was promised to nobody for long. Raises `BlobUnknown`."""
        found = await self._database.lookup(FIND, name=name, digest=digest)
        if found is None:
            raise BlobUnknown(digest)
        age = clock.now() - found.renewed
        if age > RENEW_AFTER and not self._read_only:
            promised = (found.repository_id, found.id)
            if age <= GRACE or await self._is_referred_to(found):
                self._promises.later(promised)
            elif not await self._promises.now(promised) and not await self._is_referred_to(found):
                raise BlobUnknown(digest)
        return found

    async def _is_referred_to(self, found: FoundBlob) -> bool:
        """Whether a manifest of the repository refers to it: also one that was not told that it came."""
        here = found.repository_id
        if await self._database.lookup(REFERRED, repository_id=here, blob_id=found.id) is not None:
            return True
        return await self._database.lookup(waiting.ANY_FOR_BLOB, repository_id=here, digest=found.digest) is not None

    def read(self, found: HeldBlob, start: int, length: int) -> bytes | AsyncGenerator[bytes, None]:
        """`length` bytes from `start` on of what `find` found: at once, or in blocks.

        The first block raises `BlobDamaged` if storage does not have them all, and `Unavailable`."""
        assert isinstance(found, FoundBlob)
        if found.content is not None and len(found.content) == found.size:
            return found.content[start : start + length]
        return self._blocks(found, start, length)

    async def check(self, found: HeldBlob) -> None:
        """See that all of it is there to be read. Raises `BlobDamaged`, `Unavailable`."""
        blocks = self.read(found, found.size, 0)
        if not isinstance(blocks, bytes):
            async with aclosing(blocks):
                await anext(blocks, b"")

    async def _blocks(self, found: FoundBlob, start: int, length: int) -> AsyncGenerator[bytes, None]:
        try:
            if found.key is None:
                raise KeyUnknown("no row has it")
            async with aclosing(self._storage.read(found.key, start, length)) as blocks:
                async for block in blocks:
                    yield block
        except (KeyUnknown, ObjectDamaged) as error:
            await self._tell(found, "the content of a blob is missing or damaged", error)
            raise BlobDamaged(found.digest) from None
        except OSError as error:
            await self._tell(found, "the content of a blob cannot be read", error)
            raise Unavailable("the content of the blob cannot be read") from None

    async def _tell(self, found: FoundBlob, what: str, error: Exception) -> None:
        name = await self._database.lookup(NAME, id=found.repository_id)
        log.error(what, digest=found.digest, repository=name, key=found.key, reason=str(error))

    async def mount(self, change: Change, name: RepositoryName, digest: Digest, source: RepositoryName | None) -> bool:
        """Make a blob of `source`, or of any repository, one of `name` too; False if there is none (R-100)."""
        linked = await self._database.run(mount, change, name, digest, source)
        if linked is None:
            return False
        await self._tell_the_others(change, name, digest, linked)
        return True

    async def remove(self, change: Change, name: RepositoryName, digest: Digest, condition: Precondition) -> None:
        """Take the blob from the repository; its bytes are garbage if no other one holds it.

        Raises `BlobUnknown`, `PreconditionFailed`."""
        await self._database.run(unlink, change, name, digest, condition)

    async def store(self, change: Change, name: RepositoryName, digest: Digest, content: bytes) -> None:
        """Store bytes that have this digest and that came whole, and make them a blob of the repository.

        Also where they are known: what storage has of them may be damaged, and these are not. Raises `ContentGone`
        where two keys, one after the other, began to die meanwhile."""
        if len(content) <= self._small:
            change = change.completed()
            more_wait = await self._database.run(add_small, change, name, digest, content)
            await self._tell_the_others(change, name, digest, more_wait)
            return
        self._database.require_room()
        try:
            await self.keep(change, name, digest, len(content), lambda wanted: self._storage.put(wanted, content))
        except ContentGone:
            # Here is the whole of it, still: under another key.
            await self.keep(change, name, digest, len(content), lambda wanted: self._storage.put(wanted, content))

    async def keep(
        self, change: Change, name: RepositoryName, digest: Digest, size: int, finish: Callable[[str], Awaitable[str]]
    ) -> None:
        """Let storage finish bytes that have this digest, by `finish`, which is given the key to ask for and returns
        the one they have; and make them a blob of the repository.

        Raises `ContentGone` where that key began to die meanwhile."""
        chosen = await self._database.now()
        known = await self._database.lookup(KNOWN, digest=digest, key=key_of(digest))
        assert known is not None
        key = await finish(choose(digest, known))
        change = change.completed()
        try:
            more_wait = await self._database.run(add_stored, change, name, digest, size, key, chosen)
        except KeyRefused:
            log.info("content was pushed to a key that is being deleted", key=key)
            raise ContentGone from None
        await self._tell_the_others(change, name, digest, more_wait)

    async def _tell_the_others(self, change: Change, name: RepositoryName, digest: Digest, more_wait: bool) -> None:
        """Those that wait for a blob that has come, as long as there are more, in transactions of their own."""
        while more_wait:
            more_wait = await self._database.run(tell_more, change, name, digest)


# Whoever links a blob says whether more descriptors may wait for it than it has told.


def mount(
    tx: Transaction, change: Change, name: RepositoryName, digest: Digest, source: RepositoryName | None
) -> bool | None:
    """None: there is no such blob."""
    known = tx.first(STORED, digest=digest)
    if known is None:
        return None
    if tx.first(FIND, name=name, digest=digest) is None:
        # Bytes that nobody holds are on their way to the collector.
        if source is None and tx.first(HOLDER, blob_id=known.id) is None:
            return None
        if source is not None and tx.first(FIND, name=source, digest=digest) is None:
            return None
    return link(tx, change, name, digest, known.id)


def add_stored(
    tx: Transaction, change: Change, name: RepositoryName, digest: Digest, size: int, key: str, chosen: int
) -> bool:
    """Make bytes that storage has, under a key that was chosen at that time, a blob of the repository.

    Raises `KeyRefused`, always where the key has died since: its row is written before the dying keys are looked at."""
    refuse_old(tx, key, chosen)
    known = tx.first(STORED, digest=digest)
    if known is None:
        blob_id = insert(tx, change, digest, size, key)
        repository_id = repositories.ensure(tx, change, name)
        link_living(tx, repository_id, blob_id, key, change.at)
        return waiting.blob_came(tx, repository_id, digest, blob_id)
    if (known.key, known.size) != (key, size):
        move(tx, known, key, size)
        refuse_dying(tx, key)
    return link(tx, change, name, digest, known.id)


def add_small(tx: Transaction, change: Change, name: RepositoryName, digest: Digest, content: bytes) -> bool:
    """Make a small blob, bytes and all, one of the repository's."""
    known = tx.first(STORED, digest=digest)
    if known is None:
        blob_id = insert(tx, change, digest, len(content), None)
        tx.execute(INSERT_CONTENT, blob_id=blob_id, content=content)
        return insert_and_link(tx, change, name, digest, blob_id)
    if (known.key, known.size) != (None, len(content)):
        # Whether storage still has it need not be asked: here is the whole of it.
        move(tx, known, None, len(content))
    if tx.first(CONTENT, blob_id=known.id) != content:
        tx.execute(DELETE_CONTENT, blob_id=known.id)
        tx.execute(INSERT_CONTENT, blob_id=known.id, content=content)
    return link(tx, change, name, digest, known.id)


def move(tx: Transaction, known: StoredBlob, key: str | None, size: int) -> None:
    """Other bytes for a blob, which were just verified: those that it had may be damaged, or not be there."""
    tx.execute(MOVE, id=known.id, key=key, size=size)
    if known.key is None:
        tx.execute(DELETE_CONTENT, blob_id=known.id)
    elif known.key != key:
        let_die(tx, known.key)


def insert(tx: Transaction, change: Change, digest: Digest, size: int, key: str | None) -> int:
    """The row of a blob that the registry has not had so far."""
    return tx.insert(INSERT, digest=digest, size=size, key=key, created=change.at)


def insert_and_link(tx: Transaction, change: Change, name: RepositoryName, digest: Digest, blob_id: int) -> bool:
    """Make a blob that nobody had so far one of the repository's."""
    repository_id = repositories.ensure(tx, change, name)
    tx.execute(LINK, repository_id=repository_id, blob_id=blob_id, renewed=change.at)
    return waiting.blob_came(tx, repository_id, digest, blob_id)


def link(tx: Transaction, change: Change, name: RepositoryName, digest: Digest, blob_id: int) -> bool:
    """Make a blob that there is one of the repository's, or renew the promise that it is."""
    repository_id = repositories.ensure(tx, change, name)
    if tx.execute(RENEW, repository_id=repository_id, blob_id=blob_id, renewed=change.at) == 0:
        tx.execute(LINK, repository_id=repository_id, blob_id=blob_id, renewed=change.at)
    return waiting.blob_came(tx, repository_id, digest, blob_id)


def tell_more(tx: Transaction, change: Change, name: RepositoryName, digest: Digest) -> bool:
    """Unless the blob was deleted meanwhile."""
    found = tx.first(FIND, name=name, digest=digest)
    return found is not None and waiting.blob_came(tx, found.repository_id, digest, found.id)


@frees
def unlink(tx: Transaction, change: Change, name: RepositoryName, digest: Digest, condition: Precondition) -> None:
    found = tx.first(FIND, name=name, digest=digest)
    if found is None:
        raise BlobUnknown(digest)
    condition.check(found.digest)
    tx.execute(UNLINK, repository_id=found.repository_id, blob_id=found.id)
