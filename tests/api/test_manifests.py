"""spec/manifests.md: pull and push, by tag and by digest."""

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.server import Server
from tests.speak.content import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
    descriptor,
    digest_of,
    image,
    index,
    random_blob,
)
from tests.speak.requests import errors, push_blob, push_image, put_manifest
from tests.speak.wire import Wire, head

SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
UNKNOWN = "sha256:" + "0" * 64
TYPES = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST]


def of_type(media_type: str) -> bytes:
    return index([], mediaType=media_type) if media_type in (OCI_INDEX, DOCKER_LIST) else image(mediaType=media_type)


def stored(http: httpx.Client, name: str, body: bytes) -> bool:
    """Whether anything came of a push: the manifest, or only its repository."""
    known = http.get(f"/v2/{name}/manifests/{digest_of(body)}").status_code == 200
    return known or http.get(f"/v2/{name}/tags/list").status_code == 200


# Pull


@pytest.mark.spec("MANIFEST-1", "MANIFEST-2", "MANIFEST-3", "MANIFEST-9")
@pytest.mark.parametrize("media_type", TYPES)
@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "tag"])
def test_what_was_pushed_is_pulled(http: httpx.Client, name: str, media_type: str, algorithm: str) -> None:
    body = of_type(media_type)
    digest = digest_of(body, "sha256" if algorithm == "tag" else algorithm)
    reference = "v1" if algorithm == "tag" else digest
    pushed = put_manifest(http, name, reference, body, media_type)
    assert (pushed.status_code, pushed.content) == (201, b"")
    assert pushed.headers["location"] == f"/v2/{name}/manifests/{digest}"
    assert pushed.headers["docker-content-digest"] == digest
    for url in (pushed.headers["location"], f"/v2/{name}/manifests/{reference}"):
        answer = http.get(url)
        assert (answer.status_code, answer.content) == (200, body)
        assert answer.headers["content-type"] == media_type
        assert answer.headers["docker-content-digest"] == digest


@pytest.mark.spec("MANIFEST-1", "MANIFEST-28")
def test_every_blank_is_kept(http: httpx.Client, name: str) -> None:
    fields = json.loads(image(annotations={"é": "\u2028", "a": "<&>"}))
    spellings = [
        json.dumps(fields).encode(),
        json.dumps(fields, indent="\t").encode() + b"\r\n\r\n",
        b" \r\n\t" + json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode() + b"  ",
        json.dumps(dict(reversed(fields.items()))).encode().replace(b'"layers"', rb'"l\u0061yers"'),
    ]
    digests = {put_manifest(http, name, "v1", body).headers["docker-content-digest"] for body in spellings}
    assert digests == {digest_of(body) for body in spellings}
    assert len(digests) == 4
    for body in spellings:
        assert http.get(f"/v2/{name}/manifests/{digest_of(body)}").content == body


@pytest.mark.spec("MANIFEST-3")
def test_the_last_push_says_which_type_the_bytes_have(http: httpx.Client, name: str) -> None:
    fields = json.loads(image())
    del fields["mediaType"]
    body = json.dumps(fields).encode()
    for media_type in (OCI_MANIFEST, DOCKER_MANIFEST, OCI_MANIFEST):
        assert put_manifest(http, name, "v1", body, media_type).status_code == 201
        assert http.get(f"/v2/{name}/manifests/v1").headers["content-type"] == media_type


@pytest.mark.spec("MANIFEST-4")
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_head_tells_type_length_and_digest(http: httpx.Client, name: str, algorithm: str) -> None:
    body = image(random_blob())
    digest = digest_of(body, algorithm)
    put_manifest(http, name, digest, body)
    answer = http.head(f"/v2/{name}/manifests/{digest}")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == OCI_MANIFEST
    assert answer.headers["content-length"] == str(len(body))
    assert answer.headers["docker-content-digest"] == digest
    assert answer.headers["etag"] == f'"{digest}"'


@pytest.mark.spec("MANIFEST-5")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_in_another_repository_is_unknown(http: httpx.Client, name: str, method: str) -> None:
    body, digest = push_image(http, name, "v1")
    push_image(http, f"{name}/other", "v2")
    sha512 = digest_of(body, "sha512")
    for where, reference in [
        (name, "v2"), (name, UNKNOWN), (name, sha512), (f"{name}/other", digest),
        (f"{name}/none", "v1"), (f"{name}/none", digest),
    ]:  # fmt: skip
        answer = http.request(method, f"/v2/{where}/manifests/{reference}")
        assert answer.status_code == 404
        assert method == "HEAD" or errors(answer) == ["MANIFEST_UNKNOWN"]


