"""Events, and one line for each request.

Events are few and structured (structlog). Lines are many: each is one small piece of text in a buffer that a timer
empties, as a logging library would cost as much as answering the request.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Literal, NamedTuple

import orjson
import structlog

FLUSH_EVERY = 0.2
"""Seconds between two writes of buffered lines."""

ATOMIC = 4096
"""Bytes that reach a pipe in one piece, between those of other workers."""


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

    def __init__(self, form: Literal["text", "json"], *, fd: int = 2) -> None:
        self._render: Callable[[Line], bytes] = as_json if form == "json" else as_text
        self._lines: list[bytes] = []
        self._fd = fd
        self._timer: asyncio.TimerHandle | None = None

    def write(self, line: Line) -> None:
        self._lines.append(self._render(line))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_EVERY, self.flush)

    def flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        piece = b""
        try:
            for line in lines:
                if len(piece) + len(line) > ATOMIC and piece:
                    os.write(self._fd, piece)
                    piece = b""
                piece += line
            if piece:
                os.write(self._fd, piece)
        except OSError:
            # Nobody reads the log any more: the registry goes on without it.
            pass


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


def configure(form: Literal["text", "json"]) -> None:
    """Let events go to standard error in this form, those of libraries too."""
    begin: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time" if form == "json" else "timestamp"),
    ]
    render: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=dumps)]
        if form == "json"
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    structlog.configure(
        processors=[*begin, *render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=begin,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def dumps(event: object, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()
