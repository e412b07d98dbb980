"""Registries whose errors and warnings are wrong."""

import json

from conformance.lab.mutants.layer import Call, Hangup, Reply, Request, mutant
from conformance.lab.mutants.pushed import fields_of, remember, replaced

JSON = ("content-type", "application/json")


def failed(reply: Reply) -> bool:
    return 400 <= reply.status < 500


def errors(reply: Reply) -> list[dict[str, object]]:
    return list(fields_of(reply).get("errors") or [])


@mutant
async def framework_body(call: Call, request: Request) -> Reply:
    """Errors have the body that a web framework gives them."""
    reply = await call(request)
    if not failed(reply) or request.method == "HEAD":
        return reply
    return Reply(reply.status, (JSON,), b'{"detail":"Not Found"}')


@mutant
async def list_without_name(call: Call, request: Request) -> Reply:
    """The body of an error is a bare list."""
    reply = await call(request)
    if not failed(reply) or request.method == "HEAD":
        return reply
    return reply.with_body(json.dumps(errors(reply)).encode())


@mutant
async def codes_in_lower_case(call: Call, request: Request) -> Reply:
    """Codes are in lower case."""
    reply = await call(request)
    if not failed(reply) or request.method == "HEAD":
        return reply
    return replaced(reply, errors=[one | {"code": str(one["code"]).lower()} for one in errors(reply)])


@mutant
async def message_is_an_object(call: Call, request: Request) -> Reply:
    """The message of an error is an object."""
    reply = await call(request)
    if not failed(reply) or request.method == "HEAD":
        return reply
    return replaced(reply, errors=[one | {"message": {"text": one.get("message")}} for one in errors(reply)])


@mutant
async def one_code_for_all(call: Call, request: Request) -> Reply:
    """Every error has the code DENIED."""
    reply = await call(request)
    if not failed(reply) or request.method == "HEAD":
        return reply
    return replaced(reply, errors=[one | {"code": "DENIED"} for one in errors(reply)])


@mutant
async def faults_of_the_server(call: Call, request: Request) -> Reply:
    """What is malformed is answered 500."""
    reply = await call(request)
    return reply.with_status(500) if reply.status == 400 else reply


@mutant
async def code_for_paging(call: Call, request: Request) -> Reply:
    """A malformed n has the code PAGINATION_NUMBER_INVALID, as in Docker's registry."""
    reply = await call(request)
    if not request.asks("GET", "tags") or reply.status != 400:
        return reply
    return replaced(reply, errors=[{"code": "PAGINATION_NUMBER_INVALID", "message": "invalid n"}])


@mutant
async def head_forbidden(call: Call, request: Request) -> Reply:
    """HEAD of what is not there is answered 403."""
    reply = await call(request)
    return reply.with_status(403) if request.method == "HEAD" and reply.status == 404 else reply


@mutant
async def head_with_body(call: Call, request: Request) -> Reply:
    """HEAD of what is not there has a body."""
    reply = await call(request)
    if request.method != "HEAD" or reply.status != 404:
        return reply
    body = b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'
    head = (
        b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    )
    raise Hangup(raw=head % len(body) + body)


@mutant
async def page_for_everything(call: Call, request: Request) -> Reply:
    """A path that no endpoint has is answered 200 with the page of a web application."""
    reply = await call(request)
    if request.kind == "other" and reply.status == 404:
        return Reply(200, (("content-type", "text/html"),), b"<!doctype html><title>Registry</title>")
    return reply


@mutant
async def methods_ignored(call: Call, request: Request) -> Reply:
    """A method that an endpoint does not have is answered 200."""
    reply = await call(request)
    return Reply(200, (), b"") if reply.status == 405 and request.method != "POST" else reply


@mutant
async def refused_without_allow(call: Call, request: Request) -> Reply:
    """405 comes without Allow."""
    reply = await call(request)
    return reply.without("allow") if reply.status == 405 else reply


@mutant
async def too_many_without_end(call: Call, request: Request) -> Reply:
    """The eleventh request for a manifest that is not there is answered 429, without Retry-After."""
    count = remember(request, "count")
    reply = await call(request)
    if not request.asks("GET", "manifest") or reply.status != 404:
        return reply
    count[request.path] = count.get(request.path, 0) + 1
    if count[request.path] < 11:
        return reply
    return Reply(429, (JSON,), b'{"errors":[{"code":"TOOMANYREQUESTS"}]}')


@mutant
async def too_many_with_other_code(call: Call, request: Request) -> Reply:
    """The eleventh request for a manifest that is not there is answered 429 with the code DENIED."""
    count = remember(request, "count")
    reply = await call(request)
    if not request.asks("GET", "manifest") or reply.status != 404:
        return reply
    count[request.path] = count.get(request.path, 0) + 1
    if count[request.path] < 11:
        return reply
    return Reply(429, (JSON, ("retry-after", "1")), b'{"errors":[{"code":"DENIED"}]}')


@mutant
async def warned_with_date(call: Call, request: Request) -> Reply:
    """Warnings have a date."""
    reply = await call(request)
    return reply.with_header("warning", '299 - "deprecated" "Sat, 01 Nov 2026 12:00:00 GMT"')


@mutant
async def warned_by_name(call: Call, request: Request) -> Reply:
    """Warnings name the host as the agent."""
    return (await call(request)).with_header("warning", '299 registry.example "deprecated"')


@mutant
async def warned_with_other_code(call: Call, request: Request) -> Reply:
    """Warnings have the code 199."""
    return (await call(request)).with_header("warning", '199 - "deprecated"')


@mutant
async def warned_at_length(call: Call, request: Request) -> Reply:
    """Warnings are above 4096 bytes together."""
    reply = await call(request)
    warnings = tuple(("warning", f'299 - "{number}{"x" * 1400}"') for number in range(3))
    return reply._replace(headers=(*reply.headers, *warnings))
