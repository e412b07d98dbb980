"""Promises that a blob is there: given by an answer at once, and written down behind it."""

import asyncio
import time
from collections.abc import Sequence
from itertools import islice

import structlog
from sqlalchemy import bindparam, update

from registry.change import Change
from registry.database.contract import Command, Database, Transaction
from registry.models import RepositoryBlob, table

log = structlog.get_logger("registry")

member = table(RepositoryBlob)

Promised = tuple[int, int]
"""The ids of a repository and of a blob that it holds."""

RENEW = Command(
    update(member)
    .where(member.c.repository_id == bindparam("repository_id"), member.c.blob_id == bindparam("blob_id"))
    .values(renewed=bindparam("renewed"))
)

MOST = 10_000
"""Promises that wait to be written down; whoever asks when there are more is promised nothing new."""

MOST_AT_ONCE = 100
"""Promises in one transaction."""

PATIENCE = 1.0
"""Seconds that an answer waits for a promise without which it could not be given."""

TOLD_EVERY = 60.0
"""Seconds between two words in the log on promises that cannot be written down."""


class Promises:
    """Of one worker; each blob of a repository waits once, however many ask for it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending: dict[Promised, None] = {}
        self._writing: asyncio.Task[None] | None = None
        self._told = float("-inf")

    def later(self, promised: Promised) -> None:
        """Write it down as soon as that can be, and no later answer for it."""
        if len(self._pending) < MOST:
            self._pending[promised] = None
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def now(self, promised: Promised) -> bool:
        """Whether it could be written down in about a second. Never raises."""
        writing = asyncio.get_running_loop().create_task(self._renewed([promised]))
        await asyncio.wait([writing], timeout=PATIENCE)
        return writing.done() and writing.result()

    async def _write(self) -> None:
        while self._pending:
            batch = list(islice(self._pending, MOST_AT_ONCE))
            if not await self._renewed(batch):
                # Whoever asks next is promised it again.
                self._pending.clear()
            for promised in batch:
                self._pending.pop(promised, None)

    async def _renewed(self, batch: Sequence[Promised]) -> bool:
        try:
            await self._database.run(renew, Change.own(), batch)
        except Exception as error:
            if time.monotonic() - self._told > TOLD_EVERY:
                self._told = time.monotonic()
                log.warning("promises that blobs stay cannot be written down", reason=str(error))
            return False
        return True


def renew(tx: Transaction, change: Change, batch: Sequence[Promised]) -> None:
    for repository_id, blob_id in batch:
        tx.execute(RENEW, repository_id=repository_id, blob_id=blob_id, renewed=change.at)
