"""What all tests share: a server, clients, and content to push."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.server import Server, running

INTEROP = Path(__file__).parent / "interop"
FAULTS = Path(__file__).parent / "faults"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests that take minutes")
    parser.addoption("--faults", action="store_true", help="also run kills, full disks, attacks and other faults")
    parser.addoption("--interop", action="store_true", help="also run real clients against the registry")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow") and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: run with --slow"))
        if FAULTS in item.path.parents and not config.getoption("--faults"):
            item.add_marker(pytest.mark.skip(reason="takes minutes all together: run with --faults"))
        if INTEROP in item.path.parents and not config.getoption("--interop"):
            item.add_marker(pytest.mark.skip(reason="runs real clients: run with --interop"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A registry with default settings on a folder, shared by all tests of a run: use names of your own."""
    with running(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    """A client of the shared server."""
    with httpx.Client(base_url=server.url, timeout=30, verify=False) as client:
        yield client


_names = itertools.count(1)


@pytest.fixture
def name(request: pytest.FixtureRequest, worker_id: str) -> str:
    """A repository name that no other test uses."""
    return f"test/{worker_id}-{next(_names)}"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder for a server of the test's own."""
    return tmp_path / "data"
