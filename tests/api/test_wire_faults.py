"""Headers, codings, ranges and trailers as clients and proxies really write them: read as the RFCs say."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import pytest

from tests.server import Server
from tests.speak.answer import Answer
from tests.speak.content import OCI_MANIFEST, digest_of, image, random_blob
from tests.speak.requests import arrived, finish, push_blob, push_image, start_upload, with_digest
from tests.speak.wire import Wire, chunked, head

BLANKS = [("", " "), ("", "\t"), ("", "  \t "), (" ", ""), ("\t", ""), (" \t ", "\t \t")]
"""What may stand before and behind a value (RFC 9110 section 5.5) without being a part of it."""


@pytest.fixture
def connection(server: Server) -> Iterator[Wire]:
    with Wire(server.url, timeout=6) as connection:
        yield connection


def lines(method: str, target: str, *headers: str, version: str = "1.1") -> bytes:
    """A request's head with its headers exactly as they are."""
    path = re.sub(r"^https?://[^/]+", "", target)
    return "\r\n".join([f"{method} {path} HTTP/{version}", *headers, "", ""]).encode("latin-1")


HOST = "Host: registry.example"


def alive(connection: Wire) -> None:
    """What comes next on the connection is read as a request of its own."""
    connection.send(head("GET", "/v2/"))
    answer = connection.answer()
    assert (answer.status, answer.body) == (200, b"{}")


# Blanks around a value


@pytest.mark.spec("UPLOAD-20", "UPLOAD-25", "UPLOAD-46", "CONNECTION-3")
@pytest.mark.parametrize("blanks", BLANKS, ids=repr)
@pytest.mark.parametrize("size", [5, 300_000])
@pytest.mark.parametrize("name_of_header", ["Content-Length", "Content-Range", "Content-Type", "Host", "Connection"])
def test_blanks_around_a_value_of_a_push(
    name_of_header: str, size: int, blanks: tuple[str, str], connection: Wire, http: httpx.Client, name: str
) -> None:
    content = random_blob(size)
    location = start_upload(http, name)
    values = {
        "Host": "registry.example",
        "Content-Length": str(size),
        "Content-Range": f"0-{size - 1}",
        "Content-Type": "application/octet-stream",
        "Connection": "keep-alive",
    }
    values[name_of_header] = values[name_of_header].join(blanks)
    connection.send(lines("PATCH", location, *(f"{key}:{value}" for key, value in values.items())), content)
    answer = connection.answer()
    assert (answer.status, answer.headers.get("range")) == (202, f"0-{size - 1}")
    alive(connection)
    finish(http, http.get(location).headers["location"], content)


@pytest.mark.spec("UPLOAD-44", "CONNECTION-3")
@pytest.mark.parametrize("blanks", BLANKS, ids=repr)
@pytest.mark.parametrize("size", [5, 300_000])
def test_blanks_around_an_expectation(
    size: int, blanks: tuple[str, str], connection: Wire, http: httpx.Client, name: str
) -> None:
    content = random_blob(size)
    expect = "100-continue".join(blanks)
    connection.send(
        lines("PATCH", start_upload(http, name), HOST, f"Expect:{expect}", f"Content-Length: {len(content)}")
    )
    assert connection.answer().status == 100
    connection.send(content)
    assert connection.answer().status == 202


@pytest.mark.spec("UPLOAD-26", "UPLOAD-27", "CONNECTION-3")
@pytest.mark.parametrize("blanks", BLANKS, ids=repr)
def test_blanks_around_a_coding(blanks: tuple[str, str], connection: Wire, http: httpx.Client, name: str) -> None:
    content = random_blob(300_000)
    location = start_upload(http, name)
    coding = "chunked".join(blanks)
    connection.send(lines("PATCH", location, HOST, f"Transfer-Encoding:{coding}"), chunked(content))
    answer = connection.answer()
    assert (answer.status, answer.headers.get("range")) == (202, f"0-{len(content) - 1}")
    alive(connection)


