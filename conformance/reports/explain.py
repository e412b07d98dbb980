"""A result in words: what was asked, what was sent, what came back, and how to see it again."""

from conformance.model import Exchange, Message, Requirement, Result
from conformance.reports.curl import command
from conformance.reports.summary import requirements
from conformance.reports.text import line, remainder, shown

LIMIT = 1024
"""Bytes of a body that are worth reading in a terminal."""


def brief(result: Result) -> str:
    """Why it did not pass, in one sentence."""
    if result.finding is not None:
        return f"{result.finding.requirement}: expected {result.finding.expected}, got {result.finding.got}"
    return result.reason or result.outcome.value


def duty(requirement: Requirement) -> str:
    """The requirement's name, how strictly it is meant and where it stands."""
    return f"{requirement.id} {requirement.duty.value}, since {requirement.since.value} ({requirement.section})"


def text(result: Result) -> str:
    """The whole explanation as plain text, its lines not yet made safe for any medium."""
    rows = [result.case.title, ""]
    for requirement in requirements(result):
        rows += [duty(requirement), f"    {requirement.text}"]
    if result.finding is not None:
        rows += ["", f"Expected: {result.finding.expected}", f"Got:      {result.finding.got}"]
    if result.reason:
        rows += ["", f"Reason: {result.reason}"]
    if result.exchanges:
        *before, last = result.exchanges
        if before:
            rows += ["", "Before:", *(f"  {outcome(exchange)}" for exchange in before)]
        rows += ["", *sent(last), "", *came(last), "", "Again:", *again(last)]
    return "\n".join(rows)


def outcome(exchange: Exchange) -> str:
    """An exchange in one line."""
    status = str(exchange.status) if exchange.status else f"no answer: {exchange.error}"
    return line(f"{exchange.method} {exchange.url} → {status}")


def sent(exchange: Exchange, limit: int = LIMIT) -> list[str]:
    """The request, a line for each header, `>` before each as curl writes it."""
    return [line(f"> {exchange.method} {exchange.url}"), *_message(exchange.request, ">", limit)]


def came(exchange: Exchange, limit: int = LIMIT) -> list[str]:
    """The answer in the same way, or why there was none."""
    rows = [line(f"! {exchange.error}")] if exchange.error else []
    if exchange.answer is None:
        return rows or ["! no answer"]
    milliseconds = exchange.seconds * 1000
    status = exchange.status or "no status"
    return [*rows, f"< {status} in {milliseconds:.1f} ms", *_message(exchange.answer, "<", limit)]


def again(exchange: Exchange) -> list[str]:
    """The command that repeats it, and what it needs."""
    repeat = command(exchange)
    return [*repeat.text.split("\n"), *([f"({repeat.hint})"] if repeat.hint else [])]


def relative(url: str, target: str) -> str:
    """The URL without the registry's own part, by which its exchanges do not differ."""
    prefix = target.rstrip("/") + "/"
    return "/" + url.removeprefix(prefix) if url.startswith(prefix) else url


def _message(message: Message, mark: str, limit: int) -> list[str]:
    rows = [line(f"{mark} {name}: {value}") for name, value in message.headers]
    body = shown(message.body, message.size, limit)
    if body:
        rows += [mark, *(f"{mark} {row}" for row in body.removesuffix("\n").split("\n"))]
    rest = remainder(message.body, message.size, limit)
    return [*rows, f"{mark} {rest}"] if rest else rows
