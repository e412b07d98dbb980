"""spec/manifests.md: conditional requests."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.server import Server
from tests.speak.content import OCI_MANIFEST, digest_of, image
from tests.speak.requests import errors, push_image, put_manifest

OTHER = '"sha256:' + "0" * 64 + '"'
NEWER = image(annotations={"newer": ""})


def put_if(http: httpx.Client, name: str, reference: str, body: bytes, **condition: str) -> httpx.Response:
    headers = {"content-type": OCI_MANIFEST} | {key.replace("_", "-"): value for key, value in condition.items()}
    return http.put(f"/v2/{name}/manifests/{reference}", content=body, headers=headers)


def refused(answer: httpx.Response) -> bool:
    return answer.status_code == 412 and errors(answer) == ["DENIED"]


@pytest.mark.spec("MANIFEST-8")
@pytest.mark.parametrize("form", ['"{}"', 'W/"{}"', "{}", '"a", "{}"', '"a",W/"b" , "{}"', "*", "a, {}"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_the_client_has_is_not_sent_again(http: httpx.Client, name: str, method: str, form: str) -> None:
    _, digest = push_image(http, name, "v1")
    for reference in ("v1", digest):
        url = f"/v2/{name}/manifests/{reference}"
        answer = http.request(method, url, headers={"if-none-match": form.format(digest)})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == f'"{digest}"'
        assert answer.headers["docker-content-digest"] == digest
        assert answer.headers.get("content-length", "0") == "0"


@pytest.mark.spec("MANIFEST-8")
@pytest.mark.parametrize("form", [OTHER, "", '""', ",", '"sha256:"', "W/", '"', '"*"', 'W/"*"'])
def test_what_the_client_lacks_is_sent(http: httpx.Client, name: str, form: str) -> None:
    body, _ = push_image(http, name, "v1")
    answer = http.get(f"/v2/{name}/manifests/v1", headers={"if-none-match": form})
    assert (answer.status_code, answer.content) == (200, body)


@pytest.mark.spec("MANIFEST-8")
def test_a_tag_that_moved_is_sent(http: httpx.Client, name: str) -> None:
    push_image(http, name, "v1")
    etag = http.head(f"/v2/{name}/manifests/v1").headers["etag"]
    moved, _ = push_image(http, name, "v1")
    assert http.get(f"/v2/{name}/manifests/v1", headers={"if-none-match": etag}).content == moved


@pytest.mark.spec("MANIFEST-35")
def test_a_push_that_must_not_replace(http: httpx.Client, name: str) -> None:
    assert put_if(http, name, "v1", image(), if_none_match="*").status_code == 201
    assert refused(put_if(http, name, "v1", NEWER, if_none_match="*"))
    assert refused(put_if(http, name, "v1", image(), if_none_match=f'"{digest_of(image())}"'))
    assert http.get(f"/v2/{name}/manifests/v1").content == image()
    assert http.get(f"/v2/{name}/manifests/{digest_of(NEWER)}").status_code == 404
    assert put_if(http, name, "v2", NEWER, if_none_match="*").status_code == 201
    assert put_if(http, name, "v1", NEWER, if_none_match=OTHER).status_code == 201


@pytest.mark.spec("MANIFEST-35")
def test_a_push_that_must_replace(http: httpx.Client, name: str) -> None:
    first, second = (f'"{digest_of(body)}"' for body in (image(), NEWER))
    for condition in ("*", first, OTHER):
        assert refused(put_if(http, name, "v1", image(), if_match=condition))
    assert http.get(f"/v2/{name}/tags/list").status_code == 404
    put_manifest(http, name, "v1", image())
    assert refused(put_if(http, name, "v1", NEWER, if_match=second))
    assert refused(put_if(http, name, "v1", NEWER, if_match=""))
    assert put_if(http, name, "v1", NEWER, if_match=f"{OTHER}, {first}").status_code == 201
    assert put_if(http, name, "v1", image(), if_match="*").status_code == 201
    assert refused(put_if(http, name, "v1", NEWER, if_match=first, if_none_match=first))
    assert http.get(f"/v2/{name}/manifests/v1").content == image()


@pytest.mark.spec("MANIFEST-35")
def test_a_condition_of_a_push_by_digest_is_about_the_digest(http: httpx.Client, name: str) -> None:
    digest = digest_of(image())
    assert refused(put_if(http, name, digest + "?tag=v1", image(), if_match="*"))
    assert http.get(f"/v2/{name}/manifests/v1").status_code == 404
    assert put_if(http, name, digest, image(), if_none_match="*").status_code == 201
    assert refused(put_if(http, name, digest + "?tag=v1", image(), if_none_match="*"))
    assert http.get(f"/v2/{name}/manifests/v1").status_code == 404
    assert put_if(http, name, digest + "?tag=v1", image(), if_match=f'"{digest}"').status_code == 201


@pytest.mark.spec("MANIFEST-36")
@pytest.mark.parametrize("by_digest", [False, True])
def test_a_delete_on_condition(http: httpx.Client, name: str, by_digest: bool) -> None:
    _, digest = push_image(http, name, "v1")
    url = f"/v2/{name}/manifests/{digest if by_digest else 'v1'}"
    for headers in ({"if-match": OTHER}, {"if-none-match": "*"}, {"if-none-match": f'"{digest}"'}):
        assert refused(http.delete(url, headers=headers))
        assert http.get(url).status_code == 200
    assert http.delete(url, headers={"if-match": f'"{digest}"', "if-none-match": OTHER}).status_code == 202
    # Of what is not there nothing else is said (RFC 9110 section 13.2.1).
    for headers in ({"if-match": "*"}, {"if-match": OTHER}, {"if-none-match": "*"}):
        assert http.delete(url, headers=headers).status_code == 404


@pytest.mark.spec("MANIFEST-36")
def test_a_tag_that_moved_meanwhile_is_not_deleted(http: httpx.Client, name: str) -> None:
    _, seen = push_image(http, name, "v1")
    moved, _ = push_image(http, name, "v1")
    assert refused(http.delete(f"/v2/{name}/manifests/v1", headers={"if-match": f'"{seen}"'}))
    assert http.get(f"/v2/{name}/manifests/v1").content == moved


@pytest.mark.spec("MANIFEST-37")
@pytest.mark.parametrize("there", [False, True])
def test_of_many_pushes_on_one_condition_one_succeeds(
    server: Server, http: httpx.Client, name: str, there: bool
) -> None:
    condition = {"if_none_match": "*"}
    if there:
        condition = {"if_match": f'"{put_manifest(http, name, "v1", image()).headers["docker-content-digest"]}"'}
    bodies = [image(annotations={"number": str(number)}) for number in range(16)]
    with ThreadPoolExecutor(8) as pool, httpx.Client(base_url=server.url, timeout=30) as shared:
        answers = list(pool.map(lambda body: put_if(shared, name, "v1", body, **condition), bodies))
    assert sorted(answer.status_code for answer in answers) == [201] + [412] * 15
    winner = next(body for body, answer in zip(bodies, answers, strict=True) if answer.status_code == 201)
    assert http.get(f"/v2/{name}/manifests/v1").content == winner
