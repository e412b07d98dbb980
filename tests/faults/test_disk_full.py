"""A disk that is full: what does not fit is refused clearly, what was acknowledged stays, and space makes all go on."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.disks import PAGE, Disk, free, small_disk
from tests.faults.model import Contents, check, check_disk, check_listings
from tests.server import Server, running
from tests.speak.answer import Answer
from tests.speak.client import Client
from tests.speak.content import digest_of, image
from tests.speak.requests import with_digest

SPACE = 20 * 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", f"size={SPACE}") as disk:
        yield disk


@pytest.fixture
def server(disk: Disk, workers: int) -> Iterator[Server]:
    with running(disk.root / "data", "--workers", str(workers)) as server:
        yield server
        disk.clear()
        check_disk(server.data, hashed=True)


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client


@pytest.fixture
def kept(client: Client) -> Contents:
    """What was acknowledged while there was space."""
    kept = Contents()
    for size in (10, 400_000):
        content = os.urandom(size)
        kept.blobs["full/kept", client.push("full/kept", content)] = content
    body = image(annotations={"kept": "yes"})
    assert client.put_manifest("full/kept", "latest", body).status == 201
    kept.manifests["full/kept", digest_of(body)] = body
    kept.tags["full/kept", "latest"] = digest_of(body)
    return kept


def check_refused(answer: Answer) -> None:
    assert answer.status == 507, answer
    assert answer.codes == ["UNKNOWN"]
    assert "no space left" in answer.json()["errors"][0]["message"]


def test_a_chunk_that_does_not_fit(disk: Disk, client: Client, kept: Contents) -> None:
    content = os.urandom(3_000_000)
    path = client.start("full/chunks")
    disk.leave(1_500_000)
    assert client.patch(path, content[:500_000], 0).status == 202
    before = free(disk)
    for _ in range(2):
        check_refused(client.patch(path, content[500_000:], 500_000))
        status = client.get(path)
        assert (status.status, status.offset) == (204, 500_000)
        assert free(disk) > before - 100_000, "the part that was written still takes space"
    check_refused(client.finish(path, content, content[500_000:]))
    assert client.get(path).offset == 500_000
    assert client.get(f"/v2/full/chunks/blobs/{digest_of(content)}").status == 404
    check(client, kept, None)
    # What fits goes on fitting.
    small = client.push("full/chunks", b"a small one")
    assert client.get(f"/v2/full/chunks/blobs/{small}").body == b"a small one"

    disk.clear()
    assert client.patch(path, content[500_000:2_000_000], 500_000).status == 202
    assert client.finish(path, content, content[2_000_000:]).status == 201
    assert client.get(f"/v2/full/chunks/blobs/{digest_of(content)}").body == content


@pytest.mark.parametrize("size", [900_000, 3_000_000])
def test_a_whole_blob_that_does_not_fit(size: int, disk: Disk, server: Server, client: Client, kept: Contents) -> None:
    content = os.urandom(size)
    path = client.start("full/whole")
    disk.leave(600_000)
    before = free(disk)
    check_refused(client.finish(path, content, content))
    check_refused(client.request("POST", f"/v2/full/whole/blobs/uploads/?digest={digest_of(content)}", content))
    assert client.get(f"/v2/full/whole/blobs/{digest_of(content)}").status == 404
    assert free(disk) > before - 100_000
    check(client, kept, None)
    status = client.get(path)
    assert (status.status, status.offset) == (204, 0)

    disk.clear()
    assert client.finish(path, content, content).status == 201
    assert client.get(f"/v2/full/whole/blobs/{digest_of(content)}").body == content
    assert list((server.data / "blobs" / "_uploads").iterdir()) == []


def test_nothing_fits(disk: Disk, client: Client, kept: Contents) -> None:
    """Every request that needs space is refused, and every other one is answered."""
    content = os.urandom(5_000)
    body = image(annotations={"filling": "x" * 100_000})
    path = client.start("full/nothing")
    assert client.patch(path, content[:1_000], 0).status == 202
    # What the databases keep open may have room for a few changes more.
    disk.leave(0)
    refused = 0
    for number in range(200):
        answer = client.put_manifest("full/nothing", f"v{number}", image(annotations={"number": str(number)}))
        if answer.status == 507:
            refused += 1
            check_refused(answer)
        else:
            assert answer.status == 201
    assert refused > 0
    check_refused(client.put_manifest("full/nothing", "large", body))
    check_refused(client.request("POST", f"/v2/full/nothing/blobs/uploads/?digest={digest_of(content)}", content))
    assert client.get("/v2/full/nothing/manifests/large").status == 404
    check(client, kept, None)
    assert client.get(path).offset == 1_000

    disk.clear()
    assert client.put_manifest("full/nothing", "large", body).status == 201
    assert client.finish(path, content, content[1_000:]).status == 201
    check(client, kept, None)


def test_each_step_at_each_amount_of_space(disk: Disk, client: Client, kept: Contents) -> None:
    """Wherever in a push the space runs out: refused or done, never in between, and never for longer than it lasts."""
    for pages in [*range(24), 28, 32, 40, 48, 64]:
        content, other = os.urandom(150_000), os.urandom(3_000)
        open_before = client.start("full/steps")
        assert client.patch(open_before, content[:1_000], 0).status == 202
        disk.leave(pages * PAGE)
        told = f"{pages} pages free"
        size = 1_000
        answers = [client.patch(open_before, content[size : size + 9_000], size)]
        if answers[0].status == 202:
            size += 9_000
        answers.append(client.request("POST", f"/v2/full/steps/blobs/uploads/?digest={digest_of(other)}", other))
        body = image(annotations={"pages": str(pages)})
        answers.append(client.put_manifest("full/steps", "latest", body))
        answers.append(client.request("POST", "/v2/full/steps/blobs/uploads/"))
        answers.append(client.finish(open_before, content, content[size:]))
        assert [answer.status for answer in answers if answer.status not in (201, 202, 507)] == [], (told, answers)
        for answer in answers:
            if answer.status == 507:
                check_refused(answer)
        blob = client.get(f"/v2/full/steps/blobs/{digest_of(other)}")
        assert blob.status == (200 if answers[1].status == 201 else 404), told
        if answers[2].status == 201:
            assert client.get("/v2/full/steps/manifests/latest").body == body, told

        disk.clear()
        begun = time.monotonic()
        if answers[4].status != 201:
            status = client.get(open_before)
            assert status.status == 204, told
            assert size <= status.offset <= len(content), told
            rest = content[status.offset :]
            answer = client.request("PUT", with_digest(open_before, digest_of(content)), rest)
            assert answer.status == 201, (told, answer)
        assert time.monotonic() - begun < 2, f"{told}: the session was still claimed"
        assert client.get(f"/v2/full/steps/blobs/{digest_of(content)}").body == content, told
        assert client.request("DELETE", f"/v2/full/steps/blobs/{digest_of(content)}").status == 202
    check(client, kept, None)


def test_manifests_until_the_database_is_full(disk: Disk, server: Server, client: Client, kept: Contents) -> None:
    """The database's own file meets the end of the disk; a kill and a restart find all that was acknowledged."""
    disk.leave(5_000_000)
    pushed = kept.copy()
    refused: Answer | None = None
    for number in range(400):
        body = image(annotations={"number": str(number), "filling": os.urandom(30_000).hex()})
        tag = f"v{number}"
        answer = client.put_manifest("full/kept", tag, body)
        if answer.status != 201:
            refused = answer
            break
        pushed.manifests["full/kept", digest_of(body)] = body
        pushed.tags["full/kept", tag] = digest_of(body)
    assert refused is not None
    check_refused(refused)
    assert len(pushed.tags) > 5
    check(client, pushed, None)
    check_listings(client, pushed)
    disk.clear()
    server.kill()
    server.start()
    with Client(server.url) as client:
        check(client, pushed, None)
        check_listings(client, pushed)
        assert client.put_manifest("full/kept", "more", body).status == 201
