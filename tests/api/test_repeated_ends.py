"""The end of an upload that is asked for once more, as its answer was lost: `spec/uploads.md`."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.speak.client import open_socket, read_all
from tests.speak.content import digest_of, random_blob
from tests.speak.requests import errors, push_blob, start_upload, with_digest


@pytest.mark.spec("UPLOAD-61")
@pytest.mark.parametrize("size", [100, 3_000_000])
@pytest.mark.parametrize("patched", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_end_of_an_upload_repeated(chunked: bool, patched: float, size: int, http: httpx.Client, name: str) -> None:
    content = random_blob(size)
    location = start_upload(http, name)
    some = int(size * patched)
    if some:
        http.patch(location, content=content[:some])
    closing, last = with_digest(location, digest_of(content)), content[some:]
    headers = {"content-range": f"{some}-{size - 1}"} if last and not chunked else {}
    first = http.put(closing, content=iter([last]) if chunked else last, headers=headers)
    for _ in range(2):
        again = http.put(closing, content=iter([last]) if chunked else last, headers=headers)
        assert again.status_code == first.status_code == 201
        for header in ("location", "docker-content-digest", "content-length"):
            assert again.headers[header] == first.headers[header]
    assert http.get(first.headers["location"]).content == content
    # What else may be asked for at its end was never made.
    assert http.put(with_digest(location, digest_of(content + b"1")), content=last).status_code == 404
    for query in ("", "?digest=", "?digest=sha256:1", "?digest=md5:" + "1" * 32):
        answer = http.put(location.partition("?")[0] + query, content=last)
        assert (answer.status_code, errors(answer)) == (404, ["BLOB_UPLOAD_UNKNOWN"])


@pytest.mark.spec("UPLOAD-61")
def test_the_end_of_an_upload_repeated_is_of_what_is_held_now(http: httpx.Client, name: str) -> None:
    """Not of what another repository holds, nor of what was deleted; but of what came by another way."""
    content = random_blob()
    location = start_upload(http, f"{name}/mine")
    closing = with_digest(location, digest_of(content))
    put = http.put(closing, content=content)
    assert put.status_code == 201
    assert http.put(closing.replace("/mine/", "/yours/"), content=content).status_code == 404
    assert http.delete(put.headers["location"]).status_code == 202
    assert http.put(closing, content=content).status_code == 404
    assert http.head(put.headers["location"]).status_code == 404
    push_blob(http, f"{name}/yours", content)
    mount = f"/v2/{name}/mine/blobs/uploads/?mount={digest_of(content)}&from={name}/yours"
    assert http.post(mount).status_code == 201
    assert http.put(closing, content=content).status_code == 201


@pytest.mark.spec("UPLOAD-61")
def test_the_end_of_an_upload_asked_for_at_once_by_many(http: httpx.Client, name: str) -> None:
    for size in (100, 400_000):
        content = random_blob(size)
        location = start_upload(http, name)
        http.patch(location, content=content[:50])
        closing = with_digest(location, digest_of(content))

        def put(closing: str = closing, last: bytes = content[50:]) -> int:
            return http.put(closing, content=last).status_code

        with ThreadPoolExecutor(8) as pool:
            answers = [asked.result() for asked in [pool.submit(put) for _ in range(8)]]
        assert answers == [201] * 8


@pytest.mark.spec("UPLOAD-61")
def test_the_end_of_an_upload_repeated_without_all_of_its_chunk(http: httpx.Client, name: str) -> None:
    """It is waited for as any other, and what is sent behind it is the next request."""
    content = random_blob(50_000)
    location = start_upload(http, name)
    closing = with_digest(location, digest_of(content))
    assert http.put(closing, content=content).status_code == 201
    deleted = f"/v2/{name}/blobs/{digest_of(content)}"
    with open_socket(str(http.base_url), 10) as connection:
        head = f"PUT {closing} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n"
        connection.sendall(head.encode() + content[:1000])
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        # Deleted in between, it is not there at its end.
        assert http.delete(deleted).status_code == 202
        connection.settimeout(10)
        connection.sendall(content[1000:] + b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        told = read_all(connection)
    assert told.startswith(b"HTTP/1.1 404 ")
    assert b"HTTP/1.1 200 OK" in told
