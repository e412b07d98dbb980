"""Many at once on the same tag, manifest or listing: loops whose every outcome is one of those written down here."""

import json
import os
import threading
from collections.abc import Callable

from tests.faults.crowd import Crowd, statuses
from tests.server import Server
from tests.speak.answer import Answer
from tests.speak.client import Client
from tests.speak.content import digest_of, image, index


class Readers:
    """Clients that read a tag all the time, and look at every answer."""

    def __init__(self, url: str, path: str, known: Callable[[str], bool], count: int = 3) -> None:
        self._stop = threading.Event()
        self.reads = 0
        self.failures: list[str] = []
        self._known = known
        self._threads = [threading.Thread(target=self._read, args=[url, path]) for _ in range(count)]

    def __enter__(self) -> "Readers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self, url: str, path: str) -> None:
        with Client(url) as client:
            while not self._stop.is_set():
                answer = client.get(path)
                told = answer.headers.get("docker-content-digest", "")
                media_type = answer.headers.get("content-type")
                if answer.status != 200 or digest_of(answer.body) != told or not self._known(told):
                    self.failures.append(f"{answer.status} {told} {answer.body[:300]!r}")
                elif media_type != json.loads(answer.body)["mediaType"]:
                    self.failures.append(f"{told} as {media_type}")
                self.reads += 1


def test_a_tag_that_is_moved_while_it_is_read(server: Server, client: Client, crowd: Crowd) -> None:
    """Readers always find it, and what they find is one of the manifests pushed, whole."""
    bodies = [
        image(annotations={"number": str(number), "filling": "x" * (number * 997 % 40_000)}) for number in range(60)
    ]
    known = {digest_of(body) for body in bodies}
    path = "/v2/race/moving/manifests/latest"
    assert client.put_manifest("race/moving", "latest", bodies[0]).status == 201
    with Readers(server.url, path, known.__contains__) as readers:
        for start in range(0, 60, 6):
            answers = crowd.at_once(
                [
                    lambda client, body=body: client.put_manifest("race/moving", "latest", body)  # type: ignore[misc]
                    for body in bodies[start : start + 6]
                ]
            )
            assert statuses(answers) == {201: 6}
            assert client.get(path).headers["docker-content-digest"] in {
                digest_of(body) for body in bodies[start : start + 6]
            }, "an older push was the last to count"
    assert readers.failures == []
    assert readers.reads > 50


def test_an_answered_push_is_seen_by_everyone(server: Server, client: Client, crowd: Crowd) -> None:
    """After the answer no client, at no worker, is given what was there before."""
    for number in range(40):
        body = image(annotations={"number": str(number)})
        assert client.put_manifest("race/seen", "latest", body).status == 201
        answers = crowd.at_once([lambda client: client.get("/v2/race/seen/manifests/latest")] * 8)
        assert {answer.body for answer in answers} == {body}
    assert client.request("DELETE", "/v2/race/seen/manifests/latest").status == 202
    answers = crowd.at_once([lambda client: client.get("/v2/race/seen/manifests/latest")] * 8)
    assert statuses(answers) == {404: 8}


def test_a_tag_never_goes_back(server: Server, client: Client) -> None:
    """Each reader sees the numbers that one writer pushes in order, with gaps at most."""
    stop = threading.Event()
    failures: list[tuple[int, int]] = []
    reads: list[int] = []

    def read() -> None:
        last = 0
        while not stop.is_set():
            # A new connection may reach another worker.
            with Client(server.url) as reader:
                number = int(reader.get("/v2/race/order/manifests/latest").json()["annotations"]["number"])
            if number < last:
                failures.append((last, number))
            last = number
            reads.append(number)

    assert client.put_manifest("race/order", "latest", image(annotations={"number": "0"})).status == 201
    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 150):
        assert client.put_manifest("race/order", "latest", image(annotations={"number": str(number)})).status == 201
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(set(reads)) > 5


def test_a_tag_is_made_once(client: Client, crowd: Crowd) -> None:
    """`If-None-Match: *`: one of twenty wins, and the tag is what the winner pushed."""
    for number in range(8):
        bodies = [image(annotations={"by": f"{number}-{pusher}"}) for pusher in range(20)]
        answers = crowd.at_once(
            [
                lambda client, body=body, tag=f"v{number}": client.put_manifest(  # type: ignore[misc]
                    "race/once", tag, body, {"If-None-Match": "*"}
                )
                for body in bodies
            ]
        )
        assert statuses(answers) == {201: 1, 412: 19}
        winner = next(body for body, answer in zip(bodies, answers, strict=True) if answer.status == 201)
        assert client.get(f"/v2/race/once/manifests/v{number}").body == winner
        for body, answer in zip(bodies, answers, strict=True):
            held = client.get(f"/v2/race/once/manifests/{digest_of(body)}").status
            assert held == (200 if answer.status == 201 else 404), "a push that was refused has left something"


