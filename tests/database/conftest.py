"""Lets a failing case of the suite show the values that it compared, and runs coroutines as tests."""

import pytest

pytest.register_assert_rewrite("tests.database.suite", "tests.database.cases")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {}
