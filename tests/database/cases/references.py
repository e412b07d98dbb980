"""A foreign key is a reference: none leads nowhere, and what is deleted takes along what the models say."""

import pytest
from sqlalchemy import bindparam, delete, func, select

from registry.database.contract import Command, Database, Query, Transaction
from tests.database.cases.support import Cases, names_of
from tests.database.work import (
    ADD_CONTENT,
    ADD_DESCRIPTOR,
    ADD_MEMBER,
    REMOVE_BLOB,
    add,
    add_blob,
    add_manifest,
    content,
    descriptor,
    descriptor_row,
    manifest,
)

CONTENTS = Query(select(func.count()).select_from(content), int)
DESCRIPTORS = Query(
    select(descriptor.c.position, descriptor.c.child_id).order_by(descriptor.c.position), lambda *columns: columns
)
REMOVE_MANIFEST = Command(delete(manifest).where(manifest.c.id == bindparam("this")))


def dangle(tx: Transaction, name: str) -> None:
    """A membership of a blob that there is not."""
    tx.execute(ADD_MEMBER, repository_id=add(tx, name), blob_id=2**40, renewed=0)


def refer(tx: Transaction, name: str) -> int:
    """A blob that a manifest refers to."""
    blob_id = add_blob(tx, name)
    tx.execute_many(ADD_DESCRIPTOR, [descriptor_row(add_manifest(tx, name), 0, blob_id=blob_id)])
    return blob_id


def remove_blob_of(tx: Transaction, name: str, blob_id: int) -> None:
    add(tx, name)
    tx.execute(REMOVE_BLOB, this=blob_id)


class ReferenceCases(Cases):
    async def test_a_reference_to_nothing_is_refused(self, database: Database) -> None:
        with pytest.raises(Exception) as refused:
            await database.run(dangle, "dangling")
        assert not isinstance(refused.value, AssertionError)
        assert await names_of(database) == []
        await database.run(add, "next")
        assert await names_of(database) == ["next"]

    async def test_what_is_referred_to_stays(self, database: Database) -> None:
        blob_id = await database.run(refer, "referred")
        with pytest.raises(Exception):  # noqa: B017
            await database.run(remove_blob_of, "half", blob_id)
        assert await names_of(database) == ["referred"]
        with pytest.raises(Exception):  # noqa: B017
            await database.execute(REMOVE_BLOB, this=blob_id)
        assert len(await database.lookup_all(DESCRIPTORS)) == 1

    async def test_content_goes_with_its_blob(self, database: Database) -> None:
        def add_both(tx: Transaction) -> int:
            tx.execute(ADD_CONTENT, blob_id=add_blob(tx, "other"), content=b"stays")
            blob_id = add_blob(tx, "small")
            tx.execute(ADD_CONTENT, blob_id=blob_id, content=b"goes")
            return blob_id

        blob_id = await database.run(add_both)
        assert await database.lookup(CONTENTS) == 2
        assert await database.execute(REMOVE_BLOB, this=blob_id) == 1
        assert await database.lookup(CONTENTS) == 1

    async def test_descriptors_go_with_their_manifest(self, database: Database) -> None:
        manifest_id = await database.run(add_manifest, "parent")
        other_id = await database.run(add_manifest, "stays")

        def describe(tx: Transaction) -> None:
            tx.execute_many(ADD_DESCRIPTOR, [descriptor_row(manifest_id, position) for position in range(50)])
            tx.execute_many(ADD_DESCRIPTOR, [descriptor_row(other_id, 77)])

        await database.run(describe)
        assert await database.execute(REMOVE_MANIFEST, this=manifest_id) == 1
        assert await database.lookup_all(DESCRIPTORS) == [(77, None)]

    async def test_a_deleted_child_leaves_its_descriptor(self, database: Database) -> None:
        parent, child = [await database.run(add_manifest, name) for name in ("parent", "child")]

        def describe(tx: Transaction) -> None:
            tx.execute_many(ADD_DESCRIPTOR, [descriptor_row(parent, 0, role="child", child_id=child)])

        await database.run(describe)
        assert await database.lookup_all(DESCRIPTORS) == [(0, child)]
        assert await database.execute(REMOVE_MANIFEST, this=child) == 1
        assert await database.lookup_all(DESCRIPTORS) == [(0, None)]
