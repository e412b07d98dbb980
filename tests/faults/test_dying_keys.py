"""A key that is being deleted is never used again, in whichever order a push and a collector come to it.

There is no collector yet. The one that stands in here does what any has to: it takes the row away and lets the key die
in one transaction, deletes the bytes, and forgets the key once it has been dying for long enough.
"""

import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import bindparam, delete, select, update

from registry.change import Change
from registry.database import migrations
from registry.database.contract import Command, P, Query, T, Transaction, Work
from registry.database.sqlite import DurableSqlite, UnsyncedSqlite
from registry.errors import ChunkOutOfOrder, ContentGone
from registry.models import Blob, DyingKey, RepositoryBlob, table
from registry.names import Digest, RepositoryName
from registry.preconditions import NO_PRECONDITION
from registry.services import blobs
from registry.services.blobs import Blobs
from registry.services.keys import LIFE, Known, choose, key_of, let_die
from registry.services.registry import Place
from registry.services.uploads import Uploads
from registry.settings.loading import load
from registry.storage import driver
from registry.storage.filesystem import FilesystemDriver
from registry.system import clock
from tests.faults.orders import Actor, Outcome, Turns

pytestmark = pytest.mark.anyio

NAME, OTHER = RepositoryName("dying/keys"), RepositoryName("dying/others")
HERE = Place(None, None)
SMALL, LARGE = 30_000, 150_000
"""Bytes that are stored whole, and as an upload; neither as a row."""

row, member, dying = table(Blob), table(RepositoryBlob), table(DyingKey)


class Found(NamedTuple):
    id: int
    key: str | None


ROW = Query(select(row.c.id, row.c.key).where(row.c.digest == bindparam("digest")), Found)
HELD = Query(select(member.c.repository_id).where(member.c.blob_id == bindparam("blob_id")), int)
DYING = Query(select(dying.c.key).where(dying.c.key == bindparam("key")), str)
DELETE = Command(delete(row).where(row.c.id == bindparam("blob_id")))
FORGET = Command(delete(dying).where(dying.c.key == bindparam("key")))
RENAME = Command(update(row).where(row.c.digest == bindparam("named")).values(key=bindparam("key")))


class Body:
    """A request's body that is all there."""

    def __init__(self, content: bytes) -> None:
        self.length: int | None = len(content)
        self._content = content

    async def is_empty(self) -> bool:
        return not self._content

    async def whole(self) -> bytes:
        content, self._content = self._content, b""
        return content

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        if content := await self.whole():
            yield content

    async def pour(self, sink: Callable[[bytes | memoryview], object]) -> None:
        async for block in self.blocks():
            sink(block)

    def put_back(self, piece: bytes) -> None:
        self._content = piece + self._content


class SteppedDriver(FilesystemDriver):
    """One that waits for its turn before each call that changes an object."""

    def __init__(self, root: Path, turns: Turns) -> None:
        super().__init__(root)
        self._turns = turns

    async def put(self, name: str, content: bytes) -> str:
        await self._turns.step()
        return await super().put(name, content)

    async def finish(self, state: driver.State, name: str, size: int) -> str:
        await self._turns.step()
        return await super().finish(state, name, size)

    async def delete(self, key: str) -> None:
        await self._turns.step()
        await super().delete(key)