@pytest.mark.spec("BLOB-7", "MANIFEST-8", "MANIFEST-35", "MANIFEST-36", "CONNECTION-3")
@pytest.mark.parametrize("blanks", BLANKS, ids=repr)
def test_blanks_around_ranges_types_and_conditions(
    blanks: tuple[str, str], connection: Wire, http: httpx.Client, name: str
) -> None:
    body, digest = push_image(http, name, "v1")
    blob = push_blob(http, name, b"0123456789")

    def ask(method: str, path: str, *headers: str, content: bytes = b"") -> Answer:
        told = [f"{key}:{value.join(blanks)}" for key, value in (header.split(": ", 1) for header in headers)]
        connection.send(lines(method, path, HOST, *told, f"Content-Length: {len(content)}"), content)
        return connection.answer()

    answer = ask("GET", f"/v2/{name}/blobs/{blob}", "Range: bytes=2-4")
    assert (answer.status, answer.body) == (206, b"234")
    answer = ask("GET", f"/v2/{name}/blobs/{blob}", "Range: bytes=2-4", f'If-Range: "{blob}"')
    assert (answer.status, answer.body) == (206, b"234")
    assert ask("GET", f"/v2/{name}/manifests/v1", f'If-None-Match: "{digest}"').status == 304
    assert ask("GET", f"/v2/{name}/manifests/v1", "Accept: */*").body == body
    put = f"/v2/{name}/manifests/v1"
    assert ask("PUT", put, "If-None-Match: *", f"Content-Type: {OCI_MANIFEST}", content=image()).status == 412
    assert ask("PUT", put, f'If-Match: "{digest}"', f"Content-Type: {OCI_MANIFEST}", content=image()).status == 201
    assert ask("DELETE", put, f'If-Match: "{digest}"').status == 412
    assert ask("DELETE", put, "If-Match: *").status == 202


@pytest.mark.spec("UPLOAD-46")
@pytest.mark.parametrize("zeros", [1, 10, 19, 25, 1000])
@pytest.mark.parametrize("size", [0, 5, 300_000])
def test_a_length_with_zeros_before_it(size: int, zeros: int, connection: Wire, http: httpx.Client, name: str) -> None:
    """The grammar is `1*DIGIT`, however many of them say nothing."""
    content = random_blob(size)
    location = start_upload(http, name)
    connection.send(lines("PATCH", location, HOST, f"Content-Length: {'0' * zeros}{size}"), content)
    answer = connection.answer()
    assert (answer.status, answer.headers.get("range")) == (202, f"0-{max(size - 1, 0)}")
    alive(connection)


@pytest.mark.spec("UPLOAD-20", "UPLOAD-22", "UPLOAD-25")
@pytest.mark.parametrize("zeros", [1, 19, 25, 1000])
def test_a_place_with_zeros_before_it(zeros: int, http: httpx.Client, name: str) -> None:
    location = start_upload(http, name)
    place = f"{'0' * zeros}-{'0' * zeros}4"
    assert http.patch(location, content=b"12345", headers={"content-range": place}).status_code == 202
    assert arrived(http, location) == 5
    # What no upload reaches is a place out of order like any other.
    for first in ("9" * 20, "9" * 1000):
        place = f"{first}-{first[:-1]}9"
        answer = http.patch(location, content=b"1", headers={"content-range": place})
        assert answer.status_code == 416, answer.text
    assert arrived(http, location) == 5


# Ranges


HUGE = [20, 25, 100, 5000]
"""Digits of a number beyond all that is counted in 64 bits."""


