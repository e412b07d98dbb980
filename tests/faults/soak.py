"""Clients of every kind at once, for minutes, with kills; what it costs must stay bounded, and nothing may be lost."""

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.faults.model import check_disk
from tests.faults.soak_hostile import KINDS, Scene, for_ever
from tests.faults.soak_normal import Pusher, Seen
from tests.server import READY, Server
from tests.speak.client import Client
from tests.speak.content import OCI_INDEX, index

EXAMPLES = """examples:
  python -m tests.faults.soak --minutes 10
  python -m tests.faults.soak --minutes 30 --workers 4 --json soak.json
  python -m tests.faults.soak --minutes 2 --kill-every 0 --serve=--send-timeout=5s   no kills; a setting of the server
  python -m tests.faults.soak --minutes 1 --clients 40 --seed 7                      the same choices again
"""

MIB = 1 << 20
NORMAL = 0.4
"""The part of the clients that do what clients do."""

STRETCH = 120.0
"""Seconds with kills, and then as many without: what leaks, or holds for ever, shows only where nothing is killed."""

WARM = 40.0
"""Seconds after a start until memory is what it will be."""

LATE = 4
"""How much of a waiting time may be this program's own delay: a request and its answer pass through it, and through
the registry that shares its cores, which are others' too on a busy machine."""

TOLD = 16
"""Lines of a traceback that are shown."""

BOUNDS = {
    "memory of all processes (PSS)": 600 * MIB,
    "memory of a process (RSS)": 400 * MIB,
    "growth of memory while nothing is killed": 100 * MIB,
    "descriptors of a worker": 600.0,
    "threads of a worker": 60.0,
    "registry.db-wal": 64 * MIB,
    "uploads.db-wal": 64 * MIB,
    "GET of a manifest, p99": 0.25,
    "GET of a manifest, longest": 5.0,
    "small push, p99": 1.0,
    "small push, longest": 10.0,
}
"""Bounds for 200 clients and two workers on two cores that the clients share: bytes, seconds, numbers."""


class Process(Server):
    """A server whose log is read and counted, not kept."""

    def __init__(self, data: Path, *flags: str) -> None:
        super().__init__(data, *flags)
        self.lines = 0
        self.tracebacks = 0
        self.told: list[str] = []
        """The first traceback, and the line before it."""

    def _read(self, ready: threading.Event) -> None:
        assert self.process.stdout is not None
        left, before = 0, ""
        for line in self.process.stdout:
            self.lines += 1
            if not ready.is_set():
                self.output += line  # Why it does not start, if it does not.
            if match := READY.search(line):
                self.url = match[1]
                ready.set()
            if "Traceback" in line:
                self.tracebacks += 1
                if self.tracebacks == 1:
                    left = TOLD
                    self.told.append(before)
            if left:
                self.told.append(line)
                left -= 1
            before = line
        ready.set()


class Waits:
    """Waiting times in seconds, of which there is at least one."""

    def __init__(self, values: Sequence[float]) -> None:
        ordered = sorted(values)
        self.least, self.longest = ordered[0], ordered[-1]
        self.middle, self.p99 = (ordered[int(len(ordered) * part)] for part in (0.5, 0.99))


class Row(NamedTuple):
    """One figure of the run: its least, middle and greatest, and what it may be at most."""

    name: str
    least: float
    middle: float
    greatest: float
    bound: float | None

    @property
    def broken(self) -> bool:
        return self.bound is not None and self.greatest > self.bound


