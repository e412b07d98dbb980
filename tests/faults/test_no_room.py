"""Room for making room: what a registry still does on a disk that has none, nor names, or that cannot be written to."""

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.disks import Disk, small_disk
from tests.server import Server, running
from tests.soon import soon
from tests.speak.client import Client
from tests.speak.content import OCI_MANIFEST, descriptor, digest_of, image, index

SPACE = 20 * 1024 * 1024
NAMES = 200


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", f"size={SPACE},nr_inodes={NAMES}") as disk:
        yield disk


def push_all(client: Client) -> dict[str, str]:
    """A small blob, a large one and a manifest."""
    assert client.put_manifest("room/app", "latest", image()).status == 201
    return {
        "small": client.push("room/app", b"small"),
        "large": client.push("room/app", b"large" * 50_000),
        "image": digest_of(image()),
    }


def check_reads(client: Client, pushed: dict[str, str]) -> None:
    assert client.get(f"/v2/room/app/blobs/{pushed['small']}").body == b"small"
    assert client.get(f"/v2/room/app/blobs/{pushed['large']}").body == b"large" * 50_000
    assert client.get("/v2/room/app/manifests/latest").body == image()
    assert client.get("/v2/room/app/tags/list").json()["tags"] == ["latest"]


def fill(client: Client) -> None:
    """Until neither database takes anything any more."""
    for number in range(2_000):
        if client.put_manifest("room/fill", "v", image(annotations={"number": str(number)})).status == 507:
            break
    else:
        pytest.fail("the database was never full")
    path = client.start("room/fill") if client.request("POST", "/v2/room/fill/blobs/uploads/").status == 202 else ""
    while path and client.request("POST", "/v2/room/fill/blobs/uploads/").status == 202:
        pass


@pytest.mark.spec("STORAGE-4")
def test_deletes_and_cancels_on_a_full_disk(disk: Disk) -> None:
    with running(disk.root / "data", "--workers", "2") as server, Client(server.url) as client:
        pushed = push_all(client)
        sessions = [client.start("room/app") for _ in range(3)]
        assert client.patch(sessions[0], b"x" * 300_000).status == 202
        disk.leave(0)
        fill(client)
        for path in sessions:
            assert client.request("DELETE", path).status == 204
            assert client.get(path).status == 404
        check_reads(client, pushed)
        assert client.request("DELETE", "/v2/room/app/manifests/latest").status == 202
        assert client.request("DELETE", f"/v2/room/app/manifests/{pushed['image']}").status == 202
        for kind in ("small", "large"):
            assert client.request("DELETE", f"/v2/room/app/blobs/{pushed[kind]}").status == 202
            assert client.get(f"/v2/room/app/blobs/{pushed[kind]}").status == 404
        disk.clear()
        assert soon(lambda: kept(server) == (6, 6 * 1024 * 1024), 15), "no room is kept for the next time"
        push_all(client)


@pytest.mark.spec("STORAGE-4")
@pytest.mark.parametrize("size", [9_000, 200_000])
def test_pushes_do_not_use_up_what_is_kept_for_deleting(size: int, disk: Disk) -> None:
    """A chunk, or the end of an upload, drops what was there before: that takes no room from who deletes."""

    def contents() -> Iterator[bytes]:
        yield from (f"{number}".encode().ljust(size, b".") for number in range(2_000))

    with running(disk.root / "data", "--workers", "1") as server, Client(server.url) as client:
        blobs = [client.push("room/app", b"%d" % number) for number in range(60)]
        opened, closing = client.start("room/app"), client.start("room/app")
        end = f"{client.patch(closing, b'nearly all').location}&digest={digest_of(b'nearly all')}"
        disk.leave(0)
        for method, path, body in (("PATCH", opened, b"x" * 9_000), ("PUT", end, b"")):
            assert client.request(method, path, body).status in (201, 202, 507)
            for content in contents():
                answer = client.request("POST", f"/v2/room/app/blobs/uploads/?digest={digest_of(content)}", content)
                if answer.status == 507:
                    break
                assert answer.status == 201
                blobs.append(digest_of(content))
            for _ in range(25):
                assert client.request("DELETE", f"/v2/room/app/blobs/{blobs.pop()}").status == 202
        for digest in blobs:
            assert client.request("DELETE", f"/v2/room/app/blobs/{digest}").status == 202


def kept(server: Server) -> tuple[int, int]:
    files = list((server.data / "reserve").iterdir())
    return len(files), sum(file.stat().st_size for file in files)


@pytest.mark.spec("STORAGE-4")
def test_uploads_expire_on_a_full_disk(disk: Disk) -> None:
    """Also on a server that is started on it."""
    data = disk.root / "data"
    with running(data, "--workers", "1") as server, Client(server.url) as client:
        pushed = push_all(client)
        paths = [client.start("room/app") for _ in range(20)]
        for path in paths[:3]:
            assert client.patch(path, b"x" * 300_000).status == 202
    disk.leave(0)
    with running(data, "--workers", "1", "--upload-expiry", "2s") as server, Client(server.url) as client:
        check_reads(client, pushed)
        assert soon(lambda: all(client.get(path).status == 404 for path in paths))
        assert soon(lambda: list((data / "blobs" / "_uploads").iterdir()) == [])
        assert client.push("room/app", b"y" * 300_000), "what they held can be had again"


