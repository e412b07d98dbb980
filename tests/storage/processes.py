"""Other processes at work on the same folder: what kills, delays and records them."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import registry

SCRIPT = """
import asyncio, json, os, sys
from pathlib import Path
from registry.storage.driver import DriverError
from registry.storage.filesystem import FilesystemDriver

def tell(value):
    print(json.dumps(value), flush=True)

async def main():
    driver = FilesystemDriver(Path(sys.argv[1]))
    await driver.open()
{body}
    await driver.close()

asyncio.run(main())
"""


class Child:
    """A Python process with an opened `driver`, that answers by `tell`."""

    def __init__(self, process: subprocess.Popen[str], output: IO[str]) -> None:
        self.process = process
        self._output = output

    def told(self) -> object:
        """The next value that the process told; fails if it ended instead."""
        line = self._output.readline()
        assert line, f"the process ended with status {self.process.wait()}"
        return json.loads(line)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def child(root: Path, body: str, *arguments: str, under: tuple[str, ...] = ()) -> Iterator[Child]:
    """Run `body`, a piece of a coroutine, in another process; it is killed at the end."""
    script = SCRIPT.format(body=textwrap.indent(textwrap.dedent(body), "    "))
    environment = os.environ | {"PYTHONPATH": str(Path(registry.__file__).parents[1])}
    command = [*under, sys.executable, "-c", script, str(root), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield Child(process, process.stdout)
        finally:
            process.kill()


def traceable() -> bool:
    """Whether system calls can be delayed and recorded here."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False).returncode == 0
