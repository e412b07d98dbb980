"""Registries whose blobs and manifests Docker's own clients find different."""

import json
import re
from typing import Any

from conformance.lab.mutants.layer import Call, Hangup, Reply, Request, mutant

DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def puts(request: Request) -> bool:
    return request.asks("PUT", "manifest")


def reads(request: Request, *kinds: str) -> bool:
    return request.asks("GET HEAD", *kinds)


def fields_of(request: Request) -> dict[str, Any]:
    """The manifest that is pushed; empty if it is none."""
    try:
        fields = json.loads(request.body)
    except ValueError:
        return {}
    return fields if puts(request) and isinstance(fields, dict) else {}


@mutant
async def etag_missing(call: Call, request: Request) -> Reply:
    """ETag is not sent."""
    return (await call(request)).without("etag")


@mutant
async def cache_unasked(call: Call, request: Request) -> Reply:
    """If-None-Match is ignored."""
    return await call(request.without("if-none-match"))


@mutant
async def cache_trusted(call: Call, request: Request) -> Reply:
    """If-None-Match answers 304 whatever it names."""
    cached = reads(request, "blob", "manifest") and request.header("if-none-match")
    return Reply(304, (), b"") if cached else await call(request)


@mutant
async def beyond_is_whole(call: Call, request: Request) -> Reply:
    """A range beyond the end gives the whole blob."""
    reply = await call(request)
    return await call(request.without("range")) if reads(request, "blob") and reply.status == 416 else reply


@mutant
async def if_range_ignored(call: Call, request: Request) -> Reply:
    """If-Range is ignored."""
    return await call(request.without("if-range"))


@mutant
async def if_range_never_holds(call: Call, request: Request) -> Reply:
    """If-Range gives the whole blob always."""
    return await call(request.without("range") if request.header("if-range") else request)


@mutant
async def bad_digest_fails(call: Call, request: Request) -> Reply:
    """What is no digest answers 500."""
    bad = request.kind == "blob" or ":" in request.reference
    if request.kind in ("blob", "manifest") and bad and not DIGEST.fullmatch(request.reference):
        return Reply(500, (), b"")
    return await call(request)


@mutant
async def bad_digest_called_a_name(call: Call, request: Request) -> Reply:
    """A malformed digest is answered with NAME_INVALID, as in go-containerregistry."""
    reply = await call(request)
    return reply.with_body(reply.body.replace(b"DIGEST_INVALID", b"NAME_INVALID"))


@mutant
async def blobs_of_all(call: Call, request: Request) -> Reply:
    """A blob is found in every repository."""
    reply = await call(request)
    digest = request.parameter("digest") or ""
    if request.asks("PUT", "upload") and reply.status == 201:
        request.state[digest] = f"/v2/{request.name}/blobs/{digest}"
    if reads(request, "blob") and reply.status == 404 and request.reference in request.state:
        return await call(request.to(request.state[request.reference]))
    return reply


@mutant
async def other_kind_fails(call: Call, request: Request) -> Reply:
    """A manifest's digest among the blobs answers 500."""
    if puts(request) and ":" in request.reference:
        request.state[request.reference] = True
    stray = reads(request, "blob") and request.reference in request.state
    return Reply(500, (), b"") if stray else await call(request)


@mutant
async def deletion_forbidden(call: Call, request: Request) -> Reply:
    """DELETE answers 403."""
    return Reply(403, (), b"") if request.asks("DELETE", "blob", "manifest") else await call(request)


@mutant
async def hangs_up(call: Call, request: Request) -> Reply:
    """The connection is closed after each blob, without a word."""
    reply = await call(request)
    if request.asks("GET", "blob") and reply.status == 200:
        raise Hangup(reply, len(reply.body))
    return reply


@mutant
async def large_is_400(call: Call, request: Request) -> Reply:
    """A manifest that is too large answers 400, as in distribution."""
    reply = await call(request)
    return reply.with_status(400) if reply.status == 413 else reply


@mutant
async def tags_immutable(call: Call, request: Request) -> Reply:
    """A tag that is there cannot be pushed."""
    known = puts(request) and (await call(request.as_method("HEAD").with_body(b""))).status == 200
    return Reply(409, (), b"") if known and ":" not in request.reference else await call(request)


@mutant
async def tags_stale(call: Call, request: Request) -> Reply:
    """A tag gives what it gave the first time."""
    if request.asks("GET", "manifest") and ":" not in request.reference:
        if request.path not in request.state:
            request.state[request.path] = await call(request)
        stale: Reply = request.state[request.path]
        return stale
    return await call(request)


@mutant
async def nothing_deleted(call: Call, request: Request) -> Reply:
    """DELETE of what is not there answers 202."""
    reply = await call(request)
    return reply.with_status(202) if request.method == "DELETE" and reply.status == 404 else reply


