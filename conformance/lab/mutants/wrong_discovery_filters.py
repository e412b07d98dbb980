"""Registries that filter and page referrers wrongly."""

from dataclasses import replace

from conformance.lab.mutants.layer import Call, Reply, Request, mutant
from conformance.lab.mutants.pushed import digest_of, document, pushing, remember, replaced
from conformance.lab.mutants.wrong_discovery_referrers import entries, listing

APPLIED = "oci-filters-applied"


def wanted(request: Request) -> str | None:
    return request.parameter("artifactType") if request.kind == "referrers" else None


@mutant
async def filter_by_prefix(call: Call, request: Request) -> Reply:
    """A filter takes all types that begin with the one asked for."""
    artifact_type = wanted(request)
    if artifact_type is None:
        return await call(request)
    reply = await call(request.with_parameters(artifactType=None))
    found = [one for one in entries(reply) if str(one.get("artifactType", "")).startswith(artifact_type)]
    return replaced(reply, manifests=found).with_header(APPLIED, "artifactType")


@mutant
async def filter_only_claimed(call: Call, request: Request) -> Reply:
    """OCI-Filters-Applied is sent with a list that was not filtered."""
    if wanted(request) is None:
        return await call(request)
    return (await call(request.with_parameters(artifactType=None))).with_header(APPLIED, "artifactType")


@mutant
async def filter_always_claimed(call: Call, request: Request) -> Reply:
    """OCI-Filters-Applied is sent with every list."""
    reply = await call(request)
    return reply.with_header(APPLIED, "artifactType") if listing(request, reply) else reply


@mutant
async def filter_not_told(call: Call, request: Request) -> Reply:
    """A filter is applied, but there is no OCI-Filters-Applied."""
    return (await call(request)).without(APPLIED)


@mutant
async def filter_other_name(call: Call, request: Request) -> Reply:
    """OCI-Filters-Applied names the type instead of the filter."""
    reply = await call(request)
    return reply.with_header(APPLIED, wanted(request) or "") if reply.header(APPLIED) else reply


@mutant
async def filter_not_told_of_nothing(call: Call, request: Request) -> Reply:
    """OCI-Filters-Applied is missing where the list is empty."""
    reply = await call(request)
    return reply.without(APPLIED) if listing(request, reply) and not entries(reply) else reply


@mutant
async def filter_by_own_type(call: Call, request: Request) -> Reply:
    """A filter does not see the config's type of an image without artifactType."""
    own = remember(request, "own")
    reply = await call(request)
    if pushing(request):
        own[digest_of(request)] = document(request.body).get("artifactType")
    if not listing(request, reply) or wanted(request) is None or "empty" in str(wanted(request)):
        return reply
    return replaced(reply, manifests=[one for one in entries(reply) if own.get(one["digest"]) == wanted(request)])


@mutant
async def filter_decoded_twice(call: Call, request: Request) -> Reply:
    """A plus sign that came percent-encoded is taken for a blank."""
    if wanted(request) and "%2b" in request.query.lower():
        return await call(request.with_parameters(artifactType=str(wanted(request)).replace("+", "_")))
    return await call(request)


@mutant
async def filter_plus_is_blank(call: Call, request: Request) -> Reply:
    """A plus sign that came unencoded is taken for a blank."""
    if wanted(request) and "+" in request.query:
        return await call(replace(request, query=request.query.replace("+", "_")))
    return await call(request)


@mutant
async def unknown_refused(call: Call, request: Request) -> Reply:
    """A parameter that nobody knows is answered 400."""
    reply = await call(request)
    known = ("artifactType=", "after=", "n=", "last=")
    strange = [one for one in request.query.split("&") if one and not one.startswith(known)]
    return reply.with_status(400) if listing(request, reply) and strange else reply


@mutant
async def unknown_claimed(call: Call, request: Request) -> Reply:
    """OCI-Filters-Applied names every parameter."""
    reply = await call(request)
    if not listing(request, reply) or not request.query:
        return reply
    return reply.with_header(APPLIED, ",".join(one.partition("=")[0] for one in request.query.split("&")))


@mutant
async def pages_cut(call: Call, request: Request) -> Reply:
    """A list of referrers that does not fit has no Link."""
    reply = await call(request)
    return reply.without("link") if listing(request, reply) else reply


@mutant
async def pages_overlap(call: Call, request: Request) -> Reply:
    """The last entry of a page of referrers is on the next one again."""
    last = remember(request, "last")
    reply = await call(request)
    if not listing(request, reply) or not entries(reply):
        return reply
    again = last.get(request.path) if request.parameter("after") else None
    last[request.path] = entries(reply)[-1]
    return replaced(reply, manifests=[again, *entries(reply)]) if again else reply


@mutant
async def filter_lost_on_the_way(call: Call, request: Request) -> Reply:
    """The Link of a filtered list leads to the rest of all referrers."""
    reply = await call(request)
    link = reply.header("link")
    if not listing(request, reply) or link is None or wanted(request) is None:
        return reply
    url = link.partition("<")[2].partition(">")[0]
    path, _, query = url.partition("?")
    rest = "&".join(one for one in query.split("&") if not one.startswith("artifactType"))
    return reply.with_header("link", f'<{path}?{rest}>; rel="next"')


@mutant
async def next_pages_of_plain_json(call: Call, request: Request) -> Reply:
    """Pages of referrers after the first have the type application/json."""
    reply = await call(request)
    if not listing(request, reply) or request.parameter("after") is None:
        return reply
    return reply.with_header("content-type", "application/json")
