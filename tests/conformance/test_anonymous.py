"""Registries that give tokens to anybody: the kit asks for them without a login, and says so where none is given."""

import http.client
import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.conformance.test_cli import kit, results
from tests.server import Server

HOPS = ("connection", "transfer-encoding", "content-length", "keep-alive", "date", "server")


class Door(http.server.BaseHTTPRequestHandler):
    """A registry behind a door: lets in whoever has a token for the repository, and gives such tokens at /token."""

    protocol_version = "HTTP/1.1"
    behind: str
    realm: str
    gives = "token"
    status = 200
    open_ping = False
    asked: list[dict[str, list[str]]]
    logins: list[str]

    def answer(self) -> None:
        body = self.body()
        if urlsplit(self.path).path == "/token":
            self.grant()
        elif self.headers["authorization"] == f"Bearer for-{self.scope()}" or (self.open_ping and self.path == "/v2/"):
            self.forward(body)
        else:
            fields = [("service", "registry.example"), ("scope", f'"{self.scope()}"')]
            challenge = ",".join([f'Bearer realm="{self.realm}"', *(f"{name}={value}" for name, value in fields)])
            self.reply(401, [("WWW-Authenticate", challenge)], b"{}")

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

    def scope(self) -> str:
        """What the request needs, as Docker's registry says it."""
        name, found, _ = urlsplit(self.path).path.removeprefix("/v2/").partition("/blobs/")
        return f"repository:{name}:pull,push" if found else "registry:catalog:*"

    def grant(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        self.asked.append(asked)
        self.logins += [self.headers["authorization"]] if self.headers["authorization"] else []
        granted = {self.gives: f"for-{asked['scope'][0]}"} if self.status == 200 else {}
        self.reply(self.status, [], json.dumps(granted).encode())

    def body(self) -> bytes:
        if self.headers["transfer-encoding"] != "chunked":
            return self.rfile.read(int(self.headers["content-length"] or 0))
        pieces = b""
        while size := int(self.rfile.readline(), 16):
            pieces += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return pieces

    def forward(self, body: bytes) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in (*HOPS, "authorization")}
        with closing(http.client.HTTPConnection(self.behind)) as connection:
            connection.request(self.command, self.path, body or None, headers)
            response = connection.getresponse()
            content = response.read()
        self.reply(response.status, response.getheaders(), content, response.getheader("content-length"))

    def reply(self, status: int, headers: list[tuple[str, str]], body: bytes, length: str | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOPS:
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


class Listening(http.server.ThreadingHTTPServer):
    """Cases that leave early are no news."""

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def door(server: Server, **options: object) -> Iterator[tuple[str, type[Door]]]:
    """The registry behind a door, and what the door remembers."""
    fresh = {"behind": server.url.removeprefix("http://"), "asked": [], "logins": []}
    with Listening(("127.0.0.1", 0), Door) as listening:
        url = f"http://127.0.0.1:{listening.server_port}"
        handler = type("Fresh", (Door,), {**fresh, "realm": f"{url}/token", **options})
        listening.RequestHandlerClass = handler
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield url, handler
        finally:
            listening.shutdown()
            thread.join()


ONLY = ("--only", "blobs/get[", "--only", "uploads_start/without_content_length", "--only", "interop_push/*chunked*")


@pytest.mark.parametrize("gives", ["token", "access_token"])
def test_a_token_that_anybody_gets_is_asked_for(server: Server, tmp_path: Path, gives: str) -> None:
    report = tmp_path / "report.json"
    with door(server, gives=gives) as (url, seen):
        done = kit(url, *ONLY, "--category", "all", "--json", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in results(report).values()
    assert set(results(report).values()) <= {"passed", "skipped"}
    assert seen.logins == []
    assert {asked["service"][0] for asked in seen.asked} == {"registry.example"}
    assert any(asked["scope"][0].startswith("repository:conformance/a/") for asked in seen.asked)
    assert "for-repository" not in report.read_text()


def test_with_a_login_the_token_is_asked_for_with_it(server: Server) -> None:
    with door(server) as (url, seen):
        assert kit(url, "--only", "blobs/get[", "--user", "alice", "--password", "secret-word").returncode == 0
    assert len(seen.logins) == len(seen.asked) > 0


def test_tokens_that_not_everybody_gets_leave_the_401(server: Server, tmp_path: Path) -> None:
    """The registry is judged by what it answers to who has none."""
    report = tmp_path / "report.json"
    with door(server, status=403) as (url, _):
        done = kit(url, "--only", "blobs/get[", "--json", str(report))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "got status 401" in done.stdout
    assert set(results(report).values()) == {"failed"}


@pytest.fixture
def silent() -> Iterator[str]:
    """A realm that takes the question and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/token"


@pytest.mark.parametrize("realm", ["", "http://127.0.0.1:1/token", "/token", "http://[::1", "ftp://127.0.0.1/token"])
@pytest.mark.parametrize("open_ping", [True, False], ids=["later", "at once"])
def test_without_an_answer_from_the_realm_nothing_is_judged(
    server: Server, tmp_path: Path, silent: str, realm: str, open_ping: bool
) -> None:
    report = tmp_path / "report.json"
    started = time.monotonic()
    with door(server, realm=realm or silent, open_ping=open_ping) as (url, _):
        done = kit(url, "--only", "blobs/get[", "--timeout", "1", "--json", str(report))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "no token: the realm does not answer: " in done.stdout + done.stderr
    assert (realm or silent) in done.stdout + done.stderr
    assert time.monotonic() - started < 20
    if open_ping:
        assert set(results(report).values()) == {"broken"}
    else:
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("options", [{"status": 500}, {"gives": "ticket"}])
def test_a_realm_that_gives_no_token_is_named(server: Server, options: dict[str, object]) -> None:
    with door(server, **options) as (url, _):
        done = kit(url, "--only", "blobs/get[")
    assert done.returncode == 2
    assert f"no token from {url}/token: status {options.get('status', 200)}" in done.stderr
