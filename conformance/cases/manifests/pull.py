"""Pulling manifests: GET and HEAD by tag and by digest, types, what is not there."""

import json
from collections.abc import Callable

from conformance.case import case
from conformance.cases.steps import ACCEPT, ALGORITHMS, ask, own_names, push, served
from conformance.client.registry import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Content,
    Registry,
    manifest,
)
from conformance.model import Category

PULL = Category.PULL
BY = ("by digest", "by tag")


@case("R-020", "I-003", "I-004", category=PULL, api="Manifest get by digest", variants=ALGORITHMS)
def get_by_digest(r: Registry, algorithm: str) -> None:
    """A manifest is pulled by its digest as it was pushed ({variant})."""
    image = push(r, "manifest by digest", algorithm)
    served(r, ask(r, "GET", image), image.content, "R-020")


@case("R-020", category=PULL, api="Manifest get by tag")
def get_by_tag(r: Registry) -> None:
    """A manifest is pulled by its tag, and by its digest too, as it was pushed."""
    image = push(r, "manifest by tag")
    for path in (image.path, r.manifest_path(image.content.digest)):
        served(r, ask(r, "GET", image, path=path), image.content, "R-020", path)


@case("R-020", category=PULL, api="Manifest get by tag")
def moved_tag(r: Registry) -> None:
    """A tag that was moved gives the new manifest at once, to GET and HEAD."""
    tag = r.tag()
    for layers in (1, 2):
        image = r.image(layers=layers)
        r.push_manifest(image, tag)
        served(r, r.get(r.manifest_path(tag), ACCEPT), image, "R-020")
        length = r.head(r.manifest_path(tag), ACCEPT).header("content-length")
        r.that(length in (None, str(image.size)), "R-020", f"Content-Length: {image.size}", length)


@case("R-035", category=PULL, api="Manifest head {variant}", variants=BY)
def head(r: Registry, how: str) -> None:
    """HEAD of a manifest {variant} is answered 200, with its length if any."""
    image = push(r, f"manifest {how}")
    answer = ask(r, "HEAD", image)
    r.status(answer, 200, "R-035")
    length = answer.header("content-length")
    r.that(length in (None, str(image.content.size)), "R-035", f"Content-Length: {image.content.size}", length)


# What the bytes of a manifest may look like

ODD: dict[str, Callable[[bytes], bytes]] = {
    "indented": lambda data: json.dumps(json.loads(data), indent=3).encode(),
    "without blanks": lambda data: json.dumps(json.loads(data), separators=(",", ":")).encode(),
    "sorted backwards": lambda data: json.dumps(dict(sorted(json.loads(data).items(), reverse=True))).encode(),
    "blanks around": lambda data: b" \n\t" + data + b"\r\n\r\n ",
    "tabs and CRLF": lambda data: data.replace(b", ", b",\r\n\t"),
    "escaped letters": lambda data: data.replace(b"schemaVersion", rb"schema\u0056ersion", 1).replace(b"/", rb"\/"),
    "UTF-8": lambda data: annotated(data, "\u00e9 \u2028 \u4e2d \U0001f433"),
    "HTML letters": lambda data: annotated(data, "<b>&amp;</b>"),
    "numbers": lambda data: data[:-1] + b', "x-numbers": [1.0, 1e2, -0, 12345678901234567890123, 0.10]}',
    "null and empty": lambda data: data[:-1] + b', "x-null": null, "x-list": [], "x-object": {}, "x-text": ""}',
}


def annotated(data: bytes, text: str) -> bytes:
    return json.dumps(json.loads(data) | {"annotations": {"text": text}}, ensure_ascii=False).encode()


@case("R-110", "R-020", category=PULL, api="Manifest get by digest", variants=tuple(ODD))
def bytes_kept(r: Registry, variant: str) -> None:
    """A manifest comes byte for byte as it was pushed, however it is written ({variant})."""
    tag = r.tag()
    odd = Content(ODD[variant](r.image().data))
    r.push_manifest(odd, tag)
    for reference in (tag, odd.digest):
        served(r, r.get(r.manifest_path(reference), ACCEPT), odd, "R-110")


