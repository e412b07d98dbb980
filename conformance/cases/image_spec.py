"""What a registry must not stumble over in manifests: whatever image-spec allows."""

import hashlib
import json
from typing import Any

from conformance.case import case
from conformance.cases.datasets.content import EXAMPLE, NON_DISTRIBUTABLE
from conformance.cases.manifests.steps import accepted, changed, fields_of, needs_manifests
from conformance.client.registry import (
    OCI_EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
    Content,
    Registry,
    index,
    manifest,
)
from conformance.model import Category

PUSH = Category.PUSH
BY_TAG = "Manifest put by tag"


def whole(r: Registry, fields: dict[str, Any], requirement: str, media_type: str = OCI_MANIFEST) -> Content:
    """These fields make a manifest that is accepted, by tag and by digest."""
    content = Content(json.dumps(fields).encode())
    accepted(r, content, requirement, media_type)
    accepted(r, content, requirement, media_type, r.tag())
    return content


@case("I-015", category=PUSH, api=BY_TAG, variants=("https", "ftp", "empty"))
def urls(r: Registry, form: str) -> None:
    """A layer that was pushed may have urls too: {variant}."""
    found = {"https": [f"https://layers.example.com/{r.tag()}"], "ftp": ["ftp://example.com/layer"], "empty": []}[form]
    image = fields_of(r.image())
    image["layers"][0]["urls"] = found
    whole(r, image, "I-015")


@case("I-015", category=PUSH, api=BY_TAG)
def annotated_descriptors(r: Registry) -> None:
    """Config and layers may have annotations of their own."""
    image = fields_of(r.image())
    for descriptor in (image["config"], *image["layers"]):
        descriptor["annotations"] = {"org.opencontainers.image.title": "layer.tar", "org.example.empty": ""}
    whole(r, image, "I-015")


@case("I-015", category=PUSH, api=BY_TAG)
def platforms(r: Registry) -> None:
    """Entries of an index may have a platform with all that belongs to one, known or unknown."""
    platform = {"architecture": "riscv128", "os": "plan9", "os.version": "4", "os.features": ["x"], "variant": "v9"}
    both = fields_of(index([r.push_image(), r.push_image()]))
    both["manifests"][0]["platform"] = platform
    both["manifests"][1]["platform"] = {"architecture": "unknown", "os": "unknown"}
    whole(r, both, "I-015", OCI_INDEX)


@case("I-017", category=PUSH, api=BY_TAG)
def data_is_not_filled_in(r: Registry) -> None:
    """Descriptors of small content without data come back without data."""
    empty = r.push_blob(Content(b"{}"))
    layer = r.push_blob(r.content(16))
    accepted(r, manifest(empty, [layer], config_type=OCI_EMPTY, artifactType=f"{EXAMPLE}.artifact"), "I-017")


@case("I-018", "D-U39", category=PUSH, api=BY_TAG)
def empty_layer(r: Registry) -> None:
    """A layer may have no bytes."""
    accepted(r, manifest(r.push_blob(r.config()), [r.push_blob(Content(b""))]), "I-018")


@case("I-022", category=PUSH, api=BY_TAG)
def unknown_artifact_type(r: Registry) -> None:
    """An artifactType that nobody knows is accepted."""
    accepted(r, r.image(artifactType=f"{EXAMPLE}.{r.tag()}+json"), "I-022")


@case("I-023", category=PUSH, api=BY_TAG)
def unknown_config_type(r: Registry) -> None:
    """A config of a type that nobody knows is accepted."""
    config = r.push_blob(r.config())
    accepted(r, manifest(config, [r.push_blob(r.content())], config_type=f"{EXAMPLE}.{r.tag()}+json"), "I-023")


LAYERS = {"example": f"{EXAMPLE}.layer.v1", "text": "text/plain", "video": "video/mp4"}


@case("I-024", category=PUSH, api=BY_TAG, variants=tuple(LAYERS))
def unknown_layer_type(r: Registry, kind: str) -> None:
    """A layer of a type that is no layer's is accepted ({variant})."""
    config = r.push_blob(r.config())
    accepted(r, manifest(config, [r.push_blob(r.content())], layer_type=LAYERS[kind]), "I-024")


@case("I-025", category=PUSH, api=BY_TAG)
def unknown_entry_type(r: Registry) -> None:
    """An entry of an index may say that it is of a type that nobody knows."""
    fields = fields_of(index([r.push_image(), r.push_image()]))
    fields["manifests"][0]["mediaType"] = f"{EXAMPLE}.{r.tag()}+json"
    whole(r, fields, "I-025", OCI_INDEX)


@case("I-026", category=PUSH, api=BY_TAG, variants=("bytes", "nothing", "half"))
def config_that_is_no_json(r: Registry, form: str) -> None:
    """A config of unknown type need be no JSON: {variant}."""
    data = {"bytes": r.random.randbytes(100), "nothing": b"", "half": b'{"architecture": '}[form]
    config = r.push_blob(Content(data))
    accepted(r, manifest(config, [r.push_blob(r.content())], config_type=f"{EXAMPLE}.config"), "I-026")


@case("I-027", category=PUSH, api=BY_TAG, variants=("image", "index"))
def unknown_fields(r: Registry, kind: str) -> None:
    """An {variant} and its descriptors may have fields that nobody knows, of any JSON type."""
    unknown = {"newUnspecifiedField": [None, True, 1.5e300, {"a": "b"}], "org.example": {"deep": [[[]]]}, "": "empty"}
    fields = fields_of(r.image() if kind == "image" else index([r.push_image()])) | unknown
    for descriptor in fields.get("layers", []) + fields.get("manifests", []):
        descriptor |= unknown
    whole(r, fields, "I-027", OCI_MANIFEST if kind == "image" else OCI_INDEX)


