"""Objects: put, size, read and delete, one call at a time or one in the middle of another."""

import asyncio
import string

import pytest

from conformance.drivers.cases.support import (
    MIB,
    Cases,
    content,
    drop,
    fetch,
    listed,
    same,
    unique,
    unknown,
)
from registry.storage.driver import BLOCK, Driver, KeyUnknown

SIZES = [0, 1, 255, BLOCK - 1, BLOCK, BLOCK + 1, MIB, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 12 * MIB]

EVERY_CHARACTER = f"{string.ascii_lowercase}/{string.digits}/a.b_c-d/e-/f_/g.h.i"

LONGEST = "/".join(["k" * 100, "l" * 100, "m" * 100, "n" * 97])
"""Cut to 400 characters, the most that a key may have, once `unique` stands in front."""


class ObjectCases(Cases):
    @pytest.mark.parametrize("size", SIZES)
    async def test_what_was_put_is_read(self, driver: Driver, size: int) -> None:
        data = content(size)
        key = await driver.put(unique("object"), data)
        assert await driver.size(key) == size
        same(await fetch(driver, key), data)

    async def test_another_instance_reads_what_was_put(self, driver: Driver, other: Driver) -> None:
        key = await driver.put(unique("object"), b"content")
        assert await other.size(key) == 7
        same(await fetch(other, key), b"content")
        await other.delete(key)
        await unknown(driver, key)

    async def test_ranges(self, driver: Driver) -> None:
        size = 3 * BLOCK + 77
        data = content(size)
        key = await driver.put(unique("object"), data)
        for start in (0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5, size - 1):
            same(await fetch(driver, key, start), data[start:])
            for length in (0, 1, 100, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, size - start):
                if start + length <= size:
                    same(await fetch(driver, key, start, length), data[start : start + length])

    async def test_nothing_is_yielded_at_the_end(self, driver: Driver) -> None:
        key = await driver.put(unique("object"), b"content")
        assert [block async for block in driver.read(key, 7)] == []
        assert [block async for block in driver.read(key, 7, 0)] == []
        assert [block async for block in driver.read(key, 3, 0)] == []

    async def test_a_read_that_ends_has_yielded_the_length_asked_for(self, driver: Driver) -> None:
        key = await driver.put(unique("object"), b"content")
        with pytest.raises(Exception):  # noqa: B017, PT011 - which one is the driver's affair
            await fetch(driver, key, 3, 5)

    async def test_unknown_key(self, driver: Driver) -> None:
        key = unique("nothing")
        await unknown(driver, key)
        for start, length in ((0, 0), (5, None), (5, 5)):
            blocks = driver.read(key, start, length)  # raises at the first step, not here
            with pytest.raises(KeyUnknown):
                await anext(blocks)

    async def test_what_a_key_begins_with_is_no_object(self, driver: Driver) -> None:
        key = await driver.put(unique("folder/object"), b"content")
        folder = key.rpartition("/")[0]
        for nothing in (folder, f"{folder}/objec", f"{key}2"):
            await unknown(driver, nothing)
            await driver.delete(nothing)
        await unknown(driver, f"{key}/below")
        await driver.delete(f"{key}/below")
        same(await fetch(driver, key), b"content")

    async def test_delete(self, driver: Driver) -> None:
        name = unique("object")
        key, sibling = await driver.put(name, b"content"), await driver.put(f"{name}-sibling", b"stays")
        await driver.delete(key)
        await unknown(driver, key)
        await driver.delete(key)
        await driver.delete(unique("never/there"))
        same(await fetch(driver, sibling), b"stays")
        again = await driver.put(name, b"content")
        same(await fetch(driver, again), b"content")

    async def test_delete_while_reading(self, driver: Driver) -> None:
        data = content(20 * BLOCK)
        key = await driver.put(unique("object"), data)
        blocks = driver.read(key)
        got = await anext(blocks)
        await driver.delete(key)
        await unknown(driver, key)
        try:
            async for block in blocks:
                got += block
        except Exception:
            same(got, data[: len(got)])  # it may raise, but what came before is right
        else:
            same(got, data)

    @pytest.mark.parametrize("name", [EVERY_CHARACTER, LONGEST, "0", "a"])
    async def test_every_name_allowed(self, driver: Driver, name: str) -> None:
        name = (unique("") + name)[:400] if len(name) > 1 else name
        data = content(100, seed=len(name))
        key = await driver.put(name, data)
        assert await driver.size(key) == 100
        same(await fetch(driver, key), data)
        assert key in [stat.key for stat in await listed(driver, key)]
        await driver.delete(key)
        await unknown(driver, key)

    async def test_names_alike_are_different_objects(self, driver: Driver) -> None:
        base = unique("")
        names = [base + name for name in ("a-b", "a.b", "a_b", "ab", "a0/b", "a/b", "a/b-c", "a/b.c", "a/b_c/d")]
        keys = [await driver.put(name, name.encode()) for name in names]
        assert len(set(keys)) == len(keys)
        for name, key in zip(names, keys, strict=True):
            same(await fetch(driver, key), name.encode())
        await driver.delete(keys[0])
        for name, key in list(zip(names, keys, strict=True))[1:]:
            same(await fetch(driver, key), name.encode())

    async def test_put_again(self, driver: Driver) -> None:
        name, data = unique("object"), content(BLOCK + 1)
        for _ in range(3):
            key = await driver.put(name, data)
            assert await driver.size(key) == len(data)
            same(await fetch(driver, key), data)

    async def test_put_replaces(self, driver: Driver) -> None:
        """What stands under the name may be damaged; what is put was just verified."""
        name = unique("object")
        for data in (b"damaged", b"content", b"longer content", b"short"):
            key = await driver.put(name, data)
            assert await driver.size(key) == len(data)
            same(await fetch(driver, key), data)

    async def test_put_again_while_reading(self, driver: Driver) -> None:
        name, data = unique("object"), content(20 * BLOCK)
        blocks = driver.read(await driver.put(name, data))
        got = await anext(blocks)
        key = await driver.put(name, data)
        async for block in blocks:
            got += block
        same(got, data)
        same(await fetch(driver, key), data)

    async def test_a_reader_may_leave(self, driver: Driver) -> None:
        data = content(20 * BLOCK)
        key = await driver.put(unique("object"), data)
        for _ in range(20):
            blocks = driver.read(key)
            first = await anext(blocks)
            same(first, data[: len(first)])
            await drop(blocks)
        same(await fetch(driver, key), data)

    async def test_a_part_is_never_seen(self, driver: Driver) -> None:
        name, data = unique("object"), content(12 * MIB)
        key = await driver.put(name, data)
        for _ in range(3):
            await driver.delete(key)
            putting = asyncio.ensure_future(driver.put(name, data))
            while not putting.done():
                try:
                    assert await driver.size(key) == len(data)
                    same(await fetch(driver, key, len(data) - 10), data[-10:])
                except KeyUnknown:
                    pass
                await asyncio.sleep(0)
            key = await putting
            same(await fetch(driver, key), data)
