"""Manifests that name content which is not there: accepted, or refused by the code that says so."""

import json

from conformance.case import case
from conformance.cases.datasets.content import NON_DISTRIBUTABLE
from conformance.cases.manifests.steps import REFUSALS, accepted, missing, served
from conformance.client.registry import OCI_INDEX, OCI_MANIFEST, Content, Registry, index, manifest
from conformance.model import Category

PUSH = Category.PUSH
BY_TAG = "Manifest put by tag"


def accepted_or_refused(r: Registry, pushed: Content, media_type: str = OCI_MANIFEST) -> None:
    """It is stored, or refused with MANIFEST_BLOB_UNKNOWN and not there."""
    tag = r.tag()
    answer = r.put_manifest(pushed, tag, media_type)
    if answer.status == 201:
        served(r, pushed, "R-041", tag, media_type)
        return
    r.status(answer, (201, *REFUSALS), "R-041", "a manifest that is not whole")
    fields = answer.json()
    entries = fields.get("errors") if isinstance(fields, dict) else None
    found = [entry.get("code") for entry in entries or () if isinstance(entry, dict)] if entries is not None else None
    good = found and "MANIFEST_BLOB_UNKNOWN" in found
    r.that(good, "R-042", "one or more errors MANIFEST_BLOB_UNKNOWN", answer.body[:500])
    missing(r, "R-042", tag, pushed.digest)


@case("R-042", "R-041", category=PUSH, api=BY_TAG, variants=("config", "layer", "both"))
def missing_blob(r: Registry, what: str) -> None:
    """An image of which {variant} was not pushed is accepted, or refused with MANIFEST_BLOB_UNKNOWN."""
    config, layer, other = r.config(), r.content(), r.push_blob(r.content())
    if what == "layer":
        r.push_blob(config)
    if what == "config":
        r.push_blob(layer)
    accepted_or_refused(r, manifest(config, [other, layer]))


@case("R-042", "R-041", "D-M12", category=PUSH, api=BY_TAG)
def missing_entry(r: Registry) -> None:
    """An index with an entry that was not pushed is accepted, or refused with MANIFEST_BLOB_UNKNOWN."""
    accepted_or_refused(r, index([r.push_image(), r.image()]), OCI_INDEX)


@case("R-042", "R-032", category=PUSH, api=BY_TAG)
def of_another_repository(r: Registry) -> None:
    """A manifest that names another repository's blobs does not make them visible in its own."""
    image = r.image(name=r.other)
    accepted_or_refused(r, image)
    fields = json.loads(image.data)
    for descriptor in (fields["config"], *fields["layers"]):
        answer = r.get(r.blob_path(descriptor["digest"]))
        r.status(answer, 404, "R-032", "a blob that only another repository has")


TYPES = {
    "oci-tar": NON_DISTRIBUTABLE,
    "oci-gzip": NON_DISTRIBUTABLE + "+gzip",
    "oci-zstd": NON_DISTRIBUTABLE + "+zstd",
    "docker-foreign": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
}


@case("R-043", category=PUSH, api=BY_TAG, data="non-distributable-layers", variants=tuple(TYPES))
def non_distributable(r: Registry, kind: str) -> None:
    """An image whose {variant} layer is non-distributable is accepted without that layer."""
    config = r.push_blob(r.config())
    absent = r.content().descriptor(TYPES[kind], urls=[f"https://layers.example.com/{r.tag()}.tar"])
    plain = manifest(config, [r.push_blob(r.content())])
    fields = json.loads(plain.data)
    fields["layers"].insert(0, absent)
    accepted(r, Content(json.dumps(fields).encode()), "R-043", reference=r.tag())


@case("R-043", category=PUSH, api=BY_TAG, data="non-distributable-layers")
def non_distributable_without_urls(r: Registry) -> None:
    """A non-distributable layer need not be there without urls either: its media type decides."""
    config = r.push_blob(r.config())
    image = manifest(config, [r.content()], layer_type=NON_DISTRIBUTABLE)
    accepted(r, image, "R-043", reference=r.tag())
