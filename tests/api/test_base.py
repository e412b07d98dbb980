"""spec/base.md: the registry as a whole, names and references."""

import json
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from registry.http.row import Row
from registry.routes import ROUTES
from tests.server import Server, running
from tests.speak.content import OCI_MANIFEST, artifact, digest_of, image, random_blob
from tests.speak.requests import push_blob, push_image, put_manifest, start_upload, with_digest

UNKNOWN = "sha256:" + "0" * 64
GETS = sorted({row.path for row in ROUTES if row.method == "GET"})

MANIFEST, BLOB = "/v2/{name:path}/manifests/{reference}", "/v2/{name:path}/blobs/{reference}"
UPLOADS, UPLOAD = "/v2/{name:path}/blobs/uploads", "/v2/{name:path}/blobs/uploads/{reference}"

REFUSED = {
    **{(method, MANIFEST): "GET, HEAD" for method in ("PUT", "DELETE")},
    **{("POST", path): "" for path in (UPLOADS, UPLOADS + "/")},
    **{(method, UPLOAD): "GET, HEAD" for method in ("PATCH", "PUT", "DELETE")},
    ("DELETE", BLOB): "GET, HEAD",
}
"""What a registry that is read-only refuses, and what `Allow` says then."""


@pytest.fixture(scope="module")
def read_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """A registry that was filled with `kept:v1` before it became read-only, and the manifest's digest."""
    data = tmp_path_factory.mktemp("read-only")
    with running(data, "--workers", "1") as server, httpx.Client(base_url=server.url) as http:
        _, digest = push_image(http, "kept", "v1")
    with running(data, "--workers", "1", "--read-only") as server:
        yield server, digest


@pytest.mark.spec("BASE-1")
@pytest.mark.parametrize("path", ["/v2/", "/v2"])
def test_the_base_says_yes(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "application/json", b"{}")
    answer = http.head(path)
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, "2", b"")


@pytest.mark.spec("BASE-2")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/", 200),
        ("GET", "/v2/{name}/blobs/{blob}", 200),
        ("HEAD", "/v2/{name}/blobs/{blob}", 200),
        ("GET", "/v2/{name}/manifests/v1", 200),
        ("HEAD", "/v2/{name}/manifests/{manifest}", 200),
        ("POST", "/v2/{name}/blobs/uploads/", 202),
        ("POST", "/v2/{name}/blobs/uploads/?digest=" + digest_of(b""), 201),
        ("POST", "/v2/{name}/blobs/uploads/?mount={blob}&from={name}", 201),
        ("POST", "/v2/{name}/blobs/uploads/?digest-algorithm=sha512", 202),
        ("GET", "{upload}", 204),
        ("PATCH", "{upload}", 202),
        ("PUT", "{upload}?digest=" + digest_of(b""), 201),
        ("DELETE", "{upload}", 204),
        ("PUT", "/v2/{name}/manifests/v2", 201),
        ("PUT", "/v2/{name}/manifests/{empty}?tag=v3", 201),
        ("GET", "/v2/{name}/tags/list", 200),
        ("GET", "/v2/{name}/tags/list?n=1&last=a", 200),
        ("GET", "/v2/{name}/referrers/{manifest}", 200),
        ("GET", "/v2/{name}/referrers/{manifest}?artifactType=a/b", 200),
        ("DELETE", "/v2/{name}/manifests/v1", 202),
        ("DELETE", "/v2/{name}/manifests/{manifest}", 202),
        ("DELETE", "/v2/{name}/blobs/{blob}", 202),
    ],
)
def test_every_endpoint_of_the_specification_is_there(
    http: httpx.Client, name: str, method: str, path: str, status: int
) -> None:
    _, manifest = push_image(http, name, "v1", layers=0)
    blob = push_blob(http, name, random_blob())
    upload = httpx.URL(start_upload(http, name)).path
    body = image() if "/manifests/" in path and method == "PUT" else b""
    url = path.format(name=name, blob=blob, manifest=manifest, empty=digest_of(image()), upload=upload)
    answer = http.request(method, url, content=body, headers={"content-type": OCI_MANIFEST} if body else {})
    assert answer.status_code == status, answer.text


