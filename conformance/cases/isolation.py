"""Repositories side by side: what is listed, pulled and deleted in one of them leaves the others alone."""

from conformance.case import case
from conformance.cases.deletes.steps import delete, gone, there
from conformance.cases.paging.steps import all_tags
from conformance.cases.referrers.steps import artifact, exactly, listing, push, subject_of
from conformance.client.registry import Registry, manifest
from conformance.model import Category

DISCOVERY, MANAGEMENT = Category.DISCOVERY, Category.MANAGEMENT


@case("R-140", category=DISCOVERY, api="Tag listing", variants=("beside", "below"))
def tags(r: Registry, where: str) -> None:
    """The list has the tags of its own repository only, not those of one {variant}."""
    second = r.other if where == "beside" or r.target.fixed else f"{r.name}/below"
    mine, theirs = r.tag(), r.tag()
    r.push_image(mine)
    r.push_image(theirs, second)
    for name, wanted, foreign in ((None, mine, theirs), (second, theirs, mine)):
        found = all_tags(r, name)
        r.that(wanted in found and foreign not in found, "R-140", f"{wanted} and not {foreign}", found[:50])


@case("R-020", "R-025", category=DISCOVERY, api="Manifest get by tag")
def same_tag(r: Registry) -> None:
    """The same tag in two repositories is two tags, and moving one does not move the other."""
    tag = r.tag()
    r.push_image(tag)
    second = r.push_image(tag, r.other)
    moved = r.push_image(tag)
    r.body(there(r, r.manifest_path(tag), "R-020", "the moved tag"), moved.data, "R-020")
    r.body(there(r, r.manifest_path(tag, r.other), "R-020", "the other one"), second.data, "R-020")


@case("R-154", category=DISCOVERY, api="Referrers")
def referrers(r: Registry) -> None:
    """A referrer is listed in its own repository only, although the subject is in both."""
    subject = subject_of(r)
    subject_of(r, r.other)
    one, other = artifact(r, subject), artifact(r, subject)
    push(r, one)
    push(r, other, name=r.other)
    exactly(r, listing(r, subject.digest), [one])
    exactly(r, listing(r, subject.digest, r.other), [other])


@case("R-182", category=MANAGEMENT, api="Tag delete")
def tag_deleted(r: Registry) -> None:
    """A tag deleted in one repository stays in another."""
    tag = r.tag()
    r.push_image(tag)
    second = r.push_image(tag, r.other)
    delete(r, r.manifest_path(tag), "R-181", "tags")
    r.body(there(r, r.manifest_path(tag, r.other), "R-182", "the other one"), second.data, "R-020")


@case("R-184", category=MANAGEMENT, api="Manifest delete")
def manifest_deleted(r: Registry) -> None:
    """A manifest deleted in one repository stays in another, with its tag and its blobs."""
    config, layer, tag = r.config(), r.content(), r.tag()
    image = manifest(config, [layer])
    for name in (r.name, r.other):
        for blob in (config, layer):
            r.push_blob(blob, name)
        r.push_manifest(image, tag, name=name)
    delete(r, r.manifest_path(image.digest), "R-183", "manifests")
    gone(r, r.manifest_path(image.digest), "R-184", "the manifest")
    for path in (r.manifest_path(image.digest, r.other), r.manifest_path(tag, r.other)):
        r.body(there(r, path, "R-184", "the other one"), image.data, "R-020")
    r.body(there(r, r.blob_path(layer.digest, r.other), "R-030", "its layer"), layer.data, "R-030")


@case("R-185", category=MANAGEMENT, api="Blob delete")
def blob_deleted(r: Registry) -> None:
    """A blob that was pushed to two repositories and deleted in one stays in the other."""
    content = r.push_blob(r.content())
    r.push_blob(content, r.other)
    delete(r, r.blob_path(content.digest), "R-185", "blobs")
    gone(r, r.blob_path(content.digest), "R-185", "the blob")
    r.body(there(r, r.blob_path(content.digest, r.other), "R-185", "the other one"), content.data, "R-030")
