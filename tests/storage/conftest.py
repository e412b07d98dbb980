"""Lets a failing case of the shared suite show the values that it compared, and runs coroutines as tests."""

import pytest

pytest.register_assert_rewrite("conformance.drivers.suite", "conformance.drivers.cases")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {}