@pytest.mark.spec("BLOB-7", "BLOB-32")
@pytest.mark.parametrize("digits", HUGE)
@pytest.mark.parametrize("digit", ["9", "1", "0"])
@pytest.mark.parametrize("size", [10, 300_000])
def test_a_range_with_many_digits(size: int, digit: str, digits: int, http: httpx.Client, name: str) -> None:
    """RFC 9110 section 14.1.2: numerals may be large; what lies behind the end is cut, or not there."""
    content = random_blob(size)
    url = f"/v2/{name}/blobs/{push_blob(http, name, content)}"
    number = digit * digits

    def ask(ranges: str) -> httpx.Response:
        return http.get(url, headers={"range": f"bytes={ranges}"})

    if digit == "0":
        assert (ask(f"{number}-").status_code, ask(f"{number}-").content) == (206, content)
        assert ask(f"{number}1-{number}2").content == content[1:3]
        assert ask(f"-{number}2").content == content[-2:]
        assert ask(f"-{number}").status_code == 416
        return
    answer = ask(f"0-{number}")
    assert (answer.status_code, answer.content) == (206, content)
    assert answer.headers["content-range"] == f"bytes 0-{size - 1}/{size}"
    answer = ask(f"-{number}")
    assert (answer.status_code, answer.content) == (206, content)
    answer = ask(f"0-1,{number}-")
    assert (answer.status_code, answer.content) == (206, content[:2])
    answer = ask(f"{number}-{number},-1")
    assert (answer.status_code, answer.content) == (206, content[-1:])
    for nothing in (f"{number}-", f"{number}-{number}"):
        answer = ask(nothing)
        assert answer.status_code == 416
        assert answer.headers["content-range"] == f"bytes */{size}"


@pytest.mark.spec("BLOB-7", "BLOB-32")
@pytest.mark.parametrize("last", [2**63 - 1, 2**63, 2**64 - 1, 2**64])
def test_a_range_that_ends_where_numbers_of_others_end(last: int, http: httpx.Client, name: str) -> None:
    url = f"/v2/{name}/blobs/{push_blob(http, name, b'0123456789')}"
    for ranges in (f"0-{last}", f"-{last}", f"0-1,{last}-"):
        assert http.get(url, headers={"range": f"bytes={ranges}"}).status_code == 206


# Expectations


@pytest.mark.spec("UPLOAD-44", "CONNECTION-4")
@pytest.mark.parametrize("size", [5, 300_000])
@pytest.mark.parametrize("kept", [False, True], ids=["", "keep-alive"])
def test_an_expectation_in_http_1_0_is_ignored(
    size: int, kept: bool, connection: Wire, http: httpx.Client, name: str
) -> None:
    """RFC 9110 section 10.1.1: such a client knows no interim answer, and takes it for the final one."""
    content = random_blob(size)
    location = start_upload(http, name)
    more = ["Connection: keep-alive"] if kept else []
    opening = lines("PATCH", location, HOST, "Expect: 100-continue", f"Content-Length: {size}", *more, version="1.0")
    connection.send(opening)
    time.sleep(0.2)
    connection.send(content)
    assert connection.answer().status == 202


@pytest.mark.spec("UPLOAD-44", "CONNECTION-4")
@pytest.mark.parametrize("form", ["100-Continue", "100-CONTINUE", "100-continue, 100-continue"])
def test_forms_of_an_expectation(form: str, connection: Wire, http: httpx.Client, name: str) -> None:
    connection.send(lines("PATCH", start_upload(http, name), HOST, f"Expect: {form}", "Content-Length: 5"))
    assert connection.answer().status == 100
    connection.send(b"12345")
    assert connection.answer().status == 202


@pytest.mark.spec("UPLOAD-44")
def test_an_expectation_in_two_lines(connection: Wire, http: httpx.Client, name: str) -> None:
    expect = "Expect: 100-continue"
    connection.send(lines("PATCH", start_upload(http, name), HOST, expect, expect, "Content-Length: 5"))
    assert connection.answer().status == 100
    connection.send(b"12345")
    assert connection.answer().status == 202


@pytest.mark.spec("UPLOAD-44")
@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH", "POST"])
def test_an_expectation_without_a_body_has_one_answer(
    method: str, connection: Wire, http: httpx.Client, name: str
) -> None:
    target = start_upload(http, name) if method != "POST" else f"/v2/{name}/blobs/uploads/"
    connection.send(lines(method, target, HOST, "Expect: 100-continue", "Content-Length: 0"))
    answer = connection.answer()
    assert answer.status in (202, 204)
    alive(connection)


