"""Bodies that end before they are complete, in every way in which one can: none is taken for a whole one."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import httpx
import pytest

from tests.server import Server, running
from tests.soon import soon
from tests.speak.client import reset_at_close
from tests.speak.content import OCI_MANIFEST, digest_of, image, random_blob
from tests.speak.requests import arrived, finish, push_blob, start_upload, with_digest
from tests.speak.wire import Wire, chunked, head

KIB = 1024
SIZES = [0, 1, 16 * KIB - 1, 16 * KIB, 16 * KIB + 1, 128 * KIB - 1, 128 * KIB, 128 * KIB + 1, 300_000, 1024 * KIB + 1]
"""Bytes that come: around what is kept in a row, what is hashed on the loop, what is read at a time."""

BEFORE = 20_000
"""Bytes that a session has which is not kept in its row any more."""

PATIENCE = 0.5


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A registry that waits half a second for a body."""
    data = tmp_path_factory.mktemp("impatient")
    with running(data, "--workers", "1", "--body-timeout", f"{PATIENCE}s") as server:
        yield server


@pytest.fixture
def http(impatient: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=impatient.url, timeout=30) as client:
        yield client


class Failure(NamedTuple):
    """How a body fails: what is sent behind the bytes that come, what the client does then, and its answer."""

    behind: bytes
    then: str
    status: int
    coded: bool = True
    """Whether in chunked transfer coding; else its length is said to be one byte more than comes."""
    more: bytes = b""
    """What comes of the body with `behind`."""


FAILURES = {
    "no last chunk, silence": Failure(b"", "waits", 408),
    "no last chunk, leaves": Failure(b"", "leaves", 0),
    "no last chunk, half closed": Failure(b"", "half closes", 0),
    "no last chunk, reset": Failure(b"", "resets", 0),
    "half a chunk, silence": Failure(b"5\r\n", "waits", 408),
    "half a chunk, leaves": Failure(b"5\r\n", "leaves", 0),
    "half a size, silence": Failure(b"5", "waits", 408),
    "half a last chunk, silence": Failure(b"0\r", "waits", 408),
    "no end of trailers, silence": Failure(b"0\r\n", "waits", 408),
    "no end of trailers, leaves": Failure(b"0\r\nX: y\r\n", "leaves", 0),
    "a size that is none": Failure(b"zz\r\n", "waits", 400),
    "a size that is too large": Failure(b"fffffffffffffffff\r\n", "waits", 400),
    "a chunk longer than its size": Failure(b"1\r\nabc\r\n", "waits", 400, more=b"a"),
    "a byte too few, silence": Failure(b"", "waits", 408, coded=False),
    "a byte too few, leaves": Failure(b"", "leaves", 0, coded=False),
    "a byte too few, half closed": Failure(b"", "half closes", 0, coded=False),
    "a byte too few, reset": Failure(b"", "resets", 0, coded=False),
}


class Attempt:
    """One body that fails: `content` comes of it, and is the whole of what a digest in the request names."""

    def __init__(
        self,
        url: str,
        target: str,
        failure: Failure,
        method: str,
        content: bytes,
        place: int | None = None,
        **headers: str,
    ) -> None:
        self.failure = failure
        self.wire = Wire(url)
        told: dict[str, str | int] = dict(headers)
        told |= {"transfer_encoding": "chunked"} if failure.coded else {"content_length": len(content) + 1}
        if place is not None:
            told["content_range"] = f"{place}-{place + len(content + failure.more) - failure.coded}"
        body = chunked(content).removesuffix(b"0\r\n\r\n") if failure.coded and content else content
        self.wire.send(head(method, target, **told), body, failure.behind)

    def fail(self) -> None:
        connection = self.wire.socket
        if self.failure.then == "half closes":
            connection.shutdown(socket.SHUT_WR)
        elif self.failure.then == "resets":
            reset_at_close(connection)
        if self.failure.then in ("leaves", "resets"):
            connection.close()

    def check_answer(self, case: str) -> None:
        """The status, and the end of the connection."""
        if self.failure.status:
            answer = self.wire.answer()
            assert answer.status == self.failure.status, (case, answer)
            assert answer.headers.get("connection") == "close"
            assert self.wire.closed()
        self.wire.close()


def opened(http: httpx.Client, name: str, before: bytes) -> str:
    """The location of a session with `before` in it."""
    location = start_upload(http, name)
    if before:
        answer = http.patch(location, content=before)
        assert answer.status_code == 202
        location = str(answer.url.join(answer.headers["location"]))
    return location


class Case(NamedTuple):
    """A session with `before`, to which `content` is added in a body that fails, told its place or not."""

    before: bytes
    content: bytes
    placed: bool

    def __str__(self) -> str:
        return f"{len(self.before)} and {len(self.content)} bytes{', with its place' if self.placed else ''}"

    def allowed(self, method: str, failure: Failure) -> set[int]:
        """How many bytes may count afterwards."""
        most = len(self.before + self.content + failure.more)
        if failure.then == "resets":  # The kernel throws away what nobody has read yet.
            return set(range(len(self.before), most + 1))
        # A PUT adds its body and closes in one: what came of it may count, or nothing.
        return {most} if method == "PATCH" else {len(self.before), most}


