"""What the tests of faults share: servers with one worker and with two, and crowds of clients."""

from collections.abc import Iterator

import pytest

from tests.faults.crowd import Crowd
from tests.faults.model import check_disk
from tests.server import Server, running
from tests.speak.client import Client


@pytest.fixture(params=[1, 2], ids=["one-worker", "two-workers"], scope="module")
def workers(request: pytest.FixtureRequest) -> int:
    count: int = request.param
    return count


@pytest.fixture(scope="module")
def server(workers: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all tests of a module: use names of your own."""
    data = tmp_path_factory.mktemp("faults") / "data"
    with running(data, "--workers", str(workers)) as server:
        yield server
        check_disk(data, hashed=True)


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """A client of the shared server."""
    with Client(server.url) as client:
        yield client


@pytest.fixture(scope="module")
def crowd(server: Server) -> Iterator[Crowd]:
    with Crowd(server.url, 50) as crowd:
        yield crowd
