"""Content that storage has lost or damaged: told clearly, and mended by pushing it again."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.model import check_disk
from tests.server import Server, running
from tests.soon import soon
from tests.speak.answer import Answer
from tests.speak.client import Client
from tests.speak.content import digest_of
from tests.speak.requests import with_digest

Push = Callable[[Client, str, bytes], Answer]


def in_one(client: Client, name: str, content: bytes) -> Answer:
    return client.request("POST", f"/v2/{name}/blobs/uploads/?digest={digest_of(content)}", content)


def in_two(client: Client, name: str, content: bytes) -> Answer:
    return client.finish(client.start(name), content, content)


def in_chunks(client: Client, name: str, content: bytes) -> Answer:
    path = client.start(name)
    half = len(content) // 2
    assert client.patch(path, content[:half], 0).status == 202
    assert client.patch(path, content[half:], half).status == 202
    return client.finish(path, content)


PUSHES = {"POST": in_one, "POST, PUT": in_two, "POST, PATCH, PATCH, PUT": in_chunks}
SIZES = [100_000, 1_000_000]


def wrong(file: Path) -> None:
    size = file.stat().st_size
    file.write_bytes(b"\0" * size)


def shorter(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1)


def longer(file: Path) -> None:
    with file.open("ab") as opened:
        opened.write(b"more")


def no_folder(file: Path) -> None:
    shutil.rmtree(file.parent)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "wrong": wrong,
    "shorter": shorter,
    "longer": longer,
    "gone": Path.unlink,
    "no folder": no_folder,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("damage") / "data"
    with running(data, "--workers", "1") as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client


def file_of(server: Server, digest: str) -> Path:
    return server.data / "blobs" / digest[7:9] / digest[7:]


@pytest.mark.spec("STORAGE-10")
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("push", PUSHES)
@pytest.mark.parametrize("size", SIZES)
def test_a_push_mends_what_is_damaged(size: int, push: str, damage: str, server: Server, client: Client) -> None:
    """In every repository that holds it, whoever pushes it."""
    content = os.urandom(size)
    digest = client.push("damage/first", content)
    DAMAGES[damage](file_of(server, digest))
    assert PUSHES[push](client, "damage/second", content).status == 201
    for name in ("damage/first", "damage/second"):
        assert client.get(f"/v2/{name}/blobs/{digest}").body == content
    assert list((server.data / "blobs" / "_uploads").iterdir()) == []


@pytest.mark.spec("STORAGE-10")
def test_who_reads_while_it_is_mended_reads_it_to_its_end(server: Server, client: Client) -> None:
    content = os.urandom(8_000_000)
    digest = client.push("damage/reading", content)
    with Client(server.url) as reader:
        reader._connection.request("GET", f"/v2/damage/reading/blobs/{digest}")
        response = reader._connection.getresponse()
        got = response.read(100_000)
        client.push("damage/reading", content)
        got += response.read()
    assert got == content


RANGES = ["", "bytes=0-9", "bytes=-5", "bytes=0-9,99000-99999"]


@pytest.mark.spec("STORAGE-11")
@pytest.mark.parametrize("damage", ["shorter", "gone", "no folder"])
@pytest.mark.parametrize("part", RANGES)
def test_what_is_missing_is_told(part: str, damage: str, server: Server, client: Client) -> None:
    """A part that is there is served."""
    content = os.urandom(100_000)
    digest = client.push("damage/told", content)
    path = f"/v2/damage/told/blobs/{digest}"
    DAMAGES[damage](file_of(server, digest))
    assert client.request("HEAD", path).status == 200
    answer = client.request("GET", path, headers={"Range": part} if part else {})
    if damage == "shorter" and part == "bytes=0-9":
        assert (answer.status, answer.body) == (206, content[:10])
        assert in_one(client, "damage/told", content).status == 201
        return
    assert (answer.status, answer.codes) == (500, ["UNKNOWN"])
    (error,) = answer.json()["errors"]
    assert "pushing it again mends it" in error["message"]
    assert error["detail"] == digest

    def told() -> list[str]:
        return [line for line in server.output.splitlines() if digest in line and "missing or damaged" in line]

    assert soon(lambda: len(told()) == 1)
    (line,) = told()
    assert "damage/told" in line
    assert digest[7:] in line.replace(digest, "")
    assert in_one(client, "damage/told", content).status == 201
    assert client.get(path).body == content


@pytest.mark.spec("STORAGE-10", "STORAGE-11")
@pytest.mark.parametrize("damage", ["no row", "wrong row", "short row", "wrong size"])
def test_a_small_blob(damage: str, server: Server, client: Client) -> None:
    content = os.urandom(1000)
    digest = client.push("damage/small", content)
    path = f"/v2/damage/small/blobs/{digest}"
    with closing(sqlite3.connect(server.data / "registry.db")) as database, database:
        (blob,) = database.execute("SELECT id FROM blob WHERE digest = ?", [digest]).fetchone()
        if damage == "no row":
            database.execute("DELETE FROM blob_content WHERE blob_id = ?", [blob])
        elif damage == "wrong size":
            database.execute("UPDATE blob SET size = 2000 WHERE id = ?", [blob])
        else:
            size = 1000 if damage == "wrong row" else 999
            database.execute("UPDATE blob_content SET content = zeroblob(?) WHERE blob_id = ?", [size, blob])
    if damage != "wrong row":
        answer = client.get(path)
        assert (answer.status, answer.codes) == (500, ["UNKNOWN"])
    assert in_one(client, "damage/other", content).status == 201
    assert client.get(path).body == content


@pytest.mark.spec("STORAGE-10")
@pytest.mark.parametrize("healthy", [True, False])
def test_what_was_small_and_is_not_any_more(healthy: bool, data: Path) -> None:
    """Its row, or what is left of it, gives way to a file, and the file to a row."""
    content = os.urandom(5000)
    with running(data, "--workers", "1") as server, Client(server.url) as client:
        digest = client.push("damage/limit", content)
    if not healthy:
        with closing(sqlite3.connect(data / "registry.db")) as database, database:
            database.execute("DELETE FROM blob_content")
    for limit in ("1KiB", "16KiB"):
        with running(data, "--workers", "1", "--small-blob", limit) as server, Client(server.url) as client:
            assert client.push("damage/limit", content) == digest
            assert client.get(f"/v2/damage/limit/blobs/{digest}").body == content
        check_disk(data, hashed=True)


@pytest.mark.spec("STORAGE-12")
@pytest.mark.parametrize("push", PUSHES)
@pytest.mark.parametrize("folder", ["", "_uploads"])
def test_a_folder_that_was_removed_is_made_again(folder: str, push: str, data: Path) -> None:
    with running(data, "--workers", "1") as server, Client(server.url) as client:
        for size in SIZES:
            client.push("damage/folder", os.urandom(size))
            open_before = client.start("damage/folder")
            shutil.rmtree(server.data / "blobs" / folder)
            content = os.urandom(size)
            assert PUSHES[push](client, "damage/folder", content).status == 201
            assert client.get(f"/v2/damage/folder/blobs/{digest_of(content)}").body == content
            assert client.request("PUT", with_digest(open_before, digest_of(content)), content).status == 201
