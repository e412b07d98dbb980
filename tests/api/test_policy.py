"""A policy that decides who may do what: it is asked for every request, for mounts twice, and before kept answers."""

import asyncio
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from registry.app import App
from registry.asgi import Registry
from registry.errors import Denied
from registry.http.policy import Action, Asker, Policy
from registry.http.row import Row
from registry.names import RepositoryName
from registry.routes import ROUTES
from registry.settings.fields import Settings
from tests.api.test_kept_answers import ALIKE
from tests.composed import Compose, serving
from tests.server import Server
from tests.soon import soon
from tests.speak.client import Client
from tests.speak.content import digest_of, image, random_blob
from tests.speak.requests import errors, finish, push_blob, push_image, put_manifest

STRANGER = {"user-agent": "stranger"}
SLOW = {"user-agent": "slow"}
WAIT = 0.5
ASKED = "asked"


class Strangers(Policy):
    """May not have what is private, nor the catalogue. Writes down what it is asked, and by whom, in the file."""

    immediate = True

    def __init__(self, file: Path) -> None:
        self._file = file

    async def check(self, asker: Asker, action: Action, name: RepositoryName | None) -> None:
        agent = asker.header(b"user-agent") or ""
        with self._file.open("a") as file:
            file.write(f"{agent or 'somebody'} {asker.client} {action.value} {name}\n")
        if agent == SLOW["user-agent"]:
            await asyncio.sleep(WAIT)
        if agent == STRANGER["user-agent"] and (action is Action.CATALOG or (name or "").startswith("private/")):
            raise Denied(f"{action.value} {name}")


class Waiting(Strangers):
    """Asks somebody else, for which a task is needed."""

    immediate = False

    async def check(self, asker: Asker, action: Action, name: RepositoryName | None) -> None:
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
        await super().check(asker, action, name)


def strangers(settings: Settings) -> Registry:
    return Registry(App(settings), policy=Strangers(settings.data / ASKED))


def waiting(settings: Settings) -> Registry:
    return Registry(App(settings), policy=Waiting(settings.data / ASKED))


@pytest.fixture(scope="module", params=[strangers, waiting])
def compose(request: pytest.FixtureRequest) -> Compose:
    found: Compose = request.param
    return found


@pytest.fixture(scope="module")
def server(compose: Compose, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(compose, tmp_path_factory.mktemp("policy")) as server:
        yield server


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url) as http:
        yield http


@pytest.fixture(scope="module")
def filled(http: httpx.Client) -> tuple[str, str]:
    """`public/app:v1` and `private/app:v1`, the same image: its digest and that of its config."""
    _, digest = push_image(http, "public/app", "v1")
    manifest = http.get("/v2/public/app/manifests/v1").json()
    for layer in [manifest["config"], *manifest["layers"]]:
        content = http.get(f"/v2/public/app/blobs/{layer['digest']}").content
        push_blob(http, "private/app", content)
    put_manifest(http, "private/app", "v1", http.get("/v2/public/app/manifests/v1").content)
    return digest, manifest["config"]["digest"]


class Asked:
    """What the policy was asked since the last look: agent, client, action and repository."""

    def __init__(self, server: Server) -> None:
        self._file = server.data / ASKED
        self._seen = 0
        self.look()

    def look(self) -> list[str]:
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        found, self._seen = lines[self._seen :], len(lines)
        return found


@pytest.fixture
def asked(server: Server, filled: tuple[str, str]) -> Asked:
    return Asked(server)


def url(row: Row, name: str, filled: tuple[str, str]) -> str:
    digest, config = filled
    reference = str(uuid.uuid4()) if row.name == "upload" else config if row.name == "blob" else digest
    return row.path.replace("{name:path}", name).replace("{reference}", reference)


@pytest.mark.parametrize("row", ROUTES, ids=[f"{row.method} {row.path}" for row in ROUTES])
def test_it_is_asked_for_every_route(row: Row, asked: Asked, http: httpx.Client, filled: tuple[str, str]) -> None:
    refused = http.request(row.method, url(row, "private/app", filled), headers=STRANGER)
    name = "private/app" if "{name" in row.path else None
    assert asked.look() == [f"stranger 127.0.0.1 {row.action.value} {name}"]
    if row.name == "base":
        assert refused.status_code == 200
        return
    assert refused.status_code == 403
    if row.method == "HEAD":
        assert refused.content == b""
    else:
        told_of = {"code": "DENIED", "message": Denied.message, "detail": f"{row.action.value} {name}"}
        assert refused.json() == {"errors": [told_of]}
    for path in ("/manifests/v1", f"/blobs/{filled[1]}"):
        assert http.get(f"/v2/private/app{path}").status_code == 200, "nothing was changed"


