"""Fills a registry with rows as pushes would write them, straight into its database."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from sqlmodel import SQLModel

from registry import hashing
from registry.database import migrations
from registry.models import Blob, BlobContent, Descriptor, Manifest, Repository, RepositoryBlob, Tag, TagHistory, table
from registry.names import Digest
from registry.services import documents
from registry.services.documents import Document
from registry.settings.loading import load
from tests.speak.content import OCI_MANIFEST, descriptor, image

APP = "team/app"
"""Has all the tags."""

REFERRED = "team/referred"
"""Has subjects with many referrers, and with few."""

AWAITED = b"not here yet"
"""A blob that manifests may refer to before it is pushed."""

TAGS_OF_A_MANIFEST = 10
MOST_LAYERS = 1000

Row = dict[str, Any]


def tag(number: int) -> str:
    return f"v{number:08}"


def repository(number: int) -> str:
    return f"many/r{number:08}"


def blob(number: int) -> bytes:
    """What the repository of that number holds."""
    return b"blob %d" % number


def layer(number: int) -> bytes:
    """What `APP` holds: as many as the widest manifest has."""
    return b"layer %d" % number


def child(number: int) -> bytes:
    """A manifest of `APP`, for an index."""
    return image(annotations={"child": str(number)})


def subject(referrers: int) -> bytes:
    """A manifest of `REFERRED` that has so many referrers."""
    return image(annotations={"referrers": str(referrers)})


def fill(data: Path, tags: int, repositories: int, referrers: Iterable[int], awaiting: int = 0) -> None:
    """Make the databases in this folder, of a registry that does not run yet. `awaiting`: descriptors of `AWAITED`."""
    migrations.upgrade(load({"data": data}, {}).settings)
    with closing(sqlite3.connect(data / "registry.db")) as connection:
        filling = Filling(connection)
        filling.app(tags)
        for number in range(repositories):
            filling.repository(repository(number), number)
        filling.referred(referrers)
        for number in range(awaiting // MOST_LAYERS):
            filling.awaiting(f"awaiting/r{number:08}")
        filling.flush()
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class Filling:
    """Rows that are gathered, and written in order many at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._rows: dict[type[SQLModel], list[Row]] = {}
        self._ids = iter(range(1, 2**31))
        self._blobs: dict[str, int] = {}

    def add(self, model: type[SQLModel], **columns: Any) -> int:
        """The row's id, if its table has one; unique in all tables."""
        number = next(self._ids)
        if "id" in table(model).columns:
            columns["id"] = number
        rows = self._rows.setdefault(model, [])
        rows.append(columns)
        if number % 50_000 == 0:
            self.flush()
        return number

    def flush(self) -> None:
        for model, rows in self._rows.items():
            names = table(model).columns.keys()
            values = ", ".join(f":{name}" for name in names)
            self._connection.executemany(
                f"INSERT INTO {table(model).name} ({', '.join(names)}) VALUES ({values})", rows
            )
            rows.clear()

    def app(self, tags: int) -> None:
        app = self.add(Repository, name=APP, listed=True, created=0)
        for number in range(MOST_LAYERS):
            self.hold(app, layer(number))
            self.store(app, child(number))
        documents_of = self._numbered(app, -(-tags // TAGS_OF_A_MANIFEST))
        for start in range(0, tags, TAGS_OF_A_MANIFEST):
            manifest, digest = next(documents_of)
            for number in range(start, min(start + TAGS_OF_A_MANIFEST, tags)):
                self.point(app, tag(number), manifest, digest)

    def _numbered(self, repository: int, count: int) -> Iterator[tuple[int, Digest]]:
        for number in range(count):
            body = image(layer(0), [layer(1)], annotations={"number": str(number)})
            yield self.store(repository, body)

    def repository(self, name: str, number: int) -> None:
        """With a blob, and a manifest with a tag."""
        added = self.add(Repository, name=name, listed=True, created=0)
        self.hold(added, blob(number))
        self.point(added, "latest", *self.store(added, image(blob(number))))

    def referred(self, counts: Iterable[int]) -> None:
        added = self.add(Repository, name=REFERRED, listed=True, created=0)
        for count in counts:
            about = descriptor(subject(count), OCI_MANIFEST)
            for number in range(count):
                self.store(added, image(annotations={"number": str(number)}, subject=about))

    def awaiting(self, name: str) -> None:
        """A manifest whose layers are not there."""
        added = self.add(Repository, name=name, listed=True, created=0)
        self.store(added, image(layers=[AWAITED] * MOST_LAYERS))

    def hold(self, repository: int, content: bytes) -> None:
        """A blob of the repository."""
        digest = hashing.digest_of(content)
        added = self.add(Blob, digest=digest, size=len(content), key=None, created=0)
        self._blobs[digest] = added
        self.add(BlobContent, blob_id=added, content=content)
        self.add(RepositoryBlob, repository_id=repository, blob_id=added, renewed=2**62)

    def store(self, repository: int, body: bytes) -> tuple[int, Digest]:
        """A manifest of the repository."""
        document: Document = documents.parse(body, hashing.digest_of(body), OCI_MANIFEST)
        added = self.add(
            Manifest,
            repository_id=repository,
            digest=document.digest,
            media_type=document.media_type,
            artifact_type=document.artifact_type,
            subject=document.subject,
            size=len(body),
            created=0,
            referrer=document.referrer,
            body=body,
        )
        for position, link in enumerate(document.links):
            self.add(
                Descriptor,
                manifest_id=added,
                repository_id=repository,
                position=position,
                role=link.role,
                media_type=link.media_type,
                digest=link.digest,
                size=link.size,
                blob_id=self._blobs.get(link.digest),
                child_id=None,
            )
        return added, document.digest

    def point(self, repository: int, name: str, manifest: int, digest: Digest) -> None:
        self.add(Tag, repository_id=repository, name=name, manifest_id=manifest, moved=0)
        self.add(TagHistory, repository_id=repository, name=name, digest=digest, at=0)


def pages_of_referrers(data: Path, referrers: int) -> list[int]:
    """The ids of them all, in order: after which a page may start."""
    with closing(sqlite3.connect(data / "registry.db")) as connection:
        found = connection.execute(
            "SELECT id FROM manifest WHERE subject = ? ORDER BY id", [hashing.digest_of(subject(referrers))]
        )
        return [row[0] for row in islice(found, referrers)]
