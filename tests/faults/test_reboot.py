"""Upload sessions from before a reboot: only bytes that are really there count, whatever their row says."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.model import check_disk
from tests.server import Server, running
from tests.speak.client import Client
from tests.speak.content import digest_of
from tests.speak.requests import with_digest

NAME = "reboot/app"
ARRIVED = 600_000
SIZE = 900_000


def cut(left: int) -> Callable[[Path], None]:
    return lambda file: os.truncate(file, left)


def zeros(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(ARRIVED - 50_000)
        opened.write(bytes(50_000))


def longer(file: Path) -> None:
    with file.open("ab") as opened:
        opened.write(os.urandom(70_000))


def intact(_: Path) -> None:
    pass


LENGTHS = [1, 100_000, 300_000, ARRIVED - 1]
REQUESTS = ["PATCH", "PUT", "PUT of the rest"]

# What happens to the file of a session while the machine is down.
REBOOTED = {f"cut to {left}": cut(left) for left in LENGTHS} | {
    "cut, not asked for": cut(100_000),
    "cut, closed": cut(100_000),
    "zeros": zeros,
    "zeros, not asked for": zeros,
    "gone": Path.unlink,
    "intact": intact,
    "intact and complete": intact,
    "longer": longer,
    "longer and complete": longer,
}
NOT_REBOOTED = {"restarted": intact} | {f"gone before {request}": Path.unlink for request in REQUESTS}


class Upload:
    """A session of which `ARRIVED` bytes were acknowledged before the server was killed."""

    def __init__(self, client: Client) -> None:
        self.content = os.urandom(SIZE)
        self.path = client.start(NAME)
        # Two chunks, so that a saved hasher has been taken up once.
        for start in (0, ARRIVED // 2):
            answer = client.patch(self.path, self.content[start : start + ARRIVED // 2], start)
            assert answer.status == 202, answer

    @property
    def id(self) -> str:
        return self.path.rpartition("/")[2]

    def finish(self, client: Client, offset: int) -> None:
        """Status says `offset`, and what is sent from there on makes the right blob."""
        status = client.get(self.path)
        assert (status.status, status.offset) == (204, offset)
        answer = client.finish(self.path, self.content, self.content[offset:])
        assert answer.status == 201, answer
        assert client.get(f"/v2/{NAME}/blobs/{digest_of(self.content)}").body == self.content
        assert client.get(self.path).status == 404


class Rebooted(NamedTuple):
    url: str
    uploads: dict[str, Upload]


@pytest.fixture(scope="module")
def rebooted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rebooted]:
    """The server after the restart, and its sessions by what became of them."""
    data = tmp_path_factory.mktemp("reboot") / "data"
    damage = REBOOTED | NOT_REBOOTED
    server = Server(data, "--workers", "1").start()
    try:
        with Client(server.url) as client:
            uploads = {case: Upload(client) for case in damage}
    finally:
        server.kill()
    with closing(sqlite3.connect(data / "uploads.db")) as database, database:
        for case in REBOOTED:
            change = "UPDATE upload SET incarnation = '11111111-2222-3333-4444-555555555555' WHERE id = ?"
            assert database.execute(change, [uploads[case].id]).rowcount == 1
    for case, done in damage.items():
        done(data / "blobs" / "_uploads" / uploads[case].id)
    with running(data, "--workers", "1") as server:
        yield Rebooted(server.url, uploads)
        check_disk(data, hashed=True)


@pytest.fixture
def uploads(rebooted: Rebooted) -> dict[str, Upload]:
    return rebooted.uploads


@pytest.fixture
def client(rebooted: Rebooted) -> Iterator[Client]:
    with Client(rebooted.url) as client:
        yield client


@pytest.mark.parametrize("left", LENGTHS)
def test_a_file_that_lost_its_end(left: int, uploads: dict[str, Upload], client: Client) -> None:
    uploads[f"cut to {left}"].finish(client, left)


def test_a_client_that_does_not_ask_is_told_where_to_go_on(uploads: dict[str, Upload], client: Client) -> None:
    upload = uploads["cut, not asked for"]
    refused = client.patch(upload.path, upload.content[ARRIVED:], ARRIVED)
    assert (refused.status, refused.offset) == (416, 100_000)
    assert client.patch(upload.path, upload.content[100_000:ARRIVED], 100_000).status == 202
    upload.finish(client, ARRIVED)


@pytest.mark.spec("UPLOAD-33")
def test_what_is_left_is_not_closed_as_if_it_were_all(uploads: dict[str, Upload], client: Client) -> None:
    """By who has sent all, and does not know that some of it was lost."""
    upload = uploads["cut, closed"]
    for method in ("PUT", "PATCH"):
        refused = client.request(method, with_digest(f"{upload.path}?offset={ARRIVED}", digest_of(upload.content)))
        assert (refused.status, refused.codes, refused.offset) == (416, ["BLOB_UPLOAD_INVALID"], 100_000)
    upload.finish(client, 100_000)


@pytest.mark.parametrize("case", ["zeros", "zeros, not asked for"])
def test_a_file_whose_end_is_zeros(case: str, uploads: dict[str, Upload], client: Client) -> None:
    """The length was synced and the bytes were not: the true digest must not be given to wrong bytes."""
    upload = uploads[case]
    if case == "zeros":
        assert client.get(upload.path).offset == ARRIVED
    answer = client.finish(upload.path, upload.content, upload.content[ARRIVED:])
    assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])
    blob = f"/v2/{NAME}/blobs/{digest_of(upload.content)}"
    assert client.get(blob).status == 404
    assert client.get(upload.path).status == 404, "what nobody can finish is dropped"
    client.push(NAME, upload.content)
    assert client.get(blob).body == upload.content


def test_a_file_that_is_gone(uploads: dict[str, Upload], client: Client) -> None:
    uploads["gone"].finish(client, 0)


@pytest.mark.parametrize("case", ["intact", "longer", "restarted"])
def test_a_file_that_holds_what_counts(case: str, uploads: dict[str, Upload], client: Client) -> None:
    """Bytes beyond those that were acknowledged do not count."""
    uploads[case].finish(client, ARRIVED)


@pytest.mark.parametrize("case", ["intact and complete", "longer and complete"])
def test_a_file_that_is_complete(case: str, uploads: dict[str, Upload], client: Client) -> None:
    content = uploads[case].content[:ARRIVED]
    assert client.finish(uploads[case].path, content).status == 201
    assert client.get(f"/v2/{NAME}/blobs/{digest_of(content)}").body == content


@pytest.mark.parametrize("request_", REQUESTS)
def test_without_a_reboot_a_lost_file_is_an_unknown_upload(
    request_: str, uploads: dict[str, Upload], client: Client
) -> None:
    upload = uploads[f"gone before {request_}"]
    content = upload.content
    if request_ == "PATCH":
        answer = client.patch(upload.path, content[ARRIVED:], ARRIVED)
    elif request_ == "PUT":
        answer = client.finish(upload.path, content[:ARRIVED])
    else:
        answer = client.finish(upload.path, content, content[ARRIVED:])
    assert (answer.status, answer.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"])
    assert client.get(upload.path).status == 404
    for bytes_ in (content, content[:ARRIVED]):
        assert client.get(f"/v2/{NAME}/blobs/{digest_of(bytes_)}").status == 404
