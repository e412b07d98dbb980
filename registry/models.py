"""Every table: what the registry remembers.

Times are microseconds since 1970, UTC. Names, tags and digests are compared and ordered by bytes on every database.
A foreign key is a reference: content that no foreign key points at is garbage.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy import text as condition
from sqlalchemy.types import TypeEngine
from sqlmodel import Field, SQLModel

metadata: MetaData = SQLModel.metadata

metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def text(length: int) -> TypeEngine[str]:
    """At most `length` characters, compared by bytes (R-142: also where a database would fold case)."""
    return (
        String(length)
        .with_variant(String(length, collation="C"), "postgresql")
        .with_variant(String(length, collation="utf8mb4_bin"), "mysql", "mariadb")
    )


# SQLite numbers rows by itself only where the key's type is called INTEGER, which is 64 bits wide there.
ID = BigInteger().with_variant(Integer(), "sqlite")
DIGEST = text(255)
MEDIA_TYPE = text(255)
BYTES = LargeBinary(2**26)
CLUSTERED = {"sqlite_with_rowid": False}
"""Rows that are kept in the order of their key, so that finding one is one search instead of two."""


def where(sql: str) -> dict[str, Any]:
    """What makes an index one of the rows for which this holds, where a database can do that; of all rows elsewhere."""
    return {"sqlite_where": condition(sql), "postgresql_where": condition(sql)}


def table(model: type[SQLModel]) -> Table:
    """What statements are written with: its columns are `table(Model).c.name`."""
    return metadata.tables[str(model.__tablename__)]


def identity() -> Column[int]:
    return Column(ID, primary_key=True)


class Repository(SQLModel, table=True):
    """A name that something was pushed to. `listed`: it holds a manifest, so the catalogue shows it."""

    __table_args__ = (Index(None, "listed", "name"),)

    id: int = Field(sa_column=identity())
    name: str = Field(sa_type=text(255), unique=True)
    listed: bool = Field(sa_type=Boolean)
    created: int = Field(sa_type=BigInteger)


class Blob(SQLModel, table=True):
    """Bytes, once for the whole registry: in storage under the key that the driver gave, or as `BlobContent`."""

    id: int = Field(sa_column=identity())
    digest: str = Field(sa_type=DIGEST, unique=True)
    size: int = Field(sa_type=BigInteger)
    key: str | None = Field(sa_type=text(400), unique=True)
    created: int = Field(sa_type=BigInteger)


class BlobContent(SQLModel, table=True):
    """The bytes of a small blob: one commit and no file makes it durable, and one search finds it."""

    __tablename__ = "blob_content"

    blob_id: int = Field(sa_column=Column(ID, ForeignKey("blob.id", ondelete="CASCADE"), primary_key=True))
    content: bytes = Field(sa_type=BYTES)


class DyingKey(SQLModel, table=True):
    """A key whose bytes no row names any more and that are to be deleted: until they are, nobody may name them again.

    `taker`: the process that deletes them, which alone knows when it is done; None: nobody has begun. `since`: when the
    row that named them went."""

    __tablename__ = "dying_key"
    __table_args__ = (CLUSTERED,)

    key: str = Field(sa_type=text(400), primary_key=True)
    taker: str | None = Field(sa_type=text(255))
    since: int = Field(sa_type=BigInteger)


class RepositoryBlob(SQLModel, table=True):
    """A blob that a repository holds: it can be seen there and nowhere else.

    `renewed`: when the registry last promised somebody that it is there; garbage must be older than that."""

    __tablename__ = "repository_blob"
    __table_args__ = (CLUSTERED,)

    repository_id: int = Field(sa_type=BigInteger, primary_key=True, foreign_key="repository.id")
    blob_id: int = Field(sa_type=BigInteger, primary_key=True, foreign_key="blob.id", index=True)
    renewed: int = Field(sa_type=BigInteger)


class Manifest(SQLModel, table=True):
    """A manifest of a repository, byte for byte. `artifact_type` is the computed one (R-155).

    `referrer`: the descriptor by which it is listed among its subject's referrers, as JSON; none without subject.
    The large columns stand last, so that the others are read without them."""

    __table_args__ = (
        Index(None, "repository_id", "digest", unique=True),
        Index(None, "repository_id", "subject", "id"),
        Index(None, "repository_id", "subject", "artifact_type", "id"),
    )

    id: int = Field(sa_column=identity())
    repository_id: int = Field(sa_type=BigInteger, foreign_key="repository.id")
    digest: str = Field(sa_type=DIGEST)
    media_type: str = Field(sa_type=MEDIA_TYPE)
    artifact_type: str | None = Field(sa_type=MEDIA_TYPE)
    subject: str | None = Field(sa_type=DIGEST)
    size: int = Field(sa_type=BigInteger)
    created: int = Field(sa_type=BigInteger)
    referrer: bytes | None = Field(sa_type=BYTES)
    body: bytes = Field(sa_type=BYTES)


class Descriptor(SQLModel, table=True):
    """What a manifest refers to, in the order it is written there. `role`: config, layer or child.

    What is not in its repository yet has neither `blob_id` nor `child_id`; the push of it fills one of them in, where
    many wait in portions: whoever asks what refers to something asks by its digest, too. The manifest's repository is
    repeated here so that this push finds what waits for it, and nothing of other repositories.
    Each row stands in one index: that of what waits, or that of what it refers to."""

    __table_args__ = (
        Index(None, "repository_id", "digest", **where("blob_id IS NULL AND child_id IS NULL")),
        Index(None, "blob_id", "repository_id", **where("blob_id IS NOT NULL")),
        Index(None, "child_id", **where("child_id IS NOT NULL")),
        CLUSTERED,
    )

    manifest_id: int = Field(sa_type=BigInteger, primary_key=True, foreign_key="manifest.id", ondelete="CASCADE")
    position: int = Field(sa_type=Integer, primary_key=True)
    role: str = Field(sa_type=text(16))
    media_type: str = Field(sa_type=MEDIA_TYPE)
    digest: str = Field(sa_type=DIGEST)
    size: int = Field(sa_type=BigInteger)
    repository_id: int = Field(sa_type=BigInteger)
    blob_id: int | None = Field(sa_type=BigInteger, foreign_key="blob.id")
    child_id: int | None = Field(sa_type=BigInteger, foreign_key="manifest.id", ondelete="SET NULL")


class Tag(SQLModel, table=True):
    """A name for a manifest. The manifest's digest keeps its algorithm (R-125)."""

    __table_args__ = (CLUSTERED,)

    repository_id: int = Field(sa_type=BigInteger, primary_key=True, foreign_key="repository.id")
    name: str = Field(sa_type=text(128), primary_key=True)
    manifest_id: int = Field(sa_type=BigInteger, foreign_key="manifest.id", index=True)
    moved: int = Field(sa_type=BigInteger)


