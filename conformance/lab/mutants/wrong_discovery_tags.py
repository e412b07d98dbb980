"""Registries that list tags wrongly."""

import json
from typing import Any
from urllib.parse import quote

from conformance.lab.mutants.layer import Call, Reply, Request, mutant
from conformance.lab.mutants.pushed import asked, fields_of, is_digest, pushing, remember, replaced


def listing(request: Request, reply: Reply) -> bool:
    return request.asks("GET", "tags") and reply.status == 200


def tags_in(reply: Reply) -> list[str]:
    return [str(tag) for tag in fields_of(reply).get("tags") or []]


def next_link(request: Request, n: str, last: str) -> str:
    return f'<{request.path}?n={n}&last={quote(last, safe="")}>; rel="next"'


@mutant
async def unknown_repository_breaks(call: Call, request: Request) -> Reply:
    """The tags of an unknown repository are answered 500."""
    reply = await call(request)
    return reply.with_status(500) if request.asks("GET", "tags") and reply.status == 404 else reply


@mutant
async def some_tags_hidden(call: Call, request: Request) -> Reply:
    """Tags that end with the digit 1 are not listed."""
    reply = await call(request)
    if not listing(request, reply):
        return reply
    return replaced(reply, tags=[tag for tag in tags_in(reply) if not tag.endswith("1")])


@mutant
async def no_tags_are_null(call: Call, request: Request) -> Reply:
    """An empty list of tags is null."""
    reply = await call(request)
    return replaced(reply, tags=None) if listing(request, reply) and not tags_in(reply) else reply


@mutant
async def short_name(call: Call, request: Request) -> Reply:
    """The list of tags names the last component of the repository only."""
    reply = await call(request)
    return replaced(reply, name=request.name.rpartition("/")[2]) if listing(request, reply) else reply


@mutant
async def bare_list(call: Call, request: Request) -> Reply:
    """Tags are listed as objects with a name."""
    reply = await call(request)
    return replaced(reply, tags=[{"name": tag} for tag in tags_in(reply)]) if listing(request, reply) else reply


@mutant
async def moved_twice(call: Call, request: Request) -> Reply:
    """A tag that was pushed twice is listed twice."""
    count = remember(request, "pushes")
    reply = await call(request)
    if pushing(request) and reply.good:
        count[request.path] = count.get(request.path, 0) + 1
    if not listing(request, reply):
        return reply
    paths = {tag: f"/v2/{request.name}/manifests/{tag}" for tag in tags_in(reply)}
    return replaced(reply, tags=[tag for tag in tags_in(reply) for _ in range(max(1, count.get(paths[tag], 1)))])


@mutant
async def digests_among_tags(call: Call, request: Request) -> Reply:
    """Digests that were pushed are listed among the tags."""
    digests = remember(request, "digests").setdefault(request.name, [])
    reply = await call(request)
    if pushing(request) and reply.good and is_digest(request.reference):
        digests.append(request.reference)
    return replaced(reply, tags=sorted(tags_in(reply) + digests)) if listing(request, reply) else reply


@mutant
async def deleted_still_listed(call: Call, request: Request) -> Reply:
    """Deleted tags stay in the list."""
    gone = remember(request, "gone").setdefault(request.name, set())
    reply = await call(request)
    if request.asks("DELETE", "manifest") and reply.good:
        gone.add(request.reference)
    return replaced(reply, tags=sorted({*tags_in(reply), *gone})) if listing(request, reply) else reply


@mutant
async def newest_first(call: Call, request: Request) -> Reply:
    """A page of tags is in descending order."""
    reply = await call(request)
    return replaced(reply, tags=tags_in(reply)[::-1]) if listing(request, reply) else reply


@mutant
async def two_orders(call: Call, request: Request) -> Reply:
    """The whole list is without regard to case, but `last` compares bytes, as two collations do."""
    reply = await call(request)
    if not listing(request, reply) or request.parameter("last") is not None:
        return reply
    return replaced(reply, tags=sorted(tags_in(reply), key=str.lower))


