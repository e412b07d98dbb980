"""docker-distribution's wire: pushing, pulling, moving and deleting manifests."""

import json

from conformance.case import case
from conformance.cases.deletes.steps import REFUSED, delete, gone
from conformance.cases.docker.steps import DIGEST, bare, coded, fine, refused
from conformance.cases.steps import ACCEPT, own_names, served
from conformance.client.registry import OCI_MANIFEST, Content, Registry, manifest
from conformance.client.wire import Answer
from conformance.model import Category

DOCKER = Category.DOCKER
PUT, GET, DELETE, UNTAG = "Manifest put by tag", "Manifest get by tag", "Manifest delete", "Tag delete"
UNKNOWN = ("tag", "digest", "repository")


def ask(r: Registry, reference: str, *more: tuple[str, str]) -> Answer:
    return r.get(r.manifest_path(reference), [*ACCEPT, *more])


@case("D-M1", category=DOCKER, api=GET, variants=UNKNOWN)
def unknown(r: Registry, variant: str) -> None:
    """GET and HEAD by an unknown {variant} are answered 404 with a code that says so."""
    r.push_image(r.tag())
    name = r.name
    if variant == "repository":
        own_names(r)
        name = f"{r.name}/{r.tag('none')}"
    path = r.manifest_path(r.content().digest if variant == "digest" else r.tag("none"), name)
    codes = ("MANIFEST_UNKNOWN", "NAME_UNKNOWN") if variant == "repository" else "MANIFEST_UNKNOWN"
    refused(r, r.get(path, ACCEPT), 404, codes, "D-M1", f"GET by an unknown {variant}")
    r.status(r.head(path, ACCEPT), 404, "D-M1", f"HEAD by an unknown {variant}")


@case("D-M2", category=DOCKER, api=PUT)
def blobs_missing(r: Registry) -> None:
    """A manifest of three missing blobs is refused with an error for each, and with two when one has come."""
    config, layers = r.config(), [r.content(), r.content()]
    r.push_blob(r.content())
    image = manifest(config, layers)
    for count in (3, 2):
        answer = r.put_manifest(image, r.tag())
        if answer.status == 201:
            r.skip("manifests are accepted before their blobs")
        r.status(answer, 400, "D-M2", f"a manifest with {count} missing blobs")
        found = coded(r, answer, "MANIFEST_BLOB_UNKNOWN", "D-M2")
        r.that(found == ["MANIFEST_BLOB_UNKNOWN"] * count, "D-M2", f"{count} times MANIFEST_BLOB_UNKNOWN", found)
        r.push_blob(config)


@case("D-M3", category=DOCKER, api=PUT, variants=("tag", "digest"))
def put(r: Registry, by: str) -> None:
    """PUT by {variant} is answered 201, with the digest and a Location by digest."""
    image = r.image()
    answer = r.put_manifest(image, r.tag() if by == "tag" else None)
    r.status(answer, 201, "D-M3")
    r.header(answer, DIGEST, image.digest, "D-M3")
    location = r.location(answer, "D-M3")
    r.that(location.partition("?")[0].endswith(image.digest), "D-M3", "a Location by digest", location)
    served(r, r.get(location, ACCEPT), image, "D-M3", "GET of the Location")


@case("D-M4", category=DOCKER, api="Manifest put by digest")
def put_by_wrong_digest(r: Registry) -> None:
    """PUT by the digest of other bytes is refused with DIGEST_INVALID, and stores nothing."""
    image, wrong = r.image(), r.content().digest
    refused(r, r.put_manifest(image, wrong), 400, "DIGEST_INVALID", "D-M4", "PUT by a wrong digest")
    for digest in (wrong, image.digest):
        r.status(ask(r, digest), 404, "D-M4", "what was refused")


