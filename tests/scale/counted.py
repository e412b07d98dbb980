"""A server in a thread of this process, run as `registry serve` runs it, that tells what it did for a request."""

import signal
import socket
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from registry import server
from registry.app import App
from registry.database.sqlite import DurableSqlite, UnsyncedSqlite
from registry.http import tap
from registry.settings.fields import Settings
from registry.settings.loading import load

CONTROL = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")
WRITES = ("INSERT", "UPDATE", "DELETE")


class Event(NamedTuple):
    """`kind`: statement, commit, session commit or hop; `what` it was, for who reads a failure."""

    kind: str
    what: str


class Counted:
    """What the server did so far, in order."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.url = ""
        self.events: list[Event] = []

    def since(self, start: int) -> Counter[str]:
        return Counter(event.kind for event in self.events[start:])

    def watch(self, connection: sqlite3.Connection, commit: str) -> None:
        """`commit`: the kind of its commits; a statement that writes outside of a transaction is one, too."""
        within = False

        def told(text: str) -> None:
            nonlocal within
            if text.startswith(CONTROL):
                within = text.startswith("BEGIN") or (within and not text.startswith("COMMIT") and text != "ROLLBACK")
            else:
                self.events.append(Event("statement", " ".join(text.split())[:150]))
            if text.startswith("COMMIT") or (text.startswith(WRITES) and not within):
                self.events.append(Event(commit, ""))

        connection.set_trace_callback(told)

    def hop(self, function: Any) -> None:
        self.events.append(Event("hop", getattr(function, "__qualname__", repr(function))))


@contextmanager
def counted(data: Path) -> Iterator[Counted]:
    """The default registry with one worker."""
    settings = load({"data": data, "port": 0, "workers": 1, "log_requests": False}, {}).settings
    told, ready = Counted(data), threading.Event()
    apps: list[App] = []
    stop: list[Callable[..., object]] = []

    def app(settings: Settings) -> App:
        apps.append(App(settings))
        return apps[0]

    def announce(_: Settings, listening: socket.socket) -> None:
        told.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        facts, sessions = apps[0].database, apps[0].upload_rows
        assert isinstance(facts, DurableSqlite)
        assert isinstance(sessions, UnsyncedSqlite)
        told.watch(facts._reader, "commit")
        told.watch(facts._writer, "commit")
        told.watch(sessions._reader, "session commit")
        told.watch(sessions._writer, "session commit")
        ready.set()

    # Only a main thread has signals: what would handle them is called below.
    numbers = {name: getattr(signal, name) for name in dir(signal) if name.startswith("SIG")}
    signals = SimpleNamespace(
        **numbers | {"signal": lambda _, handler: stop.append(handler), "pthread_sigmask": lambda *_: None}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "App", app)
        patch.setattr(server, "announce", announce)
        patch.setattr(server, "signal", signals)
        # A client that a busy machine makes pause would cost a hop more.
        patch.setattr(tap, "DRY", 10_000)
        patch.setattr(tap, "WORTH", 0)
        count_hops(told, patch)
        thread = threading.Thread(target=server.start, args=[settings])
        thread.start()
        assert ready.wait(20)
        try:
            yield told
        finally:
            stop[0](signal.SIGTERM, None)
            thread.join(20)


def count_hops(told: Counted, patch: pytest.MonkeyPatch) -> None:
    """Whatever is given to another thread: tasks to executors, transactions to the writer."""
    submit, run = ThreadPoolExecutor.submit, DurableSqlite.run

    def submitted(pool: ThreadPoolExecutor, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        told.hop(function)
        return submit(pool, function, *args, **kwargs)

    async def given(database: DurableSqlite, function: Any, *args: Any, **kwargs: Any) -> Any:
        told.hop(function)
        return await run(database, function, *args, **kwargs)

    patch.setattr(ThreadPoolExecutor, "submit", submitted)
    patch.setattr(DurableSqlite, "run", given)
