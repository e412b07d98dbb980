"""A run as JSON, as `schema.json` describes it, and back."""

import base64
import binascii
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from conformance.model import Case, Category, Duty, Exchange, Finding, Level, Message, Outcome, Result, Run, Subject
from conformance.reports import summary
from conformance.reports.redact import redacted
from conformance.requirements import REQUIREMENTS

SCHEMA = "urn:holdfast:conformance:report:1"


class ReportInvalid(ValueError):
    """Not a report of this kit, or one of an edition that it does not know."""


def schema() -> dict[str, Any]:
    """The JSON Schema of a report."""
    found: dict[str, Any] = json.loads(files("conformance.reports").joinpath("schema.json").read_text("utf-8"))
    return found


def render(run: Run) -> str:
    """The document. ASCII only, so that no editor and no terminal is led astray by it."""
    run = redacted(run)
    counts = summary.tally(run.results)
    document = {
        "schema": SCHEMA,
        "subject": run.subject.value,
        "target": run.target,
        "level": run.level.value,
        "strict": run.strict,
        "seed": run.seed,
        "started": run.started,
        "seconds": round(run.seconds, 6),
        "trouble": run.trouble,
        "exitStatus": run.exit_status,
        "counts": {name: counts[name] for name in summary.VERDICTS},
        "requirements": _requirements(run),
        "results": [_result(result) for result in run.results],
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def load(path: Path) -> Run:
    """The run that a report tells of. Its cases can be shown, not run. Raises `ReportInvalid` or `OSError`."""
    try:
        document = json.loads(path.read_bytes())
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise ReportInvalid(f"{path}: not a conformance report ({SCHEMA})")
        return Run(
            target=_text(document["target"]),
            level=Level(document["level"]),
            strict=bool(document["strict"]),
            seed=int(document["seed"]),
            started=float(document["started"]),
            seconds=float(document["seconds"]),
            results=tuple(_read_result(result) for result in document["results"]),
            trouble=_text(document["trouble"]),
            subject=Subject(document.get("subject", Subject.REGISTRY.value)),
        )
    except ReportInvalid:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ReportInvalid(f"{path}: not a conformance report ({type(error).__name__}: {error})") from None


def _requirements(run: Run) -> dict[str, dict[str, str]]:
    """Those that the run's cases judge by, so that the report can be read without the kit."""
    named = {identity for result in run.results for identity in result.case.requirements}
    named |= {result.finding.requirement for result in run.results if result.finding}
    return {
        identity: {
            "duty": REQUIREMENTS[identity].duty.value,
            "since": REQUIREMENTS[identity].since.value,
            "section": REQUIREMENTS[identity].section,
            "text": REQUIREMENTS[identity].text,
        }
        for identity in sorted(named)
        if identity in REQUIREMENTS
    }


def _result(result: Result) -> dict[str, Any]:
    case, finding = result.case, result.finding
    return {
        "case": {
            "id": case.id,
            "title": case.title,
            "category": case.category.value,
            "since": case.since.value,
            "duty": case.duty.value,
            "requirements": list(case.requirements),
            "official": list(case.official),
            "api": case.api,
            "data": case.data,
        },
        "outcome": result.outcome.value,
        "warning": result.warning,
        "seconds": round(result.seconds, 6),
        "reason": result.reason,
        "finding": finding and {"requirement": finding.requirement, "expected": finding.expected, "got": finding.got},
        "exchanges": [_exchange(exchange) for exchange in result.exchanges],
    }


def _exchange(exchange: Exchange) -> dict[str, Any]:
    return {
        "method": exchange.method,
        "url": exchange.url,
        "request": _message(exchange.request),
        "status": exchange.status,
        "answer": exchange.answer and _message(exchange.answer),
        "seconds": round(exchange.seconds, 6),
        "error": exchange.error,
    }


def _message(message: Message) -> dict[str, Any]:
    try:
        body, encoding = message.body.decode(), "utf-8"
    except UnicodeDecodeError:
        body, encoding = base64.b64encode(message.body).decode(), "base64"
    headers = [list(header) for header in message.headers]
    return {"headers": headers, "body": body, "encoding": encoding, "size": message.size}


def _read_result(data: dict[str, Any]) -> Result:
    case, finding = data["case"], data["finding"]
    return Result(
        case=Case(
            id=_text(case["id"]),
            title=_text(case["title"]),
            category=Category(case["category"]),
            since=Level(case["since"]),
            duty=Duty(case["duty"]),
            requirements=tuple(_text(identity) for identity in case["requirements"]),
            official=tuple(_text(name) for name in case["official"]),
            api=_text(case["api"]),
            data=_text(case["data"]),
        ),
        outcome=Outcome(data["outcome"]),
        seconds=float(data["seconds"]),
        reason=_text(data["reason"]),
        finding=finding and Finding(_text(finding["requirement"]), _text(finding["expected"]), _text(finding["got"])),
        exchanges=tuple(_read_exchange(exchange) for exchange in data["exchanges"]),
    )


def _read_exchange(data: dict[str, Any]) -> Exchange:
    return Exchange(
        method=_text(data["method"]),
        url=_text(data["url"]),
        request=_read_message(data["request"]),
        status=int(data["status"]),
        answer=None if data["answer"] is None else _read_message(data["answer"]),
        seconds=float(data["seconds"]),
        error=_text(data["error"]),
    )


def _read_message(data: dict[str, Any]) -> Message:
    body = _text(data["body"])
    return Message(
        headers=tuple((_text(name), _text(value)) for name, value in data["headers"]),
        body=_unpacked(body) if data["encoding"] == "base64" else body.encode(),
        size=None if data["size"] is None else int(data["size"]),
    )


def _unpacked(body: str) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, found {type(value).__name__}")
    return value
