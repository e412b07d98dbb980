"""spec/manifests.md: tags that a push by digest sets."""

import httpx
import pytest

from tests.speak.content import OCI_INDEX, digest_of, image, index
from tests.speak.requests import errors, push_image, put_manifest


def tagged(*tags: str) -> str:
    return "?" + "&".join(f"tag={tag}" for tag in tags)


@pytest.mark.spec("MANIFEST-31", "MANIFEST-34")
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_ten_tags_at_once(http: httpx.Client, name: str, algorithm: str) -> None:
    body = image()
    digest = digest_of(body, algorithm)
    tags = [f"v{number}" + "x" * 100 for number in range(10)]
    answer = put_manifest(http, name, digest + tagged(*tags), body)
    assert answer.status_code == 201
    assert answer.headers["oci-tag"].split(", ") == tags
    assert answer.headers["docker-content-digest"] == digest
    assert http.get(f"/v2/{name}/tags/list").json()["tags"] == tags
    for tag in tags:
        for method in ("GET", "HEAD"):
            found = http.request(method, f"/v2/{name}/manifests/{tag}")
            assert (found.status_code, found.headers["docker-content-digest"]) == (200, digest)
        assert found.headers["etag"] == f'"{digest}"'


@pytest.mark.spec("MANIFEST-31")
def test_one_tag_given_twice_is_one(http: httpx.Client, name: str) -> None:
    answer = put_manifest(http, name, digest_of(image()) + tagged("b", "a", "b", "a"), image())
    assert answer.headers["oci-tag"] == "b, a"
    assert http.get(f"/v2/{name}/tags/list").json()["tags"] == ["a", "b"]


@pytest.mark.spec("MANIFEST-31")
def test_tags_that_are_there_move(http: httpx.Client, name: str) -> None:
    push_image(http, name, "v1")
    body = index([])
    assert put_manifest(http, name, digest_of(body) + tagged("v1", "v2"), body, OCI_INDEX).status_code == 201
    assert http.get(f"/v2/{name}/manifests/v1").content == body
    assert "oci-tag" not in put_manifest(http, name, digest_of(body), body, OCI_INDEX).headers
    assert "oci-tag" not in put_manifest(http, name, "v1", body, OCI_INDEX).headers


@pytest.mark.spec("MANIFEST-31")
def test_a_tag_may_be_percent_encoded_in_the_query(http: httpx.Client, name: str) -> None:
    assert put_manifest(http, name, digest_of(image()) + "?tag=%76%31", image()).headers["oci-tag"] == "v1"


@pytest.mark.spec("MANIFEST-32")
def test_a_hundred_tags_and_no_more(http: httpx.Client, name: str) -> None:
    digest = digest_of(image())
    tags = [f"v{number:03}" for number in range(101)]
    answer = put_manifest(http, name, digest + tagged(*tags), image())
    assert (answer.status_code, errors(answer)) == (414, ["UNSUPPORTED"])
    assert http.get(f"/v2/{name}/tags/list").status_code == 404
    assert put_manifest(http, name, digest + tagged(*tags[:100]), image()).status_code == 201
    assert http.get(f"/v2/{name}/tags/list").json()["tags"] == tags[:100]


@pytest.mark.spec("MANIFEST-33")
@pytest.mark.parametrize("bad", [".a", "-a", "a:b", "", "t" * 129, "a%20b", "a%00", "a%0a", "a%2Fb", "%C3%A9", "a,b"])
def test_one_invalid_tag_refuses_the_push(http: httpx.Client, name: str, bad: str) -> None:
    answer = put_manifest(http, name, digest_of(image()) + tagged("good", bad), image())
    assert (answer.status_code, errors(answer)) == (400, ["MANIFEST_INVALID"])
    assert http.get(f"/v2/{name}/tags/list").status_code == 404
    assert http.get(f"/v2/{name}/manifests/{digest_of(image())}").status_code == 404


@pytest.mark.spec("MANIFEST-33")
def test_tags_beside_a_tag_in_the_path_are_refused(http: httpx.Client, name: str) -> None:
    for query in (tagged("v2"), tagged("v1"), tagged("")):
        answer = put_manifest(http, name, "v1" + query, image())
        assert (answer.status_code, errors(answer)) == (400, ["UNSUPPORTED"])
    assert http.get(f"/v2/{name}/tags/list").status_code == 404


@pytest.mark.spec("MANIFEST-34")
def test_a_tag_moves_between_algorithms(http: httpx.Client, name: str) -> None:
    body = image()
    for algorithm in ("sha256", "sha512", "sha256"):
        digest = digest_of(body, algorithm)
        assert put_manifest(http, name, digest + tagged("v1"), body).status_code == 201
        assert http.head(f"/v2/{name}/manifests/v1").headers["docker-content-digest"] == digest
    assert put_manifest(http, name, digest_of(body, "sha512") + tagged("v1"), body).status_code == 201
    assert put_manifest(http, name, "v1", body).headers["docker-content-digest"] == digest_of(body)
    assert http.head(f"/v2/{name}/manifests/v1").headers["docker-content-digest"] == digest_of(body)
