"""Large bodies byte by byte: however they are cut into segments, and whatever stands before and behind them."""

import resource
import socket
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from registry.server.protocol import TAPPED_FROM
from tests.server import Server, running
from tests.soon import soon
from tests.speak.answer import Answer
from tests.speak.client import reset_at_close
from tests.speak.content import digest_of, random_blob
from tests.speak.requests import arrived, finish, start_upload, with_digest
from tests.speak.wire import Wire, chunked, head

LARGE = 3_000_000
SIZES = [TAPPED_FROM - 1, TAPPED_FROM, TAPPED_FROM + 1, LARGE]
"""Around the length from which on a thread reads a body, and one that no buffer on the way holds."""

PAUSE = 0.06
"""Seconds: longer than a thread waits for a client."""

METHODS = ["PATCH", "PUT", "POST"]


@pytest.fixture(params=SIZES, ids=str)
def content(request: pytest.FixtureRequest) -> bytes:
    size: int = request.param
    return random_blob(size)


@pytest.fixture
def connection(server: Server) -> Iterator[Wire]:
    with Wire(server.url) as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


class Push:
    """A blob that is sent as the body of one request, and the check that it is there."""

    def __init__(self, http: httpx.Client, name: str, method: str, content: bytes) -> None:
        self._http = http
        self._content = content
        self._blob = f"/v2/{name}/blobs/{digest_of(content)}"
        self._location = ""
        self.method = method
        if method == "POST":
            self.target = f"/v2/{name}/blobs/uploads/?digest={digest_of(content)}"
        else:
            self._location = start_upload(http, name)
            self.target = self._location if method == "PATCH" else with_digest(self._location, digest_of(content))

    def head(self, **headers: str | int) -> bytes:
        return head(self.method, self.target, content_length=len(self._content), **headers)

    def check(self, answer: Answer) -> None:
        assert answer.status == (202 if self.method == "PATCH" else 201), answer
        if self.method == "PATCH":
            assert answer.headers.get("range") == f"0-{len(self._content) - 1}"
            finish(self._http, self._location, self._content)
        found = self._http.get(self._blob)
        assert found.status_code == 200
        assert found.content == self._content


def alive(connection: Wire, http: httpx.Client) -> None:
    """What comes next on the connection is read as a request of its own."""
    connection.send(head("GET", "/v2/"))
    answer = connection.answer()
    assert (answer.status, answer.body) == (200, http.get("/v2/").content)


# In segments of any kind

Way = Callable[[Wire, bytes, bytes], None]


def in_one_piece(connection: Wire, opening: bytes, body: bytes) -> None:
    connection.send(opening, body)


def head_first(connection: Wire, opening: bytes, body: bytes) -> None:
    connection.send(opening)
    time.sleep(PAUSE)
    connection.send(body)


def with_pauses(connection: Wire, opening: bytes, body: bytes) -> None:
    third = len(body) // 3
    connection.send(opening, body[:third])
    time.sleep(PAUSE)
    connection.send(body[third:-third])
    time.sleep(PAUSE)
    connection.send(body[-third:])


def byte_by_byte_at_the_borders(connection: Wire, opening: bytes, body: bytes) -> None:
    connection.send(opening[:-1])
    single(connection, opening[-1:] + body[:3])
    connection.send(body[3:-3])
    single(connection, body[-3:])


def single(connection: Wire, content: bytes) -> None:
    for byte in content:
        connection.send(bytes([byte]))
        time.sleep(0.003)


@pytest.mark.parametrize("way", [in_one_piece, head_first, with_pauses, byte_by_byte_at_the_borders])
@pytest.mark.parametrize("method", METHODS)
def test_a_body_in_segments(
    method: str, way: Way, content: bytes, connection: Wire, http: httpx.Client, name: str
) -> None:
    push = Push(http, name, method, content)
    way(connection, push.head(), content)
    push.check(connection.answer())
    alive(connection, http)


@pytest.mark.spec("UPLOAD-44")
@pytest.mark.parametrize("method", METHODS)
def test_a_body_that_waits_for_leave(
    method: str, content: bytes, connection: Wire, http: httpx.Client, name: str
) -> None:
    push = Push(http, name, method, content)
    connection.send(push.head(expect="100-continue"))
    assert connection.answer().status == 100
    connection.send(content)
    push.check(connection.answer())
    alive(connection, http)


