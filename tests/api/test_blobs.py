"""Reading and deleting blobs: `spec/blobs.md`."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.server import Server, running
from tests.speak.content import digest_of, random_blob
from tests.speak.requests import errors, push_blob, push_image
from tests.speak.wire import Wire

MALFORMED = ["sha256:abc", "sha256:" + "A" * 64, "sha256:" + "g" * 64, "sha256:" + "a" * 65, "sha512:" + "a" * 64, "x"]


@pytest.mark.spec("BLOB-1", "BLOB-13", "BLOB-10")
@pytest.mark.parametrize("size", [1, 255, 256 * 1024, 256 * 1024 + 1, 3_000_000])
def test_a_blob_comes_back_as_it_was_pushed(size: int, http: httpx.Client, name: str) -> None:
    content = random_blob(size)
    answer = http.get(f"/v2/{name}/blobs/{push_blob(http, name, content)}")
    assert answer.status_code == 200
    assert answer.headers["content-length"] == str(size)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.content == content


@pytest.mark.spec("BLOB-13")
@pytest.mark.parametrize("content", [b"\0" * 5000, b'{"a":1}', "naïve\r\n".encode(), b"\x1f\x8b\x08 like gzip"])
def test_content_of_any_kind_comes_back_as_it_was_pushed(content: bytes, http: httpx.Client, name: str) -> None:
    assert http.get(f"/v2/{name}/blobs/{push_blob(http, name, content)}").content == content


@pytest.mark.spec("BLOB-2", "BLOB-3")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_is_described(algorithm: str, method: str, http: httpx.Client, name: str) -> None:
    digest = push_blob(http, name, random_blob(), algorithm)
    answer = http.request(method, f"/v2/{name}/blobs/{digest}")
    assert answer.headers["docker-content-digest"] == digest
    assert answer.headers["etag"] == f'"{digest}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["cache-control"] == "max-age=31536000"


@pytest.mark.spec("BLOB-4")
@pytest.mark.parametrize("size", [0, 512, 2_000_000])
def test_head_has_the_headers_of_get_and_no_body(size: int, server: Server, http: httpx.Client, name: str) -> None:
    url = f"/v2/{name}/blobs/{push_blob(http, name, random_blob(size))}"
    with Wire(server.url) as connection:
        connection.ask("HEAD", url)
        connection.ask("GET", url)
        head, get = connection.answer(bodiless=True), connection.answer()
    own = ("date", "x-request-id")
    assert head.status == get.status == 200
    assert head.headers.get("content-length") == str(size)
    assert [pair for pair in head.headers if pair[0] not in own] == [pair for pair in get.headers if pair[0] not in own]


@pytest.mark.spec("BLOB-4")
def test_head_is_right_at_once_after_the_push(http: httpx.Client, name: str) -> None:
    for number in range(20):
        content = random_blob(100 + number)
        answer = http.head(f"/v2/{name}/blobs/{push_blob(http, name, content)}")
        assert (answer.status_code, answer.headers["content-length"]) == (200, str(100 + number))


@pytest.mark.spec("BLOB-5", "BLOB-6")
def test_a_blob_that_the_repository_does_not_hold_is_unknown(http: httpx.Client, name: str) -> None:
    _, digest = push_image(http, name, "latest")
    elsewhere = push_blob(http, f"{name}/other", random_blob())
    unknown = digest_of(random_blob())
    for url in (
        f"/v2/{name}/blobs/{elsewhere}",
        f"/v2/{name}/blobs/{unknown}",
        f"/v2/{name}/blobs/{digest}",
        f"/v2/{name}/no/such/repository/blobs/{elsewhere}",
    ):
        answer = http.get(url)
        assert answer.status_code == http.head(url).status_code == 404
        assert errors(answer) == ["BLOB_UNKNOWN"]


@pytest.mark.spec("BLOB-7", "BLOB-6")
@pytest.mark.parametrize("bad", MALFORMED)
def test_what_is_no_digest_is_refused(bad: str, http: httpx.Client, name: str) -> None:
    answer = http.get(f"/v2/{name}/blobs/{bad}")
    assert answer.status_code == http.head(f"/v2/{name}/blobs/{bad}").status_code == 400
    assert errors(answer) == ["DIGEST_INVALID"]


@pytest.mark.spec("BLOB-7")
def test_a_digest_of_an_unknown_algorithm_is_that_of_no_blob(http: httpx.Client, name: str) -> None:
    assert http.get(f"/v2/{name}/blobs/sha257:{'a' * 64}").status_code == 404


@pytest.mark.spec("BLOB-8")
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_the_blob_of_no_bytes_is_read(algorithm: str, http: httpx.Client, name: str) -> None:
    url = f"/v2/{name}/blobs/{push_blob(http, name, b'', algorithm)}"
    for method in ("GET", "HEAD"):
        answer = http.request(method, url)
        assert answer.status_code == 200
        assert answer.headers["content-length"] == "0"
        assert answer.content == b""


@pytest.mark.spec("BLOB-9", "BLOB-11", "BLOB-12")
def test_nothing_that_a_client_adds_changes_the_bytes(http: httpx.Client, name: str) -> None:
    content = b"compressible" * 1000
    url = f"/v2/{name}/blobs/{push_blob(http, name, content)}"
    headers = {"accept-encoding": "zstd, gzip, br", "accept": "application/json, text/html"}
    with http.stream("GET", f"{url}?ns=docker.io&n=1&digest=x", headers=headers, follow_redirects=False) as answer:
        assert answer.status_code == 200
        assert b"".join(answer.iter_raw()) == content
    assert "content-encoding" not in answer.headers
    assert "transfer-encoding" not in answer.headers
    assert answer.headers["content-length"] == str(len(content))


@pytest.mark.spec("BLOB-10")
def test_the_blobs_of_an_image_are_pulled_after_the_image_is_gone(http: httpx.Client, name: str) -> None:
    content = random_blob()
    layer = push_blob(http, name, content)
    _, digest = push_image(http, name, "latest")
    assert http.delete(f"/v2/{name}/manifests/{digest}").status_code == 202
    assert http.get(f"/v2/{name}/blobs/{layer}").content == content


@pytest.mark.spec("BLOB-14")
def test_clients_that_leave_or_read_slowly_disturb_nobody(server: Server, http: httpx.Client, name: str) -> None:
    content = random_blob(16_000_000)
    url = f"/v2/{name}/blobs/{push_blob(http, name, content)}"
    with Wire(server.url) as slow:
        slow.ask("GET", url)
        for asked in ("bytes=1000-", "bytes=0-", "none=0"):
            with Wire(server.url) as leaving:
                leaving.ask("GET", url, range=asked)
                leaving.socket.recv(1000)
        assert http.get(url, headers={"range": "bytes=5-9"}).content == content[5:10]
        answer = slow.answer()
        assert answer.status == 200
        assert answer.body == content
        slow.ask("GET", url, range="bytes=0-0")
        assert slow.answer().body == content[:1]


def not_modified(answer: httpx.Response, digest: str) -> bool:
    assert answer.headers.get("etag") == f'"{digest}"'
    assert answer.headers["docker-content-digest"] == digest
    return answer.status_code == 304 and answer.content == b""


@pytest.mark.spec("BLOB-40")
@pytest.mark.parametrize("form", ['"{}"', 'W/"{}"', "{}", "*", '"x", "{}"', '"x",W/"{}"', '"x" , {} , "y"', '"{}","z"'])
def test_a_blob_that_the_client_has_is_not_sent_again(form: str, http: httpx.Client, name: str) -> None:
    digest = push_blob(http, name, random_blob())
    url, headers = f"/v2/{name}/blobs/{digest}", {"if-none-match": form.format(digest)}
    assert not_modified(http.get(url, headers=headers), digest)
    assert not_modified(http.head(url, headers=headers), digest)
    assert not_modified(http.get(url, headers=headers | {"range": "bytes=0-1"}), digest)
    assert not_modified(http.get(url, headers=headers | {"range": "bytes=900-"}), digest)


@pytest.mark.spec("BLOB-40")
def test_the_condition_may_stand_on_several_lines(server: Server, http: httpx.Client, name: str) -> None:
    digest = push_blob(http, name, random_blob())
    lines = f'if-none-match: "x"\r\nif-none-match: "{digest}"\r\n'
    with Wire(server.url) as connection:
        connection.send(f"GET /v2/{name}/blobs/{digest} HTTP/1.1\r\nhost: x\r\n{lines}\r\n".encode())
        assert connection.answer().status == 304


@pytest.mark.spec("BLOB-41")
@pytest.mark.parametrize("form", ['"x"', 'W/"x"', '"sha256:{}"', "", '""', '"{}x"'])
def test_a_blob_that_the_client_does_not_have_is_sent(form: str, http: httpx.Client, name: str) -> None:
    content = random_blob()
    url = f"/v2/{name}/blobs/{push_blob(http, name, content)}"
    headers = {"if-none-match": form.format(digest_of(b"other"))}
    assert http.get(url, headers=headers).content == content
    assert http.head(url, headers=headers).status_code == 200
    assert http.get(url, headers=headers | {"range": "bytes=0-1"}).status_code == 206


@pytest.mark.spec("BLOB-41")
def test_a_condition_does_not_make_an_unknown_blob_known(http: httpx.Client, name: str) -> None:
    url = f"/v2/{name}/blobs/{digest_of(random_blob())}"
    assert http.get(url, headers={"if-none-match": "*"}).status_code == 404


@pytest.mark.spec("BLOB-50", "BLOB-51")
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_deleted_blob_is_gone_until_it_is_pushed_again(algorithm: str, http: httpx.Client, name: str) -> None:
    content = random_blob()
    url = f"/v2/{name}/blobs/{push_blob(http, name, content, algorithm)}"
    assert http.delete(url).status_code == 202
    assert http.head(url).status_code == http.get(url).status_code == 404
    again = http.delete(url)
    assert again.status_code == 404
    assert errors(again) == ["BLOB_UNKNOWN"]
    push_blob(http, name, content, algorithm)
    assert http.get(url).content == content


@pytest.mark.spec("BLOB-51")
def test_a_deleted_blob_is_gone_on_every_worker(server: Server, http: httpx.Client, name: str) -> None:
    for _ in range(5):
        url = f"{server.url}/v2/{name}/blobs/{push_blob(http, name, random_blob())}"
        assert [httpx.head(url).status_code for _ in range(4)] == [200] * 4
        assert http.delete(url).status_code == 202
        assert [httpx.head(url).status_code for _ in range(4)] == [404] * 4


@pytest.mark.spec("BLOB-50")
@pytest.mark.parametrize("bad", MALFORMED)
def test_what_is_no_digest_is_not_deleted(bad: str, http: httpx.Client, name: str) -> None:
    answer = http.delete(f"/v2/{name}/blobs/{bad}")
    assert answer.status_code == 400
    assert errors(answer) == ["DIGEST_INVALID"]


@pytest.mark.spec("BLOB-52")
def test_deleting_takes_the_blob_from_one_repository_only(http: httpx.Client, name: str) -> None:
    content = random_blob()
    digest = push_blob(http, f"{name}/one", content)
    push_blob(http, f"{name}/two", content)
    assert http.delete(f"/v2/{name}/one/blobs/{digest}").status_code == 202
    assert http.get(f"/v2/{name}/one/blobs/{digest}").status_code == 404
    assert http.get(f"/v2/{name}/two/blobs/{digest}").content == content


@pytest.mark.spec("BLOB-54")
def test_a_blob_that_a_manifest_refers_to_can_be_deleted(http: httpx.Client, name: str) -> None:
    manifest, _ = push_image(http, name, "latest")
    layer = http.get(f"/v2/{name}/manifests/latest").json()["layers"][0]["digest"]
    assert http.delete(f"/v2/{name}/blobs/{layer}").status_code == 202
    assert http.head(f"/v2/{name}/blobs/{layer}").status_code == 404
    assert http.get(f"/v2/{name}/manifests/latest").content == manifest


@pytest.fixture(scope="module", params=["--no-delete", "--read-only"])
def undeletable(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A server that does not delete, and the URL of a blob that it has."""
    data: Path = tmp_path_factory.mktemp("undeletable")
    with running(data, "--workers", "1") as server, httpx.Client(base_url=server.url) as http:
        url = f"/v2/team/app/blobs/{push_blob(http, 'team/app', b'kept')}"
    with running(data, "--workers", "1", request.param) as server:
        yield server.url, url


@pytest.mark.spec("BLOB-53")
def test_where_deleting_is_switched_off_the_blob_stays(undeletable: tuple[str, str]) -> None:
    server, url = undeletable
    with httpx.Client(base_url=server) as http:
        for target in (url, f"/v2/team/app/blobs/{digest_of(b'unknown')}"):
            answer = http.delete(target)
            assert answer.status_code == 405
            assert errors(answer) == ["UNSUPPORTED"]
            assert answer.headers["allow"] == "GET, HEAD"
        assert http.get(url).content == b"kept"
