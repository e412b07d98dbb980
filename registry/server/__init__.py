"""uvicorn, its workers, and how they start and stop."""

import asyncio
import ctypes
import errno
import gc
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType

import orjson
import structlog
import uvicorn
import uvloop

from registry import __version__, log
from registry.app import App
from registry.asgi import Registry
from registry.database import migrations
from registry.errors import OperatorError
from registry.http import access
from registry.server.listener import NOBODY, Connections, Listener, raise_descriptor_limit, shared_counts
from registry.server.protocol import Protocol
from registry.server.supervisor import STOPS, Supervisor, tell_waiting
from registry.settings.fields import Settings
from registry.system import host, stream
from registry.system.threads import Threads, are_refused

events = structlog.get_logger("registry")

BACKLOG = 2048

M_MMAP_THRESHOLD = -3
LARGE_PIECE = 2 * 1024 * 1024
"""Bytes that are asked of the machine by themselves: more than the blocks in which bodies are read."""

THREADS = 16
"""For bodies on their way in, and whatever is too long for the loop."""

TICK = 0.02
TOLD_AFTER = 0.1
"""Seconds between two looks at the end, and until it is told what it waits for."""

TOLD_ALONE_AFTER = 0.5
"""The same for a worker among others, whose supervisor has told it by then if all are to end."""

SAVING = 2.0
"""Seconds that requests are given at the end to save what came, once they are cut off."""

SAVING_IN_HASTE = 0.5
"""The same where that is hurried as well: a whole group may get a signal that its first process passes on."""

UNHEEDED = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

NO_PORT = {
    errno.EADDRINUSE: "the port is taken; stop what uses it, or choose another --port",
    errno.EACCES: "Permission denied; ports below 1024 are the system's, choose another --port",
}

AT_START = ("data", "storage", "database", "host", "port", "workers", "log_format", "read_only")
"""Settings that only a start reads."""


def serve(settings: Settings, reload: Callable[[], Settings] | None = None) -> int:
    """Serve until a signal says stop; the exit status. Raises `OperatorError` if it cannot start.

    `reload` reads the settings again when SIGHUP asks for it."""
    stream.open_standard_descriptors()
    log.configure(settings.log_format)
    # They wait until there is somebody who hears them.
    signal.pthread_sigmask(signal.SIG_BLOCK, UNHEEDED)
    if settings.in_memory:
        # From here on there is a folder that has to go.
        for number in STOPS:
            signal.signal(number, lambda *_: sys.exit(0))
        with tempfile.TemporaryDirectory(prefix="holdfast-") as folder:
            return start(settings.model_copy(update={"data": Path(folder)}), reload)
    return start(settings, reload)