@pytest.mark.spec("STORAGE-4", "REFERRER-34")
def test_lists_of_referrers_are_removed_in_time_on_a_full_disk(disk: Disk) -> None:
    data = disk.root / "data"
    about = descriptor(image(), OCI_MANIFEST)
    tag = about["digest"].replace(":", "-")
    with running(data, "--workers", "1", "--upload-expiry", "2s") as server, Client(server.url) as client:
        assert client.put_manifest("room/app", tag, index([])).status == 201
        for number in range(6):
            body = image(subject=about, annotations={"number": str(number), "text": "x" * 20_000})
            assert client.put_manifest("room/app", digest_of(body), body).status == 201
            assert len(client.get(f"/v2/room/app/manifests/{tag}").json()["manifests"]) == number + 1
        with closing(sqlite3.connect(data / "registry.db")) as database, database:
            # Until the disk is full they are a few seconds too young.
            database.execute("UPDATE made_list SET replaced = replaced - 597000000")
            database.execute("UPDATE offered_referrer SET since = since - 597000000")
        disk.leave(0)
        fill(client)
        with closing(sqlite3.connect(data / "registry.db")) as database:
            assert database.execute("SELECT count(*) FROM made_list").fetchone()[0] > 1
            assert soon(lambda: database.execute("SELECT count(*) FROM made_list").fetchone() == (1,), 15)
        assert "expiring uploads failed" not in server.output


@pytest.mark.spec("STORAGE-5")
@pytest.mark.parametrize("what", ["bytes", "names"])
def test_restarts_on_a_full_disk(what: str, disk: Disk) -> None:
    data = disk.root / "data"
    with running(data, "--workers", "2") as server, Client(server.url) as client:
        pushed = push_all(client)
        disk.leave(0) if what == "bytes" else disk.leave_no_names()
        time.sleep(1.1)  # those that die young are replaced after a pause
        before = server.workers()
        os.kill(before[0], signal.SIGKILL)
        assert soon(lambda: len(server.workers()) == 2 and before[0] not in server.workers())
        for _ in range(10):
            with Client(server.url) as other:
                check_reads(other, pushed)
    disk.leave(0) if what == "bytes" else disk.leave_no_names()
    for workers in ("2", "1"):
        with running(data, "--workers", workers) as server, Client(server.url) as client:
            check_reads(client, pushed)
        disk.leave(0) if what == "bytes" else disk.leave_no_names()
    with running(data, "--workers", "1") as server, Client(server.url) as client:
        disk.clear()
        push_all(client)


@pytest.mark.spec("STORAGE-3", "STORAGE-5")
def test_a_head_on_a_full_disk(disk: Disk) -> None:
    """What must be written down is, when there is room."""
    with running(disk.root / "data", "--workers", "1") as server, Client(server.url) as client:
        pushed = push_all(client)
        layer = b"large" * 50_000
        assert client.put_manifest("room/app", digest_of(image(layers=[layer])), image(layers=[layer])).status == 201
        disk.leave(0)
        fill(client)
        with closing(sqlite3.connect(server.data / "registry.db")) as database, database:
            # Within a page that the log has room for.
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.execute("UPDATE repository_blob SET renewed = renewed - 172800000000")
        fill(client)
        for _ in range(5):
            assert client.request("HEAD", f"/v2/room/app/blobs/{pushed['large']}").status == 200
        check_reads(client, pushed)


@pytest.mark.spec("STORAGE-6")
def test_a_storage_folder_that_cannot_be_written_to(data: Path) -> None:
    """503 to who pushes; and all as before when it can be written to again."""
    with running(data, "--workers", "2") as server, Client(server.url) as client:
        pushed = push_all(client)
        path, large = client.start("room/app"), os.urandom(300_000)
        blobs, away = data / "blobs", data / "away"
        blobs.rename(away)
        blobs.write_bytes(b"")
        answers = [
            client.request("POST", f"/v2/room/app/blobs/uploads/?digest={digest_of(large)}", large),
            client.request("POST", f"/v2/room/app/blobs/uploads/?digest={digest_of(large[:50_000])}", large[:50_000]),
            client.patch(path, large, 0),
        ]
        assert client.get("/v2/room/app/manifests/latest").body == image()
        blobs.unlink()
        away.rename(blobs)
        assert {answer.status for answer in answers} == {503}, answers
        check_reads(client, pushed)
        assert client.finish(path, large, large).status == 201


@pytest.mark.spec("STORAGE-6")
@pytest.mark.parametrize("file", ["registry.db", "registry.db-wal"])
def test_a_database_that_was_removed(file: str, data: Path) -> None:
    """What would be lost with the next restart is not acknowledged; what was is served."""
    with running(data, "--workers", "1") as server, Client(server.url) as client:
        pushed = push_all(client)
        (data / file).rename(data / "removed")
        assert client.put_manifest("room/app", "other", image()).status == 503
        check_reads(client, pushed)
        assert soon(lambda: server.output.count("was removed or replaced") == 1)
