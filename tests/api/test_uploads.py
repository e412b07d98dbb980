"""Upload sessions from start to end, and blobs that come whole: `spec/uploads.md`."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.server import Server, running
from tests.speak.client import Client
from tests.speak.content import digest_of, random_blob
from tests.speak.requests import arrived, errors, push_blob, start_upload, with_digest
from tests.speak.wire import Wire, head

ALGORITHMS = ["sha256", "sha512"]
NOT_DIGESTS = ["", "sha256:", "sha256:abc", "sha256:" + "A" * 64, "sha256" + "a" * 64, "blake3:" + "a" * 64, "latest"]


@pytest.mark.spec("UPLOAD-1")
def test_a_started_upload_says_where_and_that_nothing_has_arrived(http: httpx.Client, name: str) -> None:
    answer = http.post(f"/v2/{name}/blobs/uploads/")
    assert answer.status_code == 202
    assert answer.headers["location"]
    assert answer.headers["range"] == "0-0"
    assert answer.headers["content-length"] == "0"
    assert answer.content == b""


@pytest.mark.spec("UPLOAD-2")
def test_the_location_ends_with_a_uuid_of_its_own(http: httpx.Client, name: str) -> None:
    answers = [http.post(f"/v2/{name}/blobs/uploads/") for _ in range(5)]
    ids = [urlsplit(answer.headers["location"]).path.removeprefix(f"/v2/{name}/blobs/uploads/") for answer in answers]
    assert [str(uuid.UUID(one)) for one in ids] == ids
    assert [answer.headers["docker-upload-uuid"] for answer in answers] == ids
    assert len(set(ids)) == 5


@pytest.mark.spec("UPLOAD-3")
@pytest.mark.parametrize("slash", ["", "/"])
def test_an_upload_starts_with_and_without_a_slash_at_the_end(slash: str, http: httpx.Client, name: str) -> None:
    answer = http.post(f"/v2/{name}/blobs/uploads{slash}", follow_redirects=False)
    assert answer.status_code == 202
    assert arrived(http, answer.headers["location"]) == 0


@pytest.mark.spec("UPLOAD-3")
def test_an_upload_starts_without_a_content_length(server: Server, name: str) -> None:
    with Wire(server.url) as connection:
        connection.send(head("POST", f"/v2/{name}/blobs/uploads/"))
        assert connection.answer().status == 202


@pytest.mark.spec("UPLOAD-4")
def test_a_digest_algorithm_that_is_not_supported_is_refused(http: httpx.Client, name: str) -> None:
    for algorithm in ("md5", "SHA256", "sha256:", "blake3"):
        answer = http.post(f"/v2/{name}/blobs/uploads/", params={"digest-algorithm": algorithm})
        assert answer.status_code == 400
        assert errors(answer) == ["DIGEST_INVALID"]


@pytest.mark.spec("UPLOAD-6")
def test_a_push_needs_no_repository(http: httpx.Client, name: str) -> None:
    push_blob(http, f"{name}/never/heard-of", random_blob())


@pytest.mark.spec("UPLOAD-6")
@pytest.mark.parametrize("bad", ["Upper", "under_", "double//slash", "-dash", "a..b", "a" * 256, "%61", "a%2Fb"])
def test_a_name_that_can_be_none_is_refused(bad: str, http: httpx.Client) -> None:
    answer = http.post(f"/v2/{bad}/blobs/uploads/")
    assert answer.status_code == 400
    assert errors(answer) == ["NAME_INVALID"]
    assert "location" not in answer.headers


@pytest.mark.spec("UPLOAD-10")
@pytest.mark.parametrize("size", [1, 512, 128 * 1024 + 1, 1024 * 1024, 1024 * 1024 + 1, 5_000_000])
def test_a_blob_is_pushed_by_one_put(size: int, http: httpx.Client, name: str) -> None:
    content = random_blob(size)
    digest = digest_of(content)
    answer = http.put(with_digest(start_upload(http, name), digest), content=content)
    assert answer.status_code == 201
    assert answer.headers["docker-content-digest"] == digest
    assert answer.headers["content-length"] == "0"
    assert urlsplit(answer.headers["location"]).path == f"/v2/{name}/blobs/{digest}"
    assert http.get(answer.headers["location"]).content == content


@pytest.mark.spec("UPLOAD-11")
@pytest.mark.parametrize("size", [1, 512, 1024 * 1024, 3_000_000])
def test_a_blob_is_pushed_by_one_post(size: int, http: httpx.Client, name: str) -> None:
    content = random_blob(size)
    digest = digest_of(content)
    answer = http.post(f"/v2/{name}/blobs/uploads/", params={"digest": digest}, content=content)
    assert answer.status_code == 201
    assert answer.headers["docker-content-digest"] == digest
    assert urlsplit(answer.headers["location"]).path == f"/v2/{name}/blobs/{digest}"
    assert http.get(answer.headers["location"]).content == content


@pytest.mark.spec("UPLOAD-11")
def test_a_blob_is_pushed_by_one_post_of_unknown_length(http: httpx.Client, name: str) -> None:
    content = random_blob(2_000_000)
    digest = digest_of(content)
    pieces = (content[at : at + 300_000] for at in range(0, len(content), 300_000))
    answer = http.post(f"/v2/{name}/blobs/uploads/", params={"digest": digest}, content=pieces)
    assert answer.status_code == 201
    assert http.get(answer.headers["location"]).content == content


@pytest.mark.spec("UPLOAD-12")
@pytest.mark.parametrize("size", [0, 600, 2_000_000])
def test_a_wrong_digest_in_a_put_ends_the_session_and_shows_nothing(size: int, http: httpx.Client, name: str) -> None:
    content, claimed = random_blob(size), digest_of(random_blob())
    location = start_upload(http, name)
    answer = http.put(with_digest(location, claimed), content=content)
    assert answer.status_code == 400
    assert errors(answer) == ["DIGEST_INVALID"]
    assert http.get(location).status_code == 404
    assert http.put(with_digest(location, digest_of(content)), content=content).status_code == 404
    for digest in (claimed, digest_of(content)):
        assert http.head(f"/v2/{name}/blobs/{digest}").status_code == 404


@pytest.mark.spec("UPLOAD-12")
@pytest.mark.parametrize("closing", [b"", b"and the end"])
def test_a_wrong_digest_after_chunks_ends_the_session_and_shows_nothing(
    closing: bytes, http: httpx.Client, name: str
) -> None:
    content, claimed = random_blob(), digest_of(random_blob())
    location = start_upload(http, name)
    assert http.patch(location, content=content).status_code == 202
    answer = http.put(with_digest(location, claimed), content=closing)
    assert answer.status_code == 400
    assert errors(answer) == ["DIGEST_INVALID"]
    assert http.get(location).status_code == 404
    for digest in (claimed, digest_of(content), digest_of(content + closing)):
        assert http.head(f"/v2/{name}/blobs/{digest}").status_code == 404


@pytest.mark.spec("UPLOAD-12")
@pytest.mark.parametrize("size", [0, 600, 2_000_000])
def test_a_wrong_digest_in_a_post_shows_nothing(size: int, http: httpx.Client, name: str) -> None:
    content, claimed = random_blob(size), digest_of(random_blob())
    answer = http.post(f"/v2/{name}/blobs/uploads/", params={"digest": claimed}, content=content)
    assert answer.status_code == 400
    assert errors(answer) == ["DIGEST_INVALID"]
    for digest in (claimed, digest_of(content)):
        assert http.head(f"/v2/{name}/blobs/{digest}").status_code == 404


@pytest.mark.spec("UPLOAD-12")
def test_the_digest_of_another_algorithm_does_not_pass_for_that_of_the_bytes(http: httpx.Client, name: str) -> None:
    content, other = random_blob(), random_blob()
    location = start_upload(http, name)
    http.patch(location, content=content)
    assert http.put(with_digest(location, digest_of(other, "sha512"))).status_code == 400
    assert http.get(location).status_code == 404


@pytest.mark.spec("UPLOAD-13")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("form", ["post", "put", "patch and put"])
def test_the_blob_of_no_bytes_is_pushed(form: str, algorithm: str, http: httpx.Client, name: str) -> None:
    digest = digest_of(b"", algorithm)
    if form == "post":
        answer = http.post(f"/v2/{name}/blobs/uploads/", params={"digest": digest})
    else:
        location = start_upload(http, name)
        if form != "put":
            assert http.patch(location, content=b"").status_code == 202
        answer = http.put(with_digest(location, digest), content=b"")
    assert answer.status_code == 201
    assert answer.headers["docker-content-digest"] == digest
    assert http.get(answer.headers["location"]).content == b""


@pytest.mark.spec("UPLOAD-14")
@pytest.mark.parametrize("announced", ["sha256", "sha512", None])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_either_algorithm_may_close_an_upload(
    algorithm: str, announced: str | None, http: httpx.Client, name: str
) -> None:
    content = random_blob(3000)
    parameters = {"digest-algorithm": announced} if announced else {}
    location = start_upload(http, name, **parameters)
    for at in range(0, 2000, 1000):
        assert http.patch(location, content=content[at : at + 1000]).status_code == 202
    digest = digest_of(content, algorithm)
    answer = http.put(with_digest(location, digest), content=content[2000:])
    assert answer.status_code == 201
    assert answer.headers["docker-content-digest"] == digest
    found = http.get(f"/v2/{name}/blobs/{digest}")
    assert found.content == content
    assert found.headers["docker-content-digest"] == digest


@pytest.mark.spec("UPLOAD-15")
@pytest.mark.parametrize("bad", NOT_DIGESTS)
def test_a_put_whose_digest_is_none_is_refused_and_the_session_goes_on(bad: str, http: httpx.Client, name: str) -> None:
    content = random_blob()
    location = start_upload(http, name)
    http.patch(location, content=content[:100])
    answer = http.put(location, params={"digest": bad}, content=content[100:])
    assert answer.status_code == 400
    assert errors(answer) == ["DIGEST_INVALID"]
    assert arrived(http, location) == 100
    assert http.put(with_digest(location, digest_of(content)), content=content[100:]).status_code == 201


@pytest.mark.spec("UPLOAD-15")
def test_a_put_without_a_digest_is_refused_and_the_session_goes_on(http: httpx.Client, name: str) -> None:
    content = random_blob()
    location = start_upload(http, name)
    answer = http.put(location, content=content)
    assert answer.status_code == 400
    assert errors(answer) == ["DIGEST_INVALID"]
    assert http.put(with_digest(location, digest_of(content)), content=content).status_code == 201


@pytest.mark.spec("UPLOAD-15")
@pytest.mark.parametrize("bad", NOT_DIGESTS)
def test_a_post_whose_digest_is_none_is_refused(bad: str, http: httpx.Client, name: str) -> None:
    answer = http.post(f"/v2/{name}/blobs/uploads/", params={"digest": bad}, content=b"content")
    assert answer.status_code == 400
    assert errors(answer) == ["DIGEST_INVALID"]
    assert "location" not in answer.headers


@pytest.mark.spec("UPLOAD-16")
@pytest.mark.parametrize("kind", [None, "application/octet-stream", "text/html", "application/x-www-form-urlencoded"])
def test_any_content_type_is_taken(kind: str | None, http: httpx.Client, name: str) -> None:
    content = b"a=1&b=2" + random_blob()
    headers = {"content-type": kind} if kind else {}
    location = start_upload(http, name)
    assert http.patch(location, content=content[:10], headers=headers).status_code == 202
    answer = http.put(with_digest(location, digest_of(content)), content=content[10:], headers=headers)
    assert answer.status_code == 201
    assert http.get(answer.headers["location"]).content == content


@pytest.mark.spec("UPLOAD-17")
def test_a_blob_that_is_there_is_pushed_again(http: httpx.Client, name: str) -> None:
    for size in (600, 2_000_000):
        content = random_blob(size)
        digest = push_blob(http, name, content)
        assert push_blob(http, name, content) == digest
        location = start_upload(http, name)
        assert http.patch(location, content=content).status_code == 202
        assert http.put(with_digest(location, digest)).status_code == 201
        assert http.post(f"/v2/{name}/blobs/uploads/?digest={digest}", content=content).status_code == 201
        assert http.get(f"/v2/{name}/blobs/{digest}").content == content


@pytest.mark.spec("UPLOAD-17")
def test_the_same_blob_is_pushed_by_many_at_once(http: httpx.Client, name: str) -> None:
    content = random_blob(200_000)
    digest = digest_of(content)

    def push(number: int) -> int:
        repository = f"{name}/{number % 3}"
        if number % 2:
            return http.put(with_digest(start_upload(http, repository), digest), content=content).status_code
        location = start_upload(http, repository)
        http.patch(location, content=content)
        return http.put(with_digest(location, digest)).status_code

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(push, range(20))) == [201] * 20
    for number in range(3):
        assert http.get(f"/v2/{name}/{number}/blobs/{digest}").content == content


@pytest.mark.spec("UPLOAD-50")
def test_the_status_tells_where_and_how_much(http: httpx.Client, name: str) -> None:
    location = start_upload(http, name)
    http.patch(location, content=b"12345")
    for method in ("GET", "HEAD"):
        answer = http.request(method, location)
        assert answer.status_code == 204
        assert answer.headers["range"] == "0-4"
        assert answer.headers["docker-upload-uuid"] in answer.headers["location"]
        assert arrived(http, answer.headers["location"]) == 5


@pytest.mark.spec("UPLOAD-51")
def test_a_session_without_bytes_has_the_range_that_clients_read_rightly(http: httpx.Client, name: str) -> None:
    started = http.post(f"/v2/{name}/blobs/uploads/")
    location = started.headers["location"]
    assert started.headers["range"] == "0-0"
    assert http.patch(location, content=b"").headers["range"] == "0-0"
    assert http.get(location).headers["range"] == "0--1"
    refused = http.patch(location, content=b"b", headers={"content-range": "1-1"})
    assert refused.status_code == 416
    assert refused.headers["range"] == "0--1"
    finished = http.put(with_digest(location, digest_of(b"b")), content=b"b", headers={"content-range": "1-1"})
    assert finished.status_code == 416
    assert finished.headers["range"] == "0--1"


def unknown_to_every_method(http: httpx.Client, location: str) -> bool:
    digest = digest_of(b"abc")
    answers = [
        http.get(location),
        http.patch(location, content=b"abc"),
        http.patch(location, content=b"abc", headers={"content-range": "0-2"}),
        http.put(with_digest(location, digest), content=b"abc"),
        http.put(with_digest(location, digest)),
        http.delete(location),
    ]
    assert http.head(location).status_code == 404
    assert [answer.status_code for answer in answers] == [404] * len(answers)
    return all(errors(answer) == ["BLOB_UPLOAD_UNKNOWN"] for answer in answers)


@pytest.mark.spec("UPLOAD-52")
@pytest.mark.parametrize("number", [str(uuid.UUID(int=4)), "1", "..x", "latest", "a" * 300, "sha256:" + "a" * 64])
def test_a_session_that_never_was_is_unknown(number: str, http: httpx.Client, name: str) -> None:
    assert unknown_to_every_method(http, f"/v2/{name}/blobs/uploads/{number}")


@pytest.mark.spec("UPLOAD-52")
def test_a_session_that_was_closed_is_unknown(http: httpx.Client, name: str) -> None:
    content = b"abc" + random_blob()
    for patched in (0, 50):
        location = start_upload(http, name)
        if patched:
            http.patch(location, content=content[:patched])
        assert http.put(with_digest(location, digest_of(content)), content=content[patched:]).status_code == 201
        assert unknown_to_every_method(http, location)


@pytest.mark.spec("UPLOAD-53")
def test_a_session_of_another_repository_is_unknown(http: httpx.Client, name: str) -> None:
    location = start_upload(http, f"{name}/mine")
    http.patch(location, content=b"abc")
    assert unknown_to_every_method(http, location.replace("/mine/", "/yours/"))
    assert arrived(http, location) == 3
    assert http.put(with_digest(location, digest_of(b"abc"))).status_code == 201


@pytest.mark.spec("UPLOAD-54", "UPLOAD-52")
@pytest.mark.parametrize("size", [0, 1000])
def test_a_cancelled_session_is_gone(size: int, http: httpx.Client, name: str) -> None:
    location = start_upload(http, name)
    http.patch(location, content=random_blob(size))
    answer = http.delete(location)
    assert answer.status_code == 204
    assert answer.content == b""
    assert unknown_to_every_method(http, location)
    # Whatever else is wrong with the request.
    for told in ({"content-range": "zzz"}, {"content-range": "0-5"}):
        assert http.patch(location, content=b"abc", headers=told).status_code == 404
        assert http.put(with_digest(location, digest_of(b"x")), content=b"abc", headers=told).status_code == 404
    assert http.patch(f"{location.partition('?')[0]}?offset=x", content=b"abc").status_code == 404


@pytest.mark.spec("UPLOAD-54")
@pytest.mark.parametrize("size", [10, 600_000])
def test_a_session_is_cancelled_behind_a_request_that_adds_to_it(
    size: int, server: Server, http: httpx.Client, name: str
) -> None:
    location = urlsplit(start_upload(http, name))
    path = f"{location.path}?{location.query}"
    content = random_blob(size)
    with Wire(server.url) as connection, ThreadPoolExecutor(1) as beside:
        connection.send(head("PATCH", path, content_length=size), content[: size // 2])
        time.sleep(0.2)
        cancelled = beside.submit(http.delete, path)
        time.sleep(0.3)
        connection.send(content[size // 2 :])
        assert connection.answer().status == 202
        assert cancelled.result().status_code == 204
    assert unknown_to_every_method(http, path)


@pytest.mark.parametrize("way", ["POST", "POST and PUT", "POST, PATCH and PUT"])
def test_small_is_what_the_setting_says_however_it_is_pushed(way: str, data: Path) -> None:
    content = b"small".ljust(200_000, b".")
    digest = digest_of(content)
    with running(data, "--small-blob", "256KiB") as server, Client(server.url) as client:
        if way == "POST":
            assert client.request("POST", f"/v2/small/app/blobs/uploads/?digest={digest}", content).status == 201
        elif way == "POST and PUT":
            assert client.finish(client.start("small/app"), content, content).status == 201
        else:
            path = client.start("small/app")
            assert client.patch(path, content).status == 202
            assert client.finish(path, content).status == 201
        assert client.get(f"/v2/small/app/blobs/{digest}").body == content
        assert [path for path in (data / "blobs").rglob("*") if path.is_file()] == []
