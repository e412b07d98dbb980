"""Uploads in chunks, with and without `Content-Range`: `spec/uploads.md`."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.server import Server
from tests.speak.content import digest_of, random_blob
from tests.speak.requests import arrived, errors, finish, start_at, start_upload, with_digest
from tests.speak.wire import Wire, chunked, head


def span(first: int, chunk: bytes) -> dict[str, str]:
    """The header that places a chunk."""
    return {"content-range": f"{first}-{first + len(chunk) - 1}"}


@pytest.mark.spec("UPLOAD-20")
@pytest.mark.parametrize("size", [1, 1000, 1_500_000])
def test_each_chunk_is_answered_with_the_end_of_all(size: int, http: httpx.Client, name: str) -> None:
    content = random_blob(3 * size)
    location = start_upload(http, name)
    for first in range(0, 3 * size, size):
        chunk = content[first : first + size]
        answer = http.patch(location, content=chunk, headers=span(first, chunk))
        assert answer.status_code == 202
        assert answer.headers["range"] == f"0-{first + size - 1}"
        assert answer.headers["docker-upload-uuid"] in answer.headers["location"]
        assert answer.headers["content-length"] == "0"
        location = answer.headers["location"]
    finish(http, location, content)


@pytest.mark.spec("UPLOAD-5")
def test_chunks_of_one_byte_are_taken(http: httpx.Client, name: str) -> None:
    started = http.post(f"/v2/{name}/blobs/uploads/")
    assert "oci-chunk-min-length" not in started.headers
    content = random_blob(20)
    for first in range(20):
        chunk = content[first : first + 1]
        assert http.patch(started.headers["location"], content=chunk, headers=span(first, chunk)).status_code == 202
    finish(http, started.headers["location"], content)


@pytest.mark.spec("UPLOAD-21")
@pytest.mark.parametrize("ranged", [True, False])
@pytest.mark.parametrize("last", [0, 1, 700, 2_000_000])
def test_an_upload_is_closed_with_its_last_bytes_or_none(
    last: int, ranged: bool, http: httpx.Client, name: str
) -> None:
    content = random_blob(1000 + last)
    location = start_upload(http, name)
    assert http.patch(location, content=content[:1000], headers=span(0, content[:1000])).status_code == 202
    headers = span(1000, content[1000:]) if ranged and last else {}
    answer = http.put(with_digest(location, digest_of(content)), content=content[1000:], headers=headers)
    assert answer.status_code == 201
    assert answer.headers["docker-content-digest"] == digest_of(content)
    assert http.get(answer.headers["location"]).content == content


@pytest.mark.spec("UPLOAD-21")
def test_a_put_may_place_the_whole_blob(http: httpx.Client, name: str) -> None:
    content = random_blob()
    closing = with_digest(start_upload(http, name), digest_of(content))
    assert http.put(closing, content=content, headers=span(0, content)).status_code == 201


@pytest.mark.spec("UPLOAD-22", "UPLOAD-23")
@pytest.mark.parametrize(("first", "length"), [(0, 100), (50, 100), (99, 1), (101, 100), (0, 200), (5000, 10)], ids=str)
def test_a_chunk_out_of_order_is_refused_and_the_upload_goes_on(
    first: int, length: int, http: httpx.Client, name: str
) -> None:
    content = random_blob(300)
    location = start_upload(http, name)
    http.patch(location, content=content[:100])
    chunk = random_blob(length)
    answer = http.patch(location, content=chunk, headers=span(first, chunk))
    assert answer.status_code == 416
    assert errors(answer) == ["BLOB_UPLOAD_INVALID"]
    assert answer.headers["range"] == "0-99"
    assert arrived(http, answer.headers["location"]) == 100
    finish(http, answer.headers["location"], content, content[100:])


@pytest.mark.spec("UPLOAD-22", "UPLOAD-51")
def test_the_first_chunk_starts_at_nought(http: httpx.Client, name: str) -> None:
    location = start_upload(http, name)
    chunk = random_blob(20)
    assert http.patch(location, content=chunk, headers=span(3, chunk)).status_code == 416
    assert arrived(http, location) == 0
    assert http.patch(location, content=chunk, headers=span(0, chunk)).status_code == 202
    finish(http, location, chunk)


@pytest.mark.spec("UPLOAD-24")
@pytest.mark.parametrize("digest", ["right", "wrong", "none"])
@pytest.mark.parametrize("first", [0, 99, 101])
def test_a_closing_chunk_out_of_order_is_refused_before_the_digest(
    first: int, digest: str, http: httpx.Client, name: str
) -> None:
    content = random_blob(300)
    location = start_upload(http, name)
    http.patch(location, content=content[:100])
    told = {"right": digest_of(content), "wrong": digest_of(b""), "none": "none"}[digest]
    rest = content[100:]
    answer = http.put(with_digest(location, told), content=rest, headers=span(first, rest))
    assert answer.status_code == 416
    assert errors(answer) == ["BLOB_UPLOAD_INVALID"]
    assert answer.headers["range"] == "0-99"
    # Asked at the location as it was last used, digest and all.
    assert arrived(http, str(answer.request.url)) == 100
    finish(http, location, content, rest)


@pytest.mark.spec("UPLOAD-25")
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("bytes 3-7/8", "BLOB_UPLOAD_INVALID"),
        ("bytes=3-7", "BLOB_UPLOAD_INVALID"),
        ("3-7/8", "BLOB_UPLOAD_INVALID"),
        ("3-", "BLOB_UPLOAD_INVALID"),
        ("-5", "BLOB_UPLOAD_INVALID"),
        ("", "BLOB_UPLOAD_INVALID"),
        ("+3-7", "BLOB_UPLOAD_INVALID"),
        ("3 - 7", "BLOB_UPLOAD_INVALID"),
        ("7-3", "BLOB_UPLOAD_INVALID"),
        ("3-" + "9" * 5000, "SIZE_INVALID"),
        ("3-8", "SIZE_INVALID"),
        ("3-6", "SIZE_INVALID"),
        ("3-9999999999999999999", "SIZE_INVALID"),
    ],
)
def test_a_content_range_that_cannot_be_is_refused(
    place: str, code: str, method: str, http: httpx.Client, name: str
) -> None:
    content = random_blob(8)
    location = start_upload(http, name)
    http.patch(location, content=content[:3])
    url = with_digest(location, digest_of(content))
    answer = http.request(method, url, content=content[3:], headers={"content-range": place})
    assert answer.status_code == 400
    assert errors(answer) == [code]
    assert arrived(http, location) == 3
    finish(http, location, content, content[3:])


@pytest.mark.spec("UPLOAD-26")
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("last", [100, 2_999_999, 3_000_001, 9_000_000, 9999999999999999999], ids=str)
def test_a_stream_of_another_length_than_its_range_adds_nothing(
    last: int, method: str, http: httpx.Client, name: str
) -> None:
    content = random_blob(3_000_010)
    location = start_upload(http, name)
    http.patch(location, content=content[:10])
    pieces = (content[at : at + 500_000] for at in range(10, len(content), 500_000))
    url = with_digest(location, digest_of(content))
    answer = http.request(method, url, content=pieces, headers={"content-range": f"10-{last}"})
    assert answer.status_code == 400
    assert errors(answer) == ["SIZE_INVALID"]
    assert arrived(http, location) == 10
    finish(http, location, content, content[10:])


@pytest.mark.spec("UPLOAD-26", "UPLOAD-20")
def test_a_stream_as_long_as_its_range_is_taken(server: Server, http: httpx.Client, name: str) -> None:
    content = random_blob(1000)
    location = start_upload(http, name)
    with Wire(server.url) as connection:
        connection.send(head("PATCH", location, content_range="0-599", transfer_encoding="chunked"))
        connection.send(chunked(content[:1], content[1:500], content[500:600]))
        answer = connection.answer()
        assert answer.status == 202
        assert answer.headers.get("range") == "0-599"
        url = with_digest(location, digest_of(content))
        connection.send(head("PUT", url, content_range="600-999", transfer_encoding="chunked"), chunked(content[600:]))
        assert connection.answer().status == 201
    assert http.get(f"/v2/{name}/blobs/{digest_of(content)}").content == content


@pytest.mark.spec("UPLOAD-27")
@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("size", [1, 1000, 2_500_000])
def test_a_body_without_a_range_is_appended(streamed: bool, size: int, http: httpx.Client, name: str) -> None:
    content = random_blob(3 * size)
    location = start_upload(http, name)
    for first in range(0, 3 * size, size):
        chunk = content[first : first + size]
        pieces = iter([chunk[: size // 2], chunk[size // 2 :]])
        answer = http.patch(location, content=pieces if streamed else chunk)
        assert answer.status_code == 202
        assert answer.headers["range"] == f"0-{first + size - 1}"
    finish(http, location, content)


@pytest.mark.spec("UPLOAD-27")
def test_an_upload_is_closed_by_a_stream(http: httpx.Client, name: str) -> None:
    content = random_blob(2_000_000)
    for patched in (0, 1000):
        location = start_upload(http, name)
        http.patch(location, content=content[:patched])
        rest = (content[at : at + 400_000] for at in range(patched, len(content), 400_000))
        assert http.put(with_digest(location, digest_of(content)), content=rest).status_code == 201


@pytest.mark.spec("UPLOAD-28", "UPLOAD-50")
def test_old_locations_lead_to_the_session(http: httpx.Client, name: str) -> None:
    content = random_blob(400)
    locations = [start_at(http, name)]
    for first in range(0, 300, 100):
        chunk = content[first : first + 100]
        locations.append(http.patch(locations[0], content=chunk, headers=span(first, chunk)).headers["location"])
    assert [arrived(http, location) for location in locations] == [300] * 4
    stale = http.patch(locations[0], content=content[:100], headers=span(0, content[:100]))
    assert stale.status_code == 416
    answer = http.put(
        with_digest(locations[1], digest_of(content)), content=content[300:], headers=span(300, content[300:])
    )
    assert answer.status_code == 201


@pytest.mark.spec("UPLOAD-29")
def test_unknown_query_parameters_change_nothing(http: httpx.Client, name: str) -> None:
    content = random_blob()
    digest = digest_of(content)
    started = http.post(f"/v2/{name}/blobs/uploads/?zeta=1&origin=docker.io%2Flibrary&alpha=")
    assert started.status_code == 202
    location = str(httpx.URL(started.headers["location"]).copy_with(query=b"_state=a%2Bb&ns=x&_state=c"))
    assert http.patch(location, content=content[:100]).status_code == 202
    assert arrived(http, location) == 100
    assert http.patch(location, content=content[100:], headers=span(0, content[100:])).status_code == 416
    sorted_by_a_client = location.replace("?", f"?digest={digest.replace(':', '%3A')}&")
    assert http.put(sorted_by_a_client, content=content[100:]).status_code == 201
    other = with_digest(started.headers["location"], digest_of(content[1:]))
    assert http.put(other + "&z=1", content=content[1:]).status_code == 404


@pytest.mark.spec("UPLOAD-29")
@pytest.mark.parametrize("query", ["a=1&digest={}&b=2", "digest={}&a=1", "a=1&a=2&digest={}", "&&digest={}&="])
def test_the_digest_is_found_anywhere_in_the_query(query: str, http: httpx.Client, name: str) -> None:
    content = random_blob()
    url = f"{start_upload(http, name)}?{query.format(digest_of(content))}"
    assert http.put(url, content=content).status_code == 201
    single = http.post(f"/v2/{name}/blobs/uploads/?{query.format(digest_of(content))}", content=content)
    assert single.status_code == 201


@pytest.mark.spec("UPLOAD-30")
@pytest.mark.parametrize("streamed", [True, False])
def test_an_empty_patch_adds_nothing(streamed: bool, http: httpx.Client, name: str) -> None:
    content = random_blob()
    location = start_upload(http, name)
    assert http.patch(location, content=iter([b""]) if streamed else b"").status_code == 202
    assert http.patch(location, content=content).headers["range"] == "0-511"
    answer = http.patch(location, content=iter([b""]) if streamed else b"")
    assert answer.status_code == 202
    assert answer.headers["range"] == "0-511"
    finish(http, location, content)


@pytest.mark.spec("UPLOAD-31")
def test_a_second_writer_waits_and_is_refused_when_bytes_were_added(
    server: Server, http: httpx.Client, name: str
) -> None:
    content = random_blob(2000)
    location = start_upload(http, name)
    with Wire(server.url) as first, Wire(server.url) as second:
        first.send(head("PATCH", location, content_length=1000, expect="100-continue"))
        assert first.answer().status == 100  # From now on the session is the first one's.
        first.send(content[:500])
        second.ask("PATCH", location, random_blob(300))
        second.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            second.answer()
        second.socket.settimeout(15)
        first.send(content[500:1000])
        assert first.answer().status == 202
        refused = second.answer()
        assert refused.status == 416
        assert refused.headers.get("range") == "0-999"
    finish(http, location, content, content[1000:])


@pytest.mark.spec("UPLOAD-31")
def test_of_many_writers_the_accepted_ones_are_the_blob(http: httpx.Client, name: str) -> None:
    for ranged in (True, False):
        location = start_upload(http, name)
        chunks = [random_blob(50_000) for _ in range(8)]

        def write(chunk: bytes, location: str = location, ranged: bool = ranged) -> tuple[int, str]:
            answer = http.patch(location, content=chunk, headers=span(0, chunk) if ranged else {})
            return answer.status_code, answer.headers["range"]

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(write, chunks))
        assert {status for status, _ in answers} <= {202, 416}
        accepted = [
            (int(end[2:]), chunk) for (status, end), chunk in zip(answers, chunks, strict=True) if status == 202
        ]
        assert len(accepted) == 1 if ranged else accepted
        finish(http, location, b"".join(chunk for _, chunk in sorted(accepted)))
