"""Registries that serve blobs wrongly."""

import asyncio
import gzip
import hashlib
import zlib

from conformance.lab.mutants.layer import Call, Reply, Request, mutant

MEBIBYTE = 1024 * 1024


def served(request: Request, reply: Reply) -> bool:
    """A blob that is given whole."""
    return request.asks("GET", "blob") and reply.status == 200


def found(request: Request, reply: Reply) -> bool:
    return request.asks("GET HEAD", "blob") and reply.status == 200


def lost(request: Request, reply: Reply) -> bool:
    return request.asks("GET HEAD", "blob") and reply.status == 404


def pushed_to(request: Request, reply: Reply) -> set[str]:
    """The repositories that something was pushed to."""
    names: set[str] = request.state.setdefault("names", set())
    if request.method == "PUT" and reply.status == 201:
        names.add(request.name)
    return names


def in_repository(request: Request, name: str) -> Request:
    return request.to(f"/v2/{name}/{'/'.join(request.path.split('/')[-2:])}")


def refusal(status: int, code: str) -> Reply:
    body = b'{"errors": [{"code": "%s", "message": "no"}]}' % code.encode()
    return Reply(status, (("content-type", "application/json"),), body)


@mutant
async def get_other_status(call: Call, request: Request) -> Reply:
    """GET of a blob answers 203."""
    reply = await call(request)
    return reply.with_status(203) if served(request, reply) else reply


@mutant
async def last_byte_lost(call: Call, request: Request) -> Reply:
    """GET of a blob serves all but the last byte."""
    reply = await call(request)
    return reply.with_body(reply.body[:-1]) if served(request, reply) else reply


@mutant
async def block_repeated(call: Call, request: Request) -> Reply:
    """GET of a blob serves the first mebibyte again where the second one should be."""
    reply = await call(request)
    if served(request, reply) and len(reply.body) > 2 * MEBIBYTE:
        return reply.with_body(reply.body[:MEBIBYTE] * 2 + reply.body[2 * MEBIBYTE :])
    return reply


@mutant
async def nothing_is_204(call: Call, request: Request) -> Reply:
    """GET of a blob of zero bytes is answered 204."""
    reply = await call(request)
    return reply.with_status(204) if served(request, reply) and not reply.body else reply


@mutant
async def nothing_is_missing(call: Call, request: Request) -> Reply:
    """HEAD of a blob of zero bytes is answered 404."""
    reply = await call(request)
    return reply.with_status(404) if found(request, reply) and reply.length == 0 else reply


@mutant
async def one_reader(call: Call, request: Request) -> Reply:
    """A blob that is being pulled is answered 503 to the next client."""
    busy: set[str] = request.state.setdefault("busy", set())
    if not request.asks("GET", "blob"):
        return await call(request)
    if request.path in busy:
        return refusal(503, "UNKNOWN")
    busy.add(request.path)
    try:
        await asyncio.sleep(0.1)
        return await call(request)
    finally:
        busy.discard(request.path)


@mutant
async def compressed(call: Call, request: Request) -> Reply:
    """Blobs are compressed for clients that take gzip."""
    reply = await call(request)
    if served(request, reply) and "gzip" in (request.header("accept-encoding") or ""):
        return reply.with_body(gzip.compress(reply.body)).with_header("content-encoding", "gzip")
    return reply


@mutant
async def unpacked(call: Call, request: Request) -> Reply:
    """Compressed blobs are served unpacked."""
    reply = await call(request)
    if served(request, reply) and reply.body.startswith(b"\x1f\x8b"):
        return reply.with_body(zlib.decompress(reply.body, 31))
    return reply


@mutant
async def marked_as_gzip(call: Call, request: Request) -> Reply:
    """Blobs that are gzip files come with Content-Encoding: gzip, and lose their compression in every client."""
    reply = await call(request)
    gzipped = served(request, reply) and reply.body.startswith(b"\x1f\x8b")
    return reply.with_header("content-encoding", "gzip") if gzipped else reply


@mutant
async def manifest_first(call: Call, request: Request) -> Reply:
    """Blobs are served only after a manifest of the repository was pulled."""
    opened: set[str] = request.state.setdefault("opened", set())
    if request.asks("GET HEAD", "manifest"):
        opened.add(request.name)
    if request.asks("GET", "blob") and request.name not in opened:
        return refusal(404, "BLOB_UNKNOWN")
    return await call(request)


@mutant
async def missing_is_empty(call: Call, request: Request) -> Reply:
    """GET of a blob that is not there is answered 200 with nothing."""
    reply = await call(request)
    return Reply(200, (), b"") if lost(request, reply) and request.method == "GET" else reply


@mutant
async def missing_is_400(call: Call, request: Request) -> Reply:
    """GET and HEAD of a blob that is not there are answered 400."""
    reply = await call(request)
    return reply.with_status(400) if lost(request, reply) else reply


@mutant
async def missing_as_manifest(call: Call, request: Request) -> Reply:
    """A blob that is not there is reported as MANIFEST_UNKNOWN."""
    reply = await call(request)
    return reply.with_body(refusal(404, "MANIFEST_UNKNOWN").body) if lost(request, reply) else reply


@mutant
async def repository_missing_is_403(call: Call, request: Request) -> Reply:
    """A pull from a repository that does not exist is answered 403."""
    reply = await call(request)
    names = pushed_to(request, reply)
    missing = request.asks("GET HEAD", "blob", "manifest") and reply.status == 404 and request.name not in names
    return reply.with_status(403) if missing else reply


