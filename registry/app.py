"""`App`: what a process of the registry is made of, wired by hand, in order."""

import time
from datetime import timedelta

import structlog

from registry.background import Job, Jobs
from registry.database import open_databases
from registry.services import registry as services
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
    """Everything that lives as long as the process. `open` it in the loop that serves.

    What a registry is asked stands in the attributes that are typed by `services.registry`: who wraps one of them puts
    the wrapper in its place."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.storage = open_driver(settings.storage_url, read_only=settings.read_only)
        self.database, self.upload_rows = open_databases(settings)
        blobs = Blobs(self.database, self.storage, small=settings.small_blob, read_only=settings.read_only)
        self.blobs: services.Blobs = blobs
        self._uploads = Uploads(self.upload_rows, self.storage, blobs, small=settings.small_blob)
        self.uploads: services.Uploads = self._uploads
        self._lists = Lists(self.database, limit=settings.manifest_limit, read_only=settings.read_only)
        self.manifests: services.Manifests = Manifests(
            self.database,
            self._lists,
            sparse=settings.sparse,
            types=settings.manifest_types,
            limit=settings.manifest_limit,
        )
        self.referrers: services.Referrers = Referrers(self.database, limit=settings.manifest_limit)
        self.tags: services.Tags = Tags(self.database)
        self.repositories: services.Repositories = Repositories(self.database)
        self.immediate = self.database.immediate and self.storage.immediate
        """Whether the first step of a request that only reads may be taken outside of a task."""
        self._jobs = Jobs(self.upload_rows, self._expiries())

    async def open(self) -> None:
        """Raises `OperatorError`."""
        await self.storage.open()
        await self.database.open()
        await self.upload_rows.open()
        if not self.settings.read_only:
            self._jobs.start()

    async def close(self) -> None:
        await self._jobs.stop()
        await self.upload_rows.close()
        await self.database.close()
        await self.storage.close()

    def _expiries(self) -> list[Job]:
        every = min(self.settings.upload_expiry / 4, timedelta(minutes=10))
        return [
            Job("expire uploads", every, self._expire_uploads),
            Job("expire lists of referrers", every, self._lists.sweep),
        ]

    async def _expire_uploads(self) -> None:
        started = time.monotonic()
        if dropped := await self._uploads.expire(self.settings.upload_expiry):
            log.info("expired uploads dropped", uploads=dropped, seconds=round(time.monotonic() - started, 3))
