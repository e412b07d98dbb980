"""What HEAD and GET say in headers: digest, length, type, and that they say the same."""

from conformance.case import case
from conformance.cases.steps import ACCEPT, ALGORITHMS, KINDS, ask, digests, push
from conformance.client.registry import Registry
from conformance.model import Category, Duty, Level

PULL = Category.PULL
EVERY = tuple(f"{method} {kind}" for method in ("GET", "HEAD") for kind in KINDS)


def wanted(variant: str) -> tuple[str, str]:
    """Method and kind of thing."""
    method, _, kind = variant.partition(" ")
    return method, kind


@case("R-031", category=PULL, api="Blob get", data="Blobs {variant}", official="blob-get", variants=ALGORITHMS)
def blob_digest(r: Registry, algorithm: str) -> None:
    """GET of a blob carries its digest in Docker-Content-Digest ({variant})."""
    blob = push(r, "blob", algorithm)
    answer = ask(r, "GET", blob)
    r.status(answer, 200, "R-030")
    r.header(answer, "docker-content-digest", bool, "R-031")
    digests(r, answer, blob.content, "R-031")


@case("R-021", category=PULL, api="Manifest get by {variant}", variants=("digest", "tag"))
def manifest_digest(r: Registry, variant: str) -> None:
    """GET of a manifest by {variant} carries its digest in Docker-Content-Digest."""
    manifest = push(r, f"manifest by {variant}")
    answer = ask(r, "GET", manifest)
    r.status(answer, 200, "R-020")
    r.header(answer, "docker-content-digest", bool, "R-021")
    digests(r, answer, manifest.content, "R-021")


@case("R-036", "R-035", category=PULL, api="Blob head", official="blob-head", variants=KINDS)
def head_headers(r: Registry, kind: str) -> None:
    """HEAD carries Docker-Content-Digest and the Content-Length of the object ({variant})."""
    thing = push(r, kind)
    answer = ask(r, "HEAD", thing)
    r.status(answer, 200, "R-035")
    r.header(answer, "content-length", str(thing.content.size), "R-036")
    r.header(answer, "docker-content-digest", bool, "R-036")
    digests(r, answer, thing.content, "R-036")


@case("R-036", category=PULL, official="blob-head", variants=KINDS, since=Level.V1_0, duty=Duty.SHOULD)
def length_before(r: Registry, kind: str) -> None:
    """HEAD should carry the Content-Length of the object, by version 1.0 already ({variant})."""
    thing = push(r, kind)
    answer = ask(r, "HEAD", thing)
    r.status(answer, 200, "R-035")
    r.header(answer, "content-length", str(thing.content.size), "R-036")


@case("R-036", "R-031", "R-021", category=PULL, variants=EVERY, since=Level.V1_0, duty=Duty.SHOULD)
def digest_before(r: Registry, variant: str) -> None:
    """The answer to {variant} should carry Docker-Content-Digest, by version 1.0 already."""
    method, kind = wanted(variant)
    answer = ask(r, method, push(r, kind))
    r.status(answer, 200, "R-035" if method == "HEAD" else "R-030" if kind == "blob" else "R-020")
    requirement = "R-036" if method == "HEAD" else "R-031" if kind == "blob" else "R-021"
    r.header(answer, "docker-content-digest", bool, requirement)


@case("I-012", "R-031", category=PULL, official=("blob-get", "blob-head"), variants=EVERY)
def digest_right(r: Registry, variant: str) -> None:
    """A Docker-Content-Digest in answer to {variant}, if there is one, is a digest of the content."""
    method, kind = wanted(variant)
    thing = push(r, kind)
    answer = ask(r, method, thing)
    if answer.header("docker-content-digest") is None:
        r.skip("Docker-Content-Digest is not sent")
    digests(r, answer, thing.content, "I-012")


@case("I-013", "R-022", category=PULL, data="sha512", variants=("blob", "manifest by digest"))
def digest_echoed(r: Registry, kind: str) -> None:
    """What is pulled by a sha512 digest is answered with that digest ({variant})."""
    thing = push(r, kind, "sha512")
    for method in ("GET", "HEAD"):
        told = ask(r, method, thing).header("docker-content-digest")
        if told is None:
            r.skip("Docker-Content-Digest is not sent")
        r.that(told == thing.content.digest, "I-013", f"Docker-Content-Digest: {thing.content.digest}", told)


@case("R-022", category=PULL, api="Manifest get by digest")
def manifest_echoed(r: Registry) -> None:
    """Docker-Content-Digest on a manifest is the digest asked for, and by tag the one that the push was told."""
    image, tag = r.image(), r.tag()
    set_to = r.push_manifest(image, tag).header("docker-content-digest") or image.digest
    for reference, expected in ((image.digest, image.digest), (tag, set_to)):
        for method in ("GET", "HEAD"):
            answer = r.request(method, r.manifest_path(reference), ACCEPT)
            told = answer.header("docker-content-digest")
            if told is None:
                r.skip("Docker-Content-Digest is not sent")
            r.that(told == expected, "R-022", f"Docker-Content-Digest: {expected}", told)


@case("R-038", category=PULL, variants=KINDS)
def agreement(r: Registry, kind: str) -> None:
    """HEAD says nothing else of length, type and digest than GET ({variant})."""
    thing = push(r, kind)
    get, head = ask(r, "GET", thing), ask(r, "HEAD", thing)
    r.that(head.status == get.status, "R-038", f"status {get.status} for HEAD as for GET", head.status)
    length = head.header("content-length")
    r.that(length in (None, str(len(get.body))), "R-038", f"Content-Length: {len(get.body)}", length)
    for name in ("content-type", "docker-content-digest"):
        told, expected = head.header(name), get.header(name)
        # HEAD may leave out what is known only when there is a body (RFC 9110 section 9.3.2).
        r.that(None in (told, expected) or told == expected, "R-038", f"{name}: {expected}", told)


@case("R-038", category=PULL, variants=("blob", "manifest"))
def agreement_missing(r: Registry, kind: str) -> None:
    """What GET does not find, HEAD does not find, and never in another repository ({variant})."""
    thing = push(r, "blob" if kind == "blob" else "manifest by digest", name=r.other)
    r.push_image(r.tag())
    digest = thing.content.digest
    for wrong in (digest, r.content().digest):
        path = r.blob_path(wrong) if kind == "blob" else r.manifest_path(wrong)
        get, head = ask(r, "GET", thing, path=path), ask(r, "HEAD", thing, path=path)
        r.that(head.status == get.status, "R-038", f"status {get.status} for HEAD as for GET", head.status)
