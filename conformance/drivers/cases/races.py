"""Many calls at once, calls that are cancelled, and what must not be left open afterwards."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from conformance.drivers.cases.support import (
    DELAYS,
    MIB,
    Cases,
    begin,
    content,
    drop,
    fetch,
    full_blocks,
    interrupt,
    kept,
    listed,
    odd_blocks,
    same,
    send,
    slow,
    stale,
    unique,
    unknown,
    upload,
)
from registry.storage.driver import Appender, Driver, KeyUnknown, State, UploadLocked, UploadLost

DESCRIPTORS = Path("/proc/self/fd")

FOREVER = 10_000_000_000.0
"""A time before which everything was touched."""


class RaceCases(Cases):
    async def test_two_uploads_do_not_mix(self, driver: Driver) -> None:
        datas = [content(3 * MIB, seed) for seed in (1, 2)]
        appenders = [await driver.append(await begin(driver), 0) for _ in datas]
        for blocks in zip(*map(full_blocks, datas), strict=True):
            for appender, block in zip(appenders, blocks, strict=True):
                await appender.write(block, len)
        states = [kept(await appender.close()) for appender in appenders]
        keys = [await driver.finish(state, unique("object"), 3 * MIB) for state in states]
        for key, data in zip(keys, datas, strict=True):
            same(await fetch(driver, key), data)

    async def test_uploads_with_names_alike_do_not_mix(self, driver: Driver) -> None:
        base = unique("")
        names = [base + name for name in ("a/c", "b/c", "a-c", "a.c", "ac", "c")]
        states = [kept(await driver.begin(name)) for name in names]
        states = [await send(driver, state, 0, name.encode()) for name, state in zip(names, states, strict=True)]
        for name, state in zip(names, states, strict=True):
            key = await driver.finish(state, unique("object"), len(name))
            same(await fetch(driver, key), name.encode())

    async def test_32_uploads_at_once(self, driver: Driver, other: Driver) -> None:
        async def one(seed: int) -> None:
            data = content(1_500_000 + seed, seed)
            state = await begin(driver)
            state = await send(driver, state, 0, *odd_blocks(data[:700_000], seed))
            state = await send(other, state, 700_000, *odd_blocks(data[700_000:], seed))
            key = await driver.finish(state, unique("object"), len(data))
            assert await other.size(key) == len(data)
            same(await fetch(other, key), data)

        await asyncio.gather(*(one(seed) for seed in range(32)))

    async def test_the_same_name_put_and_finished_at_once(self, driver: Driver, other: Driver) -> None:
        name, data = unique("object"), content(MIB + 1)
        stored = await asyncio.gather(
            *(instance.put(name, data) for instance in (driver, other) for _ in range(6)),
            *(upload(driver, name, *full_blocks(data)) for _ in range(4)),
        )
        for key in set(stored):
            assert await driver.size(key) == len(data)
            same(await fetch(driver, key), data)
        found = {stat.key for stat in await listed(driver, name)}
        assert found <= set(stored)
        assert await stale(driver, FOREVER) == []

    async def test_put_and_delete_at_once(self, driver: Driver, other: Driver) -> None:
        name, data = unique("object"), content(300_000)
        key = await driver.put(name, data)

        async def read() -> None:
            with suppress(KeyUnknown):
                same(await fetch(driver, key), data)

        calls = [call for _ in range(10) for call in (driver.put(name, data), other.delete(key), read())]
        Random(1).shuffle(calls)
        await asyncio.gather(*calls)
        key = await driver.put(name, data)
        same(await fetch(other, key), data)

    async def test_10_readers_at_random_offsets(self, driver: Driver) -> None:
        data = content(16 * MIB)
        key = await driver.put(unique("object"), data)

        async def reader(seed: int) -> None:
            random = Random(seed)
            for _ in range(10):
                start = random.randint(0, len(data))
                length = random.randint(0, min(3 * MIB, len(data) - start))
                same(await fetch(driver, key, start, length), data[start : start + length])

        await asyncio.gather(*(reader(seed) for seed in range(10)))

    async def test_one_appender_at_a_time(self, driver: Driver, other: Driver) -> None:
        if not self.locks:
            pytest.skip("this driver cannot lock")
        state = await begin(driver)
        appender = await driver.append(state, 0)
        await appender.write(b"0123456789", len)
        for instance in (driver, other):
            for offset in (0, 5, 10):
                with pytest.raises(UploadLocked):
                    await instance.append(state, offset)
            with pytest.raises(UploadLocked):
                await instance.finish(state, unique("object"), 10)
        await appender.write(b"abc", len)
        state = kept(await appender.close())
        state = await send(other, state, 13, b"def")
        key = await driver.finish(state, unique("object"), 16)
        same(await fetch(driver, key), b"0123456789abcdef")

    @pytest.mark.parametrize("delay", DELAYS)
    async def test_cancelled_write_then_abort(self, driver: Driver, delay: float) -> None:
        before = {stat.key for stat in await listed(driver)}
        for size in (10, MIB):
            state = await begin(driver)
            appender = await driver.append(state, 0)
            await interrupt(appender.write(b"x" * size, slow), delay)
            state = kept(await appender.close())
            await driver.abort(state)
            with pytest.raises(UploadLost):
                await driver.append(state, 1)
        assert {stat.key for stat in await listed(driver)} == before
        assert await stale(driver, FOREVER) == []

    @pytest.mark.parametrize("delay", DELAYS)
    async def test_cancelled_write_then_going_on(self, driver: Driver, delay: float) -> None:
        data = content(5 * MIB)
        state, offset = await begin(driver), 0
        for block in full_blocks(data):
            for seed in (1, 2):
                appender = await driver.append(state, offset)
                await interrupt(appender.write(content(MIB, seed), slow), delay)
                await appender.close()
            state = await send(driver, state, offset, block)
            offset += len(block)
        key = await driver.finish(state, unique("object"), offset)
        same(await fetch(driver, key), data)

    async def test_cancelled_closing_spoils_no_other_upload(self, driver: Driver) -> None:
        """Who leaves twice, in a write and in the closing, must not have its bytes land where others write."""

        async def leave() -> None:
            appender = await driver.append(await begin(driver), 0)
            try:
                await appender.write(b"x" * MIB, slow)
            finally:
                await appender.close()

        for _ in range(3):
            leaving = [asyncio.ensure_future(leave()) for _ in range(40)]
            for _ in range(4):
                await asyncio.sleep(0)
            for _ in range(2):
                for task in leaving:
                    task.cancel()
                await asyncio.sleep(0)
            datas = [content(300_000, seed) for seed in range(40)]
            keys = await asyncio.gather(*(upload(driver, unique("object"), data) for data in datas))
            for key, data in zip(keys, datas, strict=True):
                assert await driver.size(key) == len(data)
                same(await fetch(driver, key), data)
            for end in await asyncio.gather(*leaving, return_exceptions=True):
                assert end is None or isinstance(end, asyncio.CancelledError), repr(end)

    @pytest.mark.parametrize("delay", DELAYS)
    async def test_cancelled_append(self, driver: Driver, delay: float) -> None:
        """A call that was cancelled has not kept the upload's lock."""

        async def append(state: State) -> Appender:
            return await driver.append(state, 5)

        state = await send(driver, await begin(driver), 0, b"0123456789")
        for _ in range(5):
            task = await interrupt(append(state), delay)
            if not task.cancelled():
                await task.result().close()
        state = await send(driver, state, 5, b"abcde")
        key = await driver.finish(state, unique("object"), 10)
        same(await fetch(driver, key), b"01234abcde")

    @pytest.mark.parametrize("delay", DELAYS)
    async def test_cancelled_finish(self, driver: Driver, other: Driver, delay: float) -> None:
        """The call may have got anywhere, but it has ended: the next one succeeds."""
        data = content(4 * MIB)
        for again in (driver, other):
            state = await send(driver, await begin(driver), 0, *full_blocks(data))
            name = unique("object")
            await interrupt(driver.finish(state, name, len(data)), delay)
            key = await again.finish(state, name, len(data))
            assert await driver.size(key) == len(data)
            same(await fetch(driver, key), data)

    @pytest.mark.parametrize("delay", DELAYS)
    async def test_cancelled_put(self, driver: Driver, delay: float) -> None:
        """There is nothing or the whole object, and nothing that is swept away again later."""
        name, data = unique("object"), content(4 * MIB)
        await interrupt(driver.put(name, data), delay)
        for stat in await listed(driver, name):
            assert stat.size == len(data)
            same(await fetch(driver, stat.key), data)
        assert await stale(driver, FOREVER) == []
        key = await driver.put(name, data)
        same(await fetch(driver, key), data)
        await driver.delete(key)
        await asyncio.sleep(0.05)
        await unknown(driver, key)

    @pytest.mark.parametrize("delay", DELAYS)
    async def test_cancelled_read(self, driver: Driver, delay: float) -> None:
        data = content(8 * MIB)
        key = await driver.put(unique("object"), data)
        for _ in range(5):
            await interrupt(fetch(driver, key), delay)
        same(await fetch(driver, key), data)

    @pytest.mark.skipif(not DESCRIPTORS.exists(), reason="this system does not tell what a process has open")
    async def test_nothing_is_left_open(self, driver: Driver) -> None:
        name, data = unique("object"), content(2 * MIB)
        await self._round(driver, name, data)
        before = len(os.listdir(DESCRIPTORS))
        for _ in range(30):
            await self._round(driver, name, data)
        after = len(os.listdir(DESCRIPTORS))
        assert after <= before + 10, f"{before} file descriptors were open, then {after}"

    async def _round(self, driver: Driver, name: str, data: bytes) -> None:
        """Every call, going well, failing or being cancelled."""
        key = await driver.put(name, data)
        await interrupt(driver.put(name, data), 0.0)
        blocks = driver.read(key)
        await anext(blocks)
        await drop(blocks)
        await unknown(driver, unique("nothing"))
        await interrupt(fetch(driver, key), 0.0)
        async for _ in driver.list(name):
            pass
        state = await send(driver, await begin(driver), 0, *full_blocks(data))
        with pytest.raises(UploadLost):
            await driver.append(state, len(data) + 1)
        appender = await driver.append(state, 5)
        await interrupt(appender.write(data[5:], len), 0.0)
        await appender.close()
        state = await send(driver, state, 5, data[5:])
        with pytest.raises(UploadLost):
            await driver.finish(state, name, 3)
        assert await driver.appended(state) == len(data)
        await driver.finish(state, name, len(data))
        await driver.finish(state, name, len(data))
        unfinished = driver.reread(await send(driver, left := await begin(driver), 0, data[:MIB]))
        await anext(unfinished)
        await drop(unfinished)
        await driver.abort(left)
        with pytest.raises(UploadLost):
            await driver.append(left, 1)
