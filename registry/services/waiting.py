"""Descriptors of what is not in their repository yet, and are told when it is: in portions, however many wait.

The first portion goes with the transaction that brings what they wait for, the others follow before it is answered. A
crash in between loses nothing: a blob is asked for by its digest, too, and the next push of either goes on.
"""

from typing import NamedTuple

from sqlalchemy import bindparam, select, update

from registry.database.contract import Command, Query, Transaction
from registry.models import Descriptor, table
from registry.services import documents

descriptor = table(Descriptor)

PORTION = 1000
"""Descriptors that one transaction changes: some milliseconds."""


class DescriptorKey(NamedTuple):
    """The manifest that a descriptor stands in, and its position there."""

    within: int
    at: int


STANDS = (descriptor.c.manifest_id == bindparam("within"), descriptor.c.position == bindparam("at"))
AWAITED = (
    descriptor.c.repository_id == bindparam("of"),
    descriptor.c.digest == bindparam("named"),
    descriptor.c.blob_id.is_(None),
    descriptor.c.child_id.is_(None),
)
FOR_BLOB = Query(select(descriptor.c.manifest_id, descriptor.c.position).where(*AWAITED).limit(PORTION), DescriptorKey)
ANY_FOR_BLOB = Query(select(descriptor.c.manifest_id).where(*AWAITED).limit(1), int)
FOR_MANIFEST = Query(
    select(descriptor.c.manifest_id, descriptor.c.position)
    .where(*AWAITED, descriptor.c.role == documents.CHILD)
    .limit(PORTION),
    DescriptorKey,
)
BLOB_CAME = Command(update(descriptor).where(*STANDS).values(blob_id=bindparam("came")))
MANIFEST_CAME = Command(update(descriptor).where(*STANDS).values(child_id=bindparam("came")))


def blob_came(tx: Transaction, repository_id: int, digest: str, blob_id: int) -> bool:
    """Tell a portion of those that wait for a blob; whether there may be more."""
    return _tell(tx, FOR_BLOB, BLOB_CAME, repository_id, digest, blob_id)


def manifest_came(tx: Transaction, repository_id: int, digest: str, manifest_id: int) -> bool:
    """The same of a manifest."""
    return _tell(tx, FOR_MANIFEST, MANIFEST_CAME, repository_id, digest, manifest_id)


def _tell(
    tx: Transaction, query: Query[DescriptorKey], told: Command, repository_id: int, digest: str, row: int
) -> bool:
    keys = tx.all(query, of=repository_id, named=digest)
    if keys:
        tx.execute_many(told, [{**key._asdict(), "came": row} for key in keys])
    return len(keys) == PORTION
