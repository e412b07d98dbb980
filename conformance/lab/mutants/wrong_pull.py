"""Registries that serve manifests wrongly, or say the wrong things of what they serve."""

import gzip
import hashlib
import json
from collections.abc import Callable
from typing import Any

from conformance.client.registry import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from conformance.lab.mutants.layer import Call, Reply, Request, mutant
from conformance.lab.mutants.wrong_blobs import elsewhere, pushed_to, refusal


def served(request: Request, reply: Reply) -> bool:
    return request.asks("GET", "manifest") and reply.status == 200


def found(request: Request, reply: Reply) -> bool:
    return request.asks("GET HEAD", "manifest") and reply.status == 200


def lost(request: Request, reply: Reply) -> bool:
    return request.asks("GET HEAD", "manifest") and reply.status == 404


def by_tag(request: Request) -> bool:
    return ":" not in request.reference


async def rewritten(call: Call, request: Request, change: Callable[[dict[str, Any]], str]) -> Reply:
    """With every manifest written anew."""
    reply = await call(request)
    return reply.with_body(change(json.loads(reply.body)).encode()) if served(request, reply) else reply


@mutant
async def written_anew(call: Call, request: Request) -> Reply:
    """Manifests are parsed, and written anew without blanks."""
    return await rewritten(call, request, lambda fields: json.dumps(fields, separators=(",", ":")))


@mutant
async def written_sorted(call: Call, request: Request) -> Reply:
    """Manifests are written anew with their keys in order."""
    return await rewritten(call, request, lambda fields: json.dumps(fields, sort_keys=True, indent=3))


@mutant
async def unknown_fields_lost(call: Call, request: Request) -> Reply:
    """Fields that the registry does not know are lost."""
    reply = await call(request)
    if served(request, reply) and b'"x-' in reply.body:
        fields = {key: value for key, value in json.loads(reply.body).items() if not key.startswith("x-")}
        return reply.with_body(json.dumps(fields).encode())
    return reply


@mutant
async def manifest_compressed(call: Call, request: Request) -> Reply:
    """Manifests are compressed for clients that take gzip."""
    reply = await call(request)
    if served(request, reply) and "gzip" in (request.header("accept-encoding") or ""):
        return reply.with_body(gzip.compress(reply.body)).with_header("content-encoding", "gzip")
    return reply


@mutant
async def tags_cached(call: Call, request: Request) -> Reply:
    """What a tag gave the first time it gives for ever."""
    kept: dict[tuple[str, str], Reply] = request.state.setdefault("kept", {})
    if not request.asks("GET HEAD", "manifest") or not by_tag(request):
        return await call(request)
    key = request.method, request.path
    if key not in kept:
        reply = await call(request)
        if not reply.good:
            return reply
        kept[key] = reply
    return kept[key]


@mutant
async def head_of_manifests_missing(call: Call, request: Request) -> Reply:
    """HEAD of a manifest is answered 404."""
    return refusal(404, "MANIFEST_UNKNOWN") if request.asks("HEAD", "manifest") else await call(request)


@mutant
async def head_of_all_manifests(call: Call, request: Request) -> Reply:
    """HEAD of any manifest is answered 200."""
    reply = await call(request)
    return reply.with_status(200) if lost(request, reply) and request.method == "HEAD" else reply


# Headers


@mutant
async def no_digest(call: Call, request: Request) -> Reply:
    """Docker-Content-Digest is never sent."""
    return (await call(request)).without("docker-content-digest")


@mutant
async def no_digest_on_head(call: Call, request: Request) -> Reply:
    """HEAD is answered without Docker-Content-Digest."""
    reply = await call(request)
    return reply.without("docker-content-digest") if request.method == "HEAD" else reply


@mutant
async def no_length_on_head(call: Call, request: Request) -> Reply:
    """HEAD is answered without Content-Length."""
    reply = await call(request)
    pull = request.asks("HEAD", "blob", "manifest") and reply.status == 200
    return reply._replace(length=-1) if pull else reply


@mutant
async def length_on_head_wrong(call: Call, request: Request) -> Reply:
    """HEAD tells one byte more than there is."""
    reply = await call(request)
    pull = request.asks("HEAD", "blob", "manifest") and reply.status == 200
    return reply._replace(length=(reply.length or 0) + 1) if pull else reply


@mutant
async def digest_of_something(call: Call, request: Request) -> Reply:
    """Docker-Content-Digest is one and the same for everything."""
    reply = await call(request)
    pull = request.asks("GET HEAD", "blob", "manifest") and reply.status == 200
    return reply.with_header("docker-content-digest", f"sha256:{'5' * 64}") if pull else reply


@mutant
async def digest_without_algorithm(call: Call, request: Request) -> Reply:
    """Docker-Content-Digest is the hexadecimal digits alone."""
    reply = await call(request)
    told = reply.header("docker-content-digest")
    return reply.with_header("docker-content-digest", told.partition(":")[2]) if told else reply


@mutant
async def digest_always_sha256(call: Call, request: Request) -> Reply:
    """What was pushed by a sha512 digest is answered with its sha256 digest."""
    reply = await call(request)
    if request.asks("GET HEAD", "blob", "manifest") and request.reference.startswith("sha512:") and reply.good:
        whole = await call(request.as_method("GET"))
        return reply.with_header("docker-content-digest", f"sha256:{hashlib.sha256(whole.body).hexdigest()}")
    return reply


