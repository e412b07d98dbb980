"""The lists of referrers that clients keep under a tag, `sha256-<hex>` (R-170): stored as pushed, completed when read.

Clients race on such a list: each reads it, adds its own entry and pushes it back. So what the tag serves is worked out
when it is read, from what was pushed last and the referrers that there are: no entry is ever lost, and a push of a
referrer costs nothing but a mark. What was worked out is kept as rows that can be thrown away at any time: after a
crash between any two transactions they are out of date, marked as such, or as they should be.
"""

import asyncio
from datetime import timedelta
from weakref import WeakValueDictionary

from registry.change import Change
from registry.database.contract import Database, Transaction, frees
from registry.errors import StorageFull, Unavailable
from registry.names import ALGORITHMS, Digest, RepositoryName
from registry.names import Tag as TagName
from registry.services import fallback_rows as rows
from registry.services import repositories, tags
from registry.services.documents import INDEXES, Document
from registry.services.fallback_large import Prepared, prepare
from registry.services.fallback_merge import Completed, Source, entries_hash, is_list_tag, merge, subjects
from registry.services.fallback_rows import FoundList, Served
from registry.system import clock

PATIENCE = 1.0
"""Seconds that a reader waits for a list to be written down; then it is given the one that the client pushed."""

TRIES = 3
"""How often a long list is made without keeping others from pushing; then a transaction makes it, to have an end."""

GRACE = clock.microseconds(timedelta(minutes=10))
"""How long a list can be read by its digest after the tag serves another: clients HEAD the tag, then GET the digest."""

MOST_REPLACED = 4
"""Replaced lists of a tag that are kept so long; more only for those who are in between those two requests."""
RECENT, MOST_RECENT = clock.microseconds(timedelta(seconds=2)), 16

SWEPT_AT_ONCE = 500
"""Rows of a kind that one transaction of the sweep drops."""

MOST_DELETED = 10_000
"""Deleted referrers that are remembered for a list's tag: as many as a list that a client pushes can name."""

AS_PUSHED = Served()


class Lists:
    """What the list tags of all repositories serve."""

    def __init__(self, database: Database, *, limit: int, read_only: bool) -> None:
        """`limit`: bytes of the largest list that is made."""
        self._database = database
        self._limit = limit
        self._read_only = read_only
        self._making: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def served(self, name: RepositoryName, tag: TagName, *, body: bool) -> Served:
        """What the tag, which points to an index, serves; never an error where it cannot be written down."""
        query = rows.FRESH if body else rows.FRESH_HEAD
        fresh = await self._database.lookup(query, repository_name=name, tag_name=tag)
        if fresh is not None:
            return fresh
        if self._read_only:
            return AS_PUSHED
        making = asyncio.ensure_future(self._make(name, tag, body=body))
        making.add_done_callback(seen)
        await asyncio.wait([making], timeout=PATIENCE)
        try:
            return making.result()
        except (asyncio.InvalidStateError, StorageFull, Unavailable):
            return AS_PUSHED

    async def _make(self, name: RepositoryName, tag: TagName, *, body: bool) -> Served:
        lock = self._making.setdefault((name, tag), asyncio.Lock())
        if not lock.locked():
            async with lock:
                return await self._make_alone(name, tag)
        # Somebody is just making it. What came of it may be too old for who has asked later.
        async with lock:
            fresh = await self._database.lookup(
                rows.FRESH if body else rows.FRESH_HEAD, repository_name=name, tag_name=tag
            )
            return fresh or await self._make_alone(name, tag)

    async def _make_alone(self, name: RepositoryName, tag: TagName) -> Served:
        for _ in range(TRIES):
            prepared = await prepare(self._database, name, tag, self._limit)
            if prepared is None:
                break
            served = await self._database.run(serve_prepared, Change.own(), tag, prepared)
            if served is not None:
                return served
        return await self._database.run(serve, Change.own(), name, tag, self._limit)

    async def get_or_none(self, name: RepositoryName, digest: Digest, *, body: bool) -> FoundList | None:
        """The list that was made and has this digest."""
        query = rows.MADE if body else rows.MADE_HEAD
        return await self._database.lookup(query, name=name, digest=digest)

    async def sweep(self) -> None:
        """Drop what has been kept longer than its time."""
        change = Change.own()
        # Asked first: a transaction that changes nothing would still be waited for, and synced.
        while await self._is_any_older(change.at - GRACE):
            await self._database.run(sweep, change)

    async def _is_any_older(self, before: int) -> bool:
        if await self._database.lookup(rows.OLD_MADE, replaced_before=before, limit=1) is not None:
            return True
        return await self._database.lookup(rows.OLD_OFFERED, since_before=before, limit=1) is not None


