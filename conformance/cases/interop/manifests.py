"""How clients handle manifests: large ones, referrers, children of an index, tags and their deletion."""

import json

from conformance.case import case
from conformance.cases.deletes.steps import REFUSED, delete, gone, there
from conformance.cases.referrers.fallback import fallback_index, fallback_tag
from conformance.cases.referrers.steps import APPLIED, artifact, listing, push, subject_of, type_of
from conformance.cases.steps import ACCEPT, served
from conformance.cases.uploads.steps import begin
from conformance.client.registry import OCI_INDEX, Content, Registry, index
from conformance.client.wire import Answer
from conformance.model import Category

INTEROP = Category.INTEROP
LARGEST = 4 * 1024 * 1024
NOBODY = {"a digest never pushed": "", "the digest of zeros": "sha256:" + "0" * 64}


@case("C-19", category=INTEROP, api="Manifest put by tag", variants=("1", "4"))
def large_manifest(r: Registry, mebibytes: str) -> None:
    """A manifest of {variant} MiB is pushed and pulled."""
    size = int(mebibytes) * LARGEST // 4
    plain = json.loads(r.image().data)
    empty = len(json.dumps(plain | {"annotations": {"p": ""}}))
    large = Content(json.dumps(plain | {"annotations": {"p": "p" * (size - empty)}}).encode())
    tag = r.tag()
    answer = r.put_manifest(large, tag)
    r.status(answer, 201, "C-19", f"a manifest of {large.size} bytes")
    served(r, r.get(r.manifest_path(tag), ACCEPT), large, "C-19")


def offered(r: Registry, answer: Answer) -> None:
    """The list of an unknown subject, in the exact type that oras compares with."""
    r.status(answer, 200, "C-20", "referrers of an unknown subject")
    r.header(answer, "content-type", OCI_INDEX, "C-20")
    fields = answer.json()
    found = fields.get("manifests") if isinstance(fields, dict) else None
    r.that(found == [], "C-20", "an index without manifests", answer.body[:300])


@case("C-20", category=INTEROP, api="Referrers", variants=tuple(NOBODY))
def nobody_refers(r: Registry, variant: str) -> None:
    """The referrers of {variant}, which oras probes with, are an empty index."""
    r.push_blob(r.content())
    offered(r, r.get(r.referrers_path(NOBODY[variant] or r.content().digest)))


@case("C-20", category=INTEROP, api="Referrers")
def filter_told(r: Registry) -> None:
    """A list of referrers that was filtered says so."""
    subject = subject_of(r)
    kind = type_of(r)
    wanted, other = artifact(r, subject, artifactType=kind), artifact(r, subject, artifactType=type_of(r))
    push(r, wanted, other)
    answer = r.get(r.referrers_path(subject.digest), artifactType=kind)
    r.status(answer, 200, "C-20")
    r.header(answer, "content-type", OCI_INDEX, "C-20")
    fields = answer.json()
    found = [entry.get("digest") for entry in fields.get("manifests", [])] if isinstance(fields, dict) else []
    r.that(wanted.digest in found, "C-20", f"{wanted.digest} in the list", found)
    if other.digest in found:
        r.skip("referrers are not filtered by artifactType")
    r.header(answer, APPLIED, "artifactType", "C-20")


@case("C-21", category=INTEROP, api="Manifest put with subject", variants=("there", "not there"))
def subject_answered(r: Registry, variant: str) -> None:
    """PUT of a manifest with a subject is answered with OCI-Subject (the subject is {variant})."""
    subject = subject_of(r)
    named = subject if variant == "there" else Content(subject.data + b"\n")
    one = artifact(r, named)
    answer = r.push_manifest(one.content)
    r.header(answer, "oci-subject", named.digest, "C-21")


@case("C-22", category=INTEROP, api="Referrers")
def fallback_merged(r: Registry) -> None:
    """What a client without the referrers API wrote to the fallback tag is in the list, beside what the API has."""
    subject = subject_of(r)
    old, new = artifact(r, subject), artifact(r, subject)
    push(r, old)
    r.push_manifest(fallback_index(old), fallback_tag(subject.digest), OCI_INDEX)
    push(r, new)
    if r.get(r.referrers_path(subject.digest)).status == 404:
        r.skip("there is no referrers API")
    found = listing(r, subject.digest).digests
    r.that({old.digest, new.digest} <= set(found), "C-22", f"both {old.digest} and {new.digest}", found)


@case("C-29", category=INTEROP, api="Manifest delete", variants=("manifest", "tag", "blob"))
def deletion_answered(r: Registry, variant: str) -> None:
    """DELETE of a {variant} is answered 202."""
    tag = r.tag()
    image = r.push_image(tag)
    blob = r.push_blob(r.content())
    paths = {"manifest": r.manifest_path(image.digest), "tag": r.manifest_path(tag), "blob": r.blob_path(blob.digest)}
    delete(r, paths[variant], "C-29", f"a {variant}")


@case("C-29", category=INTEROP, api="Blob upload cancel")
def cancel_answered(r: Registry) -> None:
    """DELETE of an upload is answered 204."""
    answer = r.delete(begin(r).location)
    if answer.status in REFUSED:
        r.skip("uploads cannot be cancelled")
    r.status(answer, 204, "C-29")


@case("C-30", category=INTEROP, api="Tag delete")
def untag(r: Registry) -> None:
    """DELETE by tag takes that tag only: the image stays, and so do its other tags."""
    tag, other = r.tag(), r.tag()
    image = r.push_image(tag)
    r.push_manifest(image, other)
    delete(r, r.manifest_path(tag), "C-30", "a tag")
    gone(r, r.manifest_path(tag), "C-30", "the tag")
    for reference in (other, image.digest):
        served(r, r.get(r.manifest_path(reference), ACCEPT), image, "C-30", "what was not deleted")


@case("C-31", category=INTEROP, api="Manifest delete")
def delete_by_digest(r: Registry) -> None:
    """DELETE by digest takes all tags of the image, as skopeo counts on."""
    tags = [r.tag() for _ in range(3)]
    image = r.image()
    for tag in tags:
        r.push_manifest(image, tag)
    delete(r, r.manifest_path(image.digest), "C-31", "a manifest")
    for reference in (image.digest, *tags):
        gone(r, r.manifest_path(reference), "C-31", "the image or one of its tags")


@case("C-32", category=INTEROP, api="Manifest put by digest")
def children_first(r: Registry) -> None:
    """The images of an index are pushed by digest before it, and each is found by HEAD, before and after."""
    children = [r.push_image() for _ in range(2)]
    for child in children:
        r.status(r.head(r.manifest_path(child.digest), ACCEPT), 200, "C-32", "HEAD of an untagged manifest")
    tag = r.tag()
    parent = index(children)
    r.status(r.put_manifest(parent, tag, OCI_INDEX), 201, "C-32", "the index")
    served(r, there(r, r.manifest_path(tag), "C-32"), parent, "C-32")
    for child in children:
        r.status(r.head(r.manifest_path(child.digest), ACCEPT), 200, "C-32", "HEAD of a manifest of the index")