async def elsewhere(call: Call, request: Request, reply: Reply) -> Reply:
    """What any other repository answers."""
    for name in sorted(pushed_to(request, reply) - {request.name}):
        other = await call(in_repository(request, name))
        if other.good:
            return other
    return reply


@mutant
async def one_store(call: Call, request: Request) -> Reply:
    """A blob is served in every repository."""
    reply = await call(request)
    pushed_to(request, reply)
    return await elsewhere(call, request, reply) if lost(request, reply) else reply


@mutant
async def head_of_one_store(call: Call, request: Request) -> Reply:
    """HEAD finds a blob in every repository, GET only in its own."""
    reply = await call(request)
    pushed_to(request, reply)
    return await elsewhere(call, request, reply) if lost(request, reply) and request.method == "HEAD" else reply


@mutant
async def parents_asked(call: Call, request: Request) -> Reply:
    """What a repository does not have is looked for in the one above it."""
    reply = await call(request)
    if request.asks("GET HEAD", "blob", "manifest") and reply.status == 404:
        return await call(in_repository(request, request.name.rpartition("/")[0]))
    return reply


@mutant
async def children_asked(call: Call, request: Request) -> Reply:
    """What a repository does not have is looked for in those below it."""
    reply = await call(request)
    names = pushed_to(request, reply)
    if request.asks("GET HEAD", "blob", "manifest") and reply.status == 404:
        for name in sorted(names):
            if name.startswith(request.name + "/") and (other := await call(in_repository(request, name))).good:
                return other
    return reply


@mutant
async def head_not_allowed(call: Call, request: Request) -> Reply:
    """HEAD of a blob is answered 405."""
    return refusal(405, "UNSUPPORTED") if request.asks("HEAD", "blob") else await call(request)


@mutant
async def head_of_nothing(call: Call, request: Request) -> Reply:
    """HEAD of a blob tells a length of 0, that of its empty body."""
    reply = await call(request)
    return reply._replace(length=0) if found(request, reply) and request.method == "HEAD" else reply


@mutant
async def head_finds_all(call: Call, request: Request) -> Reply:
    """HEAD of any blob is answered 200."""
    reply = await call(request)
    return reply.with_status(200) if lost(request, reply) and request.method == "HEAD" else reply


@mutant
async def redirected_without_digest(call: Call, request: Request) -> Reply:
    """GET of a blob is redirected to a store that knows nothing of Docker-Content-Digest."""
    if request.parameter("signature") is not None:
        return (await call(request.with_parameters(signature=None))).without("docker-content-digest")
    reply = await call(request)
    if found(request, reply):
        target = f"{request.path}?{request.with_parameters(signature='0123').query}"
        return Reply(307, (("location", target),), b"")
    return reply


@mutant
async def redirected_to_nowhere(call: Call, request: Request) -> Reply:
    """GET of a blob is redirected to where it is not."""
    reply = await call(request)
    if served(request, reply) and not request.parameter("gone"):
        return Reply(302, (("location", f"{request.path}0?gone=1"),), b"")
    return reply


@mutant
async def namespace_unknown(call: Call, request: Request) -> Reply:
    """A pull with ns is answered 404, as the registry is no proxy."""
    if request.asks("GET HEAD", "blob", "manifest") and request.parameter("ns") is not None:
        return refusal(404, "NAME_UNKNOWN")
    return await call(request)


@mutant
async def namespace_fixed(call: Call, request: Request) -> Reply:
    """OCI-Namespace names one upstream, whatever ns said."""
    reply = await call(request)
    return reply.with_header("oci-namespace", "docker.io") if request.parameter("ns") and reply.good else reply


@mutant
async def namespace_without_ns(call: Call, request: Request) -> Reply:
    """OCI-Namespace is sent where no ns was asked for."""
    reply = await call(request)
    pull = request.asks("GET", "blob", "manifest") and request.parameter("ns") is None
    return reply.with_header("oci-namespace", "registry.example.com") if pull else reply


@mutant
async def base_missing(call: Call, request: Request) -> Reply:
    """GET /v2/ is answered 404."""
    return refusal(404, "UNSUPPORTED") if request.asks("GET", "base") else await call(request)


@mutant
async def base_without_challenge(call: Call, request: Request) -> Reply:
    """GET /v2/ is answered 401, without saying how to log in."""
    return refusal(401, "UNAUTHORIZED") if request.asks("GET", "base") else await call(request)


@mutant
async def base_without_head(call: Call, request: Request) -> Reply:
    """HEAD /v2/ is answered 405."""
    return refusal(405, "UNSUPPORTED") if request.asks("HEAD", "base") else await call(request)


@mutant
async def before_its_digest(call: Call, request: Request) -> Reply:
    """Bytes that are still being pushed can be pulled already."""
    pending: dict[tuple[str, str], bytes] = request.state.setdefault("pending", {})
    reply = await call(request)
    if request.method == "PATCH" and reply.status == 202:
        pending[request.name, f"sha256:{hashlib.sha256(request.body).hexdigest()}"] = request.body
    if lost(request, reply) and (request.name, request.reference) in pending:
        return Reply(200, (), pending[request.name, request.reference])
    return reply
