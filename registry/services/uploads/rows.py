"""The rows of open upload sessions: claimed by one conditional UPDATE before anything is read or written.

That is spec/architecture.md#rule-5.
"""

import secrets
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, select, tuple_, update

from registry.database.contract import Command, Database, Query, insertion
from registry.errors import UploadUnknown
from registry.models import Upload, table
from registry.names import RepositoryName
from registry.system import clock, host

upload = table(Upload)

CLAIM = timedelta(seconds=90)
"""How long a claim holds that is not renewed; only where it cannot be seen that its process died."""


class UploadRow(NamedTuple):
    """A session as stored; see `models.Upload`."""

    id: str
    repository: str
    algorithm: str
    size: int
    hash: bytes | None
    state: str
    incarnation: str
    claim: str | None
    claimant: str | None
    claimed_until: int
    content: bytes | None


class Claim(NamedTuple):
    """A random token, the process that has it, and until when."""

    claim: str
    claimant: str
    claimed_until: int


class Resting(NamedTuple):
    """A session that nobody touched since `touched`."""

    touched: int
    id: str
    repository: str
    size: int
    state: str


COLUMNS = [upload.c[name] for name in UploadRow._fields]
THIS = (upload.c.id == bindparam("id"), upload.c.repository == bindparam("repository"))
OURS = (upload.c.id == bindparam("id"), upload.c.claim == bindparam("claim_was"))

FIND = Query(select(*COLUMNS).where(*THIS), UploadRow)
INSERT = insertion(Upload)
CLAIMED: dict[str, Any] = {name: bindparam(name) for name in ("claim", "claimant", "claimed_until")}
UNCLAIMED = update(upload).where(*THIS, upload.c.claim.is_(None)).values(CLAIMED)
CLAIMED_BY = update(upload).where(*THIS, upload.c.claim == bindparam("claim_was")).values(CLAIMED)
TAKE, TAKE_OVER = Command(UNCLAIMED), Command(CLAIMED_BY)
# What expires or is cancelled is claimed first.
TAKE_TO_DROP, TAKE_OVER_TO_DROP = Command(UNCLAIMED, frees=True), Command(CLAIMED_BY, frees=True)
RENEW = Command(update(upload).where(*OURS).values(claimed_until=bindparam("claimed_until")))
SAVED: dict[str, Any] = {
    "size": bindparam("size"),
    "hash": bindparam("hash"),
    "state": bindparam("state"),
    "content": bindparam("content"),
    "incarnation": bindparam("incarnation"),
    "touched": bindparam("touched"),
}
RELEASED: dict[str, Any] = {"claim": None, "claimant": None, "claimed_until": 0}
SAVE = Command(update(upload).where(*OURS).values(**SAVED))
RELEASE = Command(update(upload).where(*OURS).values(**RELEASED), frees=True)
SAVE_AND_RELEASE = Command(update(upload).where(*OURS).values(**SAVED, **RELEASED))
DELETE = Command(delete(upload).where(*OURS), frees=True)
# From the one after a given one on, so that those who cannot be dropped do not stand before the others.
EXPIRED = Query(
    select(*(upload.c[name] for name in Resting._fields))
    .where(
        upload.c.touched < bindparam("touched_before"),
        tuple_(upload.c.touched, upload.c.id) > tuple_(bindparam("touched_after"), bindparam("id_after")),
    )
    .order_by(upload.c.touched, upload.c.id)
    .limit(bindparam("limit")),
    Resting,
)


async def insert(
    database: Database,
    upload_id: str,
    name: RepositoryName,
    algorithm: str,
    state: str,
    content: bytes | None,
    incarnation: str,
) -> None:
    await database.execute(
        INSERT,
        id=upload_id,
        repository=name,
        algorithm=algorithm,
        size=0,
        hash=None,
        state=state,
        incarnation=incarnation,
        claim=None,
        claimant=None,
        claimed_until=0,
        touched=clock.now(),
        content=content,
    )