def test_what_cannot_be_allowed_is_not_asked_for(asked: Asked, http: httpx.Client) -> None:
    for method, path, code in [
        ("GET", "/nowhere", "UNSUPPORTED"),
        ("PATCH", "/v2/private/app/manifests/v1", "UNSUPPORTED"),
        ("GET", "/v2/private/APP/manifests/v1", "NAME_INVALID"),
    ]:
        assert errors(http.request(method, path, headers=STRANGER)) == [code]
    http.get("/v2/", headers=STRANGER)
    assert asked.look() == ["stranger 127.0.0.1 pull None"]


def mount(http: httpx.Client, digest: str, source: str | None, headers: dict[str, str]) -> httpx.Response:
    query = {"mount": digest} | ({} if source is None else {"from": source})
    return http.post("/v2/public/target/blobs/uploads/", params=query, headers=headers)


def test_a_mount_needs_to_pull_from_its_source(asked: Asked, http: httpx.Client) -> None:
    content = random_blob()
    digest = push_blob(http, "private/source", content)
    asked.look()
    refused = mount(http, digest, "private/source", STRANGER)
    assert asked.look() == [
        "stranger 127.0.0.1 push public/target",
        "stranger 127.0.0.1 pull private/source",
    ]
    assert refused.status_code == 202
    assert http.head(f"/v2/public/target/blobs/{digest}").status_code == 404
    finish(http, refused.headers["location"], *(2 * [random_blob()]))
    never_there = mount(http, digest_of(random_blob()), "private/source", STRANGER)
    assert (never_there.status_code, set(never_there.headers)) == (202, set(refused.headers))
    assert mount(http, digest, "private/source", {}).status_code == 201
    assert http.get(f"/v2/public/target/blobs/{digest}").content == content


@pytest.mark.parametrize("source", [None, "", "Not/A/Name"])
def test_nothing_is_mounted_from_anywhere(source: str | None, asked: Asked, http: httpx.Client) -> None:
    """Else anybody could find out what others have."""
    digest = push_blob(http, "private/source", random_blob())
    asked.look()
    assert mount(http, digest, source, {}).status_code == 202
    assert http.head(f"/v2/public/target/blobs/{digest}").status_code == 404
    assert [line.partition("127.0.0.1 ")[2] for line in asked.look()] == [
        "push public/target",
        "pull public/target",
    ]


def test_a_kept_answer_is_for_those_who_may_have_it(
    server: Server, asked: Asked, filled: tuple[str, str], compose: Compose
) -> None:
    digest, config = filled
    paths = ["/manifests/v1", f"/manifests/{digest}", f"/blobs/{config}", "/tags/list", f"/referrers/{digest}"]
    for path in [f"/v2/private/app{path}" for path in paths]:
        for method in ("GET", "HEAD"):
            with Client(server.url) as client:
                answers = {client.read(path, method).body for _ in range(ALIKE)}
                assert len(answers) == 1
                asked.look()
                assert [client.read(path, method, STRANGER).status for _ in range(3)] == [403] * 3
                # Once before an answer that is kept, and once more as that one was not for it.
                assert len(asked.look()) == (6 if compose is strangers else 3)
                found = [client.read(path, method) for _ in range(3)]
                assert {answer.body for answer in found} == answers
                assert [answer.status for answer in found] == [200] * 3
                assert len(asked.look()) == 3


def test_what_is_changed_while_it_decides_is_seen(server: Server, asked: Asked, http: httpx.Client) -> None:
    before, after = image(nonce="before"), image(nonce="after")
    put_manifest(http, "public/moving", "v1", before)
    path = "/v2/public/moving/manifests/v1"
    with Client(server.url) as client, Client(server.url) as slow, ThreadPoolExecutor(1) as pool:
        for _ in range(ALIKE):
            assert client.read(path).body == before
        asked.look()
        answer = pool.submit(slow.read, path, "GET", SLOW)
        assert soon(lambda: asked.look() == ["slow 127.0.0.1 pull public/moving"])
        assert put_manifest(http, "public/moving", "v1", after).status_code == 201
        assert answer.result().body == after