@case("I-027", category=PUSH, api=BY_TAG)
def unknown_fields_of_a_config(r: Registry) -> None:
    """An image's configuration may have fields that nobody knows, and be sparse."""
    config = Content(json.dumps({"os": "linux", "org.example.custom": [r.tag()]}).encode())
    accepted(r, manifest(r.push_blob(config), [r.push_blob(r.content())]), "I-027")


@case("I-029", "D-M13", category=PUSH, api=BY_TAG)
def entries_without_platform(r: Registry) -> None:
    """An index over two images says nothing of their platforms."""
    accepted(r, index([r.push_image(), r.push_image()]), "I-029", OCI_INDEX)


@case("I-030", category=PUSH, api=BY_TAG)
def wrong_diff_ids(r: Registry) -> None:
    """A configuration whose diff_ids are not those of the layers is no concern of the registry."""
    nothing = f"sha256:{hashlib.sha256(b'').hexdigest()}"
    fields: dict[str, Any] = {"architecture": "amd64", "os": "linux", "author": r.tag()}
    fields |= {"rootfs": {"type": "layers", "diff_ids": [nothing] * 3}}
    config = r.push_blob(Content(json.dumps(fields).encode()))
    accepted(r, manifest(config, [r.push_blob(r.content())]), "I-030")


@case("I-032", category=PUSH, api=BY_TAG, variants=("config-and-layer", "layer-three-times"))
def blob_several_times(r: Registry, form: str) -> None:
    """One blob may be named several times in one manifest: {variant}."""
    config = r.push_blob(r.config())
    layers = [config] if form == "config-and-layer" else [r.push_blob(r.content())] * 3
    accepted(r, manifest(config, layers), "I-032")


@case("I-032", category=PUSH, api=BY_TAG)
def entry_several_times(r: Registry) -> None:
    """One image may be several entries of an index."""
    accepted(r, index([r.push_image()] * 3), "I-032", OCI_INDEX)


@case("I-033", category=PUSH, api=BY_TAG)
def index_with_artifact_type(r: Registry) -> None:
    """An index may have an artifactType and a subject of its own."""
    subject = r.push_image().descriptor(OCI_MANIFEST)
    accepted(r, index([], artifactType=f"{EXAMPLE}.list", subject=subject), "I-033", OCI_INDEX)


@case("I-034", "D-M14", category=PUSH, api=BY_TAG)
def deeply_nested(r: Registry) -> None:
    """An index of an index of an index of an image is accepted."""
    inner = r.push_image().descriptor(OCI_MANIFEST)
    for _ in range(3):
        outer = Content(json.dumps(fields_of(index([])) | {"manifests": [inner]}).encode())
        accepted(r, outer, "I-034", OCI_INDEX)
        inner = outer.descriptor(OCI_INDEX)


@case("I-035", category=PUSH, api="Blob push", data="non-distributable-layers")
def non_distributable_pushed(r: Registry) -> None:
    """The blob of a non-distributable layer is served like any other when somebody pushed it."""
    layer = r.push_blob(r.content())
    accepted(r, manifest(r.push_blob(r.config()), [layer], layer_type=NON_DISTRIBUTABLE), "I-035")
    answer = r.get(r.blob_path(layer.digest))
    r.status(answer, 200, "I-035")
    r.body(answer, layer.data, "I-035")


@case("I-036", category=PUSH, api=BY_TAG)
def annotations(r: Registry) -> None:
    """Annotations may have any key, empty values and long ones."""
    found = {"": "", "a": "", "org.opencontainers.image.created": "never", "Ünïcode key": "\u2028\n\t", "l": "x" * 9000}
    accepted(r, r.image(annotations=found), "I-036")
    accepted(r, r.image(annotations={}), "I-036")


@case("I-006", category=PUSH, api=BY_TAG)
def unknown_algorithm_of_a_subject(r: Registry) -> None:
    """The subject may have a digest of an algorithm that nobody knows: unknown is not invalid."""
    subject = {
        "mediaType": OCI_MANIFEST,
        "digest": "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564",
        "size": 7,
    }
    accepted(r, r.image(subject=subject), "I-006")


@case("I-010", category=PUSH, api=BY_TAG)
def mixed_algorithms(r: Registry) -> None:
    """One manifest may name its config by sha256 and its layer by sha512."""
    r.needs("sha512")
    config, layer = r.push_blob(r.config()), r.push_blob(r.content(algorithm="sha512"))
    accepted(r, manifest(config, [layer]), "I-010")


@case("I-010", category=PUSH, api=BY_TAG)
def index_of_mixed_algorithms(r: Registry) -> None:
    """An index may name one image by sha256 and another by sha512."""
    needs_manifests(r, "sha512")
    other = r.image("sha512")
    r.push_manifest(other)
    accepted(r, index([r.push_image(), other]), "I-010", OCI_INDEX)


@case("I-028", category=PUSH, api=BY_TAG)
def least(r: Registry) -> None:
    """The least that an image manifest can be is accepted: no mediaType, no annotations, no layers."""
    image = changed(manifest(r.push_blob(r.config()), []), mediaType=None)
    accepted(r, image, "I-028")