def seen(making: asyncio.Future[Served]) -> None:
    """Nobody may be waiting any more for what went wrong."""
    if not making.cancelled():
        making.exception()


# Reading


def serve_prepared(tx: Transaction, change: Change, tag: TagName, prepared: Prepared) -> Served | None:
    """None: something happened since."""
    if not prepared.is_current(tx, tag):
        return None
    return keep(tx, change, prepared.repository_id, tag, prepared.target, prepared.media_type, prepared.made)


def serve(tx: Transaction, change: Change, name: RepositoryName, tag: TagName, limit: int) -> Served:
    repository_id = tx.first(repositories.FIND, name=name)
    return AS_PUSHED if repository_id is None else current(tx, change, repository_id, tag, limit)


def current(tx: Transaction, change: Change, repository_id: int, tag: TagName, limit: int) -> Served:
    """What the tag serves, worked out and kept if that is not known."""
    state = tx.first(rows.STATE, repository_id=repository_id, name=tag)
    if state is None:
        return AS_PUSHED
    if state.fresh and state.source == state.target:
        return (None if state.made_id is None else tx.first(rows.MADE_BY_ID, id=state.made_id)) or AS_PUSHED
    source = tx.first(rows.SOURCE, id=state.target)
    if source is None or source.media_type not in INDEXES:
        return AS_PUSHED
    made = complete(tx, repository_id, tag, source, limit)
    return keep(tx, change, repository_id, tag, state.target, source.media_type, made)


def complete(tx: Transaction, repository_id: int, tag: TagName, source: Source, limit: int) -> Completed | None:
    """The list as it should be; None: as the client pushed it, or it is none, or it would be too large."""
    most = rows.most_referrers(limit)
    first, beyond = subjects(tag)
    known = tx.all(
        rows.REFERRERS, repository_id=repository_id, subject_from=first, subject_before=beyond, limit=most + 1
    )
    if len(known) > most:
        return None
    omitted = frozenset(tx.all(rows.OMITTED, repository_id=repository_id, tag=tag))
    merged = merge(tag, source, known, omitted)
    if merged is None or not merged.may_fit(source, limit):
        return None
    entries = [tx.first(rows.ENTRY, id=referrer.id) or b"{}" for referrer in merged.lacking]
    return merged.completed(entries, limit)


def keep(
    tx: Transaction,
    change: Change,
    repository_id: int,
    tag: TagName,
    target: int,
    media_type: str,
    made: Completed | None,
) -> Served:
    """Remember what the tag serves while it points to this target and nothing happens to its referrers."""
    tx.execute(rows.REPLACE, repository_id=repository_id, tag=tag, replaced=change.at)
    served, made_id = AS_PUSHED, None
    if made is not None:
        offer(tx, change, repository_id, tag, made.added)
        served = Served(made.digest, len(made.body), made.body)
        made_id = tx.first(rows.SAME, repository_id=repository_id, tag=tag, digest=made.digest)
        if made_id is None:
            made_id = tx.insert(
                rows.INSERT_MADE,
                repository_id=repository_id,
                tag=tag,
                digest=made.digest,
                media_type=media_type,
                size=len(made.body),
                replaced=None,
                outlived=False,
                entries=made.entries,
                body=made.body,
            )
        else:
            tx.execute(rows.REVIVE, id=made_id, media_type=media_type)
    if tx.execute(rows.SETTLE, repository_id=repository_id, tag=tag, source=target, made_id=made_id) == 0:
        insert_list(tx, repository_id, tag, source=target, made_id=made_id, fresh=True)
    prune(tx, change, repository_id, tag)
    return served


