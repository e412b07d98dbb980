"""What the driver cases share: content, whole uploads, comparing, waiting and cancelling."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from random import Random
from typing import ClassVar, TypeVar
from uuid import uuid4

import pytest

from registry.storage.driver import BLOCK, Driver, KeyUnknown, Stat, State

T = TypeVar("T")

MIB = 1024 * 1024

LARGEST_STATE = 64 * 1024

DELAYS = (0.0, 0.0002, 0.001, 0.004)
"""Seconds after which a call is cancelled: at its first step, early, in the middle, late or not at all."""

PATIENCE = 5.0
"""Seconds within which a store that lags has caught up."""


class Cases:
    """What a driver's own test says of it; see `conformance.drivers.DriverSuite`."""

    many: ClassVar[int] = 10_000
    locks: ClassVar[bool] = False
    resolution: ClassVar[float] = 0.05


def content(size: int, seed: int = 0) -> bytes:
    """Bytes that look like nothing else: another seed or another size makes other bytes."""
    return Random(f"{size}/{seed}").randbytes(size)


def odd_blocks(data: bytes, seed: int = 0) -> list[bytes]:
    """`data` cut into blocks of 1 byte to 1 MiB, most of them small."""
    random = Random(seed)
    blocks = []
    while data:
        size = random.choice([1, random.randint(2, 999), random.randint(1_000, 99_999), random.randint(1, MIB)])
        blocks.append(data[:size])
        data = data[size:]
    return blocks


def full_blocks(data: bytes) -> list[bytes]:
    return [data[start : start + MIB] for start in range(0, len(data), MIB)]


def unique(name: str) -> str:
    """A name that no other case and no other run uses."""
    return f"cases/{uuid4().hex}/{name}"


def same(actual: bytes, expected: bytes) -> None:
    """Assert that both are equal, without printing megabytes if they are not."""
    if actual != expected:
        pairs = enumerate(zip(actual, expected, strict=False))
        at = next((index for index, (a, b) in pairs if a != b), min(len(actual), len(expected)))
        pytest.fail(f"{len(actual)} bytes, not the {len(expected)} expected; they part at byte {at}", pytrace=True)


async def fetch(driver: Driver, key: str, start: int = 0, length: int | None = None) -> bytes:
    blocks = [block async for block in driver.read(key, start, length)]
    assert all(len(block) <= BLOCK for block in blocks), [len(block) for block in blocks]
    return b"".join(blocks)


async def unknown(driver: Driver, key: str) -> None:
    """Assert that nothing stands under the key."""
    with pytest.raises(KeyUnknown):
        await driver.size(key)
    with pytest.raises(KeyUnknown):
        await fetch(driver, key)


async def drop(iterator: AsyncIterator[bytes]) -> None:
    """Stop reading in the middle, as a client does that leaves."""
    close: Callable[[], Awaitable[None]] | None = getattr(iterator, "aclose", None)
    if close is not None:
        await close()


def kept(state: State) -> State:
    """The state as the registry hands it back: written to a row and read from it."""
    text = json.dumps(state)
    assert len(text.encode()) <= LARGEST_STATE
    back: State = json.loads(text)
    assert back == state, "the state is not plain JSON"
    return back


async def begin(driver: Driver) -> State:
    return kept(await driver.begin(f"upload-{uuid4().hex}"))


async def send(driver: Driver, state: State, offset: int, *blocks: bytes) -> State:
    """Append the blocks at `offset`; the observer must be told of each of them, once and in order."""
    observed: list[bytes] = []
    appender = await driver.append(state, offset)
    try:
        for number, block in enumerate(blocks, 1):
            await appender.write(block, lambda seen: observed.append(bytes(seen)))
            assert len(observed) == number, "the observer is told of every block once"
            same(observed[-1], block)
    finally:
        state = kept(await appender.close())
    return state


async def upload(driver: Driver, name: str, *blocks: bytes) -> str:
    """A whole upload, in one go."""
    state = await send(driver, await begin(driver), 0, *blocks)
    return await driver.finish(state, name, sum(map(len, blocks)))


async def listed(driver: Driver, prefix: str = "") -> list[Stat]:
    return [stat async for stat in driver.list(prefix)]


async def eventually_listed(driver: Driver, prefix: str, expected: list[tuple[str, int]]) -> None:
    """Assert what is listed under the prefix, in order, by key and size; a listing may lag a while."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        found = [(stat.key, stat.size) for stat in await listed(driver, prefix)]
        if found == expected or asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(0.2)
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    assert not missing, f"{len(missing)} of {len(expected)} are not listed under {prefix!r}: {missing[:5]}"
    assert not extra, f"listed under {prefix!r}, but not there: {extra[:5]}"
    assert found == expected, f"the keys under {prefix!r} are listed twice or out of order: {found[:20]}"


async def stale(driver: Driver, before: float) -> list[State]:
    return [kept(state) async for state in driver.stale(before)]


def slow(block: bytes | memoryview) -> None:
    """An observer that takes its time, so that cancelling meets the write in its middle."""
    time.sleep(0.003)


async def interrupt(call: Coroutine[object, object, T], delay: float) -> "asyncio.Task[T]":
    """Start the call, cancel it after `delay`, and wait until it has ended; raises what it raised by itself."""
    task = asyncio.ensure_future(call)
    await asyncio.sleep(delay)
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return task
