"""Registries with rules for manifests that no specification knows: each refuses what image-spec allows."""

import json
import re
from collections.abc import Callable
from typing import Any

from conformance.lab.mutants.layer import Call, Reply, Request, mutant
from conformance.lab.mutants.wrong_manifests import error, fields_of, puts

Fields = dict[str, Any]
Rule = Callable[[Fields], bool]
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
ANNOTATION = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)+")


def entries(fields: Fields, *places: str) -> list[Fields]:
    """The descriptors in these fields."""
    found: list[Any] = []
    for place in places:
        value = fields.get(place)
        found += value if isinstance(value, list) else [value]
    return [entry for entry in found if isinstance(entry, dict)]


def contents(fields: Fields) -> list[Fields]:
    return entries(fields, "config", "layers", "manifests")


def digests(fields: Fields) -> list[str]:
    return [str(entry.get("digest")) for entry in contents(fields)]


def known_image_type(entry: Fields) -> bool:
    return re.search(r"vnd\.(oci\.image|docker)", str(entry.get("mediaType"))) is not None


RULES: dict[str, tuple[str, Rule]] = {
    "layers_demanded": (
        "An image has at least one layer, as image-spec's JSON schema wants it.",
        lambda fields: fields.get("layers") == [],
    ),
    "entries_demanded": ("An index has at least one entry.", lambda fields: fields.get("manifests") == []),
    "no_artifacts": ("An artifactType is refused.", lambda fields: "artifactType" in fields),
    "artifact_types_of_its_own": (
        "An artifactType is none of those that are known.",
        lambda fields: str(fields.get("artifactType", "")).endswith("+json"),
    ),
    "no_artifact_index": (
        "An index has no artifactType.",
        lambda fields: "artifactType" in fields and "manifests" in fields,
    ),
    "configs_of_images": (
        "A config is an image's.",
        lambda fields: not all(known_image_type(config) for config in entries(fields, "config")),
    ),
    "layers_of_images": (
        "A layer is an image's.",
        lambda fields: not all(known_image_type(layer) for layer in entries(fields, "layers")),
    ),
    "entries_of_images": (
        "An entry of an index is a manifest or an index.",
        lambda fields: not all("image.manifest" in str(entry) or "image.index" in str(entry)
                               for entry in entries(fields, "manifests")),
    ),
    "no_nested_index": (
        "An entry of an index is no index.",
        lambda fields: any(entry.get("mediaType") == INDEX for entry in entries(fields, "manifests")),
    ),
    "no_empty_type": (
        "The empty type is refused.",
        lambda fields: any(entry.get("mediaType") == EMPTY for entry in contents(fields)),
    ),
    "no_unknown_fields": (
        "Fields that are not known are refused.",
        lambda fields: any("custom" in key or "Unspecified" in key for key in fields),
    ),
    "platform_demanded": (
        "An entry of an index has a platform.",
        lambda fields: any("platform" not in entry for entry in entries(fields, "manifests")),
    ),
    "known_platforms": (
        "An entry's platform is one that Go knows.",
        lambda fields: "riscv128" in json.dumps(entries(fields, "manifests")),
    ),
    "each_blob_once": (
        "A blob is named once in a manifest.",
        lambda fields: len(digests(fields)) > len(set(digests(fields))),
    ),
    "no_empty_blobs": (
        "A descriptor has at least one byte.",
        lambda fields: any(entry.get("size") == 0 for entry in contents(fields)),
    ),
    "no_urls": (
        "A layer has no urls, as distribution's default policy wants it.",
        lambda fields: any("urls" in entry for entry in contents(fields)),
    ),
    "no_data": ("A descriptor has no data.", lambda fields: any("data" in entry for entry in contents(fields))),
    "no_annotated_descriptors": (
        "Only a manifest has annotations.",
        lambda fields: any("annotations" in entry for entry in contents(fields)),
    ),
    "annotation_keys": (
        "An annotation's key is a reversed domain.",
        lambda fields: not all(ANNOTATION.fullmatch(key) for key in fields.get("annotations") or {}),
    ),
    "sha256_only": (
        "A descriptor's digest is sha256.",
        lambda fields: any(not digest.startswith("sha256:") for digest in digests(fields)),
    ),
    "one_algorithm_each": (
        "All digests of a manifest are of one algorithm.",
        lambda fields: len({digest.partition(":")[0] for digest in digests(fields)}) > 1,
    ),
    "known_algorithms": (
        "A subject's digest is of a known algorithm.",
        lambda fields: "b64u:" in str(entries(fields, "subject")),
    ),
    "known_subjects": (
        "A subject is an image or an index.",
        lambda fields: not all(known_image_type(subject) for subject in entries(fields, "subject")),
    ),
    "no_layerless_images": (
        "An index lists manifests, and never layers.",
        lambda fields: any("layer" in str(entry.get("mediaType")) for entry in entries(fields, "manifests")),
    ),
}  # fmt: skip


def refusing(name: str, fault: str, rule: Rule) -> None:
    """A mutant that refuses the manifests for which the rule holds."""

    async def refuse(call: Call, request: Request) -> Reply:
        if puts(request) and rule(fields_of(request.body)):
            return error(400, "MANIFEST_INVALID")
        return await call(request)

    refuse.__name__, refuse.__doc__ = name, fault
    mutant(refuse)


for rule_name, (meant, holds) in RULES.items():
    refusing(rule_name, meant, holds)


async def config_of(call: Call, request: Request) -> bytes:
    """The content of the pushed manifest's config; that of no object if it is not there."""
    config = fields_of(request.body).get("config")
    digest = config.get("digest") if isinstance(config, dict) else ""
    asked = request.as_method("GET").to(f"/v2/{request.name}/blobs/{digest}").with_body(b"")
    reply = await call(asked)
    return reply.body if reply.status == 200 else b"{}"


@mutant
async def every_config_parsed(call: Call, request: Request) -> Reply:
    """A config that is no JSON object is refused."""
    if puts(request):
        try:
            json.loads(await config_of(call, request))
        except ValueError:
            return error(400, "MANIFEST_INVALID")
    return await call(request)


@mutant
async def architecture_demanded(call: Call, request: Request) -> Reply:
    """An image's configuration without an architecture is refused."""
    config = fields_of(await config_of(call, request)) if puts(request) else {}
    if config and "architecture" not in config and "image.config" in request.body.decode("latin-1"):
        return error(400, "MANIFEST_INVALID")
    return await call(request)


@mutant
async def diff_ids_counted(call: Call, request: Request) -> Reply:
    """An image has as many layers as its configuration has diff_ids."""
    rootfs = fields_of(await config_of(call, request)).get("rootfs") if puts(request) else None
    named = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    layers = fields_of(request.body).get("layers")
    if named and isinstance(layers, list) and len(named) != len(layers):
        return error(400, "MANIFEST_INVALID")
    return await call(request)


@mutant
async def deeply_nested_lost(call: Call, request: Request) -> Reply:
    """An index of indexes that have indexes themselves is refused."""
    depth = 0
    if puts(request):
        for entry in entries(fields_of(request.body), "manifests"):
            depth = max(depth, request.state.get(str(entry.get("digest")), 0) + 1)
    if depth > 2:
        return error(400, "MANIFEST_INVALID")
    reply = await call(request)
    if reply.status == 201:
        request.state[str(reply.header("docker-content-digest"))] = depth
    return reply