@pytest.mark.parametrize("method", METHODS)
def test_a_body_that_does_not_wait_for_leave(
    method: str, content: bytes, connection: Wire, http: httpx.Client, name: str
) -> None:
    """It may be told to go on all the same, as long as its body was not there."""
    push = Push(http, name, method, content)
    connection.send(push.head(expect="100-continue"), content)
    answer = connection.answer()
    push.check(connection.answer() if answer.status == 100 else answer)
    alive(connection, http)


@pytest.mark.parametrize("method", METHODS)
def test_a_body_in_chunked_transfer_coding(
    method: str, content: bytes, connection: Wire, http: httpx.Client, name: str
) -> None:
    push = Push(http, name, method, content)
    pieces = [content[:1], content[1:100_000], content[100_000:-1], content[-1:]]
    connection.send(head(method, push.target, transfer_encoding="chunked"), chunked(*pieces), head("GET", "/v2/"))
    push.check(connection.answer())
    assert connection.answer().status == 200


@pytest.mark.parametrize("method", METHODS)
def test_a_body_of_a_request_with_a_whole_url(
    method: str, content: bytes, connection: Wire, http: httpx.Client, name: str
) -> None:
    push = Push(http, name, method, content)
    opening = push.head()
    path = opening.split(b" ", 2)[1]
    connection.send(opening.replace(path, b"http://registry.example" + path, 1), content)
    push.check(connection.answer())
    alive(connection, http)


# Between other requests


@pytest.mark.spec("UPLOAD-45")
@pytest.mark.parametrize("method", METHODS)
def test_a_body_between_other_requests(
    method: str, content: bytes, connection: Wire, http: httpx.Client, name: str
) -> None:
    """All in one piece: the request behind it begins in the segment in which the body ends."""
    push = Push(http, name, method, content)
    before, behind = head("GET", "/v2/"), head("GET", f"/v2/{name}/blobs/{digest_of(b'none')}")
    connection.send(before, push.head(), content, behind, before)
    assert connection.answer().status == 200
    push.check(connection.answer())
    assert connection.answer().status == 404
    assert connection.answer().status == 200


@pytest.mark.spec("UPLOAD-45")
@pytest.mark.parametrize("pause", [0, PAUSE], ids=["at once", "with a pause"])
def test_a_body_whose_end_comes_with_the_next_request(
    pause: float, content: bytes, connection: Wire, http: httpx.Client, name: str
) -> None:
    push = Push(http, name, "PATCH", content)
    connection.send(push.head(), content[:-1])
    time.sleep(pause)
    connection.send(content[-1:], head("GET", "/v2/")[:10])
    time.sleep(pause)
    connection.send(head("GET", "/v2/")[10:])
    push.check(connection.answer())
    assert connection.answer().status == 200


@pytest.mark.spec("UPLOAD-45")
@pytest.mark.parametrize("sizes", [(LARGE, LARGE), (TAPPED_FROM, 1), (1, TAPPED_FROM), (LARGE, TAPPED_FROM - 1)])
def test_bodies_one_behind_the_other(sizes: tuple[int, int], connection: Wire, http: httpx.Client, name: str) -> None:
    """Two chunks of a session and the PUT that closes it, sent ahead in one piece."""
    first, second = map(random_blob, sizes)
    last = random_blob(TAPPED_FROM)
    whole = first + second + last
    location = start_upload(http, name)
    connection.send(
        *(head("PATCH", location, content_length=len(first)), first),
        *(head("PATCH", location, content_length=len(second)), second),
        *(head("PUT", with_digest(location, digest_of(whole)), content_length=len(last)), last),
        head("GET", f"/v2/{name}/blobs/{digest_of(whole)}"),
    )
    answers = [connection.answer() for _ in range(4)]
    assert [answer.status for answer in answers] == [202, 202, 201, 200]
    assert [answer.headers.get("range") for answer in answers[:2]] == [
        f"0-{len(first) - 1}",
        f"0-{len(first) + len(second) - 1}",
    ]
    assert answers[3].body == whole


# Refused


REFUSED = {"out of order": 416, "of an unknown session": 404, "with another digest": 400, "of a wrong name": 400}


