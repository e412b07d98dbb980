"""Measures servers, in turn within each round, so that a noisy machine hurts all alike."""

import os
import platform
import secrets
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Protocol

from conformance.bench import jobs, load, processes, sync_check
from conformance.bench.content import NoStock, SetUpFailed, Stock, Target
from conformance.bench.errors import BenchError
from conformance.bench.load import Json
from conformance.bench.model import Machine, Measured, Run, Sample, Scenario, Server, Unit
from conformance.bench.servers import Running, Wanted, disk_folder, require, require_space, running, version

__all__ = ["BenchError", "Listener", "run"]

CEILING_SECONDS = 1.0
"""How long the client is measured in each scenario, on a server that does nothing."""


class Listener(Protocol):
    """Told what happens, by the thread that called `run`."""

    def starting(self, round_number: int, server: str) -> None:
        """A server is being started; rounds are counted from 1."""

    def measuring(self, round_number: int, scenario: Scenario, server: str) -> None:
        """Now this is being measured."""

    def measured(self, round_number: int, scenario: Scenario, server: str, sample: Sample | None, reason: str) -> None:
        """A sample, or the reason why there is none: the server does not offer it."""

    def note(self, text: str) -> None:
        """Anything else: the client is built, its ceilings are measured, syncs are counted, or cannot be."""


class Row:
    """What is found for a scenario on a server; it ends with the first wrong answer."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.reason = ""

    @property
    def ended(self) -> bool:
        return bool(self.reason) or any(sample.wrong for sample in self.samples)


class Found:
    """What is found about a server besides."""

    def __init__(self) -> None:
        self.starts: list[float] = []
        self.idle: list[int] = []
        self.syncs: dict[str, float] | None = None


def run(
    servers: Sequence[Wanted],
    scenarios: Sequence[Scenario],
    *,
    rounds: int,
    seconds: float,
    reference: str,
    sync_check: bool,
    listener: Listener,
) -> Run:
    """Measure every scenario on every server in every round.

    Raises `BenchError` for what cannot be done: a server that is not there, Go missing. A wrong answer is not an
    error but the end of that row, and said in its samples."""
    names = [wanted.name for wanted in servers]
    if reference not in names:
        raise BenchError(f"the reference {reference} is not among the servers: {', '.join(names)}")
    for wanted in servers:
        require(wanted)
    started = time.time()
    machine = this_machine()
    bench = Bench(load.build(listener.note), disk_folder(), seconds, listener)
    ceilings = bench.ceilings(scenarios)
    for number in range(1, rounds + 1):
        bench.round(number, servers, scenarios)
    if sync_check:
        bench.count_syncs(servers)
    return Run(
        version=own_version(),
        started=started,
        seconds=seconds,
        rounds=rounds,
        reference=reference,
        machine=machine,
        scenarios=tuple(scenarios),
        servers=tuple(bench.server(wanted) for wanted in servers),
        measured=tuple(bench.measured(scenario, name) for scenario in scenarios for name in names),
        ceilings=ceilings,
        commit=own_commit(),
    )


class Bench:
    """One run, as far as it has come."""

    def __init__(self, program: Path, folder: Path, seconds: float, listener: Listener) -> None:
        self._program = program
        self._folder = folder
        self._seconds = seconds
        self._listener = listener
        self._rows: dict[tuple[str, str], Row] = {}
        self._found: dict[str, Found] = {}

    def ceilings(self, scenarios: Sequence[Scenario]) -> dict[str, float]:
        """What the client reaches where the server costs nothing."""
        self._listener.note("measuring the client itself")
        found = {}
        with load.null_server(self._program) as address:
            stock = NoStock(Target(f"http://{address}"), "null", lambda job: None)
            for scenario in scenarios:
                job = jobs.job(scenario, stock, min(self._seconds, CEILING_SECONDS)) | {"unchecked": True}
                result = load.run(self._program, job)
                if result.wrong:
                    raise BenchError(f"the client cannot be measured: {scenario.name}: {result.wrong}")
                found[scenario.name] = value(scenario, result)
        return found

    def round(self, number: int, servers: Sequence[Wanted], scenarios: Sequence[Scenario]) -> None:
        """Each scenario on each server, one after the other; peers are started first and stopped at the end."""
        with ExitStack() as stack:
            stocks = []
            for wanted in servers:
                self._listener.starting(number, wanted.name)
                live = stack.enter_context(self._running(wanted))
                if live.pid is not None and processes.known(live.pid):
                    self._of(wanted.name).idle.append(processes.memory(live.pid))
                stocks.append((wanted, live, self._stock(live)))
            for scenario in scenarios:
                for wanted, live, stock in stocks:
                    row = self._rows.setdefault((scenario.name, wanted.name), Row())
                    if row.ended:
                        continue
                    self._listener.measuring(number, scenario, wanted.name)
                    if scenario.name in jobs.FRESH and not wanted.url:
                        with self._running(wanted) as fresh:
                            sample = self._sample(scenario, fresh, self._stock(fresh), row)
                    else:
                        sample = self._sample(scenario, live, stock, row)
                    self._listener.measured(number, scenario, wanted.name, sample, row.reason)

    def count_syncs(self, servers: Sequence[Wanted]) -> None:
        for wanted in servers:
            self._listener.note(f"counting the syncs of {wanted.name}")
            try:
                with self._running(wanted) as live:
                    self._of(wanted.name).syncs = sync_check.syncs(self._program, live)
            except sync_check.NotCounted as reason:
                self._listener.note(str(reason))

    def measured(self, scenario: Scenario, server: str) -> Measured:
        row = self._rows[scenario.name, server]
        return Measured(scenario.name, server, tuple(row.samples), row.reason)

    def server(self, wanted: Wanted) -> Server:
        found = self._of(wanted.name)
        return Server(
            name=wanted.name,
            url=Target(wanted.url).url if wanted.url else "",
            version=version(wanted),
            start_seconds=statistics.median(found.starts) if found.starts else None,
            idle_memory=max(found.idle, default=None),
            syncs=found.syncs,
        )

    def _of(self, server: str) -> Found:
        return self._found.setdefault(server, Found())

    @contextmanager
    def _running(self, wanted: Wanted) -> Iterator[Running]:
        with running(wanted, self._folder) as live:
            if live.start_seconds is not None:
                self._of(wanted.name).starts.append(live.start_seconds)
            yield live

    def _stock(self, live: Running) -> Stock:
        """Each round has repositories of its own, so that a server of the user's has nothing of them yet."""

        def filled(job: Json) -> None:
            result = load.run(self._program, live.target.job() | job)
            if result.wrong or result.reason:
                raise SetUpFailed(result.wrong or result.reason)

        return Stock(live.target, f"bench/{secrets.token_hex(4)}", filled)

    def _sample(self, scenario: Scenario, live: Running, stock: Stock, row: Row) -> Sample | None:
        """One sample, added to its row; None if there is a reason for none."""
        if live.pid is not None:
            require_space(self._folder, self._seconds)
        watch = processes.Watch(live.pid)
        try:
            job = jobs.job(scenario, stock, self._seconds)
            sync()
            result = load.run(self._program, job, watch.begin, watch.end)
        except SetUpFailed as failure:
            result = load.Result(0, 0, 0, 0.0, {}, 0.0, 0.0, 0, f"before it was measured: {failure}", "")
        finally:
            watch.stop()
        if result.reason:
            row.reason = f"not offered: {result.reason}"
            return None
        sample = Sample(
            value=0.0 if result.wrong else value(scenario, result),
            seconds=result.seconds,
            requests=result.requests,
            bytes=result.bytes,
            cpu_seconds=watch.cpu_seconds,
            memory=watch.memory,
            wrong=result.wrong,
            p50=result.p50 if scenario.unit is Unit.MILLISECONDS else None,
        )
        row.samples.append(sample)
        return sample


