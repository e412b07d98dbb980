"""What is told of each request once it is finished, and to whom: the log; whoever else wants to know is an `Observer`.

Lines are many: each is one small piece of text in a buffer that a timer empties, as a logging library would cost as
much as answering the request.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

import orjson

from registry.log import STREAM
from registry.system.stream import Stream

FLUSH_EVERY = 0.2
"""Seconds between two writes of buffered lines."""


class Target(NamedTuple):
    """What a request was about: its path, the name of its route, and the repository and reference in it, if any."""

    path: str
    route: str
    name: str
    reference: str


class Line(NamedTuple):
    """A request that was answered: `size` in bytes of the body sent, `duration` in seconds."""

    request_id: str
    client: str
    method: str
    path: str
    route: str
    name: str
    reference: str
    status: int
    size: int
    duration: float


class Observer(Protocol):
    """Told of every request of a worker: answered by a handler, from the cache, or refused before it was one.

    Called on the loop between two requests: it takes microseconds, waits for nothing and raises nothing."""

    def finished(self, line: Line) -> None: ...

    def close(self) -> None:
        """No request follows."""


class Clock:
    """The time of day as it stands in lines: rendered once a millisecond."""

    def __init__(self) -> None:
        self._millisecond = self._second = 0
        self._text = self._until_second = ""

    def now(self) -> str:
        millisecond = int(time.time() * 1000)
        if millisecond != self._millisecond:
            self._millisecond = millisecond
            second, rest = divmod(millisecond, 1000)
            if second != self._second:
                self._second = second
                self._until_second = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
            self._text = f"{self._until_second}{rest:03}Z"
        return self._text


class RequestLog:
    """Lines on their way to standard error."""

    def __init__(self, form: Literal["text", "json"], stream: Stream = STREAM) -> None:
        self._render: Callable[[Line], bytes] = as_json if form == "json" else as_text
        self._stream = stream
        self._timer: asyncio.TimerHandle | None = None

    def finished(self, line: Line) -> None:
        self._stream.put(self._render(line))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_EVERY, self._flush)

    def close(self) -> None:
        self._flush()

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._stream.wake()


timestamp = Clock().now


def as_json(line: Line) -> bytes:
    return orjson.dumps(
        {
            "time": timestamp(),
            "event": "request",
            "id": line.request_id,
            "client": line.client,
            "method": line.method,
            "path": line.path,
            "route": line.route,
            "name": line.name,
            "reference": line.reference,
            "status": line.status,
            "bytes": line.size,
            "ms": round(line.duration * 1000, 3),
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def as_text(line: Line) -> bytes:
    request_id, client, method, path, route, name, reference, status, size, duration = line
    what = f"{name} {reference}".strip() or path
    if not what.isprintable():
        what = what.encode("unicode_escape").decode()  # A path must not look like a line of its own.
    return (
        f"{timestamp()} {status} {method} {route} {what} {size}B {duration * 1000:.1f}ms {client} id={request_id}\n"
    ).encode("utf-8", "backslashreplace")
