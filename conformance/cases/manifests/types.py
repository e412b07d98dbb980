"""The media types of pushed manifests: parameters, none, contradictions, foreign ones."""

from conformance.case import case
from conformance.cases.manifests.steps import accepted, changed, missing, refused, served
from conformance.client.registry import OCI_INDEX, OCI_MANIFEST, Content, Registry, index
from conformance.model import Category

PUSH = Category.PUSH
BY_TAG = "Manifest put by tag"
KINDS = {"image": OCI_MANIFEST, "index": OCI_INDEX}


def made(r: Registry, kind: str) -> Content:
    return r.image() if kind == "image" else index([r.push_image()])


PARAMETERS = {"charset": "; charset=utf-8", "quoted": ';charset="UTF-8"', "several": "; a=b; c=d"}


@case("R-114", category=PUSH, api=BY_TAG, variants=tuple(PARAMETERS))
def parameters(r: Registry, form: str) -> None:
    """Parameters on the Content-Type of a pushed manifest are ignored ({variant})."""
    image = r.image()
    answer = r.put_manifest(image, None, OCI_MANIFEST + PARAMETERS[form])
    r.status(answer, 201, "R-114", "a Content-Type with parameters")
    served(r, image, "R-114")


@case("R-115", category=PUSH, api=BY_TAG, variants=tuple(KINDS))
def no_content_type(r: Registry, kind: str) -> None:
    """An {variant} pushed without Content-Type is accepted, and served as what its mediaType says."""
    manifest = made(r, kind)
    answer = r.put(r.manifest_path(manifest.digest), [], manifest.data)
    r.status(answer, 201, "R-115", "a manifest without Content-Type")
    served(r, manifest, "R-115", media_type=KINDS[kind])


@case("I-028", "R-115", category=PUSH, api=BY_TAG, variants=tuple(KINDS))
def no_media_type(r: Registry, kind: str) -> None:
    """An {variant} without a mediaType field is accepted, and served as its Content-Type said."""
    accepted(r, changed(made(r, kind), mediaType=None), "I-028", KINDS[kind])


@case("R-115", category=PUSH, api=BY_TAG, variants=tuple(KINDS))
def contradicted(r: Registry, kind: str) -> None:
    """An {variant} whose mediaType is another than its Content-Type is refused with MANIFEST_INVALID."""
    other = OCI_MANIFEST if kind == "index" else OCI_INDEX
    refused(r, made(r, kind), "R-115", other)


@case("I-021", category=PUSH, api=BY_TAG)
def both_types_of_another(r: Registry) -> None:
    """What is an image by its fields, and an index by Content-Type and mediaType, is refused with MANIFEST_INVALID."""
    refused(r, changed(r.image(), mediaType=OCI_INDEX), "I-021", OCI_INDEX)


FOREIGN = {"example": "application/vnd.example.thing.v1+json", "text": "text/plain"}


@case("I-037", category=PUSH, api=BY_TAG, variants=tuple(FOREIGN))
def foreign_type(r: Registry, kind: str) -> None:
    """A manifest of a foreign type is stored as it is, or answered 400 with MANIFEST_INVALID ({variant})."""
    media_type = FOREIGN[kind]
    image, tag = changed(r.image(), mediaType=media_type), r.tag()
    answer = r.put_manifest(image, tag, media_type)
    if answer.status == 201:
        served(r, image, "I-037", tag, media_type)
        return
    r.status(answer, (201, 400), "I-037", "a manifest of a foreign type")
    r.error(answer, "MANIFEST_INVALID", "I-037")
    missing(r, "I-037", tag, image.digest)
