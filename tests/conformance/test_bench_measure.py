"""The benchmark measures what is there, believes no server, and says in one line what it cannot do."""

import hashlib
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from conformance.bench import jobs, load, measure, processes, servers
from conformance.bench.content import NoStock, SetUpFailed, Stock, Target
from conformance.bench.errors import BenchError
from conformance.bench.model import Group, Machine, Measured, Run, Sample, Scenario, Unit
from conformance.bench.peers import PEERS, workers
from conformance.bench.scenarios import NAMES, SCENARIOS
from conformance.bench.servers import Wanted
from tests.server import Server

SECONDS = 0.05

go = pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed, which builds the client")


@pytest.fixture(autouse=True)
def busy_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests write has not to be waited for."""
    monkeypatch.setattr(measure, "sync", lambda: None)


class Told:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.begun: list[tuple[int, str, str]] = []
        self.samples: list[tuple[int, str, str, Sample | None, str]] = []
        self.notes: list[str] = []

    def starting(self, round_number: int, server: str) -> None:
        self.started.append(server)

    def measuring(self, round_number: int, scenario: Scenario, server: str) -> None:
        self.begun.append((round_number, scenario.name, server))

    def measured(self, round_number: int, scenario: Scenario, server: str, sample: Sample | None, reason: str) -> None:
        self.samples.append((round_number, scenario.name, server, sample, reason))

    def note(self, text: str) -> None:
        self.notes.append(text)


def measured(url: str, *names: str, rounds: int = 1, listener: Told | None = None) -> Run:
    return measure.run(
        [Wanted("it", url)],
        [NAMES[name] for name in names],
        rounds=rounds,
        seconds=SECONDS,
        reference="it",
        sync_check=False,
        listener=listener or Told(),
    )


def row(url: str, name: str) -> Measured:
    return measured(url, name).measured[0]


# A registry that is in memory, and lies where a test says so

Lie = Callable[["Liar", str, bytes], bool]
"""Answers a request itself, or does something to the content and says False: go on as a right server would."""


class Liar(BaseHTTPRequestHandler):
    """Blobs and manifests in a dictionary; a lie sees every request first."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    lie: Lie
    stored: dict[str, bytes]
    asked: int

    def answer(self, status: int, body: bytes = b"", length: int | None = None, **headers: str) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        type(self).asked += 1
        if type(self).lie(self, url.path, body):
            return
        if self.command == "POST":
            self.answer(202, Location=url.path + "one?state=x%2Fy")
        elif self.command == "PUT" and "/uploads/" in url.path:
            assert parse_qs(url.query)["state"] == ["x/y"]
            self.stored[re.sub("uploads/.*", parse_qs(url.query)["digest"][0], url.path)] = body
            self.answer(201)
        elif self.command == "PUT":
            self.stored[url.path] = body
            self.stored[re.sub("[^/]*$", f"sha256:{hashlib.sha256(body).hexdigest()}", url.path)] = body
            self.answer(201)
        elif url.path == "/v2/":
            self.answer(200)
        elif url.path in self.stored:
            self.answer(200, self.stored[url.path])
        else:
            self.answer(404)

    do_GET = do_HEAD = do_PUT = do_POST = handle_any  # noqa: N815


