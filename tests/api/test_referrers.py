"""spec/referrers.md: the list, its filter and its pages."""

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import httpx
import pytest

from tests.server import Server
from tests.speak.content import (
    CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
    descriptor,
    digest_of,
    image,
    index,
)
from tests.speak.requests import errors, push_image, put_manifest

LIMIT = 4 << 20
SUBJECT = descriptor(image(), OCI_MANIFEST)
DIGEST: str = SUBJECT["digest"]
UNKNOWN = "sha256:" + "0" * 64


def of(base: bytes, **changes: Any) -> bytes:
    """A manifest with other fields, and by default with the subject."""
    return json.dumps({**json.loads(base), "subject": SUBJECT, **changes}).encode()


def attach(http: httpx.Client, name: str, body: bytes) -> dict[str, Any]:
    """Push a referrer; the least that its entry must have."""
    media_type = json.loads(body)["mediaType"]
    answer = put_manifest(http, name, digest_of(body), body, media_type)
    assert (answer.status_code, answer.headers["oci-subject"]) == (201, json.loads(body)["subject"]["digest"])
    return {"mediaType": media_type, "digest": digest_of(body), "size": len(body)}


def pages(http: httpx.Client, url: str, filtered: bool = False) -> list[list[dict[str, Any]]]:
    """The entries of every page, by following `Link` to the end."""
    found = []
    following: str | None = url
    while following is not None:
        answer = http.get(following)
        assert (answer.status_code, answer.headers["content-type"]) == (200, OCI_INDEX)
        assert answer.headers.get("oci-filters-applied") == ("artifactType" if filtered else None)
        assert len(answer.content) <= LIMIT
        body = answer.json()
        assert set(body) == {"schemaVersion", "mediaType", "manifests"}
        assert (body["schemaVersion"], body["mediaType"]) == (2, OCI_INDEX)
        found.append(body["manifests"])
        following = answer.links["next"]["url"] if "link" in answer.headers else None
    return found


def listed(http: httpx.Client, name: str, digest: str = DIGEST, query: str = "") -> list[dict[str, Any]]:
    """The entries of a list of one page."""
    (entries,) = pages(http, f"/v2/{name}/referrers/{digest}{query}", filtered="artifactType=" in query)
    return entries


@pytest.mark.spec("REFERRER-1", "REFERRER-2")
def test_nothing_refers_to_it(http: httpx.Client, name: str) -> None:
    assert listed(http, f"{name}/unknown", UNKNOWN) == []
    _, digest = push_image(http, name, "v1")
    assert listed(http, name, digest) == []
    assert listed(http, name, UNKNOWN) == []
    attach(http, f"{name}/other", of(image()))
    assert listed(http, name) == []


@pytest.mark.spec("REFERRER-3", "REFERRER-4", "REFERRER-5")
@pytest.mark.parametrize(
    ("base", "changes", "artifact_type"),
    [
        (image(), {}, CONFIG),
        (image(), {"artifactType": ""}, CONFIG),
        (image(), {"artifactType": "application/vnd.example"}, "application/vnd.example"),
        (
            image(),
            {"artifactType": "application/spdx+json", "config": descriptor(b"{}", EMPTY)},
            "application/spdx+json",
        ),
        (image(), {"config": descriptor(b"{}", "application/vnd.old.config")}, "application/vnd.old.config"),
        (image(mediaType=DOCKER_MANIFEST), {}, CONFIG),
        (index([]), {}, None),
        (index([]), {"artifactType": ""}, None),
        (index([image()]), {"artifactType": "text/x"}, "text/x"),
        (index([], mediaType=DOCKER_LIST), {}, None),
    ],
)
@pytest.mark.parametrize("annotations", [None, {}, {"org.example": "\u00e9\n\U0001f600", "": ""}])
def test_the_entry_of_a_referrer(
    http: httpx.Client, name: str, base: bytes, changes: Any, artifact_type: str | None, annotations: Any
) -> None:
    expected = attach(http, name, of(base, annotations=annotations, **changes))
    if artifact_type is not None:
        expected["artifactType"] = artifact_type
    if annotations:
        expected["annotations"] = annotations
    assert listed(http, name) == [expected]
    query = f"?artifactType={artifact_type or 'none/none'}"
    assert listed(http, name, query=query) == ([expected] if artifact_type else [])


