"""A driver around a driver whose calls fail, are slow, or fail after they took effect: what networks and disks do.

faults = Faults()
driver = FaultyDriver(MyDriver(), faults)
faults.fail("finish", When.AFTER)      # the next one: the store has done it, the caller does not know
faults.delay = 0.01                    # before and after every call
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from enum import Enum
from random import Random

from registry.storage.driver import Appender, Driver, Observer, Stat, State

CALLS = (
    "put",
    "size",
    "read",
    "delete",
    "list",
    "begin",
    "append",
    "write",
    "close",
    "appended",
    "reread",
    "finish",
    "abort",
    "stale",
)
"""Every call of a driver and its appender; `close` is the appender's."""


class When(Enum):
    """Whether a call fails before it did anything, in its middle (iterators), or after it took effect."""

    BEFORE = "before"
    AFTER = "after"


class Injected(Exception):
    """The fault that was asked for; no driver raises it by itself."""


class Faults:
    """Which calls go wrong. `seen` counts the calls that were made, `injected` those that failed."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay
        self.seen: dict[str, int] = dict.fromkeys(CALLS, 0)
        self.injected = 0
        self._planned: list[tuple[str, When]] = []
        self._choose: Callable[[str], When | None] = lambda call: None

    def fail(self, call: str, when: When, times: int = 1) -> None:
        """The next calls of this kind fail."""
        assert call in CALLS, call
        self._planned += [(call, when)] * times

    def fail_at_random(self, seed: int, share: float) -> None:
        """From now on this share of all calls fails, half of them after they took effect."""
        random = Random(seed)
        self._choose = lambda call: random.choice(list(When)) if random.random() < share else None

    def stop(self) -> None:
        """From now on everything works."""
        self._planned.clear()
        self._choose = lambda call: None

    def next(self, call: str) -> When | None:
        """What is to go wrong with the call that is made now."""
        self.seen[call] += 1
        for planned in self._planned:
            if planned[0] == call:
                self._planned.remove(planned)
                return planned[1]
        return self._choose(call)

    async def before(self, call: str) -> When | None:
        """To be awaited before a call: the fault that comes after it. Raises `Injected`."""
        when = self.next(call)
        if self.delay:
            await asyncio.sleep(self.delay)
        if when is When.BEFORE:
            self.raise_for(call)
        return when

    async def after(self, call: str, when: When | None) -> None:
        """To be awaited when the call took effect. Raises `Injected`."""
        if self.delay:
            await asyncio.sleep(self.delay)
        if when is When.AFTER:
            self.raise_for(call)

    def raise_for(self, call: str) -> None:
        self.injected += 1
        raise Injected(f"{call} failed, as it was told to")


class FaultyDriver(Driver):
    """All of `driver`, but for its faults. Opening and closing are left alone."""

    def __init__(self, driver: Driver, faults: Faults) -> None:
        self._driver = driver
        self._faults = faults

    @property
    def volatile(self) -> bool:  # type: ignore[override]
        return self._driver.volatile

    @property
    def shared(self) -> bool:  # type: ignore[override]
        return self._driver.shared

    def incarnation(self) -> str:
        return self._driver.incarnation()

    async def open(self) -> None:
        await self._driver.open()

    async def close(self) -> None:
        await self._driver.close()

    async def put(self, name: str, content: bytes) -> str:
        when = await self._faults.before("put")
        key = await self._driver.put(name, content)
        await self._faults.after("put", when)
        return key

    async def size(self, key: str) -> int:
        when = await self._faults.before("size")
        size = await self._driver.size(key)
        await self._faults.after("size", when)
        return size

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        async for block in self._blocks("read", self._driver.read(key, start, length)):
            yield block

    async def delete(self, key: str) -> None:
        when = await self._faults.before("delete")
        await self._driver.delete(key)
        await self._faults.after("delete", when)

    async def list(self, prefix: str = "") -> AsyncIterator[Stat]:
        when = await self._faults.before("list")
        async for stat in self._driver.list(prefix):
            yield stat
        await self._faults.after("list", when)

    async def begin(self, upload: str) -> State:
        when = await self._faults.before("begin")
        state = await self._driver.begin(upload)
        await self._faults.after("begin", when)
        return state

    async def append(self, state: State, offset: int) -> Appender:
        when = await self._faults.before("append")
        appender = await self._driver.append(state, offset)
        try:
            await self._faults.after("append", when)
        except BaseException:
            # Nobody holds the appender any more: a store lets go of what its client has lost.
            await appender.close()
            raise
        return FaultyAppender(appender, self._faults)

    async def appended(self, state: State) -> int:
        when = await self._faults.before("appended")
        size = await self._driver.appended(state)
        await self._faults.after("appended", when)
        return size

    async def reread(self, state: State) -> AsyncIterator[bytes]:
        async for block in self._blocks("reread", self._driver.reread(state)):
            yield block

    async def finish(self, state: State, name: str, size: int) -> str:
        when = await self._faults.before("finish")
        key = await self._driver.finish(state, name, size)
        await self._faults.after("finish", when)
        return key

    async def abort(self, state: State) -> None:
        when = await self._faults.before("abort")
        await self._driver.abort(state)
        await self._faults.after("abort", when)

    async def stale(self, before: float) -> AsyncIterator[State]:
        when = await self._faults.before("stale")
        async for state in self._driver.stale(before):
            yield state
        await self._faults.after("stale", when)

    async def _blocks(self, call: str, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Fails before the first block, or after it: the reader has a part then. A reader that leaves is passed on."""
        try:
            when = await self._faults.before(call)
            async for block in blocks:
                yield block
                await self._faults.after(call, when)
                when = None
            await self._faults.after(call, when)
        finally:
            close = getattr(blocks, "aclose", None)
            if close is not None:
                await close()


class FaultyAppender(Appender):
    """An appender whose calls go wrong. Closing always lets go of the upload: what may be lost is its state."""

    def __init__(self, appender: Appender, faults: Faults) -> None:
        self._appender = appender
        self._faults = faults

    # `take` is the contract's own: block by block, so that each can go wrong.

    async def write(self, block: bytes, observe: Observer) -> None:
        when = await self._faults.before("write")
        await self._appender.write(block, observe)
        await self._faults.after("write", when)

    async def close(self) -> State:
        when = self._faults.next("close")
        state = await self._appender.close()
        await self._faults.after("close", when)
        if when is not None:
            self._faults.raise_for("close")
        return state