class Listening(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


@contextmanager
def lying(lie: Lie) -> Iterator[str]:
    handler = type("OneLiar", (Liar,), {"lie": staticmethod(lie), "stored": {}, "asked": 0})
    server = Listening(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def honest(it: Liar, path: str, body: bytes) -> bool:
    return False


def is_blob(it: Liar, path: str) -> bool:
    return it.command == "GET" and "/blobs/" in path


def wrong_bytes(it: Liar, path: str, body: bytes) -> bool:
    if not is_blob(it, path):
        return False
    it.answer(200, b"x" * 233)
    return True


def short_body(it: Liar, path: str, body: bytes) -> bool:
    if not is_blob(it, path):
        return False
    it.answer(200, b"x" * 200, length=233)
    it.close_connection = True
    return True


def other_length(it: Liar, path: str, body: bytes) -> bool:
    """From the time on when digests are not looked at any more."""
    if not is_blob(it, path) or it.asked < 50:
        return False
    it.answer(200, b"x" * 232)
    return True


def every_tenth_fails(it: Liar, path: str, body: bytes) -> bool:
    if not is_blob(it, path) or it.asked % 10:
        return False
    it.answer(500)
    return True


def hangs_up(it: Liar, path: str, body: bytes) -> bool:
    if not is_blob(it, path):
        return False
    it.close_connection = True
    return True


def loses_pushes(it: Liar, path: str, body: bytes) -> bool:
    if it.command != "PUT" or it.asked % 3:
        return False
    it.answer(201)
    return True


def changes_pushes(it: Liar, path: str, body: bytes) -> bool:
    if it.command != "PUT":
        return False
    found = parse_qs(urlsplit(it.path).query)["digest"][0]
    it.stored[re.sub("uploads/.*", found, path)] = b"x" + body[1:]
    it.answer(201)
    return True


def takes_no_pushes(it: Liar, path: str, body: bytes) -> bool:
    if it.command == "POST":
        it.answer(403)
    return it.command == "POST"


@go
@pytest.mark.parametrize(
    ("lie", "scenario", "said"),
    [
        (wrong_bytes, "blob-get-233B", r"^GET /v2/\S+/blobs/sha256:\w+: wrong bytes$"),
        (short_body, "blob-get-233B", "short body: 200 bytes of 233$"),
        (other_length, "blob-get-233B", "232 bytes instead of 233$"),
        (every_tenth_fails, "blob-get-233B", "^GET .*: answered 500$"),
        (hangs_up, "blob-get-233B", "closed without an answer$"),
        (loses_pushes, "push-4KB", "^of what was pushed: (GET|HEAD) .*: answered 404$"),
        (changes_pushes, "push-4KB", "^of what was pushed: GET .*: wrong bytes$"),
        (takes_no_pushes, "push-4KB", "^POST /v2/.*/blobs/uploads/: answered 403$"),
        (takes_no_pushes, "manifest-get-tag", "^before it was measured: POST .*: answered 403$"),
    ],
)
def test_a_wrong_answer_makes_a_row_invalid_not_fast(lie: Lie, scenario: str, said: str) -> None:
    with lying(lie) as url:
        found = row(url, scenario)
    assert not found.valid
    assert re.search(said, found.wrong), found.wrong
    assert found.samples[0].value == 0


@go
def test_an_honest_server_of_that_kind_is_believed() -> None:
    """The lies above are what is found, not their teller."""
    with lying(honest) as url:
        found = measured(url, "blob-get-233B", "push-4KB", "manifest-head-tag")
    assert all(each.valid for each in found.measured), [each.wrong for each in found.measured]


@go
def test_what_a_server_does_not_offer_is_not_wrong() -> None:
    with lying(honest) as url:
        found = measured(url, "push-single-100KB", "catalog", "referrers", rounds=2)
    for each in found.measured:
        assert each.samples == ()
        assert re.match("not offered: (POST|GET) .* answered (202|404)", each.reason), each.reason
        assert not each.wrong


# Our own server


@go
def test_every_scenario_is_measured(server: Server) -> None:
    """All but those that move hundreds of megabytes."""
    large = {"blob-get-200MB", "blob-range", "blob-get-233B-p99-beside", "slow-beside", "push-100MB"}
    names = [name for name in NAMES if name not in large | jobs.FRESH]
    found = measured(server.url, *names)
    assert {each.scenario: each.wrong or each.reason for each in found.measured if not each.valid} == {}
    for each in found.measured:
        assert each.samples[0].value > 0
        assert each.samples[0].requests > 0
        assert found.ceilings[each.scenario] > 0
        assert each.samples[0].cpu_seconds is None  # it was not started here
    timed = found.of("blob-get-233B-p99", "it")
    assert timed is not None
    assert timed.samples[0].p50 is not None
    assert timed.samples[0].p50 <= timed.median


@go
def test_a_peer_is_started_watched_and_stopped() -> None:
    told = Told()
    found = measure.run(
        [Wanted("holdfast-1")],
        [NAMES["push-chunked-1MB"], NAMES["blob-get-233B"]],
        rounds=1,
        seconds=SECONDS,
        reference="holdfast-1",
        sync_check=False,
        listener=told,
    )
    assert [each.valid for each in found.measured] == [True, True], found.measured
    (it,) = found.servers
    assert it.version.startswith("holdfast")
    assert it.start_seconds is not None
    assert 0 < it.start_seconds < 30
    assert told.started == ["holdfast-1"]
    assert told.begun == [(1, "push-chunked-1MB", "holdfast-1"), (1, "blob-get-233B", "holdfast-1")]
    if Path("/proc/self/smaps_rollup").exists():
        assert it.idle_memory is not None
        for each in found.measured:
            assert each.memory is not None
            assert 10_000_000 < each.memory < 1_000_000_000
            assert each.samples[0].cpu_seconds is not None


@go
def test_two_servers_are_measured_in_turn_within_each_round(server: Server) -> None:
    told = Told()
    listed = [NAMES["blob-get-233B"], NAMES["blob-head"]]
    both = [Wanted("a", server.url), Wanted("b", server.url)]
    found = measure.run(both, listed, rounds=2, seconds=0.05, reference="b", sync_check=False, listener=told)
    names = [one.name for one in listed]
    assert told.begun == [(number, name, each) for number in (1, 2) for name in names for each in ("a", "b")]
    assert all(len(each.samples) == 2 for each in found.measured)
    assert found.ratio(listed[0], "a") is not None


# What cannot be done


def test_a_url_that_does_not_answer() -> None:
    with pytest.raises(BenchError, match=r"^http://127\.0\.0\.1:1 does not answer \(Connection refused\): is .*\?$"):
        measured("http://127.0.0.1:1", "blob-head")


def test_a_url_that_is_no_registry() -> None:
    def nothing(it: Liar, path: str, body: bytes) -> bool:
        it.answer(404)
        return True

    with lying(nothing) as url, pytest.raises(BenchError, match=r"is not a registry: GET /v2/ answered 404"):
        measured(url, "blob-head")


@pytest.mark.parametrize("url", ["ftp://a", "http://", "http://a/b", "http://a:99999"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(BenchError):
        Target(url)


def test_a_password_is_in_no_message() -> None:
    target = Target("http://me:secret@127.0.0.1:1/")
    assert target.url == "http://127.0.0.1:1"
    assert target.headers == {"Authorization": "Basic bWU6c2VjcmV0"}
    with pytest.raises(BenchError) as complaint:
        measured("http://me:secret@127.0.0.1:1", "blob-head")
    assert "secret" not in str(complaint.value)


def test_a_peer_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = PEERS["ggcr"]._replace(program="no-such-program")
    monkeypatch.setitem(servers.PEERS, "ggcr", gone)
    assert servers.missing("ggcr") == f"ggcr is not installed: {gone.remedy}"
    with pytest.raises(BenchError, match="ggcr is not installed: go install"):
        servers.require(Wanted("ggcr"))


def test_a_peer_that_nobody_knows() -> None:
    with pytest.raises(BenchError, match="zot is not a server known here: choose from holdfast-1, holdfast-2,"):
        servers.require(Wanted("zot"))


def test_a_peer_that_ends_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = workers(1)._replace(command=lambda program, folder, port: [program, "-c", "raise SystemExit(3)"])
    monkeypatch.setitem(servers.PEERS, "holdfast-1", broken)
    with pytest.raises(BenchError, match="ended with status 3"), servers.running(Wanted("holdfast-1"), tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_reference_that_is_not_measured() -> None:
    with pytest.raises(BenchError, match="the reference b is not among the servers: a"):
        measure.run([Wanted("a")], [], rounds=1, seconds=1, reference="b", sync_check=False, listener=Told())


def test_go_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BenchError, match=r"^Go is not installed, which builds the client: "):
        load.build(lambda text: None)


def test_a_disk_that_is_nearly_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"GB left, and a sample of 1e\+09 s may need 1500000001.0: set TMPDIR"):
        servers.require_space(tmp_path, 1e9)


# The parts


def test_names_are_unique_and_each_scenario_has_a_job() -> None:
    assert list(jobs.OPERATIONS) == [scenario.name for scenario in SCENARIOS]
    assert set(NAMES) >= jobs.FRESH


def test_a_job_of_mixed_requests_has_the_parts_that_it_says() -> None:
    operations = jobs.mixed(NoStock(Target("http://127.0.0.1:1"), "x", lambda job: None))
    methods = [each["requests"][0]["method"] if "requests" in each else "push" for each in operations]
    assert {method: methods.count(method) for method in set(methods)} == {"GET": 80, "HEAD": 15, "push": 5}


def test_a_set_up_that_fails_says_which_request() -> None:
    with pytest.raises(SetUpFailed, match=r"POST /v2/x/read/blobs/uploads/: .*refused"):
        assert Stock(Target("http://127.0.0.1:1"), "x", lambda job: None).small


def test_what_a_process_costs(server: Server) -> None:
    pid = server.process.pid
    if not processes.known(pid):
        pytest.skip("no /proc here")
    assert set(processes.tree(pid)) >= {pid, *server.workers()}
    assert processes.cpu_seconds(pid) > 0
    assert processes.memory(pid) > 10_000_000


def sample(value: float, **more: float) -> Sample:
    return Sample(value, 1.0, 500, 250_000_000, **more)  # type: ignore[arg-type]


def test_medians_ratios_and_costs() -> None:
    fast = Scenario("fast", "", Group.PULL, Unit.REQUESTS, 1)
    late = Scenario("late", "", Group.LATENCY, Unit.MILLISECONDS, 1)
    rows = (
        Measured("fast", "a", (sample(10, cpu_seconds=2), sample(40, cpu_seconds=1), sample(20))),
        Measured("fast", "b", (sample(5), sample(10), sample(20))),
        Measured("late", "a", (sample(1), sample(2))),
        Measured("late", "b", (sample(4), sample(4))),
        Measured("fast", "c", (sample(100), sample(0)._replace(wrong="500"))),
        Measured("late", "c", (), "not offered"),
    )
    machine = Machine("", "", 2, 0, 0.0)
    run = Run("", 0, 1, 3, "b", machine, (fast, late), (), rows)
    assert rows[0].median == 20
    assert rows[0].spread == 1.5
    assert rows[0].cpu_per_thousand == pytest.approx(2)
    assert rows[0].cpu_per_gigabyte == pytest.approx(4)
    assert run.ratio(fast, "a") == 2  # of 2, 4 and 1: those of each round
    assert run.ratio(late, "a") == 3  # less is better: of 4 and 2
    assert run.ratio(fast, "c") is None
    assert run.ratio(late, "c") is None
    assert rows[4].wrong == "500"
