"""Referrers: the manifests of a repository whose subject is a given digest."""

from typing import NamedTuple

from sqlalchemy import bindparam, func, select

from registry.database.contract import Database, Query
from registry.models import Manifest, table
from registry.names import Digest, RepositoryName
from registry.services import documents, repositories
from registry.services.registry import ReferrerPage

manifest = table(Manifest)

MOST = 1000
"""Entries in one page."""


class Size(NamedTuple):
    """A referrer, and the bytes of its entry."""

    id: int
    size: int


OF_SUBJECT = (
    manifest.c.repository_id == bindparam("repository_id"),
    manifest.c.subject == bindparam("subject"),
    manifest.c.id > bindparam("id_after"),
)
OF_TYPE = (*OF_SUBJECT, manifest.c.artifact_type == bindparam("artifact_type"))
UP_TO = manifest.c.id <= bindparam("id_up_to")
SIZE = (manifest.c.id, func.length(manifest.c.referrer))

SIZES = Query(select(*SIZE).where(*OF_SUBJECT).order_by(manifest.c.id).limit(bindparam("limit")), Size)
SIZES_OF_TYPE = Query(select(*SIZE).where(*OF_TYPE).order_by(manifest.c.id).limit(bindparam("limit")), Size)
ENTRIES = Query(select(manifest.c.referrer).where(*OF_SUBJECT, UP_TO).order_by(manifest.c.id), bytes)
ENTRIES_OF_TYPE = Query(select(manifest.c.referrer).where(*OF_TYPE, UP_TO).order_by(manifest.c.id), bytes)


class Referrers:
    """The referrers of all subjects, which need not exist (R-158)."""

    def __init__(self, database: Database, *, limit: int) -> None:
        self._database = database
        self._limit = limit

    async def page(self, name: RepositoryName, subject: Digest, artifact_type: str | None, after: int) -> ReferrerPage:
        """The entries after `after`, of one computed artifact type or of all, as many as fit in a manifest (R-159)."""
        repository_id = await self._database.lookup(repositories.FIND, name=name)
        if repository_id is None:
            return ReferrerPage([], None)
        # The sizes first: an entry may carry megabytes of annotations.
        sizes = await self._sizes(repository_id, subject, artifact_type, after)
        fitting = fit(sizes[:MOST], self._limit)
        if not fitting:
            return ReferrerPage([], None)
        last = fitting[-1].id
        entries = await self._entries(repository_id, subject, artifact_type, after, last)
        return ReferrerPage(entries, last if len(fitting) < len(sizes) else None)

    async def _sizes(self, repository_id: int, subject: Digest, artifact_type: str | None, after: int) -> list[Size]:
        """Of a page, and of one more if there is one."""
        if artifact_type is None:
            return await self._database.lookup_all(
                SIZES, repository_id=repository_id, subject=subject, id_after=after, limit=MOST + 1
            )
        return await self._database.lookup_all(
            SIZES_OF_TYPE,
            repository_id=repository_id,
            subject=subject,
            id_after=after,
            artifact_type=documents.indexed(artifact_type),
            limit=MOST + 1,
        )

    async def _entries(
        self, repository_id: int, subject: Digest, artifact_type: str | None, after: int, last: int
    ) -> list[bytes]:
        """Those after `after`, up to `last`."""
        if artifact_type is None:
            return await self._database.lookup_all(
                ENTRIES, repository_id=repository_id, subject=subject, id_after=after, id_up_to=last
            )
        return await self._database.lookup_all(
            ENTRIES_OF_TYPE,
            repository_id=repository_id,
            subject=subject,
            id_after=after,
            id_up_to=last,
            artifact_type=documents.indexed(artifact_type),
        )


def fit(sizes: list[Size], limit: int) -> list[Size]:
    """The first of them that fit in `limit` bytes together, at least one."""
    room = limit - 1024
    for count, (_, size) in enumerate(sizes):
        room -= size + 1
        if room < 0:
            return sizes[: max(count, 1)]
    return sizes
