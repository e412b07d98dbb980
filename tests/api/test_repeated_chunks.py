"""A chunk that is sent again because its answer was lost counts once: a Location says how far the upload was."""

import threading
from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.server import Server
from tests.soon import soon
from tests.speak.content import digest_of, random_blob
from tests.speak.requests import arrived, errors, finish, start_at, with_digest
from tests.speak.wire import Wire, chunked, head

SIZES = [(1, 1), (40, 16 * 1024), (20_000, 20_000), (300_000, 5), (1_100_000, 300_000)]
"""Bytes of a first and of a second chunk: in the session's row, across its bound, in storage, read by a thread."""


def patched(http: httpx.Client, location: str, chunk: bytes) -> str:
    """The location that the answer to a chunk gives."""
    answer = http.patch(location, content=chunk)
    assert answer.status_code == 202, answer.text
    return str(answer.url.join(answer.headers["location"]))


def refused_as_repeated(http: httpx.Client, answer: httpx.Response, size: int) -> None:
    """416 that says where to go on; the upload still has `size` bytes."""
    assert answer.status_code == 416, answer.text
    assert errors(answer) == ["BLOB_UPLOAD_INVALID"]
    assert answer.headers["range"] == f"0-{size - 1}"
    assert arrived(http, str(answer.url.join(answer.headers["location"]))) == size


