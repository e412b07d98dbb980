"""Where bytes live: the contract (`driver`) and the drivers that keep it."""

from typing import TYPE_CHECKING

from registry.errors import OperatorError

if TYPE_CHECKING:
    from registry.storage.driver import Driver

MEMORY = "memory:"
"""The URL of storage that forgets everything when its process ends."""

SCHEMES = {"file://": "file:///PATH", MEMORY: MEMORY}
"""What URLs of storage begin with, and how they are told."""


def open_driver(url: str, *, read_only: bool = False) -> "Driver":
    """The driver for a storage URL, to be opened in the loop. Raises `OperatorError`."""
    if url == MEMORY:
        from registry.storage.memory import MemoryDriver

        return MemoryDriver()
    if url.startswith("file://"):
        from pathlib import Path
        from urllib.parse import unquote

        from registry.storage.filesystem import FilesystemDriver

        return FilesystemDriver(Path(unquote(url.removeprefix("file://"))), read_only=read_only)
    raise OperatorError(f"no storage driver for {url}; there are {' and '.join(SCHEMES.values())}")
