"""What a power cut would leave: the order in which bytes, names and commits reach the disk before the answer."""

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from registry.change import Change
from registry.database import migrations
from registry.database.connection import sqlite_path
from registry.database.sqlite import DurableSqlite
from registry.errors import Unavailable
from registry.names import RepositoryName
from registry.services import repositories
from registry.settings.loading import load
from tests.faults.syscalls import READS, RENAMES, SYNCS, WRITES, Call, Trace, traced
from tests.speak.client import Client
from tests.speak.content import digest_of, image

CHUNK = 1_500_000


def permitted() -> bool:
    """Whether there is a strace, and the kernel lets it."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not permitted(), reason="needs strace, and leave to use it")


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    folder = tmp_path_factory.mktemp("traced")
    with traced(folder / "deep" / "data", folder) as trace:
        yield trace


@pytest.fixture
def client(trace: Trace) -> Iterator[Client]:
    with Client(trace.server.url) as client:
        # The first transaction on either database also makes its log, which is synced.
        path = client.start("power/first")
        client.patch(path, b"first", 0)
        client.push("power/first", os.urandom(10))
        yield client


Is = Callable[[Call], bool]


def first(calls: list[Call], what: str, is_it: Is) -> Call:
    found = [call for call in calls if is_it(call)]
    assert found, f"there was no {what}"
    return found[0]


def answered(status: int) -> Is:
    return lambda call: "TCP:" in call.target and any(text.startswith(f"HTTP/1.1 {status}") for text in call.texts)


def on(calls: set[str], target: Path | str) -> Is:
    return lambda call: call.name in calls and call.target == str(target) and call.result >= 0


def renamed_to(target: Path) -> Is:
    return lambda call: call.name in RENAMES and call.texts[-1] == str(target) and call.result == 0


def in_order(*calls: Call) -> None:
    """Each had ended before the next one began."""
    for before, after in pairwise(calls):
        assert before.ended < after.begun, f"{after} did not wait for {before}"


def check_blob(trace: Trace, calls: list[Call], digest: str) -> str:
    """Bytes, sync, name, sync of the folder, row, sync, answer; what the file was called before."""
    data = trace.server.data
    target = data / "blobs" / digest[7:9] / digest[7:]
    log = data / "registry.db-wal"
    answer = first(calls, "201", answered(201))
    rename = first(calls, "rename", renamed_to(target))
    temporary = rename.texts[0]
    written = [call for call in calls if on(WRITES, temporary)(call)]
    assert written, "no bytes were written"
    synced = [call for call in calls if on(SYNCS, temporary)(call)]
    assert len(synced) == 1, "the file is synced once"
    folder = first(calls, "sync of the folder", on(SYNCS, target.parent))
    row = [call for call in calls if on(WRITES, log)(call)]
    assert row, "no row was written"
    commit = first(calls, "sync of the commit", on(SYNCS, log))
    in_order(written[-1], synced[0], rename, folder, row[0])
    in_order(row[-1], commit, answer)
    made = [call for call in calls if call.name.startswith("mkdir") and call.texts[0] == str(target.parent)]
    if any(call.result == 0 for call in made):
        parent = first(calls, "sync of the folder's name", on(SYNCS, target.parent.parent))
        in_order(made[0], parent, commit)
    return temporary


def test_an_upload_in_chunks(client: Client, trace: Trace) -> None:
    content = os.urandom(2 * CHUNK)
    path = client.start("power/chunks")
    start = trace.size()
    assert client.patch(path, content[:CHUNK], 0).status == 202
    assert client.patch(path, content[CHUNK:], CHUNK).status == 202
    patched = trace.size()
    chunks = trace.calls(start)
    assert [call for call in chunks if answered(202)(call)]
    syncs = [call for call in chunks if call.name in SYNCS and call.ended < patched]
    assert syncs == [], "an open session is not synced: it would cost each chunk a disk's time"

    assert client.finish(path, content).status == 201
    trace.size()
    calls = trace.calls(start)
    temporary = check_blob(trace, calls, digest_of(content))
    assert temporary.endswith(path.rpartition("/")[2])
    size = sum(call.result for call in calls if on(WRITES, temporary)(call))
    assert size == len(content), "each byte is written once"
    check_not_read(trace, calls)


def test_an_upload_that_ends_with_its_last_chunk(client: Client, trace: Trace) -> None:
    content = os.urandom(CHUNK + 100_000)
    path = client.start("power/last")
    start = trace.size()
    assert client.patch(path, content[:CHUNK], 0).status == 202
    assert client.finish(path, content, content[CHUNK:]).status == 201
    trace.size()
    calls = trace.calls(start)
    check_blob(trace, calls, digest_of(content))
    check_not_read(trace, calls)


def check_not_read(trace: Trace, calls: list[Call]) -> None:
    """The digest is known as bytes pass, and the bytes are where they are to stay."""
    blobs = str(trace.server.data / "blobs")
    assert [call for call in calls if call.name in READS and call.target.startswith(blobs)] == []
    assert [call for call in calls if call.name in {"link", "linkat", "copy_file_range", "sendfile", "splice"}] == []


def test_a_small_blob_is_one_commit(client: Client, trace: Trace) -> None:
    """Also in chunks, of which nothing is synced: one row, one sync, no file."""
    content = os.urandom(9_000)
    path = client.start("power/small")
    start = trace.size()
    assert client.patch(path, content[:4_000], 0).status == 202
    assert client.patch(path, content[4_000:], 4_000).status == 202
    assert client.finish(path, content).status == 201
    trace.size()
    calls = trace.calls(start)
    log = trace.server.data / "registry.db-wal"
    rows = [call for call in calls if on(WRITES, log)(call)]
    syncs = [call for call in calls if call.name in SYNCS and call.result >= 0]
    assert [call.target for call in syncs] == [str(log)]
    in_order(rows[-1], syncs[0], first(calls, "201", answered(201)))
    blobs = str(trace.server.data / "blobs")
    assert [call for call in calls if call.target.startswith(blobs)] == []


@pytest.mark.parametrize("size", [20_000, 600_000])
def test_a_push_in_one_request(size: int, client: Client, trace: Trace) -> None:
    content = os.urandom(size)
    start = trace.size()
    client.push("power/whole", content)
    trace.size()
    calls = trace.calls(start)
    check_blob(trace, calls, digest_of(content))
    check_not_read(trace, calls)


def test_a_large_push_in_one_request(client: Client, trace: Trace) -> None:
    content = os.urandom(2 * CHUNK)
    start = trace.size()
    client.push("power/whole", content)
    trace.size()
    calls = trace.calls(start)
    check_blob(trace, calls, digest_of(content))
    check_not_read(trace, calls)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_manifest_is_answered_after_its_commit(method: str, client: Client, trace: Trace) -> None:
    body = image(nonce=os.urandom(8).hex())
    if method == "DELETE":
        assert client.put_manifest("power/manifest", "v1", body).status == 201
    start = trace.size()
    if method == "PUT":
        assert client.put_manifest("power/manifest", "v1", body).status == 201
    else:
        assert client.request("DELETE", f"/v2/power/manifest/manifests/{digest_of(body)}").status == 202
    trace.size()
    calls = trace.calls(start)
    log = trace.server.data / "registry.db-wal"
    rows = [call for call in calls if on(WRITES, log)(call)]
    syncs = [call for call in calls if on(SYNCS, log)(call)]
    assert rows
    assert len(syncs) == 1, "one transaction, one sync"
    in_order(rows[-1], syncs[0], first(calls, "answer", answered(201 if method == "PUT" else 202)))


def test_folders_that_the_first_start_made_have_names_that_last(client: Client, trace: Trace) -> None:
    """A blob is as safe as the name of the folder that it lies in."""
    trace.size()
    calls = trace.calls()
    root = str(trace.server.data.parent)
    made = [call for call in calls if call.name.startswith("mkdir") and call.texts[0].startswith(root)]
    folders = [call for call in made if call.result == 0]
    assert {Path(call.texts[0]).name for call in folders} >= {"deep", "data", "blobs", "_uploads"}
    acknowledged = first(calls, "201", answered(201))
    for folder in folders:
        if folder.ended < acknowledged.begun:
            parent = str(Path(folder.texts[0]).parent)
            synced = [call for call in calls if on(SYNCS, parent)(call) and folder.ended < call.begun]
            assert synced, f"the name of {folder.texts[0]} is not synced"
            assert synced[0].ended < acknowledged.begun, f"the name of {folder.texts[0]} is synced after the answer"


@pytest.mark.anyio
async def test_a_log_that_could_not_be_synced_is_not_trusted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel forgets what it failed to write: the next sync would succeed without it."""
    settings = load({"data": tmp_path}, {}).settings
    migrations.upgrade(settings)
    database = DurableSqlite(sqlite_path(settings.database_url))
    await database.open()
    try:
        assert await database.run(repositories.ensure, Change.own(), RepositoryName("before")) == 1
        with monkeypatch.context() as patch:
            patch.setattr("registry.database.sqlite.os.fdatasync", failing)
            with pytest.raises(Unavailable):
                await database.run(repositories.ensure, Change.own(), RepositoryName("unsynced"))
        with pytest.raises(Unavailable):
            await database.run(repositories.ensure, Change.own(), RepositoryName("after"))
        assert await database.lookup(repositories.FIND, name="after") is None
        assert await database.lookup(repositories.FIND, name="before") == 1
    finally:
        await database.close()


def failing(_: int) -> None:
    raise OSError(errno.EIO, "the disk failed")
