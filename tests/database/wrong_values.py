"""Wrong databases: what becomes of texts, numbers and bytes."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from registry.database.contract import Command, Query, T
from tests.database.wrong import Around, AroundTransaction, wrong
from tests.database.wrong_rows import database_text

NAME = "name VARCHAR(255) NOT NULL"
TAG = "name VARCHAR(128) NOT NULL"


class Converted(AroundTransaction):
    """Values are made into something else before they are written."""

    def converted(self, value: object) -> object:
        return value

    def _all(self, values: Mapping[str, object]) -> dict[str, object]:
        return {name: self.converted(value) for name, value in values.items()}

    def execute(self, command: Command, **values: object) -> int:
        return self.tx.execute(command, **self._all(values))

    def insert(self, command: Command, **values: object) -> int:
        return self.tx.insert(command, **self._all(values))

    def execute_many(self, command: Command, rows: Iterable[Mapping[str, object]]) -> None:
        self.tx.execute_many(command, [self._all(row) for row in rows])


@wrong("names_sort_by_bytes", "pages_of_names_go_on_by_bytes", "a_name_equals_itself_alone")
class CaseFolded(Around):
    """`a` is `A`, as in MariaDB unless a column says otherwise."""

    @classmethod
    def spoil(cls, path: Path) -> None:
        database_text(path, NAME, f"{NAME} COLLATE NOCASE")


@wrong("a_name_equals_itself_alone")
class BlanksTrimmed(Around):
    """`v1` is `v1 `, as with collations that pad."""

    @classmethod
    def spoil(cls, path: Path) -> None:
        database_text(path, NAME, f"{NAME} COLLATE RTRIM")


@wrong("a_tag_equals_itself_alone")
class TagsTrimmed(Around):
    """The same, of tags alone."""

    @classmethod
    def spoil(cls, path: Path) -> None:
        database_text(path, TAG, f"{TAG} COLLATE RTRIM")


@wrong("names_sort_by_bytes")
class SortedByUtf16(Around):
    """Names sort by their UTF-16, in which the rarer characters come before some of the others."""

    async def lookup_all(self, query: Query[T], **values: object) -> list[T]:
        rows = await self.inner.lookup_all(query, **values)
        named = all(hasattr(row, "name") for row in rows)
        return sorted(rows, key=lambda row: row.name.encode("utf-16-be")) if named else rows  # type: ignore[attr-defined]


class Unescaped(Converted):
    def converted(self, value: object) -> object:
        return value.replace("\\\\", "\\") if isinstance(value, str) else value


@wrong("texts_are_no_part_of_the_statement")
class BackslashesEscape(Around):
    """Two backslashes are one, as where a client writes values into the statement."""

    transaction = Unescaped


class Cut(Converted):
    def converted(self, value: object) -> object:
        return value.encode()[:768].decode(errors="ignore") if isinstance(value, str) else value


@wrong("the_longest_texts")
class TextsOf768Bytes(Around):
    """Texts end after 768 bytes, which are 255 characters of at most three."""

    transaction = Cut


class Wrapped(Converted):
    def converted(self, value: object) -> object:
        return value & 0x7FFFFFFF if isinstance(value, int) else value


@wrong("sizes_have_64_bits")
class SizesOf31Bits(Around):
    """Numbers have 31 bits."""

    transaction = Wrapped


class Floats(Converted):
    def converted(self, value: object) -> object:
        return int(float(value)) & 2**63 - 1 if isinstance(value, int) else value


@wrong("sizes_have_64_bits")
class SizesOf53Bits(Around):
    """Numbers are kept as floating point."""

    transaction = Floats


class Packets(Converted):
    def converted(self, value: object) -> object:
        if isinstance(value, bytes) and len(value) > 16 * 1024 * 1024:
            raise RuntimeError("got a packet bigger than 'max_allowed_packet' bytes")
        return value


@wrong("a_manifest_of_the_largest_size")
class PacketsOf16Mib(Around):
    """Nothing larger than 16 MiB is taken, as MariaDB is installed."""

    transaction = Packets


class Terminated(Converted):
    def converted(self, value: object) -> object:
        return value.partition(b"\0")[0] if isinstance(value, bytes) else value


@wrong("bytes_are_any_bytes", "a_manifest_of_the_largest_size")
class BytesEndAtNul(Around):
    """Bytes end at the first NUL."""

    transaction = Terminated


class Absent(Converted):
    def converted(self, value: object) -> object:
        return None if value == b"" else value


@wrong("no_bytes_are_not_nothing")
class EmptyIsNothing(Around):
    """No bytes are NULL."""

    transaction = Absent


class Present(Converted):
    def _all(self, values: Mapping[str, object]) -> dict[str, object]:
        return {name: b"" if name == "referrer" and value is None else value for name, value in values.items()}


@wrong("no_bytes_are_not_nothing")
class NothingIsEmpty(Around):
    """NULL is no bytes."""

    transaction = Present


class Late(AroundTransaction):
    def now(self) -> int:
        return self.tx.now() - 3_600_000_000


@wrong("everybody_has_one_clock")
class TwoClocks(Around):
    """A transaction has the time of another machine, whose clock is an hour late."""

    transaction = Late