@pytest.mark.spec("REFERRER-3", "REFERRER-11")
def test_only_what_has_the_subject_is_listed(http: httpx.Client, name: str) -> None:
    expected = attach(http, name, of(image()))
    put_manifest(http, name, "tagged", of(image(annotations={"tagged": ""})))
    put_manifest(http, name, "v1", index([of(image())]), OCI_INDEX)
    put_manifest(http, name, "v2", image(annotations={"subject": DIGEST}))
    attach(http, name, of(image(), subject=descriptor(b"another", OCI_MANIFEST)))
    assert [entry["digest"] for entry in listed(http, name)] == [
        expected["digest"],
        digest_of(of(image(annotations={"tagged": ""}))),
    ]


@pytest.mark.spec("REFERRER-6")
def test_a_subject_may_come_and_go(http: httpx.Client, name: str) -> None:
    referrer = of(image())
    attach(http, name, referrer)
    for _ in range(2):
        assert [entry["digest"] for entry in listed(http, name)] == [digest_of(referrer)]
        assert put_manifest(http, name, "v1", image()).status_code == 201
        assert [entry["digest"] for entry in listed(http, name)] == [digest_of(referrer)]
        assert http.delete(f"/v2/{name}/manifests/{DIGEST}").status_code == 202


@pytest.mark.spec("REFERRER-7")
@pytest.mark.parametrize("digest", ["x", "v1", "sha256:x", "sha256:" + "0" * 63, "sha256:" + "A" * 64, ":", "SHA256:0"])
def test_a_malformed_digest(http: httpx.Client, name: str, digest: str) -> None:
    for query in ("", "?artifactType=a/b"):
        answer = http.get(f"/v2/{name}/referrers/{digest}{query}")
        assert (answer.status_code, errors(answer)) == (400, ["DIGEST_INVALID"])


@pytest.mark.spec("REFERRER-7")
@pytest.mark.parametrize("digest", ["blake3:" + "0" * 64, "multihash+base58:QmRZxt2b1", "sha256+b64u:a_-="])
def test_a_digest_of_an_unknown_algorithm(http: httpx.Client, name: str, digest: str) -> None:
    assert listed(http, name, digest) == []
    body = of(image(), subject={**SUBJECT, "digest": digest})
    attach(http, name, body)
    assert [entry["digest"] for entry in listed(http, name, digest)] == [digest_of(body)]


@pytest.mark.spec("REFERRER-8")
def test_each_digest_of_a_subject_has_a_list_of_its_own(http: httpx.Client, name: str) -> None:
    sha512 = digest_of(image(), "sha512")
    bodies = {DIGEST: of(image()), sha512: of(image(), subject=descriptor(image(), OCI_MANIFEST, "sha512"))}
    for digest, body in bodies.items():
        attach(http, name, body)
        assert [entry["digest"] for entry in listed(http, name, digest)] == [digest_of(body)]


@pytest.mark.spec("REFERRER-9", "REFERRER-10")
def test_the_oldest_comes_first_and_what_was_deleted_is_gone(http: httpx.Client, name: str) -> None:
    bodies = [of(image(annotations={"number": str(number)})) for number in range(5)]
    digests = [attach(http, name, body)["digest"] for body in bodies]
    for body in reversed(bodies):
        attach(http, name, body)
        put_manifest(http, name, "again", body)
    assert [entry["digest"] for entry in listed(http, name)] == digests
    assert http.delete(f"/v2/{name}/manifests/again").status_code == 202
    assert len(listed(http, name)) == 5
    assert http.delete(f"/v2/{name}/manifests/{digests[1]}").status_code == 202
    assert [entry["digest"] for entry in listed(http, name)] == [digests[0], *digests[2:]]
    attach(http, name, bodies[1])
    assert sorted(entry["digest"] for entry in listed(http, name)) == sorted(digests)


# Filter


@pytest.mark.spec("REFERRER-12", "REFERRER-13")
@pytest.mark.parametrize("written", ["application/spdx+json", "application/spdx%2Bjson", "application%2Fspdx%2bjson"])
def test_a_filter_by_type(http: httpx.Client, name: str, written: str) -> None:
    wanted = attach(http, name, of(image(), artifactType="application/spdx+json"))["digest"]
    also = attach(http, name, of(image(), config=descriptor(b"{}", "application/spdx+json")))["digest"]
    attach(http, name, of(image(), artifactType="application/spdx"))
    attach(http, name, of(image(), artifactType="Application/Spdx+Json"))
    assert [entry["digest"] for entry in listed(http, name, query=f"?artifactType={written}")] == [wanted, also]


