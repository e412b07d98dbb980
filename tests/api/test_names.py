"""spec/base.md: names, tags, references, and paths as they are written."""

import httpx
import pytest

from tests.server import Server
from tests.speak.content import OCI_MANIFEST, digest_of, image, random_blob
from tests.speak.requests import errors, push_blob, push_image, put_manifest
from tests.speak.wire import ask

DIGEST = "sha256:" + "0" * 64
ENDPOINTS = [
    ("GET", "/v2/{}/manifests/v1"),
    ("HEAD", "/v2/{}/manifests/v1"),
    ("PUT", "/v2/{}/manifests/v1"),
    ("DELETE", "/v2/{}/manifests/v1"),
    ("GET", "/v2/{}/blobs/" + DIGEST),
    ("DELETE", "/v2/{}/blobs/" + DIGEST),
    ("POST", "/v2/{}/blobs/uploads/"),
    ("PATCH", "/v2/{}/blobs/uploads/b6ef9fca-5f70-4a3b-8b8f-5f8d3d1b4f4a"),
    ("GET", "/v2/{}/tags/list"),
    ("GET", "/v2/{}/referrers/" + DIGEST),
]
GOOD = ["a", "0", "a/b/c", "a.b", "a_b", "a__b", "a-b", "a---b", "a.b_c__d--e/f", "x" * 128 + "/" + "y" * 126, "a/0/b1"]
BAD = ["A", "a/B", "-a", "a-", ".a", "a.", "_a", "a_", "a..b", "a___b", "a._b", "a-_b", "a//b", "a/", "a:b"]
BAD += ["localhost:8080/foo", "a@b", "a+b", "a~b", "a/_b", "a/..", "a/../b", "a/./b", "..", "a,b", "~", "a;b"]
ROUTE_WORDS = ["foo/manifests/tags", "blobs/uploads", "tags/list/tags/list", "manifests", "manifests/manifests"]
ROUTE_WORDS += ["uploads/blobs", "foo/blobs/uploads", "referrers/referrers", "x/manifests/y", "list", "v2", "v2/v2"]


def put_anywhere(http: httpx.Client, name: str) -> httpx.Response:
    return put_manifest(http, name, "v1", image())


@pytest.mark.spec("BASE-11")
@pytest.mark.parametrize("name", GOOD)
def test_good_names(http: httpx.Client, name: str) -> None:
    assert put_anywhere(http, name).status_code == 201
    assert http.get(f"/v2/{name}/tags/list").json() == {"name": name, "tags": ["v1"]}


@pytest.mark.spec("BASE-11")
@pytest.mark.parametrize("name", BAD)
def test_bad_names(server: Server, name: str) -> None:
    answer = ask(server.url, "PUT", f"/v2/{name}/manifests/v1", body=image())
    assert (answer.status, answer.codes) == (400, ["NAME_INVALID"])


@pytest.mark.spec("BASE-11")
@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_every_endpoint_refuses_a_bad_name(http: httpx.Client, method: str, path: str) -> None:
    answer = http.request(method, path.format("team/App"))
    assert answer.status_code == 400
    assert method == "HEAD" or errors(answer) == ["NAME_INVALID"]


@pytest.mark.spec("BASE-12")
@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_a_name_of_256_characters_is_refused(server: Server, method: str, path: str) -> None:
    answer = ask(server.url, method, path.format("n" * 256))
    assert answer.status == 400
    assert method == "HEAD" or answer.codes == ["NAME_INVALID"]


@pytest.mark.spec("BASE-12")
def test_a_name_of_255_characters_is_accepted(http: httpx.Client) -> None:
    name = "/".join(["n" * 127, "m" * 127])
    assert len(name) == 255
    _, digest = push_image(http, name, "v1")
    assert http.get(f"/v2/{name}/manifests/v1").headers["docker-content-digest"] == digest


@pytest.mark.spec("BASE-13")
@pytest.mark.parametrize("tag", ["a", "0", "_", "_.-", "V1.2.3-rc_1", "t" * 128, "latest", "sha256-x.sig"])
def test_good_tags(http: httpx.Client, name: str, tag: str) -> None:
    assert put_manifest(http, name, tag, image()).status_code == 201
    assert http.get(f"/v2/{name}/manifests/{tag}").status_code == 200
    assert http.get(f"/v2/{name}/tags/list").json()["tags"] == [tag]


