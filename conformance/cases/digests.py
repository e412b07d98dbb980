"""Digests: what is one, what is none, and what algorithms there may be."""

from collections.abc import Callable

from conformance.case import case
from conformance.cases.steps import ACCEPT, served
from conformance.cases.uploads.steps import begin
from conformance.client.registry import OCI_LAYER, OCI_MANIFEST, OCTETS, Content, Registry, manifest
from conformance.client.wire import Answer
from conformance.model import Category, Duty

PULL, PUSH, DISCOVERY, MANAGEMENT = Category.PULL, Category.PUSH, Category.DISCOVERY, Category.MANAGEMENT

UNKNOWN = "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8"
"""A well-formed digest of an algorithm that is not registered."""

BLAKE3_OF_NUL = Content(b"\0"), "blake3:2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"

NEAR: dict[str, Callable[[str], str]] = {
    "upper case": lambda digest: digest.upper().replace("SHA256", "sha256"),
    "algorithm in upper case": lambda digest: digest.replace("sha256", "SHA256"),
    "too short": lambda digest: digest[:-1],
    "a beginning": lambda digest: digest[:19],
    "too long": lambda digest: digest + "0",
    "no algorithm": lambda digest: digest.removeprefix("sha256:"),
    "no digits": lambda digest: "sha256:",
    "another algorithm": lambda digest: digest.replace("sha256", "sha512"),
    "an extra part": lambda digest: f"sha256:{digest}",
}
"""What is no digest, made of one that there is."""

BAD = {"no hexadecimal": "sha256:baddigeststring", "odd letters": "sha256:(%5E_%5E)", "only a colon": ":"}
"""What never was a digest, as it stands in a path."""

ABSENT = (400, 404)


def explained(r: Registry, answer: Answer, what: str) -> None:
    r.status(answer, ABSENT, "I-001", what)
    r.error(answer, ())


@case("I-002", "I-001", category=PULL, api="Blob get", variants=tuple(NEAR))
def near_blob(r: Registry, variant: str) -> None:
    """A blob is not found by what is nearly its digest ({variant})."""
    blob = r.push_blob(r.content())
    near = NEAR[variant](blob.digest)
    for method in ("GET", "HEAD"):
        r.status(r.request(method, r.blob_path(near)), ABSENT, "I-002", f"{method} of {near}")


@case("I-002", "I-001", category=PULL, api="Manifest get by digest", variants=tuple(NEAR))
def near_manifest(r: Registry, variant: str) -> None:
    """A manifest is not found by what is nearly its digest ({variant})."""
    image = r.push_image()
    near = NEAR[variant](image.digest)
    for method in ("GET", "HEAD"):
        r.status(r.request(method, r.manifest_path(near), ACCEPT), ABSENT, "I-002", f"{method} of {near}")


@case("I-001", category=PULL, api="Blob get", variants=tuple(BAD))
def bad_blob(r: Registry, variant: str) -> None:
    """GET and HEAD of a blob by what is no digest are answered 404 or 400 ({variant})."""
    r.push_blob(r.content())
    explained(r, r.get(r.blob_path(BAD[variant])), f"GET of {BAD[variant]}")
    r.status(r.head(r.blob_path(BAD[variant])), ABSENT, "I-001", f"HEAD of {BAD[variant]}")


@case(
    "R-013",
    "I-001",
    category=PULL,
    api="Manifest get by digest",
    official="invalid-digest-format/manifest-get",
)
def bad_manifest(r: Registry) -> None:
    """GET of a manifest by a digest of no hexadecimal digits is answered 404 or 400."""
    r.push_image()
    answer = r.get(r.manifest_path("sha256:baddigeststring"), ACCEPT)
    r.status(answer, ABSENT, "R-013", "GET of sha256:baddigeststring")


@case("R-200", "R-201", category=PULL, api="Manifest get by digest")
def bad_manifest_explained(r: Registry) -> None:
    """A GET with a body, of a manifest by a digest that is none, is refused with an error of the specification."""
    answer = r.request("GET", r.manifest_path("sha256:totallywrong"), [("Content-Type", OCI_MANIFEST)], b"blablabla")
    r.status(answer, ABSENT, "R-013", "GET of sha256:totallywrong")
    r.error(answer, ())


@case("I-007", category=PULL, variants=("blob", "manifest"))
def unknown_algorithm(r: Registry, kind: str) -> None:
    """GET and HEAD by a digest of an unknown algorithm are answered 404 ({variant})."""
    r.push_image()
    path = r.blob_path(UNKNOWN) if kind == "blob" else r.manifest_path(UNKNOWN)
    for method in ("GET", "HEAD"):
        r.status(r.request(method, path, ACCEPT), 404, "I-007", f"{method} of {UNKNOWN}")


@case("I-007", category=MANAGEMENT, variants=("blob", "manifest"))
def unknown_algorithm_deleted(r: Registry, kind: str) -> None:
    """DELETE by a digest of an unknown algorithm is answered 404 ({variant})."""
    r.push_image()
    path = r.blob_path if kind == "blob" else r.manifest_path
    answer = r.delete(path(UNKNOWN))
    if answer.status in (400, 405) and r.delete(path(r.content().digest)).status == answer.status:
        r.skip(f"{kind}s cannot be deleted")
    r.status(answer, 404, "I-007", f"DELETE of {UNKNOWN}")


