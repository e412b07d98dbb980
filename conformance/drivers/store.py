"""The store that a driver is tested on: an empty one for each case, opened as often as a case asks for."""

import importlib
import inspect
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from registry.storage.driver import Driver
from registry.storage.filesystem import FilesystemDriver
from registry.storage.memory import MemoryDriver

FOREVER = 10_000_000_000.0
"""A time before which everything was touched."""

_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


class TargetInvalid(ValueError):
    """Not a driver that can be tested; told as one line."""


class Store:
    """Makes drivers of a target:

    - `memory:` gives each case a new one,
    - `file:///FOLDER` a folder of its own in a new folder below that one, removed at the end,
    - `package.module:factory` whatever `factory(name)` returns: a driver, not opened, on a store that is empty at
      first; two calls with one name are two instances on one store. A factory without parameters has one store,
      which must be empty, and is emptied after each case.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._folder: Path | None = None
        self._factory: Callable[..., Any] | None = None
        self.named = True
        if target.startswith("file://"):
            self._folder = folder(target)
        elif _FACTORY.fullmatch(target):
            self._factory = factory(target)
            self.named = takes_a_name(self._factory)
        elif target != "memory:":
            raise TargetInvalid(f"{target!r} is none of file:///FOLDER, memory: and package.module:factory")

    @property
    def locks(self) -> bool:
        """Whether the driver is known to refuse a second appender."""
        return self._factory is None

    def make(self, name: str) -> Driver:
        """A driver on the store of this name, not opened yet."""
        if self._folder is not None:
            return FilesystemDriver(self._folder / name)
        if self._factory is None:
            return MemoryDriver()
        made = self._factory(name) if self.named else self._factory()
        if not isinstance(made, Driver):
            raise TargetInvalid(f"{self.target} returned {type(made).__name__}, not a storage driver")
        return made

    def begin(self) -> None:
        """Before the first case."""
        if self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._folder = Path(tempfile.mkdtemp(prefix="conformance-", dir=self._folder))
            except OSError as error:
                raise TargetInvalid(f"{self.target}: {error.strerror or error}") from None

    def child_target(self) -> str:
        """What another process opens the same stores by."""
        return self.target if self._folder is None else f"file://{quote(str(self._folder))}"

    async def prepare(self, driver: Driver) -> None:
        """Before a case: a store that is shared by all cases must hold nothing that belongs to somebody."""
        if not self.named:
            async for stat in driver.list():
                raise TargetInvalid(f"{self.target}: the store is not empty, it has {stat.key}")

    async def clean(self, driver: Driver) -> None:
        """After a case: what it left is dropped. Only where every object is a case's own."""
        if self._folder is None and self._factory is not None:
            async for state in driver.stale(FOREVER):
                await driver.abort(state)
            async for stat in driver.list():
                await driver.delete(stat.key)

    def end(self) -> None:
        """After the last case."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def folder(url: str) -> Path:
    path = Path(unquote(url.removeprefix("file://")))
    if not path.is_absolute():
        raise TargetInvalid(f"{url!r} must be file:/// and an absolute path")
    return path


def factory(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise TargetInvalid(f"{target}: {error}") from None
    if not callable(found):
        raise TargetInvalid(f"{target} cannot be called")
    called: Callable[..., Any] = found
    return called


def takes_a_name(function: Callable[..., Any]) -> bool:
    """Whether a factory can be given the name of a store."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        found = inspect.signature(function).parameters.values()
    except ValueError:
        return False
    return any(parameter.kind in (*positional, inspect.Parameter.VAR_POSITIONAL) for parameter in found)
