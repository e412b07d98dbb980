"""Events, and one line for each request.

Events are few and structured (structlog). Lines are many: each is one small piece of text in a buffer that a timer
empties, as a logging library would cost as much as answering the request.
"""

import asyncio
import atexit
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, MutableMapping
from types import TracebackType
from typing import Any, Literal, NamedTuple

import orjson
import structlog

from registry.system.stream import Stream, Text, encoded

FLUSH_EVERY = 0.2
"""Seconds between two writes of buffered lines."""

STREAM = Stream(2)
"""Under everything that is told: events, lines, what libraries log, warnings, tracebacks and prints."""

atexit.register(STREAM.close)


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

    def __init__(self, form: Literal["text", "json"], stream: Stream = STREAM) -> None:
        self._render: Callable[[Line], bytes] = as_json if form == "json" else as_text
        self._stream = stream
        self._timer: asyncio.TimerHandle | None = None

    def write(self, line: Line) -> None:
        self._stream.put(self._render(line))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_EVERY, self.flush)

    def flush(self) -> None:
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


Event = MutableMapping[str, Any]


class EventLogger:
    """What structlog gives rendered events to."""

    def msg(self, message: str) -> None:
        STREAM.write(encoded(message + "\n"))

    log = debug = info = warning = warn = error = err = exception = critical = fatal = failure = msg


class StreamHandler(logging.Handler):
    """What the standard library gives the records of libraries to."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            STREAM.write(encoded(self.format(record) + "\n"))
        except Exception:
            self.handleError(record)


def configure(form: Literal["text", "json"]) -> None:
    """Let events go to standard error in this form, those of libraries and of the interpreter too."""
    begin: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time" if form == "json" else "timestamp"),
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=dumps)]
        if form == "json"
        else [structlog.dev.ConsoleRenderer(colors=os.isatty(2), exception_formatter=structlog.dev.plain_traceback)]
    )
    render = without_failing(last)
    structlog.configure(
        processors=[*begin, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: EventLogger(),
        cache_logger_on_first_use=False,
    )
    handler = StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=begin,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)

    def notice(lost: int) -> bytes:
        event: Event = {"event": "log lines lost", "lines": lost}
        for processor in begin:
            event = processor(None, "warning", event)  # type: ignore[assignment]
        return encoded(str(render(None, "warning", event)) + "\n")

    STREAM.notice = notice
    take_over()


def take_over() -> None:
    """Let nothing else write to standard error, nor fail at it."""
    sys.stdout, sys.stderr = Text(STREAM, 1), Text(STREAM, 2)
    sys.excepthook = uncaught
    sys.unraisablehook = lambda it: uncaught(it.exc_type, it.exc_value, it.exc_traceback)
    threading.excepthook = lambda it: uncaught(it.exc_type, it.exc_value, it.exc_traceback)
    # Before there are workers, and where there may be no more threads when one is needed.
    STREAM.wake()


def uncaught(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    structlog.get_logger("registry").error("uncaught exception", exc_info=(kind, error or kind(), traceback))


def without_failing(processors: list[structlog.typing.Processor]) -> structlog.typing.Processor:
    """The processors in turn; the bare event where one fails, as what comes after a log call must happen."""

    def render(logger: Any, name: str, event: Event) -> Any:
        bare = str(event.get("event"))
        result: Any = event
        try:
            for processor in processors:
                result = processor(logger, name, result)
        except Exception as error:
            return dumps({"event": bare, "level": name, "unreadable": type(error).__name__})
        return result

    return render


def dumps(event: object, **_: object) -> str:
    try:
        return orjson.dumps(event, default=str).decode()
    except TypeError:
        # Names of files may hold what is no UTF-8.
        return json.dumps(event, default=str)
