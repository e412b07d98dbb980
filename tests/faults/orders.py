"""Every order in which the steps of several actors can follow each other, one after the other, without luck."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextvars import ContextVar
from random import Random
from typing import NamedTuple

PATIENCE = 30.0
"""Seconds after which an actor counts as stuck that neither ends nor comes to its next step."""

_ACTOR: ContextVar[str] = ContextVar("actor")

Actor = Callable[[], Awaitable[object]]


class Outcome(NamedTuple):
    """What one order came to: the actors in the order of their steps, and what each returned or raised."""

    order: tuple[str, ...]
    results: dict[str, object]


class Turns:
    """Actors stop before each step until it is their turn. Whoever is no actor is not kept."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._came = asyncio.Event()

    async def step(self) -> None:
        actor = _ACTOR.get("")
        if not actor:
            return
        turn = self._waiting[actor] = asyncio.get_running_loop().create_future()
        self._came.set()
        await turn

    async def _run(self, actors: Mapping[str, Actor], prefix: tuple[str, ...]) -> tuple[Outcome, list[list[str]]]:
        """The order that begins with `prefix`, and who else could have taken each step."""

        async def acting(name: str) -> object:
            _ACTOR.set(name)
            return await actors[name]()

        tasks = {name: asyncio.create_task(acting(name)) for name in actors}
        order: list[str] = []
        others: list[list[str]] = []
        try:
            while True:
                async with asyncio.timeout(PATIENCE):
                    while any(not task.done() and name not in self._waiting for name, task in tasks.items()):
                        self._came.clear()
                        came = asyncio.create_task(self._came.wait())
                        running = [task for name, task in tasks.items() if name not in self._waiting]
                        await asyncio.wait([came, *running], return_when=asyncio.FIRST_COMPLETED)
                        came.cancel()
                ready = sorted(self._waiting)
                if not ready:
                    break
                chosen = prefix[len(order)] if len(order) < len(prefix) else ready[0]
                order.append(chosen)
                others.append([name for name in ready if name != chosen])
                self._waiting.pop(chosen).set_result(None)
        finally:
            for task in tasks.values():
                task.cancel()
            results = await asyncio.gather(*tasks.values(), return_exceptions=True)
        return Outcome(tuple(order), dict(zip(tasks, results, strict=True))), others

    async def in_order(self, actors: Mapping[str, Actor], order: tuple[str, ...]) -> Outcome:
        """That one. Raises `KeyError` where it names an actor that cannot take a step then."""
        outcome, _ = await self._run(actors, order)
        return outcome

    async def orders(
        self, prepare: Callable[[], Awaitable[Mapping[str, Actor]]], most: int, seed: int = 0
    ) -> AsyncIterator[Outcome]:
        """Each order once, of actors that are made for it; where there are more than `most`, so many, at random."""
        random, ran = Random(seed), 0
        left: list[tuple[str, ...]] = [()]
        while left and ran < most:
            prefix = left.pop(random.randrange(len(left)))
            outcome, others = await self._run(await prepare(), prefix)
            for at in range(len(prefix), len(outcome.order)):
                left += [(*outcome.order[:at], other) for other in others[at]]
            ran += 1
            yield outcome