class SteppedDatabase(DurableSqlite):
    """One that waits for its turn before each transaction."""

    def __init__(self, path: Path, turns: Turns) -> None:
        super().__init__(path)
        self._turns = turns

    async def run(self, function: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        await self._turns.step()
        return await super().run(function, *args, **kwargs)


class Registry:
    """The services of a registry whose every step can be kept waiting, and the collector that stands in."""

    def __init__(self, data: Path, passes: Callable[[int], None]) -> None:
        self.turns = Turns()
        self.pass_time = passes
        self.database = SteppedDatabase(data / "registry.db", self.turns)
        self.rows = UnsyncedSqlite(data / "uploads.db")
        self.storage = SteppedDriver(data / "blobs", self.turns)
        self.blobs = Blobs(self.database, self.storage, small=0, read_only=False)
        self.uploads = Uploads(self.rows, self.storage, self.blobs, small=0)

    async def push(self, digest: Digest, content: bytes) -> None:
        await self.turns.step()
        await self.uploads.push(Change.own(), NAME, digest, Body(content))

    async def upload(self, digest: Digest, content: bytes) -> None:
        """By a session; where its content went with the key it starts at its beginning, and is closed once more.

        A client that only asks for its end again is told that nothing of it is there any more."""
        await self.turns.step()
        session = (await self.uploads.start(NAME, "sha256")).id
        await self.uploads.append(NAME, session, Body(content), HERE)
        try:
            await self.uploads.finish(Change.own(), NAME, session, Body(b""), HERE, lambda: digest)
        except ContentGone:
            assert (await self.uploads.status(NAME, session)).size == 0
            with pytest.raises(ChunkOutOfOrder):
                await self.uploads.finish(
                    Change.own(), NAME, session, Body(b""), Place(None, len(content)), lambda: digest
                )
            await self.uploads.finish(Change.own(), NAME, session, Body(content), HERE, lambda: digest)
            raise

    async def collect(self, digest: Digest) -> None:
        def take(tx: Transaction) -> str | None:
            found = tx.first(ROW, digest=digest)
            if found is None or found.key is None or tx.first(HELD, blob_id=found.id) is not None:
                return None
            tx.execute(DELETE, blob_id=found.id)
            let_die(tx, found.key)
            return found.key

        key = await self.database.run(take)
        if key is not None:
            await self.storage.delete(key)
            await self.turns.step()
            self.pass_time(LIFE + 1)
            await self.database.execute(FORGET, key=key)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Registry]:
    passed = 0
    told = clock.now

    def pass_time(microseconds: int) -> None:
        nonlocal passed
        passed += microseconds

    monkeypatch.setattr(clock, "now", lambda: told() + passed)
    migrations.upgrade(load({"data": tmp_path}, {}).settings)
    async with opened(Registry(tmp_path, pass_time)) as registry:
        yield registry


@asynccontextmanager
async def opened(registry: Registry) -> AsyncIterator[Registry]:
    stores = registry.storage, registry.database, registry.rows
    for store in stores:
        await store.open()
    yield registry
    for store in reversed(stores):
        await store.close()


async def nothing(registry: Registry, digest: Digest, content: bytes) -> None:
    pass


async def garbage(registry: Registry, digest: Digest, content: bytes) -> None:
    """Bytes that no repository holds any more."""
    await registry.push(digest, content)
    await registry.database.run(blobs.unlink, Change.own(), NAME, digest, NO_PRECONDITION)


async def garbage_elsewhere(registry: Registry, digest: Digest, content: bytes) -> None:
    """The same under another key than a push asks for."""
    await garbage(registry, digest, content)
    await elsewhere(registry, digest)


async def elsewhere(registry: Registry, digest: Digest) -> None:
    key = choose(digest, Known(None, is_dying=True))
    (registry.storage.root / key_of(digest)).rename(registry.storage.root / key)
    await registry.database.execute(RENAME, named=digest, key=key)


async def held_elsewhere(registry: Registry, digest: Digest, content: bytes) -> None:
    """Another repository holds it, under another key."""
    await registry.uploads.push(Change.own(), OTHER, digest, Body(content))
    await elsewhere(registry, digest)


async def half_collected(registry: Registry, digest: Digest, content: bytes) -> None:
    """A collector took the row, and nobody knows whether it still is about to delete the bytes."""
    await garbage(registry, digest, content)
    found = await registry.database.lookup(ROW, digest=digest)
    assert found is not None
    assert found.key is not None
    await registry.database.execute(DELETE, blob_id=found.id)
    await registry.database.run(let_die, found.key)


State = Callable[[Registry, Digest, bytes], Awaitable[None]]

STATES: list[State] = [nothing, garbage, garbage_elsewhere, held_elsewhere, half_collected]


EXPECTED = {
    "nothing": {"under its key"},
    "garbage": {"under its key", "under another key", "gone"},
    "garbage_elsewhere": {"under its key", "under another key", "gone"},
    "held_elsewhere": {"under another key"},
    "half_collected": {"under another key"},
}
"""What each can come to, and does in one order or another, where one pushes."""


async def sound(registry: Registry, digest: Digest, content: bytes, outcome: Outcome) -> str:
    """What it came to, in a word; asserts that no row is without bytes, and that what was acknowledged is there."""
    failed = {name: result for name, result in outcome.results.items() if result is not None}
    assert all(isinstance(result, ContentGone) for result in failed.values()), (outcome.order, failed)
    acknowledged = [name for name in outcome.results if name != "collector" and name not in failed]
    found = await registry.database.lookup(ROW, digest=digest)
    if found is None:
        assert not acknowledged, (outcome.order, "acknowledged and not there")
        return "gone"
    assert found.key is not None
    told = (outcome.order, found.key)
    assert b"".join([block async for block in registry.storage.read(found.key)]) == content, told
    assert await registry.database.lookup(DYING, key=found.key) is None, told
    if acknowledged:
        assert await registry.database.lookup_all(HELD, blob_id=found.id), told
    return "under its key" if found.key == key_of(digest) else "under another key"


