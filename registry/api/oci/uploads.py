"""Upload sessions: start (or mount, or push at once), append, status, finish, cancel."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from registry.errors import (
    BlobUnknown,
    ChunkOutOfOrder,
    Denied,
    DigestInvalid,
    DigestMalformed,
    NameInvalid,
    ParameterInvalid,
    SizeInvalid,
    UploadBusy,
    UploadInvalid,
    UploadUnknown,
)
from registry.http.body import RequestBody
from registry.http.context import Context
from registry.http.policy import Action
from registry.http.responses import Header, Response, header
from registry.names import (
    ALGORITHMS,
    Digest,
    RepositoryName,
    parse_content_range,
    parse_name,
    parse_number,
)
from registry.services.registry import Place, Progress

OFFSET = "offset"
"""Of a location's query: how many bytes the upload had when it was given."""


async def start(ctx: Context) -> Response:
    name = ctx.name
    if ctx.query("mount") is not None:
        digest = stated_digest(ctx, "mount")
        if await mounted(ctx, name, digest):
            return created(ctx, name, digest)
    elif ctx.query("digest") is not None:
        digest = stated_digest(ctx, "digest")
        await ctx.app.uploads.push(ctx.change(), name, digest, ctx.body())
        return created(ctx, name, digest)
    algorithm = ctx.query("digest-algorithm") or "sha256"
    if algorithm not in ALGORITHMS:
        raise DigestMalformed(f"digest-algorithm {algorithm[:100]}; supported are {', '.join(ALGORITHMS)}")
    progress = await ctx.app.uploads.start(name, algorithm)
    return Response(202, where(ctx, name, progress))


async def status(ctx: Context) -> Response:
    name = ctx.name
    progress = await ctx.app.uploads.status(name, ctx.parameters["reference"])
    return Response(204, resume(ctx, name, progress))


async def append(ctx: Context) -> Response:
    async with told_where(ctx):
        body = ctx.body()
        place = chunk(ctx, body.length)
        progress = await ctx.app.uploads.append(ctx.name, ctx.parameters["reference"], body, place)
    return Response(202, where(ctx, ctx.name, progress))


async def finish(ctx: Context) -> Response:
    body = ctx.body()
    try:
        async with told_where(ctx):
            place = chunk(ctx, body.length)
            digest = await ctx.app.uploads.finish(
                ctx.change(), ctx.name, ctx.parameters["reference"], body, place, lambda: stated_digest(ctx, "digest")
            )
    except UploadUnknown as unknown:
        digest = await finished_before(ctx, body, unknown)
    return created(ctx, ctx.name, digest)


async def finished_before(ctx: Context, body: RequestBody, unknown: UploadUnknown) -> Digest:
    """What the session was closed with whose end is asked for once more. Raises `unknown` for what is not held."""
    try:
        digest = stated_digest(ctx, "digest")
        await ctx.app.uploads.finished(ctx.name, digest, body)
    except (DigestInvalid, BlobUnknown):
        raise unknown from None
    return digest


async def cancel(ctx: Context) -> Response:
    await ctx.app.uploads.cancel(ctx.name, ctx.parameters["reference"])
    return Response(204)


@asynccontextmanager
async def told_where(ctx: Context) -> AsyncIterator[None]:
    """A client whose chunk was refused is told where to continue, which spares it a request; or that there is no such
    upload, whatever else is wrong with it."""
    try:
        yield
    except (ChunkOutOfOrder, UploadBusy) as error:
        progress = await ctx.app.uploads.status(ctx.name, ctx.parameters["reference"])
        error.headers |= {key.decode(): value.decode() for key, value in resume(ctx, ctx.name, progress)}
        raise
    except (UploadInvalid, ParameterInvalid, SizeInvalid):
        await ctx.app.uploads.status(ctx.name, ctx.parameters["reference"])
        raise


def chunk(ctx: Context, length: int | None) -> Place:
    """Where the body stands in the blob. Raises `ParameterInvalid` for an offset that is from no location of ours."""
    text, stated = ctx.header(b"content-range"), ctx.query(OFFSET)
    offset = None if stated is None else parse_number(stated)
    if stated is not None and offset is None:
        raise ParameterInvalid(f"{OFFSET} is not from a Location of ours: {stated[:100]}")
    return Place(None if text is None else parse_content_range(text, length), offset)


def stated_digest(ctx: Context, parameter: str) -> Digest:
    """The digest that the client gives its blob. Raises `DigestInvalid` for none, or one that can't be checked."""
    text = ctx.query(parameter)
    if not text:
        raise DigestInvalid(f"the query has no {parameter}")
    digest = Digest.parse(text)
    if not digest.supported:
        raise DigestMalformed(f"{text[:200]}; supported are {', '.join(ALGORITHMS)}")
    return digest


async def mounted(ctx: Context, name: RepositoryName, digest: Digest) -> bool:
    """Whether the blob could be mounted from where the query says, or from anywhere.

    What the client may not pull is not there for it; from anywhere is only where everybody may pull everything."""
    text = ctx.query("from")
    if not text:
        return ctx.everybody_may and await ctx.app.blobs.mount(ctx.change(), name, digest, None)
    try:
        source = parse_name(text)
        await ctx.require(Action.PULL, source)
    except NameInvalid:
        source = RepositoryName("")  # One that cannot exist is one that does not.
    except Denied:
        return False
    return await ctx.app.blobs.mount(ctx.change(), name, digest, source)


def created(ctx: Context, name: RepositoryName, digest: Digest) -> Response:
    return Response(
        201,
        [
            header(b"location", ctx.location(f"/v2/{name}/blobs/{digest}")),
            header(b"docker-content-digest", digest),
        ],
    )


def where(ctx: Context, name: RepositoryName, progress: Progress) -> list[Header]:
    """R-072, R-091: what has arrived; `0-0` for nothing, as clients refuse an end before the start here."""
    return described(ctx, name, progress, f"0-{max(progress.size - 1, 0)}")


def resume(ctx: Context, name: RepositoryName, progress: Progress) -> list[Header]:
    """R-090, R-091: where to continue; `0--1` for nothing, as clients go on one byte after the end here."""
    return described(ctx, name, progress, f"0-{progress.size - 1}")


def described(ctx: Context, name: RepositoryName, progress: Progress, arrived: str) -> list[Header]:
    return [
        header(b"location", ctx.location(f"/v2/{name}/blobs/uploads/{progress.id}?{OFFSET}={progress.size}")),
        header(b"range", arrived),
        header(b"docker-upload-uuid", progress.id),
    ]
