"""The suite of `conformance.drivers` as `registry-conformance driver` runs it: pytest's view of one store."""

from collections.abc import AsyncIterator, Callable

import pytest

from conformance.drivers.cases.faults import FaultCases
from conformance.drivers.cases.processes import Opened, ProcessCases
from conformance.drivers.store import Store
from conformance.drivers.suite import DriverSuite
from registry.storage.driver import Driver


class Given:
    """What `conformance.drivers.run` says: pytest makes the objects, so it has to be found here."""

    store: Store


@pytest.mark.anyio
class TestDriver(DriverSuite, FaultCases, ProcessCases):
    @pytest.fixture
    def store_name(self, request: pytest.FixtureRequest) -> str:
        """A name for the case's own store."""
        return f"case-{request.session.items.index(request.node)}"

    @pytest.fixture
    async def driver(self, store_name: str) -> AsyncIterator[Driver]:
        store = Given.store
        driver = store.make(store_name)
        await driver.open()
        await store.prepare(driver)
        yield driver
        await store.clean(driver)
        await driver.close()

    @pytest.fixture
    def reopen(self, driver: Driver, store_name: str) -> Callable[[], Driver | None]:
        return lambda: Given.store.make(store_name) if driver.shared else None

    @pytest.fixture
    def opened(self, driver: Driver, store_name: str) -> Opened | None:
        return (Given.store.child_target(), store_name) if driver.shared else None
