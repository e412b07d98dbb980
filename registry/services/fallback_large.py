"""Long lists of referrers, which are made outside of transactions: others push meanwhile.

What a list is made of is read page by page, merged by a thread, and written down only if nothing happened to its
referrers in between (`ReferrersList.generation`).
"""

import asyncio
from typing import NamedTuple

from registry.database.contract import Database, Transaction
from registry.names import RepositoryName
from registry.names import Tag as TagName
from registry.services import fallback_rows as rows
from registry.services import repositories
from registry.services.documents import INDEXES
from registry.services.fallback_merge import Completed, Merged, Referrer, merge, subjects

LARGE = 200
"""Referrers from which on a list is long: of fewer it is made in a millisecond or two, by the transaction that keeps
it."""

PAGE = 500
"""Referrers, or their entries, that are read without a pause."""


class Prepared(NamedTuple):
    """What a tag should serve, as of one generation of its referrers. `made`: None as the client pushed it."""

    repository_id: int
    target: int
    generation: int
    media_type: str
    made: Completed | None

    def is_current(self, tx: Transaction, tag: TagName) -> bool:
        state = tx.first(rows.STATE, repository_id=self.repository_id, name=tag)
        return state is not None and (state.target, state.generation) == (self.target, self.generation)


async def prepare(database: Database, name: RepositoryName, tag: TagName, limit: int) -> Prepared | None:
    """None: the list is short, or nothing is known of it. Raises `Unavailable`."""
    repository_id = await database.lookup(repositories.FIND, name=name)
    if repository_id is None:
        return None
    state = await database.lookup(rows.STATE, repository_id=repository_id, name=tag)
    if state is None or state.generation is None:
        return None
    first, beyond = subjects(tag)
    few = await database.lookup_all(
        rows.REFERRERS, repository_id=repository_id, subject_from=first, subject_before=beyond, limit=LARGE + 1
    )
    source = await database.lookup(rows.SOURCE, id=state.target)
    if len(few) <= LARGE or source is None or source.media_type not in INDEXES:
        return None
    made = None
    referrers = await _referrers(database, repository_id, tag, limit)
    if referrers is not None:
        omitted = frozenset(await database.lookup_all(rows.OMITTED, repository_id=repository_id, tag=tag))
        merged = await asyncio.to_thread(merge, tag, source, referrers, omitted)
        if merged is not None and merged.may_fit(source, limit):
            made = await _written(database, merged, limit)
    return Prepared(repository_id, state.target, state.generation, source.media_type, made)


async def _referrers(database: Database, repository_id: int, tag: TagName, limit: int) -> list[Referrer] | None:
    """None: there are too many for any list."""
    found: list[Referrer] = []
    last_subject, beyond = subjects(tag)
    last_id = 0
    while page := await database.lookup_all(
        rows.REFERRERS_AFTER,
        repository_id=repository_id,
        subject_after=last_subject,
        id_after=last_id,
        subject_before=beyond,
        limit=PAGE,
    ):
        found += [Referrer(each.id, each.digest, each.size) for each in page]
        if len(found) > rows.most_referrers(limit):
            return None
        last_subject, last_id = page[-1].subject, page[-1].id
        await asyncio.sleep(0)
    return found


async def _written(database: Database, merged: Merged, limit: int) -> Completed | None:
    entries: list[bytes] = []
    for number, referrer in enumerate(merged.lacking):
        if number % PAGE == 0:
            await asyncio.sleep(0)
        entries.append(await database.lookup(rows.ENTRY, id=referrer.id) or b"{}")
    return await asyncio.to_thread(merged.completed, entries, limit)
