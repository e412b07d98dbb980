"""Clients that do not resolve a Location, and what they are given: `spec/locations.md`."""

import hashlib
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx
import pytest

from registry.http.clients import NEEDS_HOST
from tests.api.test_locations import PUBLIC, below, content_locations, upload_locations
from tests.server import Server, running
from tests.speak.client import open_socket, read_all
from tests.speak.content import DOCKER_MANIFEST, descriptor, digest_of, image, random_blob
from tests.speak.requests import push_image

OLLAMA = "ollama/0.17.4 (amd64 linux) Go/go1.24.1"
PART = 700
"""Bytes of a part; Ollama's own are of 100 MB and more."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("plain"), "--workers", "1") as server:
        yield server


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("proxied"), "--workers", "1", "--trusted-proxy", "127.0.0.1") as server:
        yield server


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("public"), "--workers", "1", "--public-url", PUBLIC) as server:
        yield server


class Ollama:
    """`ollama push` and `ollama pull` as they ask, in that order, by Go's rule that a URL to ask has a host."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(headers={"user-agent": OLLAMA, "accept-encoding": "gzip"}, timeout=20)

    def __enter__(self) -> "Ollama":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def ask(self, method: str, url: str, content: bytes = b"", **headers: str) -> httpx.Response:
        if not urlsplit(url).netloc:
            raise AssertionError("http: no Host in request URL")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.http.request(method, url, content=content, headers=named)
        assert answer.status_code < 300, answer.text
        return answer

    def push_blob(self, name: str, content: bytes) -> None:
        """HEAD, POST, PATCH for each part to where the last answer said, PUT."""
        digest = digest_of(content)
        assert self.http.head(f"{self.url}/v2/{name}/blobs/{digest}").status_code == 404
        location = self.ask("POST", f"{self.url}/v2/{name}/blobs/uploads/").headers["location"]
        sums = hashlib.md5()
        for start in range(0, len(content), PART):
            part = content[start : start + PART]
            answer = self.ask(
                *("PATCH", location, part),
                content_type="application/octet-stream",
                content_range=f"{start}-{start + len(part) - 1}",
                x_redirect_uploads="1",
            )
            assert answer.status_code == 202
            location = answer.headers["location"]
            sums.update(hashlib.md5(part).digest())
        split = urlsplit(location)
        query = [*parse_qsl(split.query), ("digest", digest), ("etag", f"{sums.hexdigest()}-1")]
        done = self.ask("PUT", urlunsplit(split._replace(query=urlencode(query))), content_length="0")
        assert done.status_code == 201
        assert self.ask("GET", done.headers["location"]).content == content

    def push(self, name: str, tag: str, layers: list[bytes]) -> bytes:
        for layer in layers:
            self.push_blob(name, layer)
        entries = [descriptor(layer, "application/vnd.ollama.image.model") for layer in layers]
        config = entries[0] | {"mediaType": "application/vnd.docker.container.image.v1+json"}
        manifest = image(config, entries[1:], mediaType=DOCKER_MANIFEST)
        answer = self.ask("PUT", f"{self.url}/v2/{name}/manifests/{tag}", manifest, content_type=DOCKER_MANIFEST)
        assert self.ask("GET", answer.headers["location"]).content == manifest
        return manifest

    def pull(self, name: str, tag: str) -> list[bytes]:
        manifest = self.ask("GET", f"{self.url}/v2/{name}/manifests/{tag}").json()
        found = []
        for entry in [manifest["config"], *manifest["layers"]]:
            asked = httpx.URL(f"{self.url}/v2/{name}/blobs/{entry['digest']}")
            # Here, and only here, it resolves what it is told.
            direct = asked.join(self.ask("GET", str(asked)).headers["location"])
            parts = [
                self.ask("GET", str(direct), range=f"bytes={start}-{min(start + PART, entry['size']) - 1}").content
                for start in range(0, entry["size"], PART)
            ]
            found.append(b"".join(parts))
        return found


@pytest.mark.spec("LOCATION-12")
def test_ollama_pushes_and_pulls(plain: Server, name: str) -> None:
    layers = [b"{}", random_blob(PART), random_blob(3 * PART + 1)]
    with Ollama(plain.url) as ollama:
        ollama.push(name, "latest", layers)
        assert ollama.pull(name, "latest") == layers


@pytest.mark.spec("LOCATION-12", "LOCATION-15")
def test_every_location_of_a_push_is_absolute_and_no_other(plain: Server, name: str) -> None:
    with httpx.Client(base_url=plain.url, headers={"user-agent": OLLAMA}) as http:
        assert below(plain.url, upload_locations(http, name))
        *content, by_tag, by_digest = content_locations(http, name)
        assert below(plain.url, [by_tag, by_digest])
        assert below("", content)


@pytest.mark.spec("LOCATION-1")
@pytest.mark.parametrize(
    "agent", ["", "docker/27.0", "Mozilla/5.0 ollama/0.9", "Ollama/0.9", "ollama", "ollama-transfer/1.0"]
)
def test_others_get_paths(agent: str, plain: Server, name: str) -> None:
    with httpx.Client(base_url=plain.url, headers={"user-agent": agent}) as http:
        assert below("", upload_locations(http, name) + content_locations(http, name))


def told(server: Server, name: str, **headers: str) -> str:
    """The Location of a start, for Ollama."""
    sent = {"user-agent": OLLAMA} | {key.replace("_", "-"): value for key, value in headers.items()}
    answer = httpx.post(f"{server.url}/v2/{name}/blobs/uploads/", headers=sent, timeout=20)
    assert answer.status_code == 202
    location = answer.headers["location"]
    assert location.count("/v2/") == 1
    return str(location).partition(f"/v2/{name}/")[0]


