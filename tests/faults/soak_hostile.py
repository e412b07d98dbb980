"""The clients of a soak that do what no client should: each kind is one function, repeated on new connections."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tests.speak.client import reset_at_close
from tests.speak.many import Connection, Gone, held, raw, receive, send
from tests.speak.wire import head

HELD = 100.0
"""Seconds after which a connection that takes nothing must have been let go of: a minute is the default."""


@dataclass
class Scene:
    """What there is to ask for, as paths, and what the hostile clients saw."""

    port: int
    manifest: str = ""
    large_manifest: str = ""
    blob: str = ""
    chance: random.Random = field(default_factory=random.Random)
    rounds: dict[str, int] = field(default_factory=dict)
    held_too_long: int = 0

    async def session(self) -> str:
        """The location of a new upload."""
        connection = Connection(self.port)
        try:
            return (await connection.request("POST", "/v2/hostile/app/blobs/uploads/")).location
        except KeyError:  # Refused for now.
            raise ConnectionAbortedError from None
        finally:
            connection.close()


async def slow_sender(scene: Scene) -> None:
    """A few bytes each second of a body that is said to be large."""
    async with raw(scene.port) as connection:
        await send(connection, head("PATCH", await scene.session(), "Content-Length: 1000000"))
        for _ in range(60):
            await send(connection, b"abc")
            await asyncio.sleep(1)


async def slow_reader(scene: Scene) -> None:
    """A large blob, a few kilobytes at a time."""
    async with raw(scene.port, narrow=True) as connection:
        await send(connection, head("GET", scene.blob))
        for _ in range(120):
            await receive(connection, 16 * 1024)
            await asyncio.sleep(0.5)


async def stopped(scene: Scene, request: bytes) -> None:
    async with raw(scene.port, narrow=True) as connection:
        await send(connection, request)
        scene.held_too_long += await held(connection, HELD) >= HELD


async def stopped_manifest(scene: Scene) -> None:
    """A manifest of 4 MiB that is never read."""
    await stopped(scene, head("GET", scene.large_manifest))


async def stopped_blob(scene: Scene) -> None:
    """A large blob that is never read."""
    await stopped(scene, head("GET", scene.blob))


async def stopped_pipeline(scene: Scene) -> None:
    """Thousands of requests behind an answer that is never read."""
    await stopped(scene, head("GET", scene.blob) + head("GET", scene.manifest) * 10_000)


async def pipeline(scene: Scene) -> None:
    """Hundreds of requests in one piece, read at once or slowly."""
    async with raw(scene.port) as connection:
        pause = scene.chance.choice([0, 0, 0.05])
        await send(connection, head("GET", scene.manifest) * 500 + head("GET", scene.manifest, "Connection: close"))
        while await receive(connection, 64 * 1024):
            await asyncio.sleep(pause)


async def abort(scene: Scene) -> None:
    """Leaves in a head, in a body, in an answer, or with answers outstanding."""
    chance = scene.chance
    location = await scene.session()
    body = head("PATCH", location, "Content-Length: 500000") + bytes(400_000)
    coded = head("PATCH", location, "Transfer-Encoding: chunked") + b"5\r\nabc"
    requests = [head("GET", scene.blob), body, coded, head("GET", scene.manifest) * 100, head("HEAD", scene.blob)]
    for _ in range(10):
        async with raw(scene.port) as connection:
            request = chance.choice(requests)
            if chance.random() < 0.5:
                reset_at_close(connection)
            await send(connection, request[: chance.choice([10, len(request) // 2, len(request)])], 1)
            await asyncio.sleep(chance.choice([0, 0.01, 0.2]))
        await asyncio.sleep(0.3)


async def idle(scene: Scene) -> None:
    """Asks for nothing, or for nothing more."""
    async with raw(scene.port) as connection:
        if scene.chance.random() < 0.5:
            await send(connection, head("GET", "/v2/"))
            await receive(connection, 4096)
        await held(connection, 90)


async def half_head(scene: Scene) -> None:
    """A head of many small headers that does not end."""
    async with raw(scene.port) as connection:
        await send(
            connection, b"GET /v2/ HTTP/1.1\r\nHost: soak\r\n" + b"a:b\r\n" * scene.chance.choice([0, 9, 25_000])
        )
        await held(connection, 40)


async def half_body(scene: Scene) -> None:
    """Chunked transfer coding whose last chunk never comes."""
    async with raw(scene.port) as connection:
        size = scene.chance.choice([10, 20_000, 300_000])
        await send(connection, head("PATCH", await scene.session(), "Transfer-Encoding: chunked"))
        await send(connection, b"%x\r\n%s\r\n" % (size, bytes(size)))
        await held(connection, scene.chance.choice([1, 30]))


async def garbage(scene: Scene) -> None:
    """What is no HTTP, and the first bytes of TLS."""
    for _ in range(10):
        async with raw(scene.port) as connection:
            hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
            await send(connection, scene.chance.choice([hello, b""]) + scene.chance.randbytes(300))
            await receive(connection, 4096, 1)
        await asyncio.sleep(0.5)


async def unwanted_body(scene: Scene) -> None:
    """A body that is refused by its head, and goes on all the same."""
    async with raw(scene.port) as connection:
        await send(connection, head("PUT", "/v2/", "Content-Length: 1000000000000"))
        for _ in range(1000):
            await send(connection, bytes(8192))
            await asyncio.sleep(0.1)


async def busy(scene: Scene) -> None:
    """Small chunks without a pause, for as long as all clients of this kind have none: a log that is written all the
    time is never put away by a checkpoint that waits for a moment of rest."""
    connection = Connection(scene.port)
    try:
        while time.monotonic() % 60 < 45:
            location = (await connection.request("POST", "/v2/hostile/busy/blobs/uploads/")).location
            for size in (15_000, *[10] * 50):  # Each writes the whole row anew.
                location = (await connection.request("PATCH", location, [bytes(size)])).location
            await connection.request("DELETE", location)
    except (KeyError, TimeoutError):  # Refused for now, or too slow: what normal clients see is what is judged.
        await asyncio.sleep(1)
    finally:
        connection.close()


Kind = Callable[[Scene], Awaitable[None]]
KINDS: list[Kind] = [
    slow_sender,
    slow_reader,
    stopped_manifest,
    stopped_blob,
    stopped_pipeline,
    pipeline,
    abort,
    idle,
    half_head,
    half_body,
    garbage,
    unwanted_body,
    busy,
]


async def for_ever(kind: Kind, scene: Scene) -> None:
    """Again and again; that the server ends it, or has gone, is no failure."""
    name = kind.__name__
    while True:
        with suppress(*Gone):
            await kind(scene)
        scene.rounds[name] = scene.rounds.get(name, 0) + 1
        await asyncio.sleep(scene.chance.uniform(0.1, 0.5))
