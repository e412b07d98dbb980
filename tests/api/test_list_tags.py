"""spec/referrers.md: what is a list of referrers, what clients do with theirs, and what the registry makes of it."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.test_fallback_tags import SUBJECT, TAG, attach, entry, keep, kept, referrer
from tests.server import Server, running
from tests.speak.content import DOCKER_LIST, LAYER, OCI_INDEX, OCI_MANIFEST, descriptor, digest_of, image, index
from tests.speak.requests import push_blob, put_manifest

A, E = 1, 2


def bits(reads: tuple[bool, ...]) -> str:
    return "".join(str(int(read)) for read in reads)


def own_tag(body: bytes, algorithm: str = "sha256") -> str:
    return digest_of(body, algorithm).replace(":", "-")[: len(algorithm) + 65]


def served(http: httpx.Client, name: str, tag: str = TAG) -> bytes:
    """By GET, by HEAD, and by the digest that both tell."""
    answer = http.get(f"/v2/{name}/manifests/{tag}")
    head = http.head(f"/v2/{name}/manifests/{tag}")
    assert answer.status_code == head.status_code == 200
    for header in ("docker-content-digest", "content-type", "content-length", "etag"):
        assert answer.headers[header] == head.headers[header]
    digest = answer.headers["docker-content-digest"]
    assert digest in (digest_of(answer.content), digest_of(answer.content, "sha512"))
    for method in ("GET", "HEAD"):
        by_digest = http.request(method, f"/v2/{name}/manifests/{digest}")
        assert by_digest.status_code == 200
        assert by_digest.headers["content-length"] == answer.headers["content-length"]
    return answer.content


def delete(http: httpx.Client, name: str, reference: str, **headers: str) -> int:
    return http.delete(f"/v2/{name}/manifests/{reference}", headers=headers).status_code


def digests(http: httpx.Client, name: str, tag: str = TAG) -> list[str]:
    return [one["digest"] for one in json.loads(served(http, name, tag))["manifests"]]


# What is a list


@pytest.mark.spec("REFERRER-24", "MANIFEST-1", "MANIFEST-2", "MANIFEST-39")
@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("by", ["tag", "digest", "other digest"])
@pytest.mark.parametrize("first", ["index", "signature"])
@pytest.mark.parametrize("children", [[], [image()]], ids=["empty", "filled"])
def test_an_index_under_its_own_digest(
    http: httpx.Client, name: str, media_type: str, algorithm: str, by: str, first: str, children: list[bytes]
) -> None:
    body = index(children, mediaType=media_type)
    tag = own_tag(body, algorithm)
    signature = image(subject=descriptor(body, media_type, algorithm))
    other = {"sha256": "sha512", "sha512": "sha256"}[algorithm]
    pushed_by = digest_of(body, algorithm if by == "digest" else other)

    def push() -> None:
        path = tag if by == "tag" else f"{pushed_by}?tag={tag}"
        assert put_manifest(http, name, path, body, media_type).status_code == 201

    def sign() -> None:
        assert put_manifest(http, name, digest_of(signature), signature).status_code == 201

    for step in (push, sign) if first == "index" else (sign, push):
        step()
    assert served(http, name, tag) == body
    digest = http.head(f"/v2/{name}/manifests/{tag}").headers["docker-content-digest"]
    assert digest == (digest_of(body) if by == "tag" else pushed_by)
    assert delete(http, name, digest) == 202
    for reference in (tag, digest):
        assert http.get(f"/v2/{name}/manifests/{reference}").status_code == 404


@pytest.mark.spec("REFERRER-24")
@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
@pytest.mark.parametrize("what", ["images", "a blob", "what is not there", "a referrer and an image", "subject"])
def test_an_index_that_is_no_list(http: httpx.Client, name: str, media_type: str, what: str) -> None:
    attach(http, name, A)
    entries: list[dict[str, Any]] = {
        "images": [descriptor(image(annotations={"of": str(number)}), OCI_MANIFEST) for number in range(2)],
        "a blob": [descriptor(b"cache", LAYER)],
        "what is not there": [descriptor(b"elsewhere", OCI_MANIFEST)],
        "a referrer and an image": [entry(A), descriptor(image(), OCI_MANIFEST)],
        "subject": [],
    }[what]
    push_blob(http, name, b"cache")
    put_manifest(http, name, "v1", image())
    body = index(entries, mediaType=media_type, **({"subject": SUBJECT} if what == "subject" else {}))
    keep(http, name, body, media_type=media_type)
    assert served(http, name) == body
    attach(http, name, E)
    delete(http, name, digest_of(referrer(A)))
    assert served(http, name) == body
    assert delete(http, name, digest_of(body)) == 202
    assert http.get(f"/v2/{name}/manifests/{TAG}").status_code == 404


@pytest.mark.spec("REFERRER-24", "REFERRER-34")
def test_an_index_with_a_subject_under_its_tag_makes_no_referrers(http: httpx.Client, name: str) -> None:
    keep(http, name, index([], subject=SUBJECT))
    for number in range(7):
        attach(http, name, number)
        served(http, name)
    assert len(http.get(f"/v2/{name}/referrers/{SUBJECT['digest']}").json()["manifests"]) == 8


# Taking an entry out


@pytest.mark.spec("REFERRER-30", "REFERRER-27")
@pytest.mark.parametrize("reads", list(product([False, True], repeat=4)), ids=bits)
def test_what_a_client_takes_out_stays_out(http: httpx.Client, name: str, reads: tuple[bool, ...]) -> None:
    """The order in which oras-go does it, with somebody reading in between or not."""
    for number in (A, E):
        attach(http, name, number)
    before, after = index([entry(A), entry(E)]), index([entry(A)])
    steps: tuple[Callable[[], bool], ...] = (
        lambda: keep(http, name, before).status_code == 201,
        lambda: keep(http, name, after).status_code == 201,
        lambda: delete(http, name, digest_of(before)) == 202,
        lambda: delete(http, name, digest_of(referrer(E))) == 202,
    )
    for step, read in zip(steps, reads, strict=True):
        assert step()
        if read:
            served(http, name)
    assert served(http, name) == after


@pytest.mark.spec("REFERRER-30", "REFERRER-31", "REFERRER-27")
@pytest.mark.parametrize("reads", list(product([False, True], repeat=3)), ids=bits)
@pytest.mark.parametrize("compact", [False, True])
def test_what_a_client_takes_out_of_a_list_that_was_made(
    http: httpx.Client, name: str, reads: tuple[bool, ...], compact: bool
) -> None:
    """Also where the list made anew has the very bytes of the one that the client is about to delete."""
    keep(http, name, json.dumps(json.loads(index([])), separators=(",", ":") if compact else None).encode())
    for number in (A, E):
        attach(http, name, number)
    before = json.loads(served(http, name))
    assert before["manifests"] == [entry(A), entry(E)]
    after = json.dumps(before | {"manifests": [entry(A)]}, separators=(",", ":") if compact else None).encode()
    steps: tuple[Callable[[], bool], ...] = (
        lambda: keep(http, name, after).status_code == 201,
        lambda: delete(http, name, digest_of(json.dumps(before, separators=(",", ":")).encode())) == 202,
        lambda: delete(http, name, digest_of(referrer(E))) == 202,
    )
    for step, read in zip(steps, reads, strict=True):
        assert step()
        if read:
            served(http, name)
    assert served(http, name) == after


@pytest.mark.spec("REFERRER-30")
def test_what_was_taken_out_comes_back_when_it_is_pushed(http: httpx.Client, name: str) -> None:
    for number in (A, E):
        attach(http, name, number)
    keep(http, name, index([entry(A), entry(E)]))
    keep(http, name, index([entry(A)]))
    attach(http, name, 3)
    assert kept(http, name) == [entry(A), entry(3)]
    attach(http, name, E)
    assert kept(http, name) == [entry(A), entry(E), entry(3)]


@pytest.mark.spec("REFERRER-30")
def test_what_was_taken_out_comes_back_when_it_is_listed(http: httpx.Client, name: str) -> None:
    for number in (A, E, 3):
        attach(http, name, number)
    keep(http, name, index([entry(A), entry(E), entry(3)]))
    keep(http, name, index([entry(A), entry(3)]))
    keep(http, name, index([entry(3), entry(A)]))
    assert kept(http, name) == [entry(3), entry(A)]
    keep(http, name, index([entry(A), entry(E)]))
    assert kept(http, name) == [entry(A), entry(E), entry(3)]
    keep(http, name, index([entry(A), entry(E)]))
    keep(http, name, index([entry(E)]))
    assert delete(http, name, TAG) == 202
    keep(http, name, index([]))
    assert kept(http, name) == [entry(A), entry(E), entry(3)]


@pytest.mark.spec("REFERRER-30", "REFERRER-28")
def test_a_client_that_comes_late_takes_nothing_out(http: httpx.Client, name: str) -> None:
    # Two that found no list, one of them late.
    for number in range(3):
        attach(http, name, number)
    keep(http, name, index([entry(0), entry(1), entry(2)]))
    keep(http, name, index([entry(1)]))
    assert {one["annotations"]["number"] for one in kept(http, name)} == {"0", "1", "2"}
    # The entry of 3 is listed by 4, who knows it from a list that was made, before its own client does so.
    attach(http, name, 3)
    known = kept(http, name)
    attach(http, name, 4)
    keep(http, name, index([*known, entry(4)]))
    keep(http, name, index([*known[:2], entry(3)]))
    assert {one["annotations"]["number"] for one in kept(http, name)} == set("01234")
    # What was read is pushed as it is.
    attach(http, name, 5)
    known = kept(http, name)
    attach(http, name, 6)
    keep(http, name, index([*known, entry(6)]))
    keep(http, name, index(known))
    assert {one["annotations"]["number"] for one in kept(http, name)} == set("0123456")


@pytest.mark.spec("REFERRER-27", "REFERRER-28")
def test_what_was_deleted_does_not_come_back_with_a_late_list(http: httpx.Client, name: str) -> None:
    keep(http, name, index([]))
    for number in (A, E):
        attach(http, name, number)
    known = kept(http, name)
    delete(http, name, digest_of(referrer(E)))
    attach(http, name, 3)
    attach(http, name, 4)
    keep(http, name, index([*known, entry(3)]))
    assert kept(http, name) == [entry(A), entry(3), entry(4)]
    attach(http, name, E)
    assert [one["annotations"]["number"] for one in kept(http, name)] == ["1", "2", "3", "4"]


# The lists that are made


@pytest.mark.spec("REFERRER-31", "MANIFEST-39")
def test_a_made_list_is_deleted_by_its_digest(http: httpx.Client, name: str) -> None:
    keep(http, name, index([]))
    attach(http, name, A)
    digest = http.head(f"/v2/{name}/manifests/{TAG}").headers["docker-content-digest"]
    assert delete(http, name, digest) == 202
    assert http.get(f"/v2/{name}/manifests/{digest}").status_code == 404
    assert http.get(f"/v2/{name}/manifests/{TAG}").status_code == 404
    assert http.get(f"/v2/{name}/tags/list").json()["tags"] == []
    assert delete(http, name, digest) == 404
    assert len(http.get(f"/v2/{name}/referrers/{SUBJECT['digest']}").json()["manifests"]) == 1


@pytest.mark.spec("REFERRER-31", "MANIFEST-35", "MANIFEST-36")
def test_conditions_are_about_what_is_served(http: httpx.Client, name: str) -> None:
    pushed = index([])
    keep(http, name, pushed)
    attach(http, name, A)
    path = f"/v2/{name}/manifests/{TAG}"
    for _ in range(2):
        made = http.get(path).headers["etag"]
        assert made != f'"{digest_of(pushed)}"'
        assert http.get(path, headers={"if-none-match": made}).status_code == 304
        stale = {"if-match": f'"{digest_of(pushed)}"'}
        assert http.put(path, content=index([]), headers=stale | {"content-type": OCI_INDEX}).status_code == 412
        assert delete(http, name, TAG, **stale) == 412
        assert delete(http, name, TAG, **{"if-none-match": made}) == 412
        following = index([entry(A)], annotations={"by": made})
        answer = http.put(path, content=following, headers={"if-match": made, "content-type": OCI_INDEX})
        assert answer.status_code == 201
        attach(http, name, E)
        # Nobody has read it yet: what it serves is compared all the same.
        refused = {"if-match": f'"{digest_of(following)}"', "content-type": OCI_INDEX}
        assert http.put(path, content=following, headers=refused).status_code == 412
        pushed = following
        delete(http, name, digest_of(referrer(E)))
        attach(http, name, 3)
    made = http.get(path).headers["etag"]
    assert delete(http, name, made.strip('"'), **{"if-match": f'"{digest_of(pushed)}"'}) == 412
    assert delete(http, name, TAG, **{"if-match": made}) == 202


@pytest.mark.spec("REFERRER-31")
def test_pushing_what_was_made(http: httpx.Client, name: str) -> None:
    keep(http, name, index([]))
    attach(http, name, A)
    made = served(http, name)
    digest = digest_of(made)
    refused = http.put(f"/v2/{name}/manifests/{digest}", content=made, headers={"if-none-match": "*"})
    assert refused.status_code == 412
    assert keep(http, name, made).headers["docker-content-digest"] == digest
    assert served(http, name) == made
    assert delete(http, name, digest) == 202
    for reference in (digest, TAG):
        assert http.get(f"/v2/{name}/manifests/{reference}").status_code == 404


@pytest.mark.spec("REFERRER-31", "REFERRER-34")
def test_what_the_registry_made_it_removes(data: Path) -> None:
    """100 referrers, read after every other one: a few lists, not 50; and in time none but the one that is served."""
    with running(data, "--workers", "1", "--upload-expiry", "1s") as server, httpx.Client(base_url=server.url) as http:
        keep(http, "kept", index([]))
        told = []
        for number in range(100):
            attach(http, "kept", number)
            if number % 2:
                told.append(http.head(f"/v2/kept/manifests/{TAG}").headers["docker-content-digest"])
        assert len(kept(http, "kept")) == 100
        assert rows(data, "SELECT count(*) FROM manifest") == [(101,)]
        assert rows(data, "SELECT count(*) FROM made_list")[0][0] <= 17
        assert rows(data, "SELECT count(*) FROM descriptor") == [(100,)]  # Each referrer's config.
        assert rows(data, "SELECT count(*) FROM tag_history") == [(1,)]
        assert http.get(f"/v2/kept/manifests/{told[-2]}").status_code == 200
        assert http.get(f"/v2/kept/manifests/{told[0]}").status_code == 404
        with closing(sqlite3.connect(data / "registry.db")) as connection, connection:
            connection.execute("UPDATE made_list SET replaced = replaced - 600000000")
            connection.execute("UPDATE offered_referrer SET since = since - 600000000")
        wait_until(lambda: rows(data, "SELECT count(*) FROM made_list") == [(1,)])
        assert rows(data, "SELECT count(*) FROM offered_referrer") == [(0,)]
        assert len(kept(http, "kept")) == 100
        delete(http, "kept", TAG)
        assert rows(data, "SELECT count(*) FROM referrers_list") == [(0,)]


@pytest.mark.spec("REFERRER-27", "REFERRER-30")
def test_what_was_deleted_long_ago_makes_a_late_list_no_other(data: Path) -> None:
    """A client pushes what it has read an hour ago: later referrers stay in the list, what was left out stays out."""
    with running(data, "--workers", "1", "--upload-expiry", "1s") as server, httpx.Client(base_url=server.url) as http:
        keep(http, "kept", index([]))
        for number in range(3):
            attach(http, "kept", number)
        keep(http, "kept", index([entry(0), entry(1), entry(2)]))
        keep(http, "kept", index([entry(0), entry(2)]))
        known = kept(http, "kept")
        delete(http, "kept", digest_of(referrer(2)))
        attach(http, "kept", 3)
        with closing(sqlite3.connect(data / "registry.db")) as connection, connection:
            connection.execute("UPDATE omitted_referrer SET deleted = deleted - 3600000000 WHERE deleted > 0")
            version = connection.execute("PRAGMA data_version").fetchone()
            time.sleep(0.8)  # Some rounds of what is removed in time.
            assert connection.execute("PRAGMA data_version").fetchone() == version, "something was written"
        assert len(rows(data, "SELECT digest FROM omitted_referrer")) == 2
        keep(http, "kept", index(known))
        assert kept(http, "kept") == [entry(0), entry(3)]


@pytest.mark.spec("REFERRER-27")
def test_how_many_deleted_referrers_are_remembered(data: Path) -> None:
    """The latest 10,000 of a tag, and those that the list still names."""
    with running(data, "--workers", "1") as server, httpx.Client(base_url=server.url) as http:
        attach(http, "kept", A)
        attach(http, "kept", E)
        keep(http, "kept", index([entry(A), entry(E)]))
        delete(http, "kept", digest_of(referrer(A)))
        with closing(sqlite3.connect(data / "registry.db")) as connection, connection:
            connection.execute("UPDATE omitted_referrer SET deleted = 1")
            connection.executemany(
                "INSERT INTO omitted_referrer (repository_id, tag, digest, deleted) VALUES (1, ?, ?, ?)",
                [(TAG, f"sha256:{number:064}", 2 + number) for number in range(10_500)],
            )
        delete(http, "kept", digest_of(referrer(E)))
        assert rows(data, "SELECT count(*) FROM omitted_referrer") == [(10_001,)]
        attach(http, "kept", 3)
        assert kept(http, "kept") == [entry(3)]


def rows(data: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(data / "registry.db")) as connection:
        return connection.execute(statement).fetchall()


def wait_until(holds: Callable[[], bool], timeout: float = 10) -> None:
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# Where it cannot be made


@contextmanager
def locked(data: Path) -> Iterator[None]:
    with closing(sqlite3.connect(data / "registry.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@pytest.mark.spec("REFERRER-33")
def test_where_it_cannot_be_written_down_the_clients_list_is_served(data: Path) -> None:
    pushed = index([])
    with running(data, "--workers", "1") as server, httpx.Client(base_url=server.url, timeout=30) as http:
        keep(http, "kept", pushed)
        attach(http, "kept", A)
        with locked(data):
            started = time.monotonic()
            assert http.get(f"/v2/kept/manifests/{TAG}").content == pushed
            assert time.monotonic() - started < 3
        assert kept(http, "kept") == [entry(A)]
        attach(http, "kept", E)
    with running(data, "--workers", "1", "--read-only") as server, httpx.Client(base_url=server.url) as http:
        assert served(http, "kept") == pushed


@pytest.mark.spec("REFERRER-32", "REFERRER-25")
def test_a_full_list_keeps_nobody_from_attaching(http: httpx.Client, name: str) -> None:
    """At the limit of descriptors, which is one of manifests and not of lists."""
    for number in range(2):
        attach(http, name, number)
    many = index([descriptor(b"%d" % number, OCI_MANIFEST) for number in range(10_000)])
    keep(http, name, many)
    attach(http, name, 3)
    assert served(http, name) == many
    full = index([entry(0)] * 9_999)
    keep(http, name, full)
    for number in range(4, 7):
        attach(http, name, number)
    assert len(digests(http, name)) == 9_999 + 5


@pytest.mark.spec("REFERRER-34")
def test_a_list_makes_no_repository(server: Server, http: httpx.Client, name: str) -> None:
    attach(http, name, A)
    keep(http, name, index([]))
    made = digest_of(served(http, name))
    for digest in (digest_of(index([])), digest_of(referrer(A))):
        assert delete(http, name, digest) == 202
    listed = http.get("/v2/_catalog", params={"last": name[:-1], "n": 1000}).json()["repositories"]
    assert name not in listed
    assert http.get(f"/v2/{name}/manifests/{made}").status_code == 200
    assert http.get(f"/v2/{name}/other/manifests/{made}").status_code == 404
