"""No transaction keeps other writers waiting for long, however much there is to do."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.server import Server, running
from tests.speak.content import OCI_INDEX, OCI_MANIFEST, artifact, digest_of, image, index
from tests.speak.requests import put_manifest

TYPED = {"content-type": OCI_INDEX}

MOST = 0.3
"""Seconds that a small push may take meanwhile."""


def slowest(taken: list[float]) -> float:
    """But for two, since the machine does other things too: one long transaction would let but few through at all."""
    assert len(taken) > 4
    return sorted(taken)[-3]


@contextmanager
def small_pushes(server: Server) -> Iterator[list[float]]:
    """One after the other until the block ends; how long each took. They reach whichever worker is free."""
    stop, taken = threading.Event(), [0.0]
    failures: list[int] = []

    def push() -> None:
        number = 0
        while not stop.is_set():
            with httpx.Client(base_url=server.url, timeout=60) as http:
                started = time.monotonic()
                answer = http.put(f"/v2/waiting/small/manifests/v{number}", content=image(b"%d" % number))
                taken.append(time.monotonic() - started)
                if answer.status_code != 201:
                    failures.append(answer.status_code)
            number += 1

    thread = threading.Thread(target=push)
    thread.start()
    try:
        yield taken
    finally:
        stop.set()
        thread.join()
    assert failures == []


def tag_often(data: Path, name: str, count: int) -> None:
    """Give the only manifest of the repository so many tags."""
    with closing(sqlite3.connect(data / "registry.db")) as connection, connection:
        numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
        connection.execute(
            f"{numbers} INSERT INTO tag (repository_id, name, manifest_id, moved)"
            " SELECT r.id, printf('t%08d', i), m.id, 0 FROM n, repository r JOIN manifest m ON m.repository_id = r.id"
            " WHERE r.name = ?",
            [name],
        )


@pytest.mark.spec("MANIFEST-45", "MANIFEST-39")
def test_a_manifest_with_many_tags_is_deleted(data: Path) -> None:
    with running(data, "--workers", "2") as server, httpx.Client(base_url=server.url, timeout=120) as http:
        body = image(annotations={"of": "many tags"})
        put_manifest(http, "waiting/many", "latest", body)
        tag_often(data, "waiting/many", 50_000)
        path = f"/v2/waiting/many/manifests/{digest_of(body)}"
        assert http.delete(path, headers={"if-match": '"sha256:other"'}).status_code == 412
        with small_pushes(server) as taken:
            assert http.delete(path, headers={"if-match": f'"{digest_of(body)}"'}).status_code == 202
        assert slowest(taken) < MOST
        assert http.get(path).status_code == 404
        assert http.get("/v2/waiting/many/tags/list").json()["tags"] == []
        assert "waiting/many" not in http.get("/v2/_catalog").json()["repositories"]
        with closing(sqlite3.connect(data / "registry.db")) as connection:
            gone = connection.execute("SELECT count(*) FROM tag_history WHERE digest IS NULL").fetchall()
            assert gone == [(50_001,)]


@pytest.mark.spec("MANIFEST-45")
def test_a_delete_that_was_cut_off_is_repeated(data: Path) -> None:
    body = image(annotations={"of": "cut off"})
    path = f"/v2/waiting/cut/manifests/{digest_of(body)}"
    with running(data, "--workers", "1") as server, httpx.Client(base_url=server.url, timeout=60) as http:
        put_manifest(http, "waiting/cut", "latest", body)
    tag_often(data, "waiting/cut", 20_000)
    server = Server(data, "--workers", "1").start()
    with httpx.Client(base_url=server.url, timeout=60) as http:
        threading.Thread(target=ask, args=(server.url, path), daemon=True).start()
        deadline = time.monotonic() + 20
        while http.get("/v2/waiting/cut/manifests/latest").status_code == 200 and time.monotonic() < deadline:
            pass
        server.kill()
    with running(data, "--workers", "1") as server, httpx.Client(base_url=server.url, timeout=60) as http:
        if http.get(path).status_code == 200:
            assert http.get(path).content == body
            assert http.delete(path).status_code == 202
        assert http.get(path).status_code == 404
        assert http.get("/v2/waiting/cut/tags/list").json()["tags"] == []


def ask(url: str, path: str) -> None:
    with suppress(httpx.HTTPError):
        httpx.delete(url + path, timeout=60)


@pytest.mark.spec("MANIFEST-45")
def test_a_manifest_in_many_indexes_is_deleted(data: Path) -> None:
    with running(data, "--workers", "2") as server, httpx.Client(base_url=server.url, timeout=120) as http:
        child = image(annotations={"of": "many indexes"})
        put_manifest(http, "waiting/child", "latest", child)
        for number in range(10):
            body = index([child] * 3_000, annotations={"number": str(number)})
            assert put_manifest(http, "waiting/child", f"i{number}", body, OCI_INDEX).status_code == 201
        with small_pushes(server) as taken:
            assert http.delete(f"/v2/waiting/child/manifests/{digest_of(child)}").status_code == 202
        assert slowest(taken) < MOST
        with closing(sqlite3.connect(data / "registry.db")) as connection:
            assert connection.execute("SELECT count(*) FROM descriptor WHERE child_id NOTNULL").fetchall() == [(0,)]
        assert put_manifest(http, "waiting/child", "latest", child).status_code == 201
        with closing(sqlite3.connect(data / "registry.db")) as connection:
            linked = connection.execute("SELECT count(*) FROM descriptor WHERE child_id NOTNULL").fetchall()
            assert linked == [(30_000,)]


BLOB = b"awaited by many" * 10


def many_wait(data: Path, name: str, digest: str, role: str, count: int) -> None:
    """Let the only manifest of the repository name what is not there yet so many times."""
    with closing(sqlite3.connect(data / "registry.db")) as connection, connection:
        numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
        connection.execute(
            f"{numbers} INSERT INTO descriptor (manifest_id, position, role, media_type, digest, size, repository_id)"
            " SELECT m.id, 100 + i, ?, 'a/b', ?, 150, r.id"
            " FROM n, repository r JOIN manifest m ON m.repository_id = r.id WHERE r.name = ?",
            [role, digest, name],
        )


def waiting(data: Path, digest: str) -> int:
    with closing(sqlite3.connect(data / "registry.db")) as connection:
        still = "SELECT count(*) FROM descriptor WHERE digest = ? AND blob_id IS NULL AND child_id IS NULL"
        return int(connection.execute(still, [digest]).fetchone()[0])


def push_blob(http: httpx.Client, name: str, content: bytes) -> int:
    return http.post(f"/v2/{name}/blobs/uploads/?digest={digest_of(content)}", content=content).status_code


@pytest.mark.spec("MANIFEST-47")
@pytest.mark.parametrize("small", ["0", "16KiB"])
def test_a_blob_that_many_wait_for_comes(data: Path, small: str) -> None:
    flags = ("--workers", "2", "--small-blob", small)
    with running(data, *flags) as server, httpx.Client(base_url=server.url, timeout=120) as http:
        put_manifest(http, "waiting/blob", "latest", image(annotations={"of": "a blob"}))
        many_wait(data, "waiting/blob", digest_of(BLOB), "layer", 100_000)
        with small_pushes(server) as taken:
            assert push_blob(http, "waiting/blob", BLOB) == 201
        assert slowest(taken) < MOST
        assert waiting(data, digest_of(BLOB)) == 0


@pytest.mark.spec("MANIFEST-47")
def test_a_blob_that_many_wait_for_is_mounted(data: Path) -> None:
    with running(data, "--workers", "2") as server, httpx.Client(base_url=server.url, timeout=120) as http:
        put_manifest(http, "waiting/mount", "latest", image(annotations={"of": "a mount"}))
        assert push_blob(http, "waiting/source", BLOB) == 201
        many_wait(data, "waiting/mount", digest_of(BLOB), "layer", 50_000)
        with small_pushes(server) as taken:
            path = f"/v2/waiting/mount/blobs/uploads/?mount={digest_of(BLOB)}&from=waiting/source"
            assert http.post(path).status_code == 201
        assert slowest(taken) < MOST
        assert waiting(data, digest_of(BLOB)) == 0


@pytest.mark.spec("MANIFEST-47")
def test_a_manifest_that_many_wait_for_comes(data: Path) -> None:
    with running(data, "--workers", "2") as server, httpx.Client(base_url=server.url, timeout=120) as http:
        put_manifest(http, "waiting/index", "latest", image(annotations={"of": "an index"}))
        child = image(annotations={"of": "the child"})
        many_wait(data, "waiting/index", digest_of(child), "child", 100_000)
        with small_pushes(server) as taken:
            assert put_manifest(http, "waiting/index", "child", child).status_code == 201
        assert slowest(taken) < MOST
        assert waiting(data, digest_of(child)) == 0


@pytest.mark.spec("MANIFEST-47")
@pytest.mark.parametrize(("role", "portions"), [("layer", 1), ("layer", 20), ("child", 5)])
def test_a_crash_between_portions_loses_nothing(role: str, portions: int, data: Path) -> None:
    """What was told by then is kept, what came too; the next push of it tells the others."""
    count, name = 60_000, "waiting/crash"
    child = image(annotations={"of": "the child"})
    content = BLOB if role == "layer" else child
    digest = digest_of(content)
    with running(data, "--workers", "1") as server, httpx.Client(base_url=server.url, timeout=60) as http:
        put_manifest(http, name, "latest", image(annotations={"of": "a crash"}))
    many_wait(data, name, digest, role, count)

    def push(url: str) -> int:
        with httpx.Client(base_url=url, timeout=60) as http:
            return (
                push_blob(http, name, BLOB) if role == "layer" else put_manifest(http, name, digest, child).status_code
            )

    def begin(url: str) -> None:
        with suppress(httpx.HTTPError):
            push(url)

    left = wait_and_kill(data, digest, count - portions * 1000, begin)
    assert 0 < left < count, "it was not killed between two portions"
    with running(data, "--workers", "1") as server, httpx.Client(base_url=server.url, timeout=60) as http:
        kind = "blobs" if role == "layer" else "manifests"
        assert http.get(f"/v2/{name}/{kind}/{digest}").content == content
        assert push(server.url) == 201
        assert waiting(data, digest) == 0


def wait_and_kill(data: Path, digest: str, most: int, begin: Callable[[str], None]) -> int:
    """Kill a server as soon as no more than `most` wait, each portion being made slow enough for that to be seen; how
    many there are then."""
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150) SELECT count(*) FROM n"
    with closing(sqlite3.connect(data / "registry.db")) as connection, connection:
        connection.execute(f"CREATE TRIGGER slow AFTER UPDATE ON descriptor BEGIN {slow}; END")
    server = Server(data, "--workers", "1").start()
    threading.Thread(target=begin, args=(server.url,), daemon=True).start()
    deadline = time.monotonic() + 30
    while waiting(data, digest) > most and time.monotonic() < deadline:
        pass
    server.kill()
    with closing(sqlite3.connect(data / "registry.db")) as connection, connection:
        connection.execute("DROP TRIGGER slow")
    return waiting(data, digest)


def many_refer(data: Path, name: str, subject: str, count: int) -> None:
    """Let so many manifests of the repository have the subject, as if each had been pushed."""
    entry = '{"mediaType":"a/b","digest":"%s","size":700,"artifactType":"a/b","annotations":{"text":"%s"}}'
    with closing(sqlite3.connect(data / "registry.db")) as connection, connection:
        (repository_id,) = connection.execute("SELECT id FROM repository WHERE name = ?", [name]).fetchone()
        connection.executemany(
            "INSERT INTO manifest (repository_id, digest, media_type, artifact_type, subject, size, created, referrer,"
            " body) VALUES (?, ?, ?, 'a/b', ?, 700, 0, ?, ?)",
            (
                (repository_id, digest, OCI_MANIFEST, subject, (entry % (digest, "x" * 250)).encode(), b"{}")
                for digest in (digest_of(b"%d" % number) for number in range(count))
            ),
        )


@pytest.mark.spec("REFERRER-36")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_a_long_list_of_referrers_is_completed(method: str, data: Path) -> None:
    subject = image(annotations={"of": "a long list"})
    tag = digest_of(subject).replace(":", "-")
    with running(data, "--workers", "2") as server, httpx.Client(base_url=server.url, timeout=120) as http:
        put_manifest(http, "waiting/list", "latest", subject)
        many_refer(data, "waiting/list", digest_of(subject), 9_000)
        put_manifest(http, "waiting/list", tag, index([]), OCI_INDEX)
        path = f"/v2/waiting/list/manifests/{tag}"
        with small_pushes(server) as taken:
            for number in range(5):
                late = artifact(subject, annotations={"number": str(number)})
                assert put_manifest(http, "waiting/list", digest_of(late), late).status_code == 201
                if method == "PUT":
                    stale = http.put(path, content=index([]), headers={"if-match": '"sha256:no"', **TYPED})
                    assert stale.status_code == 412
                else:
                    assert http.request(method, path).status_code == 200
        assert slowest(taken) < MOST
        assert len(taken) > 12, "others waited for each list to be made"
        assert len(http.get(path).json()["manifests"]) == 9_005
        assert http.get(path.replace(tag, http.head(path).headers["docker-content-digest"])).status_code == 200
