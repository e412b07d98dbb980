"""Registries with one worker and with two, the Docker daemon, and a look at the log after each test."""

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

from tests.interop.clients import Ctr, Docker, Program, environment
from tests.interop.registry import Registry
from tests.server import running

P = TypeVar("P", bound=Program)
PATIENCE = 30
"""Seconds until the Docker daemon must answer."""


class Make(Protocol):
    """Makes a client, or skips the test."""

    def __call__(self, kind: type[P], registry: Registry) -> P: ...


def served(folder: Path, workers: int) -> Iterator[Registry]:
    with running(folder, "--workers", str(workers)) as server:
        registry = Registry(server)
        yield registry
        registry.http.close()


@pytest.fixture(scope="session")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    yield from served(tmp_path_factory.mktemp("single"), 1)


@pytest.fixture(scope="session")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    yield from served(tmp_path_factory.mktemp("double"), 2)


@pytest.fixture
def registry(request: pytest.FixtureRequest) -> Iterator[Registry]:
    """One with a single worker, unless the test asks for another; nothing may have gone wrong in it."""
    served_by: Registry = request.getfixturevalue(getattr(request, "param", "single"))
    start = len(served_by.server.output)  # All that was asked before is there: the last test has waited for it.
    served_by.since(start)
    yield served_by
    served_by.since(start)
    served_by.assert_clean()


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes clients with folders of their own."""
    with ExitStack() as folders:

        def make(kind: type[P], registry: Registry) -> P:
            # Podman wants short paths, and makes references of them, in which not every character is allowed.
            folder = Path(tempfile.gettempdir(), f"client-{secrets.token_hex(4)}")
            folder.mkdir(mode=0o700)
            folders.callback(shutil.rmtree, folder, ignore_errors=True)
            client = kind(registry, folder)
            if isinstance(client, Docker | Ctr):
                daemon: Path = request.getfixturevalue("dockerd")
                client.environ["DOCKER_HOST"] = f"unix://{daemon / 'docker.sock'}"
                client.environ["CONTAINERD_ADDRESS"] = str(daemon / "exec" / "containerd" / "containerd.sock")
            return client

        yield make


@pytest.fixture(scope="session")
def dockerd() -> Iterator[Path]:
    """The folder of a Docker daemon, which also starts containerd; it needs root."""
    if shutil.which("dockerd") is None:
        pytest.skip("dockerd is not installed")
    if os.geteuid() != 0:
        pytest.skip("dockerd needs root")
    # Paths of sockets must be short.
    folder = Path(tempfile.mkdtemp(prefix="dockerd-"))
    environ = environment(folder / "home", DOCKER_HOST=f"unix://{folder / 'docker.sock'}")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *("dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs"),
                *("--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
                *("--host", environ["DOCKER_HOST"], "--pidfile", str(folder / "pid")),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environ,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while subprocess.run(["docker", "version"], env=environ, capture_output=True, check=False).returncode:
            running = process.poll() is None and time.monotonic() < deadline
            assert running, f"dockerd does not answer:\n{(folder / 'log').read_text()[-3000:]}"
            time.sleep(0.1)
        yield folder
    finally:
        process.terminate()
        process.wait(PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)
