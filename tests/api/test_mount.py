"""Blobs mounted from another repository: `spec/uploads.md`."""

from urllib.parse import urlsplit

import httpx
import pytest

from tests.speak.content import digest_of, random_blob
from tests.speak.requests import errors, finish, push_blob


def mount(http: httpx.Client, name: str, digest: str, **query: str) -> httpx.Response:
    return http.post(f"/v2/{name}/blobs/uploads/", params={"mount": digest, **query})


def mounted(http: httpx.Client, answer: httpx.Response, name: str, content: bytes, digest: str) -> bool:
    assert answer.status_code == 201, answer.text
    assert answer.headers["docker-content-digest"] == digest
    assert answer.headers["content-length"] == "0"
    assert urlsplit(answer.headers["location"]).path == f"/v2/{name}/blobs/{digest}"
    return http.get(answer.headers["location"]).content == content


def session_instead(http: httpx.Client, answer: httpx.Response, digest: str) -> bool:
    """Whether the answer is a session that works."""
    assert answer.status_code == 202, answer.text
    assert answer.headers["range"] == "0-0"
    assert answer.headers["docker-upload-uuid"] in answer.headers["location"]
    assert http.head(f"{answer.headers['location'].partition('/uploads/')[0]}/{digest}").status_code == 404
    finish(http, answer.headers["location"], *(2 * [random_blob()]))
    return True


@pytest.mark.spec("UPLOAD-70")
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("size", [0, 512, 2_000_000])
def test_a_blob_is_mounted(size: int, algorithm: str, http: httpx.Client, name: str) -> None:
    content = random_blob(size)
    digest = push_blob(http, f"{name}/source", content, algorithm)
    answer = mount(http, f"{name}/target", digest, **{"from": f"{name}/source"})
    assert mounted(http, answer, f"{name}/target", content, digest)


@pytest.mark.spec("UPLOAD-29", "UPLOAD-70")
def test_what_else_stands_in_the_query_of_a_mount_changes_nothing(http: httpx.Client, name: str) -> None:
    content = random_blob()
    digest = push_blob(http, f"{name}/source", content)
    answer = mount(http, f"{name}/target", digest, **{"from": f"{name}/source"}, origin="docker.io", ns="a.example")
    assert mounted(http, answer, f"{name}/target", content, digest)


@pytest.mark.spec("UPLOAD-71")
def test_a_blob_that_the_source_lacks_makes_a_session(http: httpx.Client, name: str) -> None:
    push_blob(http, f"{name}/source", random_blob())
    digest = digest_of(random_blob())
    assert session_instead(http, mount(http, f"{name}/target", digest, **{"from": f"{name}/source"}), digest)


@pytest.mark.spec("UPLOAD-71")
def test_a_blob_that_only_a_third_repository_has_makes_a_session(http: httpx.Client, name: str) -> None:
    push_blob(http, f"{name}/source", random_blob())
    digest = push_blob(http, f"{name}/third", random_blob())
    assert session_instead(http, mount(http, f"{name}/target", digest, **{"from": f"{name}/source"}), digest)


@pytest.mark.spec("UPLOAD-71")
@pytest.mark.parametrize("source", ["no/such/repository", "Not/A/Name", "../..", "a" * 300, "%00"])
def test_a_source_that_does_not_or_cannot_exist_makes_a_session(source: str, http: httpx.Client, name: str) -> None:
    digest = push_blob(http, f"{name}/source", random_blob())
    assert session_instead(http, mount(http, f"{name}/target", digest, **{"from": source}), digest)


@pytest.mark.spec("UPLOAD-72")
@pytest.mark.parametrize("query", [{}, {"from": ""}], ids=["absent", "empty"])
def test_a_blob_is_mounted_from_anywhere_without_from(query: dict[str, str], http: httpx.Client, name: str) -> None:
    content = random_blob()
    digest = push_blob(http, f"{name}/somewhere", content)
    assert mounted(http, mount(http, f"{name}/target", digest, **query), f"{name}/target", content, digest)


@pytest.mark.spec("UPLOAD-72")
def test_a_blob_that_nobody_has_makes_a_session(http: httpx.Client, name: str) -> None:
    digest = digest_of(random_blob())
    assert session_instead(http, mount(http, name, digest), digest)


@pytest.mark.spec("UPLOAD-72")
def test_a_blob_that_was_deleted_everywhere_makes_a_session(http: httpx.Client, name: str) -> None:
    digest = push_blob(http, f"{name}/source", random_blob())
    assert http.delete(f"/v2/{name}/source/blobs/{digest}").status_code == 202
    assert session_instead(http, mount(http, f"{name}/target", digest), digest)


@pytest.mark.spec("UPLOAD-73")
@pytest.mark.parametrize("source", ["itself", "no/such/repository", "Not/A/Name", ""])
def test_a_blob_that_the_target_has_is_mounted_whatever_from_says(source: str, http: httpx.Client, name: str) -> None:
    content = random_blob()
    digest = push_blob(http, name, content)
    answer = mount(http, name, digest, **{"from": name if source == "itself" else source})
    assert mounted(http, answer, name, content, digest)


@pytest.mark.spec("UPLOAD-74")
@pytest.mark.parametrize("bad", ["", "latest", "sha256:abc", "sha256:" + "A" * 64, "blake3:" + "a" * 64])
def test_a_mount_of_what_is_no_digest_is_refused(bad: str, http: httpx.Client, name: str) -> None:
    answer = mount(http, name, bad, **{"from": f"{name}/source"})
    assert answer.status_code == 400
    assert errors(answer) == ["DIGEST_INVALID"]
    assert "location" not in answer.headers


@pytest.mark.spec("UPLOAD-75")
@pytest.mark.parametrize("deleted", ["source", "target"])
def test_a_mounted_blob_belongs_to_both(deleted: str, http: httpx.Client, name: str) -> None:
    content = random_blob()
    digest = push_blob(http, f"{name}/source", content)
    assert mount(http, f"{name}/target", digest, **{"from": f"{name}/source"}).status_code == 201
    assert http.delete(f"/v2/{name}/{deleted}/blobs/{digest}").status_code == 202
    assert http.get(f"/v2/{name}/{deleted}/blobs/{digest}").status_code == 404
    kept = "target" if deleted == "source" else "source"
    assert http.get(f"/v2/{name}/{kept}/blobs/{digest}").content == content
