"""Registries that take whole blobs wrongly."""

import hashlib
import json

from conformance.lab.mutants.layer import Call, Reply, Request, cut_mutant, mutant

MEGABYTE = 1024 * 1024
EMPTY_OBJECT = {f"{name}:{hashlib.new(name, b'{}').hexdigest()}" for name in ("sha256", "sha512")}
EMPTY = {f"{name}:{hashlib.new(name, b'').hexdigest()}" for name in ("sha256", "sha512")}


def single_post(request: Request) -> bool:
    return request.asks("POST", "uploads") and request.parameter("digest") is not None


def closes(request: Request) -> bool:
    return request.asks("PUT", "upload")


def digest_of(request: Request, body: bytes) -> str:
    """The true digest, by the algorithm that the client named."""
    algorithm = (request.parameter("digest") or "").partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm if algorithm in ('sha256', 'sha512') else 'sha256', body).hexdigest()}"


@mutant
async def closed_with_204(call: Call, request: Request) -> Reply:
    """The closing PUT answers 204."""
    reply = await call(request)
    return reply.with_status(204) if closes(request) and reply.status == 201 else reply


@mutant
async def created_nowhere(call: Call, request: Request) -> Reply:
    """The closing PUT answers 201 without Location, as go-containerregistry does."""
    reply = await call(request)
    return reply.without("location") if closes(request) and reply.status == 201 else reply


@mutant
async def created_elsewhere(call: Call, request: Request) -> Reply:
    """The Location of the closing PUT is that of the upload, which is gone."""
    reply = await call(request)
    return reply.with_header("location", request.path) if closes(request) and reply.status == 201 else reply


@mutant
async def body_limited(call: Call, request: Request) -> Reply:
    """Bodies of more than a megabyte are answered 413, by a proxy in front."""
    return Reply(413, (), b"") if len(request.body) > MEGABYTE else await call(request)


@mutant
async def blob_conflicts(call: Call, request: Request) -> Reply:
    """Pushing a blob that the repository has answers 409."""
    if closes(request):
        there = await call(request.to(f"/v2/{request.name}/blobs/{request.parameter('digest')}").as_method("HEAD"))
        if there.status == 200:
            return Reply(409, (), b"")
    return await call(request)


@mutant
async def well_known_not_stored(call: Call, request: Request) -> Reply:
    """The blob {} is acknowledged without being stored."""
    digest = request.parameter("digest")
    if closes(request) and digest in EMPTY_OBJECT:
        return Reply(201, (("location", f"/v2/{request.name}/blobs/{digest}"),), b"")
    return await call(request)


@mutant
async def single_post_thrown_away(call: Call, request: Request) -> Reply:
    """A single POST is acknowledged, and its bytes are thrown away."""
    if single_post(request):
        return Reply(201, (("location", f"/v2/{request.name}/blobs/{request.parameter('digest')}"),), b"")
    return await call(request)


@mutant
async def single_post_nowhere(call: Call, request: Request) -> Reply:
    """A single POST answers 201 without Location."""
    reply = await call(request)
    return reply.without("location") if single_post(request) and reply.status == 201 else reply


@mutant
async def single_post_refused(call: Call, request: Request) -> Reply:
    """A single POST, which is not supported, answers 405."""
    return Reply(405, (), b"") if single_post(request) else await call(request)


@mutant
async def single_post_opens_nothing(call: Call, request: Request) -> Reply:
    """A single POST, which is not supported, answers 202 without Location."""
    return Reply(202, (), b"") if single_post(request) else await call(request)


@mutant
async def single_post_stored_too_early(call: Call, request: Request) -> Reply:
    """A single POST is stored, and answered 202 with an upload all the same."""
    reply = await call(request)
    return await call(request.with_parameters(digest=None).with_body(b"")) if single_post(request) else reply


@mutant
async def single_post_unchecked(call: Call, request: Request) -> Reply:
    """A single POST is stored under the digest that its bytes have, whichever was named."""
    if single_post(request):
        return await call(request.with_parameters(digest=digest_of(request, request.body)))
    return await call(request)


@mutant
async def single_post_refused_and_stored(call: Call, request: Request) -> Reply:
    """A single POST with a wrong digest is refused, and its bytes are stored under their own."""
    reply = await call(request)
    if single_post(request) and reply.status == 400 and (request.parameter("digest") or "")[6:7] == ":":
        await call(request.with_parameters(digest=digest_of(request, request.body)))
    return reply


@mutant
async def empty_refused(call: Call, request: Request) -> Reply:
    """A blob of no bytes is refused."""
    return Reply(400, (), b"") if request.parameter("digest") in EMPTY else await call(request)


@mutant
async def empty_not_found(call: Call, request: Request) -> Reply:
    """A blob of no bytes is taken for none: HEAD answers 404."""
    return Reply(404, (), b"") if request.asks("HEAD", "blob") and request.reference in EMPTY else await call(request)


@mutant
async def empty_chunk_refused(call: Call, request: Request) -> Reply:
    """A PATCH of no bytes is refused."""
    return Reply(400, (), b"") if request.asks("PATCH", "upload") and not request.body else await call(request)


@mutant
async def length_not_checked(call: Call, request: Request) -> Reply:
    """Digests are not checked, so that a body shorter than the blob is taken for it."""
    reply = await call(request)
    if closes(request) and reply.status == 400:
        return Reply(201, (("location", f"/v2/{request.name}/blobs/{request.parameter('digest')}"),), b"")
    return reply


@cut_mutant
async def cut_body_closed(call: Call, request: Request) -> Reply:
    """A closing PUT whose body was cut off is taken for complete."""
    return await call(request)


@cut_mutant
async def linked_before_it_came(call: Call, request: Request) -> Reply:
    """A blob is linked as its PUT begins: it is found although the connection was cut."""
    if closes(request) and request.cut:
        request.state[request.parameter("digest") or ""] = True
        return Reply(400, (), b"")
    if request.asks("HEAD GET", "blob") and request.reference in request.state:
        return Reply(200, (), b"")
    return await call(request)


@mutant
async def errors_of_the_framework(call: Call, request: Request) -> Reply:
    """Errors about uploads have the form of a web framework."""
    reply = await call(request)
    if request.kind in ("uploads", "upload") and reply.status >= 400:
        return reply.with_body(b'{"detail": "Bad Request"}')
    return reply


@mutant
async def errors_of_its_own(call: Call, request: Request) -> Reply:
    """Errors about uploads have codes that the specification does not know, such as RANGE_INVALID."""
    return recoded(request, await call(request), "RANGE_INVALID")


@mutant
async def errors_all_alike(call: Call, request: Request) -> Reply:
    """All errors about uploads have the code UNSUPPORTED."""
    return recoded(request, await call(request), "UNSUPPORTED")


def recoded(request: Request, reply: Reply, code: str) -> Reply:
    if request.kind in ("uploads", "upload") and reply.status >= 400:
        return reply.with_body(json.dumps({"errors": [{"code": code, "message": ""}]}).encode())
    return reply
