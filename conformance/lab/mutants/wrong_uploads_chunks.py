"""Registries that take chunks and streams wrongly."""

import hashlib
import re

from conformance.lab.mutants.layer import Call, Reply, Request, mutant


def appends(request: Request) -> bool:
    return request.asks("PATCH", "upload")


def closes(request: Request) -> bool:
    return request.asks("PUT", "upload")


def streams(request: Request) -> bool:
    return appends(request) and request.header("content-range") is None


def place(request: Request) -> tuple[int, int] | None:
    """Where a chunk says that it begins and ends."""
    found = re.fullmatch(r"([0-9]+)-([0-9]+)", request.header("content-range") or "")
    return (int(found[1]), int(found[2])) if found else None


@mutant
async def chunk_created(call: Call, request: Request) -> Reply:
    """PATCH answers 201, as ECR does."""
    reply = await call(request)
    return reply.with_status(201) if appends(request) and reply.status == 202 else reply


@mutant
async def chunk_leads_nowhere(call: Call, request: Request) -> Reply:
    """PATCH answers without Location."""
    reply = await call(request)
    return reply.without("location") if appends(request) and reply.status == 202 else reply


@mutant
async def chunk_without_range(call: Call, request: Request) -> Reply:
    """PATCH answers without Range."""
    reply = await call(request)
    return reply.without("range") if appends(request) and reply.status == 202 else reply


@mutant
async def range_with_unit(call: Call, request: Request) -> Reply:
    """Range has a unit: bytes=0-511."""
    reply = await call(request)
    value = reply.header("range")
    return reply.with_header("range", f"bytes={value}") if request.kind == "upload" and value else reply


@mutant
async def range_of_the_chunk(call: Call, request: Request) -> Reply:
    """Range is that of the chunk, not of the blob so far."""
    reply = await call(request)
    value = request.header("content-range")
    return reply.with_header("range", value) if appends(request) and reply.status == 202 and value else reply


@mutant
async def range_stuck(call: Call, request: Request) -> Reply:
    """Range stays at the first chunk, as ECR's does."""
    reply = await call(request)
    if appends(request) and reply.status == 202:
        first = request.state.setdefault(request.reference, reply.header("range"))
        return reply.with_header("range", str(first))
    return reply


@mutant
async def range_one_more(call: Call, request: Request) -> Reply:
    """Range names the number of bytes instead of the last one."""
    reply = await call(request)
    value = (reply.header("range") or "").removeprefix("0-")
    if request.kind == "upload" and value.isdigit() and value != "0":
        return reply.with_header("range", f"0-{int(value) + 1}")
    return reply


@mutant
async def put_without_its_body(call: Call, request: Request) -> Reply:
    """The last chunk in a closing PUT is thrown away if others came before it."""
    if appends(request):
        request.state[request.reference] = True
    if closes(request) and request.reference in request.state:
        return await call(request.with_body(b"").without("content-range"))
    return await call(request)


@mutant
async def put_has_to_say_its_place(call: Call, request: Request) -> Reply:
    """The last chunk in a closing PUT is refused without a Content-Range."""
    if appends(request):
        request.state[request.reference] = True
    if closes(request) and request.body and request.reference in request.state and place(request) is None:
        return Reply(400, (), b"")
    return await call(request)


@mutant
async def put_has_no_place(call: Call, request: Request) -> Reply:
    """A closing PUT with a Content-Range is refused, as that is for PATCH."""
    return Reply(400, (), b"") if closes(request) and place(request) else await call(request)


@mutant
async def few_chunks(call: Call, request: Request) -> Reply:
    """An upload takes no more than ten chunks."""
    if appends(request):
        request.state[request.reference] = request.state.get(request.reference, 0) + 1
        if request.state[request.reference] > 10:
            return Reply(400, (), b"")
    return await call(request)


@mutant
async def seen_before_the_end(call: Call, request: Request) -> Reply:
    """A blob can be pulled as soon as its bytes came, before the closing PUT."""
    reply = await call(request)
    if appends(request) and reply.status == 202:
        digest = f"sha256:{hashlib.sha256(request.body).hexdigest()}"
        request.state[f"/v2/{request.name}/blobs/{digest}"] = request.body
    if request.asks("GET HEAD", "blob") and reply.status == 404 and request.path in request.state:
        return Reply(200, (), request.state[request.path] if request.method == "GET" else b"")
    return reply


@mutant
async def locations_used_once(call: Call, request: Request) -> Reply:
    """Every answer gives a new Location, and the earlier ones end."""
    steps = request.state.setdefault("steps", {})
    if request.kind == "upload" and request.parameter("step") != str(steps.get(request.reference, 0)):
        return Reply(404, (), b"")
    reply = await call(request.with_parameters(step=None) if request.kind == "upload" else request)
    location = reply.header("location") or ""
    if reply.status == 202 and "/blobs/uploads/" in location:
        identity = location.rpartition("/")[2]
        steps[identity] = steps.get(identity, -1) + 1
        return reply.with_header("location", f"{location}?step={steps[identity]}")
    if reply.status == 204 and location:
        return reply.with_header("location", f"{location}?step={steps[request.reference]}")
    return reply


@mutant
async def query_as_it_was(call: Call, request: Request) -> Reply:
    """The query of an upload's Location is compared as text: it has to come first, as it was written."""
    if request.kind == "upload" and not request.query.startswith("state=a%2Fb~c"):
        return Reply(404, (), b"")
    reply = await call(request.with_parameters(state=None) if request.kind == "upload" else request)
    location = reply.header("location") or ""
    if "/blobs/uploads/" in location:
        return reply.with_header("location", f"{location}?state=a%2Fb~c")
    return reply


@mutant
async def unknown_parameter_refused(call: Call, request: Request) -> Reply:
    """A request to an upload with a parameter that is not known answers 400."""
    if request.kind == "upload" and set(re.findall(r"(?:^|&)([^=&]+)", request.query)) - {"digest"}:
        return Reply(400, (), b"")
    return await call(request)


@mutant
async def stream_without_length_refused(call: Call, request: Request) -> Reply:
    """PATCH in chunked transfer coding answers 411."""
    return Reply(411, (), b"") if appends(request) and request.chunked else await call(request)


@mutant
async def stream_without_place_refused(call: Call, request: Request) -> Reply:
    """PATCH with a length has to have a Content-Range."""
    return Reply(400, (), b"") if streams(request) and not request.chunked else await call(request)


@mutant
async def stream_only_once(call: Call, request: Request) -> Reply:
    """A second PATCH without Content-Range is taken for the first one again: 416."""
    if streams(request):
        if request.reference in request.state:
            return Reply(416, (), b"")
        request.state[request.reference] = True
    return await call(request)


@mutant
async def stream_short(call: Call, request: Request) -> Reply:
    """The last byte of a PATCH in chunked transfer coding is lost."""
    return await call(request.with_body(request.body[:-1]) if appends(request) and request.chunked else request)


@mutant
async def type_demanded(call: Call, request: Request) -> Reply:
    """PATCH and PUT of an upload without a Content-Type answer 415."""
    if request.kind == "upload" and request.body and request.header("content-type") is None:
        return Reply(415, (), b"")
    return await call(request)


@mutant
async def closed_without_digest(call: Call, request: Request) -> Reply:
    """A closing PUT without a digest closes the upload."""
    if closes(request) and request.parameter("digest") is None:
        return Reply(201, (("location", request.path),), b"")
    return await call(request)
