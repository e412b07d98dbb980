"""A short soak: clients of every kind at once, with kills, and all that is bounded at the end."""

from pathlib import Path

import pytest

from tests.faults.soak import soak


def check(data: Path, *, seconds: float, clients: int, kill_every: float) -> None:
    run, rows = soak(data, seconds=seconds, workers=2, clients=clients, kill_every=kill_every, seed="short")
    broken = [row for row in rows if row.broken]
    assert not broken, f"{broken}\n{run.told()}"
    assert run.seen.acknowledged > seconds
    assert run.seen.statuses[200] > seconds


def test_clients_of_every_kind_for_some_seconds(tmp_path: Path) -> None:
    check(tmp_path / "data", seconds=6, clients=40, kill_every=2)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_clients_of_every_kind_for_two_minutes(tmp_path: Path) -> None:
    check(tmp_path / "data", seconds=120, clients=200, kill_every=15)
