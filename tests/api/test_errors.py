"""spec/base.md: every error has one form, and what is no request disturbs nobody."""

import json
from urllib.parse import urlsplit

import httpx
import pytest

from registry.routes import ROUTES
from tests.server import Server
from tests.speak.client import open_socket
from tests.speak.content import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST, digest_of, image
from tests.speak.requests import errors, put_manifest, start_upload
from tests.speak.wire import answer_to, ask

CODES = {
    "BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED", "DENIED",
    "UNSUPPORTED", "TOOMANYREQUESTS",
}  # fmt: skip
UNKNOWN = "sha256:" + "0" * 64
SESSION = "b6ef9fca-5f70-4a3b-8b8f-5f8d3d1b4f4a"
PATHS = sorted({row.path for row in ROUTES})
METHODS = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "LINK", "M-SEARCH"]

FAILURES = [
    ("GET", "/nowhere", 404, "UNSUPPORTED"),
    ("GET", "/v2/{name}/tags/list", 404, "NAME_UNKNOWN"),
    ("GET", "/v2/{name}/manifests/v1", 404, "MANIFEST_UNKNOWN"),
    ("GET", "/v2/{name}/manifests/" + UNKNOWN, 404, "MANIFEST_UNKNOWN"),
    ("DELETE", "/v2/{name}/manifests/v1", 404, "MANIFEST_UNKNOWN"),
    ("DELETE", "/v2/{name}/manifests/" + UNKNOWN, 404, "MANIFEST_UNKNOWN"),
    ("GET", "/v2/{name}/blobs/" + UNKNOWN, 404, "BLOB_UNKNOWN"),
    ("DELETE", "/v2/{name}/blobs/" + UNKNOWN, 404, "BLOB_UNKNOWN"),
    ("GET", "/v2/{name}/blobs/uploads/" + SESSION, 404, "BLOB_UPLOAD_UNKNOWN"),
    ("PATCH", "/v2/{name}/blobs/uploads/" + SESSION, 404, "BLOB_UPLOAD_UNKNOWN"),
    ("PUT", "/v2/{name}/blobs/uploads/" + SESSION + "?digest=" + UNKNOWN, 404, "BLOB_UPLOAD_UNKNOWN"),
    ("DELETE", "/v2/{name}/blobs/uploads/" + SESSION, 404, "BLOB_UPLOAD_UNKNOWN"),
    ("POST", "/v2/{name}/blobs/uploads/?digest=" + UNKNOWN, 400, "DIGEST_INVALID"),
    ("PUT", "/v2/{name}/manifests/" + UNKNOWN, 400, "DIGEST_INVALID"),
    ("PUT", "/v2/{name}/manifests/v1", 400, "MANIFEST_INVALID"),
    ("GET", "/v2/{name}/referrers/x", 400, "DIGEST_INVALID"),
    ("GET", "/v2/_catalog?n=x", 400, "UNSUPPORTED"),
    ("PUT", "/v2/UPPER/manifests/v1", 400, "NAME_INVALID"),
    ("PUT", "/v2/{name}/tags/list", 405, "UNSUPPORTED"),
]


@pytest.mark.spec("BASE-19", "BASE-20", "BASE-21")
@pytest.mark.parametrize(("method", "path", "status", "code"), FAILURES)
def test_an_error_has_one_form(http: httpx.Client, name: str, method: str, path: str, status: int, code: str) -> None:
    answer = http.request(method, path.format(name=name))
    assert (answer.status_code, errors(answer)) == (status, [code])
    body = answer.json()
    assert set(body) == {"errors"}
    assert all(isinstance(text, str) for error in body["errors"] for text in error.values())
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.spec("BASE-20")
@pytest.mark.parametrize("path", PATHS)
def test_no_code_is_of_our_own_making(http: httpx.Client, name: str, path: str) -> None:
    for reference in (UNKNOWN, "x", "sha256:x", "v1?n=-1&tag=v&digest=x&mount=x", "v1?artifactType=%ff"):
        for method in METHODS:
            answer = http.request(method, path.replace("{name:path}", name).replace("{reference}", reference))
            if answer.status_code >= 400 and method != "HEAD":
                assert set(errors(answer)) <= CODES, (method, reference)


@pytest.mark.spec("BASE-19")
def test_a_request_wrong_in_many_ways_is_refused_once(server: Server) -> None:
    answer = ask(server.url, "PUT", f"/v2/{'n' * 256}/manifests/.bad?tag=.bad&n=x", body=b"{")
    assert answer.codes == ["NAME_INVALID"]
    json.loads(answer.body)


@pytest.mark.spec("BASE-22")
@pytest.mark.parametrize(
    "path",
    ["/", "/v1/", "/v2/x", "/v2/_nope", "/v2/{name}", "/v2/{name}/manifests", "/v2/{name}/manifests/",
     "/v2/{name}/tags", "/v2/{name}/blobs/", "/v2/{name}/tags/list/more", "/v2/_catalog/", "/favicon.ico",
     "/v2/{name}/_ext/x"],
)  # fmt: skip
def test_what_is_no_endpoint_is_not_found(http: httpx.Client, name: str, path: str) -> None:
    for method in METHODS:
        answer = http.request(method, path.format(name=name))
        assert answer.status_code == 404, method
        assert method == "HEAD" or errors(answer) == ["UNSUPPORTED"]


@pytest.mark.spec("BASE-23")
@pytest.mark.parametrize("path", PATHS)
def test_a_method_that_an_endpoint_lacks_is_not_allowed(http: httpx.Client, name: str, path: str) -> None:
    has = {row.method for row in ROUTES if row.path == path}
    url = path.replace("{name:path}", name).replace("{reference}", UNKNOWN)
    for method in METHODS:
        if method not in has:
            answer = http.request(method, url)
            assert answer.status_code == 405, method
            assert method == "HEAD" or errors(answer) == ["UNSUPPORTED"]
            assert set(answer.headers["allow"].split(", ")) == has


