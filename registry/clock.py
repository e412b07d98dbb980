"""Time as the tables keep it, as answers tell it, and as it passes."""

import time
from datetime import timedelta
from email.utils import formatdate


def now() -> int:
    """Microseconds since 1970, UTC."""
    return time.time_ns() // 1000


def microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


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
