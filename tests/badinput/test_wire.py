"""Requests that are no HTTP, or that two readers would understand differently: refused, and the connection closed."""

import time

import pytest

from tests.badinput.conftest import CANARY, Site
from tests.badinput.rules import all_obey
from tests.speak.client import open_socket, read_all
from tests.speak.content import OCI_INDEX, digest_of, index
from tests.speak.wire import HOST, PING, request, talk

POST = b"POST /v2/fuzz/blobs/uploads/ HTTP/1.1\r\n" + HOST
GET = b"GET /v2/ HTTP/1.1\r\n" + HOST
EVIL = b"DELETE /v2/" + CANARY.encode() + b"/manifests/latest HTTP/1.1\r\n" + HOST + b"\r\n"
"""What a smuggler would like to have run: the canary must survive it."""

CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

REFUSED = {
    "length-and-coding": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding-and-length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "coding-not-last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "coding-unknown": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding-twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding-then-identity": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "coding-blank-before-colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "coding-tab": POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "coding-folded": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "coding-empty": POST + b"Transfer-Encoding:\r\n\r\n",
    "folded-header": GET + b"X: a\r\n b\r\n\r\n",
    "bare-line-feeds": b"GET /v2/ HTTP/1.1\nHost: x\n\n",
    "bare-line-feed": GET + b"X: a\nY: b\r\n\r\n",
    "bare-carriage-return": GET + b"X: a\rY: b\r\n\r\n",
    "nul-in-value": GET + b"X: a\0b\r\n\r\n",
    "nul-in-name": GET + b"X\0: b\r\n\r\n",
    "nul-in-path": b"GET /v2/\0 HTTP/1.1\r\n" + HOST + b"\r\n",
    "blank-before-colon": GET + b"X : y\r\n\r\n",
    "blank-before-first-header": b"GET /v2/ HTTP/1.1\r\n Host: x\r\n\r\n",
    "nameless-header": GET + b": x\r\n\r\n",
    "host-with-a-blank": b"GET /v2/ HTTP/1.1\r\nHost: a b\r\n\r\n",
    "host-with-a-path": b"GET /v2/ HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "host-with-a-user": b"GET /v2/ HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "http-2-in-words": b"GET /v2/ HTTP/2.0\r\n" + HOST + b"\r\n",
    "http-0.9": b"GET /v2/ HTTP/0.9\r\n" + HOST + b"\r\n",
    "no-host": b"GET /v2/ HTTP/1.1\r\n\r\n",
    "two-hosts": GET + HOST + b"\r\n",
    "length-negative": POST + b"Content-Length: -5\r\n\r\n",
    "length-signed": POST + b"Content-Length: +5\r\n\r\nabcde",
    "length-huge": POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "length-beyond-64-bits": POST + b"Content-Length: 18446744073709551616\r\n\r\n",
    "length-hexadecimal": POST + b"Content-Length: 0x5\r\n\r\nabcde",
    "length-empty": POST + b"Content-Length:\r\n\r\n",
    "length-twice": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
    "lengths-differ": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
    "length-list": POST + b"Content-Length: 5, 5\r\n\r\nabcde",
    "length-underscore": POST + b"Content-Length: 5_0\r\n\r\nabcde",
    "chunk-overflow": CHUNKED + b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "chunk-negative": CHUNKED + b"-1\r\nabc\r\n0\r\n\r\n",
    "chunk-prefixed": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "chunk-blank": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "chunk-line-feeds": CHUNKED + b"3\nabc\n0\n\n",
    "chunk-extension-line-feed": CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "chunk-too-long": CHUNKED + b"3\r\nabcdef\r\n0\r\n\r\n",
    "chunk-no-size": CHUNKED + b"\r\nabc\r\n0\r\n\r\n",
    "coding-unknown-alone": POST + b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "coding-in-http-1.0": POST.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "line-feed-behind-a-chunk-size": CHUNKED + b"1\nx\r\n0\r\n\r\n",
    "chunk-longer-than-its-size": CHUNKED + b"1\r\nxy\r\n0\r\n\r\n",
    "trailer-without-colon": CHUNKED + b"0\r\nnothing\r\n\r\n",
    "http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http-9": b"GET /v2/ HTTP/9.9\r\n" + HOST + b"\r\n",
    "lower-case-method": b"get /v2/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "unknown-method": b"BREW /v2/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "connect": b"CONNECT registry:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "connect-to-a-path": b"CONNECT /v2/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "query-without-path": b"GET ?n=1 HTTP/1.1\r\n" + HOST + b"\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50),
    "bytes-in-path": b"GET /v2/\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
    "bytes-in-query": b"GET /v2/_catalog?n=\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "blank-in-path": b"GET /v2/a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "path-of-70000": b"GET /v2/" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "not-http": b"\xde\xad\xbe\xef" * 10 + b"\r\n\r\n",
    "garbage": b"one two three four\r\n\r\n",
}


