"""What one worker has answered, every worker knows: no answer given after it may be an older one.

Before each change every worker is asked so often that it keeps its answer, if it ever does."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.server import Server, running
from tests.speak.answer import Answer
from tests.speak.client import UNTIL_KEPT, Client
from tests.speak.content import digest_of, image

ROUNDS = 100
WORKERS = 2
EACH = 2
"""Connections to each of the workers."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("fresh") / "data", "--workers", str(WORKERS)) as server:
        yield server


class Everyone:
    """Connections that were seen to reach every worker, asked all at once and each in a thread of its own."""

    def __init__(self, server: Server) -> None:
        self.by_worker: dict[str, list[Client]] = {}
        spare: list[Client] = []
        deadline = time.monotonic() + 20
        while len(self.by_worker) < WORKERS or min(map(len, self.by_worker.values())) < EACH:
            assert time.monotonic() < deadline, f"only these workers answer: {list(self.by_worker)}"
            client = Client(server.url)
            found = self.by_worker.setdefault(worker(client.get("/v2/")), [])
            (found if len(found) < EACH else spare).append(client)
        for client in spare:
            client.close()
        self.clients = [client for found in self.by_worker.values() for client in found]
        self._threads = ThreadPoolExecutor(len(self.clients))
        self._turn = 0

    def writer(self) -> Client:
        """A client, of another worker each time."""
        self._turn += 1
        found = list(self.by_worker.values())
        return found[self._turn % len(found)][0]

    def ask(self, method: str, path: str) -> list[Answer]:
        answers = list(self._threads.map(lambda client: client.read(path, method), self.clients))
        assert {worker(answer) for answer in answers} == set(self.by_worker), "a connection was made anew"
        return answers

    def know(self, *paths: str) -> None:
        """Let each worker be asked so often that it keeps what it answers, and then for this."""

        def learn(clients: list[Client]) -> None:
            for _ in range(UNTIL_KEPT):
                clients[0].read(paths[0])
            for path in paths:
                for method in ("GET", "HEAD"):
                    clients[0].read(path, method)

        list(self._threads.map(learn, self.by_worker.values()))

    def close(self) -> None:
        self._threads.shutdown()
        for client in self.clients:
            client.close()


def worker(answer: Answer) -> str:
    """Which process answered: the requests of each have ids of their own."""
    return answer.headers["x-request-id"].partition("-")[0]


@pytest.fixture(scope="module")
def everyone(server: Server) -> Iterator[Everyone]:
    everyone = Everyone(server)
    yield everyone
    everyone.close()


def told(answers: list[Answer]) -> set[tuple[int, str | None]]:
    return {(answer.status, answer.headers.get("docker-content-digest")) for answer in answers}


def test_a_moved_tag(everyone: Everyone) -> None:
    path = "/v2/fresh/app/manifests/latest"
    for number in range(ROUNDS):
        body = image(annotations={"number": str(number)})
        if number:
            everyone.know(path)
        assert everyone.writer().put_manifest("fresh/app", "latest", body).status == 201
        assert told(everyone.ask("GET", path)) == {(200, digest_of(body))}, f"round {number}"
        assert told(everyone.ask("HEAD", path)) == {(200, digest_of(body))}, f"round {number}"


def test_a_new_tag_and_a_deleted_one(everyone: Everyone) -> None:
    """Found, listed and gone: each as soon as that was answered."""
    body, tags = image(annotations={"of": "comes and goes"}), "/v2/fresh/app/tags/list"
    assert everyone.writer().put_manifest("fresh/app", "latest", body).status == 201
    for number in range(ROUNDS // 4):
        tag = f"v{number}"
        path = f"/v2/fresh/app/manifests/{tag}"
        assert told(everyone.ask("GET", path)) == {(404, None)}
        everyone.know(tags)
        assert everyone.writer().put_manifest("fresh/app", tag, body).status == 201
        assert told(everyone.ask("HEAD", path)) == {(200, digest_of(body))}
        assert all(tag in answer.json()["tags"] for answer in everyone.ask("GET", tags))
        everyone.know(path, tags)
        assert everyone.writer().request("DELETE", path).status == 202
        assert told(everyone.ask("GET", path)) == {(404, None)}
        assert told(everyone.ask("HEAD", path)) == {(404, None)}
        assert not any(tag in answer.json()["tags"] for answer in everyone.ask("GET", tags))


def test_a_manifest_that_was_deleted(everyone: Everyone) -> None:
    """By its digest, and by the tag that goes with it; the repository leaves the catalogue."""
    for number in range(ROUNDS // 4):
        body = image(annotations={"number": str(number)})
        by_tag, by_digest = (f"/v2/fresh/gone/manifests/{reference}" for reference in ("latest", digest_of(body)))
        assert everyone.writer().put_manifest("fresh/gone", "latest", body).status == 201
        assert told(everyone.ask("GET", by_tag)) == told(everyone.ask("GET", by_digest)) == {(200, digest_of(body))}
        assert listed(everyone) == {True}
        everyone.know(by_tag, by_digest, "/v2/_catalog")
        assert everyone.writer().request("DELETE", by_digest).status == 202
        assert told(everyone.ask("GET", by_tag)) == told(everyone.ask("GET", by_digest)) == {(404, None)}
        assert listed(everyone) == {False}


def listed(everyone: Everyone) -> set[bool]:
    return {"fresh/gone" in answer.json()["repositories"] for answer in everyone.ask("GET", "/v2/_catalog")}


@pytest.mark.parametrize("size", [1_000, 300_000], ids=["in a row", "in a file"])
def test_a_blob(size: int, everyone: Everyone) -> None:
    for _ in range(ROUNDS // 8):
        content = os.urandom(size)
        path = f"/v2/fresh/app/blobs/{digest_of(content)}"
        assert told(everyone.ask("HEAD", path)) == {(404, None)}
        everyone.writer().push("fresh/app", content)
        assert {answer.body for answer in everyone.ask("GET", path)} == {content}
        everyone.know(path)
        assert everyone.writer().request("DELETE", path).status == 202
        assert told(everyone.ask("GET", path)) == told(everyone.ask("HEAD", path)) == {(404, None)}


def test_an_upload_session(everyone: Everyone) -> None:
    """Its chunks may go to one worker and another: each knows how far it is."""
    for _ in range(ROUNDS // 4):
        content = os.urandom(30_000)
        path = everyone.writer().start("fresh/app")
        for start in range(0, len(content), 10_000):
            assert everyone.writer().patch(path, content[start : start + 10_000], start).status == 202
            assert {answer.offset for answer in everyone.ask("GET", path)} == {start + 10_000}
        assert everyone.writer().finish(path, content).status == 201
        assert told(everyone.ask("GET", path)) == {(404, None)}
