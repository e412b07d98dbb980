"""Rounds of pushing, SIGKILL in the midst of it, and looking at what is left: `python -m tests.faults.kill`."""

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from tests.faults.model import Contents, Session, check, check_disk, check_listings, check_session
from tests.server import Server
from tests.speak.answer import Answer
from tests.speak.client import Client, Gone
from tests.speak.content import LAYER, OCI_MANIFEST, digest_of, image
from tests.speak.requests import with_digest

CLIENTS = 4
MOST_OPEN = 3
SIZES = [1, 40, 300, 300, 5_000, 5_000, 60_000, 140_000, 1_100_000, 2_500_000]
TAGS = ["latest", "stable", "v1", "v2"]
ROUNDS_PER_FOLDER = 25


class Pusher:
    """A client that does one thing after the other, and knows what was acknowledged and what was under way."""

    def __init__(self, number: int, seed: str, common: list[bytes]) -> None:
        self._random = random.Random(f"{seed}/{number}")
        self._common = common
        self.names = [f"load/{number}-{letter}" for letter in "ab"]
        self.acknowledged = Contents()
        self.pending: Contents | None = None
        self.open: list[Session] = []
        self.failure: Exception | None = None
        self.requests = 0

    def run(self, url: str) -> None:
        """Until the server goes away."""
        steps: list[Callable[[], None]] = [
            self._push_whole,
            self._push_at_once,
            self._push_chunks,
            self._push_stream,
            self._start_one,
            self._continue_one,
            self._cancel_one,
            self._mount,
            self._delete_blob,
            self._delete_tag,
            self._delete_manifest,
            *[self._put_by_tag] * 3,
            *[self._put_by_digest] * 2,
        ]
        with Client(url) as self._client, suppress(*Gone):
            try:
                while True:
                    self._random.choice(steps)()
            except Gone:
                raise
            except Exception as error:
                self.failure = error

    # Requests

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] = b"",
        headers: dict[str, str] | None = None,
        *,
        expect: int,
        change: Callable[[Contents], object] | None = None,
    ) -> Answer:
        """`change` is what the request does to what is stored."""
        if change is not None:
            self.pending = self.acknowledged.copy()
            change(self.pending)
        answer = self._client.request(method, path, body, headers)
        assert answer.status == expect, (method, path, answer)
        self.requests += 1
        if self.pending is not None:
            self.acknowledged, self.pending = self.pending, None
        return answer

    def _name(self) -> str:
        return self._random.choice(self.names)

    def _content(self) -> bytes:
        if self._random.random() < 0.2:
            return self._random.choice(self._common)
        return self._random.randbytes(self._random.choice(SIZES))

    # Blobs

    def _start(self, name: str, content: bytes) -> Session:
        answer = self._send("POST", f"/v2/{name}/blobs/uploads/", expect=202)
        session = Session(answer.location.partition("?")[0], name, content)
        self.open.append(session)
        return session

    def _patch(self, session: Session, size: int, *, stream: bool = False) -> None:
        piece = session.content[session.arrived : session.arrived + size]
        session.under_way = len(piece)
        if stream:
            self._send("PATCH", session.path, blocks(piece), expect=202)
        else:
            place = f"{session.arrived}-{session.arrived + len(piece) - 1}"
            self._send("PATCH", session.path, piece, {"Content-Range": place}, expect=202)
        session.arrived += len(piece)
        session.under_way = 0

    def _finish(self, session: Session) -> None:
        rest = session.content[session.arrived :]
        session.under_way, session.ending = len(rest), "finish"
        key = session.name, digest_of(session.content)
        self._send(
            "PUT",
            with_digest(session.path, key[1]),
            rest,
            expect=201,
            change=lambda contents: contents.blobs.__setitem__(key, session.content),
        )
        self.open.remove(session)

    def _push_whole(self) -> None:
        self._finish(self._start(self._name(), self._content()))

    def _push_at_once(self) -> None:
        content = self._content()
        key = self._name(), digest_of(content)
        self._send(
            "POST",
            f"/v2/{key[0]}/blobs/uploads/?digest={key[1]}",
            content,
            expect=201,
            change=lambda contents: contents.blobs.__setitem__(key, content),
        )

    def _push_chunks(self) -> None:
        session = self._start(self._name(), self._content())
        while session.arrived < len(session.content):
            self._patch(session, self._random.choice([200, 50_000, 300_000, 1_200_000]))
            if self._random.random() < 0.1:
                break
        self._finish(session)

    def _push_stream(self) -> None:
        session = self._start(self._name(), self._content())
        self._patch(session, len(session.content), stream=True)
        self._finish(session)

    def _start_one(self) -> None:
        if len(self.open) < MOST_OPEN:
            session = self._start(self._name(), self._content())
            self._patch(session, self._random.randint(1, len(session.content)))

    def _continue_one(self) -> None:
        if self.open:
            session = self._random.choice(self.open)
            if session.arrived < len(session.content):
                self._patch(session, self._random.randint(1, len(session.content) - session.arrived))
            else:
                self._finish(session)

    def _cancel_one(self) -> None:
        if len(self.open) == MOST_OPEN:
            session = self._random.choice(self.open)
            session.ending = "cancel"
            self._send("DELETE", session.path, expect=204)
            self.open.remove(session)

    def _mount(self) -> None:
        source, target = self._random.sample(self.names, 2)
        held = [digest for name, digest in self.acknowledged.blobs if name == source]
        if held:
            digest = self._random.choice(held)
            content = self.acknowledged.blobs[source, digest]
            self._send(
                "POST",
                f"/v2/{target}/blobs/uploads/?mount={digest}&from={source}",
                expect=201,
                change=lambda contents: contents.blobs.__setitem__((target, digest), content),
            )

    def _delete_blob(self) -> None:
        if len(self.acknowledged.blobs) > 5:
            name, digest = self._random.choice(list(self.acknowledged.blobs))
            path = f"/v2/{name}/blobs/{digest}"
            self._send("DELETE", path, expect=202, change=lambda contents: contents.blobs.pop((name, digest)))

    # Manifests

    def _manifest(self, name: str) -> tuple[str, bytes]:
        """A new one, or one that was pushed before: its digest and its bytes."""
        known = [key for key in self.acknowledged.manifests if key[0] == name]
        if known and self._random.random() < 0.3:
            key = self._random.choice(known)
            return key[1], self.acknowledged.manifests[key]
        held = [(digest, len(content)) for (at, digest), content in self.acknowledged.blobs.items() if at == name]
        layers = self._random.sample(held, min(2, len(held)))
        body = image(
            layers=[{"mediaType": LAYER, "digest": digest, "size": size} for digest, size in layers],
            annotations={"nonce": self._random.randbytes(8).hex()},
        )
        return digest_of(body), body

    def _put(self, path: str, name: str, digest: str, body: bytes, tags: list[str]) -> None:
        def change(contents: Contents) -> None:
            contents.manifests[name, digest] = body
            contents.tags |= {(name, tag): digest for tag in tags}

        self._send("PUT", path, body, {"Content-Type": OCI_MANIFEST}, expect=201, change=change)

    def _put_by_tag(self) -> None:
        name, tag = self._name(), self._random.choice(TAGS)
        digest, body = self._manifest(name)
        self._put(f"/v2/{name}/manifests/{tag}", name, digest, body, [tag])

    def _put_by_digest(self) -> None:
        name = self._name()
        tags = self._random.sample(TAGS, self._random.randint(0, 2))
        digest, body = self._manifest(name)
        query = "&".join(f"tag={tag}" for tag in tags)
        self._put(f"/v2/{name}/manifests/{digest}?{query}", name, digest, body, tags)

    def _delete_tag(self) -> None:
        if self.acknowledged.tags:
            name, tag = self._random.choice(list(self.acknowledged.tags))
            path = f"/v2/{name}/manifests/{tag}"
            self._send("DELETE", path, expect=202, change=lambda contents: contents.tags.pop((name, tag)))

    def _delete_manifest(self) -> None:
        if len(self.acknowledged.manifests) > 4:
            name, digest = self._random.choice(list(self.acknowledged.manifests))
            path = f"/v2/{name}/manifests/{digest}"
            self._send("DELETE", path, expect=202, change=lambda contents: contents.drop_manifest(name, digest))

    # After the restart

    def check(self, client: Client) -> None:
        """Everything that was acknowledged is there, and every session goes on."""
        if self.failure is not None:
            raise self.failure
        self.acknowledged, self.pending = check(client, self.acknowledged, self.pending), None
        for session in self.open:
            key = session.name, digest_of(session.content)
            content = check_session(client, session, stop_here=self._random.random() < 0.5)
            if content is not None:
                self.acknowledged.blobs[session.name, digest_of(content)] = content
            elif session.ending == "finish":
                assert key in self.acknowledged.blobs, f"a finished upload has left no blob: {key}"
        self.open.clear()


