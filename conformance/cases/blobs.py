"""Pulling blobs: GET, HEAD, what is not there."""

from conformance.case import case
from conformance.model import Category
from conformance.registry import Content, Registry

PULL = Category.PULL
ALGORITHMS = ("sha256", "sha512")


def pushed(r: Registry, algorithm: str, size: int = 512) -> Content:
    return r.push_blob(r.content(size, algorithm))


@case("R-030", category=PULL, api="Blob get", data="Blobs {variant}", official="blob-get", variants=ALGORITHMS)
def get(r: Registry, algorithm: str) -> None:
    """A blob that was pushed is pulled as it was ({variant})."""
    blob = pushed(r, algorithm)
    answer = r.get(r.blob_path(blob.digest))
    r.status(answer, 200, "R-030")
    r.body(answer, blob.data, "R-030")
