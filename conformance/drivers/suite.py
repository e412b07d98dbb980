"""The driver suite: all that every storage driver must do, in one class. `conformance.drivers` shows how it is used."""

from collections.abc import AsyncIterator, Callable

import pytest

from conformance.drivers.cases.faults import FaultCases
from conformance.drivers.cases.listing import ListingCases
from conformance.drivers.cases.objects import ObjectCases
from conformance.drivers.cases.races import RaceCases
from conformance.drivers.cases.uploads import UploadCases
from registry.storage.driver import Driver


@pytest.mark.anyio
class DriverSuite(ObjectCases, ListingCases, UploadCases, RaceCases, FaultCases):
    """Subclass it and provide the fixture `driver`: an opened driver on a store of its own, empty at first.

    Provide `reopen` too if a second instance can work on the same store. Class attributes say what else is special:

    - `many`: how many small objects are listed at once.
    - `locks`: whether an upload that is being appended to refuses a second appender.
    - `resolution`: seconds by which two times of the store must differ to be told apart.
    """

    @pytest.fixture
    def anyio_backend(self) -> tuple[str, dict[str, object]]:
        return "asyncio", {}

    @pytest.fixture
    def reopen(self) -> Callable[[], Driver | None]:
        """Makes a second driver on the same store, not opened yet; None where there is no such thing."""
        return lambda: None

    @pytest.fixture
    async def other(self, driver: Driver, reopen: Callable[[], Driver | None]) -> AsyncIterator[Driver]:
        """The second instance, or the first one again."""
        second = reopen()
        if second is None:
            yield driver
            return
        await second.open()
        yield second
        await second.close()
