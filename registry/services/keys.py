"""Keys of stored content: which one a push asks for, and which ones nobody may use any more.

Bytes that no row names any more are deleted after the row (spec/architecture.md#rule-1). Until then, and for a while
after, their key is dying: whoever linked it now would have a row without bytes (spec/architecture.md#rule-3). So a push
does not ask for a dying key; and as it may begin to die at any moment, what links it writes its row first and looks at
the dying keys after that, in a later statement: either it sees the key there, or who lets the key die sees the row.

Nobody moves bytes away from a key: by then they may be those that another push has linked there.
"""

import secrets
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import BigInteger, bindparam, exists, insert, select

from registry.database.contract import Command, Query, Transaction, insertion
from registry.models import Blob, DyingKey, RepositoryBlob, table
from registry.names import Digest
from registry.system import clock

blob, dying, member = table(Blob), table(DyingKey), table(RepositoryBlob)


class Known(NamedTuple):
    """What is known of the keys of a blob: that of its row, and whether the one made of its digest is dying."""

    key: str | None
    is_dying: bool


LIFE = clock.microseconds(timedelta(hours=2))
"""How long a dying key is remembered at least, also where its bytes are gone before."""

CHOSEN_FOR = LIFE // 2
"""How long a push may take from asking for a key to linking it: later it might have died, and been forgotten."""

PUT_BACK = clock.microseconds(timedelta(minutes=1))
"""How far the clock may have been put back meanwhile: by little, as clocks are."""

INSERT_DYING = insertion(DyingKey)
DYING = Query(select(dying.c.key).where(dying.c.key == bindparam("key")), str)
KNOWN = Query(
    select(
        select(blob.c.key).where(blob.c.digest == bindparam("digest")).scalar_subquery(),
        exists().where(dying.c.key == bindparam("key")),
    ),
    Known,
)
LINK_LIVING = Command(
    insert(member).from_select(
        ["repository_id", "blob_id", "renewed"],
        select(
            bindparam("repository_id", type_=BigInteger),
            bindparam("blob_id", type_=BigInteger),
            bindparam("renewed", type_=BigInteger),
        ).where(~exists().where(dying.c.key == bindparam("key"))),
    )
)
"""A link of a repository to a blob, unless its key is dying."""


class KeyRefused(Exception):
    """The key is dying, or was chosen so long ago that it may have died."""


def key_of(digest: Digest) -> str:
    """The first key that is asked for: made of the digest, so that people find the bytes."""
    folder = "" if digest.algorithm == "sha256" else f"{digest.algorithm}/"
    return f"{folder}{digest.encoded[:2]}/{digest.encoded}"


def choose(digest: Digest, known: Known) -> str:
    """The key to ask for: that of the bytes there are, which these replace, or one that nobody has."""
    if known.key is not None:
        return known.key
    return f"{key_of(digest)}-{secrets.token_hex(8)}" if known.is_dying else key_of(digest)


def let_die(tx: Transaction, key: str) -> None:
    """No row names it from now on, by this transaction."""
    tx.execute(INSERT_DYING, key=key, taker=None, since=tx.now())


def refuse_old(tx: Transaction, key: str, chosen: int) -> None:
    """Raises `KeyRefused` for one that was chosen, by the database's clock, too long ago."""
    if not -PUT_BACK <= tx.now() - chosen <= CHOSEN_FOR:
        raise KeyRefused(key)


def refuse_dying(tx: Transaction, key: str) -> None:
    """After the row was written that names it. Raises `KeyRefused`."""
    if tx.first(DYING, key=key) is not None:
        raise KeyRefused(key)


def link_living(tx: Transaction, repository_id: int, blob_id: int, key: str, renewed: int) -> None:
    """Link a blob whose row was just written. Raises `KeyRefused`."""
    if tx.execute(LINK_LIVING, repository_id=repository_id, blob_id=blob_id, renewed=renewed, key=key) == 0:
        raise KeyRefused(key)
