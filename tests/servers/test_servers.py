"""Real servers come up, keep what they acknowledged through SIGKILL, can be stopped for a while, and leave nothing."""

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.servers.mariadb import Mariadb
from tests.servers.postgresql import Postgresql
from tests.servers.process import ENDED, RealServer, free_port, is_alive, is_taken, state_of
from tests.servers.versitygw import Versitygw

KINDS: dict[str, type[RealServer]] = {"postgresql": Postgresql, "mariadb": Mariadb, "versitygw": Versitygw}


def keep(server: RealServer, what: str) -> None:
    """Have the server acknowledge something."""
    if isinstance(server, Versitygw):
        with server.client() as client:
            client.request("PUT", f"/registry/{what}", content=b"kept").raise_for_status()
    elif isinstance(server, Postgresql | Mariadb):
        server.sql(f"CREATE TABLE {what} (id INT PRIMARY KEY); INSERT INTO {what} VALUES (7)", "registry")


def kept(server: RealServer, what: str) -> bool:
    if isinstance(server, Versitygw):
        with server.client() as client:
            return client.request("GET", f"/registry/{what}").content == b"kept"
    assert isinstance(server, Postgresql | Mariadb)
    return server.sql(f"SELECT id FROM {what}", "registry") == ["7"]


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest) -> RealServer:
    """The one that all tests of this worker share; whoever kills it starts it again."""
    shared: RealServer = request.getfixturevalue(request.param)
    return shared


@pytest.fixture
def own(server: RealServer) -> Iterator[RealServer]:
    """One of the same kind, not started, of the test's own."""
    own = type(server)()
    yield own
    own.close()


def test_it_serves_what_its_url_names(server: RealServer) -> None:
    keep(server, "served")
    assert kept(server, "served")


def test_what_was_acknowledged_survives_a_kill(server: RealServer) -> None:
    pids, port = server.pids, server.port
    keep(server, "survivor")
    server.kill()
    assert not any(map(is_alive, pids))
    assert not is_taken(port)
    server.start()
    assert server.port == port
    assert kept(server, "survivor")


def test_it_stops_and_starts_on_the_same_data(server: RealServer) -> None:
    keep(server, "stopped")
    assert server.stop() == 0
    assert not server.running
    server.start()
    assert kept(server, "stopped")


def test_it_answers_nobody_while_it_is_paused(server: RealServer) -> None:
    keep(server, "paused")
    server.pause()
    try:
        # A process of the server may have ended just before, and nobody has taken note of it yet.
        assert {state_of(pid) for pid in server.pids} - set(ENDED) == {"T"}
        if isinstance(server, Versitygw):
            with pytest.raises(httpx.TimeoutException):
                httpx.get(server.endpoint, timeout=0.3, verify=False)
        else:
            assert is_silent(server)
    finally:
        server.resume()
    assert kept(server, "paused")


def is_silent(server: RealServer) -> bool:
    """Whether a client of the server waits in vain."""
    program = "psql" if isinstance(server, Postgresql) else "mariadb"
    url = server.url if program == "psql" else f"--port={server.port}"
    host = [] if program == "psql" else ["--no-defaults", "--host=127.0.0.1", "--user=registry"]
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([program, *host, url], input=b"", timeout=0.5, capture_output=True, check=False)
    return True


def test_a_paused_server_can_be_killed_and_stopped(server: RealServer) -> None:
    keep(server, "paused_and_killed")
    server.pause()
    server.kill()
    server.start()
    server.pause()
    server.stop()
    server.start()
    assert kept(server, "paused_and_killed")


def test_each_fresh_one_is_empty_and_another_one(server: RealServer) -> None:
    urls = [server.fresh() for _ in range(3)]
    assert len({*urls, server.url}) == 4
    for url in urls:
        assert contents(server, url) == []
        fill(server, url)
        assert contents(server, url) != []


def test_fresh_ones_are_there_after_a_kill_and_new_ones_can_be_made(server: RealServer) -> None:
    before = server.fresh()
    fill(server, before)
    server.kill()
    server.start()
    assert contents(server, before) != []
    assert contents(server, server.fresh()) == []


