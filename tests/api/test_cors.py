"""Web pages that use the registry from a browser, by the rules of the Fetch standard: `spec/browsers.md`."""

from collections.abc import Iterator

import httpx
import pytest

from registry.openapi import document
from registry.routes import APIS, ROUTES
from tests.server import Server, running
from tests.speak.content import OCI_MANIFEST, digest_of, image, random_blob
from tests.speak.requests import errors, push_image, with_digest

UI = "https://ui.example.org"
OTHER = "http://localhost:8080"
NOT_LISTED = [
    "https://evil.example",
    "null",
    "https://ui.example.org.evil.example",
    "http://ui.example.org",
    "https://ui.example.org:8443",
    "https://UI.example.org",
    "https://ui.example.org, http://localhost:8080",
    "*",
]
SAFELISTED = {
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
}
"""Headers of an answer that any page may read."""


def serve(factory: pytest.TempPathFactory, *flags: str) -> Iterator[Server]:
    data = factory.mktemp("cors")
    if "--read-only" in flags:  # It makes no database itself.
        with running(data, "--workers", "1"):
            pass
    with running(data, "--workers", "1", *flags) as server:
        yield server


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from serve(tmp_path_factory, "--cors-origins", UI, "--cors-origins", OTHER)


@pytest.fixture(scope="module")
def anybody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from serve(tmp_path_factory, "--cors-origins", "*")


