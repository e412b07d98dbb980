"""Registries that understand conditional requests wrongly."""

import re

from conformance.lab.mutants.layer import Call, Reply, Request, mutant
from conformance.lab.mutants.wrong_blobs import refusal


def pull(request: Request) -> bool:
    return request.asks("GET HEAD", "blob", "manifest")


@mutant
async def etag_without_quotes(call: Call, request: Request) -> Reply:
    """ETags come without quotes."""
    reply = await call(request)
    etag = reply.header("etag")
    return reply.with_header("etag", etag.strip('"')) if etag else reply


@mutant
async def etag_of_head_other(call: Call, request: Request) -> Reply:
    """HEAD has another ETag than GET."""
    reply = await call(request)
    return reply.with_header("etag", '"head"') if pull(request) and request.method == "HEAD" else reply


@mutant
async def etag_of_all(call: Call, request: Request) -> Reply:
    """Everything has the same ETag."""
    reply = await call(request)
    return reply.with_header("etag", '"0"') if pull(request) and reply.status == 200 else reply


@mutant
async def etag_of_place(call: Call, request: Request) -> Reply:
    """The ETag is made of the path, not of what lies there: it stays when a tag is moved."""
    etag = f'"{request.path}"'
    if not pull(request):
        return await call(request)
    reply = await call(request.without("if-none-match"))
    if reply.status == 200 and etag in (request.header("if-none-match") or ""):
        return Reply(304, (("etag", etag),), b"")
    return reply.with_header("etag", etag) if reply.status == 200 else reply


@mutant
async def conditions_unread(call: Call, request: Request) -> Reply:
    """If-None-Match is not looked at."""
    return await call(request.without("if-none-match"))


@mutant
async def unchanged_without_etag(call: Call, request: Request) -> Reply:
    """304 comes without an ETag."""
    reply = await call(request)
    return reply.without("etag") if reply.status == 304 else reply


@mutant
async def unchanged_as_412(call: Call, request: Request) -> Reply:
    """What has not changed is answered 412."""
    reply = await call(request)
    return reply.with_status(412) if reply.status == 304 else reply


@mutant
async def lists_unread(call: Call, request: Request) -> Reply:
    """A list in If-None-Match is taken for one ETag."""
    return await call(request.without("if-none-match") if "," in (request.header("if-none-match") or "") else request)


@mutant
async def weak_never_matches(call: Call, request: Request) -> Reply:
    """A weak ETag in If-None-Match matches nothing."""
    return await call(request.without("if-none-match") if "W/" in (request.header("if-none-match") or "") else request)


@mutant
async def star_unread(call: Call, request: Request) -> Reply:
    """A star in If-None-Match matches nothing."""
    return await call(request.without("if-none-match") if request.header("if-none-match") == "*" else request)


@mutant
async def always_unchanged(call: Call, request: Request) -> Reply:
    """Any If-None-Match is answered 304."""
    return await call(request.with_header("if-none-match", "*") if request.header("if-none-match") else request)


@mutant
async def date_before_etag(call: Call, request: Request) -> Reply:
    """If-Modified-Since counts although there is If-None-Match."""
    dated = pull(request) and request.header("if-modified-since") is not None
    return Reply(304, (), b"") if dated else await call(request)


@mutant
async def match_never_holds(call: Call, request: Request) -> Reply:
    """GET with If-Match is answered 412."""
    asked = pull(request) and request.header("if-match") is not None
    return refusal(412, "UNSUPPORTED") if asked else await call(request)


@mutant
async def unchanged_before_there(call: Call, request: Request) -> Reply:
    """If-None-Match with the digest asked for is answered 304, be it there or not."""
    digests = re.findall(r'"([^"]*)"', request.header("if-none-match") or "")
    return Reply(304, (), b"") if pull(request) and request.reference in digests else await call(request)


@mutant
async def star_before_there(call: Call, request: Request) -> Reply:
    """If-None-Match with a star is answered 304, whatever is there."""
    starred = pull(request) and request.header("if-none-match") == "*"
    return Reply(304, (("etag", '"*"'),), b"") if starred else await call(request)
