"""What is particular to the filesystem driver: where files lie, other processes, full disks, power cuts."""

import json
import os
import re
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from conformance.drivers.cases.support import MIB, begin, content, fetch, full_blocks, listed, same, send, stale, upload
from registry.errors import OperatorError, StorageFull, Unavailable
from registry.storage.driver import Driver, State, UploadLocked, UploadLost
from registry.storage.filesystem import FilesystemDriver
from tests.storage.processes import Child, child, traceable

pytestmark = pytest.mark.anyio

FAR = 3600.0

FORBIDDEN = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "../outside",
    "a/../../outside",
    "a..b",
    "a\0b",
    "a\n",
    "a b",
    "a\\b",
    "A",
    "é",
    ".a",
    "-a",
    "_uploads/a",
    "a" * 401,
]

traced = pytest.mark.skipif(not traceable(), reason="system calls cannot be traced here (strace)")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
async def driver(root: Path) -> AsyncIterator[Driver]:
    driver = FilesystemDriver(root)
    await driver.open()
    yield driver
    await driver.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def files(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


# Where files lie


async def test_the_name_is_the_path(driver: Driver, root: Path) -> None:
    assert await driver.put("blobs/ab/abcd", b"put") == "blobs/ab/abcd"
    assert await upload(driver, "blobs/sha512/cd/cdef", b"uploaded") == "blobs/sha512/cd/cdef"
    assert (root / "blobs/ab/abcd").read_bytes() == b"put"
    assert (root / "blobs/sha512/cd/cdef").read_bytes() == b"uploaded"
    assert files(root) == {"blobs/ab/abcd": 3, "blobs/sha512/cd/cdef": 8}


async def test_objects_put_there_by_someone_else_are_served(driver: Driver, root: Path) -> None:
    (root / "docker/registry").mkdir(parents=True)
    (root / "docker/registry/data").write_bytes(b"adopted")
    same(await fetch(driver, "docker/registry/data"), b"adopted")
    assert [stat.key for stat in await listed(driver)] == ["docker/registry/data"]


async def test_foreign_files_are_no_objects(driver: Driver, root: Path) -> None:
    await driver.put("blobs/ab/abcd", b"object")
    for name in ("lost+found/#12", ".hidden", "blobs/Read Me", "_new/a"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"foreign")
    assert [stat.key for stat in await listed(driver)] == ["blobs/ab/abcd"]


@pytest.mark.parametrize("name", FORBIDDEN)
async def test_forbidden_names(driver: Driver, root: Path, name: str) -> None:
    outside = root.parent / "outside"
    outside.write_bytes(b"untouched")
    state = await send(driver, await begin(driver), 0, b"0123456789")
    before = files(root.parent)
    with pytest.raises(ValueError):
        await driver.put(name, b"content")
    with pytest.raises(ValueError):
        await driver.size(name)
    with pytest.raises(ValueError):
        await fetch(driver, name)
    with pytest.raises(ValueError):
        await driver.delete(name)
    with pytest.raises(ValueError):
        await driver.begin(name)
    with pytest.raises(ValueError):
        await driver.finish(state, name, 10)
    assert files(root.parent) == before
    assert outside.read_bytes() == b"untouched"


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../outside", ""])
async def test_a_state_that_was_tampered_with(driver: Driver, root: Path, name: str) -> None:
    outside = root.parent / "outside"
    outside.write_bytes(b"untouched")
    states: list[State] = [{"upload": name}, dict.fromkeys(await begin(driver), name)]
    for state in states:
        for call in (driver.append(state, 0), driver.appended(state), driver.abort(state)):
            with pytest.raises(ValueError):
                await call
        with pytest.raises(ValueError):
            await driver.finish(state, "blobs/ab/abcd", 9)
        with pytest.raises(ValueError):
            await anext(driver.reread(state))
    assert files(root.parent) == {"outside": 9}


@pytest.mark.parametrize("prefix", ["..", "../", "/", "/etc/", "a/../../", "\0"])
async def test_prefixes_do_not_lead_outside(driver: Driver, root: Path, prefix: str) -> None:
    (root.parent / "outside").write_bytes(b"untouched")
    await driver.put("blobs/ab/abcd", b"object")
    assert await listed(driver, prefix) == []


@pytest.mark.parametrize("unusable", ["a-file", "a-file/below", "/proc/holdfast", "/dev/null"])
async def test_a_root_that_cannot_be_used(tmp_path: Path, unusable: str) -> None:
    (tmp_path / "a-file").write_bytes(b"")
    root = tmp_path / unusable
    driver = FilesystemDriver(root)
    with pytest.raises(OperatorError) as told:
        await driver.open()
    await driver.close()
    assert str(root) in str(told.value)
    assert len(str(told.value).splitlines()) == 1


async def test_an_upload_cut_short_is_lost(driver: Driver, root: Path) -> None:
    """A power cut took bytes that were appended."""
    state = await send(driver, await begin(driver), 0, content(123_457))
    [name] = [name for name, size in files(root).items() if size == 123_457]
    os.truncate(root / name, 100_000)
    assert await driver.appended(state) == 100_000
    with pytest.raises(UploadLost):
        await driver.append(state, 123_457)
    with pytest.raises(UploadLost):
        await driver.finish(state, "blobs/ab/abcd", 123_457)
    same(b"".join([block async for block in driver.reread(state)]), content(123_457)[:100_000])
    state = await send(driver, state, 100_000, b"rest")
    same(
        await fetch(driver, await driver.finish(state, "blobs/ab/abcd", 100_004)), content(123_457)[:100_000] + b"rest"
    )


async def test_what_is_no_file_is_no_upload(driver: Driver, root: Path) -> None:
    """A folder, a link and a pipe among the uploads: neither old, nor removed by the abort of that name."""
    uploads, outside = root / "_uploads", root.parent / "outside"
    outside.write_bytes(b"untouched")
    (uploads / "folder").mkdir()
    (uploads / "link").symlink_to(outside)
    os.mkfifo(uploads / "pipe")
    (uploads / "file").write_bytes(b"old")
    assert await stale(driver, time.time() + FAR) == [{"upload": "file"}]
    await driver.abort({"upload": "folder"})
    assert (uploads / "folder").is_dir()


async def test_an_object_that_cannot_be_deleted(tmp_path: Path) -> None:
    """On a disk that refuses to be written to, as to who stores."""
    folder = tmp_path / "read-only"
    (folder / "ab").mkdir(parents=True)
    (folder / "ab" / "abcd").write_bytes(b"kept")
    bound = subprocess.run(["mount", "--bind", str(folder), str(folder)], capture_output=True, check=False)
    if bound.returncode != 0:
        pytest.skip("mounting is not permitted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        driver = FilesystemDriver(folder, read_only=True)
        await driver.open()
        with pytest.raises(Unavailable):
            await driver.delete("ab/abcd")
        same(await fetch(driver, "ab/abcd"), b"kept")
        await driver.close()
    finally:
        subprocess.run(["umount", str(folder)], check=True)


# Full disks


async def fill(driver: Driver, state: State, block: bytes) -> None:
    for _ in range(50):
        await send(driver, state, await driver.appended(state), block)


async def test_put_on_a_full_disk(small_disk: Path) -> None:
    driver = FilesystemDriver(small_disk)
    await driver.open()
    data = content(3 * MIB)
    key = await driver.put("blobs/ab/abcd", data)
    for _ in range(3):
        with pytest.raises(StorageFull):
            await driver.put("blobs/cd/cdef", content(2 * MIB))
    same(await fetch(driver, key), data)
    assert files(small_disk) == {"blobs/ab/abcd": 3 * MIB}
    await driver.delete(key)
    await driver.put("blobs/cd/cdef", content(2 * MIB))
    same(await fetch(driver, "blobs/cd/cdef"), content(2 * MIB))
    await driver.close()


async def test_append_on_a_full_disk(small_disk: Path) -> None:
    driver = FilesystemDriver(small_disk)
    await driver.open()
    data, large = content(MIB), content(5 * MIB)
    key = await driver.put("blobs/ab/abcd", data)
    state = await send(driver, await begin(driver), 0, *full_blocks(large[: 2 * MIB]))
    for size in (MIB, 100_000):  # in a thread and on the loop
        with pytest.raises(StorageFull):
            await fill(driver, state, content(size))
    same(await fetch(driver, key), data)
    state = await send(driver, state, 2 * MIB, b"the end")  # what did not fit has made place
    same(await fetch(driver, await driver.finish(state, "blobs/cd/cdef", 2 * MIB + 7)), large[: 2 * MIB] + b"the end")
    full = await begin(driver)
    with pytest.raises(StorageFull):
        await send(driver, full, 0, *full_blocks(large))
    await driver.abort(full)
    await driver.put("blobs/ef/ef01", data[:900_000])
    same(await fetch(driver, "blobs/ef/ef01"), data[:900_000])
    await driver.close()


# Other processes

APPEND = """
state = json.loads(sys.argv[2])
appender = await driver.append(state, int(sys.argv[3]))
await appender.write(b"from the other process", len)
tell("written")
while True:
    await appender.write(b"more" * 50_000, len)
"""


async def test_another_process_is_appending_and_is_killed(driver: Driver, root: Path) -> None:
    state = await send(driver, await begin(driver), 0, b"0123456789")
    with child(root, APPEND, json.dumps(state), "10") as other:
        assert other.told() == "written"
        for _ in range(3):
            with pytest.raises(UploadLocked):
                await driver.append(state, 10)
            with pytest.raises(UploadLocked):
                await driver.finish(state, "blobs/ab/abcd", 10)
        other.kill()
    assert await driver.appended(state) > 10
    state = await send(driver, state, 10, b"abc")
    same(await fetch(driver, await driver.finish(state, "blobs/ab/abcd", 13)), b"0123456789abc")


PUT = """
number = 0
while True:
    key = await driver.put(f"blobs/{number:x}", number.to_bytes(4) * 2_000_000)
    tell(key)
    number += 1
"""


async def test_a_process_killed_while_it_puts(driver: Driver, root: Path) -> None:
    left: list[State] = []
    acknowledged: set[object] = set()
    for attempt in range(20):
        with child(root, PUT) as other:
            acknowledged.add(other.told())
            time.sleep(0.005 * attempt)
            other.kill()
        left = await stale(driver, time.time() + FAR)
        if left:
            break
    assert left, "in 20 attempts no put was met in the middle"
    assert await stale(driver, time.time() - FAR) == []
    for state in left:
        await driver.abort(state)
    assert await stale(driver, time.time() + FAR) == []
    stats = await listed(driver)
    assert {stat.key: stat.size for stat in stats} == files(root)
    assert acknowledged <= {stat.key for stat in stats}
    for stat in stats:
        number = int(stat.key.removeprefix("blobs/"), 16)
        same(await fetch(driver, stat.key), number.to_bytes(4, "big") * 2_000_000)


LATE = {
    "append": """
        state = json.loads(sys.argv[2])
        tell(os.getpid())
        try:
            appender = await driver.append(state, 0)
            await appender.write(b"late", len)
            await appender.close()
        except DriverError as error:
            tell(type(error).__name__)
        else:
            tell("done")
    """,
    "finish": """
        tell(os.getpid())
        tell(await driver.finish(json.loads(sys.argv[2]), "blobs/ab/abcd", 10))
    """,
}


@traced
@pytest.mark.parametrize(("call", "allowed"), [("append", {"UploadLost", "done"}), ("finish", {"blobs/ab/abcd"})])
async def test_finished_between_opening_and_locking(driver: Driver, root: Path, call: str, allowed: set[str]) -> None:
    """The other process has opened the upload and is slow to lock it; meanwhile it becomes an object."""
    state = await send(driver, await begin(driver), 0, b"0123456789")
    name = str(state["upload"])
    slow = ("strace", "-f", "-o", os.devnull, "-e", "trace=flock", "-e", "inject=flock:delay_enter=1000000")
    with child(root, LATE[call], json.dumps(state), under=slow) as other:
        wait_until_open(other, name)
        key = await driver.finish(state, "blobs/ab/abcd", 10)
        assert other.told() in allowed
    same(await fetch(driver, key), b"0123456789")


def wait_until_open(other: Child, name: str) -> None:
    descriptors = Path(f"/proc/{other.told()}/fd")
    deadline = time.monotonic() + 20
    while not any(str(link.readlink()).endswith(name) for link in descriptors.iterdir()):
        assert time.monotonic() < deadline, "the other process never opened the upload"
        time.sleep(0.01)


# Power cuts

STORE = """
await driver.put("blobs/ab/abcd", b"put")
tell("put")
appender = await driver.append(await driver.begin("an-upload"), 0)
await appender.write(b"appended", len)
await driver.finish(await appender.close(), "blobs/cd/cdef", 8)
tell("finished")
"""


@traced
async def test_what_was_acknowledged_is_synced(root: Path, tmp_path: Path) -> None:
    """The file before it gets its name, the folder after that, and every new folder in the one above."""
    log = tmp_path / "calls"
    calls = "trace=fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat,write"
    with child(root, STORE, under=("strace", "-f", "-y", "-s", "300", "-o", str(log), "-e", calls)) as other:
        assert [other.told(), other.told()] == ["put", "finished"]
        assert other.process.wait() == 0
    lines = log.read_text().splitlines()

    def position(pattern: str, start: int = 0) -> int:
        found = [number for number in range(start, len(lines)) if re.search(pattern, lines[number])]
        assert found, f"not among the calls after {start}: {pattern}"
        return found[0]

    for answer, target in (("put", root / "blobs/ab/abcd"), ("finished", root / "blobs/cd/cdef")):
        answered = position(rf'write\(1<.*>, "\\"{answer}\\"')
        renamed = position(rf'rename.*"{target}"\) *= 0')
        [source] = re.findall(rf'"([^"]+)"[^"]*"{target}"', lines[renamed])
        assert position(rf"f(data)?sync\(\d+<{source}>\) *= 0") < renamed
        assert position(rf"fsync\(\d+<{target.parent}>\) *= 0", renamed) < answered
        for folder in (target.parent, root / "blobs", root):
            made = position(rf'mkdir.*"{folder}", \d+\) *= 0')
            assert position(rf"fsync\(\d+<{folder.parent}>\) *= 0", made) < answered, f"{folder} may be gone"
