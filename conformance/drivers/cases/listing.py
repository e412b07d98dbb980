"""Listing: every object, in order, by prefix, and nothing else; the uploads that are stale."""

import asyncio
import time

import pytest

from conformance.drivers.cases.support import (
    Cases,
    begin,
    content,
    eventually_listed,
    listed,
    send,
    stale,
    unique,
    unknown,
    upload,
)
from registry.storage.driver import Driver, State, UploadLost

FAR = 3600.0
"""Seconds by which the store's clock and this machine's surely differ less."""

SIBLINGS = ["a-b/c", "a.b", "a/b-c", "a/b/c", "a/b0", "a0", "a_b", "aa/b", "ab", "b", "b-/c", "b-0", "b.c/d", "b0"]
"""Keys that a walk through folders lists in another order, or below a prefix where they do not belong."""


class ListingCases(Cases):
    async def test_order_and_prefixes(self, driver: Driver) -> None:
        base = unique("")
        keys = sorted([await driver.put(base + name, name.encode()) for name in reversed(SIBLINGS)])
        sizes = {key: await driver.size(key) for key in keys}
        prefixes = {key[:length] for key in keys for length in range(len(base) - 2, len(key) + 1)}
        await eventually_listed(driver, base, [(key, sizes[key]) for key in keys if key.startswith(base)])
        for prefix in sorted(prefixes):
            expected = [(key, sizes[key]) for key in keys if key.startswith(prefix)]
            await eventually_listed(driver, prefix, expected)
        for nothing in (base + "zzz", base + "a-b/c/", base + "a-b/cc", unique("")):
            await eventually_listed(driver, nothing, [])
        everything = [stat.key for stat in await listed(driver, "") if stat.key in sizes]
        assert everything == keys

    async def test_stat(self, driver: Driver) -> None:
        name = unique("object")
        key = await driver.put(name, content(12_345))
        await eventually_listed(driver, key, [(key, 12_345)])
        [stat] = await listed(driver, key)
        assert abs(stat.modified - time.time()) < FAR
        await driver.delete(key)
        await eventually_listed(driver, key, [])

    async def test_finished_uploads_are_listed_and_others_not(self, driver: Driver, other: Driver) -> None:
        before = {stat.key for stat in await listed(driver, "")}
        unfinished = await send(driver, await begin(driver), 0, b"unfinished")
        key = await upload(driver, unique("object"), b"finished", b" upload")
        await eventually_listed(other, key, [(key, 15)])
        after = {stat.key for stat in await listed(driver, "")}
        assert after - before == {key}
        await driver.abort(unfinished)

    async def test_many(self, driver: Driver) -> None:
        base = unique("")
        keys: list[str] = []
        numbers = iter(range(self.many))

        async def worker() -> None:
            for number in numbers:
                key = await driver.put(f"{base}{number % 100:02}/{number:x}", b"%d" % number)
                keys.append(key)

        await asyncio.gather(*(worker() for _ in range(16)))
        sizes = [(key, await driver.size(key)) for key in sorted(keys)]
        assert len(sizes) == self.many
        common = min(keys)[: len(base)] if all(key.startswith(base) for key in keys) else ""
        await eventually_listed(driver, common, sizes)
        few = [(key, size) for key, size in sizes if key.startswith(f"{base}07/")]
        await eventually_listed(driver, f"{base}07/", few)

    async def test_deleting_what_is_listed(self, driver: Driver) -> None:
        base = unique("")
        keys = sorted([await driver.put(f"{base}{number % 7}/{number}", b"content") for number in range(70)])
        await eventually_listed(driver, keys[0][: len(base)], [(key, 7) for key in keys])
        seen = []
        async for stat in driver.list(keys[0][: len(base)]):
            seen.append(stat.key)
            await driver.delete(stat.key)
        assert seen == keys
        await eventually_listed(driver, base, [])

    async def test_stale(self, driver: Driver, other: Driver) -> None:
        state = await send(driver, await begin(driver), 0, b"left behind")
        finished = await upload(driver, unique("object"), b"finished")
        aborted = await send(driver, await begin(driver), 0, b"aborted")
        await driver.abort(aborted)
        assert await stale(driver, time.time() - FAR) == []
        found = await stale(other, time.time() + FAR)
        assert len(found) == 1, "one upload is unfinished"
        await other.abort(found[0])
        assert await stale(driver, time.time() + FAR) == []
        await self._lost(driver, state, 11)
        assert await driver.size(finished) == 8

    async def test_touched_uploads_are_not_stale(self, driver: Driver) -> None:
        touched = await send(driver, await begin(driver), 0, b"first")
        untouched = await send(driver, await begin(driver), 0, b"left behind")
        await asyncio.sleep(self.resolution)
        between = time.time()
        await asyncio.sleep(self.resolution)
        touched = await send(driver, touched, 5, b"second")
        found = await stale(driver, between)
        assert len(found) == 1, "the one appended to since is not stale"
        await driver.abort(found[0])
        await self._lost(driver, untouched, 11)
        key = await driver.finish(touched, unique("object"), 11)
        assert await driver.size(key) == 11

    async def _lost(self, driver: Driver, state: State, size: int) -> None:
        with pytest.raises(UploadLost):
            await driver.append(state, size)
        name = unique("lost")
        with pytest.raises(UploadLost):
            await driver.finish(state, name, size)
        await unknown(driver, name)