# Transfer codings


CODINGS = [
    (["gzip, chunked"], {501}),
    (["gzip", "chunked"], {501}),
    (["gzip,chunked"], {501}),
    (["deflate, gzip, chunked"], {501}),
    (["x-gzip, chunked"], {501}),
    (["identity, chunked"], {501}),
    (["GZIP , Chunked "], {501}),
    (["gzip;q=1, chunked"], {501}),
    (["unheard-of, chunked"], {501}),
    (["gzip"], {400, 501}),
    (["identity"], {400, 501}),
    (["chunked, gzip"], {400, 501}),
    (["chunked", "gzip"], {400, 501}),
    (["chunked, identity"], {400, 501}),
    (["chunked, chunked"], {400, 501}),
    (["chunked", "chunked"], {400, 501}),
    (["gzip, chunked, chunked"], {400, 501}),
    (["chunked;a=b"], {400, 501}),
    (["chunked,"], {202, 400}),
    ([", chunked"], {202, 400}),
    ([",chunked,,"], {202, 400}),
    (["", "chunked"], {202, 400}),
    (["Chunked"], {202}),
    (["CHUNKED"], {202}),
]


@pytest.mark.spec("UPLOAD-46", "CONNECTION-5")
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("method", ["PATCH", "PUT", "POST", "manifest"])
@pytest.mark.parametrize(("codings", "statuses"), CODINGS, ids=str)
def test_a_coding_that_nobody_decodes_is_refused(
    codings: list[str], statuses: set[int], method: str, version: str, server: Server, http: httpx.Client, name: str
) -> None:
    """Bytes in a coding are not those that were meant: 501 (RFC 9112 section 6.1), never stored as they are.

    Where `chunked` is not the last, or is in HTTP/1.0, nobody knows where the request ends: it is the last."""
    content = image(annotations={"name": name})
    digest = digest_of(content)
    location = start_upload(http, name)
    target = {
        "PATCH": location,
        "PUT": with_digest(location, digest),
        "POST": f"/v2/{name}/blobs/uploads/?digest={digest}",
        "manifest": f"/v2/{name}/manifests/v1",
    }[method]
    told = [f"Transfer-Encoding: {coding}" for coding in codings]
    kept = ["Connection: keep-alive"] if version == "1.0" else []
    verb = "PUT" if method == "manifest" else method
    with Wire(server.url, timeout=6) as connection:
        opening = lines(verb, target, HOST, f"Content-Type: {OCI_MANIFEST}", *told, *kept, version=version)
        connection.send(opening, chunked(content), head("DELETE", location))
        answer = connection.answer()
        if version == "1.0":
            statuses = statuses | {400, 501}
        status = 202 if answer.status == 201 else answer.status
        assert status in statuses, answer
        if answer.status >= 400:
            assert answer.headers.get("connection") == "close" or answer.status == 501
        if answer.status == 400 or version == "1.0":
            assert connection.closed(), "a request behind one whose end nobody knows was read"
    if answer.status >= 400:
        assert http.get(f"/v2/{name}/blobs/{digest}").status_code == 404
        assert http.get(f"/v2/{name}/manifests/v1").status_code == 404
        if http.get(location).status_code == 204:
            assert arrived(http, location) == 0
    if answer.status == 400 or (version == "1.0" and method not in ("PUT",)):
        assert http.get(location).status_code == 204, "the request behind was carried out"


# Trailers


TRAILERS = [
    "Connection: close",
    "Connection: keep-alive",
    "Connection: upgrade",
    "Content-Length: 5",
    "Content-Length: 0",
    "Content-Length: x",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip",
    "Upgrade: h2c",
    "Host: elsewhere",
    "Host: elsewhere\r\nHost: again",
    "Expect: 100-continue",
    "Content-Range: 7-9",
    "Content-Type: a/b",
    "If-None-Match: *",
    "X-Checksum: 5",
    "Connection: close\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nUpgrade: h2c",
]