@mutant
async def deleted_for_ever(call: Call, request: Request) -> Reply:
    """What was deleted cannot be pushed again."""
    if request.asks("DELETE", "manifest"):
        request.state[request.path] = True
    return Reply(409, (), b"") if puts(request) and request.path in request.state else await call(request)


@mutant
async def serialised_anew(call: Call, request: Request) -> Reply:
    """A manifest is served as the registry would write it."""
    reply = await call(request)
    if request.asks("GET", "manifest") and reply.status == 200:
        return reply.with_body(json.dumps(json.loads(reply.body), indent=1).encode())
    return reply


@mutant
async def manifests_unread(call: Call, request: Request) -> Reply:
    """A manifest is not looked at: 201, whatever it is."""
    reply = await call(request)
    return reply.with_status(201) if puts(request) and reply.status in (400, 415) else reply


@mutant
async def no_type_fails(call: Call, request: Request) -> Reply:
    """A manifest without Content-Type answers 500."""
    return Reply(500, (), b"") if puts(request) and not request.header("content-type") else await call(request)


@mutant
async def type_compared_as_text(call: Call, request: Request) -> Reply:
    """A manifest's Content-Type with parameters or in odd case answers 400."""
    kind = request.header("content-type") or ""
    odd = puts(request) and (";" in kind or kind != kind.lower())
    return Reply(400, (), b"") if odd else await call(request)


@mutant
async def missing_entry_is_404(call: Call, request: Request) -> Reply:
    """An index with a missing entry answers 404, as in go-containerregistry."""
    for entry in fields_of(request).get("manifests") or []:
        path = f"/v2/{request.name}/manifests/{entry['digest']}"
        if (await call(request.as_method("HEAD").to(path).with_body(b""))).status == 404:
            return Reply(404, (), b"")
    return await call(request)


@mutant
async def platform_demanded(call: Call, request: Request) -> Reply:
    """An index whose entries have no known platform answers 500."""
    for entry in fields_of(request).get("manifests") or []:
        if entry.get("platform", {}).get("os") in (None, "unknown"):
            return Reply(500, (), b"")
    return await call(request)


@mutant
async def images_only(call: Call, request: Request) -> Reply:
    """An index lists images only; others answer 400."""
    kinds = [entry["mediaType"] for entry in fields_of(request).get("manifests") or []]
    if any("manifest" not in kind or kind in (OCI_INDEX, DOCKER_LIST) for kind in kinds):
        return Reply(400, (), b"")
    return await call(request)


@mutant
async def little_refused(call: Call, request: Request) -> Reply:
    """A manifest without layers or entries, and an artifact, answer 400."""
    fields = fields_of(request)
    little = fields.get("layers") == [] or fields.get("manifests") == [] or "artifactType" in fields
    return Reply(400, (), b"") if little else await call(request)


@mutant
async def foreign_layer_fails(call: Call, request: Request) -> Reply:
    """A layer with urls answers 500, as in distribution."""
    foreign = any("urls" in layer for layer in fields_of(request).get("layers") or [])
    return Reply(500, (), b"") if foreign else await call(request)


@mutant
async def accept_fails(call: Call, request: Request) -> Reply:
    """A manifest answers 500 to who accepts neither manifests nor anything."""
    accept = request.header("accept") or "*/*"
    odd = reads(request, "manifest") and "*/*" not in accept and "manifest" not in accept and "index" not in accept
    return Reply(500, (), b"") if odd else await call(request)


@mutant
async def list_hidden(call: Call, request: Request) -> Reply:
    """A list answers 404 to who does not accept lists."""
    reply = await call(request)
    kind = reply.header("content-type")
    accept = ",".join(value for key, value in request.headers if key == "accept")
    hidden = reads(request, "manifest") and kind == DOCKER_LIST and DOCKER_LIST not in accept
    return Reply(404, (), b"") if hidden else reply


@mutant
async def referrer_lost(call: Call, request: Request) -> Reply:
    """The last referrer is not listed."""
    reply = await call(request)
    if request.asks("GET", "referrers") and reply.status == 200:
        fields = json.loads(reply.body)
        return reply.with_body(json.dumps(fields | {"manifests": fields["manifests"][:-1]}).encode())
    return reply


@mutant
async def subject_demanded(call: Call, request: Request) -> Reply:
    """A manifest whose subject is missing answers 400."""
    subject = fields_of(request).get("subject")
    if subject:
        path = f"/v2/{request.name}/manifests/{subject['digest']}"
        if (await call(request.as_method("HEAD").to(path).with_body(b""))).status == 404:
            return Reply(400, (), b"")
    return await call(request)
