"""spec/referrers.md: the lists of referrers that clients keep under a tag."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import pytest

from tests.server import Server, running
from tests.speak.content import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST, descriptor, digest_of, image, index
from tests.speak.requests import put_manifest

SUBJECT = descriptor(image(), OCI_MANIFEST)
TAG = SUBJECT["digest"].replace(":", "-")
SHA512 = descriptor(image(), OCI_MANIFEST, "sha512")


def referrer(number: int, subject: dict[str, Any] = SUBJECT) -> bytes:
    return image(subject=subject, artifactType="application/vnd.example+json", annotations={"number": str(number)})


def entry(number: int) -> dict[str, Any]:
    """How the registry lists it."""
    plain = descriptor(referrer(number), OCI_MANIFEST)
    return plain | {"artifactType": "application/vnd.example+json", "annotations": {"number": str(number)}}


def attach(http: httpx.Client, name: str, number: int, subject: dict[str, Any] = SUBJECT) -> str:
    body = referrer(number, subject)
    assert put_manifest(http, name, digest_of(body), body).status_code == 201
    return digest_of(body)


def keep(http: httpx.Client, name: str, body: bytes, tag: str = TAG, media_type: str = OCI_INDEX) -> httpx.Response:
    """Push the list that a client keeps."""
    answer = put_manifest(http, name, tag, body, media_type)
    assert answer.status_code == 201, answer.text
    return answer


def kept(http: httpx.Client, name: str, tag: str = TAG) -> list[dict[str, Any]]:
    """The list that clients are served, whose digest must be right."""
    answer = http.get(f"/v2/{name}/manifests/{tag}")
    assert answer.status_code == 200
    assert answer.headers["docker-content-digest"] == digest_of(answer.content)
    assert http.get(f"/v2/{name}/manifests/{digest_of(answer.content)}").content == answer.content
    entries: list[dict[str, Any]] = answer.json()["manifests"]
    return entries


@pytest.mark.spec("REFERRER-25", "REFERRER-26")
@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_a_list_that_lacks_entries_is_served_with_them(http: httpx.Client, name: str, media_type: str) -> None:
    for number in range(3):
        attach(http, name, number)
    body = index([entry(1)], mediaType=media_type)
    answer = keep(http, name, body, media_type=media_type)
    assert answer.headers["docker-content-digest"] == digest_of(body)
    assert answer.headers["location"] == f"/v2/{name}/manifests/{digest_of(body)}"
    assert kept(http, name) == [entry(1), entry(0), entry(2)]
    assert http.get(f"/v2/{name}/manifests/{TAG}").headers["content-type"] == media_type
    assert http.get(answer.headers["location"]).content == body


@pytest.mark.spec("REFERRER-25", "REFERRER-27")
def test_the_tag_of_a_sha512_subject_is_cut(http: httpx.Client, name: str) -> None:
    tag = SHA512["digest"].replace(":", "-")[: len("sha512-") + 64]
    first = attach(http, name, 1, SHA512)
    keep(http, name, index([]), tag)
    assert [found["digest"] for found in kept(http, name, tag)] == [first]
    second = attach(http, name, 2, SHA512)
    assert [found["digest"] for found in kept(http, name, tag)] == [first, second]


@pytest.mark.spec("REFERRER-25")
def test_a_push_by_digest_that_sets_the_tag(http: httpx.Client, name: str) -> None:
    attach(http, name, 1)
    body = index([])
    answer = put_manifest(http, name, f"{digest_of(body)}?tag={TAG}&tag=v1", body, OCI_INDEX)
    assert answer.headers["docker-content-digest"] == digest_of(body)
    assert kept(http, name) == [entry(1)]
    assert http.get(f"/v2/{name}/manifests/v1").content == body


@pytest.mark.spec("REFERRER-15", "REFERRER-25")
def test_a_list_that_would_be_too_large_is_as_the_client_wrote_it(data: Path) -> None:
    flags = ("--workers", "1", "--manifest-limit", "2KiB")
    with running(data, *flags) as server, httpx.Client(base_url=server.url) as http:
        expected: list[dict[str, Any]] = []
        keep(http, "small", index([]))
        for number in range(12):
            attach(http, "small", number)
            before, expected = expected, [*expected, entry(number)]
            served = http.get(f"/v2/small/manifests/{TAG}")
            assert len(served.content) <= 2048
            if kept(http, "small") != expected:
                assert (
                    len(json.dumps(json.loads(served.content) | {"manifests": expected}, separators=(",", ":"))) > 2048
                )
                assert len(before) > 4
                break
        following: str | None = f"/v2/small/referrers/{SUBJECT['digest']}"
        found = []
        while following is not None:
            answer = http.get(following)
            assert len(answer.content) <= 2048
            found += answer.json()["manifests"]
            following = answer.links["next"]["url"] if "link" in answer.headers else None
        assert found == expected


@pytest.mark.spec("REFERRER-27")
def test_the_list_follows_pushes_and_deletes(http: httpx.Client, name: str) -> None:
    keep(http, name, index([]))
    for number in range(3):
        attach(http, name, number)
    assert kept(http, name) == [entry(0), entry(1), entry(2)]
    put_manifest(http, name, "v1", referrer(3))
    assert kept(http, name) == [entry(0), entry(1), entry(2), entry(3)]
    http.delete(f"/v2/{name}/manifests/v1")
    assert len(kept(http, name)) == 4
    for number in (1, 3, 0, 2):
        assert http.delete(f"/v2/{name}/manifests/{digest_of(referrer(number))}").status_code == 202
        assert entry(number) not in kept(http, name)
    assert kept(http, name) == []


@pytest.mark.spec("REFERRER-27")
def test_a_list_that_still_has_what_was_deleted_is_as_the_client_wrote_it(http: httpx.Client, name: str) -> None:
    """The registry cannot tell it from an entry for something that is about to be pushed."""
    digest = attach(http, name, 1)
    http.delete(f"/v2/{name}/manifests/{digest}")
    keep(http, name, index([entry(1)]))
    assert kept(http, name) == [entry(1)]


@pytest.mark.spec("REFERRER-28")
def test_clients_that_attach_at_the_same_time_lose_nothing(server: Server, http: httpx.Client, name: str) -> None:
    together = Barrier(10)

    def client(number: int) -> None:
        with httpx.Client(base_url=server.url, timeout=30) as own:
            together.wait()
            attach(own, name, number)
            together.wait()
            answer = own.get(f"/v2/{name}/manifests/{TAG}")
            entries = answer.json()["manifests"] if answer.status_code == 200 else []
            together.wait()
            if entry(number) not in entries:
                entries.append(entry(number))
            keep(own, name, index(entries))

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(client, range(10)))
    found = kept(http, name)
    assert sorted(int(one["annotations"]["number"]) for one in found) == list(range(10))
    assert len(http.get(f"/v2/{name}/referrers/{SUBJECT['digest']}").json()["manifests"]) == 10


@pytest.mark.spec("REFERRER-28")
def test_clients_that_detach_at_the_same_time_leave_the_others(server: Server, http: httpx.Client, name: str) -> None:
    for number in range(10):
        attach(http, name, number)
    keep(http, name, index([]))

    together = Barrier(8)

    def client(number: int) -> int:
        with httpx.Client(base_url=server.url, timeout=30) as own:
            together.wait()
            return own.delete(f"/v2/{name}/manifests/{digest_of(referrer(number))}").status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(client, range(8))) == {202}
    assert kept(http, name) == [entry(8), entry(9)]


@pytest.mark.spec("REFERRER-29")
def test_what_else_the_client_wrote_is_kept(http: httpx.Client, name: str) -> None:
    more = {"annotations": {"é": "\U0001f600\u2028"}, "unknown": {"large": 10**30, "real": 2.5, "deep": [[{}]]}}
    attach(http, name, 1)
    own = entry(1) | {"platform": {"os": "plan9"}, "data": "eA==", "unknown": [1, None]}
    keep(http, name, index([own, own], **more))
    assert kept(http, name) == [own, own]
    attach(http, name, 2)
    assert kept(http, name) == [own, own, entry(2)]
    http.delete(f"/v2/{name}/manifests/{digest_of(referrer(1))}")
    assert http.get(f"/v2/{name}/manifests/{TAG}").json() == json.loads(index([entry(2)], **more))


@pytest.mark.spec("REFERRER-29")
def test_the_entry_that_the_client_wrote_for_a_referrer_stays(http: httpx.Client, name: str) -> None:
    attach(http, name, 1)
    own = descriptor(referrer(1), OCI_MANIFEST, annotations={"own": "words"})
    keep(http, name, index([own]))
    attach(http, name, 1)
    assert kept(http, name) == [own]


@pytest.mark.spec("REFERRER-29")
def test_a_list_that_lacks_nothing_is_served_as_it_is(http: httpx.Client, name: str) -> None:
    attach(http, name, 1)
    body = b"\n" + index([entry(1)]).replace(b", ", b" ,\t")
    keep(http, name, body)
    assert http.get(f"/v2/{name}/manifests/{TAG}").content == body
    attach(http, name, 1)
    assert http.get(f"/v2/{name}/manifests/{TAG}").content == body


@pytest.mark.spec("REFERRER-24")
def test_no_such_tag_is_made_by_the_registry(http: httpx.Client, name: str) -> None:
    attach(http, name, 1)
    assert http.get(f"/v2/{name}/tags/list").json()["tags"] == []
    keep(http, name, index([]))
    assert http.get(f"/v2/{name}/tags/list").json()["tags"] == [TAG]
    assert http.delete(f"/v2/{name}/manifests/{TAG}").status_code == 202
    attach(http, name, 2)
    assert http.get(f"/v2/{name}/tags/list").json()["tags"] == []
    assert len(http.get(f"/v2/{name}/referrers/{SUBJECT['digest']}").json()["manifests"]) == 2


@pytest.mark.spec("REFERRER-24")
@pytest.mark.parametrize("suffix", [".sig", ".att", "x"])
def test_tags_that_are_only_alike_are_left_alone(http: httpx.Client, name: str, suffix: str) -> None:
    attach(http, name, 1)
    body = index([])
    keep(http, name, body, TAG + suffix)
    attach(http, name, 2)
    assert http.get(f"/v2/{name}/manifests/{TAG}{suffix}").content == body


@pytest.mark.spec("REFERRER-24")
def test_an_image_under_such_a_tag_is_left_alone(http: httpx.Client, name: str) -> None:
    attach(http, name, 1)
    keep(http, name, image(), media_type=OCI_MANIFEST)
    attach(http, name, 2)
    http.delete(f"/v2/{name}/manifests/{digest_of(referrer(1))}")
    assert http.get(f"/v2/{name}/manifests/{TAG}").content == image()


@pytest.mark.spec("REFERRER-24")
def test_the_lists_of_other_repositories_and_subjects_stay(http: httpx.Client, name: str) -> None:
    other = "sha256-" + "0" * 64
    keep(http, name, index([]), other)
    keep(http, f"{name}/other", index([]))
    attach(http, name, 1)
    assert kept(http, name, other) == []
    assert kept(http, f"{name}/other") == []
