"""Registries that mount wrongly."""

from dataclasses import replace

from conformance.lab.mutants.layer import Call, Reply, Request, mutant

NOTHING = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def mounts(request: Request) -> bool:
    return request.asks("POST", "uploads") and request.parameter("mount") is not None


def blob(request: Request, name: str | None = None) -> str:
    return f"/v2/{name or request.name}/blobs/{request.parameter('mount')}"


async def there(call: Call, request: Request, path: str) -> bool:
    asked = replace(request, method="HEAD", path=path, query="", headers=(), body=b"", chunked=False)
    return (await call(asked)).status == 200


@mutant
async def mounted_with_200(call: Call, request: Request) -> Reply:
    """A mount answers 200."""
    reply = await call(request)
    return reply.with_status(200) if mounts(request) and reply.status == 201 else reply


@mutant
async def mounted_nowhere(call: Call, request: Request) -> Reply:
    """A mount answers 201 without Location."""
    reply = await call(request)
    return reply.without("location") if mounts(request) and reply.status == 201 else reply


@mutant
async def mounted_at_the_source(call: Call, request: Request) -> Reply:
    """The Location of a mount is the blob in the source."""
    reply = await call(request)
    source = request.parameter("from")
    if mounts(request) and reply.status == 201 and source:
        return reply.with_header("location", blob(request, source))
    return reply


@mutant
async def mounted_unlinked(call: Call, request: Request) -> Reply:
    """A mount answers 201, and the target does not have the blob."""
    source = request.parameter("from")
    if mounts(request) and source and await there(call, request, blob(request, source)):
        return Reply(201, (("location", blob(request)),), b"")
    return await call(request)


@mutant
async def mounted_from_anywhere_unlinked(call: Call, request: Request) -> Reply:
    """A mount without from answers 201, and the target does not have the blob."""
    if mounts(request) and not request.parameter("from"):
        reply = await call(request)
        if reply.status == 201:
            await call(replace(request, method="DELETE", path=blob(request), query="", headers=(), body=b""))
        return reply
    return await call(request)


@mutant
async def missing_is_404(call: Call, request: Request) -> Reply:
    """A mount that is not possible answers 404, as Pulp does."""
    reply = await call(request)
    return reply.with_status(404).without("location") if mounts(request) and reply.status == 202 else reply


@mutant
async def missing_is_created(call: Call, request: Request) -> Reply:
    """A mount answers 201 whether the blob is there or not."""
    reply = await call(request)
    if mounts(request) and reply.status == 202:
        return Reply(201, (("location", blob(request)),), b"")
    return reply


@mutant
async def missing_opens_nothing(call: Call, request: Request) -> Reply:
    """A mount that is not possible answers 202 without Location, as go-containerregistry does."""
    reply = await call(request)
    return reply.without("location") if mounts(request) and reply.status == 202 else reply


@mutant
async def missing_opens_a_dead_end(call: Call, request: Request) -> Reply:
    """The upload that a mount opens instead is not there."""
    reply = await call(request)
    location = reply.header("location") or ""
    if mounts(request) and reply.status == 202:
        return reply.with_header("location", location.rpartition("/")[0] + "/none")
    return reply


@mutant
async def missing_can_be_seen(call: Call, request: Request) -> Reply:
    """A blob whose mount was not possible is found by HEAD."""
    reply = await call(request)
    if mounts(request) and reply.status == 202:
        request.state[blob(request)] = True
    if request.asks("HEAD", "blob") and request.path in request.state:
        return Reply(200, (), b"", 1)
    return reply


@mutant
async def forbidden_is_401(call: Call, request: Request) -> Reply:
    """A mount from a repository that cannot be read answers 401, as Harbor did."""
    reply = await call(request)
    source = request.parameter("from")
    if mounts(request) and source and not await there(call, request, f"/v2/{source}/tags/list"):
        known = await call(replace(request, method="GET", path=f"/v2/{source}/tags/list", query="", headers=()))
        return Reply(401, (), b"") if known.status == 404 else reply
    return reply


@mutant
async def source_demanded(call: Call, request: Request) -> Reply:
    """A mount without from answers 400."""
    return Reply(400, (), b"") if mounts(request) and request.parameter("from") is None else await call(request)


@mutant
async def impossible_source_fails(call: Call, request: Request) -> Reply:
    """A mount from what is no name of a repository answers 500."""
    source = request.parameter("from") or ""
    return (
        Reply(500, (), b"") if mounts(request) and (source != source.lower() or ".." in source) else await call(request)
    )


@mutant
async def missing_repository_told(call: Call, request: Request) -> Reply:
    """A mount from a repository that is missing says so in a header."""
    reply = await call(request)
    source = request.parameter("from")
    if mounts(request) and reply.status == 202 and source:
        known = await call(replace(request, method="GET", path=f"/v2/{source}/tags/list", query="", headers=()))
        return reply.with_header("x-source", "unknown") if known.status == 404 else reply
    return reply


@mutant
async def other_digest_told(call: Call, request: Request) -> Reply:
    """Docker-Content-Digest of a mount is another one."""
    reply = await call(request)
    return reply.with_header("docker-content-digest", NOTHING) if mounts(request) and reply.status == 201 else reply


@mutant
async def mounted_twice_conflicts(call: Call, request: Request) -> Reply:
    """Mounting a blob that the target has answers 409."""
    if mounts(request) and await there(call, request, blob(request)):
        return Reply(409, (), b"")
    return await call(request)


@mutant
async def malformed_digest_fails(call: Call, request: Request) -> Reply:
    """Mounting what is no digest answers 500."""
    reply = await call(request)
    return reply.with_status(500) if mounts(request) and reply.status == 400 else reply


@mutant
async def deleted_everywhere(call: Call, request: Request) -> Reply:
    """Deleting a mounted blob deletes it in both repositories."""
    shared = request.state.setdefault("shared", {})
    reply = await call(request)
    source = request.parameter("from")
    if mounts(request) and reply.status == 201 and source:
        shared[blob(request)] = blob(request, source)
        shared[blob(request, source)] = blob(request)
    if request.asks("DELETE", "blob") and reply.status == 202 and request.path in shared:
        await call(request.to(shared[request.path]))
    return reply


@mutant
async def mounted_only_once(call: Call, request: Request) -> Reply:
    """A blob that was mounted cannot be mounted from there."""
    source = request.parameter("from")
    if mounts(request) and source and blob(request, source) in request.state:
        return await call(request.with_parameters(mount=None))
    reply = await call(request)
    if mounts(request) and reply.status == 201:
        request.state[blob(request)] = True
    return reply
