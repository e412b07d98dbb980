"""Upload sessions over time: workers, expiry, what is read again: `spec/uploads.md`; tests/faults has the kills."""

import time
from pathlib import Path

import httpx
import pytest

from tests.server import Server, running
from tests.soon import soon
from tests.speak.content import digest_of, random_blob
from tests.speak.requests import errors, push_blob, start_upload, with_digest
from tests.speak.wire import Wire, head


def read_so_far(server: Server) -> int:
    """Bytes that the server has read from files since it started."""
    lines = Path(f"/proc/{server.process.pid}/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar:")).split()[1])


@pytest.mark.spec("UPLOAD-57")
def test_the_requests_of_an_upload_reach_different_workers(data: Path) -> None:
    content = random_blob(60_000)
    workers = set()
    with running(data, "--workers", "2") as server, httpx.Client(base_url=server.url) as first:
        location = start_upload(first, "team/app")
        workers.add(first.get("/v2/").headers["x-request-id"].partition("-")[0])
        for at in range(0, 60_000, 1000):
            # A connection each, beside the one that is kept: it goes to the worker that has none.
            place = {"content-range": f"{at}-{at + 999}"}
            answer = httpx.patch(location, content=content[at : at + 1000], headers=place)
            assert answer.status_code == 202
            assert answer.headers["range"] == f"0-{at + 999}"
            workers.add(answer.headers["x-request-id"].partition("-")[0])
        answer = first.put(with_digest(location, digest_of(content)))
        assert answer.status_code == 201
        assert first.get(answer.headers["location"]).content == content
    assert len(workers) == 2


@pytest.mark.spec("UPLOAD-58")
def test_closing_reads_the_bytes_again_only_for_an_algorithm_that_was_not_announced(data: Path) -> None:
    content = random_blob(8_000_000)
    with running(data, "--workers", "1") as server:
        locations = {}
        with httpx.Client(base_url=server.url) as http:
            for announced, closing in (("sha256", "sha256"), ("sha512", "sha512"), ("sha256", "sha512")):
                location = start_upload(http, f"{announced}/{closing}", **{"digest-algorithm": announced})
                locations[announced, closing] = location
                for at in range(0, len(content), 4_000_000):
                    part = content[at : at + 4_000_000]
                    assert http.patch(location, content=part).status_code == 202
        server.stop()
        server.start()
        with httpx.Client(base_url=server.url) as http:
            assert http.get("/v2/").status_code == 200
            for (announced, closing), location in locations.items():
                before = read_so_far(server)
                assert http.put(with_digest(location, digest_of(content, closing))).status_code == 201
                read_again = read_so_far(server) - before >= len(content)
                assert read_again == (announced != closing)


@pytest.mark.spec("UPLOAD-55")
def test_an_upload_that_rests_is_dropped_with_its_bytes(data: Path) -> None:
    content = random_blob(5_000)
    with running(data, "--workers", "1", "--upload-expiry", "1s") as server:
        with httpx.Client(base_url=server.url) as http:
            resting, empty, used = (start_upload(http, f"team/{one}") for one in ("a", "b", "c"))
            http.patch(resting, content=content)
            kept = http.head(f"/v2/team/a/blobs/{push_blob(http, 'team/a', b'kept')}").request.url
            began = time.monotonic()
            sent = 0
            while sent < len(content):
                assert http.patch(used, content=content[sent : sent + 500]).status_code == 202
                sent += 500
                time.sleep(0.25)
            assert time.monotonic() - began > 2
            assert soon(lambda: http.get(resting).status_code == 404)
            assert errors(http.get(resting)) == ["BLOB_UPLOAD_UNKNOWN"]
            assert http.patch(empty, content=b"late").status_code == 404
            assert http.put(with_digest(used, digest_of(content))).status_code == 201
            assert http.head(kept).status_code == 200
        assert soon(lambda: list((data / "blobs" / "_uploads").iterdir()) == [])
    assert "expired uploads dropped" in server.output


@pytest.mark.spec("UPLOAD-54", "UPLOAD-42", "UPLOAD-12")
def test_pushes_that_come_to_nothing_leave_no_bytes_behind(data: Path) -> None:
    uploads = data / "blobs" / "_uploads"
    content, wrong = random_blob(3_000_000), digest_of(b"")
    with running(data, "--workers", "1") as server, httpx.Client(base_url=server.url) as http:
        location = start_upload(http, "team/app")
        http.patch(location, content=content)
        assert [path.stat().st_size for path in uploads.iterdir()] == [len(content)]
        assert http.delete(location).status_code == 204
        assert list(uploads.iterdir()) == []
        assert http.post(f"/v2/team/app/blobs/uploads/?digest={wrong}", content=content).status_code == 400
        assert http.put(with_digest(start_upload(http, "team/app"), wrong), content=content).status_code == 400
        assert list(uploads.iterdir()) == []
        with Wire(server.url) as connection:
            url = f"/v2/team/app/blobs/uploads/?digest={digest_of(content)}"
            connection.send(head("POST", url, content_length=len(content)), content[:2_500_000])
            assert soon(lambda: list(uploads.iterdir()) != [])
        assert soon(lambda: list(uploads.iterdir()) == [])


@pytest.mark.spec("UPLOAD-59")
def test_a_read_only_registry_takes_no_upload(data: Path) -> None:
    with running(data, "--workers", "1") as server, httpx.Client(base_url=server.url) as http:
        location = start_upload(http, "team/app")
        digest = push_blob(http, "team/app", b"kept")
    with running(data, "--workers", "1", "--read-only") as server, httpx.Client(base_url=server.url) as http:
        path = httpx.URL(location).path
        asked = [
            ("POST", "/v2/team/app/blobs/uploads/"),
            ("POST", f"/v2/team/app/blobs/uploads/?digest={digest}"),
            ("POST", f"/v2/team/other/blobs/uploads/?mount={digest}&from=team/app"),
            ("PATCH", path),
            ("PUT", with_digest(path, digest)),
            ("DELETE", path),
        ]
        for method, url in asked:
            answer = http.request(method, url, content=b"kept" if method != "DELETE" else None)
            assert answer.status_code == 405
            assert errors(answer) == ["UNSUPPORTED"]
            assert method not in answer.headers["allow"]
        assert http.get(f"/v2/team/app/blobs/{digest}").content == b"kept"
        assert http.get(f"/v2/team/other/blobs/{digest}").status_code == 404
