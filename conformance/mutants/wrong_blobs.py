"""Registries that serve blobs wrongly."""

from conformance.mutants.layer import Call, Reply, Request, mutant


@mutant
async def get_other_status(call: Call, request: Request) -> Reply:
    """GET of a blob answers 203."""
    reply = await call(request)
    return reply.with_status(203) if request.asks("GET", "blob") and reply.status == 200 else reply


@mutant
async def last_byte_lost(call: Call, request: Request) -> Reply:
    """GET of a blob serves all but the last byte."""
    reply = await call(request)
    return reply.with_body(reply.body[:-1]) if request.asks("GET", "blob") and reply.status == 200 else reply