@pytest.mark.spec("MANIFEST-6")
@pytest.mark.parametrize(
    "accept",
    [
        [], [""], ["*/*"], ["text/plain"], [OCI_MANIFEST], [DOCKER_MANIFEST], ["application/json;q=0.1, */*;q=0"],
        [","], [SCHEMA1], [f"{OCI_INDEX}, {DOCKER_LIST};q=0.9, {OCI_MANIFEST};q=0"],
        [OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, DOCKER_LIST, SCHEMA1,
         "application/vnd.docker.distribution.manifest.v1+prettyjws"],
    ],
)  # fmt: skip
def test_accept_is_ignored(server: Server, http: httpx.Client, name: str, accept: list[str]) -> None:
    body, _ = push_image(http, name, "child")
    bodies = {"child": body, "index": index([body]), "list": index([body], mediaType=DOCKER_LIST)}
    put_manifest(http, name, "index", bodies["index"], OCI_INDEX)
    put_manifest(http, name, "list", bodies["list"], DOCKER_LIST)
    with Wire(server.url) as connection:
        for tag, expected in bodies.items():
            connection.send(head("GET", f"/v2/{name}/manifests/{tag}", *[f"Accept: {line}" for line in accept]))
            answer = connection.answer()
            assert (answer.status, answer.body) == (200, expected)
            assert answer.headers["content-type"] == json.loads(expected)["mediaType"]


@pytest.mark.spec("MANIFEST-7")
def test_blobs_and_children_are_pulled_without_their_manifest(http: httpx.Client, name: str) -> None:
    content = random_blob()
    digest = push_blob(http, name, content)
    assert http.get(f"/v2/{name}/blobs/{digest}").content == content
    child, child_digest = push_image(http, name, "child")
    put_manifest(http, name, "index", index([child]), OCI_INDEX)
    assert http.head(f"/v2/{name}/manifests/{child_digest}").status_code == 200
    assert http.get(f"/v2/{name}/blobs/{digest}").content == content


# Push


@pytest.mark.spec("MANIFEST-10")
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_another_digest_is_refused(http: httpx.Client, name: str, algorithm: str) -> None:
    digest = digest_of(image(), algorithm)
    answer = put_manifest(http, name, digest + "?tag=v1", image() + b"  ")
    assert (answer.status_code, errors(answer)) == (400, ["DIGEST_INVALID"])
    assert not stored(http, name, image() + b"  ")


@pytest.mark.spec("MANIFEST-11")
@pytest.mark.parametrize("digest", ["blake3:" + "0" * 64, "md5:" + "0" * 32, "sha256+b64u:abc", "sha384:" + "0" * 96])
def test_a_digest_that_cannot_be_checked_is_refused(http: httpx.Client, name: str, digest: str) -> None:
    answer = put_manifest(http, name, digest, image())
    assert (answer.status_code, errors(answer)) == (400, ["DIGEST_INVALID"])
    assert not stored(http, name, image())


@pytest.mark.spec("MANIFEST-12")
@pytest.mark.parametrize(
    "written",
    [
        OCI_MANIFEST + "; charset=utf-8",
        OCI_MANIFEST + ";charset=UTF-8;a=b",
        OCI_MANIFEST.upper(),
        f"{OCI_MANIFEST} ; q",
    ],
)
def test_parameters_and_case_of_the_type_do_not_count(http: httpx.Client, name: str, written: str) -> None:
    assert put_manifest(http, name, "v1", image(), written).status_code == 201
    assert http.get(f"/v2/{name}/manifests/v1").headers["content-type"] == OCI_MANIFEST


def without_type(body: bytes) -> bytes:
    fields = json.loads(body)
    del fields["mediaType"]
    return json.dumps(fields).encode()


@pytest.mark.spec("MANIFEST-13")
@pytest.mark.parametrize(
    ("body", "media_type"),
    [(of_type(media_type), media_type) for media_type in TYPES]
    + [
        (without_type(image()), OCI_MANIFEST),
        (without_type(index([])), OCI_INDEX),
        (image(mediaType=""), OCI_MANIFEST),
    ],
)
def test_a_push_without_a_type_has_that_of_the_body(
    http: httpx.Client, name: str, body: bytes, media_type: str
) -> None:
    answer = http.put(f"/v2/{name}/manifests/v1", content=body)
    assert answer.status_code == 201
    assert http.get(f"/v2/{name}/manifests/v1").headers["content-type"] == media_type


