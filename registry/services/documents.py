"""A manifest as pushed: parsed and checked, not yet stored. Pure; its bytes are never changed (R-110)."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from registry.errors import DigestMalformed, ManifestInvalid
from registry.names import Digest

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"

IMAGES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})

# Layers that clients do not upload.
NONDISTRIBUTABLE = frozenset(
    {
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    }
)

MOST_LINKS = 10_000
"""Descriptors of one manifest: each costs the one transaction that stores it a look-up and a row."""
LARGEST_SIZE = 2**63 - 1
LONGEST_INDEXED = 255
"""Characters of a media type that are looked for; the manifest itself keeps all of them."""
DEEPEST = 64

CONFIG, LAYER, CHILD = "config", "layer", "child"


@dataclass(frozen=True, slots=True)
class Link:
    """A descriptor of a manifest. `role`: config, layer or child; `size` in bytes."""

    role: str
    media_type: str
    digest: Digest
    size: int

    @property
    def required(self) -> bool:
        """Whether a manifest that must be whole needs this to be there."""
        return self.media_type not in NONDISTRIBUTABLE


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest that may be stored under `digest`. `artifact_type` is the computed one (R-155)."""

    body: bytes
    digest: Digest
    media_type: str
    artifact_type: str | None
    subject: Digest | None
    annotations: dict[str, str]
    links: Sequence[Link]

    @property
    def referrer(self) -> bytes | None:
        """The descriptor by which it is listed among its subject's referrers (R-154 to R-156); none without one."""
        if self.subject is None:
            return None
        entry: dict[str, object] = {"mediaType": self.media_type, "digest": self.digest, "size": len(self.body)}
        if self.artifact_type:
            entry["artifactType"] = self.artifact_type
        if self.annotations:
            entry["annotations"] = self.annotations
        return orjson.dumps(entry)


def parse(body: bytes, digest: Digest, content_type: str | None, further_types: Sequence[str] = ()) -> Document:
    """Check a manifest (spec/manifests.md) and take from it what is indexed.

    `digest` is that of `body`, already checked. `content_type` is the request's, without parameters; None: it had none
    (R-115). `further_types`: media types that are stored without a look at their fields. Raises `ManifestInvalid`."""
    fields = load(body)
    stated = fields.get("mediaType")
    if stated is not None and not isinstance(stated, str):
        raise ManifestInvalid("mediaType is not a string")
    media_type = content_type or stated or infer(fields)
    if stated and stated != media_type:
        raise ManifestInvalid(f"Content-Type is {media_type}, but mediaType in the manifest is {stated}")
    if media_type in further_types:
        return describe(body, digest, media_type, fields)
    if media_type not in IMAGES and media_type not in INDEXES:
        raise ManifestInvalid(f"manifests of type {media_type[:200]} are not accepted")
    version = fields.get("schemaVersion")
    if version != 2 or not isinstance(version, int):
        raise ManifestInvalid("schemaVersion is not 2")
    if "manifests" in fields and ("config" in fields or "layers" in fields):
        raise ManifestInvalid("it is both an image manifest and an index")
    if media_type in IMAGES:
        if fields.get("config") is None or "layers" not in fields:
            raise ManifestInvalid("an image manifest has config and layers")
    elif "manifests" not in fields:
        raise ManifestInvalid("an index has manifests")
    return describe(body, digest, media_type, fields)


def describe(body: bytes, digest: Digest, media_type: str, fields: dict[str, Any]) -> Document:
    links = []
    config = fields.get("config")
    if config is not None:
        links.append(link(CONFIG, config, "config"))
    for role, field in ((LAYER, "layers"), (CHILD, "manifests")):
        entries = fields.get(field)
        if entries is None:  # Go writes an empty list that was never made as null.
            continue
        if not isinstance(entries, list):
            raise ManifestInvalid(f"{field} is not a list")
        links += [link(role, entry, f"{field}[{position}]") for position, entry in enumerate(entries)]
    if len(links) > MOST_LINKS:
        raise ManifestInvalid(f"it has {len(links)} descriptors; the limit is {MOST_LINKS}")
    subject = fields.get("subject")
    return Document(
        body=body,
        digest=digest,
        media_type=media_type,
        artifact_type=artifact_type(fields, links),
        subject=None if subject is None else link("subject", subject, "subject").digest,
        annotations=annotations(fields),
        links=links,
    )


def link(role: str, entry: object, place: str) -> Link:
    """A descriptor (image-spec). Raises `ManifestInvalid` naming its place."""
    if not isinstance(entry, dict):
        raise ManifestInvalid(f"{place} is not a descriptor")
    media_type, digest, size = entry.get("mediaType"), entry.get("digest"), entry.get("size")
    # Any text will do: clients write parameters, words without slash and lengths beyond RFC 6838, and what other
    # registries hold must be able to come here.
    if not isinstance(media_type, str) or not media_type:
        raise ManifestInvalid(f"{place} has no mediaType")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= LARGEST_SIZE:
        raise ManifestInvalid(f"{place} has no valid size")
    if not isinstance(digest, str):
        raise ManifestInvalid(f"{place} has no digest")
    try:
        return Link(role, media_type, Digest.parse(digest), size)
    except DigestMalformed:
        raise ManifestInvalid(f"{place} has an invalid digest: {digest[:200]}") from None


def artifact_type(fields: dict[str, Any], links: Sequence[Link]) -> str | None:
    """R-155: its own if it has one, else the config's media type for an image, nothing for an index."""
    own = fields.get("artifactType")
    if own is not None and not isinstance(own, str):
        raise ManifestInvalid("artifactType is not a string")
    if own:
        return own
    return links[0].media_type if links and links[0].role == CONFIG else None


def indexed(media_type: str) -> str:
    """A media type as columns have it: cut, and without the one character that some databases do not take."""
    return media_type[:LONGEST_INDEXED].replace("\0", "\N{REPLACEMENT CHARACTER}")


def annotations(fields: dict[str, Any]) -> dict[str, str]:
    found = fields.get("annotations")
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ManifestInvalid("annotations are not a map of strings to strings")
    return found


def infer(fields: dict[str, Any]) -> str:
    """What a manifest without any media type is, by its shape."""
    return OCI_INDEX if "manifests" in fields else OCI_MANIFEST


def load(body: bytes) -> dict[str, Any]:
    """The JSON object, refusing what two readers could understand differently (R-134). Raises `ManifestInvalid`."""
    try:
        fields = json.loads(
            body.decode("utf-8"), object_pairs_hook=unique, parse_float=finite, parse_constant=no_constant
        )
    except UnicodeDecodeError:
        raise ManifestInvalid("it is not UTF-8") from None
    except RecursionError:
        raise ManifestInvalid("it is nested too deeply") from None
    except ValueError as error:
        raise ManifestInvalid(f"it is not valid JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ManifestInvalid("it is not a JSON object")
    if depth(fields) > DEEPEST:
        raise ManifestInvalid("it is nested too deeply")
    if b"\\u" in body and not encodable(fields):
        raise ManifestInvalid("it holds half of a surrogate pair")
    return fields


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return fields


def finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:40]} is larger than any number that JSON readers agree on")
    return number


def encodable(fields: dict[str, Any]) -> bool:
    """Whether it can be written as UTF-8: an escape can name half of a character, which nothing else can say."""
    try:
        json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def depth(fields: dict[str, Any]) -> int:
    """How deeply objects and lists are nested."""
    level: list[Any] = [fields]
    deep = 0
    while level:
        deep += 1
        level = [
            child
            for value in level
            for child in (value.values() if isinstance(value, dict) else value)
            if isinstance(child, dict | list)
        ]
    return deep
