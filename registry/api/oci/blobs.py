"""Blobs: GET with ranges, HEAD, DELETE."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing

from registry.http import ranges
from registry.http.context import Context
from registry.http.ranges import Range
from registry.http.responses import OCTETS, Header, Response, header
from registry.names import Digest
from registry.preconditions import etag
from registry.services.registry import HeldBlob

# What a digest names never changes.
FOREVER: Header = (b"cache-control", b"max-age=31536000")
RANGES: Header = (b"accept-ranges", b"bytes")


async def get(ctx: Context) -> Response:
    found = await ctx.app.blobs.find(ctx.name, Digest.parse(ctx.parameters["reference"]))
    headers = describe(found)
    if ctx.precondition.is_unmodified(found.digest):
        return Response(304, headers)
    headers.append(location(ctx, found))
    parts = wanted(ctx, found)
    if parts is None:
        return Response(200, [OCTETS, *headers], ctx.app.blobs.read(found, 0, found.size), found.size)
    if len(parts) == 1:
        part = parts[0]
        headers.append(header(b"content-range", part.content_range(found.size)))
        return Response(206, [OCTETS, *headers], ctx.app.blobs.read(found, part.start, part.length), part.length)
    return multipart(ctx, found, parts, headers)


async def head(ctx: Context) -> Response:
    found = await ctx.app.blobs.promise(ctx.name, Digest.parse(ctx.parameters["reference"]))
    headers = describe(found)
    if ctx.precondition.is_unmodified(found.digest):
        return Response(304, headers)
    return Response(200, [OCTETS, *headers, location(ctx, found)], b"", found.size)


async def delete(ctx: Context) -> Response:
    await ctx.app.blobs.remove(ctx.change(), ctx.name, Digest.parse(ctx.parameters["reference"]), ctx.precondition)
    return Response(202)


def describe(found: HeldBlob) -> list[Header]:
    return [
        header(b"docker-content-digest", found.digest),
        header(b"etag", etag(found.digest)),
        RANGES,
        FOREVER,
    ]


def location(ctx: Context, found: HeldBlob) -> Header:
    """Where it is: some clients follow this even on a 200."""
    return header(b"location", ctx.shared_location(f"/v2/{ctx.parameters['name']}/blobs/{found.digest}"))


def wanted(ctx: Context, found: HeldBlob) -> list[Range] | None:
    """The parts asked for; None: all of it, also for an `If-Range` that names something else."""
    asked = ctx.header(b"range")
    if asked is None:
        return None
    condition = ctx.header(b"if-range")
    if condition is not None and condition.strip() != etag(found.digest):
        return None
    return ranges.parse(asked, found.size)


def multipart(ctx: Context, found: HeldBlob, parts: list[Range], headers: list[Header]) -> Response:
    """Several parts (RFC 9110 section 14.6), whose length is known before the first byte is read."""
    boundary = secrets.token_hex(16)
    heads = [
        (
            f"\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n"
            f"Content-Range: {part.content_range(found.size)}\r\n\r\n"
        ).encode()
        for part in parts
    ]
    # The line break before the first delimiter belongs to the preamble, which is empty.
    heads[0] = heads[0][2:]
    tail = f"\r\n--{boundary}--\r\n".encode()
    length = sum(map(len, heads)) + sum(part.length for part in parts) + len(tail)

    async def body() -> AsyncGenerator[bytes, None]:
        # Before anything is sent, so that bytes that are not there are an error and not half an answer.
        await ctx.app.blobs.check(found)
        for opening, part in zip(heads, parts, strict=True):
            yield opening
            found_bytes = ctx.app.blobs.read(found, part.start, part.length)
            if isinstance(found_bytes, bytes):
                yield found_bytes
                continue
            async with aclosing(found_bytes) as blocks:
                async for block in blocks:
                    yield block
        yield tail

    kind = header(b"content-type", f"multipart/byteranges; boundary={boundary}")
    return Response(206, [kind, *headers], body(), length)
