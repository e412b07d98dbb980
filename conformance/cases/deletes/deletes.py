"""Deleting tags and manifests: what goes, and what stays."""

from conformance.case import case
from conformance.cases.deletes.steps import REFUSED, at_once, delete, gone, there
from conformance.cases.paging.steps import all_tags, eventually
from conformance.cases.steps import ACCEPT
from conformance.client.registry import OCI_INDEX, OCI_MANIFEST, Content, Registry, index
from conformance.model import Category, Duty

MANAGEMENT = Category.MANAGEMENT
TAG, MANIFEST = "Tag delete", "Manifest delete"
ANSWERED = (202, *range(400, 500))
ALGORITHMS = ("sha256", "sha512")


def tagged(r: Registry, *tags: str, name: str | None = None) -> Content:
    """An image under these tags."""
    image = r.image(name=name)
    for tag in tags:
        r.push_manifest(image, tag, name=name)
    return image


@case("R-181", "R-182", category=MANAGEMENT, api=TAG, official="image/delete")
def tag(r: Registry) -> None:
    """A deleted tag is answered 202, and then 404 to GET and HEAD."""
    tag = r.tag()
    tagged(r, tag)
    delete(r, r.manifest_path(tag), "R-181", "tags")
    gone(r, r.manifest_path(tag), "R-182", "the tag")


@case("R-182", category=MANAGEMENT, api=TAG)
def tag_keeps_manifest(r: Registry) -> None:
    """The manifest of a deleted tag can still be pulled by its digest, unchanged."""
    tag = r.tag()
    image = tagged(r, tag)
    delete(r, r.manifest_path(tag), "R-181", "tags")
    r.body(there(r, r.manifest_path(image.digest), "R-182", "the manifest"), image.data, "R-182")


@case("R-182", category=MANAGEMENT, api=TAG)
def tag_keeps_others(r: Registry) -> None:
    """Other tags stay: of the same manifest, of another one, and one that begins alike."""
    first = r.tag()
    same, other, longer = r.tag(), r.tag(), f"{first}-1"
    image, another = tagged(r, first, same, longer), tagged(r, other)
    delete(r, r.manifest_path(first), "R-181", "tags")
    for tag, wanted in ((same, image), (longer, image), (other, another)):
        r.body(there(r, r.manifest_path(tag), "R-182", f"tag {tag}"), wanted.data, "R-182")
    tags = all_tags(r)
    r.that({same, other, longer} <= set(tags), "R-182", f"{[same, other, longer]} in the list", tags[:50])


@case("R-182", category=MANAGEMENT, api=TAG)
def tag_unlisted(r: Registry) -> None:
    """A deleted tag is no longer in the list of tags."""
    kept, tag = r.tag(), r.tag()
    tagged(r, kept, tag)
    delete(r, r.manifest_path(tag), "R-181", "tags")
    eventually(r, lambda: tag not in all_tags(r))
    tags = all_tags(r)
    r.that(tag not in tags and kept in tags, "R-182", f"{kept} and not {tag} in the list", tags[:50])


@case("R-186", category=MANAGEMENT, api="Tag delete atomic", official="image/delete")
def tag_at_once(r: Registry) -> None:
    """A deleted tag is gone with the answer."""
    tag = r.tag()
    tagged(r, tag)
    delete(r, r.manifest_path(tag), "R-181", "tags")
    at_once(r, r.manifest_path(tag), "R-186")


@case("R-182", category=MANAGEMENT, api=TAG)
def tag_pushed_again(r: Registry) -> None:
    """A deleted tag can be pushed again, for another manifest."""
    tag = r.tag()
    tagged(r, tag)
    delete(r, r.manifest_path(tag), "R-181", "tags")
    eventually(r, lambda: r.head(r.manifest_path(tag), ACCEPT).status == 404)
    image = r.push_image(tag)
    r.body(there(r, r.manifest_path(tag), "R-020", "the tag pushed again"), image.data, "R-126")


