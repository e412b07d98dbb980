"""A server for mutants: a right registry in memory, in a thread, behind the layer that makes it wrong."""

import asyncio
import contextlib
import logging
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from conformance.lab.mutants.layer import Layer
from registry.app import App
from registry.asgi import Registry
from registry.database import migrations
from registry.settings.loading import load


class Host:
    """`url` is where it listens; `layer.use(mutant)` makes it wrong."""

    def __init__(self, url: str, layer: Layer) -> None:
        self.url = url
        self.layer = layer


@contextlib.contextmanager
def hosted() -> Iterator[Host]:
    """A registry with default settings, for the length of a block."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        # The files lie in the folder; the blobs in memory.
        settings = load({"data": Path(folder), "log_requests": False}, {}).settings
        migrations.upgrade(settings)
        app = App(settings.model_copy(update={"storage": "memory:"}))
        layer = Layer(Registry(app))
        # Mutants fail on purpose, in ways that a server complains about.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        config = uvicorn.Config(layer, lifespan="on", log_config=None, access_log=False, http="httptools", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), name="host", daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            thread.join(0.01)
        try:
            yield Host(f"http://127.0.0.1:{listening.getsockname()[1]}", layer)
        finally:
            server.should_exit = server.force_exit = True
            thread.join(10)
