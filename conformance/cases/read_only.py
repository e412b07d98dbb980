"""What can be asked of a registry without pushing: of an image that the user names, or else of one pushed first."""

import hashlib
from typing import Any, NamedTuple

from conformance.case import case
from conformance.client.registry import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Registry
from conformance.client.wire import Answer, Broken
from conformance.model import Category

PULL, DISCOVERY = Category.PULL, Category.DISCOVERY

ACCEPT = [("Accept", kind) for kind in (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)]
LARGEST = 32 * 1024 * 1024
ALGORITHMS = {"sha256": 64, "sha512": 128}


class Image(NamedTuple):
    """Where the image is; `reference` a tag or a digest."""

    name: str
    reference: str


def given(r: Registry) -> Image:
    """The image to look at."""
    if r.target.image:
        name, at, digest = r.target.image.partition("@")
        if at:
            return Image(name, digest)
        name, _, tag = r.target.image.rpartition(":")
        return Image(name, tag)
    tag = r.tag()
    r.push_image(tag)
    return Image(r.name, tag)


def pulled(r: Registry, image: Image) -> Answer:
    answer = r.get(r.manifest_path(image.reference, image.name), ACCEPT)
    if r.target.image and answer.status in (401, 403, 404):
        raise Broken(f"{r.target.image} cannot be looked at: it is answered {answer.status}")
    r.status(answer, 200, "R-020")
    return answer


def digest_of(answer: Answer, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, answer.body).hexdigest()}"


def document(r: Registry, answer: Answer) -> dict[str, Any]:
    fields = answer.json()
    r.that(isinstance(fields, dict), "R-020", "a manifest that is a JSON object", answer.body[:100])
    assert isinstance(fields, dict)
    return fields


def blob_of(r: Registry, image: Image) -> tuple[str, int] | None:
    """Digest and size of the smallest blob of an image, or of the first image of an index."""
    fields = document(r, pulled(r, image))
    if "manifests" in fields:
        if not fields["manifests"]:
            return None
        fields = document(r, pulled(r, Image(image.name, str(fields["manifests"][0]["digest"]))))
    parts = [fields.get("config"), *(fields.get("layers") or [])]
    # A foreign layer has addresses of its own, and need not be here.
    own = [part for part in parts if isinstance(part, dict) and part.get("digest") and not part.get("urls")]
    found = sorted((int(part["size"]), str(part["digest"])) for part in own)
    return (found[0][1], found[0][0]) if found and found[0][0] <= LARGEST else None


def blob(r: Registry, image: Image) -> tuple[str, int]:
    found = blob_of(r, image)
    if found is None:
        r.skip(f"{image.name} has no blob of at most {LARGEST} bytes under {image.reference}")
    return found


@case("R-020", "R-022", category=PULL, api="Manifest get by tag", official="read-only/pull")
def manifest(r: Registry) -> None:
    """A manifest that is there is pulled, and is what its digest says."""
    image = given(r)
    answer = pulled(r, image)
    algorithm, _, wanted = image.reference.partition(":")
    if wanted and algorithm in ALGORITHMS:
        r.that(digest_of(answer, algorithm) == image.reference, "R-020", image.reference, digest_of(answer, algorithm))
    document(r, answer)
    told = answer.header("docker-content-digest")
    if told and told.partition(":")[0] in ALGORITHMS:
        r.that(told == digest_of(answer, told.partition(":")[0]), "R-022", "a digest of the body", told)


@case("R-020", category=PULL, api="Manifest get by digest")
def manifest_by_digest(r: Registry) -> None:
    """A manifest is the same by its digest as by its tag."""
    image = given(r)
    answer = pulled(r, image)
    again = r.get(r.manifest_path(digest_of(answer), image.name), ACCEPT)
    if again.status == 404 and image.reference.startswith("sha512:"):
        r.skip("the registry knows the manifest by its sha512 digest alone")
    r.status(again, 200, "R-020", "the digest of what the tag gives")
    r.body(again, answer.body, "R-020")