@pytest.mark.parametrize("ahead", [True, False], ids=["sent ahead", "sent after"])
@pytest.mark.parametrize("what", REFUSED)
def test_a_refused_body_is_no_request(
    what: str, ahead: bool, content: bytes, connection: Wire, http: httpx.Client, name: str
) -> None:
    """Its bytes, which look like requests, are passed over; the connection goes on behind them."""
    location = start_upload(http, name)
    line = head("DELETE", location)
    body = (line * (len(content) // len(line) + 1))[: len(content)]
    wrong = with_digest(location, digest_of(content))
    method, target = {
        "of an unknown session": ("PATCH", f"{location}0"),
        "with another digest": ("PUT", wrong),
        "of a wrong name": ("PUT", wrong.replace("/v2/", "/v2/Not/")),
    }.get(what, ("PATCH", location))
    place = {"content_range": f"7-{6 + len(body)}"} if what == "out of order" else {}
    opening = head(method, target, content_length=len(body), **place)
    behind = head("GET", location)
    if ahead:
        connection.send(opening, body, behind)
        assert connection.answer().status == REFUSED[what]
    else:
        connection.send(opening, body)
        assert connection.answer().status == REFUSED[what]
        connection.send(behind)
    # The session that was to be deleted is still there, but where its digest was wrong.
    assert connection.answer().status == (404 if what == "with another digest" else 204)
    push = Push(http, name, "PATCH", content)
    connection.send(push.head(), content)
    push.check(connection.answer())


@pytest.mark.parametrize("pause", [0, PAUSE], ids=["at once", "with a pause"])
@pytest.mark.parametrize("method", METHODS)
def test_a_body_that_is_refused_in_the_middle(method: str, pause: float, cramped: Server, name: str) -> None:
    """Its rest is passed over, wherever in it the refusal comes."""
    with httpx.Client(base_url=cramped.url) as http, Wire(cramped.url) as connection:
        location = start_upload(http, name)
        line = head("DELETE", location)
        body = line * (2 * LARGE // len(line))
        target = {"PATCH": location, "PUT": with_digest(location, digest_of(body))}.get(
            method, f"/v2/{name}/blobs/uploads/?digest={digest_of(body)}"
        )
        connection.send(head(method, target, content_length=len(body)), body[:LARGE])
        time.sleep(pause)
        connection.send(body[LARGE:], head("GET", location))
        assert connection.answer().status == 507
        answer = connection.answer()
        assert (answer.status, answer.headers.get("range")) == (204, "0--1")
        alive(connection, http)


@pytest.fixture(scope="module")
def cramped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that may not write files as long as the bodies are."""
    with running(tmp_path_factory.mktemp("cramped"), "--workers", "1") as server:
        (pid,) = server.workers()
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (LARGE // 2, resource.RLIM_INFINITY))
        yield server


# Cut off


def reset(connection: Wire) -> None:
    reset_at_close(connection.socket)
    connection.close()


@pytest.mark.spec("UPLOAD-40")
@pytest.mark.parametrize("early", [1000, TAPPED_FROM // 2, TAPPED_FROM - 2], ids=str)
@pytest.mark.parametrize("before", [0, 1000, TAPPED_FROM], ids=["at the start", "after a little", "after much"])
def test_of_a_body_that_is_cut_off_what_came_counts(
    before: int, early: int, content: bytes, connection: Wire, http: httpx.Client, name: str
) -> None:
    whole = random_blob(before) + content
    location = start_upload(http, name)
    assert http.patch(location, content=whole[:before]).status_code == 202
    connection.send(head("PATCH", location, content_length=len(content)), content[:early])
    connection.close()
    assert soon(lambda: arrived(http, location) == before + early)
    answer = http.patch(location, content=content[early:])
    assert answer.status_code == 202
    finish(http, location, whole)


@pytest.mark.spec("UPLOAD-40")
def test_of_a_body_that_is_reset_no_wrong_byte_counts(
    content: bytes, connection: Wire, http: httpx.Client, name: str
) -> None:
    """What was on its way may be lost, and the client is told from where to go on."""
    location = start_upload(http, name)
    half = len(content) // 2
    connection.send(head("PATCH", location, content_length=len(content)), content[:half])
    time.sleep(PAUSE)
    reset(connection)
    assert soon(lambda: arrived(http, location) > 0)
    size = arrived(http, location)
    assert size <= half
    finish(http, location, content, content[size:])


@pytest.mark.spec("UPLOAD-42")
@pytest.mark.parametrize("end", [Wire.close, reset], ids=["closed", "reset"])
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_blob_that_is_cut_off_is_none(
    method: str, end: Callable[[Wire], None], content: bytes, connection: Wire, http: httpx.Client, name: str
) -> None:
    push = Push(http, name, method, content)
    connection.send(push.head(), content[:-1])
    time.sleep(PAUSE)
    end(connection)
    for digest in (digest_of(content), digest_of(content[:-1])):
        assert http.head(f"/v2/{name}/blobs/{digest}").status_code == 404
    assert http.post(f"/v2/{name}/blobs/uploads/?digest={digest_of(content)}", content=content).status_code == 201
    assert http.get(f"/v2/{name}/blobs/{digest_of(content)}").content == content
