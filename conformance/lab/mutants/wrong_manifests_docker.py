"""Registries that differ from docker-distribution where its users would notice."""

import re

from conformance.lab.mutants.layer import Call, Reply, Request, mutant
from conformance.lab.mutants.wrong_manifests import digest_of, error, fields_of, puts, sibling
from conformance.lab.mutants.wrong_manifests_types import missing_content


@mutant
async def digest_untold(call: Call, request: Request) -> Reply:
    """The push of a manifest is answered without Docker-Content-Digest."""
    reply = await call(request)
    return reply.without("docker-content-digest") if puts(request) else reply


@mutant
async def located_by_tag(call: Call, request: Request) -> Reply:
    """The Location of a manifest's push is the URL that it was pushed to."""
    reply = await call(request)
    return reply.with_header("location", request.path) if puts(request) and reply.status == 201 else reply


@mutant
async def first_missing_told(call: Call, request: Request) -> Reply:
    """A manifest that is not whole is refused for the first thing that is missing."""
    if puts(request) and await missing_content(call, request):
        return error(400, "MANIFEST_BLOB_UNKNOWN")
    return await call(request)


@mutant
async def byte_order_mark_skipped(call: Call, request: Request) -> Reply:
    """A byte order mark before a manifest is passed over, and gone."""
    body = request.body.removeprefix(b"\xef\xbb\xbf")
    if not puts(request) or body == request.body:
        return await call(request)
    path = sibling(request, digest_of(body)) if ":" in request.reference else request.path
    return await call(request.with_body(body).to(path))


@mutant
async def urls_break(call: Call, request: Request) -> Reply:
    """A layer with urls is a server error, as for distribution by default."""
    layers = fields_of(request.body).get("layers") if puts(request) else None
    if isinstance(layers, list) and any("urls" in layer for layer in layers if isinstance(layer, dict)):
        return Reply(500, (), b"")
    return await call(request)


@mutant
async def delete_breaks(call: Call, request: Request) -> Reply:
    """DELETE of a manifest by a malformed digest is a server error."""
    algorithm, colon, encoded = request.reference.partition(":")
    malformed = colon and algorithm == "sha256" and re.fullmatch("[0-9a-f]{64}", encoded) is None
    return Reply(500, (), b"") if request.asks("DELETE", "manifest") and malformed else await call(request)