@pytest.mark.spec("BASE-3")
def test_every_answer_has_a_version_and_an_id_of_its_own(http: httpx.Client, name: str) -> None:
    paths = ["/v2/", "/v2/_catalog", f"/v2/{name}/tags/list", "/elsewhere", "/v2/UPPER/manifests/v1"]
    answers = [http.request(method, path) for path in paths for method in ("GET", "HEAD", "PUT")]
    assert {answer.headers["docker-distribution-api-version"] for answer in answers} == {"registry/2.0"}
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)


@pytest.mark.spec("BASE-4")
@pytest.mark.parametrize("path", ["/v2", "/v2/{name}/blobs/uploads", "/v2/_catalog/", "/v2/{name}/tags/list/"])
def test_no_spelling_of_a_path_is_redirected(http: httpx.Client, name: str, path: str) -> None:
    for method in ("GET", "POST"):
        assert not 300 <= http.request(method, path.format(name=name)).status_code < 400


@pytest.mark.spec("BASE-4")
def test_locations_and_links_are_paths(http: httpx.Client, name: str) -> None:
    manifest, digest = push_image(http, name, "v1")
    push_image(http, name, "v2")
    answers = [
        http.post(f"/v2/{name}/blobs/uploads/"),
        http.post(f"/v2/{name}/blobs/uploads/?digest={digest_of(b'')}"),
        put_manifest(http, name, "v3", manifest),
        put_manifest(http, name, digest, manifest),
    ]
    assert [answer.headers["location"][:4] for answer in answers] == ["/v2/"] * 4
    assert http.get(f"/v2/{name}/tags/list?n=1").headers["link"].startswith("</v2/")


def filled(http: httpx.Client, name: str, path: str) -> str:
    """The path of an endpoint with something there to answer with."""
    manifest, digest = push_image(http, name, "v1")
    put_manifest(http, name, "v2", artifact(manifest))
    reference = digest
    if "/uploads/" in path:
        reference = start_upload(http, name).rsplit("/", 1)[1]
    elif "/blobs/" in path:
        reference = push_blob(http, name, random_blob())
    return path.replace("{name:path}", name).replace("{reference}", reference)


def essence(answer: httpx.Response) -> tuple[int, dict[str, str]]:
    return answer.status_code, {
        key: value for key, value in answer.headers.items() if key not in ("date", "x-request-id")
    }


@pytest.mark.spec("BASE-5")
@pytest.mark.parametrize("path", GETS)
def test_head_answers_as_get_does(http: httpx.Client, name: str, path: str) -> None:
    for url in (filled(http, name, path), filled(http, name, path) + "?n=1"):
        got, head = http.get(url), http.head(url)
        assert got.status_code in (200, 204)
        assert essence(head) == essence(got)
        assert head.content == b""


@pytest.mark.spec("BASE-5")
@pytest.mark.parametrize("path", [path for path in GETS if "{" in path])
@pytest.mark.parametrize(("name_asked", "reference"), [("un/known", UNKNOWN), ("UPPER", UNKNOWN), ("un/known", ".bad")])
def test_head_fails_as_get_does(http: httpx.Client, path: str, name_asked: str, reference: str) -> None:
    url = path.replace("{name:path}", name_asked).replace("{reference}", reference)
    got, head = http.get(url), http.head(url)
    assert essence(head) == essence(got)
    assert head.content == b""


@pytest.mark.spec("BASE-6")
def test_nothing_is_compressed(http: httpx.Client, name: str) -> None:
    _, digest = push_image(http, name, "v1")
    blob = push_blob(http, name, b"a" * 100_000)
    for path in ("/v2/", f"/v2/{name}/manifests/{digest}", f"/v2/{name}/blobs/{blob}", f"/v2/{name}/tags/list"):
        answer = http.get(path, headers={"accept-encoding": "gzip, deflate, br, zstd"})
        assert "content-encoding" not in answer.headers
        assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.spec("BASE-7")
