"""Bodies that are not what they should be: manifests of every kind, lengths that are wrong, transfers cut off."""

import itertools
import json
import os
import time

import pytest
from hypothesis import strategies as st

from tests.badinput.conftest import PLAYGROUND, Site
from tests.badinput.fuzz import fuzz
from tests.badinput.rules import all_obey
from tests.speak.content import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, digest_of, image
from tests.speak.ugly import UGLY, documents_like
from tests.speak.wire import request, talk

REPOSITORY = f"{PLAYGROUND}/bodies"
TYPES = [None, OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST, "application/json", "", "é/é"]
numbers = itertools.count()


def typed(media_type: str | None) -> list[bytes]:
    return [] if media_type is None else [b"Content-Type: " + media_type.encode()]


def push(site: Site, body: bytes, media_type: str | None) -> int:
    """Push it to a new tag: served back byte for byte if that succeeds, and not there at all if not."""
    target = f"/v2/{REPOSITORY}/manifests/t{next(numbers)}"
    reply = site.ask("PUT", target, *typed(media_type), body=body)
    found = site.ask("GET", target)
    assert (reply.status, found.status) in [(201, 200), (400, 404)]
    if reply.status == 201:
        assert found.body == body
        assert found.headers.get("docker-content-digest") == digest_of(body)
    return reply.status


@fuzz(150, body=documents_like, media_type=st.sampled_from(TYPES))
def test_any_manifest(site: Site, body: bytes, media_type: str | None) -> None:
    push(site, body, media_type)


def test_manifests_that_are_almost_right_are_right_sometimes(site: Site) -> None:
    """So that the test above does not always see the same refusal."""
    assert push(site, image(), OCI_MANIFEST) == 201
    assert push(site, image(), DOCKER_MANIFEST) == 400


@pytest.mark.parametrize("kind", UGLY)
def test_ugly_manifests(site: Site, kind: str) -> None:
    for media_type in TYPES:
        started = time.monotonic()
        push(site, UGLY[kind], media_type)
        assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "more", ['"x":123456789012345678901234567890', '"x":1e300', '"x":"\\ud83d\\ude00"', '"x":[[[[]]]]']
)
def test_a_referrer_joins_a_list_with_fields_of_any_kind(site: Site, more: str) -> None:
    """The registry writes the list anew: whatever else stands in it must not stop that."""
    subject = image(annotations={"of": more})
    tag = digest_of(subject).replace(":", "-")
    listed = f'{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[],{more}}}'.encode()
    assert site.ask("PUT", f"/v2/{REPOSITORY}/manifests/{tag}", *typed(OCI_INDEX), body=listed).status == 201
    referrer = image(subject={"mediaType": OCI_MANIFEST, "digest": digest_of(subject), "size": len(subject)})
    assert push(site, referrer, OCI_MANIFEST) == 201
    found = json.loads(site.ask("GET", f"/v2/{REPOSITORY}/manifests/{tag}").body)
    assert [entry["digest"] for entry in found["manifests"]] == [digest_of(referrer)]