@case("R-189", category=MANAGEMENT, api=TAG, variants=("unknown", "deleted before"))
def tag_unknown(r: Registry, how: str) -> None:
    """Deleting a tag that is {variant} is answered 404 with MANIFEST_UNKNOWN."""
    tag = r.tag()
    tagged(r, r.tag())
    if how != "unknown":
        tagged(r, tag)
        delete(r, r.manifest_path(tag), "R-181", "tags")
        eventually(r, lambda: r.head(r.manifest_path(tag), ACCEPT).status == 404)
    unknown(r, tag)


def unknown(r: Registry, reference: str) -> None:
    answer = r.delete(r.manifest_path(reference))
    if answer.status in REFUSED:
        r.skip("it cannot be deleted")
    r.status(answer, 404, "R-189")
    r.error(answer, ("MANIFEST_UNKNOWN", "NAME_UNKNOWN"), "R-189")


@case("R-183", "R-184", category=MANAGEMENT, api=MANIFEST, data="image", official=("image/delete", "sha512/delete"),
      variants=ALGORITHMS)  # fmt: skip
def manifest(r: Registry, algorithm: str) -> None:
    """A manifest deleted by digest is answered 202, and then 404 to GET and HEAD ({variant})."""
    r.needs(algorithm)
    image = r.push_image(algorithm=algorithm)
    delete(r, r.manifest_path(image.digest), "R-183", "manifests")
    gone(r, r.manifest_path(image.digest), "R-184", "the manifest")


@case("R-184", category=MANAGEMENT, api=MANIFEST, official="image/delete")
def manifest_takes_tags(r: Registry) -> None:
    """Every tag of a deleted manifest is gone, from the list too, and no other tag."""
    tags, kept = [r.tag(), r.tag()], r.tag()
    image = tagged(r, *tags)
    another = tagged(r, kept)
    delete(r, r.manifest_path(image.digest), "R-183", "manifests")
    for tag in tags:
        gone(r, r.manifest_path(tag), "R-184", f"tag {tag}")
    r.body(there(r, r.manifest_path(kept), "R-184", "another image's tag"), another.data, "R-184")
    listed = all_tags(r)
    r.that(kept in listed and not set(tags) & set(listed), "R-184", f"{kept}, but not {tags}", listed[:50])


@case("R-184", category=MANAGEMENT, api=MANIFEST)
def manifest_keeps_moved_tag(r: Registry) -> None:
    """A tag that has moved to another manifest stays when the first one is deleted."""
    tag = r.tag()
    first, second = tagged(r, tag), tagged(r, tag)
    delete(r, r.manifest_path(first.digest), "R-183", "manifests")
    r.body(there(r, r.manifest_path(tag), "R-184", "the tag of another manifest"), second.data, "R-184")


@case("R-186", category=MANAGEMENT, api="Manifest delete atomic", official="image/delete")
def manifest_at_once(r: Registry) -> None:
    """A deleted manifest is gone with the answer."""
    image = r.push_image()
    delete(r, r.manifest_path(image.digest), "R-183", "manifests")
    at_once(r, r.manifest_path(image.digest), "R-186")


@case("R-183", category=MANAGEMENT, api=MANIFEST)
def manifest_pushed_again(r: Registry) -> None:
    """A deleted manifest can be pushed again, and is there."""
    image = r.push_image()
    delete(r, r.manifest_path(image.digest), "R-183", "manifests")
    eventually(r, lambda: r.head(r.manifest_path(image.digest), ACCEPT).status == 404)
    r.push_manifest(image, r.tag())
    r.body(there(r, r.manifest_path(image.digest), "R-020", "pushed again"), image.data, "R-020")


@case("R-183", category=MANAGEMENT, api=MANIFEST)
def manifest_of_nowhere(r: Registry) -> None:
    """Deleting a manifest of an unknown repository is answered 404."""
    path = r.manifest_path(r.content().digest, f"{r.name}/{r.tag('none')}")
    answer = r.delete(path)
    if answer.status in REFUSED:
        r.skip("manifests cannot be deleted")
    r.status(answer, 404, "R-183")