@pytest.mark.spec("STORAGE-15")
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
@pytest.mark.parametrize("way", ["push", "upload", "whole"])
async def test_one_push_beside_the_collector(state: State, way: str, registry: Registry) -> None:
    ended = await every_order(registry, state, [way], 1000)
    assert set(ended) == EXPECTED[state.__name__]


@pytest.mark.spec("STORAGE-15")
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
async def test_two_pushes_beside_the_collector(state: State, registry: Registry) -> None:
    await every_order(registry, state, ["push", "upload"], 150)


async def every_order(registry: Registry, state: State, ways: list[str], most: int) -> "Counter[str]":
    """How often each order of the collector's steps and those of the pushes came to what."""
    ended: Counter[str] = Counter()
    numbers = count()
    content, digest = b"", Digest("")

    async def prepare() -> Mapping[str, Actor]:
        nonlocal content, digest
        size = SMALL if ways == ["whole"] else LARGE
        content = f"{next(numbers)}".encode().ljust(size, b".")
        digest = Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")
        await state(registry, digest, content)
        ways_to_push = {"push": registry.push, "whole": registry.push, "upload": registry.upload}
        actors: dict[str, Actor] = {way: partial(ways_to_push[way], digest, content) for way in ways}
        return actors | {"collector": partial(registry.collect, digest)}

    async for outcome in registry.turns.orders(prepare, most):
        ended[await sound(registry, digest, content, outcome)] += 1
    print(f"{sum(ended.values())} orders: {dict(ended)}")
    return ended


@pytest.mark.spec("STORAGE-15")
async def test_a_blob_is_not_moved_to_a_key_that_began_to_die(registry: Registry) -> None:
    """One of few orders, so that it is not left to chance: a push asks for the key of a row that is collected then, and
    that another push has made anew, under another key, when the first one comes to link it."""
    content = b"again".ljust(LARGE, b".")
    digest = Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")
    await garbage(registry, digest, content)
    actors: dict[str, Actor] = {
        "first": partial(registry.push, digest, content),
        "second": partial(registry.push, digest, content),
        "collector": partial(registry.collect, digest),
    }
    order = "first", "collector", "second", "second", "second", "first", "first", "collector", "collector"
    outcome = await registry.turns.in_order(actors, order)
    assert isinstance(outcome.results["first"], ContentGone)
    assert outcome.results["second"] is None
    assert await sound(registry, digest, content, outcome) == "under another key"


@pytest.mark.spec("STORAGE-15")
async def test_what_came_whole_is_stored_again_where_its_key_began_to_die(registry: Registry) -> None:
    """Nobody has to push it again."""
    content = b"whole".ljust(SMALL, b".")
    digest = Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")
    await garbage(registry, digest, content)
    actors: dict[str, Actor] = {
        "push": partial(registry.push, digest, content),
        "collector": partial(registry.collect, digest),
    }
    order = "push", "collector", "push", "push", "push", "push", "collector", "collector"
    outcome = await registry.turns.in_order(actors, order)
    assert outcome.order == order
    assert outcome.results == {"push": None, "collector": None}
    assert await sound(registry, digest, content, outcome) == "under another key"


async def test_a_blob_that_moves_into_its_row_leaves_a_dying_key(registry: Registry) -> None:
    """And, where it is pushed to storage again, gets another one."""
    content = b"moves".ljust(LARGE, b".")
    digest = Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")
    await registry.push(digest, content)
    rows = Blobs(registry.database, registry.storage, small=LARGE, read_only=False)
    await rows.store(Change.own(), NAME, digest, content)
    found = await registry.database.lookup(ROW, digest=digest)
    assert found is not None
    assert found.key is None
    assert await registry.database.lookup(DYING, key=key_of(digest)) is not None
    assert (await rows.find(NAME, digest)).content == content
    for _ in range(2):
        await registry.push(digest, content)
        found = await registry.database.lookup(ROW, digest=digest)
        assert found is not None
        assert found.key is not None
        assert found.key.startswith(f"{key_of(digest)}-")
        assert await registry.storage.size(found.key) == LARGE
