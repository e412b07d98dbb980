"""Upload requests that no client library sends: cut off, stalled, sent ahead, contradictory: `spec/uploads.md`."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.server import Server, running
from tests.soon import soon
from tests.speak.content import digest_of, random_blob
from tests.speak.requests import arrived, finish, start_upload, with_digest
from tests.speak.wire import Wire, chunked, head

BIG = 3_000_000
"""More than is in the buffers on the way: most of it has to be read while it comes."""


@pytest.mark.spec("UPLOAD-40")
@pytest.mark.parametrize("placed", [True, False])
@pytest.mark.parametrize("before", [0, 1000])
def test_of_a_patch_that_is_cut_off_what_came_counts(
    before: int, placed: bool, server: Server, http: httpx.Client, name: str
) -> None:
    content = random_blob(before + 2 * BIG)
    location = start_upload(http, name)
    http.patch(location, content=content[:before])
    place = {"content_range": f"{before}-{len(content) - 1}"} if placed else {}
    with Wire(server.url) as connection:
        connection.send(head("PATCH", location, content_length=2 * BIG, **place), content[before : before + BIG])
    assert soon(lambda: arrived(http, location) > before)
    size = arrived(http, location)
    assert before + BIG // 2 < size <= before + BIG
    rest = content[size:]
    answer = http.patch(location, content=rest, headers={"content-range": f"{size}-{len(content) - 1}"})
    assert answer.status_code == 202
    finish(http, location, content)


@pytest.mark.spec("UPLOAD-40")
def test_of_a_stream_that_is_cut_off_what_came_counts(server: Server, http: httpx.Client, name: str) -> None:
    content = random_blob(2 * BIG)
    location = start_upload(http, name)
    with Wire(server.url) as connection:
        connection.send(head("PATCH", location, transfer_encoding="chunked"))
        connection.send(chunked(content[:BIG], content[BIG:])[: BIG + 1000])
    assert soon(lambda: arrived(http, location) > 0)
    size = arrived(http, location)
    assert BIG // 2 < size <= BIG + 1000
    finish(http, location, content, content[size:])


@pytest.mark.spec("UPLOAD-40")
def test_a_patch_may_be_cut_off_time_and_again(server: Server, http: httpx.Client, name: str) -> None:
    content = random_blob(500_000)
    location = start_upload(http, name)
    for _ in range(5):
        size = arrived(http, location)
        with Wire(server.url) as connection:
            connection.send(head("PATCH", location, content_length=len(content) - size), content[size : size + 70_000])
        assert soon(lambda size=size: arrived(http, location) > size)  # type: ignore[misc]
    finish(http, location, content, content[arrived(http, location) :])


@pytest.mark.spec("UPLOAD-40", "UPLOAD-43")
@pytest.mark.parametrize("placed", [False, True], ids=["at the end", "placed"])
@pytest.mark.parametrize("before", [0, 1000, 20_000])
@pytest.mark.parametrize("size", [6, 10_000, 20_000, 128 * 1024, 128 * 1024 + 1, 300_000])
def test_of_a_put_that_is_cut_off_what_came_counts(
    size: int, before: int, placed: bool, server: Server, http: httpx.Client, name: str
) -> None:
    content = random_blob(before + size)
    location = start_upload(http, name)
    assert http.patch(location, content=content[:before]).status_code == 202
    place = {"content_range": f"{before}-{before + size - 1}"} if placed else {}
    with Wire(server.url) as connection:
        url = with_digest(location, digest_of(content[:-1]))
        connection.send(head("PUT", url, content_length=size, **place), content[before:-1])
    assert soon(lambda: arrived(http, location) == len(content) - 1)
    assert http.head(f"/v2/{name}/blobs/{digest_of(content[:-1])}").status_code == 404
    finish(http, location, content, content[-1:])


@pytest.mark.spec("UPLOAD-41")
@pytest.mark.parametrize(("before", "length"), [(0, 2000), (1000, 2000), (0, 2 * BIG), (1000, 2 * BIG)])
def test_a_put_that_is_cut_off_leaves_the_session_open(
    before: int, length: int, server: Server, http: httpx.Client, name: str
) -> None:
    content = random_blob(before + length)
    location = start_upload(http, name)
    http.patch(location, content=content[:before])
    with Wire(server.url) as connection:
        url = with_digest(location, digest_of(content))
        connection.send(head("PUT", url, content_length=length), content[before : before + length // 2])
    if length > 2000:
        assert soon(lambda: arrived(http, location) > before)
    size = arrived(http, location)
    assert before <= size <= before + length // 2
    assert http.head(f"/v2/{name}/blobs/{digest_of(content)}").status_code == 404
    # Refused if the registry was not yet done with the first one: then it tells from where to go on.
    answer = http.put(url, content=content[size:], headers={"content-range": f"{size}-{len(content) - 1}"})
    if answer.status_code == 416:
        size = int(answer.headers["range"].removeprefix("0-")) + 1
        answer = http.put(url, content=content[size:])
    assert answer.status_code == 201
    assert http.get(answer.headers["location"]).content == content


@pytest.mark.spec("UPLOAD-42")
@pytest.mark.parametrize("length", [2000, 2 * BIG])
def test_a_post_that_is_cut_off_leaves_nothing(length: int, server: Server, http: httpx.Client, name: str) -> None:
    content = random_blob(length)
    half = content[: length // 2]
    with Wire(server.url) as connection:
        url = f"/v2/{name}/blobs/uploads/?digest={digest_of(content)}"
        connection.send(head("POST", url, content_length=length), half)
    for digest in (digest_of(content), digest_of(half)):
        assert http.head(f"/v2/{name}/blobs/{digest}").status_code == 404
    assert http.post(url, content=content).status_code == 201
    assert http.get(f"/v2/{name}/blobs/{digest_of(content)}").content == content


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data: Path = tmp_path_factory.mktemp("impatient")
    with running(data, "--workers", "1", "--body-timeout", "0.5s") as server:
        yield server


@pytest.mark.spec("UPLOAD-43")
@pytest.mark.parametrize("length", [1000, 2 * BIG])
def test_a_patch_that_stalls_is_answered_and_what_came_counts(length: int, impatient: Server) -> None:
    content = random_blob(length)
    with httpx.Client(base_url=impatient.url) as http, Wire(impatient.url) as connection:
        location = start_upload(http, "team/app")
        connection.send(head("PATCH", location, content_length=length), content[: length // 2])
        answer = connection.answer()
        assert answer.status == 408
        assert b'"code":"UNSUPPORTED"' in answer.body
        assert connection.closed()
        assert arrived(http, location) == length // 2
        finish(http, location, content, content[length // 2 :])


@pytest.mark.spec("UPLOAD-43")
def test_a_put_and_a_post_that_stall_are_answered(impatient: Server) -> None:
    content = random_blob(1000)
    with httpx.Client(base_url=impatient.url) as http:
        location = start_upload(http, "team/app")
        digest = digest_of(content)
        for method, url in (("PUT", with_digest(location, digest)), ("POST", f"/v2/a/blobs/uploads/?digest={digest}")):
            with Wire(impatient.url) as connection:
                connection.send(head(method, url, content_length=1000), content[:10])
                assert connection.answer().status == 408
        size = arrived(http, location)
        finish(http, location, content, content[size:])


@pytest.mark.spec("UPLOAD-44")
@pytest.mark.parametrize("method", ["PATCH", "PUT", "POST"])
def test_who_asks_first_is_told_to_go_on(method: str, server: Server, http: httpx.Client, name: str) -> None:
    content = random_blob(2_000_000)
    digest = digest_of(content)
    url = with_digest(start_upload(http, name), digest)
    if method == "POST":
        url = f"/v2/{name}/blobs/uploads/?digest={digest}"
    with Wire(server.url) as connection:
        connection.send(head(method, url, content_length=len(content), expect="100-continue"))
        assert connection.answer().status == 100
        connection.send(content)
        assert connection.answer().status == (202 if method == "PATCH" else 201)


@pytest.mark.spec("UPLOAD-44")
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize(
    ("wrong", "status"), [("place", 416), ("length", 400), ("session", 404), ("name", 400)], ids=str
)
def test_who_asks_first_is_refused_before_sending(
    wrong: str, status: int, method: str, server: Server, http: httpx.Client, name: str
) -> None:
    url = with_digest(start_upload(http, name), digest_of(b""))
    url = {"session": url.replace("?", "0?"), "name": url.replace("/test/", "/Test/")}.get(wrong, url)
    place = {"place": "5-5000004", "length": "0-5000000"}.get(wrong, "0-4999999")
    with Wire(server.url) as connection:
        connection.send(head(method, url, content_length=5_000_000, content_range=place, expect="100-continue"))
        assert connection.answer().status == status


@pytest.mark.spec("UPLOAD-45")
def test_requests_sent_ahead_are_answered_in_order(server: Server, http: httpx.Client, name: str) -> None:
    content = random_blob(700_000)
    digest = digest_of(content)
    location = start_upload(http, name)
    with Wire(server.url) as connection:
        connection.ask("PATCH", location, content[:300_000])
        connection.ask("GET", location)
        connection.send(head("PATCH", location, transfer_encoding="chunked"), chunked(content[300_000:600_000]))
        connection.ask("PATCH", location, b"again", content_range="0-4")
        connection.ask("PUT", with_digest(location, digest), content[600_000:])
        connection.ask("HEAD", f"/v2/{name}/blobs/{digest}")
        connection.ask("GET", f"/v2/{name}/blobs/{digest}")
        connection.ask("GET", location)
        answers = [connection.answer(bodiless=number == 5) for number in range(8)]
    assert [answer.status for answer in answers] == [202, 204, 202, 416, 201, 200, 200, 404]
    assert [answer.headers.get("range") for answer in answers[:4]] == ["0-299999", "0-299999", "0-599999", "0-599999"]
    assert answers[6].body == content


@pytest.mark.spec("UPLOAD-45")
def test_a_refused_body_does_not_become_the_next_request(server: Server, http: httpx.Client, name: str) -> None:
    location = start_upload(http, name)
    body = head("DELETE", location) * 3000
    with Wire(server.url) as connection:
        connection.ask("PATCH", location, body, content_range=f"7-{6 + len(body)}")
        connection.ask("GET", location)
        assert connection.answer().status == 416
        assert connection.answer().status == 204


@pytest.mark.spec("UPLOAD-46")
@pytest.mark.parametrize(
    "lines",
    [
        ["content-length: 5", "content-length: 5"],
        ["content-length: 5", "content-length: 0"],
        ["content-length: 5, 5"],
        ["content-length: -5"],
        ["content-length: +5"],
        ["content-length: 0x5"],
        ["content-length: 5 5"],
        ["content-length: " + "9" * 30],
        ["content-length: 5", "transfer-encoding: chunked"],
        ["transfer-encoding: chunked", "content-length: 5"],
        ["transfer-encoding: chunked, gzip"],
    ],
)
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_length_that_is_said_twice_or_is_none_is_refused(
    method: str, lines: list[str], server: Server, http: httpx.Client, name: str
) -> None:
    location = start_upload(http, name)
    with Wire(server.url) as connection:
        start = f"{method} {with_digest(location, digest_of(b'12345'))} HTTP/1.1".replace(server.url, "")
        connection.send("\r\n".join([start, "host: x", *lines, "", ""]).encode(), b"12345")
        assert connection.answer().status == 400
        assert connection.closed()
    assert arrived(http, location) == 0