def name_in(url: str) -> str:
    """The database, or the bucket."""
    match = re.fullmatch(r"s3://(\w+)/.*|\w+://registry@127\.0\.0\.1:\d+/(\w+)", url)
    assert match is not None, url
    return match[1] or match[2]


def contents(server: RealServer, url: str) -> list[str]:
    if isinstance(server, Versitygw):
        with server.client() as client:
            answer = client.request("GET", f"/{name_in(url)}", {"list-type": "2"})
            assert answer.status_code == 200, answer.text
            return re.findall("<Key>(.*?)</Key>", answer.text)
    if isinstance(server, Postgresql):
        return server.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", name_in(url))
    assert isinstance(server, Mariadb)
    return server.sql("SHOW TABLES", name_in(url))


def fill(server: RealServer, url: str) -> None:
    """As a client that knows the URL alone and has no other rights."""
    if isinstance(server, Versitygw):
        with server.client() as client:
            client.request("PUT", f"/{name_in(url)}/a/b c", content=b"1").raise_for_status()
        return
    statement = "CREATE TABLE mine (id INT PRIMARY KEY)"
    if isinstance(server, Postgresql):
        command = ["psql", "-Xc", statement, url]
    else:
        connection = ["--host=127.0.0.1", f"--port={server.port}", "--user=registry"]
        command = ["mariadb", "--no-defaults", *connection, "-e", statement, name_in(url)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_databases_sync_what_they_acknowledge(postgresql: Postgresql, mariadb: Mariadb) -> None:
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert postgresql.sql(f"SHOW {name}") == ["on"]
    assert mariadb.sql("SELECT @@innodb_flush_log_at_trx_commit, @@innodb_flush_method") == ["1\tO_DIRECT"]


def test_databases_fold_case_where_nothing_is_said(postgresql: Postgresql, mariadb: Mariadb) -> None:
    """So that a test of names that compare by bytes can fail."""
    assert postgresql.sql("SELECT n FROM (VALUES ('b'), ('A'), ('a'), ('B')) t(n) ORDER BY n") == ["a", "A", "b", "B"]
    assert mariadb.sql("SELECT 'a' = 'A', 'a' = 'a '", "registry") == ["1\t1"]


@pytest.mark.parametrize(
    ("kind", "settings", "statement", "shown"),
    [
        (Postgresql, {**Postgresql.UNSYNCED, "max_connections": "7"}, "SHOW max_connections", "7"),
        (Mariadb, {**Mariadb.UNSYNCED, "max-allowed-packet": "16M"}, "SELECT @@max_allowed_packet", "16777216"),
    ],
)
def test_settings_are_the_servers_own(
    kind: type[Postgresql | Mariadb],
    settings: dict[str, str],
    statement: str,
    shown: str,
    request: pytest.FixtureRequest,
) -> None:
    request.getfixturevalue(kind.name)  # Skips where it is not installed.
    with kind(settings) as own:
        assert own.sql(statement) == [shown]


def test_what_it_said_is_told_if_it_does_not_start(server: RealServer) -> None:
    own = type(server)({"no-such-setting": "1"})
    with pytest.raises(RuntimeError, match=r"did not start(?s:.)*no.such.setting"):
        own.start()
    own.close()
    assert not own.folder.exists()


def test_a_port_that_somebody_took_is_given_up(
    own: RealServer, server: RealServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = iter([server.port, free_port()])
    monkeypatch.setattr("tests.servers.process.free_port", lambda: next(ports))
    own.start()
    assert own.running
    assert own.port != server.port


def test_a_restart_waits_for_its_port(own: RealServer) -> None:
    own.start().stop()
    with socket.create_server(("127.0.0.1", own.port)) as other, ThreadPoolExecutor(1) as pool:
        pool.submit(close_later, other)
        own.start()
    assert own.running


def close_later(listener: socket.socket) -> None:
    time.sleep(1)
    listener.close()