@pytest.mark.spec("MANIFEST-14")
@pytest.mark.parametrize(
    ("body", "media_type"),
    [(image(), DOCKER_MANIFEST), (image(), OCI_INDEX), (index([]), OCI_MANIFEST), (image(), "application/json"),
     (image(), "text/plain"), (image(mediaType=EMPTY), OCI_MANIFEST), (index([], mediaType=OCI_MANIFEST), OCI_INDEX)],
)  # fmt: skip
def test_types_that_contradict_each_other(http: httpx.Client, name: str, body: bytes, media_type: str) -> None:
    answer = put_manifest(http, name, "v1", body, media_type)
    assert (answer.status_code, errors(answer)) == (400, ["MANIFEST_INVALID"])
    assert not stored(http, name, body)


@pytest.mark.spec("MANIFEST-26")
@pytest.mark.parametrize("reference", ["v1", digest_of(image())])
def test_a_push_may_be_repeated(http: httpx.Client, name: str, reference: str) -> None:
    first, second = (put_manifest(http, name, reference, image()) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.headers["docker-content-digest"] == second.headers["docker-content-digest"]
    assert http.get(f"/v2/{name}/tags/list").json()["tags"] == ([reference] if reference == "v1" else [])


@pytest.mark.spec("MANIFEST-27")
def test_a_tag_moves_and_what_it_pointed_to_stays(http: httpx.Client, name: str) -> None:
    first, first_digest = push_image(http, name, "v1")
    second, second_digest = push_image(http, name, "v1")
    assert http.get(f"/v2/{name}/manifests/v1").content == second
    assert http.get(f"/v2/{name}/manifests/{first_digest}").content == first
    assert http.get(f"/v2/{name}/tags/list").json()["tags"] == ["v1"]
    put_manifest(http, name, "v1", first)
    assert http.get(f"/v2/{name}/manifests/v1").content == first
    assert http.get(f"/v2/{name}/manifests/{second_digest}").content == second


@pytest.mark.spec("MANIFEST-28")
def test_one_body_by_two_algorithms_is_two_manifests(http: httpx.Client, name: str) -> None:
    body = image()
    digests = [digest_of(body), digest_of(body, "sha512")]
    for digest in digests:
        assert put_manifest(http, name, digest, body).status_code == 201
    assert [http.get(f"/v2/{name}/manifests/{digest}").content for digest in digests] == [body, body]
    assert http.delete(f"/v2/{name}/manifests/{digests[0]}").status_code == 202
    assert [http.get(f"/v2/{name}/manifests/{digest}").status_code for digest in digests] == [404, 200]


@pytest.mark.spec("MANIFEST-29")
def test_of_many_pushes_to_one_tag_one_wins(server: Server, http: httpx.Client, name: str) -> None:
    bodies = [image(annotations={"number": str(number)}) for number in range(24)]
    with ThreadPoolExecutor(8) as pool, httpx.Client(base_url=server.url, timeout=30) as shared:
        answers = list(pool.map(lambda body: put_manifest(shared, name, "v1", body), bodies))
    assert {answer.status_code for answer in answers} == {201}
    answer = http.get(f"/v2/{name}/manifests/v1")
    assert answer.content in bodies
    assert answer.headers["docker-content-digest"] == digest_of(answer.content)
    for body in bodies:
        assert http.get(f"/v2/{name}/manifests/{digest_of(body)}").content == body


@pytest.mark.spec("MANIFEST-30", "REFERRER-1")
@pytest.mark.parametrize("by_digest", [False, True])
@pytest.mark.parametrize("kind", [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST])
def test_a_push_with_a_subject_names_it(http: httpx.Client, name: str, kind: str, by_digest: bool) -> None:
    fields = json.loads(of_type(kind))
    body = json.dumps(fields | {"subject": descriptor(image(), OCI_MANIFEST)}).encode()
    answer = put_manifest(http, name, digest_of(body) if by_digest else "v1", body, kind)
    assert (answer.status_code, answer.headers["oci-subject"]) == (201, digest_of(image()))
    assert [
        entry["digest"] for entry in http.get(f"/v2/{name}/referrers/{digest_of(image())}").json()["manifests"]
    ] == [digest_of(body)]
    assert "oci-subject" not in put_manifest(http, name, "v2", image()).headers
