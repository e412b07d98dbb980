"""Registries whose catalogue is wrong."""

from conformance.lab.mutants.layer import Call, Reply, Request, mutant
from conformance.lab.mutants.pushed import fields_of, remember, replaced


def listing(request: Request, reply: Reply) -> bool:
    return request.asks("GET", "catalog") and reply.status == 200


def names_in(reply: Reply) -> list[str]:
    return [str(name) for name in fields_of(reply).get("repositories") or []]


@mutant
async def empty_is_null(call: Call, request: Request) -> Reply:
    """An empty page of the catalogue is null."""
    reply = await call(request)
    return replaced(reply, repositories=None) if listing(request, reply) and not names_in(reply) else reply


@mutant
async def link_missing(call: Call, request: Request) -> Reply:
    """Pages of the catalogue have no Link."""
    reply = await call(request)
    return reply.without("link") if listing(request, reply) else reply


@mutant
async def listed_twice(call: Call, request: Request) -> Reply:
    """Every repository is listed twice."""
    reply = await call(request)
    if not listing(request, reply):
        return reply
    return replaced(reply, repositories=[name for name in names_in(reply) for _ in range(2)])


@mutant
async def parents_hidden(call: Call, request: Request) -> Reply:
    """A repository that has others below its name is not listed."""
    reply = await call(request)
    names = names_in(reply)
    if not listing(request, reply):
        return reply
    kept = [name for name in names if not any(other.startswith(f"{name}/") for other in names)]
    return replaced(reply, repositories=kept)


@mutant
async def last_included(call: Call, request: Request) -> Reply:
    """A page of the catalogue begins with `last`."""
    reply = await call(request)
    last = request.parameter("last")
    if not listing(request, reply) or last is None:
        return reply
    return replaced(reply, repositories=[last, *names_in(reply)][: len(names_in(reply)) or 1])


@mutant
async def n_malformed_ignored(call: Call, request: Request) -> Reply:
    """An n of the catalogue that is no number is ignored."""
    reply = await call(request)
    if request.asks("GET", "catalog") and reply.status == 400:
        return await call(request.with_parameters(n="5"))
    return reply


@mutant
async def zero_is_all(call: Call, request: Request) -> Reply:
    """n=0 gives a page of the catalogue that is not empty."""
    if request.asks("GET", "catalog") and request.parameter("n") == "0":
        return await call(request.with_parameters(n="5"))
    return await call(request)


@mutant
async def sizes_refused(call: Call, request: Request) -> Reply:
    """Pages of the catalogue of more than one repository and less than ten are answered 400."""
    reply = await call(request)
    if request.asks("GET", "catalog") and request.parameter("n") in ("2", "3", "5"):
        return reply.with_status(400)
    return reply


@mutant
async def sizes_break(call: Call, request: Request) -> Reply:
    """Pages of the catalogue of a thousand repositories or more are answered 500."""
    reply = await call(request)
    n = request.parameter("n") or ""
    large = n.isdecimal() and int(n) >= 1000
    return reply.with_status(500) if request.asks("GET", "catalog") and large else reply


@mutant
async def uploads_listed(call: Call, request: Request) -> Reply:
    """A repository is listed as soon as an upload was opened in it."""
    names = remember(request, "names")
    reply = await call(request)
    if request.asks("POST", "uploads") and reply.good:
        names[request.name] = True
    if not listing(request, reply):
        return reply
    last, found = request.parameter("last") or "", names_in(reply)
    most = int(request.parameter("n") or 100)
    return replaced(reply, repositories=sorted({*found, *(name for name in names if name > last)})[:most])