@pytest.mark.parametrize("size", [4 * 1024 * 1024 + 1, 9_000_000])
def test_manifests_that_are_too_large(site: Site, size: int) -> None:
    target = f"/v2/{REPOSITORY}/manifests/large"
    found = talk(site.url, request("PUT", target, body=b" " * size), ["PUT"])
    all_obey(["PUT"], found)
    assert found.statuses == [413]
    pieces = (b"10000\r\n" + b" " * 65_536 + b"\r\n") * (size // 65_536 + 1)
    payload = request("PUT", target, b"Transfer-Encoding: chunked") + pieces + b"0\r\n\r\n"
    found = talk(site.url, payload, ["PUT"])
    all_obey(["PUT"], found)
    assert found.statuses == [413]


# Uploads


def session(site: Site) -> str:
    location = site.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/").headers.get("location")
    assert location is not None
    return location.partition("?")[0]


def arrived(site: Site, location: str) -> int:
    reply = site.ask("GET", location)
    assert reply.status == 204
    return reply.offset


places = st.one_of(
    st.from_regex(r"[0-9]{1,20}-[0-9]{1,20}", fullmatch=True),
    st.tuples(st.integers(0, 40), st.integers(-1, 80)).map(lambda ends: f"{ends[0]}-{ends[1]}"),
    st.sampled_from(
        ["", "-", "0-", "-5", "bytes 0-9/10", "bytes=0-9", "0-9/10", "a-b", "0 - 9", "+0-9", "0--1", "00-09"]
    ),
)


@fuzz(100, first=st.binary(max_size=20), second=st.binary(max_size=20), place=places, last=st.booleans())
def test_any_place_of_a_chunk(site: Site, first: bytes, second: bytes, place: str, last: bool) -> None:
    """Accepted exactly where the upload ends, and else without any effect."""
    location = session(site)
    assert site.ask("PATCH", location, body=first).status == 202
    digest = digest_of(first + second)
    target = f"{location}?digest={digest}" if last else location
    reply = site.ask("PUT" if last else "PATCH", target, b"Content-Range: " + place.encode(), body=second)
    start, _, end = place.partition("-")
    right = start.isdigit() and end.isdigit() and int(start) == len(first) and int(end) + 1 == len(first + second)
    if right and second:
        assert reply.status == (201 if last else 202)
    else:
        assert reply.status in (400, 416)
        assert arrived(site, location) == len(first)


@fuzz(60, content=st.binary(min_size=1, max_size=4000), at=st.integers(0, 4000), chunked=st.booleans())
def test_a_chunk_that_is_cut_off_can_be_continued(site: Site, content: bytes, at: int, chunked: bool) -> None:
    location = session(site)
    sent = content[:at]
    if chunked:
        payload = request("PATCH", location, b"Transfer-Encoding: chunked") + b"%x\r\n" % (len(content) + 1) + sent
    else:
        payload = request("PATCH", location, b"Content-Length: %d" % (len(content) + 1)) + sent
    found = talk(site.url, payload, ["PATCH"], hang_up=True)
    assert found.closed
    assert found.answers == []
    # Whoever comes back asks where to continue; the request that was cut off may still be ending.
    deadline = time.monotonic() + 5
    digest = digest_of(content)
    while True:
        size = arrived(site, location)
        assert size <= len(sent)
        place = b"Content-Range: %d-%d" % (size, len(content) - 1)
        headers = [place] if size < len(content) else []
        reply = site.ask("PUT", f"{location}?digest={digest}", *headers, body=content[size:])
        if reply.status == 201:
            break
        assert reply.status == 416
        assert time.monotonic() < deadline
    assert site.ask("GET", f"/v2/{REPOSITORY}/blobs/{digest}").body == content


@pytest.mark.parametrize("size", [10, 100_000, 3_000_000])
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_what_was_cut_off_is_never_stored(site: Site, size: int, share: float) -> None:
    """Neither a blob nor a manifest, whether it was one request or the last of several."""
    content = os.urandom(size)
    digest = digest_of(content)
    sent = content[: int(size * share)]
    length = b"Content-Length: %d" % size
    for method, target in [
        ("POST", f"/v2/{REPOSITORY}/blobs/uploads/?digest={digest}"),
        ("PUT", f"{session(site)}?digest={digest}"),
        ("PUT", f"/v2/{REPOSITORY}/manifests/{digest}"),
    ]:
        # A manifest that is too large is refused before its end.
        found = talk(site.url, request(method, target, length) + sent, [method], hang_up=True)
        assert found.answers == []
        # The digest of what did arrive is no blob either.
        for present in (digest, digest_of(sent)):
            if present != digest_of(b""):
                assert site.ask("HEAD", f"/v2/{REPOSITORY}/blobs/{present}").status == 404
        assert site.ask("HEAD", f"/v2/{REPOSITORY}/manifests/{digest}").status == 404


@fuzz(
    60, content=st.binary(max_size=300), stated=st.binary(max_size=300), how=st.sampled_from(["POST", "PUT", "PATCH"])
)
def test_content_that_has_another_digest(site: Site, content: bytes, stated: bytes, how: str) -> None:
    digest = digest_of(b"other" + stated)
    if how == "POST":
        reply = site.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/?digest={digest}", body=content)
    else:
        location = session(site)
        if how == "PATCH":
            site.ask("PATCH", location, body=content)
        reply = site.ask("PUT", f"{location}?digest={digest}", body=b"" if how == "PATCH" else content)
    assert reply.status == 400
    assert json.loads(reply.body)["errors"][0]["code"] == "DIGEST_INVALID"
    assert site.ask("HEAD", f"/v2/{REPOSITORY}/blobs/{digest}").status == 404


def test_a_body_longer_than_its_length_is_the_next_request(site: Site) -> None:
    """The rest is read as a request of its own, which is none."""
    payload = request("PATCH", session(site), b"Content-Length: 3") + b"abcdef\r\n\r\n"
    found = talk(site.url, payload, ["PATCH", "GET"])
    assert found.statuses in ([202], [202, 400])
    assert all(reply.status < 500 for reply in found.answers)