class Rounds:
    """Kills and restarts of one server after another."""

    def __init__(self, folder: Path, workers: int, seed: str, longest: float = 1.5) -> None:
        self._folder = folder
        self._workers = workers
        self._seed = seed
        self._longest = longest
        self.requests = 0
        self.pending = 0
        self.resumed = 0

    def run(self, rounds: int) -> Iterator[int]:
        """Yields the number of each round that went well; an AssertionError names the seed."""
        for number in range(0, rounds, ROUNDS_PER_FOLDER):
            yield from self._run(range(number, min(number + ROUNDS_PER_FOLDER, rounds)))

    def _run(self, numbers: range) -> Iterator[int]:
        chance = random.Random(f"{self._seed}/{self._workers}/{numbers.start}")
        common = [chance.randbytes(size) for size in (20, 700, 30_000, 1_300_000)]
        pushers = [Pusher(number, f"{self._seed}/{numbers.start}", common) for number in range(CLIENTS)]
        data = self._folder / f"data-{self._workers}-{numbers.start}"
        server = Server(data, "--workers", str(self._workers)).start()
        try:
            for number in numbers:
                with_kill(server, pushers, chance.uniform(0.05, self._longest))
                self.pending += sum(pusher.pending is not None for pusher in pushers)
                self.resumed += sum(len(pusher.open) for pusher in pushers)
                try:
                    self._check(server.start(), pushers)
                    check_disk(data, hashed=number == numbers[-1])
                    assert "Traceback" not in server.output, server.output
                except AssertionError as error:
                    what = f"seed {self._seed}, round {number}, {self._workers} workers"
                    raise AssertionError(f"{what}: {error}") from error
                yield number
        finally:
            server.kill()
        self.requests += sum(pusher.requests for pusher in pushers)

    def _check(self, server: Server, pushers: list[Pusher]) -> None:
        with Client(server.url) as client:
            for pusher in pushers:
                pusher.check(client)
            expected = Contents()
            for pusher in pushers:
                expected.manifests |= pusher.acknowledged.manifests
                expected.tags |= pusher.acknowledged.tags
            check_listings(client, expected)


def with_kill(server: Server, pushers: list[Pusher], seconds: float) -> None:
    """Let them push for a while, then kill the server and all its workers."""
    threads = [threading.Thread(target=pusher.run, args=[server.url]) for pusher in pushers]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    server.kill()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a client still waits for a server that was killed"


def blocks(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 70_000):
        yield content[start : start + 70_000]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", default=str(random.randrange(10**9)))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="holdfast-kill-") as folder:
        rounds = Rounds(Path(folder), arguments.workers, arguments.seed)
        started = time.monotonic()
        for number in rounds.run(arguments.rounds):
            if number % 10 == 9:
                print(f"{number + 1} rounds, {time.monotonic() - started:.0f} s", flush=True)
        print(
            f"{rounds.requests} requests acknowledged, {rounds.pending} under way at a kill, "
            f"{rounds.resumed} sessions continued: nothing lost"
        )


if __name__ == "__main__":
    main()