@case("R-189", category=MANAGEMENT, api=MANIFEST, variants=("unknown", "deleted before"))
def manifest_unknown(r: Registry, how: str) -> None:
    """Deleting a manifest that is {variant} is answered 404 with MANIFEST_UNKNOWN."""
    image = r.push_image()
    if how == "unknown":
        return unknown(r, r.content().digest)
    delete(r, r.manifest_path(image.digest), "R-183", "manifests")
    eventually(r, lambda: r.head(r.manifest_path(image.digest), ACCEPT).status == 404)
    return unknown(r, image.digest)


@case("R-184", category=MANAGEMENT, api=MANIFEST, data="index", official="index/delete")
def index_keeps_images(r: Registry) -> None:
    """A deleted index is gone, and its images are still there."""
    images = [r.push_image(), r.push_image()]
    listing = index(images)
    r.push_manifest(listing, None, OCI_INDEX)
    delete(r, r.manifest_path(listing.digest), "R-183", "manifests")
    gone(r, r.manifest_path(listing.digest), "R-184", "the index")
    for image in images:
        r.body(there(r, r.manifest_path(image.digest), "R-020", "an image of it"), image.data, "R-020")


@case("R-187", category=MANAGEMENT, api=MANIFEST, duty=Duty.MUST)
def image_of_index(r: Registry) -> None:
    """Deleting an image that an index lists is done, or refused as the client's fault; the index stays."""
    image = r.push_image()
    listing = index([image])
    r.push_manifest(listing, None, OCI_INDEX)
    answer = r.delete(r.manifest_path(image.digest))
    r.that(answer.status in ANSWERED, "R-187", "status 202 or 4xx", answer.status)
    if answer.status != 202:
        there(r, r.manifest_path(image.digest), "R-187", "what was not deleted")
    there(r, r.manifest_path(listing.digest), "R-187", "the index")


@case("R-181", "R-183", "R-185", category=MANAGEMENT, api=MANIFEST, variants=("tag", "manifest", "blob"))
def switched_off(r: Registry, what: str) -> None:
    """Where a {variant} cannot be deleted it stays, and the code is UNSUPPORTED if there is one."""
    tag, blob = r.tag(), r.push_blob(r.content())
    image = tagged(r, tag)
    path, requirement = {
        "tag": (r.manifest_path(tag), "R-181"),
        "manifest": (r.manifest_path(image.digest), "R-183"),
        "blob": (r.blob_path(blob.digest), "R-185"),
    }[what]
    answer = r.delete(path)
    if answer.status == 202:
        r.skip("it can be deleted")
    r.status(answer, (202, *REFUSED), requirement)
    there(r, path, requirement, "what cannot be deleted")
    r.error(answer, "UNSUPPORTED", requirement)


@case("R-183", category=MANAGEMENT, api=MANIFEST, data="empty-index", official="empty-index/delete")
def empty_index(r: Registry) -> None:
    """An index without entries can be deleted like any other manifest."""
    listing = index([], annotations={"org.example.number": r.tag()})
    r.push_manifest(listing, None, OCI_INDEX)
    delete(r, r.manifest_path(listing.digest), "R-183", "manifests")
    gone(r, r.manifest_path(listing.digest), "R-184", "the index")


@case("R-184", category=MANAGEMENT, api=MANIFEST)
def manifest_keeps_blobs_of_others(r: Registry) -> None:
    """The blobs that a deleted manifest shares with another one can still be pulled."""
    image = r.image()
    other = Content(image.data.replace(b'"schemaVersion"', b' "schemaVersion"'))
    for one in (image, other):
        r.push_manifest(one, None, OCI_MANIFEST)
    delete(r, r.manifest_path(image.digest), "R-183", "manifests")
    fields = there(r, r.manifest_path(other.digest), "R-184", "the other manifest").json()
    for entry in (fields["config"], *fields["layers"]):
        there(r, r.blob_path(entry["digest"]), "R-184", "a blob of the other manifest")