def streamed(content: bytes) -> Iterator[bytes]:
    """A body whose length nobody says."""
    return iter([content[: len(content) // 2], content[len(content) // 2 :]])


@pytest.mark.spec("UPLOAD-28", "UPLOAD-2")
def test_every_answer_gives_another_location(http: httpx.Client, name: str) -> None:
    """The path is the session's; a parameter says how far it is, and is that of the status too."""
    start = start_at(http, name)
    first = patched(http, start, b"12345")
    second = patched(http, first, b"6789")
    places = [urlsplit(location) for location in (start, first, second)]
    assert len({place.path for place in places}) == 1
    assert len({place.query for place in places}) == 3
    assert [len(parse_qsl(place.query, strict_parsing=True)) for place in places] == [1, 1, 1]
    assert patched(http, second, b"") == second
    for location in (start, first, second):
        answer = http.get(location)
        assert str(answer.url.join(answer.headers["location"])) == second


@pytest.mark.spec("UPLOAD-22", "UPLOAD-23", "UPLOAD-28", "UPLOAD-32")
@pytest.mark.parametrize("coded", [False, True], ids=["with its length", "in chunked transfer coding"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_a_chunk_sent_again_is_refused(sizes: tuple[int, int], coded: bool, http: httpx.Client, name: str) -> None:
    """The first chunk and a later one, by PATCH and in the PUT that closes; then the upload goes on."""
    first, second = map(random_blob, sizes)
    whole = first + second
    start = start_at(http, name)
    after_first = patched(http, start, first)

    def again(method: str, location: str, content: bytes) -> httpx.Response:
        return http.request(method, location, content=streamed(content) if coded else content)

    refused_as_repeated(http, again("PATCH", start, first), len(first))
    refused_as_repeated(http, again("PATCH", start, second), len(first))
    refused_as_repeated(http, again("PUT", with_digest(start, digest_of(first * 2)), first), len(first))
    refused_as_repeated(http, again("PUT", with_digest(start, digest_of(whole)), second), len(first))
    after_second = patched(http, after_first, second)
    for location in (start, after_first):
        refused_as_repeated(http, again("PATCH", location, second), len(whole))
        refused_as_repeated(http, again("PUT", with_digest(location, digest_of(whole + second)), second), len(whole))
    finish(http, after_second, whole)


@pytest.mark.spec("UPLOAD-22", "UPLOAD-28")
@pytest.mark.parametrize("size", [40, 20_000, 300_000, 1_100_000])
def test_a_place_decides_at_every_location(size: int, http: httpx.Client, name: str) -> None:
    """`Content-Range` says it better than the location does, whichever location it comes to."""
    chunks = [random_blob(size) for _ in range(4)]
    start = start_at(http, name)
    newest = patched(http, start, chunks[0])
    at = size
    for chunk in chunks[1:]:
        place = {"content-range": f"{at}-{at + size - 1}"}
        answer = http.patch(start, content=chunk, headers=place)
        assert answer.status_code == 202, answer.text
        at += size
        refused_as_repeated(http, http.patch(start, content=chunk, headers=place), at)
        refused_as_repeated(http, http.patch(newest, content=chunk, headers=place), at)
        newest = str(answer.url.join(answer.headers["location"]))
    last = random_blob(size)
    whole = b"".join(chunks) + last
    answer = http.put(
        with_digest(start, digest_of(whole)), content=last, headers={"content-range": f"{at}-{at + size - 1}"}
    )
    assert answer.status_code == 201, answer.text
    assert http.get(answer.headers["location"]).content == whole


@pytest.mark.spec("UPLOAD-28", "UPLOAD-30", "UPLOAD-50")
@pytest.mark.parametrize("size", [40, 20_000, 300_000])
def test_what_adds_nothing_works_at_every_location(size: int, http: httpx.Client, name: str) -> None:
    content = random_blob(size)
    start = start_at(http, name)
    patched(http, start, content)
    assert http.get(start).headers["range"] == f"0-{size - 1}"
    assert http.head(start).headers["range"] == f"0-{size - 1}"
    assert http.patch(start).status_code == 202
    assert http.patch(start, content=iter([])).status_code == 202
    assert arrived(http, start) == size
    finish(http, start, content)


@pytest.mark.spec("UPLOAD-28")
def test_a_body_without_a_byte_closes_at_every_location(server: Server, http: httpx.Client, name: str) -> None:
    """Said to be none, said by nothing, and in chunked transfer coding, where it shows only at its end."""
    content = random_blob(300_000)
    for told, body in (
        ({"content_length": 0}, b""),
        ({}, b""),
        ({"transfer_encoding": "chunked"}, chunked()),
    ):
        start = start_at(http, name)
        patched(http, start, content)
        with Wire(server.url) as connection:
            connection.send(head("PUT", with_digest(start, digest_of(content)), **told), body)
            assert connection.answer().status == 201, told


@pytest.mark.spec("UPLOAD-28", "UPLOAD-54")
def test_a_session_is_cancelled_at_every_location(http: httpx.Client, name: str) -> None:
    start = start_at(http, name)
    newest = patched(http, patched(http, start, b"12345"), b"6789")
    assert http.delete(start).status_code == 204
    assert http.get(newest).status_code == 404


@pytest.mark.spec("UPLOAD-27", "UPLOAD-28", "UPLOAD-32")
@pytest.mark.parametrize("size", [40, 20_000, 300_000])
def test_a_location_without_its_parameter_appends(size: int, http: httpx.Client, name: str) -> None:
    """As clients do that make the URL themselves, and as every location was before."""
    chunks = [random_blob(size) for _ in range(3)]
    bare = start_at(http, name).partition("?")[0]
    for chunk in chunks:
        patched(http, bare, chunk)
    finish(http, bare, b"".join(chunks))


@pytest.mark.spec("UPLOAD-28", "UPLOAD-29")
@pytest.mark.parametrize("form", ["{own}&state=x&a=b", "state=x&{own}&a=b", "%61=b&{own}", "&{own}&", "a&{own}"])
def test_parameters_of_others_change_nothing(form: str, http: httpx.Client, name: str) -> None:
    path, _, own = start_at(http, name).partition("?")
    start = f"{path}?{form.format(own=own)}"
    newest = patched(http, start, b"12345")
    refused_as_repeated(http, http.patch(start, content=b"12345"), 5)
    refused_as_repeated(http, http.put(f"{start}&digest={digest_of(b'1234512345')}", content=b"12345"), 5)
    refused_as_repeated(http, http.put(f"{path}?digest={digest_of(b'1')}&{own}", content=b"12345"), 5)
    finish(http, newest, b"12345")


@pytest.mark.spec("UPLOAD-28")
@pytest.mark.parametrize("value", ["4", "6", "-1", "", "x", "5.0", "+5", "9" * 19, "9" * 20, "9" * 5000, "%00", "٥"])
def test_a_location_that_was_never_given_adds_nothing_wrong(value: str, http: httpx.Client, name: str) -> None:
    """A number that is not that of the upload, or none: refused, and never a failure of the registry."""
    newest = patched(http, start_at(http, name), b"12345")
    path, _, own = newest.partition("?")
    key = parse_qsl(own)[0][0]
    answer = http.patch(f"{path}?{key}={value}", content=b"6789")
    assert answer.status_code in (400, 416), answer.text
    assert arrived(http, newest) == 5
    finish(http, newest, b"12345")


@pytest.mark.spec("UPLOAD-28", "UPLOAD-40", "UPLOAD-32")
@pytest.mark.parametrize("coded", [False, True], ids=["with its length", "in chunked transfer coding"])
@pytest.mark.parametrize("part", [100, 50_000, 700_000])
def test_a_chunk_that_was_cut_off_and_is_sent_again_whole(
    part: int, coded: bool, server: Server, http: httpx.Client, name: str
) -> None:
    """What came counts, so the same chunk at the same location is refused, with the place from which to go on."""
    content = random_blob(900_000)
    start = start_at(http, name)
    with Wire(server.url) as connection:
        if coded:
            connection.send(
                head("PATCH", start, transfer_encoding="chunked"), chunked(content[:part]).removesuffix(b"0\r\n\r\n")
            )
        else:
            connection.send(head("PATCH", start, content_length=len(content)), content[:part])
    assert soon(lambda: arrived(http, start) == part, 5), "what came does not count"
    answer = http.patch(start, content=content)
    refused_as_repeated(http, answer, part)
    newest = patched(http, str(answer.url.join(answer.headers["location"])), content[part:])
    finish(http, newest, content)


@pytest.mark.spec("UPLOAD-28", "UPLOAD-31", "UPLOAD-32")
@pytest.mark.parametrize("size", [1000, 100_000, 1_100_000])
def test_the_same_chunk_twice_at_the_same_time_counts_once(
    size: int, server: Server, http: httpx.Client, name: str
) -> None:
    content = random_blob(size)
    start = start_at(http, name)
    statuses: list[int] = []

    def send() -> None:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            statuses.append(client.patch(start, content=content).status_code)

    together([send] * 4)
    assert sorted(statuses) == [202, 416, 416, 416]
    finish(http, http.get(start).headers["location"], content)


def together(calls: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.spec("UPLOAD-28", "UPLOAD-71")
def test_a_session_in_place_of_a_mount_has_such_a_location(http: httpx.Client, name: str) -> None:
    answer = http.post(f"/v2/{name}/blobs/uploads/?mount={digest_of(random_blob())}&from=nobody/has")
    assert answer.status_code == 202
    start = str(answer.url.join(answer.headers["location"]))
    newest = patched(http, start, b"12345")
    refused_as_repeated(http, http.patch(start, content=b"12345"), 5)
    finish(http, newest, b"12345")