@pytest.mark.spec("BASE-13", "MANIFEST-11")
@pytest.mark.parametrize("tag", [".a", "-a", ".", "..", "t" * 129, "a+b", "a~b", "a,b", "a@b", "*"])
def test_bad_tags(server: Server, http: httpx.Client, name: str, tag: str) -> None:
    answer = ask(server.url, "PUT", f"/v2/{name}/manifests/{tag}", body=image())
    assert (answer.status, answer.codes) == (400, ["MANIFEST_INVALID"])
    assert http.get(f"/v2/{name}/tags/list").status_code == 404


@pytest.mark.spec("BASE-13")
def test_tags_differ_by_case(http: httpx.Client, name: str) -> None:
    _, lower = push_image(http, name, "v1")
    _, upper = push_image(http, name, "V1")
    assert lower != upper
    assert http.get(f"/v2/{name}/manifests/v1").headers["docker-content-digest"] == lower
    assert http.get(f"/v2/{name}/manifests/V1").headers["docker-content-digest"] == upper


@pytest.mark.spec("BASE-14")
def test_the_colon_decides(http: httpx.Client, name: str) -> None:
    body = image()
    encoded = digest_of(body).removeprefix("sha256:")
    assert put_manifest(http, name, encoded, body).status_code == 201
    assert http.get(f"/v2/{name}/tags/list").json()["tags"] == [encoded]
    assert put_manifest(http, name, "sha256" + encoded, body).status_code == 201
    assert put_manifest(http, name, f"sha256:{encoded}", body).status_code == 201
    assert len(http.get(f"/v2/{name}/tags/list").json()["tags"]) == 2


MALFORMED = [
    "sha256:", "sha256:baddigeststring", "sha256:" + "0" * 63, "sha256:" + "0" * 65, "sha256:" + "A" * 64,
    "sha256:" + "g" * 64, "sha512:" + "0" * 64, "sha512:" + "0" * 129, "SHA256:" + "0" * 64, ":" + "0" * 64,
    "sha256::" + "0" * 64, "sha256-:" + "0" * 64, "md5:a*b", "a" * 128 + ":" + "b" * 128, ".INVALID:x",
]  # fmt: skip


@pytest.mark.spec("BASE-14", "MANIFEST-11")
@pytest.mark.parametrize("digest", MALFORMED)
def test_malformed_digests_are_refused(server: Server, name: str, digest: str) -> None:
    for method, path in (("PUT", "manifests"), ("GET", "blobs"), ("GET", "referrers")):
        answer = ask(server.url, method, f"/v2/{name}/{path}/{digest}", body=image() if method == "PUT" else b"")
        assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"]), (method, path)


@pytest.mark.spec("BASE-15")
@pytest.mark.parametrize("reference", [*MALFORMED, ".INVALID_MANIFEST_NAME", "-", "t" * 129])
def test_a_malformed_reference_is_one_that_is_not_there(server: Server, http: httpx.Client, reference: str) -> None:
    push_image(http, "base/malformed", "v1", layers=0)
    for method in ("GET", "DELETE"):
        answer = ask(server.url, method, f"/v2/base/malformed/manifests/{reference}")
        assert (answer.status, answer.codes) == (404, ["MANIFEST_UNKNOWN"])
    assert ask(server.url, "HEAD", f"/v2/base/malformed/manifests/{reference}").status == 404


@pytest.mark.spec("BASE-15")
@pytest.mark.parametrize("digest", ["blake3:" + "0" * 64, "sha256+b64u:abc", "multihash+base58:QmRZxt2b1"])
def test_digests_of_other_algorithms_are_not_there(http: httpx.Client, name: str, digest: str) -> None:
    push_image(http, name, "v1", layers=0)
    for kind, code in (("manifests", "MANIFEST_UNKNOWN"), ("blobs", "BLOB_UNKNOWN")):
        for method in ("GET", "DELETE"):
            answer = http.request(method, f"/v2/{name}/{kind}/{digest}")
            assert (answer.status_code, errors(answer)) == (404, [code])


