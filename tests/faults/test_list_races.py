"""Attachers, detachers and readers of one list of referrers at once, at two workers: everything is right in the end."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.server import Server
from tests.speak.client import Client
from tests.speak.content import OCI_INDEX, OCI_MANIFEST, descriptor, digest_of, image, index


class Kept:
    """A subject's list, as clients without the referrers API keep it. `subject`: its number, for names of its own."""

    def __init__(self, subject: int) -> None:
        self.about = descriptor(image(annotations={"subject": str(subject)}), OCI_MANIFEST)
        self.name = f"race/list-{subject}"
        self.path = f"/v2/{self.name}/manifests"
        self.tag = self.about["digest"].replace(":", "-")

    def referrer(self, number: int) -> bytes:
        return image(subject=self.about, annotations={"number": str(number)})

    def read(self, client: Client) -> list[dict[str, Any]]:
        answer = client.get(f"{self.path}/{self.tag}")
        assert answer.status in (200, 404), answer
        return answer.json()["manifests"] if answer.status == 200 else []

    def write(self, client: Client, entries: list[dict[str, Any]]) -> None:
        # No two alike: who deletes the list that it has replaced means none that was pushed since.
        body = index(entries, annotations={"nonce": os.urandom(8).hex()})
        headers = {"Content-Type": OCI_INDEX}
        assert client.request("PUT", f"{self.path}/{self.tag}", body, headers).status == 201

    def attach(self, client: Client, number: int) -> None:
        """Push the referrer, then read the list, add it and push the list."""
        body = self.referrer(number)
        assert client.put_manifest(self.name, digest_of(body), body).status == 201
        entries = self.read(client)
        if digest_of(body) not in {entry["digest"] for entry in entries}:
            entries.append(descriptor(body, OCI_MANIFEST))
        # Also where it is listed already: who looks it up in the list that it has written would do so.
        self.write(client, entries)

    def detach(self, client: Client, number: int) -> None:
        """As oras-go does it: push the list without it, delete the old list, delete it."""
        digest = digest_of(self.referrer(number))
        answer = client.get(f"{self.path}/{self.tag}")
        entries = [entry for entry in answer.json()["manifests"] if entry["digest"] != digest]
        self.write(client, entries)
        old = answer.headers["docker-content-digest"]
        assert client.request("DELETE", f"{self.path}/{old}").status in (202, 404)
        assert client.request("DELETE", f"{self.path}/{digest}").status == 202


@pytest.mark.spec("REFERRER-28", "REFERRER-27", "REFERRER-31")
@pytest.mark.parametrize("round_", range(3))
def test_attachers_detachers_and_readers(server: Server, round_: int) -> None:
    kept = Kept(round_)
    with Client(server.url) as client:
        for number in range(6):
            kept.attach(client, number)
    stop = threading.Event()
    failures: list[str] = []

    def read() -> None:
        with Client(server.url) as client:
            while not stop.is_set():
                told = client.request("HEAD", f"{kept.path}/{kept.tag}")
                if told.status == 404:
                    continue
                digest = told.headers["docker-content-digest"]
                found = client.get(f"{kept.path}/{digest}")
                # A client that keeps lists deletes the one that it has replaced.
                if found.status == 200 and digest_of(found.body) != digest:
                    failures.append(f"{digest}: {found.body[:200]!r}")

    def work(change: Callable[[Client, int], None], number: int) -> None:
        with Client(server.url) as client:
            change(client, number)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    with ThreadPoolExecutor(12) as pool:
        work_done = [pool.submit(work, kept.attach, number) for number in range(10, 18)]
        work_done += [pool.submit(work, kept.detach, number) for number in range(3)]
        for done in work_done:
            done.result()
    stop.set()
    for reader in readers:
        reader.join()
    assert failures == []
    expected = {digest_of(kept.referrer(number)) for number in (*range(3, 6), *range(10, 18))}
    for _ in range(4):
        # A new connection may reach another worker.
        with Client(server.url) as client:
            assert {entry["digest"] for entry in kept.read(client)} == expected


@pytest.mark.spec("REFERRER-31", "REFERRER-28")
def test_what_head_told_can_be_got(server: Server) -> None:
    """Nobody deletes lists here: each digest that was told is there."""
    kept = Kept(100)
    with Client(server.url) as client:
        kept.write(client, [])
    stop = threading.Event()
    failures: list[str] = []
    reads: list[str] = []

    def read() -> None:
        with Client(server.url) as client:
            while not stop.is_set():
                digest = client.request("HEAD", f"{kept.path}/{kept.tag}").headers["docker-content-digest"]
                found = client.get(f"{kept.path}/{digest}")
                if found.status != 200 or digest_of(found.body) != digest:
                    failures.append(f"{found.status} {digest}")
                reads.append(digest)

    def push(first: int) -> None:
        with Client(server.url) as client:
            for number in range(first, first + 30):
                if number % 3:
                    body = kept.referrer(number)
                    assert client.put_manifest(kept.name, digest_of(body), body).status == 201
                else:
                    kept.attach(client, number)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(push, (0, 100, 200)))
    stop.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert len(set(reads)) > 10
    with Client(server.url) as client:
        assert len(kept.read(client)) == 90


@pytest.mark.spec("REFERRER-36", "REFERRER-28")
def test_a_long_list_has_what_was_pushed_before_it_was_asked_for(server: Server) -> None:
    """Long enough to be made outside of transactions, by several readers at two workers, while others push."""
    kept = Kept(200)
    with Client(server.url) as client:
        kept.write(client, [])
        for number in range(250):
            body = kept.referrer(number)
            assert client.put_manifest(kept.name, digest_of(body), body).status == 201

    def push_and_read(writer: int) -> None:
        with Client(server.url) as client:
            for number in range(12):
                body = kept.referrer(1000 * (writer + 1) + number)
                assert client.put_manifest(kept.name, digest_of(body), body).status == 201
                assert digest_of(body) in {entry["digest"] for entry in kept.read(client)}
                if number % 2:
                    assert client.request("DELETE", f"{kept.path}/{digest_of(body)}").status == 202
                    assert digest_of(body) not in {entry["digest"] for entry in kept.read(client)}

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(push_and_read, range(4)))
    with Client(server.url) as client:
        assert len(kept.read(client)) == 250 + 4 * 6