def start(settings: Settings, reload: Callable[[], Settings] | None = None) -> int:
    raise_descriptor_limit()
    # While there are descriptors to read it, and the same for all workers where it is made up.
    host.boot_id()
    # First, so that a port that cannot be had leaves no data behind.
    with listen(settings) as listening:
        migrations.upgrade(settings)
        count = settings.worker_count
        if count == 1:
            place = Place(Connections(shared_counts(1), 0))
            work(settings, listening, place, lambda: announce(settings, listening))
            return 0
        # As many again may still be at their last requests while others have taken their place.
        connections, waiting = shared_counts(2 * count), shared_counts(2 * count)

        def work_at(settings: Settings, ready: Callable[[], None], alive: int, slot: int) -> None:
            place = Place(Connections(connections, slot), waiting[slot : slot + 1], alive)
            work(settings, listening, place, ready)

        supervisor = Supervisor(
            work_at,
            settings,
            count,
            connections=connections,
            waiting=waiting,
            reload=lambda current: renewed(current, reload),
        )
        supervisor.run(ready=lambda: announce(settings, listening), stopping=listening.close)
    return 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker stands among others, if there are any."""

    connections: Connections
    waiting: memoryview | None = None
    """A number for the supervisor: how many requests the worker waits for at its end."""
    supervisor: int | None = None
    """A descriptor that ends when the supervisor has died."""


def renewed(current: Settings, reload: Callable[[], Settings] | None) -> Settings | None:
    """The settings read again, for workers to be replaced for them; None where what is wrong leaves all as it is."""
    if reload is None:
        return None
    try:
        read = reload()
    except Exception as error:
        events.error("settings stay as they are", reason=str(error))
        return None
    changed = [name for name in type(read).model_fields if getattr(read, name) != getattr(current, name)]
    taken = {name: getattr(read, name) for name in changed if name not in AT_START}
    events.info("settings read again; workers are replaced one after the other", changed=list(taken))
    if only_at_start := [name for name in changed if name in AT_START]:
        events.warning("settings that only a restart takes up", only_at_start=only_at_start)
    return current.model_copy(update=taken)


def listen(settings: Settings) -> socket.socket:
    """The socket, bound. Raises `OperatorError` for an address that cannot be had."""
    try:
        addresses = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_ADDRCONFIG
        )
        family, kind, protocol, _, address = addresses[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        with_port = "; the port is told by --port" if settings.host.count(":") == 1 else ""
        raise OperatorError(f"cannot listen on {settings.host}: {error.strerror or error}{with_port}") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        reason = NO_PORT.get(error.errno or 0, error.strerror)
        raise OperatorError(f"cannot listen on {settings.host} port {settings.port}: {reason}") from error
    listening.setblocking(False)
    return listening


def announce(settings: Settings, listening: socket.socket) -> None:
    """One line that says where it listens and where its data lies."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{listening.getsockname()[1]}"
    count = settings.worker_count
    if settings.log_format == "json":
        told = {"time": access.timestamp(), "event": "listening", "version": __version__, "url": url, "workers": count}
        line = orjson.dumps(told | {"storage": settings.storage_url, "database": settings.database_url}).decode()
    else:
        line = f"Holdfast {__version__} listens on {url} with {count} worker{'s'[: count - 1]}; {kept(settings)}"
    stream.write_now(1, stream.encoded(line + "\n"))


def kept(settings: Settings) -> str:
    """Where everything is, for the eye: what is not in the data folder is told apart."""
    if settings.in_memory:
        return "data: memory only"
    places = {}
    if settings.storage is None or settings.database is None:
        places["data"] = str(settings.data.absolute())
    if settings.storage is not None:
        places["storage"] = settings.storage_url
    if settings.database is not None:
        places["database"] = settings.database_url
    return ", ".join(f"{name}: {place}" for name, place in places.items())


def work(settings: Settings, listening: socket.socket, place: Place, ready: Callable[[], None]) -> None:
    """One worker's life. `ready` is called once it serves. Raises `OperatorError`."""
    gc.freeze()
    gc.enable()
    give_back_large_pieces()
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    try:
        runner.run(live(Registry(App(settings)), settings, listening, place, ready))
    except RuntimeError as error:
        if are_refused(error):
            raise OperatorError("no thread can be started: the limit of processes is reached") from error
        raise
    finally:
        end(runner)
    # All is closed: an impatient second signal must not turn that into a failure.
    for number in (*STOPS, *UNHEEDED):
        signal.signal(number, signal.SIG_IGN)


def end(runner: asyncio.Runner) -> None:
    """Close the loop, which starts a thread to wait for the others: where there is none, nobody has to wait."""
    try:
        runner.close()
    except RuntimeError as error:
        if not are_refused(error):
            raise


