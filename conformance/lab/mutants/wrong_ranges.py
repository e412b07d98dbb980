"""Registries that serve parts of blobs wrongly."""

import re
from collections.abc import Callable

from conformance.lab.mutants.layer import Call, Reply, Request, mutant
from conformance.lab.mutants.wrong_blobs import refusal

SINGLE = re.compile(r"bytes=([0-9]*)-([0-9]*)")


def asked(request: Request) -> str | None:
    """The ranges of a blob that are asked for."""
    return request.header("range") if request.asks("GET", "blob") else None


async def all_of(call: Call, request: Request) -> Reply:
    return await call(request.without("range").without("if-range"))


def cut(whole: Reply, first: int, last: int, size: str | None = None) -> Reply:
    """206 with these bytes of a whole answer."""
    told = f"bytes {first}-{last}/{size or len(whole.body)}"
    return whole.with_status(206).with_body(whole.body[first : last + 1]).with_header("content-range", told)


async def changed(call: Call, request: Request, change: Callable[[Reply], Reply]) -> Reply:
    """With every part changed that is given alone."""
    reply = await call(request)
    return change(reply) if asked(request) and reply.status == 206 and reply.header("content-range") else reply


@mutant
async def last_byte_left_out(call: Call, request: Request) -> Reply:
    """The last byte of a range is not part of it."""
    return await changed(call, request, lambda reply: reply.with_body(reply.body[:-1]))


@mutant
async def one_byte_too_many(call: Call, request: Request) -> Reply:
    """A range ends one byte later than asked, where there is one."""
    found = SINGLE.fullmatch(asked(request) or "")
    whole = await all_of(call, request) if found and found[1] and found[2] else None
    if found and whole and whole.status == 200 and int(found[1]) <= int(found[2]) < len(whole.body) - 1:
        return cut(whole, int(found[1]), int(found[2]) + 1)
    return await call(request)


@mutant
async def whole_as_part(call: Call, request: Request) -> Reply:
    """206 with the right Content-Range and all of the blob."""
    whole = await all_of(call, request) if asked(request) else None
    return await changed(call, request, lambda reply: reply.with_body(whole.body if whole else b""))


@mutant
async def part_as_whole(call: Call, request: Request) -> Reply:
    """A part is answered 200."""
    return await changed(call, request, lambda reply: reply.with_status(200))


@mutant
async def without_content_range(call: Call, request: Request) -> Reply:
    """206 does not say which part it is."""
    return await changed(call, request, lambda reply: reply.without("content-range"))


@mutant
async def size_of_part(call: Call, request: Request) -> Reply:
    """Content-Range has the length of the part for that of the blob."""

    def change(reply: Reply) -> Reply:
        told = (reply.header("content-range") or "").partition("/")[0]
        return reply.with_header("content-range", f"{told}/{len(reply.body)}")

    return await changed(call, request, change)


@mutant
async def suffix_as_start(call: Call, request: Request) -> Reply:
    """The last bytes are asked for, and the first ones come."""
    value = asked(request) or ""
    return await call(request.with_header("range", value.replace("=-", "=0-")) if "=-" in value else request)


@mutant
async def open_end_refused(call: Call, request: Request) -> Reply:
    """A range without an end, or without a start, is answered 416."""
    found = SINGLE.fullmatch(asked(request) or "")
    return refusal(416, "UNSUPPORTED") if found and not (found[1] and found[2]) else await call(request)


@mutant
async def end_not_cut(call: Call, request: Request) -> Reply:
    """A range that goes beyond the end of the blob is answered 416."""
    found = SINGLE.fullmatch(asked(request) or "")
    if found and found[1] and found[2]:
        whole = await all_of(call, request)
        if whole.status == 200 and len(found[2]) < 19 and int(found[2]) >= len(whole.body):
            return refusal(416, "UNSUPPORTED")
    return await call(request)


