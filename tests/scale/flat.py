"""`python -m tests.scale.flat`: what a request costs in a registry of 100,000 tags and 100,000 repositories.

Two servers, one empty and one full, are asked in turn, so that a noisy machine is as noisy for both; the ratio of the
medians is what counts."""

import argparse
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

import httpx

from tests.content import push_image
from tests.server import Server, running


def fill(data: Path, tags: int, repositories: int) -> None:
    """Rows as the registry would write them, straight into its database."""
    with closing(sqlite3.connect(data / "registry.db")) as connection:
        (repository, manifest) = connection.execute(
            "SELECT repository_id, id FROM manifest ORDER BY id LIMIT 1"
        ).fetchone()
        connection.executemany(
            "INSERT INTO tag (repository_id, name, manifest_id, moved) VALUES (?, ?, ?, 0)",
            ((repository, f"v{number:08}", manifest) for number in range(tags)),
        )
        connection.executemany(
            "INSERT INTO repository (name, listed, created) VALUES (?, 1, 0)",
            ((f"many/r{number:08}",) for number in range(repositories)),
        )
        connection.commit()


def median(http: httpx.Client, path: str, method: str = "GET") -> float:
    times = []
    for _ in range(15):
        started = time.perf_counter()
        answer = http.request(method, path)
        times.append(time.perf_counter() - started)
        assert answer.status_code == 200, answer.text
    return statistics.median(times)


def compare(full: Server, empty: Server, tags: int, repositories: int, rounds: int) -> list[tuple[str, float, float]]:
    middle_tag, middle_name = f"v{tags // 2:08}", f"many/r{repositories // 2:08}"
    requests = [
        ("GET tag", "/v2/team/app/manifests/latest", "/v2/team/app/manifests/latest"),
        ("GET tags, n=100, first page", "/v2/team/app/tags/list?n=100", "/v2/team/app/tags/list?n=100"),
        ("GET tags, n=100, in the middle", f"/v2/team/app/tags/list?n=100&last={middle_tag}",
         f"/v2/team/app/tags/list?n=100&last=v{50:08}"),
        ("GET catalogue, n=100, first page", "/v2/_catalog?n=100", "/v2/_catalog?n=100"),
        ("GET catalogue, n=100, in the middle", f"/v2/_catalog?n=100&last={middle_name}", "/v2/_catalog?n=100"),
    ]  # fmt: skip
    rows = []
    with httpx.Client(base_url=full.url) as there, httpx.Client(base_url=empty.url) as here:
        for title, path_full, path_empty in requests:
            pairs = [(median(there, path_full), median(here, path_empty)) for _ in range(rounds)]
            rows.append((title, statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tags", type=int, default=100_000)
    parser.add_argument("--repositories", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with running(Path(folder, "full"), "--workers", "1") as full, httpx.Client(base_url=full.url) as http:
            push_image(http, "team/app", "latest")
        fill(full.data, options.tags, options.repositories)
        with running(full.data, "--workers", "1") as full, running(Path(folder, "empty"), "--workers", "1") as empty:
            with httpx.Client(base_url=empty.url) as http:
                push_image(http, "team/app", "latest")
            # Pages are compared with pages of the same length.
            empty_fill = min(options.tags, 200), min(options.repositories, 200)
            fill(empty.data, *empty_fill)
            rows = compare(full, empty, options.tags, options.repositories, options.rounds)
    print(f"{options.tags} tags in one repository, {options.repositories} repositories; medians in milliseconds\n")
    print("| request | full | empty | ratio |\n|---|---|---|---|")
    for title, there, here in rows:
        print(f"| {title} | {there * 1000:.2f} | {here * 1000:.2f} | {there / here:.2f} |")


if __name__ == "__main__":
    main()
