"""Byte ranges of blobs: `spec/blobs.md`."""

import random
import re

import httpx
import pytest

from tests.server import Server
from tests.speak.content import digest_of, random_blob
from tests.speak.requests import errors, push_blob
from tests.speak.wire import Wire

SIZE = 1000
PART = re.compile(rb"content-type: application/octet-stream\r\ncontent-range: bytes (\d+)-(\d+)/(\d+)\r\n\r\n", re.I)


def ask(http: httpx.Client, name: str, content: bytes, ranges: str, **headers: str) -> httpx.Response:
    digest = push_blob(http, name, content)
    answer = http.get(f"/v2/{name}/blobs/{digest}", headers={"range": ranges, **headers})
    if answer.status_code in (200, 206):
        assert answer.headers["docker-content-digest"] == digest
        assert answer.headers["etag"] == f'"{digest}"'
        assert answer.headers["content-length"] == str(len(answer.content))
    return answer


def parts(answer: httpx.Response, content: bytes) -> list[tuple[int, int]]:
    """First and last byte of each part of a `multipart/byteranges` body, of which not a byte may be otherwise."""
    assert answer.status_code == 206
    assert "content-range" not in answer.headers
    kind = re.fullmatch(
        r"multipart/byteranges; boundary=([0-9A-Za-z'()+_,./:=?-]{1,70})", answer.headers["content-type"]
    )
    assert kind is not None, answer.headers["content-type"]
    delimiter = b"--" + kind[1].encode()
    rest, found = answer.content, []
    while rest != delimiter + b"--\r\n":
        assert rest.startswith(delimiter + b"\r\n"), rest[:200]
        match = PART.match(rest, len(delimiter) + 2)
        assert match is not None, rest[:200]
        first, last, size = (int(number) for number in match.groups())
        assert size == len(content)
        assert rest[match.end() : match.end() + last - first + 1] == content[first : last + 1]
        rest = rest[match.end() + last - first + 1 :]
        assert rest.startswith(b"\r\n" + delimiter)
        rest = rest[2:]
        found.append((first, last))
    return found


def written(ranges: list[tuple[int, int]]) -> str:
    return "bytes=" + ",".join(f"{first}-{last}" for first, last in ranges)


@pytest.mark.spec("BLOB-20", "BLOB-21")
@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("0-0", 0, 0),
        ("0-1", 0, 1),
        ("0-499", 0, 499),
        ("500-599", 500, 599),
        ("999-999", 999, 999),
        ("0-999", 0, 999),
        ("0-", 0, 999),
        ("990-", 990, 999),
        ("999-", 999, 999),
        ("-1", 999, 999),
        ("-500", 500, 999),
        ("-1000", 0, 999),
        ("-1001", 0, 999),
        ("-9999999999999999999", 0, 999),
        ("990-1000", 990, 999),
        ("0-9999999999999999999", 0, 999),
        ("007-008", 7, 8),
    ],
)
def test_one_range_gives_these_bytes(asked: str, first: int, last: int, http: httpx.Client, name: str) -> None:
    content = random_blob(SIZE)
    answer = ask(http, name, content, f"bytes={asked}")
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.content == content[first : last + 1]


@pytest.mark.spec("BLOB-20")
@pytest.mark.parametrize("ranges", ["Bytes=1-2", "BYTES=1-2", "bytes= 1-2"])
def test_the_unit_is_read_in_any_case(ranges: str, http: httpx.Client, name: str) -> None:
    assert ask(http, name, b"01234", ranges).content == b"12"


@pytest.mark.spec("BLOB-20")
def test_ranges_of_a_large_blob_are_right_everywhere(http: httpx.Client, name: str) -> None:
    content = random_blob(3_000_000)
    url = f"/v2/{name}/blobs/{push_blob(http, name, content)}"
    edges = [0, 1, 262_143, 262_144, 262_145, 1_048_575, 1_048_576, 1_500_000, 2_999_999]
    for first in edges:
        for last in (edge for edge in edges if edge >= first):
            assert http.get(url, headers={"range": f"bytes={first}-{last}"}).content == content[first : last + 1]


@pytest.mark.spec("BLOB-22")
@pytest.mark.parametrize("ranges", ["items=0-1", "seconds=1-2,4-5", "0-1", "", "x=", "kilobytes=0-0"])
def test_ranges_of_other_units_are_ignored(ranges: str, http: httpx.Client, name: str) -> None:
    content = random_blob(SIZE)
    answer = ask(http, name, content, ranges)
    assert answer.status_code == 200
    assert answer.content == content


@pytest.mark.spec("BLOB-23")
@pytest.mark.parametrize(
    "asked",
    ["1000-", "1000-1000", "5000-6000", "-0", "500-0", "1-0", "-", "", "a-b", "0x1-2", "0-1-2", "--5", "1 - 2", "٠-٠",
     "9" * 30 + "-", "0-1,x", "2000-,3000-", ",", "0;1"],
)  # fmt: skip
def test_ranges_of_which_nothing_is_there_are_refused(
    asked: str, server: Server, http: httpx.Client, name: str
) -> None:
    digest = push_blob(http, name, random_blob(SIZE))
    with Wire(server.url) as connection:
        lines = ["host: x", f"range: bytes={asked}"]
        connection.send("\r\n".join([f"GET /v2/{name}/blobs/{digest} HTTP/1.1", *lines, "", ""]).encode())
        answer = connection.answer()
    assert answer.status == 416
    assert answer.headers.get("content-range") == f"bytes */{SIZE}"
    assert b'"code":"UNSUPPORTED"' in answer.body


