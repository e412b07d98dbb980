"""Registries that can be started here, this one and other people's: how each is found, started and stopped."""

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

PATIENCE = 30.0
"""Seconds until a server must answer."""

DISTRIBUTION = """version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


class Peer(NamedTuple):
    """A registry. `program` is its command; `command` what starts it on a port with its data in a folder."""

    name: str
    program: str
    remedy: str
    command: Callable[[str, Path, int], list[str]]
    version: Callable[[str], list[str]]


def configured(program: str, folder: Path, port: int) -> list[str]:
    file = folder / "config.yml"
    file.write_text(DISTRIBUTION.format(folder=folder / "data", port=port))
    return [program, "serve", str(file)]


def holdfast(program: str, folder: Path, port: int) -> list[str]:
    return [program, "-m", "registry", "serve", "--data", str(folder), "--port", str(port)]


def ggcr(program: str, folder: Path, port: int) -> list[str]:
    return [program, "registry", "serve", "--address", f"127.0.0.1:{port}", "--disk", str(folder)]


PEERS = {
    peer.name: peer
    for peer in (
        Peer("holdfast", sys.executable, "install it", holdfast, lambda it: [it, "-m", "registry", "--version"]),
        Peer(
            "distribution",
            "distribution",
            "go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2, and call the program distribution",
            configured,
            lambda it: [it, "--version"],
        ),
        Peer(
            "docker-registry",
            "docker-registry",
            "apt-get install docker-registry",
            configured,
            lambda it: [it, "--version"],
        ),
        Peer(
            "ggcr",
            "crane",
            "go install github.com/google/go-containerregistry/cmd/crane@latest",
            ggcr,
            lambda it: [it, "version"],
        ),
    )
}


def workers(number: int) -> Peer:
    """This registry with that many processes that serve."""

    def command(program: str, folder: Path, port: int) -> list[str]:
        return [*holdfast(program, folder, port), "--workers", str(number)]

    return PEERS["holdfast"]._replace(name=f"holdfast-{number}", command=command)


def missing(peer: Peer) -> str:
    """Why it cannot be started; empty if it can."""
    if peer.command is holdfast or peer.name.startswith("holdfast-"):
        return "" if importlib.util.find_spec("registry") else f"{peer.name} is not installed: {peer.remedy}"
    return "" if shutil.which(peer.program) else f"{peer.name} is not installed: {peer.remedy}"


def version(peer: Peer) -> str:
    """What it says its version is."""
    done = subprocess.run(peer.version(peer.program), capture_output=True, text=True, check=False)  # noqa: S603
    return (done.stdout or done.stderr).strip().splitlines()[0] if done.stdout or done.stderr else "unknown"


class Started(NamedTuple):
    """A registry that runs: where, as which process, and how long it took until it answered."""

    url: str
    pid: int
    seconds: float


@contextlib.contextmanager
def running(peer: Peer) -> Iterator[str]:
    """Its URL, as long as the block lasts; its data goes afterwards. Raises `RuntimeError` if it does not answer."""
    with started(peer) as it:
        yield it.url


@contextlib.contextmanager
def started(peer: Peer, parent: Path | None = None) -> Iterator[Started]:
    """The same, with its data in a folder below that one, and more said about it."""
    with tempfile.TemporaryDirectory(prefix="peer-", dir=parent) as folder:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environ = {key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_")}
        environ |= {"OTEL_TRACES_EXPORTER": "none"}
        command = peer.command(peer.program, Path(folder), port)
        begun = time.monotonic()
        process = subprocess.Popen(  # noqa: S603  (the programs of the table above)
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait(url, process, peer)
            yield Started(url, process.pid, time.monotonic() - begun)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait(url: str, process: "subprocess.Popen[bytes]", peer: Peer) -> None:
    """Until it answers a request, however."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{peer.name} ended with status {process.returncode} before it answered")
        try:
            urllib.request.urlopen(f"{url}/v2/", timeout=1).close()  # noqa: S310  (a URL of our own)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.01)
    raise RuntimeError(f"{peer.name} did not answer within {PATIENCE:g} seconds")