def prune(tx: Transaction, change: Change, repository_id: int, tag: TagName) -> None:
    """Drop the replaced lists that are too many or too old."""
    for position, (made_id, replaced) in enumerate(tx.all(rows.REPLACED, repository_id=repository_id, tag=tag)):
        age = change.at - replaced
        if position >= (MOST_RECENT if age < RECENT else MOST_REPLACED) or age > GRACE:
            tx.execute(rows.DROP_MADE, id=made_id)


def offer(tx: Transaction, change: Change, repository_id: int, tag: TagName, digests: list[str]) -> None:
    """Remember that others may know of these referrers from the list before their own clients have listed them."""
    known = frozenset(tx.all(rows.OFFERED, repository_id=repository_id, tag=tag)) if digests else frozenset()
    new = [digest for digest in digests if digest not in known]
    if new:
        tx.execute_many(
            rows.OFFER,
            [{"repository_id": repository_id, "tag": tag, "digest": digest, "since": change.at} for digest in new],
        )


# What pushes and deletions mean for lists


def attached(tx: Transaction, repository_id: int, document: Document) -> None:
    """A manifest was pushed: if it is a referrer, the list of its subject has to be worked out anew."""
    if document.subject is None or document.subject.algorithm not in ALGORITHMS:
        return
    tag = document.subject.fallback_tag
    if tx.execute(rows.MARK, repository_id=repository_id, tag=tag):
        tx.execute(rows.ADMIT, repository_id=repository_id, tag=tag, digest=document.digest)


def detached(tx: Transaction, change: Change, repository_id: int, subject: str | None, digest: str) -> None:
    """A manifest with this subject was deleted: its entry leaves the list, also if a client that read it before
    pushes it once more."""
    if subject is None or Digest(subject).algorithm not in ALGORITHMS:
        return
    tag = Digest(subject).fallback_tag
    if tx.execute(rows.MARK, repository_id=repository_id, tag=tag):
        omit(tx, repository_id, tag, digest, change.at)
        newest = tx.first(rows.NEWEST_FORGOTTEN, repository_id=repository_id, tag=tag, offset=MOST_DELETED)
        if newest:
            tx.execute(rows.FORGET_DELETED, repository_id=repository_id, tag=tag, deleted_up_to=newest)


def pushed(tx: Transaction, change: Change, repository_id: int, tag: TagName, document: Document) -> None:
    """A client is about to let the tag point to this manifest."""
    if not is_list_tag(tag):
        return
    outlive(tx, change, repository_id, tag)
    if document.media_type in INDEXES:
        new = frozenset(link.digest for link in document.links)
        for digest in tx.all(rows.OMITTED, repository_id=repository_id, tag=tag):
            # One that was deleted stays out until it is pushed: the client may have read the list before.
            if digest in new and is_referrer(tx, repository_id, tag, digest):
                tx.execute(rows.ADMIT, repository_id=repository_id, tag=tag, digest=digest)
        for digest in left_out(tx, repository_id, tag, new):
            omit(tx, repository_id, tag, digest, 0)
    if tx.execute(rows.MARK, repository_id=repository_id, tag=tag) == 0 and document.media_type in INDEXES:
        insert_list(tx, repository_id, tag, source=None, made_id=None, fresh=False)


def insert_list(
    tx: Transaction, repository_id: int, tag: TagName, *, source: int | None, made_id: int | None, fresh: bool
) -> None:
    # No time that is told, but a number that no earlier row of the tag can have come to: changes begin in one order and
    # are carried out in another.
    generation = clock.now()
    tx.execute(
        rows.INSERT_LIST,
        repository_id=repository_id,
        tag=tag,
        source=source,
        made_id=made_id,
        fresh=fresh,
        generation=generation,
    )


