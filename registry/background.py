"""Jobs that are done time and again, each by one process at a time of all that share a database.

A row for each job says who is at it and until when, and when it was done last. What cannot be made conditional on that
row, such as removing a file, has to be harmless when a holder that was taken for dead does it late.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import bindparam, func, select, update

from registry.database.contract import Command, Database, Query, Transaction, frees, insertion
from registry.errors import RegistryError
from registry.models import JobLease, table
from registry.system import clock, host

log = structlog.get_logger("registry")

LEASE = timedelta(seconds=30)
"""How long a lease holds that is not renewed; only where it cannot be seen that its process died."""

job_lease = table(JobLease)

FREE = ""
"""Stands for the token of a job that nobody is at."""


class Lease(NamedTuple):
    """A job's row; see `models.JobLease`."""

    token: str
    holder: str
    until: int
    done: int


THIS = job_lease.c.job == bindparam("job")
HELD = (THIS, job_lease.c.token == bindparam("token_was"))
FIND = Query(
    select(job_lease.c.token, job_lease.c.holder, job_lease.c.until, job_lease.c.done).where(THIS).limit(1), Lease
)
COUNT = Query(select(func.count()).select_from(job_lease).where(THIS), int)
INSERT = insertion(JobLease)
# On a full disk those too, as jobs make room.
TAKE = Command(
    update(job_lease)
    .where(*HELD)
    .values(token=bindparam("token"), holder=bindparam("holder"), until=bindparam("until")),
    frees=True,
)
RENEW = Command(update(job_lease).where(*HELD).values(until=bindparam("until")), frees=True)
GIVE_BACK = Command(update(job_lease).where(*HELD).values(token=FREE, done=bindparam("done")), frees=True)


class Job(NamedTuple):
    """`name`: what the log and the lease call it."""

    name: str
    every: timedelta
    run: Callable[[], Awaitable[object]]


class Jobs:
    """Those of one process. Each is begun when it was last done `every` ago, by whomever."""

    def __init__(self, database: Database, jobs: Sequence[Job], lease: timedelta = LEASE) -> None:
        self._database = database
        self._jobs = jobs
        self._lease = lease
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._repeat(job)) for job in self._jobs]

    async def stop(self) -> None:
        """Break off what is being done; the next process goes on with it."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def _repeat(self, job: Job) -> None:
        """A job that fails is tried again, and keeps none of the others."""
        while True:
            # Twice in its time, as the other process whose turn it was may have died.
            await asyncio.sleep(job.every.total_seconds() / 2)
            try:
                token = await self._take(job)
                if token is not None:
                    await self._do(job, token)
            except (OSError, RegistryError) as error:
                log.error("a job failed; trying again later", job=job.name, reason=str(error))
            except Exception:
                log.exception("a job failed; trying again later", job=job.name)

    async def _take(self, job: Job) -> str | None:
        """The token under which this process alone is at it; None: another one is, or it is not due."""
        found = await self._database.lookup(FIND, job=job.name)
        if found is None:
            await self._database.run(make, job.name)
            found = Lease(FREE, "", 0, 0)
        now = clock.now()
        held = found.token != FREE and now < found.until and not host.is_dead(found.holder)
        # A time to come is that of a clock which was put back since.
        if held or 0 <= now - found.done < clock.microseconds(job.every):
            return None
        token = secrets.token_hex(16)
        until = now + clock.microseconds(self._lease)
        taken = await self._database.execute(
            TAKE, job=job.name, token_was=found.token, token=token, holder=host.process_id(), until=until
        )
        return token if taken else None

    async def _do(self, job: Job, token: str) -> None:
        """Run it, as long as the lease is ours."""
        running = asyncio.ensure_future(job.run())
        try:
            while not (await asyncio.wait([running], timeout=self._lease.total_seconds() / 3))[0]:
                until = clock.now() + clock.microseconds(self._lease)
                if not await self._database.execute(RENEW, job=job.name, token_was=token, until=until):
                    log.warning("a job was taken over by another process", job=job.name)
                    break
            else:
                await running
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait([running])
            await self._database.execute(GIVE_BACK, job=job.name, token_was=token, done=clock.now())


@frees
def make(tx: Transaction, job: str) -> None:
    """The row of a job that was never done, unless another process has just made it."""
    if tx.first(COUNT, job=job) == 0:
        tx.execute(INSERT, job=job, token=FREE, holder="", until=0, done=0)
