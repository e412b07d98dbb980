"""Conditional requests: ETag, If-None-Match and If-Match as RFC 9110 section 13 has them."""

import re

from conformance.case import case
from conformance.cases.steps import ACCEPT, KINDS, Thing, ask, push, served
from conformance.client.registry import Registry
from conformance.client.wire import Answer
from conformance.model import Category

PULL = Category.PULL
ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"')
OTHER = '"sha256:0123456789"'


def etag_of(r: Registry, thing: Thing, method: str = "GET") -> str:
    """Its ETag; skips where there is none."""
    answer = ask(r, method, thing)
    r.status(answer, 200, "R-020" if method == "GET" else "R-035")
    etag = answer.header("etag")
    if etag is None:
        r.skip("ETag is not sent")
    return etag


def opaque(etag: str) -> str:
    return etag.removeprefix("W/")


def unchanged(r: Registry, answer: Answer, what: str) -> None:
    r.status(answer, 304, "R-004", what)
    r.that(not answer.body, "R-004", "no body", answer.body[:100])


@case("R-004", category=PULL, variants=KINDS)
def etag(r: Registry, kind: str) -> None:
    """An ETag is a text in quotes, and the same for GET and HEAD ({variant})."""
    thing = push(r, kind)
    value = etag_of(r, thing)
    r.that(ETAG.fullmatch(value), "R-004", "an ETag in quotes", value)
    head = ask(r, "HEAD", thing).header("etag")
    r.that(head in (None, value), "R-004", f"ETag: {value}", head)


@case("R-004", category=PULL, variants=KINDS)
def etag_differs(r: Registry, kind: str) -> None:
    """Different contents have different ETags ({variant})."""
    first, second = etag_of(r, push(r, kind)), etag_of(r, push(r, kind))
    r.that(first != second, "R-004", "another ETag for another content", first)


@case("R-004", category=PULL, variants=tuple(f"{method} {kind}" for method in ("GET", "HEAD") for kind in KINDS))
def same(r: Registry, variant: str) -> None:
    """{variant} with If-None-Match of its ETag is answered 304, with the ETag again."""
    method, _, kind = variant.partition(" ")
    thing = push(r, kind)
    value = etag_of(r, thing)
    answer = ask(r, method, thing, ("If-None-Match", value))
    unchanged(r, answer, "If-None-Match with its ETag")
    again = answer.header("etag") or ""
    r.that(opaque(again) == opaque(value), "R-004", f"ETag: {value}", again or "none")


FORMS = {"a list": f'{OTHER}, {{etag}}, "another"', "a weak one": "W/{etag}", "a star": "*"}


@case("R-004", category=PULL, variants=tuple(f"{form}, {kind}" for form in FORMS for kind in KINDS))
def same_otherwise(r: Registry, variant: str) -> None:
    """If-None-Match holds an ETag in other forms too ({variant})."""
    form, _, kind = variant.partition(", ")
    thing = push(r, kind)
    value = FORMS[form].replace("{etag}", opaque(etag_of(r, thing)))
    unchanged(r, ask(r, "GET", thing, ("If-None-Match", value)), f"If-None-Match: {value}")


@case("R-004", "R-020", "R-030", category=PULL, variants=KINDS)
def other(r: Registry, kind: str) -> None:
    """If-None-Match with another ETag is answered 200 with all of it ({variant})."""
    thing = push(r, kind)
    etag_of(r, thing)
    served(r, ask(r, "GET", thing, ("If-None-Match", OTHER)), thing.content, "R-004", f"If-None-Match: {OTHER}")


@case("R-004", category=PULL, variants=KINDS)
def etag_before_date(r: Registry, kind: str) -> None:
    """If-Modified-Since counts for nothing beside If-None-Match ({variant})."""
    thing = push(r, kind)
    etag_of(r, thing)
    answer = ask(r, "GET", thing, ("If-None-Match", OTHER), ("If-Modified-Since", "Fri, 31 Dec 2100 00:00:00 GMT"))
    served(r, answer, thing.content, "R-004", "If-None-Match of another ETag beside If-Modified-Since")


@case("R-004", category=PULL, variants=KINDS)
def match(r: Registry, kind: str) -> None:
    """If-Match with its ETag does not keep anything from being served ({variant})."""
    thing = push(r, kind)
    value = etag_of(r, thing)
    if value.startswith("W/"):
        r.skip("the ETag is weak, which never matches")
    served(r, ask(r, "GET", thing, ("If-Match", value)), thing.content, "R-004", "If-Match with its ETag")


@case("R-025", "R-032", category=PULL, variants=("blob", "manifest by digest", "manifest by tag"))
def missing(r: Registry, kind: str) -> None:
    """What is not there is answered 404, whatever If-None-Match says ({variant})."""
    thing = push(r, kind)
    reference = r.tag("none") if kind == "manifest by tag" else r.content().digest
    path = r.blob_path(reference) if kind == "blob" else r.manifest_path(reference)
    for value in ("*", f'"{reference}"', f'"{thing.content.digest}"'):
        answer = ask(r, "GET", thing, ("If-None-Match", value), path=path)
        r.status(answer, 404, "R-032" if kind == "blob" else "R-025", f"If-None-Match: {value}")


@case("R-004", "R-020", category=PULL, api="Manifest get by tag")
def moved_tag(r: Registry) -> None:
    """The ETag of a tag changes when the tag is moved: the old one gives the new manifest."""
    tag = r.tag()
    r.push_image(tag)
    value = r.get(r.manifest_path(tag), ACCEPT).header("etag")
    if value is None:
        r.skip("ETag is not sent")
    image = r.push_image(tag)
    answer = r.get(r.manifest_path(tag), [*ACCEPT, ("If-None-Match", value)])
    served(r, answer, image, "R-004", "the ETag of what the tag gave before")
