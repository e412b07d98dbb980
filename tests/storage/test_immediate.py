"""What a driver must say so that a request's first step is taken outside of any task, and that one need not say it."""

import os
from pathlib import Path

import pytest

from tests.server import Server
from tests.speak.client import Client

PROGRAM = """
import asyncio
import registry.app
from registry.storage.memory import MemoryDriver

class Waiting(MemoryDriver):
    immediate = {immediate}

    async def read(self, key, start=0, length=None):
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
        async for block in super().read(key, start, length):
            yield block

registry.app.open_driver = lambda *_, **__: Waiting()
"""
"""Done by the interpreter before anything else, as `sitecustomize`."""


@pytest.mark.parametrize("immediate", [False, True])
def test_a_driver_that_waits_in_the_way_of_tasks(immediate: bool, tmp_path: Path) -> None:
    """As the client of an object store does: it is asked within a task, unless it says that it needs none."""
    (tmp_path / "sitecustomize.py").write_text(PROGRAM.format(immediate=immediate))
    environ = {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}:{os.environ.get('PYTHONPATH', '')}"}
    server = Server(tmp_path / "data", "--storage", "memory:", environ=environ).start()
    try:
        with Client(server.url) as client:
            digest = client.push("immediate/app", b"x" * 100_000)
            answer = client.get(f"/v2/immediate/app/blobs/{digest}")
            assert answer.status == (500 if immediate else 200)
    finally:
        server.kill()
