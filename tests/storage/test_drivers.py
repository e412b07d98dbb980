"""Every driver of this project against the suite that any driver must pass."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from conformance.drivers import DriverSuite
from registry.storage.driver import Driver
from registry.storage.filesystem import FilesystemDriver
from registry.storage.memory import MemoryDriver


class TestMemory(DriverSuite):
    locks = True

    @pytest.fixture
    def driver(self) -> Driver:
        return MemoryDriver()


class TestFilesystem(DriverSuite):
    locks = True
    many = 2_000  # each is synced

    @pytest.fixture
    async def driver(self, tmp_path: Path) -> AsyncIterator[Driver]:
        driver = FilesystemDriver(tmp_path)
        await driver.open()
        yield driver
        await driver.close()

    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Callable[[], Driver | None]:
        return lambda: FilesystemDriver(tmp_path)
