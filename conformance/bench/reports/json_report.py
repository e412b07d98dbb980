"""A run of the benchmark as JSON, as `schema.json` describes it, and back."""

import json
import math
from importlib.resources import files
from pathlib import Path
from typing import Any

from conformance.bench.model import Group, Machine, Measured, Run, Sample, Scenario, Server, Unit

SCHEMA = "urn:holdfast:bench:run:1"

GREATEST = 2**63
"""No count is greater; what is would overflow somewhere later."""


class ReportInvalid(ValueError):
    """Not a report of this benchmark, or one of an edition that it does not know."""


def schema() -> dict[str, Any]:
    """The JSON Schema of a report."""
    found: dict[str, Any] = json.loads(files("conformance.bench.reports").joinpath("schema.json").read_text("utf-8"))
    return found


def render(run: Run) -> str:
    """The document, ASCII only. Every sample is in it; medians and ratios are there for other programs."""
    document = {
        "schema": SCHEMA,
        "version": run.version,
        "commit": run.commit,
        "started": run.started,
        "seconds": run.seconds,
        "rounds": run.rounds,
        "reference": run.reference,
        "machine": run.machine._asdict(),
        "scenarios": [
            one._asdict() | {"group": one.group.value, "unit": one.unit.value, "lessIsBetter": one.unit.less_is_better}
            for one in run.scenarios
        ],
        "servers": [_server(server) for server in run.servers],
        "ceilings": run.ceilings,
        "measured": [_row(run, row) for row in run.measured],
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def load(path: Path) -> Run:
    """The run that a report tells of. Raises `ReportInvalid` or `OSError`."""
    try:
        document = json.loads(path.read_bytes())
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise ReportInvalid(f"{path}: not a report of registry-bench ({SCHEMA})")
        run = _read(document)
        _check(run)
        return run
    except ReportInvalid:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ReportInvalid(f"{path}: not a report of registry-bench ({type(error).__name__}: {error})") from None


def _server(server: Server) -> dict[str, Any]:
    return {
        "name": server.name,
        "url": server.url,
        "version": server.version,
        "startSeconds": server.start_seconds,
        "idleMemory": server.idle_memory,
        "syncs": server.syncs,
    }


def _row(run: Run, row: Measured) -> dict[str, Any]:
    scenario = next(one for one in run.scenarios if one.name == row.scenario)
    return {
        "scenario": row.scenario,
        "server": row.server,
        "reason": row.reason,
        "wrong": row.wrong,
        "median": row.median if row.valid else None,
        "spread": row.spread if row.valid else None,
        "ratio": run.ratio(scenario, row.server),
        "samples": [
            {
                "value": sample.value,
                "seconds": sample.seconds,
                "requests": sample.requests,
                "bytes": sample.bytes,
                "cpuSeconds": sample.cpu_seconds,
                "memory": sample.memory,
                "wrong": sample.wrong,
                "p50": sample.p50,
            }
            for sample in row.samples
        ],
    }


def _read(data: dict[str, Any]) -> Run:
    machine = data["machine"]
    return Run(
        version=_text(data["version"]),
        started=_number(data["started"]),
        seconds=_number(data["seconds"]),
        rounds=_whole(data["rounds"]),
        reference=_text(data["reference"]),
        machine=Machine(
            _text(machine["system"]),
            _text(machine["processor"]),
            _whole(machine["cores"]),
            _whole(machine["memory"]),
            _number(machine["load"]),
        ),
        scenarios=tuple(
            Scenario(
                _text(one["name"]),
                _text(one["title"]),
                Group(one["group"]),
                Unit(one["unit"]),
                _whole(one["connections"]),
            )
            for one in data["scenarios"]
        ),
        servers=tuple(_read_server(one) for one in data["servers"]),
        measured=tuple(
            Measured(
                _text(row["scenario"]),
                _text(row["server"]),
                tuple(_read_sample(one) for one in row["samples"]),
                _text(row["reason"]),
            )
            for row in data["measured"]
        ),
        ceilings=_numbers(data["ceilings"]),
        commit=_text(data["commit"]),
    )


def _read_server(data: dict[str, Any]) -> Server:
    start, memory, syncs = data["startSeconds"], data["idleMemory"], data["syncs"]
    return Server(
        name=_text(data["name"]),
        url=_text(data["url"]),
        version=_text(data["version"]),
        start_seconds=None if start is None else _number(start),
        idle_memory=None if memory is None else _whole(memory),
        syncs=None if syncs is None else _numbers(syncs),
    )


def _read_sample(data: dict[str, Any]) -> Sample:
    cpu, memory, p50 = data["cpuSeconds"], data["memory"], data["p50"]
    return Sample(
        value=_number(data["value"]),
        seconds=_number(data["seconds"]),
        requests=_whole(data["requests"]),
        bytes=_whole(data["bytes"]),
        cpu_seconds=None if cpu is None else _number(cpu),
        memory=None if memory is None else _whole(memory),
        wrong=_text(data["wrong"]),
        p50=None if p50 is None else _number(p50),
    )


def _check(run: Run) -> None:
    """Whatever a row speaks of is there, once."""
    scenarios, servers = [one.name for one in run.scenarios], [one.name for one in run.servers]
    rows = [(row.scenario, row.server) for row in run.measured]
    for names in (scenarios, servers, rows):
        if len(set(names)) < len(names):
            raise ValueError("the same name or row twice")
    if run.reference not in servers:
        raise ValueError(f"the reference {run.reference!r} is none of the servers")
    for scenario, server in rows:
        if scenario not in scenarios or server not in servers:
            raise ValueError(f"a row for {scenario!r} on {server!r}, which are not listed")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, found {type(value).__name__}")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a number expected, found {type(value).__name__}")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{value} is no figure")
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"a whole number expected, found {type(value).__name__}")
    if not 0 <= value < GREATEST:
        raise ValueError("a count is negative, or too great")
    return value


def _numbers(value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        raise TypeError(f"an object expected, found {type(value).__name__}")
    return {_text(key): _number(one) for key, one in value.items()}