@pytest.mark.spec("UPLOAD-40", "UPLOAD-41", "UPLOAD-43")
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("how", FAILURES)
def test_a_body_that_fails_in_a_session(
    how: str, method: str, impatient: Server, http: httpx.Client, name: str
) -> None:
    """The session is open, has what came, and goes on; no blob is made of the part, though the digest fits it."""
    failure = FAILURES[how]
    cases = [
        Case(random_blob(before), random_blob(size), placed)
        for before, sizes in ((0, SIZES), (BEFORE, [0, 1, 300_000]))
        for size in sizes
        for placed in (False, True)
        # Of nothing no place can be told.
        if size or not placed or not failure.coded or failure.more
    ]
    locations = [opened(http, name, case.before) for case in cases]
    attempts = []
    for location, case in zip(locations, cases, strict=True):
        digest = digest_of(case.before + case.content + failure.more)
        target = location if method == "PATCH" else with_digest(location, digest)
        place = len(case.before) if case.placed else None
        attempts.append(Attempt(impatient.url, target, failure, method, case.content, place))
    for attempt in attempts:
        attempt.fail()
    for attempt, case in zip(attempts, cases, strict=True):
        attempt.check_answer(str(case))
    if not failure.status:
        time.sleep(0.3)  # Until the registry has seen that its client left.
    for location, case in zip(locations, cases, strict=True):
        part = case.before + case.content + failure.more
        allowed = case.allowed(method, failure)
        assert soon(lambda location=location, allowed=allowed: arrived(http, location) in allowed, 3), (  # type: ignore[misc]
            f"{case}: {arrived(http, location)} count"
        )
        assert http.get(f"/v2/{name}/blobs/{digest_of(part)}").status_code == 404
        whole = part + b"the rest"
        status = http.get(location)
        at = int(status.headers["range"].removeprefix("0-")) + 1
        finish(http, status.headers["location"], whole, whole[at:])


@pytest.mark.spec("UPLOAD-42", "UPLOAD-43")
@pytest.mark.parametrize("how", FAILURES)
def test_a_body_that_fails_in_a_push_at_once(how: str, impatient: Server, http: httpx.Client, name: str) -> None:
    """Nothing is left of it: no blob, no bytes in storage."""
    failure = FAILURES[how]
    contents = [random_blob(size) for size in SIZES]
    targets = [f"/v2/{name}/blobs/uploads/?digest={digest_of(content)}" for content in contents]
    attempts = [
        Attempt(impatient.url, target, failure, "POST", content)
        for target, content in zip(targets, contents, strict=True)
    ]
    for attempt in attempts:
        attempt.fail()
    for attempt, content in zip(attempts, contents, strict=True):
        attempt.check_answer(f"{len(content)} bytes")
    for content in contents:
        assert http.get(f"/v2/{name}/blobs/{digest_of(content)}").status_code == 404
    assert push_blob(http, name, contents[-1]) == digest_of(contents[-1])


@pytest.mark.spec("UPLOAD-43")
@pytest.mark.parametrize("how", FAILURES)
def test_a_manifest_that_fails_is_not_pushed(how: str, impatient: Server, http: httpx.Client, name: str) -> None:
    """Though what came of it is a whole document."""
    failure = FAILURES[how]
    content = image(annotations={"nonce": os.urandom(8).hex(), "filling": "x" * 300_000})
    target = f"/v2/{name}/manifests/latest"
    attempt = Attempt(impatient.url, target, failure, "PUT", content, content_type=OCI_MANIFEST)
    attempt.fail()
    attempt.check_answer("manifest")
    assert http.get(f"/v2/{name}/manifests/latest").status_code == 404
    assert http.get(f"/v2/{name}/manifests/{digest_of(content)}").status_code == 404


@pytest.mark.spec("UPLOAD-40")
@pytest.mark.parametrize("stored", [False, True], ids=["in a row", "in storage"])
def test_what_came_before_a_failure_is_continued_again_and_again(
    stored: bool, impatient: Server, http: httpx.Client, name: str
) -> None:
    """Each request fails after some bytes, until the blob is whole."""
    before = random_blob(BEFORE if stored else 0)
    location = opened(http, name, before)
    whole = before + random_blob(1_500_000)
    for size in (1, 10_000, 16 * KIB, 200_000, 700_000):
        at = arrived(http, location)
        failure = FAILURES["no last chunk, leaves"]
        attempt = Attempt(impatient.url, location, failure, "PATCH", whole[at : at + size], at)
        attempt.fail()
        assert soon(lambda at=at, size=size: arrived(http, location) == at + size)  # type: ignore[misc]
    finish(http, http.get(location).headers["location"], whole, whole[arrived(http, location) :])


@pytest.mark.spec("UPLOAD-26")
@pytest.mark.parametrize("less", [True, False], ids=["shorter", "longer"])
@pytest.mark.parametrize("size", [1000, 100_000, 700_000])
def test_a_whole_body_of_another_length_than_its_place_is_still_refused(
    size: int, less: bool, impatient: Server, http: httpx.Client, name: str
) -> None:
    """What is complete and wrong adds nothing: only what is cut off counts in part."""
    location = start_upload(http, name)
    with suppress(httpx.WriteError):
        answer = http.patch(
            location,
            content=iter([random_blob(size)]),
            headers={"content-range": f"0-{size if less else size - 2}"},
        )
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["code"] == "SIZE_INVALID"
    assert arrived(http, location) == 0