@pytest.mark.spec("UPLOAD-45", "CONNECTION-6")
@pytest.mark.parametrize("together", [True, False], ids=["in one piece", "in pieces"])
@pytest.mark.parametrize("method", ["PATCH", "PUT", "POST", "manifest"])
@pytest.mark.parametrize("trailer", TRAILERS)
def test_a_trailer_is_no_header(
    trailer: str, method: str, together: bool, connection: Wire, http: httpx.Client, name: str
) -> None:
    """RFC 9110 section 6.5.1: it changes neither the request nor what comes behind it on the connection."""
    content = image(annotations={"name": name})
    location = start_upload(http, name)
    target = {
        "PATCH": location,
        "PUT": with_digest(location, digest_of(content)),
        "POST": f"/v2/{name}/blobs/uploads/?digest={digest_of(content)}",
        "manifest": f"/v2/{name}/manifests/v1",
    }[method]
    verb = "PUT" if method == "manifest" else method
    opening = lines(verb, target, HOST, f"Content-Type: {OCI_MANIFEST}", "Transfer-Encoding: chunked")
    body = chunked(content).removesuffix(b"\r\n") + trailer.encode() + b"\r\n\r\n"
    if together:
        connection.send(opening, body, head("GET", "/v2/"))
    else:
        for piece in (opening, body[:-4], body[-4:], head("GET", "/v2/")):
            connection.send(piece)
            time.sleep(0.01)
    answer = connection.answer()
    assert answer.status == (202 if method == "PATCH" else 201), answer
    assert connection.answer().status == 200
    alive(connection)


# Targets and dates


@pytest.mark.spec("BASE-22", "CONNECTION-7")
@pytest.mark.parametrize("target", ["http://registry", "http://registry:5000", "http://registry?n=1", "http://[::1]"])
def test_a_whole_url_without_a_path_is_that_of_the_root(target: str, connection: Wire) -> None:
    """RFC 9112 section 3.2.2 with RFC 3986 section 6.2.3: an empty path is `/`, which is no endpoint here."""
    connection.send(f"GET {target} HTTP/1.1\r\n{HOST}\r\n\r\n".encode())
    assert connection.answer().status == 404
    alive(connection)


@pytest.mark.spec("BASE-3", "CONNECTION-10")
def test_the_date_is_that_of_the_answer(server: Server, http: httpx.Client, name: str) -> None:
    """RFC 9110 section 6.6.1: when the answer was made, not when a slow request began."""
    with ExitStack() as opened:
        connections = [(size, opened.enter_context(Wire(server.url, timeout=6))) for size in (5, 300_000)]
        for size, connection in connections:
            connection.send(head("PATCH", start_upload(http, name), content_length=size), random_blob(size - 1))
        time.sleep(3)
        for size, connection in connections:
            sent = datetime.now(UTC)
            connection.send(b"x")
            answer = connection.answer()
            assert answer.status == 202, size
            told = parsedate_to_datetime(answer.headers.get("date") or "")
            assert abs((told - sent).total_seconds()) <= 1.5, f"{told} on what was answered at {sent}: {size} bytes"


@pytest.mark.spec("BASE-3", "CONNECTION-10")
def test_every_answer_has_a_date_of_now(connection: Wire, http: httpx.Client, name: str) -> None:
    """Also one that is kept and given again, and one from a connection that has rested."""
    push_image(http, name, "v1")
    for pause in (0, 0, 0, 0, 0, 0, 2.5, 0):
        time.sleep(pause)
        connection.send(head("GET", f"/v2/{name}/manifests/v1"))
        told = parsedate_to_datetime(connection.answer().headers.get("date") or "")
        assert abs((told - datetime.now(UTC)).total_seconds()) <= 1.5
