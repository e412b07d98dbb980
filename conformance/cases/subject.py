"""Manifests with a subject: accepted in any order, and answered with OCI-Subject."""

from typing import Any

from conformance.case import case
from conformance.cases.datasets.content import EXAMPLE
from conformance.cases.manifests.steps import accepted, has_referrers, needs_manifests, refused
from conformance.client.registry import OCI_INDEX, OCI_MANIFEST, Content, Registry, index
from conformance.client.wire import Answer
from conformance.model import Category

PUSH = Category.PUSH
SUBJECT = "Manifest put with subject"
FORMS = ("image-by-digest", "image-by-tag", "index-by-digest", "index-by-tag")


def referrer(r: Registry, subject: Content, kind: str = "image", media_type: str = OCI_MANIFEST) -> Content:
    """A manifest of this kind with that subject."""
    more: dict[str, Any] = {"artifactType": f"{EXAMPLE}.{kind}", "subject": subject.descriptor(media_type)}
    return r.image(**more) if kind == "image" else index([r.push_image()], **more)


def pushed(r: Registry, subject: Content, form: str = "image-by-digest") -> tuple[Content, Answer]:
    """A referrer of the subject, and the answer to its push."""
    kind, _, by = form.partition("-by-")
    made = referrer(r, subject, kind)
    reference = r.tag() if by == "tag" else None
    answer = accepted(r, made, "R-040", OCI_INDEX if kind == "index" else OCI_MANIFEST, reference)
    return made, answer


def told(r: Registry, answer: Answer, subject: Content) -> None:
    """The answer names the subject (R-130)."""
    found = answer.header("oci-subject")
    r.that(found == subject.digest, "R-130", f"OCI-Subject: {subject.digest}", found or "no OCI-Subject")


def listed(r: Registry, subject: Content) -> list[str]:
    """The digests of the subject's referrers."""
    answer = r.get(r.referrers_path(subject.digest))
    r.status(answer, 200, "R-131", "the list of referrers that OCI-Subject promises")
    fields = answer.json()
    found = fields.get("manifests") if isinstance(fields, dict) else None
    r.that(isinstance(found, list), "R-131", "an index with a list of manifests", answer.body[:300])
    return [str(entry.get("digest")) for entry in found or () if isinstance(entry, dict)]


def needs_referrers(r: Registry) -> None:
    if not has_referrers(r):
        r.skip("there is no referrers API")


@case("R-040", category=PUSH, api=SUBJECT, official="missing-subject/push", variants=FORMS)
def missing_subject(r: Registry, form: str) -> None:
    """A manifest whose subject was never pushed is accepted ({variant})."""
    pushed(r, r.image(), form)


@case("R-130", category=PUSH, api=SUBJECT, official=("artifacts-with-subject/push", "index-with-subject/push"),
      variants=FORMS)  # fmt: skip
def answered_with_subject(r: Registry, form: str) -> None:
    """The push of a manifest with a subject is answered with OCI-Subject ({variant})."""
    needs_referrers(r)
    subject = r.push_image()
    _, answer = pushed(r, subject, form)
    told(r, answer, subject)


@case("R-130", category=PUSH, api=SUBJECT, official="missing-subject/push")
def answered_with_missing_subject(r: Registry) -> None:
    """OCI-Subject names a subject that was never pushed too."""
    needs_referrers(r)
    subject = r.image()
    _, answer = pushed(r, subject)
    told(r, answer, subject)


@case("R-130", "R-127", category=PUSH, api=SUBJECT)
def answered_again(r: Registry) -> None:
    """A referrer pushed again is answered with OCI-Subject again."""
    needs_referrers(r)
    subject = r.push_image()
    made, _ = pushed(r, subject)
    told(r, r.push_manifest(made), subject)
    told(r, r.push_manifest(made, r.tag()), subject)


@case("R-130", "I-010", category=PUSH, api=SUBJECT)
def subject_by_sha512(r: Registry) -> None:
    """OCI-Subject names the subject by the digest in the manifest, also if that is sha512."""
    needs_referrers(r)
    needs_manifests(r, "sha512")
    subject = r.image("sha512")
    r.push_manifest(subject)
    _, answer = pushed(r, subject)
    told(r, answer, subject)


@case("R-131", category=PUSH, api=SUBJECT, variants=("image", "index"))
def no_subject(r: Registry, kind: str) -> None:
    """A push without a subject is answered without OCI-Subject ({variant})."""
    plain = r.image() if kind == "image" else index([r.push_image()])
    answer = accepted(r, plain, "R-111", OCI_MANIFEST if kind == "image" else OCI_INDEX, r.tag())
    found = answer.header("oci-subject")
    r.that(found is None, "R-131", "no OCI-Subject", f"OCI-Subject: {found}")


@case("R-131", category=PUSH, api=SUBJECT, variants=FORMS)
def promise_kept(r: Registry, form: str) -> None:
    """OCI-Subject is sent only where the referrers API then lists what was pushed ({variant})."""
    subject = r.push_image()
    made, answer = pushed(r, subject, form)
    if answer.header("oci-subject") is None:
        r.skip("no OCI-Subject")
    found = listed(r, subject)
    r.that(made.digest in found, "R-131", f"{made.digest} among the referrers", found)


@case("R-040", "R-158", category=PUSH, api=SUBJECT)
def subject_pushed_later(r: Registry) -> None:
    """A subject pushed after its referrer finds that referrer."""
    needs_referrers(r)
    subject = r.image()
    made, _ = pushed(r, subject)
    accepted(r, subject, "R-040")
    found = listed(r, subject)
    r.that(found == [made.digest], "R-040", f"{made.digest} among the referrers", found)


@case("R-040", category=PUSH, api=SUBJECT)
def chain(r: Registry) -> None:
    """A referrer of a referrer of an image is accepted."""
    image = r.push_image()
    first, _ = pushed(r, image)
    pushed(r, first)


@case("R-040", "I-006", category=PUSH, api=SUBJECT)
def foreign_subject(r: Registry) -> None:
    """A subject may be of a media type that nobody knows."""
    made = referrer(r, r.content(), media_type=f"{EXAMPLE}.thing.v1+json")
    accepted(r, made, "R-040")


SUBJECTS: dict[str, Any] = {
    "no-digest": {"mediaType": OCI_MANIFEST, "size": 7},
    "no-algorithm": {"mediaType": OCI_MANIFEST, "size": 7, "digest": "a" * 64},
    "bad-digest": {"mediaType": OCI_MANIFEST, "size": 7, "digest": "sha256:baddigeststring"},
    "a-path": {"mediaType": OCI_MANIFEST, "size": 7, "digest": "sha256:../../manifests"},
    "a-string": "sha256:" + "a" * 64,
    "a-list": [],
}


@case("R-133", category=PUSH, api=SUBJECT, variants=tuple(SUBJECTS))
def malformed(r: Registry, fault: str) -> None:
    """A manifest with a subject that is none is refused with MANIFEST_INVALID: {variant}."""
    refused(r, r.image(subject=SUBJECTS[fault]), "R-133")