@pytest.mark.parametrize("shape", REFUSED)
def test_refused_and_closed(site: Site, shape: str) -> None:
    """At most one success before it (a session that a complete head has started), then 400 and the end."""
    found = talk(site.url, REFUSED[shape] + EVIL + PING, ["GET", "DELETE", "GET"])
    all_obey(["GET", "DELETE", "GET"], found)
    assert found.statuses == [400]
    assert found.closed


HEADS = {
    "many-headers": GET + b"".join(b"X%d: y\r\n" % number for number in range(100_000)) + b"\r\n",
    "long-header": GET + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "long-name": GET + b"X" * 1_000_000 + b": a\r\n\r\n",
    "long-path": b"GET /v2/" + b"a" * 1_000_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "long-query": b"GET /v2/_catalog?" + b"a" * 1_000_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
}


@pytest.mark.spec("CONNECTION-8")
@pytest.mark.parametrize(("lines", "status"), [(498, 200), (499, 431), (5000, 431)])
def test_lines_of_headers_are_counted(site: Site, lines: int, status: int) -> None:
    """Beside the two others that this request has."""
    found = talk(site.url, GET + b"a:b\r\n" * lines + b"c: d\r\n\r\n", ["GET"])
    assert found.statuses == [status]


@pytest.mark.parametrize("shape", HEADS)
def test_heads_are_bounded(site: Site, shape: str) -> None:
    found = talk(site.url, [HEADS[shape][at : at + 10_000] for at in range(0, len(HEADS[shape]), 10_000)])
    all_obey(["GET"], found)
    # Closing with bytes unread may take the answer away again.
    assert found.statuses in ([431], [])


