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
    manifest.c.repository_id == bindparam("of"),
    manifest.c.subject == bindparam("subject"),
    manifest.c.id > bindparam("after"),
)
OF_TYPE = (*OF_SUBJECT, manifest.c.artifact_type == bindparam("artifact_type"))
UP_TO = manifest.c.id <= bindparam("last")
SIZE = (manifest.c.id, func.length(manifest.c.referrer))

SIZES = Query(select(*SIZE).where(*OF_SUBJECT).order_by(manifest.c.id).limit(bindparam("most")), Size)
SIZES_OF_TYPE = Query(select(*SIZE).where(*OF_TYPE).order_by(manifest.c.id).limit(bindparam("most")), Size)
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
        wanted: dict[str, object] = {"of": repository_id, "subject": subject, "after": after}
        if artifact_type is not None:
            wanted["artifact_type"] = documents.indexed(artifact_type)
        # The sizes first: an entry may carry megabytes of annotations.
        sizes = await self._database.lookup_all(
            SIZES if artifact_type is None else SIZES_OF_TYPE, most=MOST + 1, **wanted
        )
        fitting = fit(sizes[:MOST], self._limit)
        if not fitting:
            return ReferrerPage([], None)
        last = fitting[-1].id
        entries = await self._database.lookup_all(
            ENTRIES if artifact_type is None else ENTRIES_OF_TYPE, last=last, **wanted
        )
        return ReferrerPage(entries, last if len(fitting) < len(sizes) else None)


def fit(sizes: list[Size], limit: int) -> list[Size]:
    """The first of them that fit in `limit` bytes together, at least one."""
    room = limit - 1024
    for count, (_, size) in enumerate(sizes):
        room -= size + 1
        if room < 0:
            return sizes[: max(count, 1)]
    return sizes