class TagHistory(SQLModel, table=True):
    """What a tag pointed to from `at` on; no digest: it was deleted. Refers to nothing, so keeps nothing alive."""

    __tablename__ = "tag_history"
    __table_args__ = (Index(None, "repository_id", "name", "id"),)

    id: int = Field(sa_column=identity())
    repository_id: int = Field(sa_type=BigInteger, foreign_key="repository.id")
    name: str = Field(sa_type=text(128))
    digest: str | None = Field(sa_type=DIGEST)
    at: int = Field(sa_type=BigInteger)


class ReferrersList(SQLModel, table=True):
    """What is known of a tag in the form of a subject's list of referrers. All of it can be worked out anew.

    `fresh`: nothing happened since it was worked out, for the manifest `source` that the tag pointed to, what the tag
    serves: the list `made_id`, or without one what the client pushed. `generation` is another one after whatever
    happened, also where the row was made anew."""

    __tablename__ = "referrers_list"
    __table_args__ = (CLUSTERED,)

    repository_id: int = Field(sa_type=BigInteger, primary_key=True, foreign_key="repository.id")
    tag: str = Field(sa_type=text(128), primary_key=True)
    source: int | None = Field(sa_type=BigInteger)
    made_id: int | None = Field(sa_type=BigInteger)
    fresh: bool = Field(sa_type=Boolean)
    generation: int = Field(sa_type=BigInteger)


