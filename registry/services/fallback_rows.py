"""The statements of the lists of referrers that clients keep."""

from typing import NamedTuple

from sqlalchemy import and_, bindparam, delete, exists, func, select, true, tuple_, update
from sqlalchemy import join as join_tables

from registry.database.contract import Command, Query, insertion
from registry.models import (
    Descriptor,
    MadeList,
    Manifest,
    OfferedReferrer,
    OmittedReferrer,
    ReferrersList,
    Repository,
    Tag,
    table,
)
from registry.services.documents import CHILD
from registry.services.fallback_merge import Referrer, Source

repository, manifest, descriptor, tag = table(Repository), table(Manifest), table(Descriptor), table(Tag)
list_, made = table(ReferrersList), table(MadeList)
omitted, offered = table(OmittedReferrer), table(OfferedReferrer)


class State(NamedTuple):
    """What a tag points to, and what is known of it as a list."""

    target: int
    source: int | None
    made_id: int | None
    fresh: bool | None
    generation: int | None


class PagedReferrer(NamedTuple):
    """A `Referrer`, and by which subject: two digests may share the tag of a list."""

    id: int
    digest: str
    size: int
    subject: str


class Made(NamedTuple):
    """A list that was made."""

    id: int
    tag: str
    replaced: int | None
    outlived: bool


class Replaced(NamedTuple):
    """A list that was made, and since when another one is served."""

    id: int
    replaced: int


class Entry(NamedTuple):
    """A referrer that is treated apart, in the list of a repository's tag."""

    repository_id: int
    tag: str
    digest: str


class Served(NamedTuple):
    """What a list's tag serves: a list that was made, or without digest what the client pushed. `size` in bytes."""

    digest: str | None = None
    size: int | None = None
    body: bytes | None = None


class FoundList(NamedTuple):
    """A list that was made, by its digest; `size` in bytes."""

    digest: str
    media_type: str
    size: int
    body: bytes = b""


def most_referrers(limit: int) -> int:
    """How many may be in a list of so many bytes: what identifies one takes more than 128."""
    return limit // 128


# What is served

UP_TO_DATE = (
    repository.c.name == bindparam("repository_name"),
    tag.c.repository_id == repository.c.id,
    tag.c.name == bindparam("tag_name"),
    list_.c.repository_id == repository.c.id,
    list_.c.tag == tag.c.name,
    list_.c.source == tag.c.manifest_id,
    list_.c.fresh == true(),
)
WITH_MADE = join_tables(list_, made, made.c.id == list_.c.made_id, isouter=True)
FRESH_HEAD = Query(
    select(made.c.digest, made.c.size).select_from(repository, tag, WITH_MADE).where(*UP_TO_DATE), Served
)
FRESH = Query(
    select(made.c.digest, made.c.size, made.c.body).select_from(repository, tag, WITH_MADE).where(*UP_TO_DATE), Served
)
BY_DIGEST = (
    repository.c.name == bindparam("name"),
    made.c.repository_id == repository.c.id,
    made.c.digest == bindparam("digest"),
)
MADE_HEAD = Query(select(made.c.digest, made.c.media_type, made.c.size).where(*BY_DIGEST), FoundList)
MADE = Query(select(made.c.digest, made.c.media_type, made.c.size, made.c.body).where(*BY_DIGEST), FoundList)
STATE = Query(
    select(tag.c.manifest_id, list_.c.source, list_.c.made_id, list_.c.fresh, list_.c.generation)
    .join_from(tag, list_, and_(list_.c.repository_id == tag.c.repository_id, list_.c.tag == tag.c.name), isouter=True)
    .where(tag.c.repository_id == bindparam("repository_id"), tag.c.name == bindparam("name")),
    State,
)

# What a list is made of

OF_SUBJECT = (
    manifest.c.repository_id == bindparam("repository_id"),
    manifest.c.subject >= bindparam("subject_from"),
    manifest.c.subject < bindparam("subject_before"),
)
SOURCE = Query(
    select(manifest.c.media_type, manifest.c.subject, manifest.c.body).where(manifest.c.id == bindparam("id")), Source
)
REFERRERS = Query(
    select(manifest.c.id, manifest.c.digest, func.length(manifest.c.referrer))
    .where(*OF_SUBJECT)
    .order_by(manifest.c.subject, manifest.c.id)
    .limit(bindparam("limit")),
    Referrer,
)
KEYSET = tuple_(manifest.c.subject, manifest.c.id)
REFERRERS_AFTER = Query(
    select(manifest.c.id, manifest.c.digest, func.length(manifest.c.referrer), manifest.c.subject)
    .where(
        manifest.c.repository_id == bindparam("repository_id"),
        tuple_(bindparam("subject_after"), bindparam("id_after")) < KEYSET,
        manifest.c.subject < bindparam("subject_before"),
    )
    .order_by(manifest.c.subject, manifest.c.id)
    .limit(bindparam("limit")),
    PagedReferrer,
)
ENTRY = Query(select(manifest.c.referrer).where(manifest.c.id == bindparam("id")), bytes)
IS_REFERRER = Query(select(manifest.c.id).where(*OF_SUBJECT, manifest.c.digest == bindparam("digest")), int)
LISTED = Query(
    select(descriptor.c.digest)
    .join_from(tag, descriptor, descriptor.c.manifest_id == tag.c.manifest_id)
    .where(
        tag.c.repository_id == bindparam("repository_id"), tag.c.name == bindparam("name"), descriptor.c.role == CHILD
    ),
    str,
)

