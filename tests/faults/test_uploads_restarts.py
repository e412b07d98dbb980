"""Upload sessions over restarts and kills: what was acknowledged counts, and nothing beyond it: `spec/uploads.md`."""

from pathlib import Path

import httpx
import pytest

from tests.server import running
from tests.speak.content import digest_of, random_blob
from tests.speak.requests import arrived, start_upload, with_digest
from tests.speak.wire import Wire, head


@pytest.mark.spec("UPLOAD-56", "UPLOAD-57")
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_an_upload_goes_on_after_a_restart(end: str, workers: str, data: Path) -> None:
    contents = [random_blob(size) for size in (30, 300_000, 3_000_000)]
    with running(data, "--workers", workers) as server:
        sessions: list[tuple[str, bytes, int]] = []
        with httpx.Client(base_url=server.url) as http:
            for content in contents:
                for size in (0, len(content) // 3 * 2, len(content)):
                    location = start_upload(http, "team/app")
                    for first in range(0, size, len(content) // 3):
                        chunk = content[first : first + len(content) // 3]
                        assert http.patch(location, content=chunk).status_code == 202
                    sessions.append((location, content, size))
        getattr(server, end)()
        server.start()
        with httpx.Client(base_url=server.url) as http:
            for location, content, size in sessions:
                assert arrived(http, location) == size
                if size < len(content):
                    place = {"content-range": f"{size}-{len(content) - 1}"}
                    assert http.patch(location, content=content[size:], headers=place).status_code == 202
                answer = http.put(with_digest(location, digest_of(content)))
                assert answer.status_code == 201
                assert http.get(answer.headers["location"]).content == content


@pytest.mark.spec("UPLOAD-56")
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_an_upload_goes_on_that_was_written_to_when_the_server_was_killed(method: str, data: Path) -> None:
    content = random_blob(6_000_000)
    digest = digest_of(content)
    with running(data, "--workers", "1") as server:
        with httpx.Client(base_url=server.url) as http, Wire(server.url) as connection:
            location = start_upload(http, "team/app")
            http.patch(location, content=content[:1000])
            connection.send(head(method, with_digest(location, digest), content_length=len(content) - 1000))
            connection.send(content[1000:4_000_000])
            server.kill()
        server.start()
        with httpx.Client(base_url=server.url) as http:
            # Only what was acknowledged is promised, and nothing beyond it may count unseen.
            size = arrived(http, location)
            assert 1000 <= size <= 4_000_000
            answer = http.patch(location, content=content[size:5_000_000])
            assert answer.headers["range"] == "0-4999999"
            answer = http.put(with_digest(location, digest), content=content[5_000_000:])
            assert answer.status_code == 201
            assert http.get(answer.headers["location"]).content == content


@pytest.mark.spec("UPLOAD-56")
def test_a_put_without_a_body_after_a_kill_closes_what_was_acknowledged(data: Path) -> None:
    content = random_blob(1000)
    with running(data, "--workers", "1") as server:
        with httpx.Client(base_url=server.url) as http, Wire(server.url) as connection:
            location = start_upload(http, "team/app")
            http.patch(location, content=content)
            connection.send(head("PATCH", location, content_length=4_000_000), random_blob(3_000_000))
            server.kill()
        server.start()
        with httpx.Client(base_url=server.url) as http:
            size = arrived(http, location)
            assert size == 1000
            answer = http.put(with_digest(location, digest_of(content)))
            assert answer.status_code == 201
            assert http.get(answer.headers["location"]).content == content