class MadeList(SQLModel, table=True):
    """A list of referrers that the registry made and serves in place of the one that a client pushed to the tag.

    `replaced`: since when another one is served; it can be read by its digest for a while, by those who were told it.
    `outlived`: a client has pushed to the tag since this was first made. `entries`: a hash of which it has."""

    __tablename__ = "made_list"
    __table_args__ = (
        Index(None, "repository_id", "digest"),
        Index(None, "repository_id", "tag", "replaced"),
        Index(None, "replaced"),
    )

    id: int = Field(sa_column=identity())
    repository_id: int = Field(sa_type=BigInteger, foreign_key="repository.id")
    tag: str = Field(sa_type=text(128))
    digest: str = Field(sa_type=DIGEST)
    media_type: str = Field(sa_type=MEDIA_TYPE)
    size: int = Field(sa_type=BigInteger)
    replaced: int | None = Field(sa_type=BigInteger)
    outlived: bool = Field(sa_type=Boolean)
    entries: str = Field(sa_type=text(64))
    body: bytes = Field(sa_type=BYTES)


class OmittedReferrer(SQLModel, table=True):
    """A referrer that stays out of a list: a client left it out on purpose, or it was deleted.

    `deleted`: when; 0: it was not."""

    __tablename__ = "omitted_referrer"
    __table_args__ = (Index(None, "repository_id", "tag", "deleted"), CLUSTERED)

    repository_id: int = Field(sa_type=BigInteger, primary_key=True, foreign_key="repository.id")
    tag: str = Field(sa_type=text(128), primary_key=True)
    digest: str = Field(sa_type=DIGEST, primary_key=True)
    deleted: int = Field(sa_type=BigInteger)


class OfferedReferrer(SQLModel, table=True):
    """A referrer that was lately added to a list by the registry, so that others may list it before its own client."""

    __tablename__ = "offered_referrer"
    __table_args__ = (Index(None, "since"), CLUSTERED)

    repository_id: int = Field(sa_type=BigInteger, primary_key=True, foreign_key="repository.id")
    tag: str = Field(sa_type=text(128), primary_key=True)
    digest: str = Field(sa_type=DIGEST, primary_key=True)
    since: int = Field(sa_type=BigInteger)


class Upload(SQLModel, table=True):
    """An open upload session. On SQLite this table lives in a file of its own, whose commits are not synced.

    `size` bytes count; `hash` is the saved hasher after exactly these, `state` what the driver wants back.
    `incarnation`: that of the store in which they were written. `content`: the bytes themselves as long as they are
    few; then storage has none of them, and no hasher is saved. `claim` is a random token of the request that is writing
    now, `claimant` its process, `claimed_until` when the claim lapses."""

    __table_args__ = (CLUSTERED,)

    id: str = Field(sa_type=text(36), primary_key=True)
    repository: str = Field(sa_type=text(255))
    algorithm: str = Field(sa_type=text(32))
    size: int = Field(sa_type=BigInteger)
    hash: bytes | None = Field(sa_type=LargeBinary)
    state: str = Field(sa_type=Text)
    incarnation: str = Field(sa_type=text(64))
    claim: str | None = Field(sa_type=text(32))
    claimant: str | None = Field(sa_type=text(255))
    claimed_until: int = Field(sa_type=BigInteger)
    touched: int = Field(sa_type=BigInteger, index=True)
    content: bytes | None = Field(sa_type=BYTES)


class JobLease(SQLModel, table=True):
    """Who is at a job that is done time and again. It stands beside the open uploads: what no answer depends on.

    `token` is random, empty if nobody is at it; `holder` the process that has it, `until` when that lapses; `done` when
    the job was last done."""

    __tablename__ = "job_lease"
    __table_args__ = (CLUSTERED,)

    job: str = Field(sa_type=text(64), primary_key=True)
    token: str = Field(sa_type=text(32))
    holder: str = Field(sa_type=text(255))
    until: int = Field(sa_type=BigInteger)
    done: int = Field(sa_type=BigInteger)


UPLOAD_TABLES = [metadata.tables["upload"], metadata.tables["job_lease"]]
"""Those whose commits need not survive the machine: on SQLite in a file of their own."""

TABLES = [table for table in metadata.sorted_tables if table not in UPLOAD_TABLES]
