"""Paths, methods, queries and headers of every kind over every route."""

import json
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import strategies as st

from registry.http.row import Row
from registry.routes import ROUTES
from tests.badinput.conftest import CANARY, PLAYGROUND, Site
from tests.badinput.fuzz import fuzz
from tests.badinput.rules import all_obey
from tests.speak.content import OCI_INDEX, digest_of, index
from tests.speak.ugly import DIGEST
from tests.speak.wire import request, talk

REPOSITORY = f"{PLAYGROUND}/requests"
CONTENT = b"some content" * 100
CHANGING = ("PUT", "POST", "PATCH")
METHODS = [
    "GET",
    "HEAD",
    "PUT",
    "POST",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "PROPFIND",
    "MKCOL",
    "PURGE",
    "M-SEARCH",
]

PIECES = [
    *("", ".", "..", "...", "~", "a", "A", "a__b", "a___b", "-a", "_a", "a-", "a.b", "é", "a" * 200, "a" * 300, "*"),
    *(
        "%2e%2e",
        "%2E%2E%2F",
        "..%2f..%2fetc",
        "%5c..",
        "%00",
        "%0a",
        "%0d%0aX:y",
        "%c0%ae",
        "%ed%a0%80",
        "%",
        "%zz",
        "%u002e",
    ),
    *("..;", "a;b", "a@b", "[::1]", "a,b", "a+b", "a=b", "'", '"', "\\..\\..", "|", "$(id)", "{name}", "C:"),
    *("etc", "passwd", "registry.db", "blobs", "uploads", "manifests", "tags", "list", "referrers", "_catalog", "v2"),
    *(
        DIGEST,
        DIGEST.upper(),
        "sha256:",
        "sha256:../../x",
        "md5:" + "0" * 32,
        "sha256%3A" + "a" * 64,
        "latest",
        ".",
        "1",
    ),
    *(
        "?",
        "??",
        "#",
        "?digest=" + DIGEST,
        "?n=1",
        "?n=-1",
        "?last=%00",
        "&",
        "fuzz/requests",
        "00000000-0000-0000-0000-0",
    ),
]
targets = st.builds(
    lambda start, pieces: (start + "/".join(pieces)).encode("utf-8"),
    st.sampled_from(
        ["/v2/", "/v2/", "/v2/", "/v2/", "/", "//v2/", "/v2//", "/V2/", "/v2/./", "/v1/", "/v2/../", "http://x/v2/"]
    ),
    st.lists(st.sampled_from(PIECES), max_size=7),
)


@fuzz(150, method=st.sampled_from(METHODS), target=targets, body=st.none() | st.binary(max_size=50))
def test_any_path(site: Site, method: str, target: bytes, body: bytes | None) -> None:
    found = talk(site.url, request(method, target, body=body), [method])
    all_obey([method], found)
    assert found.answers


TRAVERSALS = [
    "/v2/../../etc/passwd",
    "/v2/../secret",
    "/../secret",
    "//etc/passwd",
    "/v2//etc/passwd/manifests/latest",
    "/v2/a/../../secret/blobs/uploads/",
    "/v2/a/..%2f..%2f..%2fsecret/blobs/uploads/",
    "/v2/%2e%2e/%2e%2e/secret/manifests/latest",
    "/v2/..%252f..%252fsecret/manifests/latest",
    "/v2/a/blobs/sha256:../../../../secret",
    "/v2/a/blobs/sha256:..%2f..%2f..%2fsecret",
    "/v2/a/blobs/sha256%3A..%2f..%2fsecret",
    "/v2/a/blobs/uploads/../../../../secret",
    "/v2/a/blobs/uploads/..%2f..%2f..%2fsecret",
    "/v2/a/blobs/uploads/%00",
    "/v2/a%00/manifests/latest",
    "/v2/a/manifests/..%5c..%5csecret",
    "/v2/a/manifests/%c0%ae%c0%ae%c0%afsecret",
    "/v2/file:///etc/passwd/manifests/latest",
    "/v2/C:%5cWindows/manifests/latest",
    "/v2/./a/manifests/latest",
    "/v2/a/./manifests/latest",
    "/v2/~root/manifests/latest",
]


