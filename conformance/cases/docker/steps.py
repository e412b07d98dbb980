"""Steps that the cases about docker-distribution's wire share."""

from collections.abc import Sequence

from conformance.client.registry import Registry
from conformance.client.wire import Answer

VERSION = ("docker-distribution-api-version", "registry/2.0")
UUID = "docker-upload-uuid"
DIGEST = "docker-content-digest"


def coded(r: Registry, answer: Answer, code: str | Sequence[str], requirement: str, what: str = "") -> list[str]:
    """The error is in JSON, in Docker's form, with one of these codes. All codes in it."""
    wanted = (code,) if isinstance(code, str) else tuple(code)
    fields = answer.json()
    entries = fields.get("errors") if isinstance(fields, dict) else None
    good = isinstance(entries, list) and entries and all(isinstance(entry, dict) for entry in entries)
    where = f" for {what}" if what else ""
    r.that(good, requirement, f'one JSON document {{"errors": [{{"code": …}}]}}{where}', answer.body[:300] or "no body")
    assert isinstance(entries, list)
    found = [str(entry.get("code")) for entry in entries]
    r.that(any(each in wanted for each in found), requirement, f"code {' or '.join(wanted)}{where}", found)
    return found


def refused(
    r: Registry, answer: Answer, statuses: int | Sequence[int], code: str | Sequence[str], requirement: str, what: str
) -> None:
    """An error of this status and code."""
    r.status(answer, statuses, requirement, what)
    coded(r, answer, code, requirement, what)


def told(r: Registry, answer: Answer, name: str, requirement: str) -> str:
    """A header that has to be there and to say something."""
    value = answer.header(name)
    r.that(value, requirement, f"a {name} header", "none")
    return value or ""


def bare(r: Registry, answer: Answer, requirement: str) -> None:
    """No body."""
    r.that(not answer.body, requirement, "no body", answer.body[:100])


def fine(r: Registry, answer: Answer, requirement: str, what: str) -> None:
    """Anything but a fault of the server."""
    r.that(answer.status < 500, requirement, f"no server error for {what}", f"status {answer.status}")
