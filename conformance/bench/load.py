"""The client: a small Go program, built on first use, that loads one server as a job says.

It is Go, with HTTP/1.1 by hand, because client and server share the machine: one in Python would measure itself. On a
server that does nothing it reaches what wrk does, and more with bodies, which it drops in the kernel; so it is used for
small requests too, and wrk, which cannot ask for HEAD, not at all."""

import hashlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from conformance.bench.errors import BenchError

SOURCES = Path(__file__).with_name("load")
PATIENCE = 400.0
"""Seconds beyond its time after which a job is ended: it ends itself before."""

Json = dict[str, Any]


class Result(NamedTuple):
    """What came of a job. Rates are for a second; p50 and p99 are times of operations in milliseconds."""

    operations: int
    requests: int
    bytes: int
    seconds: float
    rate: dict[str, float]
    p50: float
    p99: float
    checked: int
    """Pushed things that were pulled or asked for afterwards."""
    wrong: str
    reason: str
    """Why the server does not offer this."""


def sources() -> list[Path]:
    return sorted([*SOURCES.glob("*.go"), SOURCES / "go.mod"])


def build(note: Callable[[str], None]) -> Path:
    """The program: built once, kept in the user's cache under the hash of its sources."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources())).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "registry-bench"
    program = cache / f"load-{digest}"
    if program.exists():
        return program
    go = shutil.which("go")
    if go is None:
        raise BenchError(
            "Go is not installed, which builds the client: https://go.dev/dl, or apt-get install golang-go"
        )
    note("building the client")
    fresh = cache / f"load-{digest}.{os.getpid()}"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(  # noqa: S603
            [go, "build", "-o", str(fresh), "."],
            cwd=SOURCES,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"},
        )
        if done.returncode:
            raise BenchError(f"the client cannot be built: {' '.join(done.stderr.split())[-300:]}")
        fresh.replace(program)
    except OSError as error:
        raise BenchError(f"the client cannot be built in {cache}: {error.strerror}; set XDG_CACHE_HOME") from None
    finally:
        fresh.unlink(missing_ok=True)
    return program


def nothing() -> None:
    """When nobody wants to know."""


def run(program: Path, job: Json, begin: Callable[[], None] = nothing, end: Callable[[], None] = nothing) -> Result:
    """Do a job. `begin` and `end` are called around what is timed, while no request is under way."""
    with (
        subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,  # noqa: S603
        ended(process, float(job.get("seconds", 0)) + PATIENCE),
        suppress(BrokenPipeError),
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            word = line.strip()
            if word not in ("begin", "end"):
                return Result(**json.loads(word))
            begin() if word == "begin" else end()
            process.stdin.write("\n")
            process.stdin.flush()
    return Result(0, 0, 0, 0.0, {}, 0.0, 0.0, 0, "the client ended without a result: the server did not answer", "")


@contextmanager
def ended(process: "subprocess.Popen[str]", seconds: float) -> Iterator[None]:
    """Whatever happens in the block, the process is gone after it, or after that time."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    except BaseException:
        process.kill()
        raise
    finally:
        timer.cancel()
        if process.stdin is not None:
            with suppress(BrokenPipeError):
                process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()


@contextmanager
def null_server(program: Path) -> Iterator[str]:
    """The address of a server that does nothing: what the client reaches there is its ceiling."""
    with subprocess.Popen(  # noqa: S603
        [program, "null"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()