@pytest.mark.parametrize("target", TRAVERSALS)
def test_no_path_leaves_the_data_folder(site: Site, target: str) -> None:
    """Refused with 4xx; nothing is read, and what stands on the disk is the same (see `Site.intact`)."""
    before = {path: path.stat().st_size for path in site.root.rglob("*") if ".db" not in path.name}
    for method in ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"):
        reply = site.ask(method, target, body=b"evil" if method in CHANGING else None)
        assert 400 <= reply.status < 500
        assert b"root:" not in reply.body
        assert b"untouched" not in reply.body
    assert {path: path.stat().st_size for path in site.root.rglob("*") if ".db" not in path.name} == before


ENCODED = [
    "%63anary/image",
    "canary%2Fimage",
    "canary/%69mage",
    "canary/image%00",
    "canary//image",
    "canary/./image",
    "CANARY/image",
]


@pytest.mark.parametrize("name", [*ENCODED, "canary/image/", "/canary/image"])
def test_a_repository_has_one_spelling(site: Site, name: str) -> None:
    """What would pass a proxy's rule for another path must not reach this repository."""
    assert site.ask("GET", f"/v2/{CANARY}/tags/list").status == 200
    for path in ("tags/list", "manifests/latest", f"blobs/{next(iter(site.blobs))}"):
        assert site.ask("GET", f"/v2/{name}/{path}").status in (400, 404)


def called(row: Row) -> str:
    return f"{row.method}-{row.path}"


def filled(site: Site, row: Row) -> str:
    """The path of a route with something there to be found, or for an upload a session of its own."""
    reference = {"manifest": "v1", "upload": "", "blob": digest_of(CONTENT), "referrers": digest_of(CONTENT)}.get(
        row.name, ""
    )
    if row.name == "upload":
        location = site.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/").headers.get("location")
        assert location is not None
        reference = location.partition("?")[0].rpartition("/")[2]
    elif row.method == "GET" and row.name == "blob":
        site.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/?digest={reference}", body=CONTENT)
    elif row.method == "GET" and row.name in ("manifest", "tags"):
        site.ask("PUT", f"/v2/{REPOSITORY}/manifests/v1", b"Content-Type: " + OCI_INDEX.encode(), body=index([]))
    return row.path.replace("{name:path}", REPOSITORY).replace("{reference}", reference)


HEADERS = [
    *("Range", "Content-Range", "Content-Type", "If-Match", "If-None-Match", "If-Range", "If-Modified-Since", "Accept"),
    *(
        "Accept-Encoding",
        "Content-Encoding",
        "Authorization",
        "Cookie",
        "Expect",
        "Connection",
        "Upgrade",
        "TE",
        "Trailer",
    ),
    *(
        "X-Forwarded-For",
        "X-Forwarded-Prefix",
        "X-Forwarded-Proto",
        "Forwarded",
        "X-HTTP-Method-Override",
        "X-Request-Id",
    ),
    *(
        "Digest",
        "Origin",
        "Referer",
        "User-Agent",
        "Max-Forwards",
        "Prefer",
        "Via",
        "Keep-Alive",
        "Warning",
        "Date",
        "Link",
    ),
]
VALUES = st.one_of(
    st.binary(max_size=60).map(lambda value: value.translate(None, b"\r\n\0")),
    st.sampled_from(
        [
            *(
                b"",
                b" ",
                b"\xff\xfe\xfd",
                "é".encode(),
                b"a" * 5000,
                b"\t",
                b"%s%n",
                b"*",
                b'"',
                b'W/"',
                b"," * 500,
                b"0" * 400,
            ),
            *(
                b"bytes=0-",
                b"bytes=-0",
                b"bytes=-1",
                b"bytes=5-2",
                b"bytes=0-0,1-1",
                b"bytes=99999999999999999999-",
                b"bytes=",
            ),
            *(
                b"bytes=" + b"0-," * 2000,
                b"bytes=0-0," * 3,
                b"lines=1-2",
                b"bytes=a-b",
                b"0-4",
                b"5-1",
                b"-",
                b"0--1",
                b"bytes 0-4/5",
            ),
            *(b"18446744073709551616-18446744073709551617", b"9223372036854775807-9223372036854775808", "٣-٤".encode()),
            *(
                b"100-continue",
                b"close",
                b"keep-alive",
                b"upgrade",
                b"h2c",
                b"websocket",
                b"chunked",
                b"trailers",
                b"gzip",
            ),
            *(
                b"application/json; charset=\xff",
                b"a/b",
                b"a" * 3000 + b"/b",
                b"../../x",
                b"Basic ====",
                b"Bearer \xff",
                b"DELETE",
            ),
        ]
    ),
)
header_lines = st.lists(
    st.tuples(st.sampled_from(HEADERS) | st.from_regex(r"[A-Za-z!#$%&'*+.^_`|~-]{1,40}", fullmatch=True), VALUES),
    max_size=6,
)
rows = st.sampled_from(ROUTES)


