"""Faults: a call that failed, before or after it took effect, can be made again, and nothing is left wrong.

The registry sees a failing call and does not know how far it came. What it does then is what these cases do."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar
from uuid import uuid4

import pytest

from conformance.drivers.cases.support import (
    MIB,
    Cases,
    content,
    drop,
    eventually_listed,
    fetch,
    full_blocks,
    kept,
    listed,
    same,
    stale,
    unique,
    unknown,
)
from conformance.drivers.faulty import CALLS, Faults, FaultyDriver, Injected, When
from registry.storage.driver import Driver, State

T = TypeVar("T")

FOREVER = 10_000_000_000.0
SMALL = 100
ENOUGH = 100
"""Tries after which a fault that was to happen now and then has surely stopped."""


async def again(call: Callable[[], Awaitable[T]]) -> T:
    """Make the call until it does not fail as planned."""
    for _ in range(ENOUGH):
        try:
            return await call()
        except Injected:
            continue
    pytest.fail(f"still failing after {ENOUGH} tries")


async def append(driver: Driver, state: State, offset: int, blocks: list[bytes]) -> State:
    """One chunk, whole or not at all: after a failure again from the state that was stored before."""

    async def once() -> State:
        appender = await driver.append(state, offset)
        try:
            for block in blocks:
                await appender.write(block, len)
        except BaseException:
            with suppress(Injected):
                await appender.close()
            raise
        return kept(await appender.close())

    return await again(once)


async def whole(driver: Driver, key: str) -> bytes:
    return await again(lambda: fetch(driver, key))


async def life(driver: Driver) -> str:
    """Every call of the contract, each repeated until it succeeds; what was stored stays, what was dropped goes."""
    base = unique("")
    data = content(3 * MIB + 7)
    state = kept(await again(lambda: driver.begin(f"upload-{uuid4().hex}")))
    offset = 0
    for size in (MIB, 5, len(data) - MIB - 5):
        chunk = data[offset : offset + size]
        state = await append(driver, state, offset, full_blocks(chunk))
        offset += size
        held = await again(partial(driver.appended, state))
        assert held == offset
    if driver.volatile:
        same(await again(lambda: _reread(driver, state)), data)
    finished = await again(lambda: driver.finish(state, f"{base}finished", len(data)))
    assert await again(lambda: driver.size(finished)) == len(data)
    same(await whole(driver, finished), data)

    small = content(SMALL)
    stored = await again(lambda: driver.put(f"{base}put", small))
    same(await whole(driver, stored), small)
    await again(lambda: eventually_listed(driver, finished, [(finished, len(data))]))

    left = kept(await again(lambda: driver.begin(f"upload-{uuid4().hex}")))
    left = await append(driver, left, 0, [b"left behind"])
    same(await again(lambda: _reread(driver, left)), b"left behind")
    forgotten = await again(lambda: stale(driver, FOREVER))
    assert forgotten, "one upload is unfinished"
    for old in forgotten:
        await again(partial(driver.abort, old))
    assert await again(lambda: stale(driver, FOREVER)) == []

    await again(lambda: driver.delete(stored))
    await again(lambda: unknown(driver, stored))
    same(await whole(driver, finished), data)
    return finished


async def _reread(driver: Driver, state: State) -> bytes:
    return b"".join([block async for block in driver.reread(state)])


class FaultCases(Cases):
    @pytest.mark.parametrize("when", list(When), ids=lambda when: when.value)
    @pytest.mark.parametrize("call", CALLS)
    async def test_one_call_fails(self, driver: Driver, call: str, when: When) -> None:
        faults = Faults()
        faults.fail(call, when)
        key = await life(FaultyDriver(driver, faults))
        assert faults.injected == 1
        await self._nothing_else(driver, key)

    @pytest.mark.parametrize("seed", range(5))
    async def test_many_calls_fail(self, driver: Driver, seed: int) -> None:
        faults = Faults()
        faults.fail_at_random(seed, 0.3)
        key = await life(FaultyDriver(driver, faults))
        assert faults.injected > 3
        await self._nothing_else(driver, key)

    async def test_slow_calls_at_once(self, driver: Driver) -> None:
        slow = FaultyDriver(driver, Faults(delay=0.003))

        async def one(number: int) -> None:
            data = content(MIB + number, number)
            state = await append(slow, kept(await slow.begin(f"upload-{uuid4().hex}")), 0, full_blocks(data))
            key = await slow.finish(state, unique("object"), len(data))
            same(await fetch(slow, key), data)
            await slow.delete(key)
            await unknown(driver, key)

        await asyncio.gather(*(one(number) for number in range(12)))
        assert await stale(driver, FOREVER) == []

    async def test_a_reader_that_fails_and_one_that_leaves(self, driver: Driver) -> None:
        faults = Faults()
        faulty = FaultyDriver(driver, faults)
        data = content(3 * MIB)
        key = await driver.put(unique("object"), data)
        for _ in range(5):
            faults.fail("read", When.AFTER)
            with pytest.raises(Injected):
                await fetch(faulty, key)
            blocks = faulty.read(key)
            same(await anext(blocks), data[: len(await anext(driver.read(key)))])
            await drop(blocks)
        same(await fetch(faulty, key), data)

    async def test_finished_but_the_caller_does_not_know(self, driver: Driver) -> None:
        """The process that finished is gone before it could note the key: the next one finishes again."""
        faults = Faults()
        faulty = FaultyDriver(driver, faults)
        for size in (1, MIB, 6 * MIB):
            data, name = content(size), unique("object")
            state = await append(faulty, kept(await faulty.begin(f"upload-{uuid4().hex}")), 0, full_blocks(data))
            faults.fail("finish", When.AFTER, times=3)
            key = await again(partial(faulty.finish, state, name, size))
            same(await fetch(driver, key), data)
            await eventually_listed(driver, key, [(key, size)])

    async def _nothing_else(self, driver: Driver, key: str) -> None:
        """No upload is left, and no part of an object: a repeated `put` may have stored the same bytes twice."""
        assert await stale(driver, FOREVER) == []
        size = await driver.size(key)
        for stat in await listed(driver, ""):
            assert stat.size in (size, SMALL), f"{stat.key} has {stat.size} bytes"
