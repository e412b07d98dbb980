"""What one request changes bears one time, in every table: that of the change, as the registry took it."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from tests.server import Server
from tests.speak.client import Client, Slow
from tests.speak.content import OCI_INDEX, artifact, digest_of, image, index, random_blob
from tests.speak.requests import push_blob, put_manifest, with_digest

LARGE = 300_000
"""Bytes that are stored, and not kept in a row."""


@pytest.fixture
def rows(server: Server) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(server.data / "registry.db")) as connection:
        yield connection


def times(rows: sqlite3.Connection, query: str, *values: str) -> list[int]:
    return [time for row in rows.execute(query, values) for time in row]


MEMBER = (
    " FROM repository JOIN repository_blob ON repository_id = repository.id JOIN blob ON blob_id = blob.id"
    " WHERE repository.name = ? AND digest = ?"
)


@pytest.mark.parametrize("size", [512, LARGE])
def test_a_pushed_blob(size: int, http: httpx.Client, name: str, rows: sqlite3.Connection) -> None:
    """The repository that came to be with it, the blob, and the promise that it stays."""
    before = time.time_ns() // 1000
    digest = push_blob(http, name, os.urandom(size))
    found = times(rows, "SELECT repository.created, blob.created, renewed" + MEMBER, name, digest)
    assert len(found) == 3
    assert len(set(found)) == 1
    assert before <= found[0] <= time.time_ns() // 1000


def test_a_pushed_manifest_and_its_tags(http: httpx.Client, name: str, rows: sqlite3.Connection) -> None:
    body = image(push_config(http, name))
    digest = digest_of(body)
    put_manifest(http, name, f"{digest}?tag=one&tag=two", body)
    found = times(
        rows,
        "SELECT manifest.created, moved, at FROM manifest JOIN tag ON manifest_id = manifest.id"
        " JOIN tag_history ON tag_history.name = tag.name AND tag_history.repository_id = tag.repository_id"
        " WHERE manifest.digest = ?",
        digest,
    )
    assert len(found) == 6
    assert len(set(found)) == 1


def test_a_deleted_manifest_and_all_its_tags(http: httpx.Client, name: str, rows: sqlite3.Connection) -> None:
    """Those of a list that is kept by hand for its subject, too: it is left out of that as of the same moment."""
    subject = image(push_config(http, name))
    put_manifest(http, name, "subject", subject)
    body = artifact(subject)
    digest = digest_of(body)
    put_manifest(http, name, digest_of(subject).replace(":", "-"), index(), OCI_INDEX)
    put_manifest(http, name, f"{digest}?tag=one&tag=two", body)
    assert http.delete(f"/v2/{name}/manifests/{digest}").status_code == 202
    deleted = times(rows, "SELECT deleted FROM omitted_referrer WHERE digest = ?", digest)
    gone = times(
        rows,
        "SELECT at FROM tag_history JOIN repository ON repository.id = repository_id"
        " WHERE repository.name = ? AND digest IS NULL",
        name,
    )
    assert (len(deleted), len(gone)) == (1, 2)
    assert len({*deleted, *gone}) == 1


@pytest.mark.parametrize("size", [512, LARGE])
@pytest.mark.parametrize("way", ["POST", "PUT"])
def test_a_body_that_takes_its_time(size: int, way: str, server: Server, name: str, rows: sqlite3.Connection) -> None:
    """The promise counts from when all of it was there: otherwise a slow push would be garbage the sooner."""
    content = random_blob(size)
    digest = digest_of(content)
    with Client(server.url) as client:
        location = client.start(name) if way == "PUT" else f"/v2/{name}/blobs/uploads/"
    with Slow(server.url, way, with_digest(location, digest), size) as pushing:
        pushing.send(content[:-1])
        time.sleep(0.5)
        sent = time.time_ns() // 1000
        pushing.send(content[-1:])
        assert pushing.answer().status == 201
    renewed = times(rows, "SELECT renewed" + MEMBER, name, digest)
    assert len(renewed) == 1
    assert renewed[0] >= sent


def push_config(http: httpx.Client, name: str) -> bytes:
    """Of an image, which no other test has."""
    content = random_blob()
    push_blob(http, name, content)
    return content
