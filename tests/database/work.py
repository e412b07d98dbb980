"""Statements and transactions of the cases, by tables of the registry; other processes run them too."""

from typing import NamedTuple

from sqlalchemy import bindparam, delete, func, select, update

from registry.database.contract import Command, Query, Transaction, insertion
from registry.models import (
    Blob,
    BlobContent,
    Descriptor,
    Manifest,
    Repository,
    RepositoryBlob,
    Tag,
    table,
)

repository, blob, content, manifest = table(Repository), table(Blob), table(BlobContent), table(Manifest)
descriptor, tag = table(Descriptor), table(Tag)

ADD_REPOSITORY = insertion(Repository)
ADD_BLOB = insertion(Blob)
ADD_CONTENT = insertion(BlobContent)
ADD_MEMBER = insertion(RepositoryBlob)
ADD_MANIFEST = insertion(Manifest)
ADD_DESCRIPTOR = insertion(Descriptor)
ADD_TAG = insertion(Tag)


class Row(NamedTuple):
    """A repository. `created` is what the cases count in: any number of 64 bits."""

    id: int
    name: str
    listed: bool
    created: int


COLUMNS = (repository.c.id, repository.c.name, repository.c.listed, repository.c.created)
NAMED = select(*COLUMNS).where(repository.c.name == bindparam("called"))

FIND = Query(NAMED, Row)
LOCK = Query(NAMED.with_for_update(key_share=True), Row)
"""The same, and nobody else gets it so until the end of the transaction (spec/architecture.md#rule-4)."""

ALL = Query(select(*COLUMNS).order_by(repository.c.name), Row)
BY_ID = Query(select(*COLUMNS).where(repository.c.id == bindparam("this")), Row)
COUNT = Query(select(func.count()).select_from(repository), int)

SET = Command(update(repository).where(repository.c.name == bindparam("called")).values(created=bindparam("to")))
SWAP = Command(
    update(repository)
    .where(repository.c.name == bindparam("called"), repository.c.created == bindparam("was"))
    .values(created=bindparam("to"))
)
"""Compare and set."""

LIST_ALL = Command(update(repository).values(listed=True))
REMOVE = Command(delete(repository).where(repository.c.name == bindparam("called")))

FIND_BLOB = Query(select(blob.c.id).where(blob.c.digest == bindparam("called")), int)
REMOVE_BLOB = Command(delete(blob).where(blob.c.id == bindparam("this")))


def add(tx: Transaction, name: str, created: int = 0, *, listed: bool = False) -> int:
    """A new repository's id."""
    return tx.insert(ADD_REPOSITORY, name=name, listed=listed, created=created)


def add_blob(tx: Transaction, digest: str, size: int = 0) -> int:
    return tx.insert(ADD_BLOB, digest=digest, size=size, key=None, created=0)


def ensure(tx: Transaction, name: str) -> int:
    """The id of the repository of this name, which is made if there is none."""
    found = tx.first(FIND, called=name)
    return found.id if found else add(tx, name)


def increment(tx: Transaction, name: str) -> int:
    """What it is after: one more than what was read."""
    found = tx.first(LOCK, called=name)
    assert found is not None
    tx.execute(SET, called=name, to=found.created + 1)
    return found.created + 1


def transfer(tx: Transaction, giver: str, taker: str) -> None:
    """One from the one to the other, the giver's row locked first."""
    rows = [tx.first(LOCK, called=name) for name in (giver, taker)]
    assert rows[0] is not None
    assert rows[1] is not None
    tx.execute(SET, called=giver, to=rows[0].created - 1)
    tx.execute(SET, called=taker, to=rows[1].created + 1)


def add_pair(tx: Transaction, name: str) -> None:
    """A repository and a blob of the same name: whoever sees one must see the other."""
    add(tx, name)
    add_blob(tx, name)


def add_manifest(tx: Transaction, name: str, body: bytes = b"{}", referrer: bytes | None = None) -> int:
    """A manifest of the repository of this name, which is made if there is none."""
    return tx.insert(
        ADD_MANIFEST,
        repository_id=ensure(tx, name),
        digest=f"sha256:{name}",
        media_type="application/json",
        artifact_type=None,
        subject=None,
        size=len(body),
        created=0,
        referrer=referrer,
        body=body,
    )


def descriptor_row(manifest_id: int, position: int, **columns: object) -> dict[str, object]:
    """A descriptor that waits, but for the columns that are given."""
    row = {"role": "layer", "media_type": "a/b", "digest": f"sha256:{position}", "size": position, "repository_id": 0}
    return {**row, "manifest_id": manifest_id, "position": position, "blob_id": None, "child_id": None, **columns}
