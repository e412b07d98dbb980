"""What was written is read, byte for byte and number for number; texts compare and sort by bytes."""

import unicodedata
from random import Random

from sqlalchemy import bindparam, insert, select, update

from registry.database.contract import Command, Database, Query, Transaction
from tests.database.cases.support import Cases, names_of
from tests.database.work import (
    ADD_CONTENT,
    ADD_TAG,
    ALL,
    FIND,
    Row,
    add,
    add_blob,
    add_manifest,
    blob,
    content,
    manifest,
    repository,
    tag,
)

ALIKE = (
    *("v1", "V1", "v1 ", "v1  ", "v1\t", "v", "v10", "v2", "v1.", "v1-", " v1", "", " "),
    *("a-b", "a.b", "a/b", "a_b", "ab", "aB", "a b", "A-b", "a0b", "a~b"),
    *("straße", "strasse", "STRASSE", "é", "e", "E", unicodedata.normalize("NFD", "é"), "z", "ä", "Å", "\u212b"),
    *("日本", "日本語", "\uff5e", "\U00010000", "\U0001f4e6", "\U0001f433", "ı", "i", "I", "İ", "ﬀ", "ff"),
)
"""Names that some collation takes for the same, or sorts otherwise than their bytes."""

ODD = (
    *("'", '"', "''", "\\", "\\'", "\\\\", "%", "%s", "%(called)s", ":called", "::text", "?", "$1", "{}", "`", ";"),
    *("a'; DELETE FROM repository; --", "/* */", "\n", "\r\n", "\x1b", "\x7f", "NULL", "\u2028", "\ufeff"),
)
"""What means something to some client, server or driver when it is not kept apart from the statement."""

LARGEST = 64 * 1024 * 1024

SIZE_OF = Query(select(blob.c.size).where(blob.c.digest == bindparam("called")), int)
CONTENT_OF = Query(select(content.c.content).where(content.c.blob_id == bindparam("this")), bytes)
BODY_OF = Query(
    select(manifest.c.body, manifest.c.referrer, manifest.c.size).where(manifest.c.id == bindparam("this")),
    lambda body, referrer, size: (bytes(body), referrer if referrer is None else bytes(referrer), size),
)
TAGS = Query(select(tag.c.name).where(tag.c.repository_id == bindparam("within")).order_by(tag.c.name), str)
TAG = Query(
    select(tag.c.moved).where(tag.c.repository_id == bindparam("within"), tag.c.name == bindparam("called")), int
)
AFTER = Query(
    select(repository.c.name).where(repository.c.name > bindparam("last")).order_by(repository.c.name).limit(3), str
)

CALLED_FIXED = Query(select(*ALL.core.selected_columns).where(repository.c.name == "it's 100% :fixed"), Row)  # type: ignore[attr-defined]
ADD_FIXED = Command(insert(repository).values(name="it's 100% :fixed", listed=True, created=bindparam("at")))
SET_FIXED = Command(
    update(repository)
    .where((repository.c.name == "a") | (repository.c.name == "b"), repository.c.created < bindparam("below"))
    .values(created=2**40, listed=True)
)
LISTED = Query(
    select(repository.c.name)
    .where(repository.c.listed.is_(True), repository.c.created == 2**40)
    .order_by(repository.c.name)
    .limit(5)
    .offset(1),
    str,
)


def by_bytes(names: "list[str] | tuple[str, ...]") -> list[str]:
    return sorted(names, key=str.encode)