@case("R-035", "R-038", category=PULL, api="Manifest head by tag", official="read-only/head")
def manifest_head(r: Registry) -> None:
    """HEAD of a manifest that is there agrees with GET."""
    image = given(r)
    answer = pulled(r, image)
    head = r.head(r.manifest_path(image.reference, image.name), ACCEPT)
    r.status(head, 200, "R-035")
    r.that(not head.body, "R-035", "no body", f"{len(head.body)} bytes")
    for name in ("content-length", "content-type", "docker-content-digest"):
        told = head.header(name)
        if told is not None and answer.header(name) is not None:
            r.header(head, name, answer.header(name) or "", "R-038")


@case("R-030", category=PULL, api="Blob get", official="read-only/pull")
def blob_get(r: Registry) -> None:
    """A blob of an image that is there is pulled, and is what its digest says."""
    image = given(r)
    digest, size = blob(r, image)
    answer = r.get(r.blob_path(digest, image.name))
    r.status(answer, 200, "R-030")
    r.that(len(answer.body) == size, "R-030", f"{size} bytes, as the manifest says", f"{len(answer.body)} bytes")
    algorithm = digest.partition(":")[0]
    if algorithm in ALGORITHMS:
        r.that(digest_of(answer, algorithm) == digest, "R-030", digest, digest_of(answer, algorithm))


@case("R-035", category=PULL, api="Blob head", official="read-only/head")
def blob_head(r: Registry) -> None:
    """HEAD of a blob that is there tells its size."""
    image = given(r)
    digest, size = blob(r, image)
    answer = r.head(r.blob_path(digest, image.name))
    r.status(answer, 200, "R-035")
    r.that(not answer.body, "R-035", "no body", f"{len(answer.body)} bytes")
    told = answer.header("content-length")
    r.that(told in (None, str(size)), "R-035", f"Content-Length: {size}", told)


@case("R-025", category=PULL, api="Manifest get by digest")
def missing_manifest(r: Registry) -> None:
    """A manifest that is not there is answered 404."""
    image = given(r)
    answer = r.get(r.manifest_path(r.content().digest, image.name), ACCEPT)
    r.status(answer, 404, "R-025")


@case("R-032", category=PULL, api="Blob get")
def missing_blob(r: Registry) -> None:
    """A blob that is not there is answered 404."""
    image = given(r)
    answer = r.get(r.blob_path(r.content().digest, image.name))
    r.status(answer, 404, "R-032")


@case("R-140", category=DISCOVERY, api="Tag listing", official="read-only/tag-list")
def tags(r: Registry) -> None:
    """The tags of a repository that is there are listed."""
    image = given(r)
    pulled(r, image)
    answer = r.get(r.tags_path(image.name))
    r.status(answer, 200, "R-140")
    fields = answer.json()
    listed = fields.get("tags") if isinstance(fields, dict) else None
    r.that(isinstance(listed, list), "R-140", 'JSON with "tags"', answer.body[:200])
    if ":" not in image.reference and answer.header("link") is None:
        r.that(image.reference in (listed or []), "R-140", f"the tag {image.reference}", f"{listed}")


@case("R-152", "R-153", category=DISCOVERY, api="Referrers", official="read-only/referrers")
def referrers(r: Registry) -> None:
    """The referrers of a manifest that is there are an index."""
    image = given(r)
    digest = digest_of(pulled(r, image))
    answer = r.get(r.referrers_path(digest, image.name))
    if answer.status == 404:
        r.skip("the registry has no referrers API")
    r.status(answer, 200, "R-152")
    r.header(answer, "content-type", OCI_INDEX, "R-153")
    fields = answer.json()
    listed = fields.get("manifests") if isinstance(fields, dict) else None
    r.that(isinstance(listed, list), "R-152", 'an index with "manifests"', answer.body[:200])