def give_back_large_pieces() -> None:
    """Let memory of several megabytes go back to the machine when it is free: large manifests come and go.

    glibc would learn from the first ones to keep it (mallopt(3)); where there is no such function, it stays so."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_PIECE)


class Server(uvicorn.Server):
    """uvicorn's server, told to stop by handlers that are there before it serves and as long as it closes."""

    def __init__(self, config: uvicorn.Config, drain: timedelta, place: Place) -> None:
        super().__init__(config)
        self.server_state.connections = place.connections
        self._place = place
        self._drain = drain
        self._interrupted = False
        self._told = False
        """Whether it was told what the end waits for."""
        self._hurry = 0
        """How often it was said that the end is to come at once."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        def protocol() -> Protocol:
            return Protocol(self.config, self.server_state, {})

        self.servers = [Listener(listening, self._place.connections, protocol) for listening in sockets or []]  # type: ignore[misc]
        self.started = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Without raising the signal once more at the end, which would leave no time to close."""
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A first signal lets requests end, SIGQUIT and a second Ctrl-C do not."""
        if sig == signal.SIGQUIT or (sig == signal.SIGINT and self.should_exit):
            self._hurry += 1
        self._interrupted = self._interrupted or sig == signal.SIGINT
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in self.servers:
            listener.close()
            await listener.wait_closed()
        for each in sockets or []:
            each.close()
        connections = self.server_state.connections
        for connection in list(connections):
            connection.shutdown()
        await self._let_requests_end()
        await self._cancel_requests()
        if connections:
            await asyncio.sleep(TICK)  # What was just answered is on its way after that.
        for connection in list(connections):
            connection.transport.abort()

    async def _let_requests_end(self) -> None:
        state, loop = self.server_state, asyncio.get_running_loop()
        await asyncio.sleep(0)  # Idle connections are gone after that.
        begun = loop.time()
        while (state.connections or state.tasks) and not self._hurry:
            now = loop.time()
            if now - begun >= self._drain.total_seconds():
                break
            # Those who come to their end just now are not worth a line.
            if now - begun >= TOLD_AFTER:
                self._tell_waiting(now - begun)
            await asyncio.sleep(TICK)
        if self._place.waiting is not None:
            self._place.waiting[0] = 0

    def _tell_waiting(self, waited: float) -> None:
        """Once, or by a supervisor that tells for all; called until it has nothing to wait for."""
        requests = max(len(self.server_state.connections), len(self.server_state.tasks))
        waiting = self._place.waiting
        if waiting is not None and waiting[0] == NOBODY:
            self._told = True
            waiting[0] = requests
        if self._told or (waiting is not None and waited < TOLD_ALONE_AFTER):
            return
        self._told = True
        alone = {} if waiting is None else {"worker": os.getpid()}
        tell_waiting(requests, self._drain, interrupted=self._interrupted, **alone)

    async def _cancel_requests(self) -> None:
        """Their handlers save what came, and answer that the registry stops."""
        tasks, hurry, loop = self.server_state.tasks, self._hurry, asyncio.get_running_loop()
        begun = loop.time()
        cancelled: set[asyncio.Task[None]] = set()
        while tasks and loop.time() - begun < (SAVING if self._hurry == hurry else SAVING_IN_HASTE):
            for task in tasks - cancelled:
                task.cancel()
            cancelled |= tasks
            await asyncio.wait(tasks, timeout=TICK)


async def live(
    registry: Registry, settings: Settings, listening: socket.socket, place: Place, ready: Callable[[], None]
) -> None:
    config = uvicorn.Config(
        registry,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        # It would believe every client on this machine; `registry.http.proxies` asks the settings.
        proxy_headers=False,
        backlog=BACKLOG,
    )
    server = Server(config, settings.drain_timeout, place)
    loop = asyncio.get_running_loop()
    alone = place.supervisor is None
    # With others, Ctrl-C and new settings are the supervisor's to hear of: a terminal tells the whole group.
    for number in STOPS if alone else (signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, server.handle_exit)

    def unheeded(number: int, _: FrameType | None) -> None:
        # Not here: a line may just be being put where a signal comes.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(tell_unheeded, number)

    for number in UNHEEDED if alone else (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, unheeded)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, UNHEEDED)
    threads = Threads(THREADS, "body")
    # The first one now: later there may be none.
    threads.submit(int)
    loop.set_default_executor(threads)
    await registry.open()
    try:
        if place.supervisor is not None:
            # Its end of the pipe closes when it dies: workers that nobody watches over must not keep the port.
            loop.add_reader(place.supervisor, orphaned, place.supervisor, server)
        expiry = asyncio.create_task(place.connections.expire(min(settings.send_timeout, settings.body_timeout)))
        # Clients wait in the socket's queue already.
        ready()
        try:
            await server.serve(sockets=[listening])
        finally:
            expiry.cancel()
    finally:
        await registry.close()


def tell_unheeded(number: int) -> None:
    name = signal.Signals(number).name
    if number == signal.SIGHUP:
        events.info("signal ignored: only a supervisor of several workers takes new settings", signal=name)
    else:
        events.info("signal ignored", signal=name)


def orphaned(supervisor: int, server: Server) -> None:
    asyncio.get_running_loop().remove_reader(supervisor)
    server.handle_exit(signal.SIGTERM, None)
    events.error("the supervisor died; stopping")
