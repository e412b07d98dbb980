"""Conditions hold for every endpoint: they are looked at in one place, whatever is asked (RFC 9110 section 13)."""

import httpx
import pytest

from tests.speak.content import digest_of, random_blob
from tests.speak.requests import errors, push_blob, push_image, start_upload, with_digest

OTHER = '"sha256:' + "0" * 64 + '"'


def refused(answer: httpx.Response) -> bool:
    if answer.request.method == "HEAD":
        return answer.status_code == 412 and answer.content == b""
    return answer.status_code == 412 and errors(answer) == ["DENIED"]


FAILING = [OTHER, "", '""', 'W/"{}"', "W/{}", f'{OTHER}, W/"{{}}"', '"*"']
FAILING += ['w/"{}"', '*, "{}"', '"x" "{}"', '"{}', "'{}'", '"{}";', "{}x y"]
HOLDING = ["*", '"{}"', f'{OTHER}, "{{}}"', "{}", '"x","{}"']


@pytest.mark.spec("BLOB-42")
@pytest.mark.parametrize("size", [10, 100_000], ids=["in a row", "in a file"])
@pytest.mark.parametrize("form", FAILING)
def test_a_blob_that_is_not_the_one_that_was_meant(form: str, size: int, http: httpx.Client, name: str) -> None:
    content = random_blob(size)
    path = f"/v2/{name}/blobs/{push_blob(http, name, content)}"
    headers = {"if-match": form.format(digest_of(content))}
    for method in ("GET", "HEAD", "DELETE"):
        assert refused(http.request(method, path, headers=headers)), method
    assert refused(http.get(path, headers=headers | {"range": "bytes=0-3"}))
    assert refused(http.get(path, headers=headers | {"if-none-match": "*"}))
    assert http.get(path).content == content


@pytest.mark.spec("BLOB-42")
@pytest.mark.parametrize("form", HOLDING)
def test_a_blob_that_is_the_one_that_was_meant(form: str, http: httpx.Client, name: str) -> None:
    content = random_blob(100)
    path = f"/v2/{name}/blobs/{push_blob(http, name, content)}"
    headers = {"if-match": form.format(digest_of(content))}
    assert http.get(path, headers=headers).content == content
    assert http.get(path, headers=headers | {"range": "bytes=0-3"}).content == content[:4]
    assert http.head(path, headers=headers).status_code == 200
    assert refused(http.delete(path, headers=headers | {"if-none-match": "*"}))
    assert http.delete(path, headers=headers).status_code == 202
    assert http.get(path, headers=headers).status_code == 404


@pytest.mark.spec("MANIFEST-46")
@pytest.mark.parametrize("form", FAILING)
def test_a_manifest_that_is_not_the_one_that_was_meant(form: str, http: httpx.Client, name: str) -> None:
    body, digest = push_image(http, name, "v1")
    headers = {"if-match": form.format(digest)}
    for reference in ("v1", digest):
        path = f"/v2/{name}/manifests/{reference}"
        for method in ("GET", "HEAD", "DELETE"):
            assert refused(http.request(method, path, headers=headers)), method
        assert http.get(path).content == body


@pytest.mark.spec("MANIFEST-46")
@pytest.mark.parametrize("form", HOLDING)
def test_a_manifest_that_is_the_one_that_was_meant(form: str, http: httpx.Client, name: str) -> None:
    body, digest = push_image(http, name, "v1")
    headers = {"if-match": form.format(digest)}
    assert http.get(f"/v2/{name}/manifests/v1", headers=headers).content == body
    assert http.head(f"/v2/{name}/manifests/{digest}", headers=headers).status_code == 200
    assert http.get(f"/v2/{name}/manifests/v1", headers=headers | {"if-none-match": "*"}).status_code == 304


@pytest.mark.spec("CONNECTION-9")
def test_what_has_no_entity_tag_matches_none(http: httpx.Client, name: str) -> None:
    content = random_blob(100)
    push_image(http, name, "v1")
    session = start_upload(http, name)
    asked = [
        *(("GET", path) for path in ("/v2/", "/v2/_catalog", f"/v2/{name}/tags/list", session)),
        ("GET", f"/v2/{name}/referrers/{digest_of(content)}"),
        ("POST", f"/v2/{name}/blobs/uploads/"),
        ("POST", f"/v2/{name}/blobs/uploads/?digest={digest_of(content)}"),
        ("PATCH", session),
        ("PUT", with_digest(session, digest_of(content))),
        ("DELETE", session),
    ]
    for method, path in asked:
        body = content if method in ("POST", "PATCH", "PUT") else None
        assert refused(http.request(method, path, content=body, headers={"if-match": OTHER})), (method, path)
    assert http.get(session).headers["range"] == "0--1"
    assert http.get(f"/v2/{name}/blobs/{digest_of(content)}").status_code == 404
    # What is not there comes first (RFC 9110 section 13.2.1).
    unknown = f"/v2/{name}/none/tags/list", session[:-12] + "0" * 12, f"/v2/{name}/blobs/{digest_of(b'none')}"
    for method, path in (("GET", unknown[0]), ("PATCH", unknown[1]), ("DELETE", unknown[1]), ("DELETE", unknown[2])):
        assert http.request(method, path, headers={"if-match": OTHER}).status_code == 404
    assert http.patch(session, content=content, headers={"if-match": "*"}).status_code == 202
    assert http.get(f"/v2/{name}/tags/list", headers={"if-match": "*"}).json()["tags"] == ["v1"]


@pytest.mark.spec("CONNECTION-16")
def test_what_has_no_entity_tag_is_there_all_the_same(http: httpx.Client, name: str) -> None:
    content = random_blob(100)
    push_image(http, name, "v1")
    session = start_upload(http, name)
    closing = with_digest(session, digest_of(content))
    none, others = {"if-none-match": "*"}, {"if-none-match": OTHER}
    for path in ("/v2/", "/v2/_catalog?n=1", f"/v2/{name}/tags/list", f"/v2/{name}/referrers/{OTHER[1:-1]}", session):
        for method in ("GET", "HEAD"):
            answer = http.request(method, path, headers=none)
            assert (answer.status_code, answer.content) == (304, b""), (method, path)
            assert "content-type" not in answer.headers
            whole = http.request(method, path)
            for header in ("link", "location", "range", "oci-filters-applied", "docker-distribution-api-version"):
                assert answer.headers.get(header) == whole.headers.get(header)
            same = http.request(method, path, headers=others)
            assert (same.status_code, same.content) == (whole.status_code, whole.content)
    for method, path in (("PATCH", session), ("PUT", closing), ("DELETE", session)):
        body = None if method == "DELETE" else content
        assert refused(http.request(method, path, content=body, headers=none)), (method, path)
    assert http.get(session).headers["range"] == "0--1"
    # Of what is not there, that is said; and what may have been there before is.
    unknown = session[:-12] + "0" * 12
    for method, path in (("GET", f"/v2/{name}/none/tags/list"), ("HEAD", unknown), ("PATCH", unknown)):
        assert http.request(method, path, headers=none).status_code == 404
    # A POST makes what was not there.
    assert http.post(f"/v2/{name}/blobs/uploads/", headers=none).status_code == 202
    assert http.patch(session, content=content, headers=others).status_code == 202
    assert http.put(closing, headers=others).status_code == 201
    assert http.put(closing, headers=none).status_code == 201