@pytest.mark.parametrize("path", GETS)
def test_a_namespace_changes_nothing(http: httpx.Client, name: str, path: str) -> None:
    url = filled(http, name, path)
    assert essence(http.get(url + "?ns=docker.io")) == essence(http.get(url))
    assert "oci-namespace" not in http.get(url + "?ns=docker.io").headers


@pytest.mark.spec("BASE-8")
def test_what_is_not_known_changes_nothing(http: httpx.Client, name: str) -> None:
    headers = {"x-registry-supports-signatures": "1", "x-meta-source-client": "c", "authorization": "Basic Og=="}
    _, digest = push_image(http, name, "v1")
    url = f"/v2/{name}/manifests/v1"
    assert essence(http.get(url + "?unknown=1&x", headers=headers)) == essence(http.get(url))
    content = random_blob()
    location = with_digest(start_upload(http, name), digest_of(content)) + "&_state=%7B%7D&from="
    assert http.put(location, content=content, headers=headers).status_code == 201
    assert http.delete(f"/v2/{name}/manifests/{digest}?unknown").status_code == 202


@pytest.mark.spec("BASE-9")
def test_nothing_is_warned_of(http: httpx.Client, name: str) -> None:
    push_image(http, name, "v1")
    for path in ("/v2/", f"/v2/{name}/manifests/v1", f"/v2/{name}/manifests/v2"):
        assert "warning" not in http.get(path).headers


@pytest.mark.spec("BASE-10")
@pytest.mark.parametrize("row", ROUTES, ids=[f"{row.method} {row.path}" for row in ROUTES])
def test_a_read_only_registry_refuses_to_change(read_only: tuple[Server, str], row: Row) -> None:
    server, digest = read_only
    with httpx.Client(base_url=server.url) as http:
        blob = http.get("/v2/kept/manifests/v1").json()["config"]["digest"]
        reference = {UPLOAD: str(uuid.uuid4()), BLOB: blob}.get(row.path, digest)
        url = row.path.replace("{name:path}", "kept").replace("{reference}", reference)
        answer = http.request(row.method, url)
        if (row.method, row.path) in REFUSED:
            told = {"code": "UNSUPPORTED", "message": "the registry is read-only"}
            assert (answer.status_code, answer.json()) == (405, {"errors": [told]})
            assert answer.headers["allow"] == REFUSED[row.method, row.path]
        else:
            # There is no upload whose end could be asked for.
            assert answer.status_code == (404 if row.path == UPLOAD else 200)
        assert http.get("/v2/kept/manifests/v1").headers["docker-content-digest"] == digest


@pytest.mark.spec("BASE-10")
def test_a_read_only_registry_reads_as_before(read_only: tuple[Server, str]) -> None:
    server, digest = read_only
    with httpx.Client(base_url=server.url) as http:
        manifest = http.get(f"/v2/kept/manifests/{digest}").json()
        assert http.get("/v2/kept/tags/list").json() == {"name": "kept", "tags": ["v1"]}
        assert http.get("/v2/_catalog").json() == {"repositories": ["kept"]}
        assert http.get(f"/v2/kept/referrers/{digest}").json()["manifests"] == []
        for blob in [manifest["config"], *manifest["layers"]]:
            assert http.head(f"/v2/kept/blobs/{blob['digest']}").status_code == 200
            assert digest_of(http.get(f"/v2/kept/blobs/{blob['digest']}").content) == blob["digest"]
        answer = http.put("/v2/kept/manifests/v1")
        assert answer.headers["allow"] == "GET, HEAD"


def test_what_is_no_request_is_logged_with_the_bytes_of_its_answer(data: Path) -> None:
    """As of a client that tries TLS."""
    with running(data, "--workers", "1") as server:
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=10) as client:
            client.sendall(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        body = answer.partition(b"\r\n\r\n")[2]
        assert json.loads(body)["errors"]
        assert server.wait_for_output(f"400 - - - {len(body)}B ", 10)