@case("I-008", category=DISCOVERY, api="Referrers")
def unknown_algorithm_referred(r: Registry) -> None:
    """The referrers of a digest of an unknown algorithm are a list, as it may be a subject."""
    offered(r)
    r.status(r.get(r.referrers_path(UNKNOWN)), 200, "I-008", f"the referrers of {UNKNOWN}")


@case("R-015", category=DISCOVERY, api="Referrers", variants=("no hexadecimal", "too short", "upper case", "a tag"))
def bad_referred(r: Registry, variant: str) -> None:
    """The referrers of what is no digest are answered 400 ({variant})."""
    offered(r)
    blob = r.content()
    bad = NEAR[variant](blob.digest) if variant in NEAR else {"a tag": "latest"}.get(variant) or BAD[variant]
    r.status(r.get(r.referrers_path(bad)), 400, "R-015", f"the referrers of {bad}")


def offered(r: Registry) -> None:
    """Skips where there is no API of referrers."""
    r.push_image()
    if r.get(r.referrers_path(r.content().digest)).status in (404, 405):
        r.skip("the referrers API is not supported")


@case("I-006", category=PUSH, api="Manifest put by digest")
def unknown_in_descriptor(r: Registry) -> None:
    """A manifest whose subject has a digest of an unknown algorithm is accepted and kept."""
    subject = {"mediaType": OCI_MANIFEST, "digest": UNKNOWN, "size": 1234}
    image = r.image(subject=subject)
    r.status(r.put_manifest(image), 201, "I-006", f"a subject of {UNKNOWN}")
    served(r, r.get(r.manifest_path(image.digest), ACCEPT), image, "I-006")


@case(
    "I-009",
    category=PUSH,
    api="Manifest put by digest",
    variants=("unknown algorithm", *(name for name in NEAR if name != "no algorithm")),
)
def manifest_by_none(r: Registry, variant: str) -> None:
    """A manifest is not pushed by what is no digest, or one that cannot be verified, but answered 400 ({variant})."""
    image = r.image()
    reference = NEAR[variant](image.digest) if variant in NEAR else UNKNOWN
    answer = r.put_manifest(image, reference)
    r.status(answer, 400, "I-009", f"PUT of {reference}")
    r.status(r.get(r.manifest_path(image.digest), ACCEPT), 404, "I-009", "what was refused")


@case("I-010", category=PUSH, api="Manifest put by digest", data="sha512")
def mixed_algorithms(r: Registry) -> None:
    """One manifest may have descriptors of both algorithms."""
    r.needs("sha512")
    config, first, second = r.config(), r.content(), r.content(512, "sha512")
    for blob in (config, first, second):
        r.push_blob(blob)
    image = manifest(config, [first, second], layer_type=OCI_LAYER)
    r.status(r.put_manifest(image), 201, "I-010", "a manifest of sha256 and sha512")
    served(r, r.get(r.manifest_path(image.digest), ACCEPT), image, "I-010")


@case("I-011", category=PUSH, api="Blob get")
def not_before(r: Registry) -> None:
    """A blob whose bytes have all come is not visible before its upload was closed by the digest."""
    upload = begin(r)
    blob = r.content(upload.piece)
    upload.chunk(blob.data, 0)
    r.status(r.get(r.blob_path(blob.digest)), 404, "I-011", "a blob whose upload is open")
    r.status(r.head(r.blob_path(blob.digest)), 404, "I-011", "a blob whose upload is open")
    upload.close(blob, by="I-011")


@case("I-004", category=PUSH, data="Blobs sha512", duty=Duty.MUST)
def sha512_verified(r: Registry) -> None:
    """A blob pushed by a sha512 digest is verified by it: not found by another's, refused with 400 if it has none."""
    r.needs("sha512")
    blob, claimed = r.content(512, "sha512"), r.content(512, "sha512")
    r.push_blob(blob)
    served(r, r.get(r.blob_path(blob.digest)), blob, "I-004")
    answer = r.put(r.start_upload(), [OCTETS], blob.data, digest=claimed.digest)
    r.status(answer, 400, "I-004", "a sha512 digest of other bytes")
    r.status(r.get(r.blob_path(claimed.digest)), 404, "I-004", "what was refused")


@case("I-005", category=PUSH, data="Blobs blake3")
def blake3_verified(r: Registry) -> None:
    """A blob pushed by a blake3 digest is verified by it, where that algorithm is offered."""
    content, digest = BLAKE3_OF_NUL
    answer = r.put(r.start_upload(), [OCTETS], r.content().data, digest=digest)
    r.status(answer, range(400, 500), "I-005", "a blake3 digest of other bytes")
    answer = r.put(r.start_upload(), [OCTETS], content.data, digest=digest)
    if answer.status == 400:
        r.skip("blake3 is not supported")
    r.status(answer, 201, "I-005")
    served(r, r.get(r.blob_path(digest)), content, "I-005")
