"""`App`: what a process of the registry is made of, wired by hand, in order."""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import structlog

from registry.database.connection import sqlite_path
from registry.database.contract import Database, NoDatabase
from registry.database.sqlite import DurableSqlite, ReadOnlySqlite, UnsyncedSqlite
from registry.errors import OperatorError, RegistryError
from registry.services.blobs import Blobs
from registry.services.fallback import Lists
from registry.services.manifests import Manifests
from registry.services.referrers import Referrers
from registry.services.repositories import Repositories
from registry.services.tags import Tags
from registry.services.uploads import Uploads
from registry.settings.fields import MEMORY, Settings
from registry.storage.driver import Driver

log = structlog.get_logger("registry")


class App:
    """Everything that lives as long as the process. `open` it in the loop that serves."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.storage = storage(settings.storage_url, read_only=settings.read_only)
        self.database, self.upload_rows = databases(settings)
        self.repositories = Repositories(self.database)
        self.tags = Tags(self.database)
        self.blobs = Blobs(self.database, self.storage, small=settings.small_blob, read_only=settings.read_only)
        self.uploads = Uploads(self.upload_rows, self.storage, self.blobs, small=settings.small_blob)
        self.lists = Lists(self.database, limit=settings.manifest_limit, read_only=settings.read_only)
        self.manifests = Manifests(
            self.database,
            self.lists,
            sparse=settings.sparse,
            types=settings.manifest_types,
            limit=settings.manifest_limit,
        )
        self.referrers = Referrers(self.database, limit=settings.manifest_limit)
        self._sweep: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Raises `OperatorError`."""
        await self.storage.open()
        await self.database.open()
        await self.upload_rows.open()
        if not self.settings.read_only:
            self._sweep = asyncio.create_task(self._expire())

    async def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweep
        await self.upload_rows.close()
        await self.database.close()
        await self.storage.close()

    async def _expire(self) -> None:
        """Drop what is old, time and again; a job that fails keeps none of the others."""
        pause = min(self.settings.upload_expiry / 4, timedelta(minutes=10)).total_seconds()
        while True:
            await asyncio.sleep(pause)
            for what, job in (("uploads", self._expire_uploads), ("lists of referrers", self.lists.sweep)):
                try:
                    await job()
                except (OSError, RegistryError) as error:
                    log.error("expiring failed; trying again later", what=what, reason=str(error))
                except Exception:
                    log.exception("expiring failed; trying again later", what=what)

    async def _expire_uploads(self) -> None:
        started = time.monotonic()
        if dropped := await self.uploads.expire(self.settings.upload_expiry):
            log.info("expired uploads dropped", uploads=dropped, seconds=round(time.monotonic() - started, 3))


def databases(settings: Settings) -> tuple[Database, Database]:
    """That of the facts, and that of the open sessions: a registry that is read-only has none."""
    facts, uploads = sqlite_path(settings.database_url), sqlite_path(settings.uploads_url)
    if settings.read_only:
        return ReadOnlySqlite(facts), NoDatabase()
    return DurableSqlite(facts), UnsyncedSqlite(uploads)


def storage(url: str, *, read_only: bool = False) -> Driver:
    """The driver for a storage URL. Raises `OperatorError`."""
    if url == MEMORY:
        from registry.storage.memory import MemoryDriver

        return MemoryDriver()
    if url.startswith("file://"):
        from registry.storage.filesystem import FilesystemDriver

        return FilesystemDriver(Path(unquote(url.removeprefix("file://"))), read_only=read_only)
    raise OperatorError(f"no storage driver for {url}")
