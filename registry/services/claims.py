"""Giving back claims on upload sessions, also where the disk is full and a row cannot be changed at the moment."""

import asyncio
from contextlib import suppress

import structlog

from registry.database import Database
from registry.errors import StorageFull, Unavailable
from registry.services import sessions
from registry.services.sessions import UploadRow

log = structlog.get_logger("uploads")

PAUSE = 0.5
"""Seconds between two tries."""


class Claims:
    """The claims that this process has yet to give back; none, unless the disk is or was full."""

    def __init__(self, table: Database) -> None:
        self._table = table
        self._owed: set[UploadRow] = set()
        self._retry: asyncio.Task[None] | None = None

    async def release(self, row: UploadRow) -> None:
        """Now, or as soon as it can be: a session must not stay claimed by nobody."""
        self._owed.add(row)
        try:
            await self.settle()
        except (StorageFull, Unavailable) as error:
            log.warning("upload stays claimed for now", upload=row.id, reason=str(error))
            if self._retry is None or self._retry.done():
                self._retry = asyncio.create_task(self._keep_trying())

    async def renew(self, row: UploadRow) -> None:
        """Keep a claim for longer, if that can be: the driver's own lock still holds where it can't."""
        with suppress(StorageFull, Unavailable):
            await self._table.run(sessions.renew, row)

    async def settle(self) -> None:
        """Raises `StorageFull` or `Unavailable` while that cannot be."""
        for row in tuple(self._owed):
            await self._table.run(sessions.release, row)
            self._owed.discard(row)

    async def _keep_trying(self) -> None:
        while self._owed:
            await asyncio.sleep(PAUSE)
            try:
                await self.settle()
            except (StorageFull, Unavailable):
                continue
