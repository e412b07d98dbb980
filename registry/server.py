"""uvicorn, its workers, and how they start and stop."""

import asyncio
import errno
import gc
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import orjson
import structlog
import uvicorn
import uvloop

from registry import __version__, log, migrations
from registry.app import App
from registry.asgi import Registry
from registry.config import MEMORY, Settings
from registry.door import Crowd, Door, shared_counts
from registry.errors import OperatorError
from registry.protocol import Protocol, expire_connections
from registry.supervisor import Supervisor

events = structlog.get_logger("registry")

BACKLOG = 2048

THREADS = 16
"""For bodies on their way in, and whatever is too long for the loop."""


def serve(settings: Settings) -> int:
    """Serve until a signal says stop; the exit status. Raises `OperatorError` if it cannot start."""
    log.configure(settings.log_format)
    if settings.storage == MEMORY:
        with tempfile.TemporaryDirectory(prefix="holdfast-") as folder:
            return start(settings.model_copy(update={"data": Path(folder)}))
    return start(settings)


def start(settings: Settings) -> int:
    migrations.upgrade(settings)
    with listen(settings) as listening:
        count = settings.worker_count
        counts = shared_counts(count)
        if count == 1:
            work(settings, listening, Crowd(counts, 0), lambda: announce(settings, listening), None)
        else:
            supervisor = Supervisor(
                lambda ready, alive, slot: work(settings, listening, Crowd(counts, slot), ready, alive),
                count,
                settings.drain_timeout,
            )
            supervisor.run(ready=lambda: announce(settings, listening), stopping=listening.close)
    return 0


def listen(settings: Settings) -> socket.socket:
    """The socket, bound. Raises `OperatorError` for an address that cannot be had."""
    try:
        addresses = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_ADDRCONFIG
        )
        family, kind, protocol, _, address = addresses[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OperatorError(f"cannot listen on {settings.host}: {error.strerror or error}") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        taken = error.errno == errno.EADDRINUSE
        reason = "the port is taken; stop what uses it, or choose another --port" if taken else error.strerror
        raise OperatorError(f"cannot listen on {settings.host} port {settings.port}: {reason}") from error
    listening.setblocking(False)
    return listening


def announce(settings: Settings, listening: socket.socket) -> None:
    """One line that says where it listens and where its data lies."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{listening.getsockname()[1]}"
    count = settings.worker_count
    if settings.log_format == "json":
        told = {"event": "listening", "version": __version__, "url": url, "workers": count}
        line = orjson.dumps(told | {"storage": settings.storage_url, "database": settings.database_url}).decode()
    else:
        kept = "memory only" if settings.storage == MEMORY else settings.data.absolute()
        line = f"Holdfast {__version__} listens on {url} with {count} worker{'s'[: count - 1]}; data: {kept}"
    with suppress(OSError):
        print(line, flush=True)


def work(
    settings: Settings, listening: socket.socket, crowd: Crowd, ready: Callable[[], None], supervisor: int | None
) -> None:
    """One worker's life. `supervisor`: a descriptor that ends when the supervisor has died."""
    gc.freeze()
    gc.enable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live(App(settings), settings, listening, crowd, ready, supervisor))
    # All is closed: an impatient second signal must not turn that into a failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


class Server(uvicorn.Server):
    """uvicorn's server, told to stop by handlers that are there before it serves and as long as it closes."""

    def __init__(self, config: uvicorn.Config, crowd: Crowd) -> None:
        super().__init__(config)
        self.server_state.connections = crowd

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        crowd = self.server_state.connections
        assert isinstance(crowd, Crowd)

        def protocol() -> Protocol:
            return Protocol(self.config, self.server_state, {})

        self.servers = [Door(listening, crowd, protocol) for listening in sockets or []]  # type: ignore[misc]
        self.started = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Without raising the signal once more at the end, which would leave no time to close."""
        yield


async def live(
    app: App,
    settings: Settings,
    listening: socket.socket,
    crowd: Crowd,
    ready: Callable[[], None],
    supervisor: int | None,
) -> None:
    config = uvicorn.Config(
        Registry(app),
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        # It would believe every client on this machine; `registry.proxies` asks the settings.
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, round(settings.drain_timeout.total_seconds())),
        backlog=BACKLOG,
    )
    server = Server(config, crowd)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    await app.open()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS, "body"))
    if supervisor is not None:
        # Its end of the pipe closes when it dies: workers that nobody watches over must not keep the port.
        loop.add_reader(supervisor, orphaned, supervisor, server)
    heads = asyncio.create_task(
        expire_connections(server.server_state.connections, settings.send_timeout.total_seconds())
    )
    # Clients wait in the socket's queue already.
    ready()
    try:
        await server.serve(sockets=[listening])
    finally:
        heads.cancel()
        await app.close()
        sys.stdout.flush()


def orphaned(supervisor: int, server: uvicorn.Server) -> None:
    asyncio.get_running_loop().remove_reader(supervisor)
    events.error("the supervisor died; stopping")
    server.handle_exit(signal.SIGTERM, None)
