"""`python -m tests.scale.flat`: what a request costs in a full registry, beside one that is almost empty.

Two servers are asked in turn, so that a noisy machine is as noisy for both; the median of the ratios is what counts.
What is asked for is another tag, repository or blob each time, wherever that makes a difference, and every answer is
made anew: one that a worker has kept costs the same whatever the registry holds."""

import argparse
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.scale.fill import (
    APP,
    AWAITED,
    REFERRED,
    blob,
    child,
    fill,
    layer,
    pages_of_referrers,
    repository,
    subject,
    tag,
)
from tests.server import Server, running
from tests.speak.client import open_socket
from tests.speak.content import OCI_MANIFEST, descriptor, digest_of, image, index
from tests.speak.wire import head

ALMOST_EMPTY = 200
"""Tags and repositories of the other registry: its pages have to be as long."""

PAGE = 100
AWAITING = 100_000
MANY_REFERRERS, ONE_PAGE, FEW_REFERRERS = 10_000, 1000, 100
GOAL = 1.2

LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)

Request = Callable[[], bytes]
"""Makes the next one to be sent."""


class Connection:
    """Kept open; as little of a client as can be, so that it is the server's time that is measured."""

    def __init__(self, server: Server) -> None:
        self._socket = open_socket(server.url)

    def ask(self, request: bytes) -> float:
        """How many seconds the answer took to be there."""
        started = time.perf_counter()
        self._socket.sendall(request)
        answer = self._socket.recv(1 << 20)
        told, found, body = answer.partition(b"\r\n\r\n")
        assert found, answer
        assert told[9:12] in (b"200", b"201"), answer
        length = LENGTH.search(told)
        assert length is not None, answer
        left = 0 if request.startswith(b"HEAD") else int(length[1]) - len(body)
        while left:
            left -= len(self._socket.recv(min(left, 1 << 20)))
        return time.perf_counter() - started


class Side(NamedTuple):
    """What is asked of which server; the time counts as that of one of `units`."""

    connection: Connection
    request: Request
    units: int = 1


class Row(NamedTuple):
    """Two requests that should cost the same."""

    title: str
    full: Side
    empty: Side
    asked: int = 15


def always(method: str, path: str) -> Request:
    # No answer is kept for a request with a header of its own.
    request = head(method, path, anew=1)
    return lambda: request


def one_of(method: str, path: Callable[[int], str], count: int) -> Request:
    """Of `count`, any one each time."""
    return lambda: always(method, path(random.randrange(count)))()


def push(make: Callable[..., bytes]) -> Request:
    """A manifest that was never pushed before, under a tag that was never set before."""

    def request() -> bytes:
        nonce = os.urandom(8).hex()
        body = make(annotations={"nonce": nonce})
        media_type = json.loads(body)["mediaType"]
        path = f"/v2/{APP}/manifests/new-{nonce}"
        return head("PUT", path, content_type=media_type, content_length=len(body)) + body

    return request


def image_of(layers: int) -> Request:
    return push(partial(image, layer(0), [descriptor(layer(number)) for number in range(layers)]))


def index_of(children: int) -> Request:
    return push(partial(index, [descriptor(child(number), OCI_MANIFEST) for number in range(children)]))


