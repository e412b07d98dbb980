"""Repositories: they come to be with the first push, and are listed while they hold a manifest."""

from sqlalchemy import bindparam, select, true, update

from registry.change import Change
from registry.database.contract import Command, Database, Query, Transaction, insertion
from registry.models import Manifest, Repository, table
from registry.names import RepositoryName
from registry.services.registry import NamePage

repository, manifest = table(Repository), table(Manifest)

FIND = Query(select(repository.c.id).where(repository.c.name == bindparam("name")), int)
INSERT = insertion(Repository)
PAGE = Query(
    select(repository.c.name)
    .where(repository.c.listed == true(), repository.c.name > bindparam("name_after"))
    .order_by(repository.c.name)
    .limit(bindparam("limit")),
    str,
)
LIST = Command(
    update(repository).where(repository.c.id == bindparam("id"), repository.c.listed != true()).values(listed=True)
)
UNLIST = Command(update(repository).where(repository.c.id == bindparam("id")).values(listed=False))
ANY_MANIFEST = Query(select(manifest.c.id).where(manifest.c.repository_id == bindparam("repository_id")).limit(1), int)


class Repositories:
    """The catalogue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, after: str, most: int) -> NamePage:
        """At most `most` names that come after `after`."""
        names = await self._database.lookup_all(PAGE, name_after=after, limit=most + 1)
        return NamePage(names[:most], len(names) > most)


def ensure(tx: Transaction, change: Change, name: RepositoryName) -> int:
    """The id of the repository, made if there is none."""
    found = tx.first(FIND, name=name)
    if found is not None:
        return found
    return tx.insert(INSERT, name=name, listed=False, created=change.at)


def show(tx: Transaction, repository_id: int) -> None:
    """List it from now on."""
    tx.execute(LIST, id=repository_id)


def hide_if_empty(tx: Transaction, repository_id: int) -> None:
    """Take it from the catalogue if its last manifest is gone."""
    if tx.first(ANY_MANIFEST, repository_id=repository_id) is None:
        tx.execute(UNLIST, id=repository_id)
