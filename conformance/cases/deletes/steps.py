"""Steps that the cases about deletion share."""

from conformance.cases.paging.steps import eventually
from conformance.cases.steps import ACCEPT
from conformance.client.registry import Registry
from conformance.client.wire import Answer

REFUSED = (400, 405)
"""Deletion is switched off."""


def delete(r: Registry, path: str, requirement: str, what: str = "this") -> Answer:
    """An accepted deletion; skips where it is switched off."""
    answer = r.delete(path)
    if answer.status in REFUSED:
        r.skip(f"{what} cannot be deleted")
    r.status(answer, 202, requirement)
    return answer


def gone(r: Registry, path: str, requirement: str, what: str = "") -> None:
    """GET and HEAD are answered 404: at once, or in the end where deletion may be asynchronous."""
    eventually(r, lambda: r.get(path, ACCEPT).status == 404)
    r.status(r.get(path, ACCEPT), 404, requirement, what)
    r.status(r.head(path, ACCEPT), 404, requirement, f"HEAD of {what}" if what else "HEAD")


def there(r: Registry, path: str, requirement: str, what: str = "") -> Answer:
    """GET is answered 200."""
    answer = r.get(path, ACCEPT)
    r.status(answer, 200, requirement, what)
    return answer


def at_once(r: Registry, path: str, requirement: str) -> None:
    """The first HEAD after a deletion is answered 404; skips where the user allowed otherwise."""
    if r.allows("async-delete"):
        r.skip("deletion is asynchronous, says the user")
    r.status(r.head(path, ACCEPT), 404, requirement, "what was just deleted")
