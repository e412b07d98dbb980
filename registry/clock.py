"""Time as the tables keep it."""

import time
from datetime import timedelta


def now() -> int:
    """Microseconds since 1970, UTC."""
    return time.time_ns() // 1000


def microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
