"""Registries that check digests wrongly, or not at all."""

import hashlib
import json
import re
from dataclasses import replace

from conformance.lab.mutants.layer import Call, Reply, Request, mutant

DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def closes(request: Request) -> bool:
    return request.asks("PUT", "upload")


def claimed(request: Request) -> str:
    return request.parameter("digest") or ""


def digest_like(digest: str, body: bytes) -> str:
    """The digest of the body, by the algorithm of another."""
    algorithm = digest.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"


async def pushed(call: Call, request: Request, digest: str, body: bytes) -> Reply:
    """The body is stored under its digest, in the request's repository."""
    uploads = request.path.rpartition("/")[0] + "/"
    return await call(replace(request, method="POST", path=uploads, body=body).with_parameters(digest=digest))


def remembered(request: Request) -> bytes:
    """All bytes that an upload got, this request's too."""
    request.state[request.reference] = request.state.get(request.reference, b"") + request.body
    return bytes(request.state[request.reference])


@mutant
async def acknowledged_unchecked(call: Call, request: Request) -> Reply:
    """A closing PUT with a wrong digest answers 201."""
    reply = await call(request)
    if closes(request) and reply.status == 400:
        return Reply(201, (("location", f"/v2/{request.name}/blobs/{claimed(request)}"),), b"")
    return reply


@mutant
async def wrong_digest_is_404(call: Call, request: Request) -> Reply:
    """A closing PUT with a wrong digest answers 404."""
    reply = await call(request)
    return reply.with_status(404) if closes(request) and reply.status == 400 else reply


@mutant
async def refused_but_seen(call: Call, request: Request) -> Reply:
    """A closing PUT with a wrong digest answers 400, and the blob can be seen under it."""
    reply = await call(request)
    if closes(request) and reply.status == 400:
        request.state[f"/v2/{request.name}/blobs/{claimed(request)}"] = True
    if request.asks("GET HEAD", "blob") and request.path in request.state:
        return Reply(200, (), b"")
    return reply


@mutant
async def refused_but_stored(call: Call, request: Request) -> Reply:
    """A closing PUT with a wrong digest answers 400, and its bytes are stored under their own digest."""
    if request.asks("PATCH PUT", "upload"):
        body = remembered(request)
        reply = await call(request)
        if closes(request) and reply.status == 400 and DIGEST.fullmatch(claimed(request)):
            await pushed(call, request, digest_like(claimed(request), body), body)
        return reply
    return await call(request)


@mutant
async def last_chunk_hashed(call: Call, request: Request) -> Reply:
    """A closing PUT is checked by the bytes that it brings, whatever came before."""
    digest = claimed(request)
    if closes(request) and request.body and DIGEST.fullmatch(digest) and digest == digest_like(digest, request.body):
        return await pushed(call, request.without("content-range"), digest, request.body)
    return await call(request)


@mutant
async def nothing_not_hashed(call: Call, request: Request) -> Reply:
    """A closing PUT on an upload without bytes is not checked."""
    if request.asks("PATCH", "upload"):
        request.state[request.reference] = True
    if closes(request) and not request.body and request.reference not in request.state:
        reply = await call(request)
        return reply.with_status(201) if reply.status == 400 else reply
    return await call(request)


@mutant
async def malformed_digest_fails(call: Call, request: Request) -> Reply:
    """Something that is no digest answers 500 in every push."""
    if request.kind in ("upload", "uploads") and claimed(request) and not DIGEST.fullmatch(claimed(request)):
        return Reply(500, (), b"")
    return await call(request)


@mutant
async def malformed_digest_is_404(call: Call, request: Request) -> Reply:
    """A closing PUT with something that is no digest answers 404."""
    if closes(request) and not DIGEST.fullmatch(claimed(request)):
        return Reply(404, (), b"")
    return await call(request)


@mutant
async def unknown_algorithm_accepted(call: Call, request: Request) -> Reply:
    """A digest of an unknown algorithm, which cannot be checked, is accepted."""
    if closes(request) and claimed(request).startswith("sha0:"):
        return Reply(201, (("location", f"/v2/{request.name}/blobs/{claimed(request)}"),), b"")
    return await call(request)


@mutant
async def name_blamed(call: Call, request: Request) -> Reply:
    """Something that is no digest is refused as NAME_INVALID, as go-containerregistry does."""
    reply = await call(request)
    if closes(request) and reply.status == 400 and not DIGEST.fullmatch(claimed(request)):
        return reply.with_body(json.dumps({"errors": [{"code": "NAME_INVALID"}]}).encode())
    return reply
