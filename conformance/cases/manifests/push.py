"""Pushing manifests: what is stored, what is answered, and digests that do not fit."""

import json
from collections.abc import Callable

from conformance.case import case
from conformance.cases.manifests.steps import (
    REFUSALS,
    accepted,
    fields_of,
    fitting_digest,
    located,
    missing,
    needs_manifests,
    served,
)
from conformance.client.registry import OCI_INDEX, OCI_MANIFEST, Content, Registry, index
from conformance.model import Category

PUSH = Category.PUSH
BY_DIGEST = "Manifest put by digest"
BY_TAG = "Manifest put by tag"
ALGORITHMS = ("sha256", "sha512")


@case("R-111", "R-112", "I-003", category=PUSH, api=BY_DIGEST, official="image/push", variants=ALGORITHMS)
def by_digest(r: Registry, algorithm: str) -> None:
    """A manifest is pushed by its {variant} digest, and the Location of the answer gives it."""
    needs_manifests(r, algorithm)
    image = r.image(algorithm)
    answer = r.put_manifest(image)
    r.status(answer, 201, "R-111")
    fitting_digest(r, answer, image)
    located(r, answer, image, OCI_MANIFEST)
    served(r, image, "R-111")


@case("R-111", "R-112", category=PUSH, api=BY_TAG, official="image/push")
def by_tag(r: Registry) -> None:
    """A manifest is pushed by a tag: the Location of the answer gives it, and so do tag and digest."""
    image, tag = r.image(), r.tag()
    answer = r.put_manifest(image, tag)
    r.status(answer, 201, "R-111")
    told = answer.header("docker-content-digest")
    if told is not None:
        algorithm = told.partition(":")[0]
        digest = Content(image.data, algorithm).digest if algorithm in ALGORITHMS else told
        r.that(told == digest, "R-112", f"Docker-Content-Digest: {digest}", told)
    located(r, answer, image, OCI_MANIFEST)
    served(r, image, "R-111", tag)
    served(r, image, "R-111")


@case("R-119", "R-111", category=PUSH, api=BY_TAG, official="index/push")
def index_by_tag(r: Registry) -> None:
    """An index is pushed by a tag: the Location of the answer gives it, as an index."""
    both = index([r.push_image(), r.push_image()])
    tag = r.tag()
    answer = r.put_manifest(both, tag, OCI_INDEX)
    r.status(answer, 201, "R-119")
    located(r, answer, both, OCI_INDEX)
    served(r, both, "R-119", tag, OCI_INDEX)


FORMATS: dict[str, Callable[[bytes], bytes]] = {
    "indented": lambda text: json.dumps(json.loads(text), indent=3).encode(),
    "compact": lambda text: json.dumps(json.loads(text), separators=(",", ":")).encode(),
    "other-order": lambda text: json.dumps(dict(reversed(json.loads(text).items()))).encode(),
    "spaces-around": lambda text: b"\r\n\t " + text + b" \n\n",
    "escaped": lambda text: text.replace(b"/", b"\\/").replace(b"sha256", b"\\u0073ha256"),
    "not-ascii": lambda text: text[:-1] + ', "annotations": {"org.example.ß": "日本 🦆 <&> \\u00e9"}}'.encode(),
}


@case("R-110", "D-M29", category=PUSH, api=BY_DIGEST, variants=tuple(FORMATS))
def unchanged(r: Registry, form: str) -> None:
    """A manifest is kept byte for byte, however its JSON is written ({variant})."""
    plain = r.image()
    accepted(r, plain, "R-110")
    accepted(r, Content(FORMATS[form](plain.data)), "R-110")
    served(r, plain, "R-110")


@case(
    "R-113", "D-M4", category=PUSH, api=BY_DIGEST, data="bad-digest-image", official="bad-digest-image/push",
    variants=ALGORITHMS,
)  # fmt: skip
def wrong_digest(r: Registry, algorithm: str) -> None:
    """A manifest with two spaces more than its {variant} digest says is refused, and is not there by any digest."""
    needs_manifests(r, algorithm)
    image = r.image(algorithm)
    longer = Content(image.data + b"  ", algorithm)
    answer = r.put_manifest(longer, image.digest)
    r.status(answer, REFUSALS, "R-113", "a manifest that does not have the digest")
    r.error(answer, "DIGEST_INVALID", "R-113")
    missing(r, "R-113", image.digest, longer.digest)


@case("R-113", category=PUSH, api=BY_DIGEST)
def digest_of_another(r: Registry) -> None:
    """A manifest pushed by the digest of another that is there is refused, and that one stays as it was."""
    first, second = r.push_image(), r.image()
    answer = r.put_manifest(second, first.digest)
    r.status(answer, REFUSALS, "R-113", "a manifest that does not have the digest")
    served(r, first, "R-113")
    missing(r, "R-113", second.digest)


MALFORMED = {
    "no-hexadecimal": "sha256:baddigeststring",
    "short": "sha256:" + "a" * 63,
    "upper-case": "sha256:" + "A" * 64,
    "unknown-algorithm": "sha000:" + "a" * 64,
}


@case(
    "I-009", "R-017", "R-013", category=PUSH, api=BY_DIGEST,
    official=("invalid-digest-format/manifest-put", "invalid-digest-format/delete"), variants=tuple(MALFORMED),
)  # fmt: skip
def malformed_digest(r: Registry, form: str) -> None:
    """A push by a digest that can be nobody's is answered 400, and deleting it a fault of the client ({variant})."""
    image = r.image()
    answer = r.put_manifest(image, MALFORMED[form])
    r.status(answer, 400, "I-009", "a push by a malformed digest")
    r.error(answer, ("DIGEST_INVALID", "MANIFEST_INVALID", "NAME_INVALID", "UNSUPPORTED"), "I-009")
    missing(r, "I-009", image.digest)
    r.status(r.delete(r.manifest_path(MALFORMED[form])), REFUSALS, "I-009", "DELETE by a malformed digest")


NO_TAGS = {"dot-first": ".hidden", "dash-first": "-dash", "129-letters": "t" * 129, "plus": "a+b", "at": "a@b"}


@case("R-013", "R-012", "R-017", category=PUSH, api=BY_TAG, variants=tuple(NO_TAGS))
def malformed_tag(r: Registry, form: str) -> None:
    """A push by what is no tag is refused: {variant}."""
    image = r.image()
    answer = r.put_manifest(image, NO_TAGS[form])
    r.status(answer, REFUSALS, "R-013", "a push by what is no tag")
    missing(r, "R-013", image.digest)


@case("R-111", category=PUSH, api=BY_DIGEST)
def first_in_its_repository(r: Registry) -> None:
    """An index without entries is the first thing that a repository gets."""
    unique = Content(json.dumps(fields_of(index([])) | {"annotations": {"org.example.unique": r.tag()}}).encode())
    accepted(r, unique, "R-111", OCI_INDEX)
