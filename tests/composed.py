"""Serves a registry that a test puts together: `python -m tests.composed MODULE:FUNCTION serve --data … --port …`.

The function is given the settings. One worker, on the registry's own server."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import uvloop

from registry import log
from registry.asgi import Registry
from registry.database import migrations
from registry.server import Place, announce, listen, live
from registry.server.listener import Connections, shared_counts
from registry.settings.fields import Settings
from registry.settings.loading import load
from tests.server import Server, running

Compose = Callable[[Settings], Registry]


@contextmanager
def serving(compose: Compose, data: Path) -> Iterator[Server]:
    """`compose`: a function of a module, which another process finds by its name."""
    place = f"{compose.__module__}:{compose.__qualname__}"
    with running(data, program=("-m", "tests.composed", place)) as server:
        yield server


def main(place: str, data: str, port: str) -> None:
    module, _, function = place.partition(":")
    compose: Compose = getattr(import_module(module), function)
    settings = load({"data": Path(data), "port": int(port), "workers": 1}, {}).settings
    log.configure(settings.log_format)
    with listen(settings) as listening, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        migrations.upgrade(settings)
        alone = Place(Connections(shared_counts(1), 0))
        runner.run(live(compose(settings), settings, listening, alone, lambda: announce(settings, listening)))


if __name__ == "__main__":
    place, serve, *flags = sys.argv[1:]
    assert (serve, flags[::2]) == ("serve", ["--data", "--port"])
    main(place, flags[1], flags[3])