@case("R-020", category=PULL, api="Manifest get by digest")
def compression(r: Registry) -> None:
    """A manifest is not compressed on the way, whatever Accept-Encoding says."""
    image = r.push_image(annotations={"text": "compress me " * 400})
    for coding in ("gzip", "gzip, deflate, br, zstd"):
        answer = r.get(r.manifest_path(image.digest), [*ACCEPT, ("Accept-Encoding", coding)])
        served(r, answer, image, "R-020", f"Accept-Encoding: {coding}")
        encoding = answer.header("content-encoding")
        r.that(encoding in (None, "identity"), "R-020", "no Content-Encoding", f"Content-Encoding: {encoding}")


# Types

TYPES = {"image": OCI_MANIFEST, "index": OCI_INDEX, "Docker image": DOCKER_MANIFEST, "Docker list": DOCKER_LIST}


def typed(r: Registry, kind: str) -> tuple[str, Content]:
    """A manifest of this kind under a tag of its own; skips where Docker's types are refused."""
    tag = r.tag()
    docker = kind.startswith("Docker")
    config, layer = r.push_blob(r.config()), r.push_blob(r.content())
    document = manifest(
        config,
        [layer],
        config_type="application/vnd.docker.container.image.v1+json" if docker else OCI_CONFIG,
        layer_type="application/vnd.docker.image.rootfs.diff.tar.gzip" if docker else OCI_LAYER,
        media_type=DOCKER_MANIFEST if docker else OCI_MANIFEST,
    )
    single = DOCKER_MANIFEST if docker else OCI_MANIFEST
    answer = r.put_manifest(document, tag, single)
    if TYPES[kind] in (OCI_INDEX, DOCKER_LIST) and answer.status == 201:
        entry = document.descriptor(single, platform={"architecture": "amd64", "os": "linux"})
        document = Content(json.dumps({"schemaVersion": 2, "mediaType": TYPES[kind], "manifests": [entry]}).encode())
        answer = r.put_manifest(document, tag, TYPES[kind])
    if docker and 400 <= answer.status < 500:
        r.skip("Docker's media types are refused")
    r.status(answer, 201, "R-111")
    return tag, document


@case("R-023", category=PULL, variants=tuple(TYPES))
def content_type(r: Registry, kind: str) -> None:
    """A manifest comes with the Content-Type that it was pushed with, to GET and HEAD ({variant})."""
    tag, document = typed(r, kind)
    for reference in (tag, document.digest):
        for method in ("GET", "HEAD"):
            answer = r.request(method, r.manifest_path(reference), ACCEPT)
            r.status(answer, 200, "R-020" if method == "GET" else "R-035")
            told = (answer.header("content-type") or "").partition(";")[0].strip()
            r.that(told == TYPES[kind], "R-023", f"Content-Type: {TYPES[kind]}", told)


@case("R-024", category=PULL, variants=("image", "index"))
def no_parameters(r: Registry, kind: str) -> None:
    """The Content-Type of a manifest comes without parameters ({variant})."""
    tag, _ = typed(r, kind)
    for method in ("GET", "HEAD"):
        told = r.request(method, r.manifest_path(tag), ACCEPT).header("content-type") or ""
        r.that(";" not in told, "R-024", "a Content-Type without parameters", told)


ACCEPTED = {
    "none": (),
    "anything": ("*/*",),
    "one line": (", ".join((OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)),),
    "several lines": (DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX),
    "preferences": (f"{DOCKER_MANIFEST};q=1, {OCI_INDEX};q=0.5, {OCI_MANIFEST};q=0.1, */*;q=0.01",),
    "only images": (OCI_MANIFEST,),
    "only indexes": (OCI_INDEX,),
    "only Docker images": (DOCKER_MANIFEST,),
    "something else": ("text/html",),
}


