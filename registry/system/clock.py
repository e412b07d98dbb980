"""Time as the tables keep it, as answers tell it, and as it passes."""

import time
from datetime import timedelta
from email.utils import formatdate


def now() -> int:
    """Microseconds since 1970, UTC."""
    return time.time_ns() // 1000


def microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


class AgeClock:
    """The time of day for what is dropped by age: when the clock jumps ahead, nothing is older all of a sudden.

    What was written down before a jump looks too old by as much; so a jump counts only once that age has passed
    since. A jump back, and what the clock is put right by little by little, is followed at once.

    Only jumps of its own lifetime can be seen: a process that starts after one believes the clock as it finds it."""

    TOLERANCE = 60.0
    """Seconds by which the clock may be put right between two looks."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()
        self._jumped: float | None = None

    def now(self, age: timedelta) -> int:
        """Microseconds since 1970, UTC, for judging what is older than `age`."""
        told, passed = time.time(), time.monotonic()
        if told - passed - self._offset > self.TOLERANCE:
            self._jumped = passed if self._jumped is None else self._jumped
            if passed - self._jumped < age.total_seconds():
                return int((passed + self._offset) * 1e6)
        self._offset, self._jumped = told - passed, None
        return int(told * 1e6)


class _HttpDate:
    """Made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._text = b""

    def __call__(self) -> bytes:
        """The value of `Date` (RFC 9110 section 5.6.7)."""
        second = int(time.time())
        if second != self._second:
            self._second, self._text = second, formatdate(second, usegmt=True).encode()
        return self._text


http_date = _HttpDate()
