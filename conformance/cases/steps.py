"""Steps that the cases about pulling share."""

import hashlib
from typing import NamedTuple

from conformance.client.registry import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Content,
    Disabled,
    Registry,
)
from conformance.client.wire import Answer, Headers

ALGORITHMS = ("sha256", "sha512")
ACCEPT = [("Accept", kind) for kind in (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)]
KINDS = ("blob", "manifest by digest", "manifest by tag")


class Thing(NamedTuple):
    """Something that was pushed, and how it is asked for."""

    path: str
    content: Content
    accept: Headers


def push(r: Registry, kind: str, algorithm: str = "sha256", name: str | None = None) -> Thing:
    """A blob of 2048 bytes or an image's manifest; skips where it cannot be pushed by this algorithm."""
    r.needs(algorithm)
    if kind == "blob":
        blob = r.push_blob(r.content(2048, algorithm), name)
        return Thing(r.blob_path(blob.digest, name), blob, ())
    image = r.image(algorithm, name=name)
    if algorithm != "sha256" and r.put_manifest(image, name=name).status == 400:
        r.skip(f"manifests are not stored by {algorithm}")
    tag = r.tag() if kind == "manifest by tag" else None
    r.push_manifest(image, tag, name=name)
    return Thing(r.manifest_path(tag or image.digest, name), image, ACCEPT)


def ask(r: Registry, method: str, thing: Thing, *headers: tuple[str, str], path: str = "") -> Answer:
    return r.request(method, path or thing.path, [*thing.accept, *headers])


def served(r: Registry, answer: Answer, content: Content, requirement: str, what: str = "") -> None:
    """200, with exactly this."""
    r.status(answer, 200, requirement, what)
    r.body(answer, content.data, requirement)


def digests(r: Registry, answer: Answer, content: Content, requirement: str) -> None:
    """If the answer tells a digest, it is one of this content."""
    told = answer.header("docker-content-digest")
    if told is None:
        return
    algorithm = told.partition(":")[0]
    if algorithm in ALGORITHMS:
        right = f"{algorithm}:{hashlib.new(algorithm, content.data).hexdigest()}"
        r.that(told == right, requirement, f"Docker-Content-Digest: {right}", told)
    else:
        r.that(":" in told, requirement, "a digest in Docker-Content-Digest", told)


def own_names(r: Registry) -> None:
    """The case needs repositories whose names it chooses."""
    if r.target.fixed:
        raise Disabled("the user said which repositories to use")