@mutant
async def n_ignored(call: Call, request: Request) -> Reply:
    """A positive n is ignored."""
    if request.asks("GET", "tags") and (request.parameter("n") or "0") != "0":
        return await call(request.with_parameters(n=None))
    return await call(request)


@mutant
async def cut_without_link(call: Call, request: Request) -> Reply:
    """No list has more than three tags, and no Link says that there are more."""
    reply = await call(request)
    return replaced(reply, tags=tags_in(reply)[:3]).without("link") if listing(request, reply) else reply


@mutant
async def one_too_many(call: Call, request: Request) -> Reply:
    """A page has one tag more than n."""
    n = request.parameter("n") or ""
    if request.asks("GET", "tags") and n.isdecimal() and 0 < int(n) < 1000:
        return await call(request.with_parameters(n=str(int(n) + 1)))
    return await call(request)


@mutant
async def short_pages(call: Call, request: Request) -> Reply:
    """A page of n > 1 has one tag less than n, and a Link."""
    reply = await call(request)
    n, tags = request.parameter("n") or "", tags_in(reply)
    if not listing(request, reply) or len(tags) < 2 or n != str(len(tags)):
        return reply
    return replaced(reply, tags=tags[:-1]).with_header("link", next_link(request, n, tags[-2]))


@mutant
async def zero_is_all(call: Call, request: Request) -> Reply:
    """n=0 means no limit."""
    if request.asks("GET", "tags") and request.parameter("n") == "0":
        return await call(request.with_parameters(n=None))
    return await call(request)


@mutant
async def zero_with_link(call: Call, request: Request) -> Reply:
    """n=0 gives a Link."""
    reply = await call(request)
    if listing(request, reply) and request.parameter("n") == "0":
        return reply.with_header("link", next_link(request, "0", ""))
    return reply


@mutant
async def last_included(call: Call, request: Request) -> Reply:
    """`last` is among the tags that follow it."""
    reply = await call(request)
    last = request.parameter("last")
    if not listing(request, reply) or last is None:
        return reply
    everything = tags_in(await asked(call, request, "GET", request.path))
    return replaced(reply, tags=[last, *tags_in(reply)]) if last in everything else reply


@mutant
async def last_needs_n(call: Call, request: Request) -> Reply:
    """`last` is ignored where there is no n."""
    if request.asks("GET", "tags") and request.parameter("n") is None:
        return await call(request.with_parameters(last=None))
    return await call(request)


@mutant
async def last_ignored_with_n(call: Call, request: Request) -> Reply:
    """`last` is ignored where there is an n."""
    if request.asks("GET", "tags") and request.parameter("n") is not None:
        return await call(request.with_parameters(last=None))
    return await call(request)


@mutant
async def last_is_a_number(call: Call, request: Request) -> Reply:
    """A `last` of digits is the number of tags to skip."""
    last = request.parameter("last") or ""
    if not request.asks("GET", "tags") or not last.isdecimal():
        return await call(request)
    reply = await call(request.with_parameters(last=None))
    return replaced(reply, tags=tags_in(reply)[int(last) :])


async def last_is_known(call: Call, request: Request) -> bool:
    last = request.parameter("last")
    if not request.asks("GET", "tags") or last is None:
        return True
    return last in tags_in(await asked(call, request, "GET", request.path))


@mutant
async def last_unknown_ends(call: Call, request: Request) -> Reply:
    """After a `last` that is no tag there is nothing."""
    known = await last_is_known(call, request)
    reply = await call(request)
    return reply if known else replaced(reply, tags=[]).without("link")


@mutant
async def last_unknown_starts_again(call: Call, request: Request) -> Reply:
    """A `last` that is no tag is ignored."""
    if await last_is_known(call, request):
        return await call(request)
    return await call(request.with_parameters(last=None))