async def claim(
    database: Database, name: RepositoryName, upload_id: str, process: str, *, to_drop: bool = False
) -> UploadRow | None:
    """The row, claimed for one request of this process, as it is after the claim; None: somebody else has it.

    `to_drop`: to make room, also where none is left. Raises `UploadUnknown`, also for a session of another repository;
    `StorageFull`."""
    by = Claim(secrets.token_hex(16), process, clock.now() + clock.microseconds(CLAIM))
    if not await take(database, name, upload_id, by, to_drop=to_drop):
        row = await find(database, name, upload_id)
        if row.claimant is None or not has_lapsed(row, clock.now()):
            return None
        if not await take_over(database, name, row, by, to_drop=to_drop):
            return None
    # Nobody else changes it from now on.
    return await find(database, name, upload_id)


async def take(database: Database, name: RepositoryName, upload_id: str, by: Claim, *, to_drop: bool) -> bool:
    """Whether nobody had it."""
    claim, claimant, until = by
    if to_drop:
        return (
            await database.execute(
                TAKE_TO_DROP, id=upload_id, repository=name, claim=claim, claimant=claimant, claimed_until=until
            )
            > 0
        )
    return (
        await database.execute(TAKE, id=upload_id, repository=name, claim=claim, claimant=claimant, claimed_until=until)
        > 0
    )


async def take_over(database: Database, name: RepositoryName, row: UploadRow, by: Claim, *, to_drop: bool) -> bool:
    """Whether it still was claimed as the row says."""
    was, (claim, claimant, until) = row.claim, by
    if to_drop:
        return (
            await database.execute(
                TAKE_OVER_TO_DROP,
                id=row.id,
                repository=name,
                claim_was=was,
                claim=claim,
                claimant=claimant,
                claimed_until=until,
            )
            > 0
        )
    return (
        await database.execute(
            TAKE_OVER, id=row.id, repository=name, claim_was=was, claim=claim, claimant=claimant, claimed_until=until
        )
        > 0
    )


def has_lapsed(row: UploadRow, now: int) -> bool:
    """Whether nobody can be at a session that is claimed: it must not wait for a process that was killed.

    The time counts only where nothing is known of that process: a clock that jumps must not take a session from one
    that lives."""
    assert row.claimant is not None
    return host.is_dead(row.claimant) or (row.claimed_until < now and not host.is_alive(row.claimant))


async def find(database: Database, name: RepositoryName, upload_id: str) -> UploadRow:
    """The row as it is. Raises `UploadUnknown`."""
    row = await database.lookup(FIND, id=upload_id, repository=name)
    if row is None:
        raise UploadUnknown(upload_id[:64])
    return row


async def renew(database: Database, row: UploadRow) -> bool:
    """Keep the claim; False if it was lost."""
    until = clock.now() + clock.microseconds(CLAIM)
    return await database.execute(RENEW, id=row.id, claim_was=row.claim, claimed_until=until) == 1


async def save(
    database: Database,
    row: UploadRow,
    size: int,
    hasher: bytes | None,
    state: str,
    content: bytes | None,
    incarnation: str,
    *,
    release: bool,
) -> bool:
    """Let these bytes count, and give back the claim if asked to; False if it was lost, and nothing is changed."""
    saved = await database.execute(
        SAVE_AND_RELEASE if release else SAVE,
        id=row.id,
        claim_was=row.claim,
        size=size,
        hash=hasher,
        state=state,
        content=content,
        incarnation=incarnation,
        touched=clock.now(),
    )
    return saved == 1


async def release(database: Database, row: UploadRow) -> None:
    await database.execute(RELEASE, id=row.id, claim_was=row.claim)


async def forget(database: Database, row: UploadRow) -> bool:
    return await database.execute(DELETE, id=row.id, claim_was=row.claim) == 1
