"""Uploads: appending, going on from a state, finishing, aborting and rereading, one call at a time."""

from pathlib import Path

import pytest

from conformance.drivers.cases.support import (
    MIB,
    Cases,
    begin,
    content,
    eventually_listed,
    fetch,
    full_blocks,
    odd_blocks,
    same,
    send,
    unique,
    unknown,
    upload,
)
from registry.storage.driver import Driver, State, UploadLost

IO = Path("/proc/self/io")


class UploadCases(Cases):
    @pytest.mark.parametrize("size", [1, 255, MIB, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 12 * MIB])
    async def test_what_was_uploaded_is_read(self, driver: Driver, size: int) -> None:
        data = content(size)
        key = await upload(driver, unique("object"), *full_blocks(data))
        assert await driver.size(key) == size
        same(await fetch(driver, key), data)

    async def test_blocks_of_odd_sizes(self, driver: Driver) -> None:
        data = content(7 * MIB + 13)
        key = await upload(driver, unique("object"), *odd_blocks(data))
        assert await driver.size(key) == len(data)
        same(await fetch(driver, key), data)

    async def test_an_upload_without_bytes(self, driver: Driver) -> None:
        never_appended = await begin(driver)
        assert await driver.appended(never_appended) == 0
        first = await driver.finish(never_appended, unique("empty"), 0)
        nothing_written = await send(driver, await begin(driver), 0)
        nothing_written = await send(driver, nothing_written, 0)
        assert await driver.appended(nothing_written) == 0
        name = unique("empty")
        second = await driver.finish(nothing_written, name, 0)
        assert await driver.finish(nothing_written, name, 0) == second
        for key in (first, second):
            assert await driver.size(key) == 0
            same(await fetch(driver, key), b"")

    async def test_two_hundred_appends(self, driver: Driver) -> None:
        data = content(200 * 1_111)
        state = await begin(driver)
        for offset in range(0, len(data), 1_111):
            state = await send(driver, state, offset, data[offset : offset + 1_111])
            assert await driver.appended(state) == offset + 1_111
        key = await driver.finish(state, unique("object"), len(data))
        same(await fetch(driver, key), data)

    async def test_going_on_in_another_instance(self, driver: Driver, other: Driver) -> None:
        data = content(11 * MIB)
        state = await begin(driver)
        offset = 0
        for number, size in enumerate([1, MIB, 300_000, 5 * MIB, 77, 11 * MIB]):
            at_it, watching = (driver, other) if number % 2 == 0 else (other, driver)
            chunk = data[offset : offset + size]
            state = await send(at_it, state, offset, *full_blocks(chunk))
            offset += len(chunk)
            assert await watching.appended(state) == offset
        key = await other.finish(state, unique("object"), len(data))
        assert await driver.size(key) == len(data)
        same(await fetch(driver, key), data)

    @pytest.mark.parametrize("offset", [0, 1, 4_095, MIB - 1, MIB, MIB + 1, 6 * MIB - 1])
    async def test_a_smaller_offset_drops_the_rest(self, driver: Driver, other: Driver, offset: int) -> None:
        first, second = content(6 * MIB, 1), content(777, 2)
        state = await send(driver, await begin(driver), 0, *full_blocks(first))
        state = await send(other, state, offset, second)
        assert await driver.appended(state) == offset + 777
        key = await driver.finish(state, unique("object"), offset + 777)
        same(await fetch(driver, key), first[:offset] + second)

    async def test_a_smaller_offset_alone_drops_the_rest(self, driver: Driver) -> None:
        state = await send(driver, await begin(driver), 0, b"0123456789")
        state = await send(driver, state, 4)
        assert await driver.appended(state) == 4
        with pytest.raises(UploadLost):
            await driver.append(state, 5)
        key = await driver.finish(state, unique("object"), 4)
        same(await fetch(driver, key), b"0123")

    async def test_a_larger_offset_is_lost(self, driver: Driver, other: Driver) -> None:
        state = await begin(driver)
        with pytest.raises(UploadLost):
            await driver.append(state, 1)
        state = await send(driver, state, 0, b"0123456789")
        for instance, offset in ((driver, 11), (other, 11), (driver, 5 * MIB)):
            with pytest.raises(UploadLost):
                await instance.append(state, offset)
        state = await send(driver, state, 10, b"abc")  # the refusals let go of the upload
        key = await driver.finish(state, unique("object"), 13)
        same(await fetch(driver, key), b"0123456789abc")

    async def test_the_last_stored_state_counts(self, driver: Driver, other: Driver) -> None:
        """The registry died before it stored what came after; it does so several times at every step."""
        data = content(8 * MIB, 1)
        state, offset = await begin(driver), 0
        for size in (0, 10, MIB + 1, 5 * MIB, 3, MIB):
            for attempt in range(3):
                forgotten = await send(other, state, offset, *odd_blocks(content((attempt + 1) * 400_000, attempt)))
                assert await driver.appended(forgotten) == offset + (attempt + 1) * 400_000
            chunk = data[offset : offset + size]
            state = await send(driver, state, offset, *full_blocks(chunk))
            offset += len(chunk)
            assert await driver.appended(state) == offset
        key = await driver.finish(state, unique("object"), offset)
        assert await driver.size(key) == offset
        same(await fetch(driver, key), data[:offset])

    async def test_an_observer_that_fails(self, driver: Driver) -> None:
        class Tired(Exception):
            pass

        def fail(block: bytes | memoryview) -> None:
            raise Tired

        state = await send(driver, await begin(driver), 0, b"0123456789")
        for size in (5, MIB):
            appender = await driver.append(state, 10)
            with pytest.raises(Tired):
                await appender.write(b"x" * size, fail)
            await appender.close()
        state = await send(driver, state, 10, b"abc")
        key = await driver.finish(state, unique("object"), 13)
        same(await fetch(driver, key), b"0123456789abc")

    @pytest.mark.parametrize(("held", "asked"), [(10, 9), (10, 11), (10, 0), (0, 10), (6 * MIB, 6 * MIB - 1)])
    async def test_finish_with_another_size(self, driver: Driver, held: int, asked: int) -> None:
        name, data = unique("object"), content(held)
        state = await send(driver, await begin(driver), 0, *full_blocks(data))
        with pytest.raises(UploadLost):
            await driver.finish(state, name, asked)
        await unknown(driver, name)
        await eventually_listed(driver, name.rpartition("/")[0], [])

    async def test_finish_what_was_never_appended_to(self, driver: Driver) -> None:
        name = unique("object")
        with pytest.raises(UploadLost):
            await driver.finish(await begin(driver), name, 10)
        await unknown(driver, name)

    async def test_finish_twice(self, driver: Driver, other: Driver) -> None:
        name, data = unique("object"), content(6 * MIB)
        state = await send(driver, await begin(driver), 0, *full_blocks(data))
        key = await driver.finish(state, name, len(data))
        assert await driver.finish(state, name, len(data)) == key
        assert await other.finish(state, name, len(data)) == key
        same(await fetch(driver, key), data)

    async def test_finish_onto_a_key_that_exists(self, driver: Driver) -> None:
        name, data = unique("object"), content(MIB + 1)
        await driver.put(name, b"damaged")
        keys = {
            await upload(driver, name, *odd_blocks(data)),
            await driver.put(name, data),
            await upload(driver, name, *full_blocks(data)),
        }
        for key in keys:
            assert await driver.size(key) == len(data)
            same(await fetch(driver, key), data)

    @pytest.mark.skipif(not IO.exists(), reason="this system does not tell how much a process has read and written")
    async def test_finish_does_not_copy(self, driver: Driver) -> None:
        state = await send(driver, await begin(driver), 0, *full_blocks(content(16 * MIB)))
        before = self._transferred()
        await driver.finish(state, unique("object"), 16 * MIB)
        assert self._transferred() - before < 8 * MIB  # a tail that was held back may go out now

    async def test_abort(self, driver: Driver, other: Driver) -> None:
        name = unique("object")
        await driver.abort(await begin(driver))
        state = await send(driver, await begin(driver), 0, b"0123456789")
        for instance in (other, driver):
            await instance.abort(state)
            await self._is_lost(driver, state, name, 10)
        await unknown(driver, name)

    async def test_abort_after_finish(self, driver: Driver, other: Driver) -> None:
        for size in (10, 6 * MIB):
            data = content(size)
            state = await send(driver, await begin(driver), 0, *full_blocks(data))
            key = await driver.finish(state, unique("object"), size)
            await driver.abort(state)
            await other.abort(state)
            assert await driver.size(key) == size
            same(await fetch(driver, key), data)

    async def test_going_on_after_finish_leaves_the_object_alone(self, driver: Driver) -> None:
        data = content(6 * MIB)
        state = await send(driver, await begin(driver), 0, *full_blocks(data))
        key = await driver.finish(state, unique("object"), len(data))
        for offset in (1, len(data), 0):
            try:
                await send(driver, state, offset, b"late")
            except UploadLost:
                pass
            else:
                assert offset == 0, "the bytes have gone"
        same(await fetch(driver, key), data)

    async def test_reread(self, driver: Driver, other: Driver) -> None:
        data = content(7 * MIB + 5)
        state = await send(driver, await begin(driver), 0, *full_blocks(data[: 6 * MIB]))
        if driver.volatile:
            same(await self._reread(other, state), data[: 6 * MIB])
        state = await send(driver, state, 6 * MIB, *full_blocks(data[6 * MIB :]))
        same(await self._reread(driver, state), data)
        key = await driver.finish(state, unique("object"), len(data))
        same(await fetch(driver, key), data)

    async def test_reread_then_abort(self, driver: Driver) -> None:
        state = await send(driver, await begin(driver), 0, b"0123456789")
        same(await self._reread(driver, state), b"0123456789")
        await driver.abort(state)
        await self._is_lost(driver, state, unique("object"), 10)

    async def _is_lost(self, driver: Driver, state: State, name: str, size: int) -> None:
        with pytest.raises(UploadLost):
            await driver.append(state, size)
        with pytest.raises(UploadLost):
            await driver.finish(state, name, size)
        with pytest.raises(UploadLost):
            await self._reread(driver, state)

    async def _reread(self, driver: Driver, state: State) -> bytes:
        return b"".join([block async for block in driver.reread(state)])

    def _transferred(self) -> int:
        lines = dict(line.split(": ") for line in IO.read_text().splitlines())
        return int(lines["rchar"]) + int(lines["wchar"])
