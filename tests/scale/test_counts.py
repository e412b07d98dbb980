"""What each hot path costs, counted: a budget that no noise can break, and that says so when something gets better."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.syscalls import READS, SYNCS, Call, traced
from tests.faults.test_power_cut import answered, permitted
from tests.scale import paths
from tests.scale.counted import Counted, counted
from tests.scale.paths import BLOBS, KB, MB, PATHS
from tests.soon import soon
from tests.speak.client import Client


class Cost(NamedTuple):
    """What one run of a hot path takes."""

    statements: int
    """SQL, but for what begins and ends transactions; asking whether anything was committed is one, too."""
    commits: int
    """Each is synced."""
    session_commits: int
    """Of upload sessions, whose commits are not."""
    hops: int
    """Tasks and transactions given to another thread."""
    opened: int
    """Files and folders of the storage, each time."""
    read: int
    """Bytes of them."""
    syncs: int
    """Of files, of folders and of commits."""


BUDGET = {
    #                                             SQL  commits    hops   bytes read
    #                                                     of sessions opened      syncs
    "HEAD manifest by tag":                   Cost(  2,   0,   0,   0,   0,    0,    0),
    "HEAD manifest by digest":                Cost(  2,   0,   0,   0,   0,    0,    0),
    "GET manifest by tag":                    Cost(  2,   0,   0,   0,   0,    0,    0),
    "GET manifest by digest":                 Cost(  2,   0,   0,   0,   0,    0,    0),
    "GET manifest by tag, again":             Cost(  1,   0,   0,   0,   0,    0,    0),
    "HEAD manifest by tag, again":            Cost(  1,   0,   0,   0,   0,    0,    0),
    "GET tags, a page, again":                Cost(  1,   0,   0,   0,   0,    0,    0),
    "GET blob of 5 B, again":                 Cost(  1,   0,   0,   0,   0,    0,    0),
    "HEAD blob, again":                       Cost(  1,   0,   0,   0,   0,    0,    0),
    "GET tags, a page":                       Cost(  3,   0,   0,   0,   0,    0,    0),
    "GET catalogue, a page":                  Cost(  2,   0,   0,   0,   0,    0,    0),
    "GET referrers, a page":                  Cost(  4,   0,   0,   0,   0,    0,    0),
    "HEAD blob":                              Cost(  2,   0,   0,   0,   0,    0,    0),
    "GET blob of 4 KB":                       Cost(  2,   0,   0,   0,   0,    0,    0),
    "GET blob of 1 MB":                       Cost(  1,   0,   0,   0,   1,   MB,    0),
    "GET a range of a blob of 4 KB":          Cost(  1,   0,   0,   0,   0,    0,    0),
    "GET a range of a blob of 1 MB":          Cost(  1,   0,   0,   0,   1,   KB,    0),
    "push of 4 KB: POST, PUT":                Cost( 10,   1,   3,   1,   0,    0,    1),
    "push of 100 KB: POST, PUT":              Cost( 10,   1,   3,   2,   2,    0,    3),
    "push of 1 MB: POST, PUT":                Cost( 11,   1,   4,   3,   3,    0,    3),
    "push of 4 KB: POST":                     Cost(  6,   1,   0,   1,   0,    0,    1),
    "push of 100 KB: POST":                   Cost(  6,   1,   0,   2,   2,    0,    3),
    "push of 1 MB: POST":                     Cost(  6,   1,   0,   3,   3,    0,    3),
    "push of 1 MB, the first of its folder":  Cost(  6,   1,   0,   3,   4,    0,    4),
    # Beside the transaction that links it, a push to storage asks which key is free: one that is being deleted is not.
    # Stored once more, as every push is: what storage has of it may be damaged, and what came was just verified.
    "push of 1 MB that is known":             Cost( 11,   1,   4,   3,   3,    0,    3),
    "push of 4 KB: POST, PATCH, PUT":         Cost( 13,   1,   5,   1,   0,    0,    1),
    "push of 100 KB: POST, PATCH, PUT":       Cost( 13,   1,   5,   2,   3,    0,    3),
    "push of 4 MB: POST, 4 PATCHes, PUT":     Cost( 22,   1,  11,   6,   6,    0,    3),
    "first PATCH, 4 KB":                      Cost(  3,   0,   2,   0,   0,    0,    0),
    "further PATCH, 100 KB":                  Cost(  3,   0,   2,   0,   1,    0,    0),
    "further PATCH, 1 MB":                    Cost(  3,   0,   2,   1,   1,    0,    0),
    "PUT that closes 3 MB in chunks":         Cost(  9,   1,   2,   2,   2,    0,    3),
    "mount":                                  Cost(  7,   1,   0,   1,   0,    0,    1),
    "PUT manifest of 1 layer, its tag moves": Cost( 12,   1,   0,   1,   0,    0,    1),
    "PUT manifest of 100 layers":             Cost(107,   1,   0,   1,   0,    0,    1),
    "push of an image of 3 layers":           Cost( 70,   5,  20,   8,   9,    0,   11),
}  # fmt: skip


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    with counted(tmp_path_factory.mktemp("counted")) as watched:
        with Client(watched.url) as client:
            paths.warm(client)
        yield watched


def settle(client: Client) -> None:
    """Ask for something that costs nothing: what the loop does after an answer it has done before the next."""
    assert client.get("/v2/").status == 200


@pytest.mark.parametrize("name", PATHS)
def test_what_the_process_does(name: str, watched: Counted) -> None:
    path, cost = PATHS[name], BUDGET[name]
    with Client(watched.url) as client:
        run = path(client)
        next(run)
        settle(client)
        start = len(watched.events)
        for _ in run:
            raise AssertionError("a hot path yields once")
        settle(client)
    counts = watched.since(start)
    found = counts["statement"], counts["commit"], counts["session commit"], counts["hop"]
    told = "\n".join(f"{kind:15} {what}" for kind, what in watched.events[start:])
    assert found == cost[:4], f"{name}: {described(0, found)} instead of {described(0, cost[:4])}\n{told}"


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[Call]]]:
    """The folder of the blobs, and for each hot path what the server asked of the kernel."""
    if not permitted():
        pytest.skip("needs strace, and leave to use it")
    folder = tmp_path_factory.mktemp("traced")
    with traced(folder / "data", folder) as trace, Client(trace.server.url) as client:
        paths.warm(client)
        for path in PATHS.values():
            run = path(client)
            next(run)
            mark(client)
            for _ in run:
                raise AssertionError("a hot path yields once")
            mark(client)
        trace.size()
        pieces: list[list[Call]] = [[]]
        for call in trace.calls():
            if answered(405)(call):
                pieces.append([])
            elif call.result >= 0:
                pieces[-1].append(call)
    assert len(pieces) == 2 * len(PATHS) + 1
    return folder / "data" / "blobs", dict(zip(PATHS, pieces[1::2], strict=True))


def mark(client: Client) -> None:
    """Put an answer into the trace that no hot path has."""
    assert client.request("DELETE", "/v2/").status == 405


@pytest.mark.parametrize("name", PATHS)
def test_what_the_kernel_is_asked(name: str, traces: tuple[Path, dict[str, list[Call]]]) -> None:
    cost = BUDGET[name]
    blobs, calls = str(traces[0]), traces[1][name]
    opened = [call for call in calls if call.name == "openat" and call.texts[0].startswith(blobs)]
    read = [call for call in calls if call.name in READS and call.target.startswith(blobs)]
    syncs = [call for call in calls if call.name in SYNCS and not background(call)]
    found = len(opened), sum(call.result for call in read), len(syncs)
    told = "\n".join(map(str, opened + read + syncs))
    assert found == cost[4:], f"{name}: {described(4, found)} instead of {described(4, cost[4:])}\n{told}"


def background(call: Call) -> bool:
    """Whether it belongs to the copying of sessions into their file, once a second, whoever pushes."""
    return "uploads.db" in call.target


def described(first: int, counts: tuple[int, ...]) -> str:
    return ", ".join(f"{field} {count}" for field, count in zip(Cost._fields[first:], counts, strict=False))


def test_every_hot_path_has_a_budget() -> None:
    assert list(BUDGET) == list(PATHS)


def test_a_promise_is_written_down_once_an_hour(watched: Counted) -> None:
    """Who asks for a blob that was promised long ago costs a commit behind the answer, and who asks next does not."""
    with Client(watched.url) as client:
        path = f"{BLOBS}/{client.push('hot/app', b'promised')}"
        with closing(sqlite3.connect(watched.data / "registry.db")) as connection, connection:
            connection.execute("UPDATE repository_blob SET renewed = renewed - 7200000000")
        # As it is written down behind the answer, that is made at once, and may be kept: that is one question more.
        for statements, commits in (3, 1), (2, 0):
            settle(client)
            start = len(watched.events)
            assert client.read(path, "HEAD").status == 200
            assert soon(lambda: watched.since(start)["commit"] == commits)  # noqa: B023 - called at once
            settle(client)
            counts = watched.since(start)
            assert (counts["statement"], counts["commit"], counts["hop"]) == (statements, commits, commits)