def test_a_counter_kept_by_if_match(client: Client, crowd: Crowd) -> None:
    """Read, change, write back if nobody else did: no change is lost."""

    def body_of(count: int) -> bytes:
        return image(annotations={"count": str(count), "nonce": os.urandom(4).hex()})

    path = "/v2/race/counter/manifests/latest"
    assert client.put_manifest("race/counter", "latest", body_of(0)).status == 201

    def increment(client: Client) -> Answer:
        while True:
            now = client.get(path)
            count = int(now.json()["annotations"]["count"])
            answer = client.put_manifest(
                "race/counter", "latest", body_of(count + 1), {"If-Match": now.headers["etag"]}
            )
            assert answer.status in (201, 412), answer
            if answer.status == 201:
                return answer

    crowd.at_once([increment] * 15)
    assert client.get(path).json()["annotations"]["count"] == "15"


def test_a_manifest_is_deleted_while_it_is_pushed_with_tags(client: Client, crowd: Crowd) -> None:
    """Afterwards manifest and tags are all there, or none of them is: no tag without what it names."""
    body = image(annotations={"of": "delete race"})
    digest = digest_of(body)
    for _ in range(25):
        assert client.put_manifest("race/delete", "a", body).status == 201
        answers = crowd.at_once(
            [
                lambda client: client.request("DELETE", f"/v2/race/delete/manifests/{digest}"),
                lambda client: client.put_manifest("race/delete", f"{digest}?tag=b&tag=c", body),
                lambda client: client.put_manifest("race/delete", "d", body),
            ]
        )
        assert answers[0].status == 202
        assert answers[1].status == answers[2].status == 201
        there = client.get(f"/v2/race/delete/manifests/{digest}").status
        tags = {tag: client.get(f"/v2/race/delete/manifests/{tag}").status for tag in "abcd"}
        assert tags["b"] == tags["c"]
        if 200 in tags.values():
            assert there == 200
        listed = client.get("/v2/race/delete/tags/list").json()["tags"]
        assert listed == [tag for tag, status in tags.items() if status == 200]
        assert ("race/delete" in client.get("/v2/_catalog").json()["repositories"]) == (there == 200)


def test_an_index_is_pushed_while_its_child_is_deleted(client: Client, crowd: Crowd) -> None:
    """Both succeed in either order; the index stays as it was pushed, and never becomes the child's tag."""
    child = image(annotations={"of": "child race"})
    body = index([child])
    for _ in range(20):
        assert client.put_manifest("race/child", digest_of(child), child).status == 201
        answers = crowd.at_once(
            [
                lambda client: client.request("DELETE", f"/v2/race/child/manifests/{digest_of(child)}"),
                lambda client: client.put_manifest("race/child", "index", body),
            ]
        )
        assert [answer.status for answer in answers] == [202, 201]
        assert client.get("/v2/race/child/manifests/index").body == body
        assert client.get(f"/v2/race/child/manifests/{digest_of(child)}").status == 404
        assert client.request("DELETE", f"/v2/race/child/manifests/{digest_of(body)}").status == 202


# Listings


def pages(client: Client, path: str, key: str) -> list[str]:
    """Every entry, page by page along the `Link`s."""
    found: list[str] = []
    while True:
        answer = client.get(path)
        assert answer.status == 200, answer
        found += answer.json()[key]
        link = answer.headers.get("link")
        if link is None:
            return found
        path = link[1 : link.index(">")]


def test_listings_while_they_change(server: Server, client: Client) -> None:
    """What is there all the time is listed in every run, once and in order; what comes and goes may be or not."""
    lasting = [f"v{number:02}" for number in range(0, 40, 2)]
    passing = [f"v{number:02}" for number in range(1, 40, 2)]
    body = image(annotations={"of": "listing"})
    for tag in lasting:
        assert client.put_manifest("list/lasting", tag, body).status == 201
    stop = threading.Event()
    failures: list[object] = []

    def change(part: int) -> None:
        with Client(server.url) as client:
            while not stop.is_set():
                for tag in passing[part::2]:
                    if client.put_manifest("list/lasting", tag, body).status != 201:
                        failures.append(f"push of {tag}")
                    if client.put_manifest(f"list/passing-{tag}", "latest", body).status != 201:
                        failures.append(f"push to {tag}")
                for tag in passing[part::2]:
                    client.request("DELETE", f"/v2/list/lasting/manifests/{tag}")
                    client.request("DELETE", f"/v2/list/passing-{tag}/manifests/{digest_of(body)}")

    threads = [threading.Thread(target=change, args=[part]) for part in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(25):
            tags = pages(client, "/v2/list/lasting/tags/list?n=3", "tags")
            assert tags == sorted(set(tags))
            assert [tag for tag in tags if tag in lasting] == lasting
            repositories = pages(client, "/v2/_catalog?n=2&last=list/l", "repositories")
            assert repositories == sorted(set(repositories))
            assert "list/lasting" in repositories
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