@pytest.mark.parametrize("line", [b"X: " + b"y" * 1000 + b"\r\n", b"y" * 1000], ids=["many", "long"])
@pytest.mark.parametrize("place", [b"0\r\n", b"0\r\nX: ", b"1;"], ids=["trailers", "trailer", "extension"])
def test_what_stands_beside_a_chunked_body_is_bounded(site: Site, place: bytes, line: bytes) -> None:
    """Trailers without an end are cut off long before they fill the memory."""
    with open_socket(site.url, 8) as connection:
        connection.sendall(
            request("PUT", "/v2/fuzz/manifests/t", b"Transfer-Encoding: chunked") + b"1\r\n{\r\n" + place
        )
        with pytest.raises(ConnectionError):
            connection.sendall(line * (20_000_000 // len(line)))


SERVED = {
    "trailer-with-length": (CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n", "POST", 202),
    "trailer-that-closes": (CHUNKED + b"0\r\nConnection: close\r\n\r\n", "POST", 202),
    "absolute-without-path": (b"GET http://registry HTTP/1.1\r\n" + HOST + b"\r\n", "GET", 404),
    "chunked": (CHUNKED + b"3;a=b\r\nabc\r\n0\r\nX-Trailer: y\r\n\r\n", "POST", 202),
    "leading-lines": (b"\r\n\r\n" + PING, "GET", 200),
    "body-of-a-get": (GET + b"Content-Length: 3\r\n\r\nabc", "GET", 200),
    "absolute": (b"GET http://elsewhere/v2/ HTTP/1.1\r\n" + HOST + b"\r\n", "GET", 200),
    "absolute-https": (b"GET https://user@[::1]:80/v2/ HTTP/1.1\r\n" + HOST + b"\r\n", "GET", 200),
    "fragment": (b"GET /v2/#x HTTP/1.1\r\n" + HOST + b"\r\n", "GET", 200),
    "h2c": (
        GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        "GET",
        200,
    ),
    "websocket": (GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n", "GET", 200),
    "expects-the-impossible": (GET + b"Expect: the-unexpected\r\n\r\n", "GET", 200),
    "head-of-nothing": (b"HEAD /v2/fuzz/manifests/none HTTP/1.1\r\n" + HOST + b"\r\n", "HEAD", 404),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", "OPTIONS", 404),
    "double-slash": (b"GET //v2/ HTTP/1.1\r\n" + HOST + b"\r\n", "GET", 404),
    "trace": (b"TRACE /v2/ HTTP/1.1\r\n" + HOST + b"X-Secret: s\r\n\r\n", "TRACE", 405),
    "propfind": (b"PROPFIND /v2/ HTTP/1.1\r\n" + HOST + b"\r\n", "PROPFIND", 405),
    "options": (b"OPTIONS /v2/ HTTP/1.1\r\n" + HOST + b"\r\n", "OPTIONS", 405),
    "patch-nowhere": (b"PATCH /v2/ HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n\r\nx", "PATCH", 405),
}


@pytest.mark.parametrize("shape", SERVED)
def test_served_and_kept_open(site: Site, shape: str) -> None:
    """What is odd but clear has one answer, and the next request has the next."""
    payload, method, status = SERVED[shape]
    found = talk(site.url, payload + PING, [method, "GET"])
    all_obey([method, "GET"], found)
    assert found.statuses == [status, 200]
    assert b"X-Secret" not in found.answers[0].body


@pytest.mark.parametrize("together", [True, False], ids=["one-piece", "two-pieces"])
def test_an_upgrade_does_not_turn_a_body_into_a_request(site: Site, together: bool) -> None:
    """The parser would skip the body of a request that would like to upgrade, and read it as the next request."""
    head = request("PUT", "/v2/fuzz/manifests/up", b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Type: text/plain")
    head = head.removesuffix(b"\r\n") + b"Content-Length: %d\r\n\r\n" % len(EVIL)
    pieces = [head + EVIL + PING] if together else [head, EVIL, PING]
    found = talk(site.url, pieces, ["PUT", "GET", "GET"][:2])
    all_obey(["PUT", "GET"], found)
    assert found.statuses == [400, 200]


def test_many_upgrades_at_once(site: Site) -> None:
    payload = GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    found = talk(site.url, payload * 1500, ["GET"] * 1500)
    assert set(found.statuses) == {200}


def test_a_push_that_would_like_to_upgrade_succeeds(site: Site) -> None:
    body = index([])
    kind = b"Content-Type: " + OCI_INDEX.encode()
    payload = request("PUT", "/v2/fuzz/manifests/h2c", kind, b"Connection: upgrade", b"Upgrade: h2c", body=body)
    assert talk(site.url, payload, ["PUT"]).statuses == [201]
    assert site.ask("GET", "/v2/fuzz/manifests/h2c").body == body


def test_trailers_are_not_headers(site: Site) -> None:
    """A trailer must not say what a header may: here a condition that does not hold."""
    body = index([], annotations={"of": "trailers"})
    kind = b"Content-Type: " + OCI_INDEX.encode()
    head = request("PUT", "/v2/fuzz/manifests/trailers", kind, b"Transfer-Encoding: chunked")
    chunks = b"%x\r\n%s\r\n0\r\nIf-Match: nothing\r\nContent-Type: a/b\r\n\r\n" % (len(body), body)
    found = talk(site.url, head + chunks + PING, ["PUT", "GET"])
    assert found.statuses == [201, 200]


def test_garbage_does_not_get_into_an_answer_under_way(site: Site) -> None:
    """A download whose connection turns bad meanwhile has its own last byte before anything is said of that."""
    content = bytes(24_000_000)
    digest = digest_of(content)
    assert site.ask("POST", f"/v2/fuzz/blobs/uploads/?digest={digest}", body=content).status == 201
    received = bytearray()
    with open_socket(site.url, 8) as connection:
        connection.sendall(request("GET", f"/v2/fuzz/blobs/{digest}"))
        received += connection.recv(1000)
        connection.sendall(b"garbage \r\n\r\n")
        time.sleep(0.05)
        received += read_all(connection)
    body = received.partition(b"\r\n\r\n")[2]
    assert body[: len(content)] == content
    assert body[len(content) :].startswith(b"HTTP/1.1 400 ")


def test_garbage_after_a_request_does_not_take_its_answer(site: Site) -> None:
    found = talk(site.url, PING + b"garbage \r\n\r\n", ["GET", "GET", "GET"])
    assert found.statuses == [200, 400]
    assert found.closed


def test_a_body_that_stalls_is_given_up(site: Site) -> None:
    """408 after the time that the operator set, here two seconds."""
    found = talk(site.url, request("PUT", "/v2/fuzz/manifests/t", b"Content-Length: 10") + b"{", ["PUT"])
    all_obey(["PUT"], found)
    assert found.statuses == [408]


@pytest.mark.slow
@pytest.mark.parametrize("begun", [b"", b"GET /v2/ HT", GET, PING + b"GET"], ids=["nothing", "line", "head", "second"])
def test_connections_that_never_finish_to_ask_are_closed(site: Site, begun: bytes) -> None:
    with open_socket(site.url, 100) as connection:
        connection.sendall(begun)
        read_all(connection)


@pytest.mark.slow
def test_a_connection_that_fell_silent_in_a_refused_body_is_closed(site: Site) -> None:
    with open_socket(site.url, 100) as connection:
        connection.sendall(request("PUT", "/v2/fuzz/manifests/.bad", b"Content-Length: 1000000"))
        assert connection.recv(10_000).startswith(b"HTTP/1.1 400")
        connection.sendall(b"{")
        read_all(connection)