def value(scenario: Scenario, result: load.Result) -> float:
    """A result in the scenario's unit."""
    match scenario.unit:
        case Unit.REQUESTS:
            return result.rate["requests"]
        case Unit.MEGABYTES:
            return result.rate["bytes"] / 1_000_000
        case Unit.MILLISECONDS:
            return result.p99
        case Unit.PUSHES | Unit.PULLS:
            return result.rate["operations"]


def sync() -> None:
    """Let the disk come to rest, so that no server waits for what was written before."""
    os.sync()


def this_machine() -> Machine:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        processor=processor(),
        cores=os.cpu_count() or 1,
        memory=pages * size,
        load=os.getloadavg()[0],
    )


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def own_version() -> str:
    """Of the distribution that this came with, on its own or with the registry."""
    for name in ("holdfast-conformance", "holdfast-registry"):
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return ""


def own_commit() -> str:
    """Of the checkout that this lies in, with a + if there are changes; empty outside of one."""
    git = shutil.which("git")
    if git is None:
        return ""
    here = Path(__file__).parent

    def said(*words: str) -> str:
        done = subprocess.run([git, *words], cwd=here, capture_output=True, text=True, check=False)  # noqa: S603
        return done.stdout.strip() if done.returncode == 0 else ""

    commit = said("rev-parse", "--short", "HEAD") if said("ls-files", "__init__.py") else ""
    return commit + ("+" if commit and said("status", "--porcelain", "-uno") else "")