@mutant
async def far_parts_wrong(call: Call, request: Request) -> Reply:
    """A part that starts behind the first 64 KiB comes from the beginning."""
    found = SINGLE.fullmatch(asked(request) or "")
    reply = await call(request)
    if found and found[1] and reply.status == 206 and int(found[1]) > 65535:
        return reply.with_body((await all_of(call, request)).body[: len(reply.body)])
    return reply


@mutant
async def beside_is_empty(call: Call, request: Request) -> Reply:
    """A range beside the blob is answered 206 with nothing, as by some versions of Go."""
    reply = await call(request)
    if asked(request) and reply.status == 416:
        size = (reply.header("content-range") or "").rpartition("/")[2]
        return Reply(206, (("content-range", f"bytes {size}-{int(size) - 1}/{size}"),), b"")
    return reply


@mutant
async def beside_is_400(call: Call, request: Request) -> Reply:
    """A range beside the blob is answered 400."""
    reply = await call(request)
    return reply.with_status(400) if asked(request) and reply.status == 416 else reply


@mutant
async def beside_unexplained(call: Call, request: Request) -> Reply:
    """416 does not tell the size of the blob."""
    reply = await call(request)
    return reply.without("content-range") if asked(request) and reply.status == 416 else reply


@mutant
async def unreadable_is_500(call: Call, request: Request) -> Reply:
    """A Range that is not of digits, or of more than fit, is answered 500."""
    value = asked(request)
    if value is None or re.fullmatch(r"bytes=([0-9]{1,18}-[0-9]{0,18}|-[0-9]{1,18})(, *[0-9]*-[0-9]* *)*", value):
        return await call(request)
    return refusal(500, "UNKNOWN")


@mutant
async def unknown_unit_refused(call: Call, request: Request) -> Reply:
    """A range of an unknown unit is answered 416."""
    value = asked(request)
    return refusal(416, "UNSUPPORTED") if value and not value.startswith("bytes") else await call(request)


@mutant
async def long_suffix_refused(call: Call, request: Request) -> Reply:
    """A suffix longer than the blob is answered 416."""
    found = SINGLE.fullmatch(asked(request) or "")
    if found and not found[1] and found[2]:
        whole = await all_of(call, request)
        if whole.status == 200 and int(found[2]) > len(whole.body):
            return refusal(416, "UNSUPPORTED")
    return await call(request)


@mutant
async def nothing_is_500(call: Call, request: Request) -> Reply:
    """A range of a blob of zero bytes is answered 500."""
    if asked(request):
        whole = await all_of(call, request)
        if whole.status == 200 and not whole.body:
            return refusal(500, "UNKNOWN")
    return await call(request)


@mutant
async def head_in_parts(call: Call, request: Request) -> Reply:
    """HEAD with Range is answered 206."""
    reply = await call(request)
    ranged = request.asks("HEAD", "blob") and request.header("range") and reply.status == 200
    return reply.with_status(206)._replace(length=1000) if ranged else reply


@mutant
async def missing_is_416(call: Call, request: Request) -> Reply:
    """A range of a blob that is not there is answered 416."""
    reply = await call(request)
    return refusal(416, "UNSUPPORTED") if asked(request) and reply.status == 404 else reply


@mutant
async def digest_of_part(call: Call, request: Request) -> Reply:
    """Docker-Content-Digest of a part is that of something else than the blob."""
    other = "sha256:" + "0" * 64
    return await changed(call, request, lambda reply: reply.with_header("docker-content-digest", other))


@mutant
async def only_the_first(call: Call, request: Request) -> Reply:
    """Of several ranges only the first is served."""
    value = asked(request) or ""
    return await call(request.with_header("range", value.partition(",")[0]) if "," in value else request)


@mutant
async def several_not_implemented(call: Call, request: Request) -> Reply:
    """Several ranges are answered 501."""
    return refusal(501, "UNSUPPORTED") if "," in (asked(request) or "") else await call(request)


async def multipart(call: Call, request: Request, change: Callable[[Reply], Reply]) -> Reply:
    """With every answer of several parts changed."""
    reply = await call(request)
    many = asked(request) and "multipart" in (reply.header("content-type") or "")
    return change(reply) if many else reply


