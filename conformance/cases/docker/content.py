"""docker-distribution's wire: kinds of manifests, what is accepted and what is not, and negotiation."""

import json
from collections.abc import Callable
from typing import Any

from conformance.case import case
from conformance.cases.docker.steps import coded, fine, refused
from conformance.cases.referrers.steps import artifact, exactly, listing, of_type, push, subject_of, type_of
from conformance.cases.referrers.steps import index as index_with_subject
from conformance.cases.steps import ACCEPT, served
from conformance.client.registry import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Content,
    Registry,
    index,
    manifest,
)
from conformance.client.wire import Headers
from conformance.model import Category

DOCKER = Category.DOCKER
PUT, GET = "Manifest put by tag", "Manifest get by tag"
CONFIG, LAYER = "application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar.gzip"
UNKNOWN_TYPE = "application/vnd.example.unknown"

BAD: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "a foreign type": ("text/plain", lambda image: image),
    "a contradicted type": (OCI_INDEX, lambda image: image),
    "no bytes": (OCI_MANIFEST, lambda image: b""),
    "bad JSON": (OCI_MANIFEST, lambda image: b'{"schemaVersion": 2,'),
    "no object": (OCI_MANIFEST, lambda image: b"[]"),
    "a byte order mark": (OCI_MANIFEST, lambda image: b"\xef\xbb\xbf" + image),
    "repeated keys": (OCI_MANIFEST, lambda image: image[:-1] + b', "schemaVersion": 2}'),
}
"""The type and the bytes that are pushed instead of a good image's."""


@case("D-M8", category=DOCKER, api=PUT, variants=tuple(BAD))
def bad_manifest(r: Registry, variant: str) -> None:
    """A manifest with {variant} is refused with MANIFEST_INVALID, unless it is one to Docker's registry."""
    media_type, spoiled = BAD[variant]
    content = Content(spoiled(r.image().data))
    tag = r.tag()
    answer = r.put_manifest(content, tag, media_type)
    # Docker's own registry reads JSON as Go does, the last of equal keys: then what it takes is what it gives.
    if variant == "repeated keys" and answer.status == 201:
        served(r, r.get(r.manifest_path(tag), ACCEPT), content, "D-M8", f"a manifest with {variant}")
        return
    r.status(answer, (400, 415) if "type" in variant else 400, "D-M8", f"a manifest with {variant}")
    coded(r, answer, "MANIFEST_INVALID", "D-M8")
    r.status(r.get(r.manifest_path(tag), ACCEPT), 404, "D-M8", "what was refused")


@case("D-M8", category=DOCKER, api=PUT)
def no_type(r: Registry) -> None:
    """A manifest without Content-Type is refused with MANIFEST_INVALID, or has the type in its body."""
    image = r.image()
    answer = r.put(r.manifest_path(image.digest), [], image.data)
    if answer.status == 201:
        served(r, r.get(r.manifest_path(image.digest), ACCEPT), image, "D-M8")
        r.header(r.head(r.manifest_path(image.digest), ACCEPT), "content-type", OCI_MANIFEST, "D-M8")
    else:
        refused(r, answer, 400, "MANIFEST_INVALID", "D-M8", "a manifest without Content-Type")


SPELLINGS = {
    "a charset": f"{OCI_MANIFEST}; charset=utf-8",
    "a parameter": f"{OCI_MANIFEST};a=b",
    "odd case": OCI_MANIFEST.replace("vnd.oci", "VND.oci"),
}


@case("D-M10", category=DOCKER, api=PUT, variants=tuple(SPELLINGS))
def spelling(r: Registry, variant: str) -> None:
    """A manifest's Content-Type with {variant} is accepted."""
    image, tag = r.image(), r.tag()
    r.status(r.put_manifest(image, tag, SPELLINGS[variant]), 201, "D-M10", SPELLINGS[variant])
    served(r, r.get(r.manifest_path(tag), ACCEPT), image, "D-M10")


def of_kind(r: Registry, media_type: str) -> Content:
    """A manifest of this type, with all it needs pushed."""
    if media_type == OCI_MANIFEST:
        return r.image()
    if media_type == OCI_INDEX:
        return index([r.push_image()])
    image = docker_image(r)
    if media_type == DOCKER_MANIFEST:
        return image
    r.push_manifest(image, media_type=DOCKER_MANIFEST)
    return docker_list(image)


