"""Registries that take the tag parameters of a push wrongly."""

import json
import re
from urllib.parse import parse_qsl

from conformance.lab.mutants.layer import Call, Reply, Request, mutant
from conformance.lab.mutants.wrong_manifests import digest_of, error, fields_of, puts, sibling

TOLD = "oci-tag"
TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")


def asked(request: Request) -> list[str]:
    """The tag parameters of a push."""
    found = parse_qsl(request.query, keep_blank_values=True) if puts(request) else []
    return [value for key, value in found if key == "tag"]


def without_tags(request: Request) -> Request:
    return request.with_parameters(tag=None)


@mutant
async def first_tag_told(call: Call, request: Request) -> Reply:
    """OCI-Tag names the first tag only."""
    reply = await call(request)
    return reply.with_header(TOLD, asked(request)[0]) if reply.header(TOLD) else reply


@mutant
async def tag_told_with_the_name(call: Call, request: Request) -> Reply:
    """OCI-Tag has the repository before each tag."""
    reply = await call(request)
    told = ", ".join(f"{request.name}:{tag}" for tag in asked(request))
    return reply.with_header(TOLD, told) if reply.header(TOLD) else reply


@mutant
async def tags_told_and_not_set(call: Call, request: Request) -> Reply:
    """OCI-Tag names the tags, and none of them is set."""
    if asked(request) and all(map(TAG.fullmatch, asked(request))) and ":" in request.reference:
        reply = await call(without_tags(request))
        return reply.with_header(TOLD, ", ".join(asked(request))) if reply.status == 201 else reply
    return await call(request)


@mutant
async def tags_told_twice(call: Call, request: Request) -> Reply:
    """OCI-Tag repeats the parameters as they came."""
    reply = await call(request)
    return reply.with_header(TOLD, ", ".join(asked(request))) if reply.header(TOLD) else reply


@mutant
async def five_tags(call: Call, request: Request) -> Reply:
    """More than five tag parameters are answered 414."""
    return error(414, "UNSUPPORTED") if len(asked(request)) > 5 else await call(request)


@mutant
async def many_tags_break(call: Call, request: Request) -> Reply:
    """More than 100 tag parameters are a server error."""
    return Reply(500, (), b"") if len(asked(request)) > 100 else await call(request)


@mutant
async def tags_kept_that_are_there(call: Call, request: Request) -> Reply:
    """A tag that is there is told in OCI-Tag and not moved."""
    new = []
    for tag in asked(request):
        there = request.as_method("HEAD").to(sibling(request, tag)).with_body(b"").with_parameters(tag=None)
        if (await call(there)).status == 404:
            new.append(tag)
    if not asked(request) or len(new) == len(asked(request)):
        return await call(request)
    reply = await call(without_tags(request))
    return reply.with_header(TOLD, ", ".join(asked(request)))


@mutant
async def other_tags_dropped(call: Call, request: Request) -> Reply:
    """Tags that a manifest had before are dropped for those in the parameters."""
    known = request.state.setdefault(f"{request.name}@{digest_of(request.body)}", [])
    reply = await call(request)
    if reply.header(TOLD):
        for tag in [tag for tag in known if tag not in asked(request)]:
            await call(without_tags(request).as_method("DELETE").to(sibling(request, tag)).with_body(b""))
    if puts(request) and reply.status == 201 and ":" not in request.reference:
        known.append(request.reference)
    return reply


@mutant
async def tags_for_new_manifests(call: Call, request: Request) -> Reply:
    """The tags of a manifest that is there already are told and not set."""
    if asked(request) and ":" in request.reference:
        there = await call(without_tags(request).as_method("HEAD").with_body(b""))
        if there.status == 200:
            reply = await call(without_tags(request))
            return reply.with_header(TOLD, ", ".join(asked(request)))
    return await call(request)


@mutant
async def tags_for_images_only(call: Call, request: Request) -> Reply:
    """The tags of an index are told and not set."""
    if asked(request) and "manifests" in fields_of(request.body):
        reply = await call(without_tags(request))
        return reply.with_header(TOLD, ", ".join(asked(request)))
    return await call(request)


@mutant
async def tags_not_listed(call: Call, request: Request) -> Reply:
    """Tags set by parameter are pulled and not listed."""
    hidden = request.state.setdefault(request.name, set())
    reply = await call(request)
    if reply.header(TOLD):
        hidden.update(asked(request))
    if request.kind == "tags" and hidden and reply.status == 200:
        fields = fields_of(reply.body)
        rest = [tag for tag in fields["tags"] if tag not in hidden]
        return reply.with_body(json.dumps(fields | {"tags": rest}).encode())
    return reply


@mutant
async def short_tags_only(call: Call, request: Request) -> Reply:
    """A tag parameter of more than 100 characters is refused."""
    if any(len(tag) > 100 for tag in asked(request)):
        return error(400, "MANIFEST_INVALID")
    return await call(request)


@mutant
async def tags_checked_late(call: Call, request: Request) -> Reply:
    """Of several tag parameters the good ones are set before a bad one is refused."""
    good = [tag for tag in asked(request) if TAG.fullmatch(tag)]
    if len(good) < len(asked(request)):
        for tag in good:
            await call(without_tags(request).to(sibling(request, tag)))
    return await call(request)


@mutant
async def bad_tags_ignored(call: Call, request: Request) -> Reply:
    """Tag parameters that are no tags are passed over."""
    good = [tag for tag in asked(request) if TAG.fullmatch(tag)]
    if len(good) < len(asked(request)):
        reply = await call(request.with_parameters(tag=good[0] if good else None))
        return reply.with_header(TOLD, ", ".join(good))
    return await call(request)


@mutant
async def tags_beside_a_tag(call: Call, request: Request) -> Reply:
    """Tag parameters beside a tag in the path are passed over."""
    return await call(without_tags(request) if asked(request) and ":" not in request.reference else request)


@mutant
async def tags_before_the_digest(call: Call, request: Request) -> Reply:
    """Tags are set before the digest is checked."""
    if asked(request) and ":" in request.reference and all(map(TAG.fullmatch, asked(request))):
        for tag in asked(request):
            await call(without_tags(request).to(sibling(request, tag)))
    return await call(request)


@mutant
async def tags_lead_to_sha256(call: Call, request: Request) -> Reply:
    """Tags of a sha512 manifest are answered with its sha256 digest."""
    reply = await call(request)
    if request.asks("GET HEAD", "manifest") and ":" not in request.reference and reply.status == 200:
        whole = await call(request.as_method("GET"))
        return reply.with_header("docker-content-digest", digest_of(whole.body))
    return reply


@mutant
async def tags_by_content(call: Call, request: Request) -> Reply:
    """A tag that leads to the same bytes by another algorithm is not moved."""
    if asked(request) and ":" in request.reference:
        there = request.as_method("GET").to(sibling(request, asked(request)[0])).with_body(b"")
        if (await call(without_tags(there))).body == request.body:
            reply = await call(without_tags(request))
            return reply.with_header(TOLD, ", ".join(asked(request)))
    return await call(request)