@mutant
async def n_malformed_ignored(call: Call, request: Request) -> Reply:
    """An n that is no number is ignored."""
    reply = await call(request)
    if request.asks("GET", "tags") and reply.status == 400:
        return await call(request.with_parameters(n=None))
    return reply


@mutant
async def n_large_breaks(call: Call, request: Request) -> Reply:
    """An n of a million or more is answered 500."""
    n = request.parameter("n") or ""
    reply = await call(request)
    large = n.isdecimal() and int(n) >= 1_000_000
    return reply.with_status(500) if request.asks("GET", "tags") and large else reply


@mutant
async def link_without_rel(call: Call, request: Request) -> Reply:
    """Link has no rel."""
    reply = await call(request)
    link = reply.header("link")
    if not listing(request, reply) or link is None:
        return reply
    return reply.with_header("link", link.partition(";")[0])


@mutant
async def link_is_a_url(call: Call, request: Request) -> Reply:
    """Link is a URL without angle brackets."""
    reply = await call(request)
    link = reply.header("link")
    if not listing(request, reply) or link is None:
        return reply
    return reply.with_header("link", link.replace("<", "").replace(">", ""))


@mutant
async def link_skips_one(call: Call, request: Request) -> Reply:
    """The next page begins one tag too late."""
    reply = await call(request)
    last = request.parameter("last")
    n, tags = request.parameter("n"), tags_in(reply)
    if not listing(request, reply) or reply.header("link") is None or n is None:
        return reply
    rest = tags_in(await call(request.with_parameters(n=str(len(tags) + 1), last=last)))
    return reply.with_header("link", next_link(request, n, rest[-1]))


@mutant
async def link_to_itself(call: Call, request: Request) -> Reply:
    """Link leads to the page that it is on."""
    reply = await call(request)
    if not listing(request, reply) or reply.header("link") is None:
        return reply
    return reply.with_header("link", f'<{request.path}?{request.query}>; rel="next"')


@mutant
async def pages_by_offset(call: Call, request: Request) -> Reply:
    """`last` stands for the position that this tag had when it was first listed."""
    places = remember(request, "places")
    last, n = request.parameter("last"), request.parameter("n")
    if not request.asks("GET", "tags") or last is None or (n or "1") == "0":
        return await call(request)
    whole = await asked(call, request, "GET", request.path)
    tags = tags_in(whole)
    for place, tag in enumerate(tags):
        places.setdefault((request.name, tag), place)
    if (request.name, last) not in places:
        return await call(request)
    rest = tags[places[request.name, last] + 1 :]
    page = rest[: int(n)] if n and n.isdecimal() else rest
    reply = replaced(whole, tags=page).without("link")
    return reply.with_header("link", next_link(request, n or "", page[-1])) if len(page) < len(rest) else reply


@mutant
async def tags_by_last_component(call: Call, request: Request) -> Reply:
    """Repositories whose last component is the same share their tags, as do those below one another."""
    tags = remember(request, "tags")
    reply = await call(request)
    if pushing(request) and reply.good and not is_digest(request.reference):
        tags.setdefault(request.name, set()).add(request.reference)
    if not listing(request, reply):
        return reply
    own = request.name
    shared: set[Any] = set(tags_in(reply))
    for name, others in tags.items():
        if name.startswith(f"{own}/") or name.rpartition("/")[2] == own.rpartition("/")[2]:
            shared |= others
    return reply.with_body(json.dumps({"name": own, "tags": sorted(shared)}).encode())


@mutant
async def one_tag_for_all(call: Call, request: Request) -> Reply:
    """A tag leads to what was pushed last by its name, in whatever repository."""
    newest = remember(request, "newest")
    reply = await call(request)
    if pushing(request) and reply.good and not is_digest(request.reference):
        newest[request.reference] = request.path
    if request.asks("GET HEAD", "manifest") and request.reference in newest:
        return await call(request.to(newest[request.reference]))
    return reply