@case("D-M5", category=DOCKER, api=GET, variants=("tag", "digest"))
def read(r: Registry, by: str) -> None:
    """GET and HEAD by {variant} have type, length, digest and ETag, and GET the exact bytes."""
    tag = r.tag()
    image = r.push_image(tag)
    path = r.manifest_path(tag if by == "tag" else image.digest)
    answers = r.get(path, ACCEPT), r.head(path, ACCEPT)
    r.body(answers[0], image.data, "D-M5")
    for answer in answers:
        r.status(answer, 200, "D-M5")
        r.header(answer, "content-type", OCI_MANIFEST, "D-M5")
        r.header(answer, "content-length", str(image.size), "D-M5")
        r.header(answer, DIGEST, image.digest, "D-M5")
        r.header(answer, "etag", lambda value: image.digest in value, "D-M5")


@case("D-M6", category=DOCKER, api=GET, variants=("in quotes", "bare"))
def if_none_match(r: Registry, form: str) -> None:
    """If-None-Match with the digest {variant} is answered 304, by tag and by digest."""
    tag = r.tag()
    image = r.push_image(tag)
    value = f'"{image.digest}"' if form == "in quotes" else image.digest
    for reference in (tag, image.digest):
        r.status(ask(r, reference, ("If-None-Match", value)), 304, "D-M6", f"the digest {form}")
        r.status(ask(r, reference, ("If-None-Match", f'"{r.content().digest}"')), 200, "D-M6", "another digest")


@case("D-M7", category=DOCKER, api="Tag listing")
def tag_listed(r: Registry) -> None:
    """A pushed tag is listed, once, also when it was pushed twice."""
    tag = r.tag()
    image = r.push_image(tag)
    r.push_manifest(image, tag)
    fields = r.get(r.tags_path()).json()
    tags = fields.get("tags") if isinstance(fields, dict) else None
    r.that(isinstance(tags, list) and tags.count(tag) == 1, "D-M7", f"{tag} once", tags)


@case("D-M9", category=DOCKER, api=PUT)
def too_large(r: Registry) -> None:
    """A manifest that is too large for the registry is answered 413."""
    for size in (4 * 1024 * 1024 + 1, 9 * 1024 * 1024):
        fields = json.loads(r.image().data) | {"annotations": {"padding": "p" * size}}
        large = Content(json.dumps(fields).encode())
        answer = r.put_manifest(large, r.tag())
        if answer.status != 201:
            r.status(answer, 413, "D-M9", f"a manifest of {large.size} bytes")
            return
    r.skip("manifests of 9 MiB are accepted")


@case("D-M19", category=DOCKER, api=PUT)
def put_again(r: Registry) -> None:
    """Pushing the same manifest again is answered 201 and changes nothing."""
    tag = r.tag()
    image = r.push_image(tag)
    answer = r.put_manifest(image, tag)
    r.status(answer, 201, "D-M19", "the second push")
    served(r, ask(r, tag), image, "D-M19")
    served(r, ask(r, image.digest), image, "D-M19")


@case("D-M20", category=DOCKER, api=PUT)
def tag_moved(r: Registry) -> None:
    """A moved tag gives the new manifest at once, and the old one is there by digest."""
    tag = r.tag()
    for _ in range(3):
        old, new = r.push_image(tag), r.image()
        r.push_manifest(new, tag)
        served(r, ask(r, tag), new, "D-M20", "the moved tag")
        served(r, ask(r, old.digest), old, "D-M20", "the old manifest")


@case("D-M21", category=DOCKER, api=UNTAG)
def untagged(r: Registry) -> None:
    """DELETE by tag is answered 202 without a body; the tag is gone and the manifest is not."""
    tag = r.tag()
    image = r.push_image(tag)
    bare(r, delete(r, r.manifest_path(tag), "D-M21", "a tag"), "D-M21")
    gone(r, r.manifest_path(tag), "D-M21", "the tag")
    served(r, ask(r, image.digest), image, "D-M21", "its manifest")


