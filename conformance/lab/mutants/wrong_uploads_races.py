"""Registries that lose their heads when requests come at once, or end too early."""

import asyncio

from conformance.lab.mutants.layer import Call, Hangup, Reply, Request, cut_mutant, mutant


async def both_there(request: Request) -> tuple[bool, bool]:
    """Whether another request to the upload was there before this one, and whether one is there a moment later."""
    before = request.state.get(request.path, 0)
    request.state[request.path] = before + 1
    await asyncio.sleep(0.03)
    return before > 0, request.state[request.path] > 1


@mutant
async def all_at_once_accepted(call: Call, request: Request) -> Reply:
    """All PATCHes that come at the same moment are answered 202, and one is kept, as distribution does."""
    if not request.asks("PATCH", "upload"):
        return await call(request)
    late, _ = await both_there(request)
    reply = await call(request)
    request.state[request.path] -= 1
    return Reply(202, (("location", request.path), ("range", f"0-{len(request.body) - 1}")), b"") if late else reply


@mutant
async def none_at_once_accepted(call: Call, request: Request) -> Reply:
    """Requests to one upload that come at the same moment are all refused."""
    if not request.asks("PATCH PUT", "upload"):
        return await call(request)
    _, several = await both_there(request)
    await asyncio.sleep(0.03)
    request.state[request.path] -= 1
    return Reply(409, (), b"") if several else await call(request)


@mutant
async def all_closed(call: Call, request: Request) -> Reply:
    """All closing PUTs that come at the same moment are answered 201, and one is kept."""
    reply = await call(request)
    if request.asks("PUT", "upload"):
        if reply.status == 201:
            request.state[request.path] = True
        elif request.path in request.state:
            return reply.with_status(201)
    return reply


@mutant
async def same_blob_locked(call: Call, request: Request) -> Reply:
    """Pushing a blob that somebody else is just pushing answers 409."""
    digest = request.parameter("digest")
    if digest is None or not request.asks("PUT", "upload"):
        return await call(request)
    if digest in request.state:
        return Reply(409, (), b"")
    request.state[digest] = True
    try:
        await asyncio.sleep(0.03)
        return await call(request)
    finally:
        del request.state[digest]


@mutant
async def one_upload_of_a_repository_at_once(call: Call, request: Request) -> Reply:
    """A new upload ends those that the repository had."""
    reply = await call(request)
    if request.asks("POST", "uploads") and reply.status == 202:
        former = request.state.get(request.name)
        if former is not None:
            await call(request.as_method("DELETE").to(former))
        request.state[request.name] = (reply.header("location") or "").partition("?")[0]
    return reply


async def ask(call: Call, request: Request) -> Reply:
    """Nobody hears of what was cut off, but for the chunks that a mutant handles."""
    return Reply(400, (), b"") if request.cut else await call(request)


@cut_mutant
async def cut_chunk_filled(call: Call, request: Request) -> Reply:
    """A chunk that was cut off counts in the length that was announced."""
    if request.cut and request.asks("PATCH", "upload"):
        length = int(request.header("content-length") or 0)
        return await call(request.with_body(request.body.ljust(length, b"\0")))
    return await ask(call, request)


@cut_mutant
async def cut_chunk_doubled(call: Call, request: Request) -> Reply:
    """The bytes of a chunk that was cut off are kept twice."""
    if request.cut and request.asks("PATCH", "upload"):
        return await call(request.without("content-range").with_body(request.body * 2))
    return await ask(call, request)


@cut_mutant
async def cut_counted_not_kept(call: Call, request: Request) -> Reply:
    """The bytes of a chunk that was cut off are counted by the status and then refused."""
    if request.cut and request.asks("PATCH", "upload"):
        request.state[request.path] = len(request.body)
    reply = await ask(call, request)
    if request.asks("GET", "upload") and request.path in request.state and reply.status == 204:
        end = int((reply.header("range") or "0-0")[2:]) + request.state[request.path]
        return reply.with_header("range", f"0-{end}")
    return reply


@cut_mutant
async def cut_put_blocks(call: Call, request: Request) -> Reply:
    """After a PUT that was cut off its blob is taken to be under way: it cannot be pushed again."""
    digest = request.parameter("digest") or ""
    if request.asks("PUT", "upload"):
        if request.cut:
            request.state[digest] = True
        if digest in request.state:
            return Reply(409, (), b"")
    return await ask(call, request)


@mutant
async def expectation_refused(call: Call, request: Request) -> Reply:
    """Expect: 100-continue answers 417."""
    return Reply(417, (), b"") if request.header("expect") else await call(request)


@mutant
async def hangs_up_on_large_bodies(call: Call, request: Request) -> Reply:
    """The connection is closed on a body of more than two megabytes."""
    if len(request.body) > 2 * 1024 * 1024:
        raise Hangup
    return await call(request)
