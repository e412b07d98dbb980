"""Property tests in two depths: quick always, ten times as many examples with `--slow`."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy


def fuzz(examples: int, **drawn: SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A test that is run on drawn values. Its first parameter is the fixture `site`."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @pytest.mark.parametrize("times", [1, pytest.param(10, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
        def run(site: object, times: int) -> None:
            @settings(
                max_examples=examples * times, deadline=None, database=None, suppress_health_check=list(HealthCheck)
            )
            @given(**drawn)
            def holds(**values: Any) -> None:
                test(site, **values)

            holds()

        run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
        return run

    return decorate