@case("D-M21", category=DOCKER, api=UNTAG)
def unknown_untagged(r: Registry) -> None:
    """DELETE of an unknown tag is answered 404."""
    image = r.push_image(r.tag())
    answer = r.delete(r.manifest_path(r.tag("none")))
    if answer.status in REFUSED:
        r.skip("tags cannot be deleted")
    r.status(answer, 404, "D-M21", "DELETE of an unknown tag")
    served(r, ask(r, image.digest), image, "D-M21")


@case("D-M22", category=DOCKER, api=DELETE)
def deleted(r: Registry) -> None:
    """DELETE by digest takes the tags along; a second one is answered 404."""
    tags = [r.tag(), r.tag()]
    image = r.image()
    for tag in tags:
        r.push_manifest(image, tag)
    path = r.manifest_path(image.digest)
    delete(r, path, "D-M22", "a manifest")
    for reference in (image.digest, *tags):
        gone(r, r.manifest_path(reference), "D-M22", "the manifest or a tag of it")
    r.status(r.delete(path), 404, "D-M22", "a second DELETE")


@case("D-M22", category=DOCKER, api=DELETE)
def deleted_and_pushed(r: Registry) -> None:
    """A manifest that was deleted is pushed again with the same bytes."""
    config, layer = r.push_blob(r.config()), r.push_blob(r.content())
    image = manifest(config, [layer])
    r.push_manifest(image)
    delete(r, r.manifest_path(image.digest), "D-M22", "a manifest")
    for blob in (config, layer):
        r.push_blob(blob)
    r.push_manifest(image)
    served(r, ask(r, image.digest), image, "D-M22", "pushed again")


@case("D-M23", category=DOCKER, api=DELETE)
def deletion_off(r: Registry) -> None:
    """DELETE of a manifest is answered 405 where it is switched off, and removes nothing."""
    image = r.push_image(r.tag())
    answer = r.delete(r.manifest_path(image.digest))
    if answer.status == 202:
        r.skip("manifests can be deleted")
    r.status(answer, 405, "D-M23")
    served(r, ask(r, image.digest), image, "D-M23")


@case("D-M24", category=DOCKER, api=DELETE, variants=("sha256:", "sha256:0123", "sha256:" + "g" * 64))
def deleted_by_bad_digest(r: Registry, digest: str) -> None:
    """DELETE by {variant} is refused."""
    r.push_image(r.tag())
    answer = r.delete(r.manifest_path(digest))
    fine(r, answer, "D-M24", f"DELETE of {digest}")
    r.status(answer, (400, 404, 405), "D-M24", f"DELETE of {digest}")


@case("D-M26", category=DOCKER, api=PUT)
def two_writers(r: Registry) -> None:
    """Of two images pushed at once to one tag one wins whole, and both are there."""
    tag = r.tag()
    images = [r.image(), r.image()]
    answers = r.together(*(lambda view, i=image: view.put_manifest(i, tag) for image in images))
    statuses = [answer.status for answer in answers]
    r.that(statuses == [201, 201], "D-M26", "status 201 for both", statuses)
    answer = ask(r, tag)
    r.status(answer, 200, "D-M26")
    r.that(answer.body in [image.data for image in images], "D-M26", "one of both images", answer.body[:200])
    r.header(answer, DIGEST, Content(answer.body).digest, "D-M26")
    for image in images:
        served(r, ask(r, image.digest), image, "D-M26")


@case("D-M29", category=DOCKER, api=PUT)
def whitespace(r: Registry) -> None:
    """The same manifest in other whitespace is another manifest, and both are kept as they are."""
    fields = json.loads(r.image().data)
    forms = [
        Content(json.dumps(fields, indent=indent, separators=pair).encode())
        for indent, pair in ((None, (",", ":")), (3, (",", ": ")), (None, (", ", ": ")))
    ]
    for form in forms:
        r.push_manifest(form, r.tag())
    for form in forms:
        served(r, ask(r, form.digest), form, "D-M29")