class ValueCases(Cases):
    async def test_names_sort_by_bytes(self, database: Database) -> None:
        names = list(ALIKE)
        Random(1).shuffle(names)

        def add_all(tx: Transaction) -> None:
            for name in names:
                add(tx, name)

        await database.run(add_all)
        assert await names_of(database) == by_bytes(ALIKE)

    async def test_pages_of_names_go_on_by_bytes(self, database: Database) -> None:
        def add_all(tx: Transaction) -> None:
            for name in ALIKE:
                add(tx, f"x{name}")

        await database.run(add_all)
        found = [""]
        while page := await database.lookup_all(AFTER, last=found[-1]):
            found += page
            assert len(found) <= len(ALIKE) + 1, "the same names again"
        assert found[1:] == by_bytes([f"x{name}" for name in ALIKE])

    async def test_a_name_equals_itself_alone(self, database: Database) -> None:
        for number, name in enumerate(ALIKE):
            assert await database.lookup(FIND, called=name) is None, name
            await database.run(add, name, number)
        for number, name in enumerate(ALIKE):
            row = await database.lookup(FIND, called=name)
            assert row is not None
            assert (row.name, row.created) == (name, number)

    async def test_a_tag_equals_itself_alone(self, database: Database) -> None:
        """Part of a key of two columns."""

        def add_all(tx: Transaction) -> int:
            manifest_id = add_manifest(tx, "tagged")
            within = tx.first(FIND, called="tagged")
            assert within is not None
            for number, name in enumerate(ALIKE):
                tx.execute(ADD_TAG, repository_id=within.id, name=name, manifest_id=manifest_id, moved=number)
            return within.id

        within = await database.run(add_all)
        assert await database.lookup_all(TAGS, within=within) == by_bytes(ALIKE)
        for number, name in enumerate(ALIKE):
            assert await database.lookup(TAG, within=within, called=name) == number

    async def test_texts_are_no_part_of_the_statement(self, database: Database) -> None:
        for name in ODD:
            await database.run(add, name)
            row = await database.lookup(FIND, called=name)
            assert row is not None
            assert row.name == name
        assert await names_of(database) == by_bytes(ODD)

    async def test_the_longest_texts(self, database: Database) -> None:
        """In characters, of which each may take four bytes."""
        names = ["n" * 255, "\U0001f4e6" * 255, "n" * 254]
        for name in names:
            await database.run(add, name)
        assert await names_of(database) == by_bytes(names)

    async def test_sizes_have_64_bits(self, database: Database) -> None:
        sizes = [0, 1, 2**31 - 1, 2**31, 2**32, 3 * 1024**3, 2**53 + 1, 2**62, 2**63 - 1]
        for size in sizes:
            await database.run(add_blob, f"sha256:{size}", size)
        for size in sizes:
            assert await database.lookup(SIZE_OF, called=f"sha256:{size}") == size

    async def test_a_manifest_of_the_largest_size(self, database: Database) -> None:
        body = Random(2).randbytes(LARGEST // 2) + bytes(LARGEST // 2)
        found = await database.lookup(BODY_OF, this=await database.run(add_manifest, "large", body))
        assert found is not None
        # Not compared by `assert`: it would print them.
        same = found[0] == body
        assert same
        assert found[2] == LARGEST

    async def test_bytes_are_any_bytes(self, database: Database) -> None:
        contents = [
            bytes(range(256)),
            bytes(16384),
            b"\0",
            b"a\0b",
            b"\xff\xfe",
            b"'\\\"",
            "é".encode(),
            b"\\x41",
            b"\\",
        ]

        def add_content(tx: Transaction, number: int, data: bytes) -> int:
            blob_id = add_blob(tx, f"sha256:{number}")
            tx.execute(ADD_CONTENT, blob_id=blob_id, content=data)
            return blob_id

        for number, data in enumerate(contents):
            blob_id = await database.run(add_content, number, data)
            assert await database.lookup(CONTENT_OF, this=blob_id) == data

    async def test_no_bytes_are_not_nothing(self, database: Database) -> None:
        empty = await database.run(add_manifest, "empty", b"", b"")
        nothing = await database.run(add_manifest, "nothing", b"", None)
        assert await database.lookup(BODY_OF, this=empty) == (b"", b"", 0)
        assert await database.lookup(BODY_OF, this=nothing) == (b"", None, 0)

    async def test_statements_have_constants(self, database: Database) -> None:
        def write(tx: Transaction) -> list[int]:
            for name in ("a", "b", "c"):
                add(tx, name)
            tx.execute_many(ADD_FIXED, [{"at": 5}])
            found = tx.first(CALLED_FIXED)
            assert found is not None
            return [tx.execute(SET_FIXED, below=1), tx.execute(SET_FIXED, below=1), found.created]

        assert await database.run(write) == [2, 0, 5]
        row = await database.lookup(CALLED_FIXED)
        assert row is not None
        assert row.listed
        assert await database.lookup_all(LISTED) == ["b"]
        assert await database.execute(SET_FIXED, below=2**41) == 2

    async def test_everybody_has_one_clock(self, database: Database, other: Database) -> None:
        """Transactions and lookups too; it never goes back."""

        def told(tx: Transaction) -> int:
            return tx.now()

        times = []
        for _ in range(10):
            times += [await database.now(), await database.run(told), await other.now(), await other.run(told)]
        assert times == sorted(times)
        assert times[-1] - times[0] < 10_000_000
        assert times[0] > 1_700_000_000_000_000, "microseconds since 1970"
