"""Many at once on the same blob or upload: loops whose every outcome is one of those written down here."""

import os
import random
import threading
import time

import pytest

from tests.faults.crowd import Crowd, Task, statuses
from tests.server import Server
from tests.speak.answer import Answer
from tests.speak.client import Client, Slow
from tests.speak.content import digest_of


@pytest.mark.parametrize("size", [3_000, 1_200_000])
def test_many_push_the_same_blob(size: int, server: Server, client: Client, crowd: Crowd) -> None:
    """All are told 201, whichever way they push, and there is one blob."""
    content = os.urandom(size)
    digest = digest_of(content)

    def at_once(client: Client) -> Answer:
        return client.request("POST", f"/v2/race/same/blobs/uploads/?digest={digest}", content)

    def in_session(client: Client) -> Answer:
        path = client.start("race/same")
        return client.finish(path, content, content)

    def in_chunks(client: Client) -> Answer:
        path = client.start("race/same")
        client.patch(path, content[:1000], 0)
        return client.finish(path, content, content[1000:])

    answers = crowd.at_once([at_once, in_session, in_chunks, at_once, in_session] * (10 if size < 10_000 else 2))
    assert statuses(answers) == {201: len(answers)}
    assert client.get(f"/v2/race/same/blobs/{digest}").body == content
    assert list((server.data / "blobs" / "_uploads").iterdir()) == []


# One session


def test_two_finish_one_session(client: Client, crowd: Crowd) -> None:
    """One is told 201. The other is, too, as the repository holds what it asks for (UPLOAD-61), or finds the session
    busy (416)."""
    for _ in range(15):
        content = os.urandom(200_000)
        path = client.start("race/session")
        assert client.patch(path, content, 0).status == 202

        def finish(client: Client, path: str = path, content: bytes = content) -> Answer:
            return client.finish(path, content)

        answers = crowd.at_once([finish, finish])
        found = statuses(answers)
        assert found[201] >= 1, answers
        assert set(found) <= {201, 416}, answers
        assert client.get(f"/v2/race/session/blobs/{digest_of(content)}").body == content


def test_two_finish_one_session_with_different_digests(client: Client, crowd: Crowd) -> None:
    """The right one is told 201, or nobody: a wrong digest that comes first takes the session with it (400)."""
    for _ in range(15):
        content, other = os.urandom(200_000), os.urandom(100)
        path = client.start("race/session")
        assert client.patch(path, content, 0).status == 202
        right, wrong = crowd.at_once(
            [
                lambda client, path=path, content=content: client.finish(path, content),  # type: ignore[misc]
                lambda client, path=path, other=other: client.finish(path, other),  # type: ignore[misc]
            ]
        )
        assert (right.status, wrong.status) in {(201, 404), (404, 400), (201, 416), (416, 400)}
        found = client.get(f"/v2/race/session/blobs/{digest_of(content)}")
        assert found.status == (200 if right.status == 201 else 404)
        assert client.get(f"/v2/race/session/blobs/{digest_of(other)}").status == 404


@pytest.mark.parametrize("size", [50_000, 700_000])
def test_chunks_for_the_same_place(size: int, client: Client, crowd: Crowd) -> None:
    """One of them is taken; the others are refused (416) and told where the session ends."""
    for _ in range(6):
        first = os.urandom(1000)
        chunks = [os.urandom(size) for _ in range(5)]
        path = client.start("race/chunks")
        assert client.patch(path, first, 0).status == 202
        tasks: list[Task] = [
            lambda client, path=path, chunk=chunk: client.patch(path, chunk, 1000)  # type: ignore[misc]
            for chunk in chunks
        ]
        answers = crowd.at_once(tasks)
        assert statuses(answers) == {202: 1, 416: 4}, answers
        assert {answer.offset for answer in answers} == {1000 + size}
        taken = next(chunk for chunk, answer in zip(chunks, answers, strict=True) if answer.status == 202)
        assert client.get(path).offset == 1000 + size
        assert client.finish(path, first + taken).status == 201
        assert client.get(f"/v2/race/chunks/blobs/{digest_of(first + taken)}").body == first + taken


def test_streams_without_a_place(client: Client, crowd: Crowd) -> None:
    """Chunks that do not say where they belong are taken whole or refused (416), never mixed."""
    for _ in range(6):
        chunks = [os.urandom(150_000 + number) for number in range(4)]
        path = client.start("race/streams")
        tasks: list[Task] = [
            lambda client, path=path, chunk=chunk: client.patch(path, chunk)  # type: ignore[misc]
            for chunk in chunks
        ]
        answers = crowd.at_once(tasks)
        assert set(statuses(answers)) <= {202, 416}
        taken = [(answer.offset, chunk) for answer, chunk in zip(answers, chunks, strict=True) if answer.status == 202]
        content = b"".join(chunk for _, chunk in sorted(taken))
        assert client.get(path).offset == len(content)
        assert client.finish(path, content).status == 201
        assert client.get(f"/v2/race/streams/blobs/{digest_of(content)}").body == content


