"""Tags: names for manifests, and what each of them pointed to before."""

from sqlalchemy import bindparam, delete, select, update

from registry.change import Change
from registry.database.contract import Command, Database, Query, Transaction, insertion
from registry.errors import NameUnknown
from registry.models import Manifest, Tag, TagHistory, table
from registry.names import RepositoryName
from registry.names import Tag as TagName
from registry.services import repositories
from registry.services.registry import NamePage

manifest, tag = table(Manifest), table(Tag)

PAGE = Query(
    select(tag.c.name)
    .where(tag.c.repository_id == bindparam("repository_id"), tag.c.name > bindparam("name_after"))
    .order_by(tag.c.name)
    .limit(bindparam("limit")),
    str,
)
TARGET = Query(
    select(manifest.c.digest)
    .join_from(tag, manifest, manifest.c.id == tag.c.manifest_id)
    .where(tag.c.repository_id == bindparam("repository_id"), tag.c.name == bindparam("name")),
    str,
)
POINTING = Query(
    select(tag.c.name).where(tag.c.manifest_id == bindparam("manifest_id")).limit(bindparam("limit")),
    str,
)
INSERT = insertion(Tag)
MOVE = Command(
    update(tag)
    .where(tag.c.repository_id == bindparam("repository_id"), tag.c.name == bindparam("name"))
    .values(manifest_id=bindparam("manifest_id"), moved=bindparam("moved"))
)
DELETE = Command(delete(tag).where(tag.c.repository_id == bindparam("repository_id"), tag.c.name == bindparam("name")))
REMEMBER = insertion(TagHistory)


class Tags:
    """The tags of all repositories."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, name: RepositoryName, after: str, most: int) -> NamePage:
        """At most `most` tags that come after `after`, in byte order. Raises `NameUnknown` (R-140)."""
        repository_id = await self._database.lookup(repositories.FIND, name=name)
        if repository_id is None:
            raise NameUnknown(name)
        names = await self._database.lookup_all(PAGE, repository_id=repository_id, name_after=after, limit=most + 1)
        return NamePage(names[:most], len(names) > most)


def move(tx: Transaction, change: Change, repository_id: int, name: TagName, manifest_id: int, digest: str) -> None:
    """Let the tag point to the manifest, and note it if that is new."""
    target = tx.first(TARGET, repository_id=repository_id, name=name)
    if target == digest:
        return
    if target is None:
        tx.execute(INSERT, repository_id=repository_id, name=name, manifest_id=manifest_id, moved=change.at)
    else:
        tx.execute(MOVE, repository_id=repository_id, name=name, manifest_id=manifest_id, moved=change.at)
    tx.insert(REMEMBER, repository_id=repository_id, name=name, digest=digest, at=change.at)


def remove(tx: Transaction, change: Change, repository_id: int, *names: str) -> None:
    """Delete the tags; their manifests stay (R-182)."""
    tx.execute_many(DELETE, [{"repository_id": repository_id, "name": name} for name in names])
    tx.execute_many(
        REMEMBER, [{"repository_id": repository_id, "name": name, "digest": None, "at": change.at} for name in names]
    )