@mutant
async def digest_of_tags_sha512(call: Call, request: Request) -> Reply:
    """A pull by tag tells the sha512 digest of what was stored by sha256."""
    reply = await call(request)
    if found(request, reply) and by_tag(request):
        whole = await call(request.as_method("GET"))
        return reply.with_header("docker-content-digest", f"sha512:{hashlib.sha512(whole.body).hexdigest()}")
    return reply


@mutant
async def type_of_head_other(call: Call, request: Request) -> Reply:
    """HEAD says text/plain, whatever GET says."""
    reply = await call(request)
    return reply.with_header("content-type", "text/plain") if request.method == "HEAD" else reply


@mutant
async def type_is_json(call: Call, request: Request) -> Reply:
    """Manifests come as application/json."""
    reply = await call(request)
    return reply.with_header("content-type", "application/json") if found(request, reply) else reply


@mutant
async def type_with_charset(call: Call, request: Request) -> Reply:
    """The Content-Type of a manifest has a charset."""
    reply = await call(request)
    told = reply.header("content-type")
    return reply.with_header("content-type", f"{told}; charset=utf-8") if found(request, reply) else reply


@mutant
async def docker_types_converted(call: Call, request: Request) -> Reply:
    """Docker's manifests come under the types of OCI."""
    reply = await call(request)
    types = {DOCKER_MANIFEST: OCI_MANIFEST, DOCKER_LIST: OCI_INDEX}
    told = reply.header("content-type") or ""
    return reply.with_header("content-type", types.get(told, told)) if found(request, reply) else reply


# Accept


async def chosen(call: Call, request: Request, lines: list[str], *, all_types: bool = True) -> Reply:
    """404 unless what is there is among these, as a registry has it that looks at Accept."""
    reply = await call(request)
    wanted = [line.strip() for line in lines]
    fits = reply.header("content-type") in wanted or (all_types and "*/*" in wanted)
    return reply if not found(request, reply) or fits else refusal(404, "MANIFEST_UNKNOWN")


@mutant
async def accept_asked_for(call: Call, request: Request) -> Reply:
    """Without Accept, or with */*, only Docker's image manifests are found."""
    lines = [value for key, value in request.headers if key == "accept"]
    return await call(request) if lines and lines != ["*/*"] else await chosen(call, request, [DOCKER_MANIFEST])


@mutant
async def accept_first_line(call: Call, request: Request) -> Reply:
    """Only the first line of Accept is read."""
    lines = [value for key, value in request.headers if key == "accept"]
    return await chosen(call, request, lines[0].split(",")) if lines else await call(request)


@mutant
async def accept_whole_lines(call: Call, request: Request) -> Reply:
    """A line of Accept is taken for one type."""
    lines = [value for key, value in request.headers if key == "accept"]
    return await chosen(call, request, lines) if lines else await call(request)


@mutant
async def accept_preferences_unread(call: Call, request: Request) -> Reply:
    """Types with a preference are not understood."""
    line = request.header("accept") or ""
    return refusal(406, "UNSUPPORTED") if ";" in line and request.asks("GET", "manifest") else await call(request)


@mutant
async def accept_refused(call: Call, request: Request) -> Reply:
    """What is not in Accept is answered 406."""
    lines = [part for key, value in request.headers if key == "accept" for part in value.split(",")]
    reply = await chosen(call, request, [line.partition(";")[0] for line in lines]) if lines else await call(request)
    return reply.with_status(406) if lines and lost(request, reply) else reply


@mutant
async def platform_chosen(call: Call, request: Request) -> Reply:
    """An index is answered with its first image, if the client takes images alone."""
    reply = await call(request)
    lines = [value for key, value in request.headers if key == "accept"]
    if served(request, reply) and lines == [OCI_MANIFEST] and b'"manifests"' in reply.body:
        entries = json.loads(reply.body)["manifests"]
        return await call(request.to(request.path.replace(request.reference, entries[0]["digest"])))
    return reply


# What is not there


@mutant
async def manifest_missing_is_500(call: Call, request: Request) -> Reply:
    """A manifest that is not there is answered 500."""
    reply = await call(request)
    return reply.with_status(500) if lost(request, reply) else reply


@mutant
async def tag_missing_is_latest(call: Call, request: Request) -> Reply:
    """A tag that is not there gives what was pushed last."""
    latest: dict[str, str] = request.state.setdefault("latest", {})
    reply = await call(request)
    if request.asks("PUT", "manifest") and reply.status == 201:
        latest[request.name] = request.path
    if lost(request, reply) and by_tag(request) and request.name in latest:
        return await call(request.to(latest[request.name]))
    return reply


@mutant
async def manifest_missing_as_name(call: Call, request: Request) -> Reply:
    """A manifest that is not there is reported as NAME_UNKNOWN, in a repository that is."""
    reply = await call(request)
    return reply.with_body(refusal(404, "NAME_UNKNOWN").body) if lost(request, reply) else reply


@mutant
async def manifests_of_one_store(call: Call, request: Request) -> Reply:
    """A manifest is served in every repository, by digest and by tag."""
    reply = await call(request)
    pushed_to(request, reply)
    return await elsewhere(call, request, reply) if lost(request, reply) else reply


@mutant
async def tags_of_one_store(call: Call, request: Request) -> Reply:
    """A tag means the same in every repository: what was pushed last."""
    last: dict[str, str] = request.state.setdefault("last", {})
    reply = await call(request)
    if request.asks("PUT", "manifest") and reply.status == 201 and by_tag(request):
        last[request.reference] = request.path
    if found(request, reply) and by_tag(request) and request.reference in last:
        return await call(request.to(last[request.reference]))
    return reply
