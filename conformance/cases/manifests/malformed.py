"""Manifests that no two readers would understand alike, or nobody at all."""

import json
from collections.abc import Callable
from typing import Any

from conformance.case import case
from conformance.cases.manifests.steps import changed, fields_of, refused
from conformance.client.registry import OCI_INDEX, Content, Registry, index
from conformance.model import Category

PUSH = Category.PUSH
BY_TAG = "Manifest put by tag"
CODES = ("MANIFEST_INVALID", "MANIFEST_BLOB_UNKNOWN", "DIGEST_INVALID", "SIZE_INVALID")
"""What may be said of a descriptor that names nothing."""

DOCUMENTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda text: b"",
    "no-json": lambda text: b"this is no manifest",
    "cut-off": lambda text: text[:-2],
    "more-after-it": lambda text: text + b"{}",
    "list": lambda text: b"[" + text + b"]",
    "string": lambda text: json.dumps(text.decode()).encode(),
    "not-utf-8": lambda text: text[:-1] + b', "annotations": {"org.example.text": "\xff\xfe"}}',
    "utf-16": lambda text: text.decode().encode("utf-16-le"),
    "key-twice": lambda text: text[:-1] + b', "layers": []}',
    "key-twice-inside": lambda text: text.replace(b'{"mediaType": ', b'{"size": 1, "mediaType": ', 1),
    "image-and-index": lambda text: text[:-1] + b', "manifests": []}',
}


@case("R-134", category=PUSH, api=BY_TAG, variants=tuple(DOCUMENTS))
def document(r: Registry, fault: str) -> None:
    """What is no single JSON object is refused with MANIFEST_INVALID: {variant}."""
    refused(r, Content(DOCUMENTS[fault](r.image().data)), "R-134")


@case("R-134", category=PUSH, api=BY_TAG)
def index_and_image(r: Registry) -> None:
    """An index that has config and layers too is refused with MANIFEST_INVALID."""
    fields = fields_of(r.push_image())
    both = index([r.push_image()], config=fields["config"], layers=fields["layers"])
    refused(r, both, "R-134", OCI_INDEX)


@case("D-M8", category=Category.DOCKER, api=BY_TAG)
def byte_order_mark(r: Registry) -> None:
    """A whole manifest behind a byte order mark is refused with MANIFEST_INVALID."""
    refused(r, Content(b"\xef\xbb\xbf" + r.image().data), "D-M8")


VERSIONS: dict[str, Any] = {"missing": None, "1": 1, "3": 3, "a-string": "2"}


@case("I-019", category=PUSH, api=BY_TAG, variants=tuple(VERSIONS))
def schema_version(r: Registry, version: str) -> None:
    """An image whose schemaVersion is not the number 2 is refused with MANIFEST_INVALID: {variant}."""
    refused(r, changed(r.image(), schemaVersion=VERSIONS[version]), "I-019")


@case("I-019", category=PUSH, api=BY_TAG)
def schema_version_of_an_index(r: Registry) -> None:
    """An index without schemaVersion is refused with MANIFEST_INVALID."""
    refused(r, changed(index([r.push_image()]), schemaVersion=None), "I-019", OCI_INDEX)


SHAPES: dict[str, dict[str, Any]] = {
    "no-config": {"config": None},
    "config-a-string": {"config": "sha256:" + "a" * 64},
    "config-a-list": {"config": []},
    "layers-an-object": {"layers": {}},
    "layers-a-string": {"layers": "none"},
    "layer-a-string": {"layers": ["sha256:" + "a" * 64]},
}


@case("I-020", category=PUSH, api=BY_TAG, variants=tuple(SHAPES))
def image_shape(r: Registry, fault: str) -> None:
    """An image with such a config or such layers is refused with MANIFEST_INVALID: {variant}."""
    refused(r, changed(r.image(), **SHAPES[fault]), "I-020", codes=CODES)


@case("I-021", category=PUSH, api=BY_TAG, variants=("missing", "an-object", "a-string"))
def index_shape(r: Registry, fault: str) -> None:
    """An index whose manifests are no list is refused with MANIFEST_INVALID: {variant}."""
    manifests: Any = {"missing": None, "an-object": {}, "a-string": "none"}[fault]
    refused(r, changed(index([r.push_image()]), manifests=manifests), "I-021", OCI_INDEX)


DESCRIPTORS: dict[str, dict[str, Any]] = {
    "no-media-type": {"mediaType": None},
    "no-digest": {"digest": None},
    "digest-without-algorithm": {"digest": "a" * 64},
    "digest-malformed": {"digest": "sha256:baddigeststring"},
    "digest-a-path": {"digest": "sha256:../../../../etc/passwd"},
    "no-size": {"size": None},
    "size-negative": {"size": -1},
    "size-a-string": {"size": "512"},
    "size-a-fraction": {"size": 512.5},
}


def spoiled(descriptor: dict[str, Any], fault: str) -> dict[str, Any]:
    fields = descriptor | DESCRIPTORS[fault]
    return {key: value for key, value in fields.items() if value is not None}


@case("I-014", category=PUSH, api=BY_TAG, variants=tuple(DESCRIPTORS))
def layer_descriptor(r: Registry, fault: str) -> None:
    """An image with a layer that is no whole descriptor is refused with MANIFEST_INVALID: {variant}."""
    image = r.image(layers=2)
    first, second = fields_of(image)["layers"]
    refused(r, changed(image, layers=[first, spoiled(second, fault)]), "I-014", codes=CODES)


@case("I-014", category=PUSH, api=BY_TAG, variants=("no-digest", "digest-malformed", "no-size", "size-negative"))
def entry_descriptor(r: Registry, fault: str) -> None:
    """An index with an entry that is no whole descriptor is refused with MANIFEST_INVALID: {variant}."""
    both = index([r.push_image(), r.push_image()])
    first, second = fields_of(both)["manifests"]
    refused(r, changed(both, manifests=[first, spoiled(second, fault)]), "I-014", OCI_INDEX, CODES)
