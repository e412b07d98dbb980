"""spec/manifests.md: how large a manifest may be, and what must be there when it is pushed."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.server import running
from tests.speak.content import (
    LAYER,
    OCI_INDEX,
    OCI_MANIFEST,
    descriptor,
    digest_of,
    image,
    index,
    of_size,
    random_blob,
)
from tests.speak.requests import errors, push_blob, push_image, put_manifest

LIMIT = 4 << 20
NONDISTRIBUTABLE = [
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
]


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a registry that wants everything to be there, and manifests of at most 64 KiB."""
    flags = ("--workers", "1", "--no-sparse", "--manifest-limit", "64KiB")
    with running(tmp_path_factory.mktemp("strict"), *flags) as server, httpx.Client(base_url=server.url) as http:
        yield http


def missing(answer: httpx.Response) -> list[str]:
    """The digests that a refusal names."""
    assert answer.status_code == 400
    assert set(errors(answer)) == {"MANIFEST_BLOB_UNKNOWN"}
    return [error["detail"] for error in answer.json()["errors"]]


@pytest.mark.spec("MANIFEST-17", "MANIFEST-18")
@pytest.mark.parametrize("size", [3_910_601, LIMIT])
@pytest.mark.parametrize("chunked", [False, True])
def test_large_manifests_are_accepted(http: httpx.Client, name: str, size: int, chunked: bool) -> None:
    body = of_size(size)
    pieces = [body[:1_000_000], body[1_000_000:]]
    answer = http.put(
        f"/v2/{name}/manifests/v1", content=iter(pieces) if chunked else body, headers={"content-type": OCI_MANIFEST}
    )
    assert answer.status_code == 201
    assert http.get(f"/v2/{name}/manifests/v1").content == body
    assert http.head(f"/v2/{name}/manifests/v1").headers["content-length"] == str(size)


@pytest.mark.spec("MANIFEST-17")
@pytest.mark.parametrize("size", [LIMIT + 1, 8 << 20])
@pytest.mark.parametrize("chunked", [False, True])
def test_larger_manifests_are_refused(http: httpx.Client, name: str, size: int, chunked: bool) -> None:
    body = of_size(size)
    pieces = [body[:1_000_000], body[1_000_000:]]
    answer = http.put(
        f"/v2/{name}/manifests/v1", content=iter(pieces) if chunked else body, headers={"content-type": OCI_MANIFEST}
    )
    assert (answer.status_code, errors(answer)) == (413, ["MANIFEST_INVALID"])
    assert http.get(f"/v2/{name}/tags/list").status_code == 404
    assert http.get("/v2/").status_code == 200


@pytest.mark.spec("MANIFEST-17", "MANIFEST-18")
def test_the_limit_is_the_operators(strict: httpx.Client, name: str) -> None:
    push_blob(strict, name, b"{}")
    assert put_manifest(strict, name, "v1", of_size(64 << 10)).status_code == 201
    for content in (of_size((64 << 10) + 1), iter([of_size((64 << 10) + 1)])):
        answer = strict.put(f"/v2/{name}/manifests/v2", content=content, headers={"content-type": OCI_MANIFEST})
        assert (answer.status_code, errors(answer)) == (413, ["MANIFEST_INVALID"])
    assert strict.get(f"/v2/{name}/tags/list").json()["tags"] == ["v1"]


@pytest.mark.spec("MANIFEST-23")
def test_what_is_not_there_may_be_referred_to(http: httpx.Client, name: str) -> None:
    content = random_blob()
    child = image(layers=[content])
    assert put_manifest(http, name, "index", index([child]), OCI_INDEX).status_code == 201
    assert put_manifest(http, name, "child", child).status_code == 201
    assert http.get(f"/v2/{name}/blobs/{digest_of(content)}").status_code == 404
    push_blob(http, name, content)
    assert http.get(f"/v2/{name}/blobs/{digest_of(content)}").content == content


