"""Registries that take chunks out of order, or refuse them wrongly."""

import hashlib
import re
from dataclasses import replace

from conformance.lab.mutants.layer import Call, Reply, Request, mutant

PLACE = "content-range"
WELL_FORMED = re.compile(r"([0-9]+)-([0-9]+)")


def appends(request: Request) -> bool:
    return request.asks("PATCH", "upload")


def closes(request: Request) -> bool:
    return request.asks("PUT", "upload")


async def size_of(call: Call, request: Request) -> int:
    """How much the upload really has."""
    reply = await call(replace(request, method="GET", query="", headers=(), body=b"", chunked=False))
    end = (reply.header("range") or "0--1")[2:]
    return int(end) + 1


@mutant
async def place_ignored(call: Call, request: Request) -> Reply:
    """Content-Range of PATCH is ignored: every chunk is appended."""
    return await call(request.without(PLACE) if appends(request) else request)


@mutant
async def place_ignored_in_put(call: Call, request: Request) -> Reply:
    """Content-Range of the closing PUT is ignored, as distribution does: 400 for the digest."""
    return await call(request.without(PLACE) if closes(request) else request)


@mutant
async def disorder_is_400(call: Call, request: Request) -> Reply:
    """A chunk out of order answers 400."""
    reply = await call(request)
    return reply.with_status(400) if reply.status == 416 else reply


@mutant
async def disorder_is_conflict(call: Call, request: Request) -> Reply:
    """A closing PUT out of order answers 409."""
    reply = await call(request)
    return reply.with_status(409) if reply.status == 416 and closes(request) else reply


@mutant
async def gap_filled(call: Call, request: Request) -> Reply:
    """A gap before a chunk is filled with zeros, as in a sparse file."""
    found = WELL_FORMED.fullmatch(request.header(PLACE) or "")
    if appends(request) and found:
        missing = int(found[1]) - await size_of(call, request)
        if 0 < missing < 1 << 20:
            return await call(request.without(PLACE).with_body(bytes(missing) + request.body))
    return await call(request)


@mutant
async def overlap_cut(call: Call, request: Request) -> Reply:
    """A chunk that begins too early is accepted from where it is new."""
    found = WELL_FORMED.fullmatch(request.header(PLACE) or "")
    if found and (appends(request) or closes(request)):
        known = await size_of(call, request) - int(found[1])
        if 0 < known < len(request.body):
            return await call(request.without(PLACE).with_body(request.body[known:]))
    return await call(request)


@mutant
async def repetition_accepted(call: Call, request: Request) -> Reply:
    """A chunk sent again is answered 202 without being stored."""
    found = WELL_FORMED.fullmatch(request.header(PLACE) or "")
    if appends(request) and found:
        size = await size_of(call, request)
        if int(found[2]) < size:
            return Reply(202, (("location", request.path), ("range", f"0-{size - 1}")), b"")
    return await call(request)


@mutant
async def ended_by_disorder(call: Call, request: Request) -> Reply:
    """A chunk out of order ends the upload."""
    reply = await call(request)
    if reply.status == 416 and appends(request):
        await call(replace(request, method="DELETE", query="", headers=(), body=b""))
    return reply


@mutant
async def ended_by_disorder_in_put(call: Call, request: Request) -> Reply:
    """A closing PUT out of order ends the upload."""
    reply = await call(request)
    if reply.status == 416 and closes(request):
        await call(replace(request, method="DELETE", query="", headers=(), body=b""))
    return reply


@mutant
async def disorder_kept(call: Call, request: Request) -> Reply:
    """A chunk out of order answers 416, and its bytes are appended all the same."""
    reply = await call(request)
    if reply.status == 416 and request.kind == "upload":
        await call(replace(request.without(PLACE), method="PATCH", query=""))
    return reply


@mutant
async def digest_before_order(call: Call, request: Request) -> Reply:
    """A closing PUT is checked for its digest first: 400 although it is out of order."""
    if closes(request) and request.body and request.header(PLACE):
        digest = f"sha256:{hashlib.sha256(request.body).hexdigest()}"
        reply = await call(request)
        return reply.with_status(400) if reply.status == 416 and digest != request.parameter("digest") else reply
    return await call(request)


@mutant
async def order_forgiven(call: Call, request: Request) -> Reply:
    """A closing PUT out of order succeeds if its bytes, put at the end, have the digest."""
    reply = await call(request)
    if reply.status == 416 and closes(request):
        again = await call(request.without(PLACE))
        return again if again.status == 201 else reply
    return reply


@mutant
async def malformed_place_fails(call: Call, request: Request) -> Reply:
    """A Content-Range that cannot be read answers 500, as distribution does."""
    if request.kind == "upload" and not WELL_FORMED.fullmatch(request.header(PLACE) or "0-0"):
        return Reply(500, (), b"")
    return await call(request)


@mutant
async def malformed_place_ignored(call: Call, request: Request) -> Reply:
    """A Content-Range that cannot be read is taken for none."""
    if request.kind == "upload" and not WELL_FORMED.fullmatch(request.header(PLACE) or "0-0"):
        return await call(request.without(PLACE))
    return await call(request)


@mutant
async def only_the_start_read(call: Call, request: Request) -> Reply:
    """Of a Content-Range only the start is read: where it ends does not matter."""
    found = WELL_FORMED.fullmatch(request.header(PLACE) or "")
    if request.kind == "upload" and found and request.body:
        return await call(request.with_header(PLACE, f"{found[1]}-{int(found[1]) + len(request.body) - 1}"))
    return await call(request)


@mutant
async def malformed_place_kept(call: Call, request: Request) -> Reply:
    """A chunk with a Content-Range that cannot be right answers 400, and its bytes are kept."""
    reply = await call(request)
    if appends(request) and reply.status == 400 and request.header(PLACE):
        await call(request.without(PLACE))
    return reply


@mutant
async def malformed_place_ends(call: Call, request: Request) -> Reply:
    """A chunk with a Content-Range that cannot be right ends the upload."""
    reply = await call(request)
    if appends(request) and reply.status == 400 and request.header(PLACE):
        await call(replace(request, method="DELETE", query="", headers=(), body=b""))
    return reply
