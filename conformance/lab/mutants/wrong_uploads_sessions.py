"""Registries that keep upload sessions wrongly."""

import json
from dataclasses import replace
from urllib.parse import urlsplit

from conformance.lab.mutants.layer import Call, Reply, Request, mutant


def status(request: Request) -> bool:
    return request.asks("GET", "upload")


async def opened(call: Call, request: Request) -> str:
    """The path of a new upload in the request's repository."""
    uploads = request.path.rpartition("/")[0] + "/"
    reply = await call(replace(request, method="POST", path=uploads, query="", headers=(), body=b"", chunked=False))
    return urlsplit(reply.header("location") or "").path


@mutant
async def status_with_200(call: Call, request: Request) -> Reply:
    """The status of an upload answers 200."""
    reply = await call(request)
    return reply.with_status(200) if status(request) and reply.status == 204 else reply


@mutant
async def status_not_offered(call: Call, request: Request) -> Reply:
    """The status of an upload answers 400, as go-containerregistry does."""
    return Reply(400, (), b"") if status(request) else await call(request)


@mutant
async def status_without_location(call: Call, request: Request) -> Reply:
    """The status of an upload has no Location."""
    reply = await call(request)
    return reply.without("location") if status(request) else reply


@mutant
async def status_without_range(call: Call, request: Request) -> Reply:
    """The status of an upload has no Range."""
    reply = await call(request)
    return reply.without("range") if status(request) else reply


@mutant
async def status_leads_astray(call: Call, request: Request) -> Reply:
    """The Location in the status of an upload is that of a new one."""
    reply = await call(request)
    if status(request) and reply.status == 204:
        return reply.with_header("location", await opened(call, request))
    return reply


@mutant
async def status_by_plain_url(call: Call, request: Request) -> Reply:
    """The status of an upload takes no query."""
    return Reply(400, (), b"") if status(request) and request.query else await call(request)


@mutant
async def status_of_chunks_only(call: Call, request: Request) -> Reply:
    """The status counts what came with a Content-Range only."""
    if request.asks("PATCH", "upload") and request.header("content-range") is None:
        request.state[request.reference] = True
    reply = await call(request)
    return reply.with_header("range", "0-0") if status(request) and request.reference in request.state else reply


@mutant
async def nothing_is_empty(call: Call, request: Request) -> Reply:
    """The Range of an upload without bytes is 0-."""
    reply = await call(request)
    return reply.with_header("range", "0-") if reply.header("range") == "0--1" else reply


@mutant
async def nothing_is_negative(call: Call, request: Request) -> Reply:
    """POST says Range: 0--1."""
    reply = await call(request)
    return reply.with_header("range", "0--1") if request.asks("POST", "uploads") and reply.status == 202 else reply


@mutant
async def cancelled_with_202(call: Call, request: Request) -> Reply:
    """Cancelling an upload answers 202."""
    reply = await call(request)
    return reply.with_status(202) if request.asks("DELETE", "upload") and reply.status == 204 else reply


@mutant
async def not_cancelled(call: Call, request: Request) -> Reply:
    """Cancelling an upload answers 204 and does nothing."""
    return Reply(204, (), b"") if request.asks("DELETE", "upload") else await call(request)


@mutant
async def all_cancelled(call: Call, request: Request) -> Reply:
    """Cancelling an upload ends all uploads of the repository."""
    known = request.state.setdefault(request.name, [])
    reply = await call(request)
    if request.asks("POST", "uploads") and reply.status == 202:
        known.append(urlsplit(reply.header("location") or "").path)
    if request.asks("DELETE", "upload"):
        for path in known:
            await call(request.to(path))
    return reply


@mutant
async def unknown_is_opened(call: Call, request: Request) -> Reply:
    """A PATCH or PUT to an upload that is not there opens it, as go-containerregistry does."""
    reply = await call(request)
    if reply.status == 404 and request.asks("PATCH PUT", "upload"):
        return await call(request.without("content-range").to(await opened(call, request)))
    return reply


@mutant
async def unknown_is_500(call: Call, request: Request) -> Reply:
    """A request to an upload that is not there answers 500."""
    reply = await call(request)
    return reply.with_status(500) if reply.status == 404 and request.kind == "upload" else reply


@mutant
async def unknown_is_fine(call: Call, request: Request) -> Reply:
    """Status and cancelling of an upload that is not there answer 204."""
    reply = await call(request)
    if reply.status == 404 and request.asks("GET DELETE", "upload"):
        return Reply(204, (("location", request.path), ("range", "0-0")), b"")
    return reply


@mutant
async def finished_stays(call: Call, request: Request) -> Reply:
    """An upload goes on after its closing PUT."""
    reply = await call(request)
    if request.asks("PUT", "upload") and reply.status == 201:
        request.state[request.path] = True
    if request.path in request.state and reply.status == 404:
        if request.method == "PUT":
            return await call(request.to(await opened(call, request)))
        return Reply(202 if request.method == "PATCH" else 204, (("location", request.path), ("range", "0-9")), b"")
    return reply


@mutant
async def blamed_on_the_blob(call: Call, request: Request) -> Reply:
    """An unknown upload is reported as an unknown blob."""
    reply = await call(request)
    if reply.status == 404 and request.kind == "upload":
        return reply.with_body(json.dumps({"errors": [{"code": "BLOB_UNKNOWN"}]}).encode())
    return reply


@mutant
async def upload_of_any_repository(call: Call, request: Request) -> Reply:
    """An upload is found in every repository, as in Quay's CVE-2026-32589."""
    reply = await call(request)
    location = reply.header("location") or ""
    if request.asks("POST", "uploads") and reply.status == 202:
        path = urlsplit(location).path
        request.state[path.rpartition("/")[2]] = path
    if reply.status == 404 and request.kind == "upload" and request.reference in request.state:
        return await call(request.to(request.state[request.reference]))
    return reply