# What is known of a list

OF_LIST = (list_.c.repository_id == bindparam("repository_id"), list_.c.tag == bindparam("tag"))
MARK = Command(update(list_).where(*OF_LIST).values(fresh=False, generation=list_.c.generation + 1))
SETTLE = Command(
    update(list_).where(*OF_LIST).values(source=bindparam("source"), made_id=bindparam("made_id"), fresh=True)
)
INSERT_LIST = insertion(ReferrersList)
FORGET_LIST = Command(delete(list_).where(*OF_LIST))

OF_TAG = (made.c.repository_id == bindparam("repository_id"), made.c.tag == bindparam("tag"))
MADE_BY_ID = Query(select(made.c.digest, made.c.size, made.c.body).where(made.c.id == bindparam("id")), Served)
MADE_HERE = Query(
    select(made.c.id, made.c.tag, made.c.replaced, made.c.outlived).where(
        made.c.repository_id == bindparam("repository_id"), made.c.digest == bindparam("digest")
    ),
    Made,
)
SAME = Query(
    select(made.c.id).where(
        made.c.repository_id == bindparam("repository_id"),
        made.c.digest == bindparam("digest"),
        made.c.tag == bindparam("tag"),
    ),
    int,
)
MADE_WITH = Query(select(made.c.id).where(*OF_TAG, made.c.entries == bindparam("entries")), int)
REPLACED = Query(
    select(made.c.id, made.c.replaced).where(*OF_TAG, made.c.replaced.is_not(None)).order_by(made.c.replaced.desc()),
    Replaced,
)
INSERT_MADE = insertion(MadeList)
REVIVE = Command(
    update(made).where(made.c.id == bindparam("id")).values(replaced=None, media_type=bindparam("media_type"))
)
REPLACE = Command(update(made).where(*OF_TAG, made.c.replaced.is_(None)).values(replaced=bindparam("replaced")))
OUTLIVE = Command(update(made).where(*OF_TAG).values(outlived=True))
DROP_MADE = Command(delete(made).where(made.c.id == bindparam("id")))
OLD_MADE = Query(
    select(made.c.id)
    .where(made.c.replaced < bindparam("replaced_before"))
    .order_by(made.c.replaced)
    .limit(bindparam("limit")),
    int,
)

# Referrers that are treated apart

OF_OMITTED = (omitted.c.repository_id == bindparam("repository_id"), omitted.c.tag == bindparam("tag"))
OMITTED = Query(select(omitted.c.digest).where(*OF_OMITTED), str)
OMIT = insertion(OmittedReferrer)
OMIT_AGAIN = Command(
    update(omitted).where(*OF_OMITTED, omitted.c.digest == bindparam("digest")).values(deleted=bindparam("deleted"))
)
ADMIT = Command(delete(omitted).where(*OF_OMITTED, omitted.c.digest == bindparam("digest")))
FORGET_OMITTED = Command(delete(omitted).where(*OF_OMITTED))
NEWEST_FORGOTTEN = Query(
    select(omitted.c.deleted)
    .where(*OF_OMITTED)
    .order_by(omitted.c.deleted.desc())
    .limit(1)
    .offset(bindparam("offset")),
    int,
)
# But for what still stands in the list that the client pushed, which would be none without it.
FORGET_DELETED = Command(
    delete(omitted).where(
        *OF_OMITTED,
        omitted.c.deleted > 0,
        omitted.c.deleted <= bindparam("deleted_up_to"),
        ~exists(
            select(tag.c.name)
            .join_from(tag, descriptor, descriptor.c.manifest_id == tag.c.manifest_id)
            .where(
                tag.c.repository_id == omitted.c.repository_id,
                tag.c.name == omitted.c.tag,
                descriptor.c.repository_id == omitted.c.repository_id,
                descriptor.c.digest == omitted.c.digest,
                descriptor.c.blob_id.is_(None),
                descriptor.c.child_id.is_(None),
            )
        ),
    )
)

OF_OFFERED = (offered.c.repository_id == bindparam("repository_id"), offered.c.tag == bindparam("tag"))
OFFERED = Query(select(offered.c.digest).where(*OF_OFFERED), str)
OFFER = insertion(OfferedReferrer)
WITHDRAW = Command(delete(offered).where(*OF_OFFERED, offered.c.digest == bindparam("digest")))
FORGET_OFFERED = Command(delete(offered).where(*OF_OFFERED))
OLD_OFFERED = Query(
    select(offered.c.repository_id, offered.c.tag, offered.c.digest)
    .where(offered.c.since < bindparam("since_before"))
    .order_by(offered.c.since)
    .limit(bindparam("limit")),
    Entry,
)
