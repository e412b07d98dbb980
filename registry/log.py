"""Events: few, and structured (structlog). What is logged of requests is in `http/access.py`."""

import atexit
import json
import logging
import os
import sys
import threading
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, Literal

import orjson
import structlog

from registry.system.stream import Stream, Text, encoded

STREAM = Stream(2)
"""Under everything that is told: events, lines, what libraries log, warnings, tracebacks and prints."""

atexit.register(STREAM.close)


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
