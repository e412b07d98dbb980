"""Registries that open uploads wrongly."""

import asyncio
from urllib.parse import urlsplit

from conformance.lab.mutants.layer import Call, Reply, Request, mutant

UPLOADS = ("uploads", "upload")
MINIMUM = "oci-chunk-min-length"


def opens(request: Request) -> bool:
    return request.asks("POST", "uploads")


@mutant
async def opened_with_200(call: Call, request: Request) -> Reply:
    """POST of an upload answers 200."""
    reply = await call(request)
    return reply.with_status(200) if opens(request) and reply.status == 202 else reply


@mutant
async def opened_nowhere(call: Call, request: Request) -> Reply:
    """POST of an upload answers without Location."""
    reply = await call(request)
    return reply.without("location") if opens(request) and reply.status == 202 else reply


@mutant
async def one_session(call: Call, request: Request) -> Reply:
    """All uploads of a repository share one session until it ends."""
    if opens(request) and not request.query:
        known = request.state.get(request.name)
        if known is not None and (await call(request.to(urlsplit(known).path).as_method("GET"))).status == 204:
            return Reply(202, (("location", known),), b"")
        reply = await call(request)
        request.state[request.name] = reply.header("location")
        return reply
    return await call(request)


@mutant
async def slow_session_made_late(call: Call, request: Request) -> Reply:
    """POST answers a Location before its session is there: the first request to it finds nothing."""
    if request.kind == "upload" and request.reference not in request.state:
        request.state[request.reference] = True
        return Reply(404, (), b"")
    return await call(request)


@mutant
async def unusual_location(call: Call, request: Request) -> Reply:
    """The Location of an upload has no repository in it."""
    if request.path.startswith("/uploads/"):
        request = request.to(request.state[request.path])
    reply = await call(request)
    location = reply.header("location")
    if reply.status in (202, 204) and location and "/blobs/uploads/" in location:
        path = "/uploads/" + location.rpartition("/")[2]
        request.state[path] = urlsplit(location).path
        return reply.with_header("location", path)
    return reply


@mutant
async def length_demanded(call: Call, request: Request) -> Reply:
    """POST of an upload without Content-Length answers 411."""
    if opens(request) and request.header("content-length") is None:
        return Reply(411, (), b"")
    return await call(request)


@mutant
async def any_algorithm(call: Call, request: Request) -> Reply:
    """An upload is opened for an algorithm that nobody has."""
    return await call(request.with_parameters(**{"digest-algorithm": None}) if opens(request) else request)


@mutant
async def no_parameter_known(call: Call, request: Request) -> Reply:
    """digest-algorithm is refused as an unknown parameter."""
    if opens(request) and request.parameter("digest-algorithm") is not None:
        return Reply(400, (), b"")
    return await call(request)


@mutant
async def hashed_while_received(call: Call, request: Request) -> Reply:
    """Chunks are hashed by sha256 only: a sha512 digest after them is refused."""
    if request.asks("PATCH", "upload"):
        request.state[request.reference] = True
    late = request.asks("PUT", "upload") and request.reference in request.state
    if late and (request.parameter("digest") or "").startswith("sha512"):
        return Reply(400, (), b"")
    return await call(request)


@mutant
async def minimum_unreadable(call: Call, request: Request) -> Reply:
    """OCI-Chunk-Min-Length is no number of bytes."""
    reply = await call(request)
    return reply.with_header(MINIMUM, "1 KiB") if opens(request) and reply.status == 202 else reply


@mutant
async def minimum_refused(call: Call, request: Request) -> Reply:
    """A chunk of exactly the smallest length named is refused as too small."""
    if request.asks("PATCH", "upload") and len(request.body) <= 256:
        return Reply(400, (), b"")
    reply = await call(request)
    return reply.with_header(MINIMUM, "256") if opens(request) and reply.status == 202 else reply


@mutant
async def minimum_unsaid(call: Call, request: Request) -> Reply:
    """Small chunks are refused, and nothing said so."""
    if request.asks("PATCH", "upload") and len(request.body) < 512:
        return Reply(400, (), b"")
    return await call(request)


@mutant
async def repository_has_to_be_there(call: Call, request: Request) -> Reply:
    """POST of an upload to a repository of three parts or more, which nobody made before, answers 500."""
    if opens(request) and request.name.count("/") > 2:
        return Reply(500, (), b"")
    return await call(request)


@mutant
async def forgotten_by_another_worker(call: Call, request: Request) -> Reply:
    """Every third request to an upload comes to a worker that does not know of it."""
    if request.kind == "upload":
        request.state[request.reference] = request.state.get(request.reference, 0) + 1
        await asyncio.sleep(0)
        if request.state[request.reference] % 3 == 0:
            return Reply(404, (), b"")
    return await call(request)