def test_everything_on_one_session(server: Server, client: Client, crowd: Crowd) -> None:
    """Chunks, the end, a cancel and status meet. Whoever is told 201 has a blob with the digest that was asked for.

    A finish may be right (201), early (400, and the session is gone), late (404), busy or out of place (416)."""
    seed = random.randrange(10**9)
    chance = random.Random(seed)
    for _ in range(20):
        content = chance.randbytes(240_000)
        path = client.start("race/all")
        assert client.patch(path, content[:80_000], 0).status == 202
        tasks: list[Task] = [
            lambda client, path=path, chunk=content[80_000:160_000]: client.patch(path, chunk, 80_000),  # type: ignore[misc]
            lambda client, path=path, chunk=content[160_000:]: client.patch(path, chunk, 160_000),  # type: ignore[misc]
            lambda client, path=path, content=content: client.finish(path, content),  # type: ignore[misc]
            lambda client, path=path, content=content: client.finish(  # type: ignore[misc]
                path, content, content[80_000:]
            ),
            lambda client, path=path: client.get(path),  # type: ignore[misc]
        ]
        if chance.random() < 0.3:
            tasks.append(lambda client, path=path: client.request("DELETE", path))  # type: ignore[misc]
        order = list(range(len(tasks)))
        chance.shuffle(order)
        answers = dict(zip(order, crowd.at_once([tasks[number] for number in order]), strict=True))
        told = f"seed {seed}: { {number: answer.status for number, answer in answers.items()} }"
        assert answers[0].status in (202, 404, 416), told
        assert answers[1].status in (202, 404, 416), told
        for number in (2, 3):
            assert answers[number].status in (201, 400, 404, 416), told
        assert answers[4].status in (204, 404), told
        if 5 in answers:
            assert answers[5].status in (204, 404, 416), told
        blob = client.get(f"/v2/race/all/blobs/{digest_of(content)}")
        if 201 in (answers[2].status, answers[3].status):
            assert blob.body == content, told
            assert client.get(path).status == 404, told
        else:
            assert blob.status == 404, told
        client.request("DELETE", path)
    assert list((server.data / "blobs" / "_uploads").iterdir()) == []


def test_a_client_that_comes_back_before_its_old_connection_is_gone(client: Client, server: Server) -> None:
    """It is let in when the old request ends, and told where to go on (R-085)."""
    content = os.urandom(500_000)
    path = client.start("race/back")
    old = Slow(server.url, "PATCH", path, len(content))
    old.send(content[:200_000])
    time.sleep(0.2)
    timer = threading.Timer(0.3, old.socket.close)
    timer.start()
    answer = client.patch(path, content, 0)
    timer.join()
    if answer.status == 416:
        assert answer.offset == 200_000
        answer = client.patch(path, content[200_000:], 200_000)
    assert answer.status == 202
    assert client.finish(path, content).status == 201


def test_a_blob_is_mounted_while_its_source_is_deleted(client: Client, crowd: Crowd) -> None:
    """The mount is done (201) and lasts, or an upload is begun (202). The source is gone either way."""
    for number in range(25):
        content = os.urandom(2_000)
        digest = client.push("race/source", content)
        target = f"race/target-{number}"
        mounted, deleted = crowd.at_once(
            [
                lambda client, digest=digest, target=target: client.request(  # type: ignore[misc]
                    "POST", f"/v2/{target}/blobs/uploads/?mount={digest}&from=race/source"
                ),
                lambda client, digest=digest: client.request(  # type: ignore[misc]
                    "DELETE", f"/v2/race/source/blobs/{digest}"
                ),
            ]
        )
        assert deleted.status == 202
        assert mounted.status in (201, 202)
        assert client.get(f"/v2/race/source/blobs/{digest}").status == 404
        found = client.get(f"/v2/{target}/blobs/{digest}")
        if mounted.status == 201:
            assert (found.status, found.body) == (200, content)
        else:
            assert found.status == 404
            assert client.finish(mounted.location, content, content).status == 201


def test_a_blob_is_pushed_while_it_is_deleted(client: Client, crowd: Crowd) -> None:
    """Whatever comes last counts; what is served is whole."""
    content = os.urandom(30_000)
    digest = client.push("race/again", content)
    for _ in range(25):
        answers = crowd.at_once(
            [
                lambda client: client.request("DELETE", f"/v2/race/again/blobs/{digest}"),
                lambda client: client.request("POST", f"/v2/race/again/blobs/uploads/?digest={digest}", content),
                lambda client: client.get(f"/v2/race/again/blobs/{digest}"),
            ]
        )
        assert answers[0].status == 202
        assert answers[1].status == 201
        assert answers[2].status in (200, 404)
        if answers[2].status == 200:
            assert answers[2].body == content
        found = client.get(f"/v2/race/again/blobs/{digest}")
        assert found.status in (200, 404)
        if found.status == 404:
            client.push("race/again", content)