@pytest.mark.spec("BASE-24")
@pytest.mark.parametrize("query", ["last=%ff", "last=%C3", "artifactType=%80"])
@pytest.mark.parametrize("path", ["/v2/_catalog", "/v2/{name}/tags/list", "/v2/{name}/referrers/" + UNKNOWN])
def test_a_query_that_cannot_be_read_is_refused(http: httpx.Client, name: str, path: str, query: str) -> None:
    put_manifest(http, name, "v1", image())
    answer = http.get(path.format(name=name) + "?" + query)
    assert (answer.status_code, errors(answer)) == (400, ["UNSUPPORTED"])


@pytest.mark.spec("BASE-24")
def test_a_query_of_too_many_parameters_is_refused(http: httpx.Client, name: str) -> None:
    put_manifest(http, name, "v1", image())
    fitting = "n=1&" + "&".join(["x=1"] * 499)
    assert http.get(f"/v2/{name}/tags/list?{fitting}").status_code == 200
    answer = http.get(f"/v2/{name}/tags/list?{fitting}&x=1")
    assert (answer.status_code, errors(answer)) == (414, ["UNSUPPORTED"])


@pytest.mark.spec("BASE-25")
@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /v2/ HTTP/9.9.9\r\n\r\n",
        b"NOSUCHMETHOD /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /v2/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PUT /v2/a/manifests/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"GET http://[::/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00" * 100 + b"\r\n\r\n",
    ],
    ids=range(13),
)
def test_what_is_no_request_is_refused(server: Server, http: httpx.Client, data: bytes) -> None:
    answer = answer_to(server.url, data)
    assert (answer.status, answer.codes) == (400, ["UNSUPPORTED"])
    assert answer.headers["connection"] == "close"
    assert http.get("/v2/").status_code == 200


@pytest.mark.spec("BASE-25")
@pytest.mark.parametrize(
    ("data", "method"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "-"),
        (b"\r\n\r\nhello\r\n\r\n", "-"),
        (b"get /v2/ HTTP/1.1\r\n\r\n", "-"),
        (b"GETTER /v2/ HTTP/1.1\r\n\r\n", "-"),
        (b"\r\nGET /v2/ HTTP/9.9.9\r\n\r\n", "GET"),
        (b"DELETE /v2/\xff HTTP/1.1\r\n\r\n", "DELETE"),
    ],
    ids=range(6),
)
def test_the_log_tells_no_method_that_nobody_sent(server: Server, data: bytes, method: str) -> None:
    """The parser's first method is DELETE, which an operator would ask about."""
    request = answer_to(server.url, data).headers["x-request-id"]
    assert server.wait_for_output(f"id={request}\n")
    assert f" 400 {method} - " in next(line for line in server.output.splitlines() if line.endswith(f"id={request}"))


@pytest.mark.spec("BASE-25")
def test_a_body_whose_chunks_are_garbage_is_stored_nowhere(server: Server, http: httpx.Client, name: str) -> None:
    location = urlsplit(start_upload(http, name)).path
    head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer_to(server.url, head.encode() + b"5\r\nhello\r\nzz\r\n\r\n", "PATCH")
    assert http.get("/v2/").status_code == 200
    assert "Traceback" not in server.output


@pytest.mark.spec("BASE-25")
def test_a_client_that_leaves_in_the_middle_disturbs_nobody(server: Server, http: httpx.Client, name: str) -> None:
    for part in (
        b"",
        b"GE",
        b"GET /v2/ HTTP/1.1\r\nHos",
        b"PUT /v2/a/manifests/b HTTP/1.1\r\nContent-Length: 9\r\n\r\n{",
    ):
        with open_socket(server.url) as connection:
            connection.sendall(part)
    assert http.get("/v2/").status_code == 200
    assert http.get("/v2/a/tags/list").status_code in (200, 404)


@pytest.mark.spec("BASE-26")
def test_headers_of_a_thousand_ranges_are_read(http: httpx.Client, name: str) -> None:
    put_manifest(http, name, "v1", image())
    ranges = ",".join(f"{start * 1000000}-{start * 1000000 + 99}" for start in range(1024))
    headers = {"range": f"bytes={ranges}", "accept": ", ".join([OCI_MANIFEST, OCI_INDEX, DOCKER_LIST] * 200)}
    assert 20_000 < sum(map(len, headers.values())) < 64 * 1024
    assert http.get(f"/v2/{name}/manifests/{digest_of(image())}", headers=headers).status_code == 200


@pytest.mark.spec("BASE-26")
@pytest.mark.parametrize(
    "head",
    [
        b"GET /v2/ HTTP/1.1\r\nX: " + b"a" * 300_000 + b"\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\n" + b"X: a\r\n" * 50_000 + b"\r\n",
        b"GET /v2/" + b"a" * 300_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nX: " + b"a" * 300_000,
    ],
    ids=["one header", "many headers", "the target", "no end"],
)
def test_a_head_that_is_too_large_is_refused(server: Server, http: httpx.Client, head: bytes) -> None:
    answer = answer_to(server.url, head)
    assert (answer.status, answer.codes) in ((431, ["UNSUPPORTED"]), (400, ["UNSUPPORTED"]))
    assert answer.headers["connection"] == "close"
    assert http.get("/v2/").status_code == 200


@pytest.mark.spec("BASE-26")
def test_a_target_of_sixteen_kilobytes_is_read(http: httpx.Client) -> None:
    assert http.get("/v2/?x=" + "a" * 16_000).status_code == 200
    assert http.get("/v2/" + "a" * 16_000).status_code == 404