@dataclass
class Samples:
    """What was measured each second. `quiet` are the stretches in which nothing was killed: memory over time."""

    series: dict[str, list[float]] = field(default_factory=dict)
    quiet: list[list[float]] = field(default_factory=lambda: [[]])

    def add(self, name: str, value: float) -> None:
        self.series.setdefault(name, []).append(value)

    def growth(self) -> list[float]:
        """From the first third to the last of each stretch that was long enough."""
        long = [stretch[int(WARM) :] for stretch in self.quiet if len(stretch) >= WARM + 30]
        thirds = [(stretch[: len(stretch) // 3], stretch[-len(stretch) // 3 :]) for stretch in long]
        return [statistics.median(last) - statistics.median(first) for first, last in thirds]


class Soak:
    """One run."""

    def __init__(
        self, data: Path, workers: int, clients: int, kill_every: float, seed: str, flags: Sequence[str]
    ) -> None:
        self._chance = random.Random(seed)
        self._seed = seed
        self._kill_every = kill_every
        self._clients = clients
        self._workers = workers
        self._server = Process(data, "--workers", str(workers), *flags)
        self._data = data
        self.samples = Samples()
        self.seen = Seen()
        self.kills = 0
        self.starts = 1

    async def run(self, seconds: float, progress: Progress) -> list[Row]:
        task = progress.add_task("soak", total=seconds, words="")
        await asyncio.to_thread(self._server.start)
        scene = self._prepare()
        normal = max(1, round(self._clients * NORMAL))
        layers = [
            self._chance.randbytes(size) for size in (20_000, 300_000, 1_000_000, 1_100_000, 3_000_000, 6_000_000)
        ]
        pushers = [Pusher(number, scene.port, self._seed, self.seen, layers) for number in range(normal)]
        tasks = [asyncio.create_task(pusher.run()) for pusher in pushers]
        hostile = [KINDS[number % len(KINDS)] for number in range(self._clients - normal)]
        tasks += [asyncio.create_task(for_ever(kind, scene)) for kind in hostile]
        tasks += [asyncio.create_task(self._watch_self())]
        try:
            await self._watch(seconds, progress, task, tasks)
        finally:
            for each in tasks:
                each.cancel()
            failures = await asyncio.gather(*tasks, return_exceptions=True)
        self.seen.lost += [repr(error) for error in failures if isinstance(error, Exception)]
        try:
            progress.update(task, words="reading back everything that was acknowledged")
            await asyncio.gather(*(pusher.check() for pusher in pushers))
        finally:
            await asyncio.gather(*(pusher.close() for pusher in pushers))
            status = await asyncio.to_thread(self._server.stop)
        if status != 0:
            self.seen.lost.append(f"the registry ended with status {status}")
        check_disk(self._data)
        return self._rows(scene)

    def _prepare(self) -> Scene:
        port = int(self._server.url.rpartition(":")[2])
        with Client(self._server.url) as client:
            for tag, size in (("small", 300), ("large", 4 * MIB - 1000)):
                body = index([], annotations={"filling": "x" * size})
                path = f"/v2/hostile/app/manifests/{tag}"
                assert client.request("PUT", path, body, {"Content-Type": OCI_INDEX}).status == 201
            digest = client.push("hostile/app", self._chance.randbytes(8 * MIB))
        base = "/v2/hostile/app"
        return Scene(port, f"{base}/manifests/small", f"{base}/manifests/large", f"{base}/blobs/{digest}", self._chance)

    # Kills

    async def _watch(
        self, seconds: float, progress: Progress, task: TaskID, tasks: Sequence["asyncio.Task[None]"]
    ) -> None:
        """Measure each second, and kill when it is time."""
        begun = last = time.monotonic()
        while (now := time.monotonic()) - begun < seconds:
            dead = [each for each in tasks if each.done()]
            if dead:
                raise RuntimeError("a client of the soak has failed") from dead[0].exception()
            killing = int((now - begun) / STRETCH) % 2 == 0
            if self._kill_every and killing and now - last > self._kill_every:
                await self._kill()
                last = time.monotonic()
                self.samples.quiet.append([])
            self._measure()
            memory = self.samples.series["memory of all processes (PSS)"][-1] / MIB
            words = (
                f"{self.seen.acknowledged} acknowledged, {len(self.seen.lost)} lost, {self.kills} kills, "
                f"{memory:.0f} MiB, {self._server.tracebacks} tracebacks"
            )
            progress.update(task, completed=now - begun, words=words)
            if not progress.console.is_terminal and int(now - begun) % 30 == 0:
                progress.console.print(f"{now - begun:.0f} s: {words}")
            await asyncio.sleep(1)

    async def _kill(self) -> None:
        """One worker, and every third time the whole group, which is started again."""
        self.kills += 1
        self.seen.down = True
        try:
            if self._workers > 1 and self.kills % 3:
                with suppress(ProcessLookupError):
                    os.kill(self._chance.choice(self._server.workers()), signal.SIGKILL)
                await asyncio.sleep(1)
            else:
                await asyncio.to_thread(self._server.kill)
                await asyncio.to_thread(self._server.start)
                self.starts += 1
        finally:
            self.seen.down = False

    # Figures

    def _measure(self) -> None:
        add, total = self.samples.add, 0.0
        supervisor = self._server.process.pid
        for pid in {supervisor, *self._server.workers()}:
            with suppress(FileNotFoundError, ProcessLookupError):
                memory = sizes(Path(f"/proc/{pid}/smaps_rollup"))
                threads = sizes(Path(f"/proc/{pid}/status"))["Threads"]
                descriptors = len(os.listdir(f"/proc/{pid}/fd"))
                total += memory["Pss"] * 1024
                add("memory of a process (RSS)", memory["Rss"] * 1024)
                if pid != supervisor or self._workers == 1:
                    add("descriptors of a worker", descriptors)
                    add("threads of a worker", threads)
        add("memory of all processes (PSS)", total)
        self.samples.quiet[-1].append(total)
        for name in ("registry.db-wal", "uploads.db-wal"):
            with suppress(FileNotFoundError):
                add(name, (self._data / name).stat().st_size)
        with suppress(OSError, ValueError, IndexError):
            line = next(line for line in Path("/proc/net/sockstat").read_text().splitlines() if line.startswith("TCP:"))
            add("memory of the kernel for TCP, of all programs", int(line.split()[-1]) * 4096)

    async def _watch_self(self) -> None:
        """How late this program itself is: a part of every latency that it measures."""
        while True:
            begun = time.monotonic()
            await asyncio.sleep(0.05)
            self.samples.add("the soak's own delay", time.monotonic() - begun - 0.05)

    def _rows(self, scene: Scene) -> list[Row]:
        rows = [
            Row(name, min(values), statistics.median(values), max(values), BOUNDS.get(name))
            for name, values in sorted(self.samples.series.items())
        ]
        growth = self.samples.growth()
        if growth:
            name = "growth of memory while nothing is killed"
            rows.append(Row(name, min(growth), statistics.median(growth), max(growth), BOUNDS[name]))
        late = Waits(self.samples.series["the soak's own delay"])
        for name, values in (("GET of a manifest", self.seen.gets), ("small push", self.seen.pushes)):
            waits = Waits(values or [float("inf")])
            for part, most, more in (("p99", waits.p99, late.p99), ("longest", waits.longest, late.longest)):
                bound = BOUNDS[f"{name}, {part}"] + LATE * more
                rows.append(Row(f"{name}, {part}", waits.least, waits.middle, most, bound))
        failed = sum(count for status, count in self.seen.statuses.items() if status >= 500 and status != 503)
        for name, count in (
            ("acknowledged and lost, or wrong", len(self.seen.lost)),
            ("answers of 5xx other than 503", failed),
            ("tracebacks", self._server.tracebacks),
            ("connections held that took nothing for 100 s", scene.held_too_long),
        ):
            rows.append(Row(name, count, count, count, 0))
        return rows

    def told(self) -> str:
        """What was lost, and the first traceback."""
        return "\n".join([*self.seen.lost[:20], *(line.rstrip() for line in self._server.told)])


def sizes(path: Path) -> dict[str, int]:
    """The fields of a file of /proc that are numbers, kB where they have a unit."""
    pairs = (line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return {name: int(value.split()[0]) for name, value in pairs if value.split() and value.split()[0].isdigit()}


def shown(name: str, value: float) -> str:
    if "wal" in name or "memory" in name:
        return f"{value / MIB:.1f} MiB"
    if "GET" in name or "push" in name or "delay" in name:
        return f"{value * 1000:.1f} ms"
    return f"{value:.0f}"


def table(rows: Sequence[Row]) -> Table:
    found = Table("", *("least", "median", "most", "bound"), "", box=None)
    for row in rows:
        told = [shown(row.name, value) for value in (row.least, row.middle, row.greatest)]
        bound = "" if row.bound is None else shown(row.name, row.bound)
        found.add_row(row.name, *told, bound, "[red]broken[/red]" if row.broken else "")
    return found


def soak(
    data: Path, *, seconds: float, workers: int, clients: int, kill_every: float, seed: str, flags: Sequence[str] = (),
    console: Console | None = None,
) -> tuple[Soak, list[Row]]:  # fmt: skip
    """Run one; its figures."""
    run = Soak(data, workers, clients, kill_every, seed, flags)
    columns = [BarColumn(bar_width=20), TimeRemainingColumn(), TextColumn("{task.fields[words]}")]
    console = console or Console(stderr=True, quiet=True)
    with (
        Progress(*columns, console=console, transient=True) as progress,
        asyncio.Runner() as runner,
    ):
        return run, runner.run(run.run(seconds, progress))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10, help="how long; default %(default)s")
    parser.add_argument("--workers", type=int, default=2, help="of the registry; default %(default)s")
    parser.add_argument("--clients", type=int, default=200, help="of all kinds together; default %(default)s")
    parser.add_argument(
        "--kill-every",
        type=float,
        default=20,
        metavar="SECONDS",
        help="0: never; default %(default)s, for two minutes, then there are two without kills",
    )
    parser.add_argument(
        "--seed", default=str(random.randrange(10**9)), help="of all choices; by default another one each time"
    )
    parser.add_argument("--serve", action="append", default=[], metavar="FLAG", help="for registry serve; repeatable")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    given = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(f"seed {given.seed}")
    with tempfile.TemporaryDirectory(prefix="holdfast-soak-") as folder:
        run, rows = soak(
            Path(folder) / "data", seconds=given.minutes * 60, workers=given.workers, clients=given.clients,
            kill_every=given.kill_every, seed=given.seed, flags=given.serve, console=console,
        )  # fmt: skip
    console.print(table(rows))
    statuses = dict(sorted(run.seen.statuses.items()))
    console.print(
        f"{run.seen.acknowledged} changes acknowledged, {run.kills} kills, {run.starts} starts; statuses {statuses}",
        run.told(), highlight=False, markup=False, sep="\n",
    )  # fmt: skip
    broken = [row.name for row in rows if row.broken]
    if given.json:
        figures = [row._asdict() | {"broken": row.broken} for row in rows]
        report = {"seed": given.seed, "statuses": statuses, "acknowledged": run.seen.acknowledged, "kills": run.kills}
        given.json.write_text(json.dumps(report | {"rows": figures, "lost": run.seen.lost}, indent=2))
    console.print(f"broken: {'; '.join(broken)}" if broken else "all bounds held", highlight=False)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
