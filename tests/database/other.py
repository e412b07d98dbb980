"""Another process with a handle on the same database. Run as a program, this module is that process."""

import asyncio
import importlib
import json
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from registry.database.contract import Database, Transaction
from tests.database import work

HELD = 3.0
"""Seconds for which a transaction is held at most: shorter than anybody waits for it."""


class Elsewhere(NamedTuple):
    """How another process makes a handle, not opened yet: `factory` is `module:function`, called with `argument`."""

    factory: str
    argument: str


class OtherProcess:
    """It does one thing after the other. Asking waits: on the loop by `asyncio.to_thread`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, function: str, *arguments: object) -> Any:
        """`database.run` of one of `work`'s functions; what it returned."""
        self._say("run", function, [arguments])
        return self.answer()[0]

    def run_at_once(self, function: str, calls: Sequence[Sequence[object]]) -> list[Any]:
        self._say("run", function, calls)
        values: list[Any] = self.answer()
        return values

    def hold(self, name: str) -> None:
        """Begin a transaction that adds a repository of this name, and stay in it."""
        self._say("hold", name, [])
        assert self.answer() == "held"

    def let_go(self) -> bool:
        """Have it committed; False if it was given up, as it had been held for too long."""
        self._write("")
        answer: bool = self.answer()
        return answer

    def answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the other process has ended"
        answer = json.loads(line)
        assert "error" not in answer, f"in another process: {answer['error']}"
        return answer["value"]

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _say(self, call: str, argument: str, calls: Sequence[Sequence[object]]) -> None:
        self._write(json.dumps([call, argument, calls]))

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()


@contextmanager
def other_process(elsewhere: Elsewhere) -> Iterator[OtherProcess]:
    """One that has opened the database; it is killed at the end."""
    command = [sys.executable, "-m", "tests.database.other", *elsewhere]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as process:
        try:
            other = OtherProcess(process)
            assert other.answer() == "open"
            yield other
        finally:
            process.kill()


def tell(value: object) -> None:
    print(json.dumps({"value": value}), flush=True)


def hold(tx: Transaction, name: str) -> bool:
    work.add(tx, name)
    tell("held")
    ready, _, _ = select.select([sys.stdin], [], [], HELD)
    return bool(ready) and sys.stdin.readline() == "\n"


async def serve(factory: str, argument: str) -> None:
    """Answer each line of standard input by one line."""
    module, _, name = factory.partition(":")
    make: Callable[[str], Database] = getattr(importlib.import_module(module), name)
    database = make(argument)
    await database.open()
    tell("open")
    while line := await asyncio.to_thread(sys.stdin.readline):
        call, subject, calls = json.loads(line)
        try:
            if call == "hold":
                tell(await database.run(hold, subject))
            else:
                function = getattr(work, subject)
                tell(await asyncio.gather(*(database.run(function, *arguments) for arguments in calls)))
        except Exception as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