class Page:
    """A page in a browser: asks as the Fetch standard says, and sees what that lets it see."""

    def __init__(self, server: Server, origin: str) -> None:
        self.origin = origin
        self.http = httpx.Client(base_url=server.url, timeout=20, headers={"origin": origin})

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def fetch(self, method: str, url: str, content: bytes = b"", **headers: str) -> httpx.Response:
        """Raises `PermissionError` where a browser would: a page sees a network error."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        unsafe = sorted(name for name in named if name not in ("accept", "accept-language"))
        if method not in ("GET", "HEAD", "POST") or unsafe:
            self.preflight(method, url, unsafe)
        answer = self.http.request(method, url, content=content, headers=named)
        self.check(answer)
        exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
        for name in set(answer.headers) - exposed - SAFELISTED:
            del answer.headers[name]
        return answer

    def preflight(self, method: str, url: str, unsafe: list[str]) -> None:
        asked = {"access-control-request-method": method}
        if unsafe:
            asked["access-control-request-headers"] = ",".join(unsafe)
        answer = self.http.request("OPTIONS", url, headers=asked)
        self.check(answer)
        methods = [name.strip() for name in answer.headers["access-control-allow-methods"].split(",")]
        allowed = {name.strip().lower() for name in answer.headers.get("access-control-allow-headers", "").split(",")}
        if not answer.is_success or method not in [*methods, "GET", "HEAD", "POST"] or not set(unsafe) <= allowed:
            raise PermissionError(f"{method} {url}: {answer.status_code} {answer.headers}")

    def check(self, answer: httpx.Response) -> None:
        if answer.headers.get_list("access-control-allow-origin") not in (["*"], [self.origin]):
            raise PermissionError(f"{answer.request.method} {answer.request.url}: {answer.headers}")


@pytest.mark.spec("CORS-2", "CORS-4")
@pytest.mark.parametrize("origin", [UI, OTHER])
@pytest.mark.parametrize("setting", ["listed", "anybody"])
def test_a_page_pushes_looks_and_deletes(setting: str, origin: str, request: pytest.FixtureRequest, name: str) -> None:
    with Page(request.getfixturevalue(setting), origin) as page:
        push_look_and_delete(page, name)


def push_look_and_delete(page: Page, name: str) -> None:
    content = random_blob(2000)
    location = page.fetch("POST", f"/v2/{name}/blobs/uploads/").headers["location"]
    chunk = page.fetch("PATCH", location, content, content_type="application/octet-stream", content_range="0-1999")
    assert (chunk.status_code, chunk.headers["range"]) == (202, "0-1999")
    blob = digest_of(content)
    done = page.fetch("PUT", with_digest(chunk.headers["location"], blob))
    assert (done.status_code, done.headers["docker-content-digest"]) == (201, blob)
    manifest = image(layers=[content])
    for tag in ("a", "b"):
        put = page.fetch("PUT", f"/v2/{name}/manifests/{tag}", manifest, content_type=OCI_MANIFEST)
        assert put.headers["docker-content-digest"] == digest_of(manifest)
    tags = page.fetch("GET", f"/v2/{name}/tags/list?n=1", authorization="Basic eDp5", x_requested_with="page")
    assert tags.json()["tags"] == ["a"]
    assert 'rel="next"' in tags.headers["link"]
    head = page.fetch("HEAD", f"/v2/{name}/manifests/a", accept=OCI_MANIFEST)
    assert head.headers["docker-content-digest"] == digest_of(manifest)
    part = page.fetch("GET", f"/v2/{name}/blobs/{blob}", range="bytes=1-3")
    assert (part.status_code, part.content) == (206, content[1:4])
    assert part.headers["content-range"] == "bytes 1-3/2000"
    again = page.fetch("GET", f"/v2/{name}/blobs/{blob}", if_none_match=part.headers["etag"])
    assert again.status_code == 304
    assert page.fetch("DELETE", f"/v2/{name}/manifests/a").status_code == 202
    missing = page.fetch("GET", f"/v2/{name}/manifests/a")
    assert (missing.status_code, errors(missing)) == (404, ["MANIFEST_UNKNOWN"])
    assert missing.headers["x-request-id"]


def answers(http: httpx.Client, name: str) -> list[tuple[int, httpx.Response]]:
    """An answer of every kind, with the status that it should have."""
    _, digest = push_image(http, name, "latest", size=300_000)
    blob = f"/v2/{name}/blobs/{http.get(f'/v2/{name}/manifests/latest').json()['layers'][0]['digest']}"
    session = http.post(f"/v2/{name}/blobs/uploads/").headers["location"]
    session = session[session.index("/v2/") :]
    manifest = f"/v2/{name}/manifests/{digest}"
    return [
        (200, http.get("/v2/")),
        (200, http.get(manifest)),
        (200, http.head(manifest)),
        (200, http.get(blob)),
        (200, http.get(f"/v2/{name}/tags/list")),
        (200, http.get("/v2/_catalog")),
        (204, http.get(session)),
        (206, http.get(blob, headers={"range": "bytes=0-9"})),
        (206, http.get(blob, headers={"range": "bytes=0-9,20-29"})),
        (304, http.get(manifest, headers={"if-none-match": f'"{digest}"'})),
        (416, http.get(blob, headers={"range": "bytes=900000-"})),
        (416, http.patch(session, content=b"x", headers={"content-range": "5-5"})),
        (400, http.get(f"/v2/{name}/tags/list?n=x")),
        (400, http.get("/v2/UPPER/tags/list")),
        (400, http.get(f"/v2/{name}%2fx/tags/list")),
        (404, http.get(f"/v2/{name}/manifests/none")),
        (404, http.head(f"/v2/{name}/manifests/none")),
        (404, http.get("/elsewhere")),
        (404, http.options("/elsewhere", headers={"access-control-request-method": "GET"})),
        (405, http.options("/v2/")),
        (405, http.post(f"/v2/{name}/tags/list")),
        (413, http.put(f"/v2/{name}/manifests/large", content=b" " * (4 << 20) + b"{}")),
        (412, http.put(f"/v2/{name}/manifests/latest", content=image(), headers={"if-match": '"x"'})),
        (202, http.delete(f"/v2/{name}/manifests/latest")),
    ]


@pytest.mark.spec("CORS-4", "CORS-6", "CORS-7")
def test_every_answer_names_the_origin(listed: Server, name: str) -> None:
    with httpx.Client(base_url=listed.url, timeout=30, headers={"origin": UI, "content-type": OCI_MANIFEST}) as http:
        for status, answer in answers(http, name):
            assert answer.status_code == status, answer.request.url
            assert answer.headers.get_list("access-control-allow-origin") == [UI]
            assert answer.headers.get_list("vary") == ["Origin"]
            assert "Docker-Content-Digest" in answer.headers["access-control-expose-headers"]
            assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.spec("CORS-6", "CORS-7")
@pytest.mark.parametrize("origin", [{}, {"origin": UI}], ids=["without an origin", "with one"])
def test_for_anybody_all_answers_are_the_same(origin: dict[str, str], anybody: Server, name: str) -> None:
    with httpx.Client(base_url=anybody.url, timeout=30, headers=origin | {"content-type": OCI_MANIFEST}) as http:
        for status, answer in answers(http, name):
            assert answer.status_code == status
            assert answer.headers.get_list("access-control-allow-origin") == ["*"]
            assert "vary" not in answer.headers
            assert "access-control-allow-credentials" not in answer.headers


def of_cors(answer: httpx.Response) -> list[str]:
    return [header for header in answer.headers if header.startswith("access-control-")]


@pytest.mark.spec("CORS-5", "CORS-6")
@pytest.mark.parametrize("origin", [{}, *({"origin": each} for each in NOT_LISTED)], ids=str)
def test_an_origin_that_is_not_listed_is_served_and_not_named(
    origin: dict[str, str], listed: Server, name: str
) -> None:
    with httpx.Client(base_url=listed.url, timeout=30, headers=origin | {"content-type": OCI_MANIFEST}) as http:
        for status, answer in answers(http, name):
            assert answer.status_code == status
            assert of_cors(answer) == []
            assert answer.headers.get_list("vary") == ["Origin"]
        asked = http.options("/v2/_catalog", headers={"access-control-request-method": "GET"})
        assert (asked.status_code, of_cors(asked)) == (405, [])


@pytest.mark.spec("CORS-1")
def test_without_the_setting_nothing_is_said(server: Server, name: str) -> None:
    with httpx.Client(base_url=server.url, timeout=30, headers={"origin": UI, "content-type": OCI_MANIFEST}) as http:
        for status, answer in answers(http, name):
            assert answer.status_code == status
            assert of_cors(answer) == []
            assert "vary" not in answer.headers
        asked = http.options("/v2/_catalog", headers={"access-control-request-method": "GET"})
        assert (asked.status_code, errors(asked), asked.headers["allow"]) == (405, ["UNSUPPORTED"], "GET, HEAD")


PATHS = sorted({row.path for row in ROUTES})


def preflight(server: Server, path: str, wanted: str | None = None, method: str = "GET") -> httpx.Response:
    place = path.replace("{name:path}", "a/b").replace("{reference}", "latest")
    headers = {"origin": UI, "access-control-request-method": method}
    if wanted is not None:
        headers["access-control-request-headers"] = wanted
    return httpx.request("OPTIONS", server.url + place, headers=headers, timeout=20)


@pytest.mark.spec("CORS-2")
@pytest.mark.parametrize(
    ("flags", "left"),
    [
        ([], {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"}),
        (["--no-delete"], {"GET", "HEAD", "PUT", "POST", "PATCH"}),
        (["--read-only"], {"GET", "HEAD"}),
    ],
    ids=["all", "no delete", "read-only"],
)
def test_a_preflight_tells_the_methods_of_every_path(
    flags: list[str], left: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    for server in serve(tmp_path_factory, "--cors-origins", UI, *flags):
        for path in PATHS:
            answer = preflight(server, path)
            assert (answer.status_code, answer.content) == (204, b"")
            told = {method for method in answer.headers["access-control-allow-methods"].split(", ") if method}
            kept = {row.method for row in ROUTES if row.path == path and row.method in left}
            if "--no-delete" in flags:  # an upload of one's own may be dropped
                kept |= {row.method for row in ROUTES if row.path == path and row.name == "upload"}
            assert told == kept
            assert answer.headers["access-control-allow-origin"] == UI
            assert answer.headers["access-control-max-age"] == "7200"
            assert answer.headers["vary"] == "Origin"


@pytest.mark.spec("CORS-2")
def test_a_preflight_below_a_prefix(tmp_path_factory: pytest.TempPathFactory) -> None:
    for server in serve(tmp_path_factory, "--cors-origins", UI, "--public-url", "https://registry.example/pre"):
        assert preflight(server, "/pre/v2/_catalog").status_code == 204
        assert preflight(server, "/v2/_catalog").status_code == 204
        assert preflight(server, "/post/v2/_catalog").status_code == 404


@pytest.mark.spec("CORS-2", "CORS-3")
@pytest.mark.parametrize(
    ("wanted", "allowed"),
    [
        ("accept,content-range,x-anything", "accept,content-range,x-anything"),
        ("Accept, Range", "Accept, Range"),
        (None, None),
        ("", None),
        ("a b", None),
        ("a;b", None),
        ("a,,b", None),
        ("<script>", None),
    ],
)
def test_headers_that_are_asked_for_are_allowed(wanted: str | None, allowed: str | None, listed: Server) -> None:
    answer = preflight(listed, "/v2/_catalog", wanted)
    assert answer.status_code == 204
    assert answer.headers.get("access-control-allow-headers") == allowed


@pytest.mark.spec("CORS-4")
def test_every_header_that_is_described_can_be_read(listed: Server) -> None:
    answer = httpx.get(f"{listed.url}/v2/", headers={"origin": UI}, timeout=20)
    exposed = {header.lower() for header in answer.headers["access-control-expose-headers"].split(", ")}
    described = {header.lower() for header in document(APIS)["components"]["headers"]}
    assert described | {"x-request-id", "www-authenticate", "retry-after", "warning"} <= exposed


@pytest.mark.spec("CORS-6")
@pytest.mark.parametrize("setting", ["listed", "anybody"])
def test_what_is_kept_is_right_for_whoever_asks_next(setting: str, request: pytest.FixtureRequest, name: str) -> None:
    server: Server = request.getfixturevalue(setting)
    named, vary = (UI, "Origin") if setting == "listed" else ("*", None)
    with httpx.Client(base_url=server.url, timeout=20) as http:
        push_image(http, name, "latest")
        for path in (f"/v2/{name}/manifests/latest", f"/v2/{name}/tags/list"):
            for _ in range(3):
                for _ in range(40):  # by now it is kept
                    answer = http.get(path)
                    assert answer.headers.get("vary") == vary
                    assert answer.headers.get("access-control-allow-origin") == (None if vary else "*")
                for origin, told in ((UI, named), ("https://evil.example", None if vary else "*")):
                    answer = http.get(path, headers={"origin": origin})
                    assert answer.headers.get("vary") == vary
                    assert answer.headers.get("access-control-allow-origin") == told
