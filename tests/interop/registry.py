"""The registry as these tests see it: what it holds, read over HTTP, and what its log says it was asked."""

import json
import re
import time
from typing import Any, NamedTuple

import httpx

from tests.server import Server
from tests.speak.content import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, digest_of
from tests.speak.images import Files, tree_files

LINE = re.compile(
    r"^\S+Z (?P<status>\d{3}) (?P<method>[A-Z]+) (?P<route>\S+) (?P<name>\S+)(?: (?P<reference>\S+))?"
    r" (?P<size>\d+)B [\d.]+ms \S+ id=(?P<id>\S+)$",
    re.MULTILINE,
)
SETTLED = 1.0
"""Seconds after which the line of a request has been written: lines are buffered for less than that."""


class Request(NamedTuple):
    """A line of the request log."""

    status: int
    method: str
    route: str
    name: str
    reference: str
    size: int


class Registry:
    """A running server. `host` is what clients put before a repository's name."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.host = server.url.removeprefix("http://")
        self.http = httpx.Client(base_url=server.url, timeout=30)
        self._mark = 0

    def ref(self, name: str, reference: str) -> str:
        """`host/name:tag` or `host/name@digest`."""
        return f"{self.host}/{name}{'@' if ':' in reference else ':'}{reference}"

    def mark(self) -> None:
        """Forget what was asked before."""
        self.log()
        self._mark = len(self.server.output)

    def since(self, mark: int) -> None:
        """Put the mark at a place in the server's output."""
        self._mark = mark

    def log(self) -> str:
        """What was logged since the mark."""
        if len(self.server.workers()) > 1:
            time.sleep(SETTLED)
        else:
            # Lines come in order: once the last one is there, all are.
            self.server.wait_for_output(f"id={self.http.get('/v2/').headers['x-request-id']}\n")
        return self.server.output[self._mark :]

    def requests(self, **wanted: object) -> list[Request]:
        """What was asked since the mark, in order: those lines whose fields are as wanted."""
        found = [
            Request(
                int(line["status"]),
                line["method"],
                line["route"],
                line["name"],
                line["reference"] or "",
                int(line["size"]),
            )
            for line in LINE.finditer(self.log())
        ]
        return [line for line in found if all(getattr(line, key) == value for key, value in wanted.items())]

    def uploaded(self, name: str) -> list[Request]:
        """The uploads that were completed in a repository: mounts are none."""
        return self.requests(method="PUT", route="upload", name=name, status=201)

    def mounted(self, name: str) -> list[Request]:
        return self.requests(method="POST", route="uploads", name=name, status=201)

    def assert_clean(self) -> None:
        """Nothing went wrong inside since the mark."""
        log = self.log()
        assert "Traceback" not in log, log
        failed = [line for line in map(str.strip, log.splitlines()) if re.match(r"\S+Z 5\d\d ", line)]
        assert not failed, failed

    # What it holds

    def manifest(self, name: str, reference: str) -> bytes:
        """The manifest's bytes; its digest is checked, against the reference too if that is one."""
        accept = {"accept": ", ".join([OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST])}
        answer = self.http.get(f"/v2/{name}/manifests/{reference}", headers=accept)
        assert answer.status_code == 200, answer.text
        digest = digest_of(answer.content)
        assert answer.headers["docker-content-digest"] == digest
        assert digest == reference or ":" not in reference
        return answer.content

    def document(self, name: str, reference: str) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.manifest(name, reference))
        return parsed

    def digest(self, name: str, reference: str) -> str:
        return digest_of(self.manifest(name, reference))

    def has(self, name: str, reference: str) -> bool:
        return self.http.head(f"/v2/{name}/manifests/{reference}").status_code == 200

    def files(self, name: str, reference: str) -> Files:
        """What an image contains, every blob read and checked."""
        top = self.manifest(name, reference)

        def read(digest: str) -> bytes:
            if digest == digest_of(top):
                return top
            answer = self.http.get(f"/v2/{name}/blobs/{digest}")
            assert answer.status_code == 200, answer.text
            return answer.content

        return tree_files(digest_of(top), read)

    def tags(self, name: str) -> list[str]:
        answer = self.http.get(f"/v2/{name}/tags/list")
        assert answer.status_code == 200, answer.text
        listed: list[str] = answer.json()["tags"]
        return listed
