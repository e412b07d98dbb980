"""spec/manifests.md: deletes, by tag and by digest."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.server import Server, running
from tests.speak.content import OCI_INDEX, artifact, digest_of, image, index
from tests.speak.requests import errors, push_blob, push_image, put_manifest, start_upload

UNKNOWN = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def undeletable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("no-delete"), "--workers", "1", "--no-delete") as server:
        yield server


def status(http: httpx.Client, name: str, reference: str) -> int:
    return http.get(f"/v2/{name}/manifests/{reference}").status_code


@pytest.mark.spec("MANIFEST-38", "MANIFEST-42")
def test_a_delete_by_tag_removes_the_tag_alone(http: httpx.Client, name: str) -> None:
    body, digest = push_image(http, name, "v1")
    put_manifest(http, name, "v2", body)
    answer = http.delete(f"/v2/{name}/manifests/v1")
    assert (answer.status_code, answer.content) == (202, b"")
    assert [status(http, name, reference) for reference in ("v1", "v2", digest)] == [404, 200, 200]
    assert http.get(f"/v2/{name}/tags/list").json()["tags"] == ["v2"]
    assert http.delete(f"/v2/{name}/manifests/v2").status_code == 202
    assert status(http, name, digest) == 200


@pytest.mark.spec("MANIFEST-39", "MANIFEST-42")
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_delete_by_digest_removes_all_its_tags(http: httpx.Client, name: str, algorithm: str) -> None:
    digest = digest_of(image(), algorithm)
    put_manifest(http, name, digest + "?tag=v1&tag=v2", image())
    put_manifest(http, f"{name}/other", digest + "?tag=v1", image())
    push_image(http, name, "v3")
    answer = http.delete(f"/v2/{name}/manifests/{digest}")
    assert (answer.status_code, answer.content) == (202, b"")
    assert [status(http, name, reference) for reference in ("v1", "v2", digest, "v3")] == [404, 404, 404, 200]
    assert http.get(f"/v2/{name}/tags/list").json()["tags"] == ["v3"]
    assert [status(http, f"{name}/other", reference) for reference in ("v1", digest)] == [200, 200]


@pytest.mark.spec("MANIFEST-40")
def test_a_delete_of_what_is_not_there(http: httpx.Client, name: str) -> None:
    _, digest = push_image(http, name, "v1")
    for where, reference in [(name, "v2"), (name, UNKNOWN), (f"{name}/none", "v1"), (f"{name}/none", digest)]:
        answer = http.delete(f"/v2/{where}/manifests/{reference}")
        assert (answer.status_code, errors(answer)) == (404, ["MANIFEST_UNKNOWN"])
    for reference in ("v1", digest):
        assert http.delete(f"/v2/{name}/manifests/{reference}").status_code == 202
        assert http.delete(f"/v2/{name}/manifests/{reference}").status_code == 404


@pytest.mark.spec("MANIFEST-41")
def test_deletes_switched_off(undeletable: Server, name: str) -> None:
    with httpx.Client(base_url=undeletable.url) as http:
        body, digest = push_image(http, name, "v1", layers=1)
        blob = json.loads(body)["layers"][0]["digest"]
        for path in ("manifests/v1", f"manifests/{digest}", "manifests/unknown", f"blobs/{blob}", f"blobs/{UNKNOWN}"):
            answer = http.delete(f"/v2/{name}/{path}")
            assert (answer.status_code, errors(answer)) == (405, ["UNSUPPORTED"])
            allowed = answer.headers["allow"].split(", ")
            assert allowed == (["GET", "HEAD", "PUT"] if "manifests" in path else ["GET", "HEAD"])
        assert [status(http, name, reference) for reference in ("v1", digest)] == [200, 200]
        assert http.head(f"/v2/{name}/blobs/{blob}").status_code == 200
        assert http.delete(start_upload(http, name)).status_code == 204
        assert "DELETE" not in http.post(f"/v2/{name}/manifests/v1").headers["allow"]


@pytest.mark.spec("MANIFEST-42")
def test_every_change_is_seen_at_once_on_every_connection(server: Server, http: httpx.Client, name: str) -> None:
    """Connections are spread over the workers, so a new one may reach any of them."""
    for number in range(8):
        body = image(annotations={"number": str(number)})
        digest = put_manifest(http, name, "v1", body).headers["docker-content-digest"]
        with httpx.Client(base_url=server.url) as other:
            assert other.get(f"/v2/{name}/manifests/v1").content == body
            assert other.delete(f"/v2/{name}/manifests/{digest}").status_code == 202
        with httpx.Client(base_url=server.url) as other:
            assert [status(other, name, reference) for reference in ("v1", digest)] == [404, 404]
        assert [status(http, name, reference) for reference in ("v1", digest)] == [404, 404]


@pytest.mark.spec("MANIFEST-43")
def test_what_a_manifest_refers_to_may_be_deleted(http: httpx.Client, name: str) -> None:
    body, child = push_image(http, name, "child", layers=1)
    parent = put_manifest(http, name, "index", index([body]), OCI_INDEX).headers["docker-content-digest"]
    layer = json.loads(body)["layers"][0]["digest"]
    assert http.delete(f"/v2/{name}/blobs/{layer}").status_code == 202
    assert http.get(f"/v2/{name}/blobs/{layer}").status_code == 404
    assert status(http, name, child) == 200
    assert http.delete(f"/v2/{name}/manifests/{child}").status_code == 202
    assert http.get(f"/v2/{name}/manifests/{parent}").content == index([body])
    assert put_manifest(http, name, child, body).status_code == 201
    assert http.delete(f"/v2/{name}/manifests/{parent}").status_code == 202
    assert status(http, name, child) == 200


@pytest.mark.spec("MANIFEST-43")
def test_referrers_stay_when_their_subject_goes(http: httpx.Client, name: str) -> None:
    body, subject = push_image(http, name, "v1")
    referrer = artifact(body)
    put_manifest(http, name, digest_of(referrer), referrer)
    assert http.delete(f"/v2/{name}/manifests/{subject}").status_code == 202
    assert status(http, name, digest_of(referrer)) == 200
    listed = http.get(f"/v2/{name}/referrers/{subject}").json()["manifests"]
    assert [entry["digest"] for entry in listed] == [digest_of(referrer)]


@pytest.mark.spec("MANIFEST-44")
def test_what_was_deleted_may_be_pushed_again(http: httpx.Client, name: str) -> None:
    content = b"layer of " + name.encode()
    blob = push_blob(http, name, content)
    body = image(layers=[content])
    digest = digest_of(body)
    for _ in range(3):
        assert put_manifest(http, name, "v1", body).status_code == 201
        assert push_blob(http, name, content) == blob
        assert [status(http, name, reference) for reference in ("v1", digest)] == [200, 200]
        assert http.get(f"/v2/{name}/blobs/{blob}").content == content
        assert http.delete(f"/v2/{name}/manifests/{digest}").status_code == 202
        assert http.delete(f"/v2/{name}/blobs/{blob}").status_code == 202
        assert http.get(f"/v2/{name}/blobs/{blob}").status_code == 404
