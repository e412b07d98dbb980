"""What every storage driver must do: one class, to be imported by whoever writes a driver.

    from conformance.drivers import DriverSuite

    class TestMine(DriverSuite):
        locks = True

        @pytest.fixture
        async def driver(self, tmp_path: Path) -> AsyncIterator[Driver]:
            driver = MyDriver(tmp_path)
            await driver.open()
            yield driver
            await driver.close()

        @pytest.fixture
        def reopen(self, tmp_path: Path) -> Callable[[], Driver | None]:
            return lambda: MyDriver(tmp_path)

Each promise of `registry.storage.driver` is at least one test. Nothing is needed beside pytest and anyio, whose
plugin runs the tests.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.drivers.suite import DriverSuite
else:

    def __getattr__(name: str) -> object:
        # Only when it is asked for: pytest must have been told before that it is to rewrite the assertions in there.
        if name != "DriverSuite":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from conformance.drivers.suite import DriverSuite

        return DriverSuite


__all__ = ["DriverSuite"]