def docker_image(r: Registry) -> Content:
    config, layer = r.push_blob(r.config()), r.push_blob(r.content())
    return manifest(config, [layer], config_type=CONFIG, layer_type=LAYER, media_type=DOCKER_MANIFEST)


def docker_list(*images: Content, architecture: str = "amd64") -> Content:
    platform = {"architecture": architecture, "os": "linux"}
    entries = [image.descriptor(DOCKER_MANIFEST, platform=platform) for image in images]
    return Content(json.dumps({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": entries}).encode())


@case("D-M11", "R-224", category=DOCKER, api=PUT, variants=(DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX))
def round_trip(r: Registry, media_type: str) -> None:
    """A manifest comes back byte for byte, with its type ({variant})."""
    content, tag = of_kind(r, media_type), r.tag()
    r.status(r.put_manifest(content, tag, media_type), 201, "D-M11", media_type)
    for reference in (tag, content.digest):
        answer = r.get(r.manifest_path(reference), ACCEPT)
        served(r, answer, content, "D-M11")
        r.header(answer, "content-type", media_type, "D-M11")


@case("D-M12", category=DOCKER, api=PUT)
def entry_missing(r: Registry) -> None:
    """An index with a missing entry is refused with MANIFEST_BLOB_UNKNOWN, or accepted."""
    parent = index([r.push_image(), r.image()])
    answer = r.put_manifest(parent, r.tag(), OCI_INDEX)
    r.status(answer, (201, 400), "D-M12", "an index with a missing entry")
    if answer.status == 400:
        coded(r, answer, "MANIFEST_BLOB_UNKNOWN", "D-M12")
    else:
        served(r, r.get(r.manifest_path(parent.digest), ACCEPT), parent, "D-M12")


def accepted(r: Registry, content: Content, requirement: str, media_type: str, what: str) -> None:
    """It is stored, and pulled as it was pushed."""
    tag = r.tag()
    r.status(r.put_manifest(content, tag, media_type), 201, requirement, what)
    served(r, r.get(r.manifest_path(tag), ACCEPT), content, requirement)


@case("D-M13", category=DOCKER, api=PUT, variants=("none", "empty", "unknown"))
def platform(r: Registry, variant: str) -> None:
    """An index is accepted whatever platforms its entries have ({variant})."""
    more: dict[str, dict[str, Any]] = {
        "none": {},
        "empty": {"platform": {}},
        "unknown": {"platform": {"os": "unknown", "architecture": "unknown"}},
    }
    entries = [r.push_image().descriptor(OCI_MANIFEST, **more[variant]) for _ in range(2)]
    parent = Content(json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode())
    accepted(r, parent, "D-M13", OCI_INDEX, f"an index whose platforms are {variant}")


@case("D-M14", category=DOCKER, api=PUT, variants=("an index", "blobs"))
def entries_of_other_kinds(r: Registry, variant: str) -> None:
    """An index may list {variant}."""
    if variant == "blobs":
        layer, cache = r.push_blob(r.content()), r.push_blob(r.config())
        entries = [layer.descriptor(OCI_LAYER), cache.descriptor("application/vnd.buildkit.cacheconfig.v0")]
    else:
        inner = index([r.push_image()])
        r.push_manifest(inner, media_type=OCI_INDEX)
        entries = [inner.descriptor(OCI_INDEX)]
    parent = Content(json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode())
    accepted(r, parent, "D-M14", OCI_INDEX, f"an index of {variant}")


@case(
    "D-M15", category=DOCKER, api=PUT, variants=("an index without entries", "an image without layers", "an artifact")
)
def little(r: Registry, variant: str) -> None:
    """What has little in it is accepted: {variant}."""
    empty = r.push_blob(Content(b"{}"))
    if variant == "an index without entries":
        accepted(r, index([], annotations={"org.example.tag": r.tag()}), "D-M15", OCI_INDEX, variant)
    elif variant == "an image without layers":
        accepted(r, manifest(r.push_blob(r.config()), []), "D-M15", OCI_MANIFEST, variant)
    else:
        one = manifest(empty, [empty], config_type=OCI_EMPTY, layer_type=OCI_EMPTY, artifactType=type_of(r))
        accepted(r, one, "D-M15", OCI_MANIFEST, variant)


URLS = {
    "none": [],
    "http": ["http://foreign.example.org/layer"],
    "https": ["https://foreign.example.org/layer"],
    "relative": ["/layer"],
    "no URL": ["::"],
    "ftp": ["ftp://foreign.example.org/layer"],
}


@case("D-M16", category=DOCKER, api=PUT, variants=tuple(URLS))
def foreign_layer(r: Registry, variant: str) -> None:
    """A layer with urls is accepted, or refused with 400, never with a server error ({variant})."""
    config, layer = r.push_blob(r.config()), r.push_blob(r.content())
    foreign = layer.descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", urls=URLS[variant])
    fields = json.loads(manifest(config, [], config_type=CONFIG, media_type=DOCKER_MANIFEST).data)
    image = Content(json.dumps(fields | {"layers": [foreign]}).encode())
    answer = r.put_manifest(image, r.tag(), DOCKER_MANIFEST)
    fine(r, answer, "D-M16", f"a layer with urls {URLS[variant]}")
    r.status(answer, (201, 400), "D-M16")


ACCEPTS: dict[str, Headers] = {
    "none": [],
    "anything": [("Accept", "*/*")],
    "its type": [("Accept", OCI_MANIFEST)],
    "q values": [("Accept", f"{DOCKER_LIST};q=0.3, {OCI_MANIFEST};q=0.9, */*;q=0.1")],
    "several lines": [("Accept", DOCKER_MANIFEST), ("Accept", OCI_MANIFEST)],
    "a foreign type": [("Accept", "text/plain")],
}


@case("D-M17", category=DOCKER, api=GET, variants=tuple(ACCEPTS))
def accept(r: Registry, variant: str) -> None:
    """What is stored is served with Accept: {variant}."""
    tag = r.tag()
    image = r.push_image(tag)
    for reference in (tag, image.digest):
        answer = r.get(r.manifest_path(reference), ACCEPTS[variant])
        # Docker's own registry hides an image from clients that do not name its type: a quirk that others may have.
        if variant == "a foreign type" and answer.status in (404, 406):
            r.skip("an image is not served to clients that do not accept its type")
        served(r, answer, image, "D-M17", f"Accept: {variant}")


@case("D-M18", category=DOCKER, api=GET)
def list_not_accepted(r: Registry) -> None:
    """A list asked for by a client that does not know lists gives its linux/amd64 image, or itself."""
    image = docker_image(r)
    r.push_manifest(image, media_type=DOCKER_MANIFEST)
    parent, tag = docker_list(image), r.tag()
    r.push_manifest(parent, tag, DOCKER_LIST)
    answer = r.get(r.manifest_path(tag), [("Accept", DOCKER_MANIFEST)])
    r.status(answer, 200, "D-M18")
    kind = answer.header("content-type")
    served(r, answer, image if kind == DOCKER_MANIFEST else parent, "D-M18", "a list")
    r.that(kind in (DOCKER_MANIFEST, DOCKER_LIST), "D-M18", f"{DOCKER_MANIFEST} or {DOCKER_LIST}", kind)


@case("D-M27", category=DOCKER, api="Referrers")
def referrers(r: Registry) -> None:
    """What has a subject is accepted, and listed until it is deleted."""
    subject = subject_of(r)
    if r.get(r.referrers_path(subject.digest)).status == 404:
        r.skip("there is no referrers API")
    kind = type_of(r)
    first, second = artifact(r, subject, artifactType=kind), index_with_subject(r, subject)
    push(r, first, second)
    exactly(r, listing(r, subject.digest), [first, second], "D-M27")
    if r.delete(r.manifest_path(second.digest)).status == 202:
        exactly(r, listing(r, subject.digest), [first], "D-M27")
    exactly(r, of_type(r, subject.digest, kind), [first], "D-M27")


@case("D-M27", category=DOCKER, api="Manifest put with subject")
def subject_missing(r: Registry) -> None:
    """A subject that is not there is accepted."""
    subject = subject_of(r)
    one = artifact(r, Content(subject.data + b" "), config_type=OCI_CONFIG)
    accepted(r, one.content, "D-M27", OCI_MANIFEST, "a manifest whose subject is missing")
