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

    manifest_id: int
    position: int


STANDS = (descriptor.c.manifest_id == bindparam("manifest_id"), descriptor.c.position == bindparam("position"))
AWAITED = (
    descriptor.c.repository_id == bindparam("repository_id"),
    descriptor.c.digest == bindparam("digest"),
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
BLOB_CAME = Command(update(descriptor).where(*STANDS).values(blob_id=bindparam("blob_id")))
MANIFEST_CAME = Command(update(descriptor).where(*STANDS).values(child_id=bindparam("child_id")))


def blob_came(tx: Transaction, repository_id: int, digest: str, blob_id: int) -> bool:
    """Tell a portion of those that wait for a blob; whether there may be more."""
    keys = tx.all(FOR_BLOB, repository_id=repository_id, digest=digest)
    if keys:
        tx.execute_many(
            BLOB_CAME, [{"manifest_id": at.manifest_id, "position": at.position, "blob_id": blob_id} for at in keys]
        )
    return len(keys) == PORTION


def manifest_came(tx: Transaction, repository_id: int, digest: str, manifest_id: int) -> bool:
    """The same of a manifest."""
    keys = tx.all(FOR_MANIFEST, repository_id=repository_id, digest=digest)
    if keys:
        tx.execute_many(
            MANIFEST_CAME,
            [{"manifest_id": at.manifest_id, "position": at.position, "child_id": manifest_id} for at in keys],
        )
    return len(keys) == PORTION
