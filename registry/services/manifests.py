"""Manifests: stored byte for byte in one transaction with everything that follows from them (rule 7)."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, delete, exists, select, update

from registry import clock, hashing
from registry.conditions import Precondition
from registry.database import Command, Database, Query, Session, insertion
from registry.errors import DigestInvalid, ManifestBlobUnknown, ManifestUnknown
from registry.models import Blob, Descriptor, Manifest, Repository, RepositoryBlob, Tag, table
from registry.names import Digest, Reference, RepositoryName
from registry.names import Tag as TagName
from registry.services import documents, fallback, repositories, tags
from registry.services.documents import Document

repository, manifest, tag = table(Repository), table(Manifest), table(Tag)
blob, member, descriptor = table(Blob), table(RepositoryBlob), table(Descriptor)

PARSED_ON_THE_LOOP = 64 * 1024
"""Bytes of a manifest that are parsed sooner than a thread would have been woken."""


class Head(NamedTuple):
    """What is known of a manifest without its body; `size` in bytes."""

    digest: str
    media_type: str
    size: int


class FoundManifest(NamedTuple):
    """A manifest as it was pushed."""

    digest: str
    media_type: str
    body: bytes


class Target(NamedTuple):
    """A manifest that is about to change."""

    id: int
    digest: str
    subject: str | None


HEAD = (manifest.c.digest, manifest.c.media_type, manifest.c.size)
WHOLE = (manifest.c.digest, manifest.c.media_type, manifest.c.body)
BY_TAG = (
    repository.c.name == bindparam("within"),
    tag.c.repository_id == repository.c.id,
    tag.c.name == bindparam("reference"),
    manifest.c.id == tag.c.manifest_id,
)
BY_DIGEST = (
    repository.c.name == bindparam("within"),
    manifest.c.repository_id == repository.c.id,
    manifest.c.digest == bindparam("reference"),
)
HEAD_BY_TAG = Query(select(*HEAD).where(*BY_TAG), Head)
HEAD_BY_DIGEST = Query(select(*HEAD).where(*BY_DIGEST), Head)
FIND_BY_TAG = Query(select(*WHOLE).where(*BY_TAG), FoundManifest)
FIND_BY_DIGEST = Query(select(*WHOLE).where(*BY_DIGEST), FoundManifest)
TARGET = Query(
    select(manifest.c.id, manifest.c.digest, manifest.c.subject).where(
        manifest.c.repository_id == bindparam("of"), manifest.c.digest == bindparam("digest")
    ),
    Target,
)
INSERT = insertion(Manifest)
RETYPE = Command(
    update(manifest)
    .where(manifest.c.id == bindparam("this"), manifest.c.media_type != bindparam("pushed_as"))
    .values(media_type=bindparam("pushed_as"), referrer=bindparam("entry"))
)
DELETE = Command(delete(manifest).where(manifest.c.id == bindparam("this")))
DESCRIBE = insertion(Descriptor)
BLOB_HERE = Query(
    select(blob.c.id)
    .join_from(blob, member, member.c.blob_id == blob.c.id)
    .where(member.c.repository_id == bindparam("of"), blob.c.digest == bindparam("digest")),
    int,
)
# The descriptors of this repository's indexes that were pushed before this manifest was.
ARRIVED = Command(
    update(descriptor)
    .where(
        descriptor.c.child_id.is_(None),
        descriptor.c.digest == bindparam("of"),
        descriptor.c.role == documents.CHILD,
        exists().where(manifest.c.id == descriptor.c.manifest_id, manifest.c.repository_id == bindparam("held_by")),
    )
    .values(child_id=bindparam("arrived"))
)


class Manifests:
    """The manifests of all repositories."""

    def __init__(self, database: Database, *, sparse: bool, types: Sequence[str], limit: int) -> None:
        self._database = database
        self._sparse = sparse
        self._types = types
        self._limit = limit

    async def find(self, name: RepositoryName, reference: Reference) -> FoundManifest:
        """Raises `ManifestUnknown` for what is not in this repository (R-025)."""
        query = FIND_BY_DIGEST if isinstance(reference, Digest) else FIND_BY_TAG
        found = await self._database.lookup(query, within=name, reference=reference)
        if found is None:
            raise ManifestUnknown(reference)
        return found

    async def head(self, name: RepositoryName, reference: Reference) -> Head:
        """`find` without the body."""
        query = HEAD_BY_DIGEST if isinstance(reference, Digest) else HEAD_BY_TAG
        found = await self._database.lookup(query, within=name, reference=reference)
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
        name: RepositoryName,
        document: Document,
        reference: Reference,
        tagged: Sequence[TagName],
        condition: Precondition,
    ) -> None:
        """Store it and let the tags point to it, all or nothing. The condition is about what `reference` names now.

        Raises `ManifestBlobUnknown`, `PreconditionFailed`."""
        await self._database.run(put, name, document, reference, tagged, condition, self._sparse, self._limit)

    async def remove(self, name: RepositoryName, reference: Reference, condition: Precondition) -> None:
        """Delete a tag alone (R-182), or a manifest and all its tags (R-184).

        Raises `ManifestUnknown`, `PreconditionFailed`."""
        function = remove if isinstance(reference, Digest) else untag
        await self._database.run(function, name, reference, condition, self._limit)


def put(
    session: Session,
    name: RepositoryName,
    document: Document,
    reference: Reference,
    tagged: Sequence[TagName],
    condition: Precondition,
    sparse: bool,
    limit: int,
) -> None:
    repository_id = repositories.ensure(session, name)
    known = session.first(TARGET, of=repository_id, digest=document.digest)
    if isinstance(reference, Digest):
        condition.check(known.digest if known else None)
    else:
        condition.check(session.first(tags.TARGET, of=repository_id, name=reference))
    manifest_id = store(session, repository_id, document, known, sparse)
    for name_of_tag in tagged:
        tags.move(session, repository_id, name_of_tag, manifest_id, document.digest)
    for changed in fallback.after_put(session, repository_id, document, tagged, limit):
        merged = store(session, repository_id, changed.document, None, sparse=True)
        tags.move(session, repository_id, changed.tag, merged, changed.document.digest)


def store(session: Session, repository_id: int, document: Document, known: Target | None, sparse: bool) -> int:
    """The row of a manifest and of all it refers to."""
    found = known or session.first(TARGET, of=repository_id, digest=document.digest)
    if found is not None:
        # The same bytes may be pushed as another type; the last push says how they are served.
        session.execute(RETYPE, this=found.id, pushed_as=document.media_type, entry=document.referrer)
        if not sparse:
            resolve(session, repository_id, document, sparse)
        return found.id
    links = resolve(session, repository_id, document, sparse)
    manifest_id = session.insert(
        INSERT,
        repository_id=repository_id,
        digest=document.digest,
        media_type=document.media_type,
        artifact_type=document.artifact_type,
        subject=document.subject,
        size=len(document.body),
        created=clock.now(),
        referrer=document.referrer,
        body=document.body,
    )
    session.execute_many(DESCRIBE, [{"manifest_id": manifest_id, **link} for link in links])
    session.execute(ARRIVED, of=document.digest, held_by=repository_id, arrived=manifest_id)
    repositories.show(session, repository_id)
    return manifest_id


def resolve(session: Session, repository_id: int, document: Document, sparse: bool) -> list[dict[str, object]]:
    """What the manifest refers to, with the rows that are there. Raises `ManifestBlobUnknown` unless `sparse`."""
    links: list[dict[str, object]] = []
    missing: list[str] = []
    for position, link in enumerate(document.links):
        child = None
        if link.role == documents.CHILD:
            child = session.first(TARGET, of=repository_id, digest=link.digest)
        # An index may list blobs: build caches do.
        blob_id = session.first(BLOB_HERE, of=repository_id, digest=link.digest) if child is None else None
        if child is None and blob_id is None and link.required:
            missing.append(link.digest)
        links.append(
            {
                "position": position,
                "role": link.role,
                "media_type": link.media_type,
                "digest": link.digest,
                "size": link.size,
                "blob_id": blob_id,
                "child_id": child.id if child else None,
            }
        )
    if missing and not sparse:
        raise ManifestBlobUnknown(list(dict.fromkeys(missing)))
    return links


def remove(session: Session, name: RepositoryName, digest: Reference, condition: Precondition, limit: int) -> None:
    repository_id = session.first(repositories.FIND, name=name)
    found = None if repository_id is None else session.first(TARGET, of=repository_id, digest=digest)
    condition.check(found.digest if found else None)
    if repository_id is None or found is None:
        raise ManifestUnknown(digest)
    for pointing in session.all(tags.POINTING, manifest_id=found.id):
        tags.remove(session, repository_id, pointing)
    # Its descriptors go with it; indexes that list it remember only its digest.
    session.execute(DELETE, this=found.id)
    for changed in fallback.after_delete(session, repository_id, found.subject, found.digest, limit):
        merged = store(session, repository_id, changed.document, None, sparse=True)
        tags.move(session, repository_id, changed.tag, merged, changed.document.digest)
    repositories.hide_if_empty(session, repository_id)


def untag(session: Session, name: RepositoryName, called: Reference, condition: Precondition, _: int) -> None:
    repository_id = session.first(repositories.FIND, name=name)
    target = None if repository_id is None else session.first(tags.TARGET, of=repository_id, name=called)
    condition.check(target)
    if repository_id is None or target is None:
        raise ManifestUnknown(called)
    tags.remove(session, repository_id, called)
