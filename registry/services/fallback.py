"""The client-maintained referrers list: a tag `sha256-<hex>` that points to an index (R-170).

Clients race on it: each reads the list, adds its own entry and pushes it back. So where such a tag exists, the registry
keeps it equal to what the referrers API answers, in the same transaction as the change: no entry is ever lost.
"""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import orjson
from sqlalchemy import bindparam, select

from registry import hashing
from registry.database import Query, Session
from registry.models import Manifest, Tag, table
from registry.names import Digest
from registry.names import Tag as TagName
from registry.services import documents
from registry.services.documents import INDEXES, Document

manifest, tag = table(Manifest), table(Tag)


class Index(NamedTuple):
    """The index that a fallback tag points to."""

    media_type: str
    body: bytes


class Changed(NamedTuple):
    """A fallback tag, and the index that it is to point to."""

    tag: TagName
    document: Document


INDEX = Query(
    select(manifest.c.media_type, manifest.c.body)
    .join_from(tag, manifest, manifest.c.id == tag.c.manifest_id)
    .where(tag.c.repository_id == bindparam("of"), tag.c.name == bindparam("name")),
    Index,
)
# A tag holds only the first 64 characters of a longer digest.
REFERRERS = Query(
    select(manifest.c.referrer)
    .where(
        manifest.c.repository_id == bindparam("of"),
        manifest.c.subject >= bindparam("first"),
        manifest.c.subject < bindparam("beyond"),
    )
    .order_by(manifest.c.subject, manifest.c.id)
    .limit(bindparam("most")),
    bytes,
)
MOST = 4096


def after_put(
    session: Session, repository_id: int, document: Document, tagged: Sequence[TagName], limit: int
) -> Iterator[Changed]:
    """What follows for fallback tags from a push: of a referrer, or of a fallback tag itself."""
    if document.referrer is not None and document.subject is not None:
        yield from merged(session, repository_id, document.subject.fallback_tag, [document.referrer], None, limit)
    if document.media_type not in INDEXES:
        return
    for name in tagged:
        algorithm, _, encoded = name.partition("-")
        if algorithm not in ("sha256", "sha512") or len(encoded) != 64:
            continue
        prefix = f"{algorithm}:{encoded}"
        entries = session.all(REFERRERS, of=repository_id, first=prefix, beyond=prefix + "~", most=MOST)
        yield from merged(session, repository_id, name, entries, None, limit)


def after_delete(
    session: Session, repository_id: int, subject: str | None, digest: str, limit: int
) -> Iterator[Changed]:
    """What follows from the deletion of a manifest that had this subject."""
    if subject is not None:
        yield from merged(session, repository_id, Digest(subject).fallback_tag, [], digest, limit)


def merged(
    session: Session, repository_id: int, name: TagName, entries: list[bytes], gone: str | None, limit: int
) -> Iterator[Changed]:
    """The tag's index with the entries and without the one that is gone, if there is such a tag and that is news."""
    index = session.first(INDEX, of=repository_id, name=name)
    if index is None or index.media_type not in INDEXES:
        return
    body = merge(index.body, entries, gone)
    if body is not None and len(body) <= limit:
        yield Changed(name, documents.parse(body, hashing.digest_of(body), index.media_type))


def merge(index: bytes, entries: list[bytes], gone: str | None) -> bytes | None:
    """The index with what it lacks of the entries, without `gone`; None: it is as it should be."""
    fields = documents.load(index)
    listed = fields.get("manifests") or []
    kept = [entry for entry in listed if entry.get("digest") != gone]
    digests = {entry.get("digest") for entry in kept}
    added = [entry for entry in map(orjson.loads, entries) if entry["digest"] not in digests]
    if len(kept) == len(listed) and not added:
        return None
    # Not by orjson, which cannot write every number that a client may have put there.
    return json.dumps({**fields, "manifests": kept + added}, ensure_ascii=False, separators=(",", ":")).encode()