@mutant
async def several_unmarked(call: Call, request: Request) -> Reply:
    """Several parts come as application/octet-stream."""
    return await multipart(call, request, lambda reply: reply.with_header("content-type", "application/octet-stream"))


@mutant
async def several_not_closed(call: Call, request: Request) -> Reply:
    """The delimiter behind the last part is missing."""
    return await multipart(call, request, lambda reply: reply.with_body(reply.body[: reply.body.rindex(b"\r\n--")]))


@mutant
async def several_unplaced(call: Call, request: Request) -> Reply:
    """Parts do not say where they belong."""

    def change(reply: Reply) -> Reply:
        return reply.with_body(re.sub(rb"(?i)content-range:[^\r]*\r\n", b"", reply.body))

    return await multipart(call, request, change)


@mutant
async def several_misplaced(call: Call, request: Request) -> Reply:
    """Parts say that they start one byte later than they do."""

    def later(found: re.Match[bytes]) -> bytes:
        return b"bytes %d-" % (int(found[1]) + 1)

    def change(reply: Reply) -> Reply:
        return reply.with_body(re.sub(rb"bytes ([0-9]+)-", later, reply.body))

    return await multipart(call, request, change)


@mutant
async def one_beside_refuses_all(call: Call, request: Request) -> Reply:
    """Several ranges of which one lies beside the blob are answered 416."""
    value = asked(request) or ""
    return refusal(416, "UNSUPPORTED") if "," in value and "5000" in value else await call(request)


@mutant
async def none_of_several_is_206(call: Call, request: Request) -> Reply:
    """Several ranges of which all lie beside the blob are answered 206 without parts."""
    reply = await call(request)
    if "," in (asked(request) or "") and reply.status == 416:
        return Reply(206, (("content-type", "multipart/byteranges; boundary=x"),), b"--x--\r\n")
    return reply


@mutant
async def amplified(call: Call, request: Request) -> Reply:
    """Ranges are served as often as they are asked for, if that is a hundred times the blob."""
    ranges = (asked(request) or "").split(",")
    whole = await all_of(call, request) if len(ranges) > 20 else None
    if whole is None or whole.status != 200:
        return await call(request)
    size = len(whole.body)
    head = b"--x\r\nContent-Range: bytes 0-%d/%d\r\n\r\n" % (size - 1, size)
    body = b"\r\n".join([head + whole.body] * len(ranges)) + b"\r\n--x--\r\n"
    return whole.with_status(206).with_body(body).with_header("content-type", "multipart/byteranges; boundary=x")


@mutant
async def if_range_unread(call: Call, request: Request) -> Reply:
    """If-Range is not looked at: a part of other content is given."""
    return await call(request.without("if-range"))


@mutant
async def if_range_never(call: Call, request: Request) -> Reply:
    """With If-Range a range is always answered 416."""
    return refusal(416, "UNSUPPORTED") if asked(request) and request.header("if-range") else await call(request)


@mutant
async def if_range_weakly(call: Call, request: Request) -> Reply:
    """A weak ETag is good enough for If-Range."""
    value = request.header("if-range") or ""
    return await call(request.with_header("if-range", value.removeprefix("W/")) if value else request)


@mutant
async def if_range_by_date(call: Call, request: Request) -> Reply:
    """Any date is good enough for If-Range."""
    return await call(request if '"' in (request.header("if-range") or '"') else request.without("if-range"))


@mutant
async def manifest_in_wrong_parts(call: Call, request: Request) -> Reply:
    """A range of a manifest is cut off at its end, but not at its start."""
    reply = await call(request)
    found = SINGLE.fullmatch(request.header("range") or "")
    if request.asks("GET", "manifest") and reply.status == 200 and found and found[2]:
        return cut(reply, int(found[1]), int(found[2])).with_body(reply.body[: int(found[2]) + 1])
    return reply
