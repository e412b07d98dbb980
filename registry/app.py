"""`App`: what a process of the registry is made of, wired by hand, in order."""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta

import structlog

from registry.database import open_databases
from registry.errors import RegistryError
from registry.services.blobs import Blobs
from registry.services.fallback import Lists
from registry.services.manifests import Manifests
from registry.services.referrers import Referrers
from registry.services.repositories import Repositories
from registry.services.tags import Tags
from registry.services.uploads import Uploads
from registry.settings.fields import Settings
from registry.storage import open_driver

log = structlog.get_logger("registry")


class App:
    """Everything that lives as long as the process. `open` it in the loop that serves."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.storage = open_driver(settings.storage_url, read_only=settings.read_only)
        self.database, self.upload_rows = open_databases(settings)
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
        self.immediate = self.database.immediate and self.storage.immediate
        """Whether the first step of a request that only reads may be taken outside of a task."""
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