@pytest.mark.spec("LOCATION-12")
@pytest.mark.parametrize("host", ["registry.example", "registry.example:5000", "10.0.0.1:80", "[::1]:5000", "a_b-c"])
def test_the_host_is_the_one_that_was_asked(host: str, plain: Server, name: str) -> None:
    assert told(plain, name, host=host) == f"http://{host}"


@pytest.mark.spec("LOCATION-13")
@pytest.mark.parametrize(
    "host",
    ["", "a b", "a/b", "user@evil.example", "evil.example#", "a?b", "a:0", "a:65536", "a:port", "a:", "[::1", "::1",
     "a,b", 'a"b', "a<b>", "a%2eb", "http://a", "x" * 300],
)  # fmt: skip
def test_a_host_that_is_none_gets_into_no_location(host: str, plain: Server, name: str) -> None:
    sent = {"user-agent": OLLAMA, "host": host}
    answer = httpx.post(f"{plain.url}/v2/{name}/blobs/uploads/", headers=sent, timeout=20)
    assert answer.status_code == 400 or answer.headers["location"].startswith("/v2/")


@pytest.mark.spec("LOCATION-13")
def test_without_a_host_there_is_a_path(plain: Server, name: str) -> None:
    request = f"POST /v2/{name}/blobs/uploads/ HTTP/1.0\r\nUser-Agent: {OLLAMA}\r\nContent-Length: 0\r\n\r\n"
    with open_socket(plain.url) as connection:
        connection.sendall(request.encode())
        answer = read_all(connection)
    assert f"\r\nlocation: /v2/{name}/blobs/uploads/".encode() in answer


@pytest.mark.spec("LOCATION-14")
@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({}, "http://inner:1"),
        ({"x_forwarded_proto": "https"}, "https://inner:1"),
        ({"x_forwarded_proto": "HTTPS , http"}, "https://inner:1"),
        ({"x_forwarded_proto": "http,https"}, "http://inner:1"),
        ({"x_forwarded_proto": "ftp"}, "http://inner:1"),
        ({"x_forwarded_host": "registry.example"}, "http://registry.example"),
        ({"x_forwarded_host": "registry.example:8443, inner", "x_forwarded_proto": "https"}, "https://registry.example:8443"),
        ({"x_forwarded_host": "evil.example/path"}, "http://inner:1"),
        ({"x_forwarded_host": "user@evil.example"}, "http://inner:1"),
        ({"x_forwarded_host": ""}, "http://inner:1"),
        ({"x_forwarded_prefix": "/pre", "x_forwarded_proto": "https"}, "https://inner:1/pre"),
    ],
)  # fmt: skip
def test_what_a_trusted_proxy_was_asked(headers: dict[str, str], wanted: str, proxied: Server, name: str) -> None:
    assert told(proxied, name, host="inner:1", **headers) == wanted


@pytest.mark.spec("LOCATION-14")
def test_what_anybody_else_says_of_proxies_is_ignored(plain: Server, name: str) -> None:
    spoofed = {"x_forwarded_proto": "https", "x_forwarded_host": "evil.example", "x_forwarded_prefix": "/evil"}
    assert told(plain, name, host="inner:1", forwarded="host=evil.example;proto=https", **spoofed) == "http://inner:1"


@pytest.mark.spec("LOCATION-14", "LOCATION-1")
def test_others_get_paths_from_behind_a_proxy_too(proxied: Server, name: str) -> None:
    headers = {"x-forwarded-proto": "https", "x-forwarded-host": "registry.example"}
    with httpx.Client(base_url=proxied.url, headers=headers) as http:
        assert below("", upload_locations(http, name) + content_locations(http, name))


@pytest.mark.spec("LOCATION-12", "LOCATION-15")
def test_a_public_url_is_for_everybody(public: Server, name: str) -> None:
    with httpx.Client(base_url=public.url, headers={"user-agent": OLLAMA, "host": "inner:1"}) as http:
        assert below(PUBLIC, upload_locations(http, name) + content_locations(http, name))


@pytest.mark.spec("LOCATION-15")
@pytest.mark.parametrize("first", [OLLAMA, "docker/27.0"])
def test_what_is_kept_does_not_depend_on_who_asked_first(
    first: str, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    second = OLLAMA if first != OLLAMA else "docker/27.0"
    with (
        running(tmp_path_factory.mktemp("warm"), "--workers", "1") as server,
        httpx.Client(base_url=server.url) as http,
    ):
        for tag in ("a", "b"):
            push_image(http, name, tag)
        push_image(http, f"{name}/other", "latest")
        blob = http.get(f"/v2/{name}/manifests/a").json()["config"]["digest"]
        asked = [("GET", f"/v2/{name}/blobs/{blob}"), ("HEAD", f"/v2/{name}/blobs/{blob}")]
        asked += [("GET", f"/v2/{name}/tags/list?n=1"), ("GET", "/v2/_catalog?n=1")]

        def locations(agent: str) -> list[str]:
            headers = {"user-agent": agent, "host": f"{agent.partition('/')[0]}.example"}
            answers = [http.request(method, path, headers=headers) for method, path in asked]
            return [answer.headers.get("location") or answer.headers["link"] for answer in answers]

        before = [locations(first) for _ in range(40)][-1]  # by now they are kept
        assert [locations(second) for _ in range(40)] == [before] * 40
        assert all(location.removeprefix("<").startswith("/v2/") for location in before)
        assert told(server, name).startswith("http://")
        assert locations(first) == before


def test_the_table_says_why() -> None:
    assert all(beginning.endswith("/") and reason for beginning, reason in NEEDS_HOST.items())
