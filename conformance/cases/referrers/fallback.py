"""Tags in the form of the fallback for referrers, and what deletions do to the list of referrers."""

import json
from typing import Any

from conformance.case import case
from conformance.cases.paging.steps import all_tags, eventually, remove_tag
from conformance.cases.referrers.steps import (
    Referrer,
    artifact,
    exactly,
    index,
    listing,
    push,
    subject_of,
    type_of,
    unpushed,
)
from conformance.cases.steps import ACCEPT
from conformance.client.registry import OCI_INDEX, Content, Registry
from conformance.model import Category, Duty

DISCOVERY, MANAGEMENT = Category.DISCOVERY, Category.MANAGEMENT
REFERRERS = "Referrers"


def fallback_tag(digest: str) -> str:
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"


def fallback_index(*referrers: Referrer) -> Content:
    entries = [one.content.descriptor(one.media_type, artifactType=one.artifact_type) for one in referrers]
    fields: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return Content(json.dumps(fields).encode())


def remove_manifest(r: Registry, digest: str) -> None:
    """Delete a manifest; skips where that is switched off."""
    answer = r.delete(r.manifest_path(digest))
    if answer.status in (400, 405):
        r.skip("manifests cannot be deleted")
    r.status(answer, 202, "R-183")


@case("R-172", category=DISCOVERY, api="Tag listing")
def ordinary_tag(r: Registry) -> None:
    """A tag in the form of the fallback is pushed, listed and pulled like any other."""
    subject = subject_of(r)
    one = artifact(r, subject)
    push(r, one)
    tag = fallback_tag(subject.digest)
    r.push_manifest(fallback_index(one), tag, OCI_INDEX)
    answer = r.get(r.manifest_path(tag), ACCEPT)
    r.status(answer, 200, "R-172")
    r.that(one.digest.encode() in answer.body, "R-172", f"an index with {one.digest}", answer.body[:500])
    tags = all_tags(r)
    r.that(tags.count(tag) == 1, "R-172", f"tag {tag} once", tags[:50])


@case("R-172", category=MANAGEMENT, api="Tag delete")
def ordinary_deletion(r: Registry) -> None:
    """A tag in the form of the fallback can be deleted, and its referrers are still listed."""
    subject = subject_of(r)
    one = artifact(r, subject)
    push(r, one)
    tag = fallback_tag(subject.digest)
    r.push_manifest(fallback_index(one), tag, OCI_INDEX)
    remove_tag(r, tag)
    r.that(
        eventually(r, lambda: r.head(r.manifest_path(tag), ACCEPT).status == 404),
        "R-172",
        "status 404 for the tag",
        "200",
    )
    exactly(r, listing(r, subject.digest), [one], "R-223")


@case("R-223", "R-165", category=DISCOVERY, api=REFERRERS)
def listed_in_both(r: Registry) -> None:
    """A referrer that stands in the index of a fallback tag too is listed once, and that index is not."""
    subject = subject_of(r)
    before, after = artifact(r, subject), artifact(r, subject)
    push(r, before)
    r.push_manifest(fallback_index(before), fallback_tag(subject.digest), OCI_INDEX)
    push(r, after)
    exactly(r, listing(r, subject.digest), [before, after], "R-223")


@case("R-154", category=DISCOVERY, api=REFERRERS)
def without_subject(r: Registry) -> None:
    """A manifest without a subject is no referrer, even if the index of a fallback tag lists it."""
    subject = subject_of(r)
    one, other = artifact(r, subject), artifact(r, None)
    push(r, one, other)
    r.push_manifest(fallback_index(one, other), fallback_tag(subject.digest), OCI_INDEX)
    exactly(r, listing(r, subject.digest), [one])


@case("R-188", category=MANAGEMENT, api=REFERRERS, variants=("image", "index"))
def deleted(r: Registry, of: str) -> None:
    """A deleted {variant} is no longer among the referrers, and the others still are."""
    subject = subject_of(r)
    one = {"image": artifact, "index": index}[of](r, subject)
    other = artifact(r, subject)
    push(r, one, other)
    remove_manifest(r, one.digest)
    eventually(r, lambda: one.digest not in listing(r, subject.digest).digests)
    exactly(r, listing(r, subject.digest), [other], "R-188")


@case("R-188", "R-150", category=MANAGEMENT, api=REFERRERS)
def last_deleted(r: Registry) -> None:
    """After the last referrer was deleted the list is empty, filtered too."""
    subject = subject_of(r)
    one = artifact(r, subject, artifactType=type_of(r))
    push(r, one)
    remove_manifest(r, one.digest)
    eventually(r, lambda: not listing(r, subject.digest).entries)
    exactly(r, listing(r, subject.digest), [], "R-188")
    exactly(r, listing(r, subject.digest, artifactType=str(one.artifact_type)), [], "R-188")


@case("R-223", "R-188", category=MANAGEMENT, api=REFERRERS)
def deleted_and_pushed(r: Registry) -> None:
    """A referrer that is pushed again after its deletion is listed again, once."""
    subject = subject_of(r)
    one = artifact(r, subject)
    push(r, one)
    remove_manifest(r, one.digest)
    eventually(r, lambda: not listing(r, subject.digest).entries)
    push(r, one)
    exactly(r, listing(r, subject.digest), [one], "R-223")


@case("R-154", category=MANAGEMENT, api=REFERRERS)
def untagged(r: Registry) -> None:
    """A referrer whose only tag was deleted is still listed."""
    subject = subject_of(r)
    one, tag = artifact(r, subject), r.tag()
    push(r, one, tag=tag)
    remove_tag(r, tag)
    if r.head(r.manifest_path(one.digest), ACCEPT).status == 404:
        r.skip("a manifest without tags is gone")
    exactly(r, listing(r, subject.digest), [one])


@case("R-150", "R-187", category=MANAGEMENT, api=REFERRERS, duty=Duty.MUST)
def subject_deleted(r: Registry) -> None:
    """After its subject was deleted a referrer is listed or gone with it: the list itself is answered 200."""
    subject = subject_of(r)
    one = artifact(r, subject)
    push(r, one)
    remove_manifest(r, subject.digest)
    found = listing(r, subject.digest).digests
    there = r.head(r.manifest_path(one.digest), ACCEPT).status == 200
    r.that(found in ([], [one.digest]) and (bool(found) or not there), "R-154", "the referrer, if it is there", found)


@case("R-158", category=MANAGEMENT, api=REFERRERS, data="missing-subject")
def missing_subject_deleted(r: Registry) -> None:
    """The referrer of a missing subject is dropped from the list when it is deleted."""
    subject_of(r)
    subject = unpushed(r)
    one, other = artifact(r, subject), artifact(r, subject)
    push(r, one, other)
    remove_manifest(r, one.digest)
    eventually(r, lambda: one.digest not in listing(r, subject.digest).digests)
    exactly(r, listing(r, subject.digest), [other], "R-158")
