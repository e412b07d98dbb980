"""Another process goes on: what one has appended and stored the state of, the next one finds, also after a kill.

Run as a program, this module is that other process: it opens the store and does what its standard input says."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from conformance.drivers.cases.support import MIB, Cases, begin, content, fetch, full_blocks, same, send, unique
from registry.storage.driver import Driver, State

Opened = tuple[str, str]
"""The target that the other process opens its driver by, and the name of the store."""


class OtherProcess:
    """A process with a driver on the same store."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, call: str, *arguments: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([call, *arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the other process has ended"
        answer = json.loads(line)
        assert "error" not in answer, f"in another process: {answer['error']}"
        return answer["value"]

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def other_process(opened: Opened) -> Iterator[OtherProcess]:
    command = [sys.executable, "-m", "conformance.drivers.cases.processes", *opened]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            yield OtherProcess(process)
        finally:
            process.kill()


class ProcessCases(Cases):
    """Needs the fixture `opened`: how another process opens the driver's store; None if it cannot."""

    async def test_going_on_in_another_process(self, driver: Driver, opened: Opened | None) -> None:
        data = content(7 * MIB)
        name = unique("object")
        state = await send(driver, await begin(driver), 0, *full_blocks(data[:MIB]))
        with other_process(self._needed(driver, opened)) as process:
            state = process.ask("send", state, MIB, data[MIB : 2 * MIB].hex())
        state = await send(driver, state, 2 * MIB, *full_blocks(data[2 * MIB :]))
        assert await driver.appended(state) == len(data)
        with other_process(self._needed(driver, opened)) as process:
            key = process.ask("finish", state, name, len(data))
        assert await driver.size(key) == len(data)
        same(await fetch(driver, key), data)

    async def test_another_process_is_killed_while_it_appends(self, driver: Driver, opened: Opened | None) -> None:
        data = content(3 * MIB)
        state: State = await send(driver, await begin(driver), 0, *full_blocks(data[:MIB]))
        with other_process(self._needed(driver, opened)) as process:
            process.ask("write", state, MIB, b"never acknowledged".hex())
            process.kill()
        state = await send(driver, state, MIB, *full_blocks(data[MIB:]))
        key = await driver.finish(state, unique("object"), len(data))
        same(await fetch(driver, key), data)

    async def test_what_was_stored_is_there_after_a_kill(self, driver: Driver, opened: Opened | None) -> None:
        name = unique("object")
        with other_process(self._needed(driver, opened)) as process:
            key = process.ask("put", name, b"acknowledged".hex())
            process.kill()
        same(await fetch(driver, key), b"acknowledged")
        await driver.delete(key)
        with other_process(self._needed(driver, opened)) as process:
            assert process.ask("size", key) is None

    def _needed(self, driver: Driver, opened: Opened | None) -> Opened:
        if opened is None or not driver.shared:
            pytest.skip("this driver does not share its store with other processes")
        return opened


async def serve(target: str, name: str) -> None:
    """Answer each line of standard input by one line."""
    from conformance.drivers.store import Store
    from registry.storage.driver import KeyUnknown

    driver = Store(target).make(name)
    await driver.open()

    async def size(key: str) -> int | None:
        try:
            return await driver.size(key)
        except KeyUnknown:
            return None

    async def write(state: State, offset: int, block: str) -> None:
        # Never closed: this process is killed with the upload in its hands.
        appender = await driver.append(state, offset)
        await appender.write(bytes.fromhex(block), len)

    calls: dict[str, Callable[..., Awaitable[Any]]] = {
        "put": lambda name, block: driver.put(name, bytes.fromhex(block)),
        "send": lambda state, offset, block: send(driver, state, offset, bytes.fromhex(block)),
        "finish": driver.finish,
        "size": size,
        "write": write,
    }
    for line in sys.stdin:
        call, *arguments = json.loads(line)
        try:
            answer = {"value": await calls[call](*arguments)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