@pytest.mark.spec("BASE-16")
@pytest.mark.parametrize("name", ROUTE_WORDS)
def test_names_made_of_route_words(http: httpx.Client, name: str) -> None:
    manifest, digest = push_image(http, name, "latest")
    blob = push_blob(http, name, random_blob())
    assert http.get(f"/v2/{name}/manifests/latest").content == manifest
    assert http.get(f"/v2/{name}/manifests/{digest}").content == manifest
    assert http.get(f"/v2/{name}/tags/list").json() == {"name": name, "tags": ["latest"]}
    assert digest_of(http.get(f"/v2/{name}/blobs/{blob}").content) == blob
    assert http.get(f"/v2/{name}/referrers/{digest}").json()["manifests"] == []
    assert name in http.get("/v2/_catalog").json()["repositories"]
    assert http.delete(f"/v2/{name}/blobs/{blob}").status_code == 202
    assert http.delete(f"/v2/{name}/manifests/{digest}").status_code == 202
    assert http.get(f"/v2/{name}/tags/list").json()["tags"] == []


@pytest.mark.spec("BASE-16")
def test_tags_made_of_route_words(http: httpx.Client, name: str) -> None:
    words = ["blobs", "list", "manifests", "referrers", "tags", "uploads", "v2"]
    for word in words:
        assert put_manifest(http, name, word, image()).status_code == 201
    assert http.get(f"/v2/{name}/tags/list").json()["tags"] == words


@pytest.mark.spec("BASE-17")
@pytest.mark.parametrize(
    "target",
    [
        "/v2/base%2Fencoded/manifests/latest", "/v2/base/encoded/manifests/late%73t", "/v2/base%2fencoded/tags/list",
        "/v2/base/encoded/manifests/latest%0a", "/v2/base/encoded/manifests/latest%00", "/v2/base/encoded%0a/tags/list",
        "/v2/%2e%2e/manifests/latest", "/v2/base/%2E/encoded/manifests/latest", "/v2/base/encoded%2Fmanifests/latest",
        "/v2/%62ase/encoded/manifests/latest", "/v2/%5Fcatalog", "/v2/base/encoded/manifests/%C3%A9",
        "/v2/base/encoded/manifests/%FF", "/v2/base/encoded/manifests/%25", "/v2/base/encoded/manifests/%",
        "/v2/base/encoded/manifests/%zz", "/v2/base/encoded%3Fx/tags/list", "/%76%32/",
    ],
)  # fmt: skip
def test_nothing_is_reached_by_another_spelling(server: Server, http: httpx.Client, target: str) -> None:
    push_image(http, "base/encoded", "latest", layers=0)
    for method in ("GET", "PUT", "DELETE"):
        answer = ask(server.url, method, target)
        assert (answer.status, answer.codes) == (400, ["NAME_INVALID"])
    assert http.get("/v2/base/encoded/tags/list").json()["tags"] == ["latest"]


@pytest.mark.spec("BASE-17")
@pytest.mark.parametrize("colon", ["%3A", "%3a"])
def test_the_colon_of_a_digest_may_be_encoded(server: Server, http: httpx.Client, name: str, colon: str) -> None:
    manifest, digest = push_image(http, name, "v1")
    written = digest.replace(":", colon)
    assert ask(server.url, "GET", f"/v2/{name}/manifests/{written}").body == manifest
    assert ask(server.url, "GET", f"/v2/{name}/referrers/{written}").status == 200
    typed = b"Content-Type: " + OCI_MANIFEST.encode()
    answer = ask(server.url, "PUT", f"/v2/{name}/manifests/{written}", typed, body=manifest)
    assert answer.status == 201


@pytest.mark.spec("BASE-18")
@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/v2/base/dots/../dots/manifests/latest", 400), ("/v2/./base/dots/manifests/latest", 400),
        ("/v2//base/dots/manifests/latest", 400), ("/v2/base/dots//manifests/latest", 400),
        ("/v2//tags/list", 400), ("/v2/base/dots/manifests//latest", 404), ("/v2/base/dots/manifests/latest/", 404),
        ("//v2/base/dots/manifests/latest", 404), ("/v2/../v2/", 404), ("/../v2/", 404),
        ("/v2/base/dots/manifests/..", 404),
        ("/v2/base/dots/tags/../tags/list", 400), ("/v2/foo/../../x", 404), ("/V2/", 404), ("/v2//", 404),
    ],
)  # fmt: skip
def test_paths_are_not_normalised(server: Server, http: httpx.Client, target: str, status: int) -> None:
    push_image(http, "base/dots", "latest", layers=0)
    answer = ask(server.url, "GET", target)
    assert answer.status == status
    assert answer.codes in (["NAME_INVALID"], ["UNSUPPORTED"], ["MANIFEST_UNKNOWN"])
