"""The base of the API, and pulls that are meant for a proxy."""

from conformance.case import case
from conformance.cases.steps import KINDS, ask, push, served
from conformance.client.registry import Registry
from conformance.model import Category

PULL = Category.PULL


@case("R-006", category=PULL, api="Ping", official="ping")
def ping(r: Registry) -> None:
    """GET /v2/ is answered 200, or 401 with a challenge."""
    answer = r.get("/v2/")
    r.status(answer, (200, 401), "R-006")
    if answer.status == 401:
        r.header(answer, "www-authenticate", bool, "R-006")


@case("R-004", category=PULL, api="Ping")
def ping_head(r: Registry) -> None:
    """HEAD /v2/ is answered like GET."""
    get, head = r.get("/v2/"), r.head("/v2/")
    r.that(head.status == get.status, "R-004", f"status {get.status} for HEAD as for GET", head.status)


@case("R-193", category=PULL, variants=KINDS)
def namespace(r: Registry, kind: str) -> None:
    """A pull with ns, as mirrors get it, does not fail ({variant})."""
    thing = push(r, kind)
    for value in ("docker.io", "registry.example.com:5000", "", "0"):
        answer = r.get(thing.path, thing.accept, ns=value)
        served(r, answer, thing.content, "R-193", f"ns={value}")
        r.status(r.head(thing.path, thing.accept, ns=value), 200, "R-193", f"HEAD with ns={value}")


@case("R-192", category=PULL, variants=KINDS)
def namespace_told(r: Registry, kind: str) -> None:
    """OCI-Namespace, if it is sent, is the ns that was asked for, and is not sent where there was none ({variant})."""
    thing = push(r, kind)
    for value in ("docker.io", "registry.example.com:5000"):
        answer = r.get(thing.path, thing.accept, ns=value)
        told = answer.header("oci-namespace")
        r.that(told in (None, value), "R-192", f"OCI-Namespace: {value}, or none", told)
    told = ask(r, "GET", thing).header("oci-namespace")
    r.that(told is None, "R-192", "no OCI-Namespace without ns", told)
