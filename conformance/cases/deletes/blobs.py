"""Deleting blobs."""

import json

from conformance.case import case
from conformance.cases.deletes.steps import REFUSED, at_once, delete, gone, there
from conformance.cases.paging.steps import eventually
from conformance.client.registry import Content, Registry
from conformance.model import Category, Duty

MANAGEMENT = Category.MANAGEMENT
BLOB = "Blob delete"
ANSWERED = (202, *range(400, 500))
ALGORITHMS = ("sha256", "sha512")


@case("R-185", category=MANAGEMENT, api=BLOB, data="Blobs {variant}", official="blob-delete", variants=ALGORITHMS)
def blob(r: Registry, algorithm: str) -> None:
    """A deleted blob is answered 202, and then 404 to GET and HEAD ({variant})."""
    r.needs(algorithm)
    content = r.push_blob(r.content(algorithm=algorithm))
    delete(r, r.blob_path(content.digest), "R-185", "blobs")
    gone(r, r.blob_path(content.digest), "R-185", "the blob")


@case("R-186", category=MANAGEMENT, api="Blob delete atomic", official="blob-delete")
def at_once_gone(r: Registry) -> None:
    """A deleted blob is gone with the answer."""
    content = r.push_blob(r.content())
    delete(r, r.blob_path(content.digest), "R-185", "blobs")
    at_once(r, r.blob_path(content.digest), "R-186")


@case("R-185", category=MANAGEMENT, api=BLOB, variants=("unknown", "deleted before", "of another repository"))
def unknown(r: Registry, how: str) -> None:
    """Deleting a blob that is {variant} is answered 404."""
    content = r.content()
    r.push_blob(r.content())
    if how == "deleted before":
        r.push_blob(content)
        delete(r, r.blob_path(content.digest), "R-185", "blobs")
        eventually(r, lambda: r.head(r.blob_path(content.digest)).status == 404)
    elif how == "of another repository":
        r.push_blob(content, r.other)
    answer = r.delete(r.blob_path(content.digest))
    if answer.status in REFUSED:
        r.skip("blobs cannot be deleted")
    r.status(answer, 404, "R-185")
    r.error(answer, ("BLOB_UNKNOWN", "NAME_UNKNOWN"), "R-201")


@case("R-185", category=MANAGEMENT, api=BLOB)
def of_nowhere(r: Registry) -> None:
    """Deleting a blob of an unknown repository is answered 404."""
    answer = r.delete(r.blob_path(r.content().digest, f"{r.name}/{r.tag('none')}"))
    if answer.status in REFUSED:
        r.skip("blobs cannot be deleted")
    r.status(answer, 404, "R-185")


@case("R-060", "R-185", category=MANAGEMENT, api=BLOB)
def pushed_again(r: Registry) -> None:
    """A deleted blob can be pushed again, and is there."""
    content = r.push_blob(r.content())
    delete(r, r.blob_path(content.digest), "R-185", "blobs")
    eventually(r, lambda: r.head(r.blob_path(content.digest)).status == 404)
    r.push_blob(content)
    r.body(there(r, r.blob_path(content.digest), "R-060", "the blob pushed again"), content.data, "R-030")


@case("R-185", category=MANAGEMENT, api=BLOB)
def others_stay(r: Registry) -> None:
    """The other blobs of the repository stay."""
    content, other = r.push_blob(r.content()), r.push_blob(r.content())
    delete(r, r.blob_path(content.digest), "R-185", "blobs")
    r.body(there(r, r.blob_path(other.digest), "R-185", "another blob"), other.data, "R-030")


@case("R-187", category=MANAGEMENT, api=BLOB, duty=Duty.MUST, variants=("layer", "config"))
def of_image(r: Registry, what: str) -> None:
    """Deleting a {variant} of an image is done, put off, or refused as the client's fault."""
    image: Content = r.push_image()
    fields = json.loads(image.data)
    digest = (fields["config"] if what == "config" else fields["layers"][0])["digest"]
    answer = r.delete(r.blob_path(digest))
    r.that(answer.status in ANSWERED, "R-187", "status 202 or 4xx", answer.status)
    if answer.status != 202:
        there(r, r.blob_path(digest), "R-187", "what was not deleted")
    r.body(there(r, r.manifest_path(image.digest), "R-187", "the image's manifest"), image.data, "R-187")