@case("R-027", category=PULL, api="Manifest get by tag", variants=tuple(ACCEPTED))
def accept(r: Registry, variant: str) -> None:
    """An image and an index are served as they are, whatever Accept says ({variant})."""
    lines = [("Accept", line) for line in ACCEPTED[variant]]
    for kind in ("image", "index"):
        tag, document = typed(r, kind)
        for reference in (tag, document.digest):
            answer = r.get(r.manifest_path(reference), lines)
            served(r, answer, document, "R-027", f"an {kind} with Accept: {' | '.join(ACCEPTED[variant])}")


# What is not there


def unknown(r: Registry, how: str) -> str:
    return r.tag("none") if how == "by tag" else r.content().digest


@case("R-025", category=PULL, api="Manifest get by digest", official="missing-manifest/by-digest")
def missing_digest(r: Registry) -> None:
    """GET of a manifest by a digest that was never pushed is answered 404."""
    r.push_image(r.tag())
    r.status(r.get(r.manifest_path(unknown(r, "by digest")), ACCEPT), 404, "R-025")


@case("R-025", category=PULL, api="Manifest get by tag", official="missing-manifest/by-tag")
def missing_tag(r: Registry) -> None:
    """GET of a manifest by a tag that was never pushed is answered 404."""
    r.push_image(r.tag())
    r.status(r.get(r.manifest_path(unknown(r, "by tag")), ACCEPT), 404, "R-025")


@case("R-037", category=PULL, api="Manifest head {variant}", variants=BY)
def head_missing(r: Registry, how: str) -> None:
    """HEAD of a manifest {variant} that was never pushed is answered 404."""
    r.push_image(r.tag())
    r.status(r.head(r.manifest_path(unknown(r, how)), ACCEPT), 404, "R-037")


@case("R-204", "R-016", category=PULL, variants=BY)
def missing_explained(r: Registry, how: str) -> None:
    """The 404 of a manifest {variant} says MANIFEST_UNKNOWN."""
    r.push_image(r.tag())
    answer = r.get(r.manifest_path(unknown(r, how)), ACCEPT)
    r.status(answer, 404, "R-025")
    r.error(answer, "MANIFEST_UNKNOWN", "R-204")


@case("R-026", category=PULL, variants=("GET by digest", "GET by tag", "HEAD by digest", "HEAD by tag"))
def missing_repository(r: Registry, variant: str) -> None:
    """{variant} of a manifest in a repository that does not exist is answered 404."""
    own_names(r)
    method, _, how = variant.partition(" ")
    tag = r.tag()
    image = r.push_image(tag)
    path = r.manifest_path(tag if how == "by tag" else image.digest, f"{r.name}/{r.tag('none')}")
    r.status(r.request(method, path, ACCEPT), 404, "R-026")


@case("R-025", "R-037", category=PULL, variants=BY)
def other_repository(r: Registry, how: str) -> None:
    """A manifest that only another repository has is not found {variant}, by GET or by HEAD."""
    tag = r.tag()
    theirs = r.push_image(tag, r.other)
    r.push_image(r.tag())
    path = r.manifest_path(tag if how == "by tag" else theirs.digest)
    r.status(r.get(path, ACCEPT), 404, "R-025", "a manifest of another repository")
    r.status(r.head(path, ACCEPT), 404, "R-037", "a manifest of another repository")


@case("R-020", "R-025", category=PULL, api="Manifest get by tag")
def same_tag_elsewhere(r: Registry) -> None:
    """One tag in two repositories is two tags."""
    tag = r.tag()
    mine = r.push_image(tag)
    theirs = r.push_image(tag, r.other)
    served(r, r.get(r.manifest_path(tag), ACCEPT), mine, "R-020")
    served(r, r.get(r.manifest_path(tag, r.other), ACCEPT), theirs, "R-020")


@case("R-025", category=PULL, api="Manifest get by digest")
def nested_repository(r: Registry) -> None:
    """A manifest of a repository is not in the one above it in the path, nor the other way round."""
    own_names(r)
    below = f"{r.name}/below"
    for holder, stranger in ((below, r.name), (r.name, below)):
        tag = r.tag()
        image = r.push_image(tag, holder)
        for reference in (tag, image.digest):
            r.status(r.get(r.manifest_path(reference, stranger), ACCEPT), 404, "R-025", f"{holder} in {stranger}")