def left_out(tx: Transaction, repository_id: int, tag: TagName, new: frozenset[str]) -> list[str]:
    """The referrers that a client takes out of its list on purpose, by pushing one that has these entries.

    It looks much the same when a client that has read the list long ago adds its own entry, after others have done
    so for it. They can know that entry only from a list that was made; so a list that has such an entry takes
    nothing out."""
    old = frozenset(tx.all(rows.LISTED, repository_id=repository_id, name=tag))
    missing = old - new
    if not new < old or (len(new) == 1 and len(missing) > 1):
        return []
    offered = frozenset(tx.all(rows.OFFERED, repository_id=repository_id, tag=tag))
    if new & offered:
        return []
    if tx.first(rows.MADE_WITH, repository_id=repository_id, tag=tag, entries=entries_hash(new)) is not None:
        return []
    return [digest for digest in missing if is_referrer(tx, repository_id, tag, digest)]


def is_referrer(tx: Transaction, repository_id: int, tag: TagName, digest: str) -> bool:
    first, beyond = subjects(tag)
    found = tx.first(
        rows.IS_REFERRER, repository_id=repository_id, digest=digest, subject_from=first, subject_before=beyond
    )
    return found is not None


def omit(tx: Transaction, repository_id: int, tag: TagName, digest: str, deleted: int) -> None:
    """Keep it out of the list. `deleted`: when; 0 if a client took it out on purpose."""
    if tx.execute(rows.OMIT_AGAIN, repository_id=repository_id, tag=tag, digest=digest, deleted=deleted) == 0:
        tx.execute(rows.OMIT, repository_id=repository_id, tag=tag, digest=digest, deleted=deleted)


def outlive(tx: Transaction, change: Change, repository_id: int, tag: TagName) -> None:
    """The lists that were made for the tag are no longer what it serves, nor what a deletion of it means."""
    tx.execute(rows.REPLACE, repository_id=repository_id, tag=tag, replaced=change.at)
    tx.execute(rows.OUTLIVE, repository_id=repository_id, tag=tag)


def untagged(tx: Transaction, change: Change, repository_id: int, tag: str) -> None:
    """The tag was deleted. What was made for it can be read by digest for a while, as a manifest could."""
    if is_list_tag(tag):
        outlive(tx, change, repository_id, TagName(tag))
        for forget in (rows.FORGET_LIST, rows.FORGET_OMITTED, rows.FORGET_OFFERED):
            tx.execute(forget, repository_id=repository_id, tag=tag)


def made(tx: Transaction, repository_id: int, digest: str) -> bool:
    """Whether a list that was made has this digest."""
    return tx.first(rows.MADE_HERE, repository_id=repository_id, digest=digest) is not None


def removed(tx: Transaction, change: Change, repository_id: int, digest: str, *, tag_too: bool) -> bool:
    """Drop the lists of this digest, and `tag_too` the tags that serve them; whether there was one.

    A client that keeps a list pushes a shorter one and then deletes the one that it had read: that tag stays."""
    found = tx.all(rows.MADE_HERE, repository_id=repository_id, digest=digest)
    for each in found:
        tx.execute(rows.DROP_MADE, id=each.id)
        tx.execute(rows.MARK, repository_id=repository_id, tag=each.tag)
        if tag_too and each.replaced is None and not each.outlived:
            tags.remove(tx, change, repository_id, each.tag)
            untagged(tx, change, repository_id, each.tag)
    return bool(found)


@frees
def sweep(tx: Transaction, change: Change) -> None:
    """Drop some of what has been kept longer than its time."""
    before = change.at - GRACE
    for made_id in tx.all(rows.OLD_MADE, replaced_before=before, limit=SWEPT_AT_ONCE):
        tx.execute(rows.DROP_MADE, id=made_id)
    offered = tx.all(rows.OLD_OFFERED, since_before=before, limit=SWEPT_AT_ONCE)
    tx.execute_many(
        rows.WITHDRAW,
        [{"repository_id": each.repository_id, "tag": each.tag, "digest": each.digest} for each in offered],
    )
