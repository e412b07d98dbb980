"""Steps that the cases about pushing manifests share; each is judged by the requirement that it is given."""

import json
from collections.abc import Sequence
from typing import Any

from conformance.client.registry import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Content, Registry
from conformance.client.wire import Answer

ANYTHING = [("Accept", f"{OCI_MANIFEST}, {OCI_INDEX}, {DOCKER_MANIFEST}, {DOCKER_LIST}, */*")]
REFUSALS = range(400, 500)
"""Any fault of the client, where the specification does not say which."""


def served(
    r: Registry,
    manifest: Content,
    requirement: str,
    reference: str | None = None,
    media_type: str | None = OCI_MANIFEST,
) -> None:
    """The manifest is pulled byte for byte; `media_type` None: as whatever type."""
    pulled(r, r.get(r.manifest_path(reference or manifest.digest), ANYTHING), manifest, requirement, media_type)


def pulled(r: Registry, answer: Answer, manifest: Content, requirement: str, media_type: str | None) -> None:
    """The answer is this manifest."""
    r.status(answer, 200, requirement, "GET of the manifest")
    r.body(answer, manifest.data, requirement)
    if media_type is not None:
        typed(r, answer, media_type)


def typed(r: Registry, answer: Answer, media_type: str) -> None:
    """The answer has this Content-Type; whether with parameters is another question (R-024)."""
    found = (answer.header("content-type") or "").partition(";")[0].strip()
    r.that(found == media_type, "R-119", f"Content-Type: {media_type}", found or "none")


def headed(r: Registry, manifest: Content, requirement: str, reference: str, media_type: str) -> None:
    """HEAD finds the manifest, and says of its type and length, if anything, what is true."""
    answer = r.head(r.manifest_path(reference), ANYTHING)
    r.status(answer, 200, requirement, "HEAD of the manifest")
    typed(r, answer, media_type)
    length = answer.header("content-length")
    r.that(length in (None, str(manifest.size)), "R-036", f"Content-Length: {manifest.size}", length)


def accepted(
    r: Registry,
    manifest: Content,
    requirement: str,
    media_type: str = OCI_MANIFEST,
    reference: str | None = None,
) -> Answer:
    """The manifest is stored, and pulled as it was pushed."""
    answer = r.put_manifest(manifest, reference, media_type)
    r.status(answer, 201, requirement, "the manifest")
    served(r, manifest, requirement, reference, media_type)
    return answer


def located(r: Registry, answer: Answer, manifest: Content, media_type: str) -> None:
    """The answer's Location gives this manifest (R-111)."""
    pulled(r, r.get(r.location(answer, "R-111"), ANYTHING), manifest, "R-111", media_type)


def refused(
    r: Registry,
    manifest: Content,
    requirement: str,
    media_type: str = OCI_MANIFEST,
    codes: str | Sequence[str] = "MANIFEST_INVALID",
    statuses: int | Sequence[int] = 400,
) -> Answer:
    """The manifest is not stored: neither its tag nor its digest is there afterwards."""
    tag = r.tag()
    answer = r.put_manifest(manifest, tag, media_type)
    r.status(answer, statuses, requirement, "a manifest that is to be refused")
    r.error(answer, codes, requirement)
    missing(r, requirement, tag, manifest.digest)
    return answer


def missing(r: Registry, requirement: str, *references: str) -> None:
    """None of these manifests is there."""
    for reference in references:
        answer = r.head(r.manifest_path(reference), ANYTHING)
        r.status(answer, 404, requirement, "a manifest that must not be there")


def fields_of(manifest: Content) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(manifest.data)
    return fields


def changed(manifest: Content, **fields: Any) -> Content:
    """The manifest with these fields, and without those that are None."""
    merged = fields_of(manifest) | fields
    kept = {key: value for key, value in merged.items() if value is not None}
    return Content(json.dumps(kept).encode(), manifest.algorithm)


def has_referrers(r: Registry) -> bool:
    """Whether the registry has the referrers API."""
    return r.offers("referrers of an image", lambda: asks_referrers(r))


def asks_referrers(r: Registry) -> bool:
    image = r.push_image()
    return r.get(r.referrers_path(image.digest)).status == 200


def subject_told(r: Registry, answer: Answer, subject: str) -> None:
    """OCI-Subject names the subject, where the referrers API makes it a duty (R-130)."""
    told = answer.header("oci-subject")
    if told is not None or has_referrers(r):
        r.that(told == subject, "R-130", f"OCI-Subject: {subject}", told or "no OCI-Subject")


def fitting_digest(r: Registry, answer: Answer, manifest: Content) -> None:
    """Docker-Content-Digest, if it is sent, is the digest that the client gave (R-112)."""
    told = answer.header("docker-content-digest")
    r.that(told in (None, manifest.digest), "R-112", f"Docker-Content-Digest: {manifest.digest}", told)


def needs_manifests(r: Registry, algorithm: str) -> None:
    """Skips where manifests cannot be pushed by digests of this algorithm, an option for all but sha256 (I-004)."""
    r.needs(algorithm)

    def ask() -> bool:
        return r.put_manifest(r.image(algorithm)).status != 400

    if algorithm != "sha256" and not r.offers(f"manifests by {algorithm}", ask):
        r.skip(f"manifests by {algorithm} digests are not supported")


def takes_tags(r: Registry, algorithm: str = "sha256") -> None:
    """Skips where the tag parameters of a push by digest are not taken: no OCI-Tag (R-120)."""
    needs_manifests(r, algorithm)

    def ask() -> bool:
        image = r.image()
        return r.put_manifest(image, tag=r.tag()).header("oci-tag") is not None

    if not r.offers("tag parameters", ask):
        r.skip("tag parameters are not supported: no OCI-Tag")