@pytest.mark.spec("BLOB-24")
@pytest.mark.parametrize(
    "ranges",
    [
        [(0, 0), (999, 999)],
        [(0, 99), (100, 199)],
        [(0, 99), (50, 149), (0, 99)],
        [(900, 999), (0, 99), (500, 500)],
        [(0, 999), (0, 999)],
        [(3, 3)] * 7,
    ],
    ids=["far", "adjacent", "overlapping", "out of order", "all twice", "one byte seven times"],
)
def test_several_ranges_come_as_parts_in_the_order_asked_for(
    ranges: list[tuple[int, int]], http: httpx.Client, name: str
) -> None:
    content = random_blob(SIZE)
    assert parts(ask(http, name, content, written(ranges)), content) == ranges


@pytest.mark.spec("BLOB-24")
def test_several_ranges_may_be_open_suffixes_or_too_long(http: httpx.Client, name: str) -> None:
    content = random_blob(SIZE)
    found = parts(ask(http, name, content, "bytes=990-, -5 ,0-1,995-2000,-1"), content)
    assert found == [(990, 999), (995, 999), (0, 1), (995, 999), (999, 999)]


@pytest.mark.spec("BLOB-24")
def test_content_that_looks_like_parts_is_sent_as_it_is(http: httpx.Client, name: str) -> None:
    content = b"\r\n--x\r\nContent-Range: bytes 0-0/1\r\n\r\n--\r\n" * 30
    ranges = [(0, 400), (300, 700)]
    assert parts(ask(http, name, content, written(ranges)), content) == ranges


@pytest.mark.spec("BLOB-24", "BLOB-25")
def test_1024_ranges_are_1024_parts(http: httpx.Client, name: str) -> None:
    content = random_blob(2_000_000)
    generator = random.Random(7)
    firsts = [generator.randrange(1_990_000) for _ in range(1024)]
    ranges = [(first, first + generator.randrange(2000)) for first in firsts]
    header = written(ranges)
    assert len(header) > 15_000
    assert parts(ask(http, name, content, header), content) == ranges


@pytest.mark.spec("BLOB-25")
def test_1025_ranges_are_refused_with_400(http: httpx.Client, name: str) -> None:
    content = random_blob(3000)
    ranges = [(at, at) for at in range(0, 2050, 2)]
    assert parts(ask(http, name, content, written(ranges[:1024])), content) == ranges[:1024]
    answer = ask(http, name, content, written(ranges))
    assert answer.status_code == 400
    assert errors(answer) == ["UNSUPPORTED"]


@pytest.mark.spec("BLOB-26")
def test_ranges_of_which_nothing_is_there_are_left_out(http: httpx.Client, name: str) -> None:
    content = random_blob(SIZE)
    assert parts(ask(http, name, content, "bytes=2000-,0-1,-0,5-4,7-8"), content) == [(0, 1), (7, 8)]
    one = ask(http, name, content, "bytes=2000-,10-19,1000-1001")
    assert one.status_code == 206
    assert one.headers["content-range"] == "bytes 10-19/1000"
    assert one.content == content[10:20]


@pytest.mark.spec("BLOB-27")
def test_ranges_that_are_far_more_than_the_blob_give_the_blob(http: httpx.Client, name: str) -> None:
    content = random_blob(SIZE)
    answer = ask(http, name, content, "bytes=0-,0-,0-0")
    assert answer.status_code == 200
    assert answer.content == content


@pytest.mark.spec("BLOB-28")
def test_if_range_with_the_etag_lets_the_range_count(http: httpx.Client, name: str) -> None:
    content = random_blob(SIZE)
    etag = f'"{digest_of(content)}"'
    answer = ask(http, name, content, "bytes=0-9", **{"if-range": etag})
    assert answer.status_code == 206
    assert answer.content == content[:10]


@pytest.mark.spec("BLOB-28")
@pytest.mark.parametrize("condition", ['"other"', 'W/"{}"', "{}", "Wed, 21 Oct 2015 07:28:00 GMT", "*", ""])
@pytest.mark.parametrize("ranges", ["bytes=0-9", "bytes=0-1,4-5", "bytes=5000-"])
def test_if_range_with_anything_else_gives_the_blob(ranges: str, condition: str, http: httpx.Client, name: str) -> None:
    content = random_blob(SIZE)
    answer = ask(http, name, content, ranges, **{"if-range": condition.format(digest_of(content))})
    assert answer.status_code == 200
    assert answer.content == content


@pytest.mark.spec("BLOB-29")
@pytest.mark.parametrize("ranges", ["bytes=0-9", "bytes=5000-", "bytes=x", "bytes=0-0,2-2"])
def test_head_ignores_ranges(ranges: str, http: httpx.Client, name: str) -> None:
    digest = push_blob(http, name, random_blob(SIZE))
    answer = http.head(f"/v2/{name}/blobs/{digest}", headers={"range": ranges})
    assert answer.status_code == 200
    assert answer.headers["content-length"] == str(SIZE)
    assert "content-range" not in answer.headers


@pytest.mark.spec("BLOB-30")
@pytest.mark.parametrize("asked", ["0-", "0-0", "-1", "0-0,1-1"])
def test_the_blob_of_no_bytes_has_no_range(asked: str, http: httpx.Client, name: str) -> None:
    answer = ask(http, name, b"", f"bytes={asked}")
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */0"


@pytest.mark.spec("BLOB-31")
@pytest.mark.parametrize("asked", ["0-1,,4-5", ",0-1, ,4-5,"])
def test_empty_elements_of_the_list_are_ignored(asked: str, http: httpx.Client, name: str) -> None:
    content = random_blob(SIZE)
    assert parts(ask(http, name, content, f"bytes={asked}"), content) == [(0, 1), (4, 5)]