@pytest.mark.spec("MANIFEST-24")
def test_everything_that_is_missing_is_named(strict: httpx.Client, name: str) -> None:
    config, first, second = (random_blob() for _ in range(3))
    body = image(config, [first, second, first])
    digests = [digest_of(content) for content in (config, first, second)]
    for there in range(3):
        for reference in ("v1", digest_of(body) + "?tag=v2"):
            assert missing(put_manifest(strict, name, reference, body)) == digests[there:]
        assert strict.get(f"/v2/{name}/manifests/{digest_of(body)}").status_code == 404
        push_blob(strict, name, (config, first, second)[there])
    assert put_manifest(strict, name, "v1", body).status_code == 201
    assert strict.get(f"/v2/{name}/tags/list").json()["tags"] == ["v1"]


@pytest.mark.spec("MANIFEST-24")
def test_what_another_repository_holds_is_missing(strict: httpx.Client, name: str) -> None:
    body, digest = push_image(strict, name, "v1", layers=1)
    referred = [json.loads(body)["config"]["digest"], json.loads(body)["layers"][0]["digest"]]
    assert missing(put_manifest(strict, f"{name}/other", "v1", body)) == referred
    assert missing(put_manifest(strict, f"{name}/other", "v1", index([body]), OCI_INDEX)) == [digest]
    assert strict.get(f"/v2/{name}/other/tags/list").status_code == 404


@pytest.mark.spec("MANIFEST-24")
def test_what_was_deleted_is_missing(strict: httpx.Client, name: str) -> None:
    body, _ = push_image(strict, name, "v1", layers=1)
    layer = json.loads(body)["layers"][0]["digest"]
    strict.delete(f"/v2/{name}/blobs/{layer}")
    assert missing(put_manifest(strict, name, "v1", body)) == [layer]
    assert strict.get(f"/v2/{name}/manifests/v1").content == body


@pytest.mark.spec("MANIFEST-24")
def test_children_of_an_index_are_pushed_first(strict: httpx.Client, name: str) -> None:
    body, digest = push_image(strict, name, "child")
    unknown = image(random_blob())
    assert missing(put_manifest(strict, name, "v1", index([body, unknown]), OCI_INDEX)) == [digest_of(unknown)]
    assert put_manifest(strict, name, "v1", index([body]), OCI_INDEX).status_code == 201
    nested = index([descriptor(index([body]), OCI_INDEX)])
    assert put_manifest(strict, name, "v2", nested, OCI_INDEX).status_code == 201
    strict.delete(f"/v2/{name}/manifests/{digest}")
    assert missing(put_manifest(strict, name, "v3", index([body], annotations={}), OCI_INDEX)) == [digest]


@pytest.mark.spec("MANIFEST-25")
@pytest.mark.parametrize("media_type", NONDISTRIBUTABLE)
def test_nondistributable_layers_need_not_be_there(strict: httpx.Client, name: str, media_type: str) -> None:
    push_blob(strict, name, b"{}")
    layer = descriptor(random_blob(), media_type, urls=["https://example.test/layer"])
    assert put_manifest(strict, name, "v1", image(layers=[layer])).status_code == 201
    usual = layer | {"mediaType": LAYER}
    assert missing(put_manifest(strict, name, "v2", image(layers=[usual]))) == [layer["digest"]]


@pytest.mark.spec("MANIFEST-25")
@pytest.mark.parametrize("kind", [OCI_MANIFEST, OCI_INDEX])
def test_a_subject_need_not_be_there(strict: httpx.Client, name: str, kind: str) -> None:
    push_blob(strict, name, b"{}")
    subject = descriptor(random_blob(), OCI_MANIFEST)
    body = image(subject=subject) if kind == OCI_MANIFEST else index([], subject=subject)
    answer = put_manifest(strict, name, digest_of(body), body, kind)
    assert (answer.status_code, answer.headers["oci-subject"]) == (201, subject["digest"])


@pytest.mark.spec("MANIFEST-25")
def test_an_index_may_list_blobs(strict: httpx.Client, name: str) -> None:
    """As build caches do."""
    content = random_blob()
    listed = descriptor(content)
    assert missing(put_manifest(strict, name, "v1", index([listed]), OCI_INDEX)) == [listed["digest"]]
    push_blob(strict, name, content)
    assert put_manifest(strict, name, "v1", index([listed]), OCI_INDEX).status_code == 201
