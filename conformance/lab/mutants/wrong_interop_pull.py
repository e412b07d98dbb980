"""Registries that clients in use cannot pull parts, or at all, from."""

import re
import time

from conformance.lab.mutants.layer import Call, Reply, Request, mutant

OPEN = re.compile(r"bytes=([0-9]+)-")
LARGE = 1_000_000
STORE = "/store"
NAMED = ("docker-content-digest", "content-type")


def reads(request: Request) -> bool:
    return request.asks("GET", "blob")


@mutant
async def head_undescribed(call: Call, request: Request) -> Reply:
    """HEAD has neither type nor digest."""
    reply = await call(request)
    return reply.without(*NAMED) if request.asks("HEAD", "blob", "manifest") else reply


@mutant
async def open_range_late(call: Call, request: Request) -> Reply:
    """A range without an end starts one byte late."""
    found = OPEN.fullmatch(request.header("range") or "")
    if reads(request) and found:
        return await call(request.with_header("range", f"bytes={int(found[1]) + 1}-"))
    return await call(request)


@mutant
async def locked_by_reader(call: Call, request: Request) -> Reply:
    """A large blob that is read answers 503 to who comes a second after it."""
    reply = await call(request)
    if reads(request) and len(reply.body) > LARGE:
        before = request.state.get(request.path, 0.0)
        request.state[request.path] = time.monotonic()
        if time.monotonic() - before < 1:
            return Reply(503, (), b"")
    return reply


@mutant
async def suffix_refused(call: Call, request: Request) -> Reply:
    """A suffix range answers 416, as go-containerregistry does."""
    if reads(request) and (request.header("range") or "").startswith("bytes=-"):
        return Reply(416, (), b"")
    return await call(request)


@mutant
async def part_short(call: Call, request: Request) -> Reply:
    """A part lacks its last byte."""
    reply = await call(request)
    return reply.with_body(reply.body[:-1]) if reads(request) and reply.status == 206 else reply


@mutant
async def first_range_only(call: Call, request: Request) -> Reply:
    """Of several ranges the first is served, as go-containerregistry does."""
    told = request.header("range") or ""
    return await call(request.with_header("range", told.partition(",")[0]) if "," in told else request)


@mutant
async def ranges_sorted(call: Call, request: Request) -> Reply:
    """Ranges are served sorted, and what touches is merged."""
    told = request.header("range") or ""
    found = sorted((int(a), int(b)) for a, b in re.findall(r"([0-9]+)-([0-9]+)", told))
    if not reads(request) or "," not in told or not found:
        return await call(request)
    merged = [found[0]]
    for first, last in found[1:]:
        if first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return await call(request.with_header("range", "bytes=" + ",".join(f"{a}-{b}" for a, b in merged)))


@mutant
async def many_ranges_are_416(call: Call, request: Request) -> Reply:
    """More than 16 ranges answer 416, as zot does."""
    many = (request.header("range") or "").count(",") > 15
    return Reply(416, (), b"") if reads(request) and many else await call(request)


@mutant
async def ranges_unannounced(call: Call, request: Request) -> Reply:
    """Accept-Ranges is not sent."""
    return (await call(request)).without("accept-ranges")


@mutant
async def store_closed(call: Call, request: Request) -> Reply:
    """Blobs are redirected to a store that lets nobody in."""
    if reads(request):
        return Reply(307, (("location", STORE + request.path),), b"")
    return Reply(403, (), b"") if request.path.startswith(STORE) else await call(request)


@mutant
async def itself_elsewhere(call: Call, request: Request) -> Reply:
    """A blob says that it is where it is not."""
    reply = await call(request)
    return reply.with_header("location", f"{request.path}0") if reads(request) and reply.status == 200 else reply


@mutant
async def blob_not_acceptable(call: Call, request: Request) -> Reply:
    """A blob answers 406 to who accepts manifests only."""
    accept = request.header("accept")
    if reads(request) and accept and "*/*" not in accept and "octet-stream" not in accept:
        return Reply(406, (), b"")
    return await call(request)