def of_registry(full: Connection, empty: Connection, tags: int, repositories: int) -> list[Row]:
    def both(title: str, make: Callable[[int, int], Request], asked: int = 15) -> Row:
        there = make(tags, repositories)
        here = make(min(tags, ALMOST_EMPTY), min(repositories, ALMOST_EMPTY))
        return Row(title, Side(full, there), Side(empty, here), asked)

    def manifest(number: int) -> str:
        return f"/v2/{APP}/manifests/{tag(number)}"

    def blob_of(number: int) -> str:
        return f"/v2/{repository(number)}/blobs/{digest_of(blob(number))}"

    return [
        both("GET manifest by tag, the same each time", lambda t, r: always("GET", manifest(t // 2))),
        both("GET manifest by tag, any", lambda t, r: one_of("GET", manifest, t)),
        both("HEAD manifest by tag, any", lambda t, r: one_of("HEAD", manifest, t)),
        both("GET tags, the first 100", lambda t, r: always("GET", f"/v2/{APP}/tags/list?n={PAGE}")),
        both(
            "GET tags, 100 from anywhere",
            lambda t, r: one_of("GET", lambda n: f"/v2/{APP}/tags/list?n={PAGE}&last={tag(n)}", max(t - PAGE - 1, 1)),
        ),
        both("GET catalogue, the first 100", lambda t, r: always("GET", f"/v2/_catalog?n={PAGE}")),
        both(
            "GET catalogue, 100 from anywhere",
            lambda t, r: one_of("GET", lambda n: f"/v2/_catalog?n={PAGE}&last={repository(n)}", max(r - PAGE - 1, 1)),
        ),
        both("HEAD blob, any repository's", lambda t, r: one_of("HEAD", blob_of, r)),
        both("GET blob, any repository's", lambda t, r: one_of("GET", blob_of, r)),
        both("PUT manifest, with a new tag", lambda t, r: image_of(3)),
    ]


def arriving(full: Connection, empty: Connection) -> Row:
    """What other repositories' manifests wait for is pushed to this one."""
    path = f"/v2/{APP}/blobs/uploads/?digest={digest_of(AWAITED)}"
    request = head("POST", path, content_length=len(AWAITED)) + AWAITED
    title = f"push of a blob that {AWAITING:,} descriptors of other repositories name; none"
    return Row(title, Side(full, lambda: request), Side(empty, lambda: request))


def of_width(empty: Connection) -> list[Row]:
    """Linear: a descriptor among 1,000 costs what one among 100 does."""
    few, many = 100, 1000
    return [
        Row(title, Side(empty, make(many), many), Side(empty, make(few), few), 3)
        for title, make in (
            ("PUT manifest of 1,000 layers; of 100: each layer", image_of),
            ("PUT index of 1,000 children; of 100: each child", index_of),
        )
    ]


def of_referrers(full: Connection, empty: Connection, data: Path) -> list[Row]:
    """Pages of one length: a page has at most 1,000 entries, and the last one has the rest."""

    def page(referrers: int, after: int = 0) -> Request:
        return always("GET", f"/v2/{REFERRED}/referrers/{digest_of(subject(referrers))}?after={after}")

    ids = pages_of_referrers(data, MANY_REFERRERS)
    middle, last = ids[MANY_REFERRERS // 2], ids[-FEW_REFERRERS - 1]
    return [
        Row(f"GET referrers, {title}", Side(full, page(MANY_REFERRERS, after)), Side(empty, page(beside)), 5)
        for title, after, beside in (
            ("the first 1,000 of 10,000; of 1,000", 0, ONE_PAGE),
            ("1,000 from the middle of 10,000; of 1,000", middle, ONE_PAGE),
            ("the last 100 of 10,000; of 100", last, FEW_REFERRERS),
        )
    ]


class Result(NamedTuple):
    """Medians: seconds, and the ratio of two that were taken together."""

    title: str
    full: float
    empty: float
    ratio: float


def measure(rows: list[Row], rounds: int) -> list[Result]:
    pairs: dict[str, list[tuple[float, float]]] = {row.title: [] for row in rows}
    for _ in range(rounds):
        for row in rows:
            pairs[row.title].append(together(row))
    return [
        Result(
            title,
            statistics.median(full for full, _ in found),
            statistics.median(empty for _, empty in found),
            statistics.median(full / empty for full, empty in found),
        )
        for title, found in pairs.items()
    ]


def together(row: Row) -> tuple[float, float]:
    """The median for each side, asked by turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(row.asked):
        for side, taken in zip((row.full, row.empty), times, strict=True):
            taken.append(side.connection.ask(side.request()) / side.units)
    return statistics.median(times[0]), statistics.median(times[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tags", type=positive, default=100_000, help="in one repository (%(default)s)")
    parser.add_argument("--repositories", type=positive, default=100_000, help="(%(default)s)")
    parser.add_argument("--rounds", type=positive, default=15, help="(%(default)s)")
    parser.add_argument("--limit", type=float, help="the exit status is 1 if a ratio is above (none)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        there, here = Path(folder, "full"), Path(folder, "empty")
        fill(there, options.tags, options.repositories, [MANY_REFERRERS], AWAITING)
        fill(here, min(options.tags, ALMOST_EMPTY), min(options.repositories, ALMOST_EMPTY), [ONE_PAGE, FEW_REFERRERS])
        with running(there, "--workers", "1") as server, running(here, "--workers", "1") as other:
            full, empty = Connection(server), Connection(other)
            rows = of_registry(full, empty, options.tags, options.repositories)
            rows += [arriving(full, empty), *of_width(empty), *of_referrers(full, empty, there)]
            measure(rows, 1)
            results = measure(rows, options.rounds)
    print(
        f"{options.tags:,} tags in one repository and {options.repositories:,} repositories, beside {ALMOST_EMPTY} of "
        f"each. Medians of {options.rounds} rounds, in microseconds; the goal is a ratio of at most {GOAL}.\n"
    )
    print("| request | full | almost empty | ratio |\n|---|---:|---:|---:|")
    for title, taken, beside, ratio in results:
        print(f"| {title} | {taken * 1e6:,.0f} | {beside * 1e6:,.0f} | {ratio:.2f} |")
    return options.limit is not None and any(result.ratio > options.limit for result in results)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    sys.exit(main())
