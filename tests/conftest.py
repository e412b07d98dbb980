"""What all tests share: a server, clients, and content to push."""

import itertools
import os
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from tests.server import Server, running
from tests.servers.mariadb import Mariadb
from tests.servers.postgresql import Postgresql
from tests.servers.process import Missing, RealServer
from tests.servers.versitygw import Versitygw

Real = TypeVar("Real", bound=RealServer)

# Commands and servers are started hundreds of times. Where an image of containers has switched this off, each would
# compile all of its modules again; what is kept is ignored by git.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

INTEROP = Path(__file__).parent / "interop"
FAULTS = Path(__file__).parent / "faults"
KIT = Path(__file__).parent / "conformance"
SERVERS = Path(__file__).parent / "servers"

REAL = {"postgresql", "mariadb", "versitygw"}
"""Fixtures that start a server: whichever test wants one is a test of servers, wherever it stands."""

QUICK = (
    "test_*",
    "project/test_*",
    *("api/test_conditions", "api/test_errors", "api/test_manifests", "api/test_manifest_tags", "api/test_mount"),
    *("api/test_ranges", "api/test_referrers", "api/test_tags", "api/test_uploads"),
)
"""What finds most mistakes in a short time: no module but these is read with `--quick`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="run only what finds most mistakes in 20 seconds")
    parser.addoption("--slow", action="store_true", help="also run the tests that take minutes")
    parser.addoption("--faults", action="store_true", help="also run kills, full disks, attacks and other faults")
    parser.addoption("--servers", action="store_true", help="also run what needs PostgreSQL, MariaDB or S3")
    parser.addoption("--kit", action="store_true", help="also run the tests of the kit and of the benchmark")
    parser.addoption("--interop", action="store_true", help="also run real clients against the registry")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if not config.getoption("--quick") or collection_path.suffix != ".py":
        return None
    module = Path(os.path.relpath(collection_path, Path(__file__).parent)).with_suffix("").as_posix()
    return None if any(matches(module, pattern) for pattern in QUICK) else True


def matches(module: str, pattern: str) -> bool:
    return module.count("/") == pattern.count("/") and fnmatch(module, pattern)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # First, so that no worker is left with one at the end while the others have nothing to do.
    items.sort(key=lambda item: item.get_closest_marker("lengthy") is None)
    if config.getoption("--quick"):
        items[:] = [item for item in items if not item.get_closest_marker("lengthy")]
    for item in items:
        if item.get_closest_marker("slow") and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: run with --slow"))
        if FAULTS in item.path.parents and not config.getoption("--faults"):
            item.add_marker(pytest.mark.skip(reason="takes minutes all together: run with --faults"))
        if is_of_servers(item) and not config.getoption("--servers"):
            item.add_marker(pytest.mark.skip(reason="starts real servers: run with --servers"))
        if KIT in item.path.parents and not config.getoption("--kit") and not item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="of the kit, a product of its own: run with --kit"))
        if INTEROP in item.path.parents and not config.getoption("--interop"):
            item.add_marker(pytest.mark.skip(reason="runs real clients: run with --interop"))


def is_of_servers(item: pytest.Item) -> bool:
    return SERVERS in item.path.parents or not REAL.isdisjoint(getattr(item, "fixturenames", ()))


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


def started(kind: type[Real]) -> Iterator[Real]:
    try:
        server = kind()
    except Missing as missing:
        pytest.skip(str(missing))
    with server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    """A PostgreSQL for all tests of a worker: take `fresh()`, and start it again if you killed it."""
    yield from started(Postgresql)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Mariadb]:
    """A MariaDB for all tests of a worker: take `fresh()`, and start it again if you killed it."""
    yield from started(Mariadb)


@pytest.fixture(scope="session")
def versitygw() -> Iterator[Versitygw]:
    """An S3 server for all tests of a worker: take `fresh()`, and start it again if you killed it."""
    yield from started(Versitygw)


_names = itertools.count(1)


@pytest.fixture
def name(request: pytest.FixtureRequest, worker_id: str) -> str:
    """A repository name that no other test uses."""
    return f"test/{worker_id}-{next(_names)}"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder for a server of the test's own."""
    return tmp_path / "data"
