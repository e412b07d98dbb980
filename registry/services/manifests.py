"""Manifests: stored byte for byte, in one transaction with what follows from them (spec/architecture.md#rule-7)."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import BindParameter, bindparam, delete, insert, select, update

from registry import hashing
from registry.change import Change
from registry.database.contract import Command, Database, Query, Transaction, frees, insertion
from registry.errors import DigestInvalid, ManifestBlobUnknown, ManifestUnknown
from registry.models import Blob, Descriptor, Manifest, Repository, RepositoryBlob, Tag, table
from registry.names import Digest, Reference, RepositoryName
from registry.names import Tag as TagName
from registry.preconditions import NO_PRECONDITION, Precondition
from registry.services import documents, fallback, repositories, tags, waiting
from registry.services.documents import INDEXES, Document
from registry.services.fallback import Lists
from registry.services.fallback_merge import is_list_tag
from registry.services.registry import FoundManifest, Head
from registry.services.waiting import DescriptorKey

repository, manifest, tag = table(Repository), table(Manifest), table(Tag)
blob, member, descriptor = table(Blob), table(RepositoryBlob), table(Descriptor)

PORTION = 1000
"""Tags, or entries of indexes, that one transaction of a deletion changes: some milliseconds."""

PARSED_ON_THE_LOOP = 64 * 1024
"""Bytes of a manifest that are parsed sooner than a thread would have been woken."""


class Target(NamedTuple):
    """A manifest that is about to change."""

    id: int
    digest: str
    subject: str | None
    media_type: str


class Rules(NamedTuple):
    """What the settings say of pushes: whether a manifest may lack what it refers to, and bytes of the largest list."""

    sparse: bool
    limit: int


HEAD = (manifest.c.digest, manifest.c.media_type, manifest.c.size)
WHOLE = (manifest.c.digest, manifest.c.media_type, manifest.c.body)
BY_TAG = (
    repository.c.name == bindparam("repository_name"),
    tag.c.repository_id == repository.c.id,
    tag.c.name == bindparam("tag_name"),
    manifest.c.id == tag.c.manifest_id,
)
BY_DIGEST = (
    repository.c.name == bindparam("name"),
    manifest.c.repository_id == repository.c.id,
    manifest.c.digest == bindparam("digest"),
)
HEAD_BY_TAG = Query(select(*HEAD).where(*BY_TAG), Head)
HEAD_BY_DIGEST = Query(select(*HEAD).where(*BY_DIGEST), Head)
FIND_BY_TAG = Query(select(*WHOLE).where(*BY_TAG), FoundManifest)
FIND_BY_DIGEST = Query(select(*WHOLE).where(*BY_DIGEST), FoundManifest)
TARGET = Query(
    select(manifest.c.id, manifest.c.digest, manifest.c.subject, manifest.c.media_type).where(
        manifest.c.repository_id == bindparam("repository_id"), manifest.c.digest == bindparam("digest")
    ),
    Target,
)
INSERT = insertion(Manifest)
RETYPE = Command(
    update(manifest)
    .where(manifest.c.id == bindparam("id"), manifest.c.media_type != bindparam("media_type"))
    .values(media_type=bindparam("media_type"), referrer=bindparam("referrer"))
)
DELETE = Command(delete(manifest).where(manifest.c.id == bindparam("id")))
HELD = (
    select(blob.c.id)
    .join_from(blob, member, member.c.blob_id == blob.c.id)
    .where(member.c.repository_id == bindparam("repository_id"), blob.c.digest == bindparam("digest"))
)
BLOB_HERE = Query(HELD, int)
CHILD = select(manifest.c.id).where(
    manifest.c.repository_id == bindparam("repository_id"), manifest.c.digest == bindparam("digest")
)
DESCRIPTOR: dict[str, BindParameter[object]] = {
    column.name: bindparam(column.name) for column in descriptor.columns if column.name not in ("blob_id", "child_id")
}
# The rows that it refers to are looked up by the statement itself: a manifest may have thousands of descriptors.
DESCRIBE = Command(insert(descriptor).values(**DESCRIPTOR, blob_id=HELD.scalar_subquery()))
# An index may list blobs: build caches do.
DESCRIBE_CHILD = Command(
    insert(descriptor).values(
        **DESCRIPTOR,
        blob_id=HELD.where(~CHILD.exists()).scalar_subquery(),
        child_id=CHILD.scalar_subquery(),
    )
)
REFERRING = Query(
    select(descriptor.c.manifest_id, descriptor.c.position)
    .where(descriptor.c.child_id == bindparam("child_id"))
    .limit(bindparam("limit")),
    DescriptorKey,
)
RELEASE = Command(update(descriptor).where(*waiting.STANDS).values(child_id=None))


class Manifests:
    """The manifests of all repositories."""

    def __init__(self, database: Database, lists: Lists, *, sparse: bool, types: Sequence[str], limit: int) -> None:
        self._database = database
        self._lists = lists
        self._rules = Rules(sparse, limit)
        self._types = types

    async def find(self, name: RepositoryName, reference: Reference) -> FoundManifest:
        """Raises `ManifestUnknown` for what is not in this repository (R-025)."""
        if isinstance(reference, Digest):
            found = await self._database.lookup(FIND_BY_DIGEST, name=name, digest=reference)
            if found is None:
                listed = await self._lists.get_or_none(name, reference, body=True)
                found = listed and FoundManifest(listed.digest, listed.media_type, listed.body)
        else:
            found = await self._database.lookup(FIND_BY_TAG, repository_name=name, tag_name=reference)
            if found is not None and found.media_type in INDEXES and is_list_tag(reference):
                served = await self._lists.served(name, reference, body=True)
                if served.digest is not None and served.body is not None:
                    return FoundManifest(served.digest, found.media_type, served.body)
        if found is None:
            raise ManifestUnknown(reference)
        return found

    async def head(self, name: RepositoryName, reference: Reference) -> Head:
        """`find` without the body."""
        if isinstance(reference, Digest):
            found = await self._database.lookup(HEAD_BY_DIGEST, name=name, digest=reference)
            if found is None:
                listed = await self._lists.get_or_none(name, reference, body=False)
                found = listed and Head(listed.digest, listed.media_type, listed.size)
        else:
            found = await self._database.lookup(HEAD_BY_TAG, repository_name=name, tag_name=reference)
            if found is not None and found.media_type in INDEXES and is_list_tag(reference):
                served = await self._lists.served(name, reference, body=False)
                if served.digest is not None and served.size is not None:
                    return Head(served.digest, found.media_type, served.size)
        if found is None:
            raise ManifestUnknown(reference)
        return found

    async def parse(self, body: bytes, content_type: str | None, expected: Digest | None) -> Document:
        """The manifest in a request's body, which must have the digest `expected` if there is one (R-113).

        Raises `DigestInvalid`, `ManifestInvalid`."""

        def check() -> Document:
            digest = hashing.digest_of(body, expected.algorithm if expected else "sha256")
            if expected is not None and digest != expected:
                raise DigestInvalid(f"the manifest has the digest {digest}")
            return documents.parse(body, digest, content_type, self._types)

        return check() if len(body) <= PARSED_ON_THE_LOOP else await asyncio.to_thread(check)

    async def put(
        self,
        change: Change,
        name: RepositoryName,
        document: Document,
        reference: Reference,
        tagged: Sequence[TagName],
        condition: Precondition,
    ) -> None:
        """Store it and let the tags point to it, all or nothing. The condition is about what `reference` names now.

        Raises `ManifestBlobUnknown`, `PreconditionFailed`."""
        await self._make_ready(name, reference, condition)
        more_wait = await self._database.run(put, change, name, document, reference, tagged, condition, self._rules)
        while more_wait:
            more_wait = await self._database.run(tell_more, change, name, document.digest)

    async def remove(self, change: Change, name: RepositoryName, reference: Reference, condition: Precondition) -> None:
        """Delete a tag alone (R-182), or a manifest and all its tags (R-184).

        Many tags go in portions, so that others can write in between, and the manifest last: after a crash the rest
        can be deleted as it could before. Raises `ManifestUnknown`, `PreconditionFailed`."""
        if isinstance(reference, Digest):
            begun = False
            while not await self._database.run(remove, change, name, reference, condition, begun):
                begun = True
        else:
            await self._make_ready(name, reference, condition)
            await self._database.run(untag, change, name, reference, condition, self._rules)

    async def _make_ready(self, name: RepositoryName, reference: Reference, condition: Precondition) -> None:
        """The list that a condition is about, so that the transaction mostly finds it made."""
        if condition != NO_PRECONDITION and not isinstance(reference, Digest) and is_list_tag(reference):
            await self._lists.served(name, reference, body=False)


def put(
    tx: Transaction,
    change: Change,
    name: RepositoryName,
    document: Document,
    reference: Reference,
    tagged: Sequence[TagName],
    condition: Precondition,
    rules: Rules,
) -> bool:
    """Whether more indexes may wait for it than were told."""
    repository_id = repositories.ensure(tx, change, name)
    known = tx.first(TARGET, repository_id=repository_id, digest=document.digest)
    if not isinstance(reference, Digest):
        condition.check(served(tx, change, repository_id, reference, condition, rules.limit))
    elif known is not None or (condition != NO_PRECONDITION and fallback.made(tx, repository_id, reference)):
        condition.check(reference)
    else:
        condition.check(None)
    manifest_id, more_wait = store(tx, change, repository_id, document, known, rules.sparse)
    for name_of_tag in tagged:
        fallback.pushed(tx, change, repository_id, name_of_tag, document)
        tags.move(tx, change, repository_id, name_of_tag, manifest_id, document.digest)
    fallback.attached(tx, repository_id, document)
    return more_wait


def tell_more(tx: Transaction, change: Change, name: RepositoryName, digest: Digest) -> bool:
    """A portion of the indexes that wait for a manifest, unless it was deleted meanwhile; whether there may be more."""
    repository_id = tx.first(repositories.FIND, name=name)
    found = None if repository_id is None else tx.first(TARGET, repository_id=repository_id, digest=digest)
    if repository_id is None or found is None:
        return False
    return waiting.manifest_came(tx, repository_id, digest, found.id)


def served(
    tx: Transaction, change: Change, repository_id: int, name: TagName, condition: Precondition, limit: int
) -> str | None:
    """The digest that a tag serves, for the condition to be checked; None: there is no such tag."""
    target = tx.first(tags.TARGET, repository_id=repository_id, name=name)
    if target is None or condition == NO_PRECONDITION or not is_list_tag(name):
        return target
    return fallback.current(tx, change, repository_id, name, limit).digest or target


def store(
    tx: Transaction, change: Change, repository_id: int, document: Document, known: Target | None, sparse: bool
) -> tuple[int, bool]:
    """The row of a manifest and of all it refers to; and whether more indexes may wait for it than were told."""
    if not sparse:
        require(tx, repository_id, document)
    found = known or tx.first(TARGET, repository_id=repository_id, digest=document.digest)
    if found is not None:
        # The same bytes may be pushed as another type; the last push says how they are served.
        tx.execute(RETYPE, id=found.id, media_type=document.media_type, referrer=document.referrer)
        return found.id, waiting.manifest_came(tx, repository_id, document.digest, found.id)
    manifest_id = tx.insert(
        INSERT,
        repository_id=repository_id,
        digest=document.digest,
        media_type=document.media_type,
        artifact_type=document.artifact_type and documents.indexed(document.artifact_type),
        subject=document.subject,
        size=len(document.body),
        created=change.at,
        referrer=document.referrer,
        body=document.body,
    )
    for command, wanted in ((DESCRIBE, False), (DESCRIBE_CHILD, True)):
        links = [
            {
                "manifest_id": manifest_id,
                "repository_id": repository_id,
                "position": position,
                "role": link.role,
                "media_type": documents.indexed(link.media_type),
                "digest": link.digest,
                "size": link.size,
            }
            for position, link in enumerate(document.links)
            if (link.role == documents.CHILD) is wanted
        ]
        if links:
            tx.execute_many(command, links)
    repositories.show(tx, repository_id)
    return manifest_id, waiting.manifest_came(tx, repository_id, document.digest, manifest_id)


def require(tx: Transaction, repository_id: int, document: Document) -> None:
    """Raises `ManifestBlobUnknown` for what it refers to and the repository does not hold."""
    missing = [
        link.digest
        for link in document.links
        if link.required
        and (link.role != documents.CHILD or tx.first(TARGET, repository_id=repository_id, digest=link.digest) is None)
        and tx.first(BLOB_HERE, repository_id=repository_id, digest=link.digest) is None
    ]
    if missing:
        raise ManifestBlobUnknown(list(dict.fromkeys(missing)))


@frees
def remove(
    tx: Transaction, change: Change, name: RepositoryName, digest: Digest, condition: Precondition, begun: bool
) -> bool:
    """One portion of it; whether that was the last. `begun`: there was one before."""
    repository_id = tx.first(repositories.FIND, name=name)
    found = None if repository_id is None else tx.first(TARGET, repository_id=repository_id, digest=digest)
    if repository_id is None or found is None:
        if begun:  # Somebody else was faster.
            return True
        made = repository_id is not None and fallback.made(tx, repository_id, digest)
        if repository_id is None or not made:
            raise ManifestUnknown(digest)
        condition.check(digest)
        fallback.removed(tx, change, repository_id, digest, tag_too=True)
        return True
    condition.check(found.digest)
    pointing = tx.all(tags.POINTING, manifest_id=found.id, limit=PORTION)
    tags.remove(tx, change, repository_id, *pointing)
    for tag_name in pointing:
        fallback.untagged(tx, change, repository_id, tag_name)
    # Indexes that list it remember only its digest.
    referring = tx.all(REFERRING, child_id=found.id, limit=PORTION)
    tx.execute_many(RELEASE, [{"manifest_id": at.manifest_id, "position": at.position} for at in referring])
    if len(pointing) == PORTION or len(referring) == PORTION:
        return False
    # Its descriptors go with it.
    tx.execute(DELETE, id=found.id)
    fallback.detached(tx, change, repository_id, found.subject, found.digest)
    if found.media_type in INDEXES:
        fallback.removed(tx, change, repository_id, found.digest, tag_too=False)
    repositories.hide_if_empty(tx, repository_id)
    return True


@frees
def untag(
    tx: Transaction, change: Change, name: RepositoryName, called: TagName, condition: Precondition, rules: Rules
) -> None:
    repository_id = tx.first(repositories.FIND, name=name)
    target = None if repository_id is None else served(tx, change, repository_id, called, condition, rules.limit)
    if repository_id is None or target is None:
        raise ManifestUnknown(called)
    condition.check(target)
    tags.remove(tx, change, repository_id, called)
    fallback.untagged(tx, change, repository_id, called)
