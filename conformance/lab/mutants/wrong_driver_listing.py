"""Storage drivers that go wrong with listing."""

from collections.abc import AsyncIterator

from conformance.lab.mutants.wrong_drivers import wrong
from registry.storage.driver import Stat
from registry.storage.memory import MemoryDriver


@wrong
class Unsorted(MemoryDriver):
    """Keys are listed as they came."""

    async def list(self, prefix: str = "") -> AsyncIterator[Stat]:
        for key, found in tuple(self._objects.items()):
            if key.startswith(prefix):
                yield Stat(key, len(found.content), found.modified)


@wrong
class FoldersOnly(MemoryDriver):
    """A prefix counts up to its last slash."""

    async def list(self, prefix: str = "") -> AsyncIterator[Stat]:
        async for stat in super().list(prefix.rpartition("/")[0]):
            yield stat


@wrong
class APageIsAll(MemoryDriver):
    """No more than a thousand keys are listed."""

    async def list(self, prefix: str = "") -> AsyncIterator[Stat]:
        number = 0
        async for stat in super().list(prefix):
            number += 1
            if number > 1000:
                return
            yield stat


@wrong
class SizesAreWrong(MemoryDriver):
    """A listing rounds sizes up to 512 bytes."""

    async def list(self, prefix: str = "") -> AsyncIterator[Stat]:
        async for stat in super().list(prefix):
            yield Stat(stat.key, -(-stat.size // 512) * 512, stat.modified)


@wrong
class TimesInMilliseconds(MemoryDriver):
    """A listing tells times in milliseconds."""

    async def list(self, prefix: str = "") -> AsyncIterator[Stat]:
        async for stat in super().list(prefix):
            yield Stat(stat.key, stat.size, stat.modified * 1000)


@wrong
class PagesByNumber(MemoryDriver):
    """Pages are counted: what is deleted while listing makes others be missed."""

    async def list(self, prefix: str = "") -> AsyncIterator[Stat]:
        start = 0
        while True:
            page = [stat async for stat in super().list(prefix)][start : start + 10]
            if not page:
                return
            for stat in page:
                yield stat
            start += 10