@pytest.mark.spec("REFERRER-12")
def test_a_filter_that_leaves_nothing_is_named_too(http: httpx.Client, name: str) -> None:
    assert listed(http, f"{name}/unknown", query="?artifactType=a/b") == []
    attach(http, name, of(image()))
    for artifact_type in ("a/b", "%25", "a%00", "x" * 2000, "%F0%9F%98%80", "a'%20OR%201=1--"):
        assert listed(http, name, query=f"?artifactType={artifact_type}") == []


@pytest.mark.spec("REFERRER-14")
@pytest.mark.parametrize("query", ["?artifacttype=a/b", "?annotation=x", "?artifactType", "?n=1&last=x", "?%20"])
def test_what_is_no_filter_filters_nothing(http: httpx.Client, name: str, query: str) -> None:
    entry = attach(http, name, of(image()))
    (found,) = pages(http, f"/v2/{name}/referrers/{DIGEST}{query}")
    assert [referrer["digest"] for referrer in found] == [entry["digest"]]


# Pages


@pytest.mark.spec("REFERRER-12", "REFERRER-15")
def test_large_entries_come_in_pages_that_a_manifest_could_be(http: httpx.Client, name: str) -> None:
    digests = []
    for number in range(9):
        kind = {"artifactType": f"application/vnd.example.{number % 2}+json"}
        digests.append(attach(http, name, of(image(), annotations={"x": str(number) * 1_000_000}, **kind))["digest"])
    whole = pages(http, f"/v2/{name}/referrers/{DIGEST}")
    assert [entry["digest"] for entry in list(chain.from_iterable(whole))] == digests
    assert [len(entries) for entries in whole] == [4, 4, 1]
    query = "?artifactType=application/vnd.example.0%2Bjson"
    filtered = pages(http, f"/v2/{name}/referrers/{DIGEST}{query}", filtered=True)
    assert [entry["digest"] for entry in list(chain.from_iterable(filtered))] == digests[::2]
    assert [len(entries) for entries in filtered] == [4, 1]


@pytest.mark.spec("REFERRER-15")
@pytest.mark.parametrize("kind", [OCI_MANIFEST, OCI_INDEX])
def test_an_entry_as_large_as_a_manifest_may_be(http: httpx.Client, name: str, kind: str) -> None:
    base = image() if kind == OCI_MANIFEST else index([])
    room = LIMIT - len(of(base, annotations={"x": ""}))
    digests = [attach(http, name, of(base, annotations={"x": letter * room}))["digest"] for letter in "ab"]
    found = pages(http, f"/v2/{name}/referrers/{DIGEST}")
    assert [[entry["digest"] for entry in entries] for entries in found] == [[digest] for digest in digests]


@pytest.mark.spec("REFERRER-15", "REFERRER-17")
@pytest.mark.lengthy
def test_more_than_a_thousand_entries(server: Server, http: httpx.Client, name: str) -> None:
    bodies = [of(image(), artifactType=f"a/{number % 3}", annotations={"n": str(number)}) for number in range(1300)]
    with ThreadPoolExecutor(4) as pool, httpx.Client(base_url=server.url, timeout=30) as shared:
        pushed = [entry["digest"] for entry in pool.map(lambda body: attach(shared, name, body), bodies)]
    found = pages(http, f"/v2/{name}/referrers/{DIGEST}")
    assert [len(entries) for entries in found] == [1000, 300]
    order = [entry["digest"] for entry in list(chain.from_iterable(found))]
    assert sorted(order) == sorted(pushed)
    assert len(pages(http, f"/v2/{name}/referrers/{DIGEST}?artifactType=a/1", filtered=True)[0]) == 433
    following = http.get(f"/v2/{name}/referrers/{DIGEST}").links["next"]["url"]
    for digest in (order[999], order[1000]):
        assert http.delete(f"/v2/{name}/manifests/{digest}").status_code == 202
    newest = attach(http, name, of(image(), annotations={"n": "newest"}))["digest"]
    assert [entry["digest"] for entry in list(chain.from_iterable(pages(http, following)))] == [*order[1001:], newest]


@pytest.mark.spec("REFERRER-16")
@pytest.mark.parametrize("after", ["x", "", "-1", "9" * 19, "9" * 20, "1.0", "sha256:x"])
def test_a_page_that_no_link_led_to(http: httpx.Client, name: str, after: str) -> None:
    attach(http, name, of(image()))
    answer = http.get(f"/v2/{name}/referrers/{DIGEST}?after={after}")
    assert (answer.status_code, errors(answer)) == (400, ["UNSUPPORTED"])
