"""Waiting for what comes to be true."""

import time
from collections.abc import Callable


def soon(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether it does in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
