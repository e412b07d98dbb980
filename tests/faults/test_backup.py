"""The commands of `spec/operation.md`: a copy made while everybody pushes and deletes is whole when it is restored."""

import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from registry.names import Digest
from tests.server import Server, running
from tests.speak.content import digest_of
from tests.speak.requests import push_image, put_manifest

PAGE = (Path(__file__).parents[2] / "spec" / "operation.md").read_text()
[BACKUP, RESTORE] = re.findall(r"```sh\n(.*?)```", PAGE.partition("## Backup")[2].partition("## Upgrade")[0], re.S)

CLIENTS = 4
SIZES = (500, 50_000)
"""Of layers: one that is kept in the database, and one that is kept in storage."""


class Pusher(threading.Thread):
    """Pushes images to a repository of its own, moves its tag `latest`, and deletes some others, until it has ended."""

    def __init__(self, url: str, number: int) -> None:
        super().__init__()
        self.url = url
        self.repository = f"backup/{number}"
        self.dice = random.Random(number)
        self.kept: dict[str, str] = {}
        """Tags that were acknowledged, and that are never touched again."""
        self.slowest = 0.0
        self.ended = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            with httpx.Client(base_url=self.url, timeout=30) as http:
                for number in range(1_000_000):
                    if self.ended.is_set():
                        return
                    self.push(http, f"v{number}")
        except BaseException as error:
            self.failure = error

    def push(self, http: httpx.Client, tag: str) -> None:
        begun = time.monotonic()
        manifest, digest = push_image(http, self.repository, tag, size=self.dice.choice(SIZES))
        url = f"/v2/{self.repository}/manifests"
        assert put_manifest(http, self.repository, "latest", manifest).status_code == 201
        chance = self.dice.random()
        if chance < 0.2:
            assert http.delete(f"{url}/{tag}").status_code == 202
        elif chance < 0.4:
            assert http.delete(f"{url}/{digest}").status_code == 202
        else:
            self.kept[tag] = digest
        self.slowest = max(self.slowest, time.monotonic() - begun)


def shell(commands: str, data: Path, backup: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {"PATH": path, "data": str(data), "backup": str(backup)}
    done = subprocess.run(["bash", "-euc", commands], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def pulled(http: httpx.Client) -> dict[str, str]:
    """Every tag of the registry with its digest, once all of it has been pulled and is what it is called."""
    found = {}
    for name in http.get("/v2/_catalog").json()["repositories"]:
        for tag in http.get(f"/v2/{name}/tags/list").json()["tags"]:
            answer = http.get(f"/v2/{name}/manifests/{tag}")
            assert answer.status_code == 200, answer.text
            manifest = answer.json()
            for wanted in [manifest["config"], *manifest["layers"]]:
                blob = http.get(f"/v2/{name}/blobs/{wanted['digest']}")
                assert blob.status_code == 200, f"{name}:{tag}: {blob.text}"
                assert digest_of(blob.content) == Digest.parse(wanted["digest"])
            found[f"{name}:{tag}"] = digest_of(answer.content)
    return found


def backed_up(server: Server, backup: Path, pushers: list[Pusher]) -> dict[str, str]:
    """Make a backup while they push; what was acknowledged before it began."""
    before = [len(pusher.kept) for pusher in pushers]

    def all_went_on() -> bool:
        assert [pusher.failure for pusher in pushers] == [None] * CLIENTS
        return all(len(pusher.kept) > had + 5 for pusher, had in zip(pushers, before, strict=True))

    wait_until(all_went_on)
    acknowledged = {
        f"{pusher.repository}:{tag}": digest for pusher in pushers for tag, digest in pusher.kept.copy().items()
    }
    shell(BACKUP, server.data, backup)
    return acknowledged


def wait_until(happened: Callable[[], bool], patience: float = 30) -> None:
    deadline = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.spec("OPERATE-18", "OPERATE-19")
def test_a_copy_made_while_everybody_pushes_is_whole(tmp_path: Path) -> None:
    for tool in ("sqlite3", "rsync"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    backup, restored = tmp_path / "backup", tmp_path / "restored"
    backup.mkdir()
    with running(tmp_path / "data", "--workers", "2") as server:
        pushers = [Pusher(server.url, number) for number in range(CLIENTS)]
        for pusher in pushers:
            pusher.start()
        try:
            # The second one adds to the first.
            acknowledged = [backed_up(server, backup, pushers) for _ in range(2)][-1]
        finally:
            for pusher in pushers:
                pusher.ended.set()
            for pusher in pushers:
                pusher.join()
        assert [pusher.failure for pusher in pushers] == [None] * CLIENTS
        assert max(pusher.slowest for pusher in pushers) < 10
    assert sorted(path.name for path in backup.iterdir()) == ["blobs", "registry.db"]
    assert not (backup / "blobs" / "_uploads").exists()

    restored.mkdir()
    shell(RESTORE, restored, backup)
    with running(restored) as server, httpx.Client(base_url=server.url, timeout=30) as http:
        found = pulled(http)
        assert acknowledged.items() <= found.items()
        push_image(http, "backup/after", "v1", size=50_000)
        assert pulled(http).keys() == found.keys() | {"backup/after:v1"}
