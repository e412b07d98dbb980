"""Manifests that are large, and too large."""

import json

from conformance.case import case
from conformance.cases.manifests.steps import accepted, fields_of, missing
from conformance.client.registry import OCI_MANIFEST, Content, Registry
from conformance.client.wire import Body, pieces_of
from conformance.model import Category

TOO_LARGE = 16 * 1024 * 1024 + 1
"""Above every limit that registries are known to set."""


def sized(r: Registry, size: int) -> Content:
    """An image manifest of this many bytes."""
    fields = fields_of(r.image())
    short = len(json.dumps(fields | {"annotations": {"org.example.fill": ""}}))
    return Content(json.dumps(fields | {"annotations": {"org.example.fill": "x" * (size - short)}}).encode())


@case("R-118", category=Category.PUSH, api="Manifest put by tag", variants=("1_000_000", "2_500_000", "4_000_000"))
def accepted_size(r: Registry, size: str) -> None:
    """A manifest of {variant} bytes is accepted."""
    accepted(r, sized(r, int(size)), "R-118", reference=r.tag())


@case("R-117", "D-M9", category=Category.PUSH, api="Manifest put by tag", variants=("with-length", "without-length"))
def too_large(r: Registry, form: str) -> None:
    """A manifest of 16 megabytes is answered 413, and is not there ({variant})."""
    manifest, tag = sized(r, TOO_LARGE), r.tag()
    body: Body = manifest.data if form == "with-length" else pieces_of(manifest.data)
    answer = r.put(r.manifest_path(tag), [("Content-Type", OCI_MANIFEST)], body)
    r.status(answer, 413, "R-117", "a manifest of 16 megabytes")
    missing(r, "R-117", tag)
    # The registry works on.
    accepted(r, r.image(), "R-117", reference=tag)