@fuzz(150, row=rows, lines=header_lines, body=st.binary(max_size=30))
def test_any_header(site: Site, row: Row, lines: list[tuple[str, bytes]], body: bytes) -> None:
    """Values that HTTP forbids are refused, all others answered as what they are to this route."""
    headers = [name.encode() + b": " + value for name, value in lines]
    payload = request(row.method, filled(site, row), *headers, body=body if row.method in CHANGING else None)
    found = talk(site.url, payload, [row.method])
    all_obey([row.method], found)
    assert found.answers


@pytest.mark.parametrize("row", [row for row in ROUTES if row.method in ("GET", "PUT")], ids=called)
def test_repeated_headers(site: Site, row: Row) -> None:
    """The same header a thousand times."""
    target, body = filled(site, row), b"x" if row.method == "PUT" else None
    for name in HEADERS:
        payload = request(row.method, target, *[name.encode() + b": bytes=0-0"] * 1000, body=body)
        found = talk(site.url, payload, [row.method])
        all_obey([row.method], found)
        assert found.answers


QUERIES = [
    "n",
    "last",
    "digest",
    "digest-algorithm",
    "mount",
    "from",
    "tag",
    "artifactType",
    "after",
    "",
    "N",
    "digest[]",
    "_state",
]
query_values = st.one_of(
    st.binary(max_size=30).map(quote_from_bytes),
    st.sampled_from(
        [
            *(
                "",
                "0",
                "-1",
                "1",
                "1e9",
                "0x10",
                "+1",
                "1_0",
                "%D9%A3",
                "9" * 19,
                "9" * 20,
                "9" * 4000,
                "%00",
                "%",
                "%zz",
                "%ff",
            ),
            *(
                "..",
                "../..",
                "%2e%2e%2f",
                DIGEST,
                DIGEST.upper(),
                "sha256:",
                "sha512:" + "0" * 128,
                "md5:0",
                "sha256",
                "sha512",
                "a" * 3000,
            ),
            *(
                "fuzz/requests",
                "no/such",
                "A",
                "a+b",
                "a%20b",
                "%ed%a0%80",
                "%f0%9f%92%a9",
                "application/x+json",
                "'--",
                "1;n=2",
                "=",
                "==&&",
            ),
        ]
    ),
)
queries = st.lists(st.tuples(st.sampled_from(QUERIES), query_values), max_size=5).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
)


@fuzz(150, row=rows, query=queries, body=st.binary(max_size=30))
def test_any_query(site: Site, row: Row, query: str, body: bytes) -> None:
    site.ask(row.method, f"{filled(site, row)}?{query}", body=body if row.method in CHANGING else None)


@pytest.mark.parametrize("row", ROUTES, ids=called)
def test_queries_with_many_parameters(site: Site, row: Row) -> None:
    for count in (101, 499, 501, 5000):
        query = "&".join(f"tag=t{number}" for number in range(count))
        site.ask(row.method, f"{filled(site, row)}?{query}", body=b"{}" if row.method in CHANGING else None)


@pytest.mark.parametrize("row", ROUTES, ids=called)
def test_every_method_on_every_path(site: Site, row: Row) -> None:
    """405 with what is allowed, for all methods that the path does not have."""
    allowed = {other.method for other in ROUTES if other.path == row.path}
    for method in METHODS:
        if method not in allowed:
            reply = site.ask(method, filled(site, row))
            assert reply.status == 405
            assert set((reply.headers.get("allow") or "").split(", ")) == allowed
            if method != "HEAD":
                assert json.loads(reply.body)["errors"][0]["code"] == "UNSUPPORTED"
