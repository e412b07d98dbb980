"""Registries whose uploads Docker's own clients find different."""

from conformance.lab.mutants.layer import Call, Reply, Request, cut_mutant, mutant

OCTETS = "application/octet-stream"
PLACE = "content-range"


def closes(request: Request) -> bool:
    return request.asks("PUT", "upload")


def mounts(request: Request) -> bool:
    return request.asks("POST", "uploads") and request.parameter("mount") is not None


def plain(request: Request, method: str, path: str) -> Request:
    """Another request, without query and body."""
    bare = request.as_method(method).to(path).with_body(b"")
    return bare.with_parameters(**dict.fromkeys(("digest", "mount", "from", "n", "last")))


@mutant
async def status_silent(call: Call, request: Request) -> Reply:
    """The status of an upload has neither Range nor Location."""
    reply = await call(request)
    return reply.without("range", "location") if request.asks("GET", "upload") else reply


@mutant
async def cancelled_lives(call: Call, request: Request) -> Reply:
    """Cancelling an upload does nothing."""
    return Reply(204, (), b"") if request.asks("DELETE", "upload") else await call(request)


@mutant
async def zeros_dropped(call: Call, request: Request) -> Reply:
    """Blobs of zeros are served as if they were empty."""
    reply = await call(request)
    return reply.with_body(b"") if request.asks("GET", "blob") and not reply.body.strip(b"\0") else reply


@mutant
async def created_undescribed(call: Call, request: Request) -> Reply:
    """201 comes without Docker-Content-Digest."""
    reply = await call(request)
    return reply.without("docker-content-digest") if reply.status == 201 else reply


@mutant
async def range_one_more(call: Call, request: Request) -> Reply:
    """Range tells how many bytes came, not the last one."""
    reply = await call(request)
    found = reply.header("range")
    if request.asks("PATCH", "upload") and reply.status == 202 and found:
        return reply.with_header("range", f"0-{int(found[2:]) + 1}")
    return reply


@mutant
async def order_unchecked(call: Call, request: Request) -> Reply:
    """Chunks are appended as they come, wherever they say they belong."""
    if request.kind != "upload":
        return await call(request)
    # A Location of this registry says it, too.
    return await call(request.without(PLACE).with_parameters(offset=None))


@mutant
async def stream_unplaced(call: Call, request: Request) -> Reply:
    """Content-Range of a body in chunked transfer coding is ignored, as distribution does."""
    return await call(request.without(PLACE) if request.kind == "upload" and request.chunked else request)


@mutant
async def disorder_unexplained(call: Call, request: Request) -> Reply:
    """416 does not say where to go on, as in distribution."""
    reply = await call(request)
    return reply.without("range", "location") if reply.status == 416 else reply


@mutant
async def unknown_upload_opened(call: Call, request: Request) -> Reply:
    """An upload that is not known has a status all the same."""
    reply = await call(request)
    if request.asks("GET", "upload") and reply.status == 404:
        return Reply(204, (("range", "0-0"), ("location", request.path)), b"")
    return reply


@mutant
async def upload_of_nobody(call: Call, request: Request) -> Reply:
    """An upload is found under the name of any repository, as in Quay."""
    reply = await call(request)
    if request.asks("POST", "uploads") and reply.status == 202:
        location = (reply.header("location") or "").partition("?")[0]
        request.state[location.rpartition("/")[2]] = request.path.rstrip("/")
    if request.kind == "upload" and reply.status == 404 and request.reference in request.state:
        return await call(request.to(f"{request.state[request.reference]}/{request.reference}"))
    return reply


@mutant
async def ended_by_digest(call: Call, request: Request) -> Reply:
    """A PUT with a wrong digest ends the upload."""
    reply = await call(request)
    if closes(request) and reply.status == 400:
        await call(plain(request, "DELETE", request.path))
    return reply


@mutant
async def last_chunk_lost(call: Call, request: Request) -> Reply:
    """The body of a closing PUT is ignored after a PATCH."""
    if request.asks("PATCH", "upload"):
        request.state[request.path] = True
    lost = closes(request) and request.path in request.state
    return await call(request.with_body(b"").without(PLACE) if lost else request)


@mutant
async def second_put_fails(call: Call, request: Request) -> Reply:
    """A closing PUT sent again answers 500."""
    reply = await call(request)
    if closes(request) and request.path in request.state:
        return Reply(500, (), b"")
    if closes(request) and reply.status == 201:
        request.state[request.path] = True
    return reply


@cut_mutant
async def cut_counted(call: Call, request: Request) -> Reply:
    """Bytes that were announced count as received although the connection was cut."""
    if request.cut:
        request.state[request.path] = True
        return Reply(400, (), b"")
    reply = await call(request)
    if request.asks("GET", "upload") and request.path in request.state:
        return reply.with_header("range", "0-999999")
    return reply


@cut_mutant
async def cut_blob_served(call: Call, request: Request) -> Reply:
    """What came of a blob before the connection was cut is served."""
    if request.cut:
        request.state[request.parameter("digest") or ""] = request.body
        return Reply(400, (), b"")
    if request.asks("GET", "blob") and request.reference in request.state:
        return Reply(200, (), request.state[request.reference])
    return await call(request)


@mutant
async def other_type_fails(call: Call, request: Request) -> Reply:
    """A part that is not application/octet-stream answers 500, as in distribution."""
    kind = request.header("content-type") or OCTETS
    return Reply(500, (), b"") if request.asks("PATCH", "upload") and kind != OCTETS else await call(request)


@mutant
async def single_post_lost(call: Call, request: Request) -> Reply:
    """A single POST answers 201, and stores nothing."""
    digest = request.parameter("digest")
    if request.asks("POST", "uploads") and digest:
        return Reply(201, (("location", f"/v2/{request.name}/blobs/{digest}"),), b"")
    return await call(request)


@mutant
async def mount_links_nothing(call: Call, request: Request) -> Reply:
    """A mount answers 201, and the blob is not in the target."""
    reply = await call(request)
    if mounts(request) and reply.status == 201:
        await call(plain(request, "DELETE", f"/v2/{request.name}/blobs/{request.parameter('mount')}"))
    return reply


@mutant
async def known_blob_conflicts(call: Call, request: Request) -> Reply:
    """Pushing a blob that is there answers 409."""
    digest = request.parameter("digest")
    if closes(request) and digest:
        known = await call(plain(request, "HEAD", f"/v2/{request.name}/blobs/{digest}"))
        if known.status == 200:
            return Reply(409, (), b"")
    return await call(request)


@mutant
async def always_sha256(call: Call, request: Request) -> Reply:
    """A blob pushed by sha512 is called by another digest, as in distribution."""
    reply = await call(request)
    if request.kind == "blob" and request.reference.startswith("sha512:") and reply.status == 200:
        return reply.with_header("docker-content-digest", "sha256:" + "0" * 64)
    return reply


@mutant
async def next_location_lost(call: Call, request: Request) -> Reply:
    """The Location after a part is without the prefix, as behind a proxy that is not known."""
    reply = await call(request)
    if request.asks("PATCH", "upload") and reply.status == 202:
        return reply.with_header("location", request.path.removeprefix("/v2"))
    return reply
