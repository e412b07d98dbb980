"""Manifests: GET, HEAD, PUT, DELETE by tag and by digest."""

from registry.errors import (
    DigestMalformed,
    ManifestTooLarge,
    ManifestUnknown,
    ParameterInvalid,
    TagInvalid,
    TooManyTags,
)
from registry.http.context import Context
from registry.http.responses import Header, Response, header
from registry.names import Digest, Reference, Tag, parse_reference, parse_tag
from registry.preconditions import etag

MOST_TAGS = 100
"""Tags that one push may set (R-121, R-122)."""


async def get(ctx: Context) -> Response:
    found = await ctx.app.manifests.find(ctx.name, known_reference(ctx))
    headers = describe(found.digest, found.media_type)
    if ctx.precondition.is_unmodified(found.digest):
        return Response(304, headers)
    return Response(200, headers, found.body)


async def head(ctx: Context) -> Response:
    found = await ctx.app.manifests.head(ctx.name, known_reference(ctx))
    headers = describe(found.digest, found.media_type)
    if ctx.precondition.is_unmodified(found.digest):
        return Response(304, headers)
    return Response(200, headers, b"", found.size)


async def put(ctx: Context) -> Response:
    name = ctx.name
    reference = parse_reference(ctx.parameters["reference"])
    if isinstance(reference, Digest) and not reference.supported:
        raise DigestMalformed(reference)
    tagged = tags(ctx, reference)
    body = await ctx.body().whole(ctx.app.settings.manifest_limit, ManifestTooLarge)
    expected = reference if isinstance(reference, Digest) else None
    document = await ctx.app.manifests.parse(body, content_type(ctx), expected)
    await ctx.app.manifests.put(ctx.change(), name, document, reference, tagged, ctx.precondition)
    headers = [
        header(b"location", ctx.location(f"/v2/{name}/manifests/{document.digest}")),
        header(b"docker-content-digest", document.digest),
    ]
    if document.subject is not None:
        headers.append(header(b"oci-subject", document.subject))
    if expected is not None and tagged:
        headers.append(header(b"oci-tag", ", ".join(tagged)))
    return Response(201, headers)


async def delete(ctx: Context) -> Response:
    await ctx.app.manifests.remove(ctx.change(), ctx.name, known_reference(ctx), ctx.precondition)
    return Response(202)


def known_reference(ctx: Context) -> Reference:
    """R-017: what cannot be a reference is one that is not there."""
    text = ctx.parameters["reference"]
    try:
        return parse_reference(text)
    except (TagInvalid, DigestMalformed):
        raise ManifestUnknown(text[:200]) from None


def tags(ctx: Context, reference: Reference) -> list[Tag]:
    """The tags to set: the one in the path, or those in the query of a push by digest (R-120).

    Raises `ParameterInvalid`, `TooManyTags`, `TagInvalid` (R-124)."""
    asked = ctx.all("tag")
    if not isinstance(reference, Digest):
        if asked:
            raise ParameterInvalid("tag goes with a digest in the path, not with a tag")
        return [reference]
    if len(asked) > MOST_TAGS:
        raise TooManyTags(f"{len(asked)} tags; the limit is {MOST_TAGS}")
    return list(dict.fromkeys(map(parse_tag, asked)))


def content_type(ctx: Context) -> str | None:
    """The media type of the body without parameters (R-114); None if none was given."""
    text = ctx.header(b"content-type")
    return (text or "").partition(";")[0].strip().lower() or None


def describe(digest: str, media_type: str) -> list[Header]:
    return [
        header(b"content-type", media_type),
        header(b"docker-content-digest", digest),
        header(b"etag", etag(digest)),
    ]
