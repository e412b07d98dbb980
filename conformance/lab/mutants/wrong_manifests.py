"""Registries that store pushed manifests wrongly, or answer their push wrongly."""

import hashlib
import json
from typing import Any

from conformance.lab.mutants.layer import Call, Reply, Request, mutant

MEGABYTE = 1024 * 1024
REFUSED = range(400, 500)


def puts(request: Request) -> bool:
    return request.asks("PUT", "manifest")


def error(status: int, code: str) -> Reply:
    body = json.dumps({"errors": [{"code": code, "message": "refused"}]}).encode()
    return Reply(status, (("content-type", "application/json"),), body)


def fields_of(body: bytes) -> dict[str, Any]:
    """The JSON object; without fields if it is none."""
    try:
        fields = json.loads(body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def digest_of(body: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"


def sibling(request: Request, reference: str) -> str:
    """The path of another manifest of the same repository."""
    return f"/v2/{request.name}/manifests/{reference}"


def serves(request: Request, reply: Reply) -> bool:
    return request.asks("GET", "manifest") and reply.status == 200


@mutant
async def created_with_200(call: Call, request: Request) -> Reply:
    """PUT of a manifest answers 200."""
    reply = await call(request)
    return reply.with_status(200) if puts(request) and reply.status == 201 else reply


@mutant
async def created_without_location(call: Call, request: Request) -> Reply:
    """PUT of a manifest answers 201 without Location, as go-containerregistry does."""
    reply = await call(request)
    return reply.without("location") if puts(request) and reply.status == 201 else reply


@mutant
async def created_as_a_blob(call: Call, request: Request) -> Reply:
    """The Location of a manifest's push is that of a blob."""
    reply = await call(request)
    if puts(request) and reply.status == 201:
        return reply.with_header("location", f"/v2/{request.name}/blobs/{digest_of(request.body)}")
    return reply


@mutant
async def whatever_comes(call: Call, request: Request) -> Reply:
    """Every push of a manifest is answered 201, stored or not."""
    reply = await call(request)
    if puts(request) and reply.status in REFUSED:
        return Reply(201, (("location", request.path),), b"")
    return reply


@mutant
async def refused_with_500(call: Call, request: Request) -> Reply:
    """A manifest that cannot be stored is a server error, as a malformed digest is for distribution."""
    reply = await call(request)
    return Reply(500, (), b"") if puts(request) and reply.status in REFUSED else reply


@mutant
async def written_anew(call: Call, request: Request) -> Reply:
    """Manifests are served as the registry's own JSON."""
    reply = await call(request)
    return reply.with_body(json.dumps(fields_of(reply.body)).encode()) if serves(request, reply) else reply


@mutant
async def known_fields_only(call: Call, request: Request) -> Reply:
    """Manifests are served with the fields only that the registry knows."""
    reply = await call(request)
    known = {"schemaVersion", "mediaType", "config", "layers", "manifests", "annotations", "subject", "artifactType"}
    fields = fields_of(reply.body)
    if serves(request, reply) and not known.issuperset(fields):
        return reply.with_body(json.dumps({key: fields[key] for key in fields if key in known}).encode())
    return reply


@mutant
async def ends_trimmed(call: Call, request: Request) -> Reply:
    """Manifests are served without the white space around them."""
    reply = await call(request)
    return reply.with_body(reply.body.strip()) if serves(request, reply) else reply


@mutant
async def data_filled_in(call: Call, request: Request) -> Reply:
    """Small content is embedded in the manifests that name it, to save requests."""
    reply = await call(request)
    fields = fields_of(reply.body) if serves(request, reply) else {}
    small = [entry for entry in fields.get("layers", ()) if entry["size"] < 32 and "data" not in entry]
    for entry in small:
        entry["data"] = "e30="
    return reply.with_body(json.dumps(fields).encode()) if small else reply


@mutant
async def digest_not_checked(call: Call, request: Request) -> Reply:
    """A manifest pushed by a wrong digest is stored under its own."""
    algorithm = request.reference.partition(":")[0]
    if puts(request) and algorithm in ("sha256", "sha512"):
        return await call(request.to(sibling(request, digest_of(request.body, algorithm))))
    return await call(request)


@mutant
async def one_algorithm(call: Call, request: Request) -> Reply:
    """The digest told for a pushed manifest is always its sha256, as distribution does."""
    reply = await call(request)
    if puts(request) and reply.status == 201:
        return reply.with_header("docker-content-digest", digest_of(request.body))
    return reply


@mutant
async def digest_of_the_config(call: Call, request: Request) -> Reply:
    """The digest told for a pushed image is its config's: the image ID."""
    reply = await call(request)
    config = fields_of(request.body).get("config") if puts(request) else None
    if reply.status == 201 and isinstance(config, dict):
        return reply.with_header("docker-content-digest", str(config.get("digest")))
    return reply


@mutant
async def immutable_tags(call: Call, request: Request) -> Reply:
    """A tag that is there is never moved: 409."""
    if puts(request) and ":" not in request.reference:
        there = await call(request.as_method("GET").with_body(b""))
        if there.status == 200 and there.body != request.body:
            return error(409, "DENIED")
    return await call(request)


@mutant
async def tag_stays(call: Call, request: Request) -> Reply:
    """A push to a tag that is there answers 201 and leaves the tag where it was."""
    if puts(request) and ":" not in request.reference:
        there = await call(request.as_method("HEAD").with_body(b""))
        if there.status == 200:
            return await call(request.to(sibling(request, digest_of(request.body))))
    return await call(request)


@mutant
async def replaced_manifest_deleted(call: Call, request: Request) -> Reply:
    """The manifest that loses a tag is deleted with it."""
    before = None
    if puts(request) and ":" not in request.reference:
        before = (await call(request.as_method("HEAD").with_body(b""))).header("docker-content-digest")
    reply = await call(request)
    if before and reply.status == 201 and before != reply.header("docker-content-digest"):
        await call(request.as_method("DELETE").to(sibling(request, before)).with_body(b""))
    return reply


@mutant
async def pushed_once(call: Call, request: Request) -> Reply:
    """A manifest that is there already answers 409."""
    if puts(request):
        there = await call(request.as_method("GET").with_body(b""))
        if there.status == 200 and there.body == request.body:
            return error(409, "DENIED")
    return await call(request)


@mutant
async def other_tags_lost(call: Call, request: Request) -> Reply:
    """A push to a tag that is there takes away all other tags of that manifest."""
    if puts(request) and ":" not in request.reference:
        tags = request.state.setdefault(f"{request.name}@{digest_of(request.body)}", [])
        if request.reference in tags:
            for tag in [tag for tag in tags if tag != request.reference]:
                await call(request.as_method("DELETE").to(sibling(request, tag)).with_body(b""))
        tags.append(request.reference)
    return await call(request)


@mutant
async def fourth_tag_lost(call: Call, request: Request) -> Reply:
    """A manifest keeps three tags; the fourth is answered 201 and forgotten."""
    if puts(request) and ":" not in request.reference:
        tags = request.state.setdefault(f"{request.name}@{digest_of(request.body)}", set())
        if len(tags) == 3 and request.reference not in tags:
            return await call(request.to(sibling(request, digest_of(request.body))))
        tags.add(request.reference)
    return await call(request)


@mutant
async def tags_in_lower_case(call: Call, request: Request) -> Reply:
    """Tags are kept in lower case, as by a file system that knows no other."""
    return await call(
        request.to(sibling(request, request.reference.lower())) if request.kind == "manifest" else request
    )


@mutant
async def tags_of_all_repositories(call: Call, request: Request) -> Reply:
    """A tag moves in every repository that has it."""
    reply = await call(request)
    if puts(request) and reply.status == 201 and ":" not in request.reference:
        names = request.state.setdefault(request.reference, set())
        for name in names - {request.name}:
            await call(request.to(f"/v2/{name}/manifests/{request.reference}"))
        names.add(request.name)
    return reply


@mutant
async def tag_moved_by_refused(call: Call, request: Request) -> Reply:
    """A push that is refused takes the tag away."""
    reply = await call(request)
    if puts(request) and reply.status in REFUSED:
        await call(request.as_method("DELETE").with_body(b""))
    return reply


@mutant
async def one_writer_at_once(call: Call, request: Request) -> Reply:
    """A manifest that comes while another is written to the same repository is answered 409."""
    if not puts(request):
        return await call(request)
    if request.state.get(request.name):
        return error(409, "DENIED")
    request.state[request.name] = True
    try:
        return await call(request)
    finally:
        request.state[request.name] = False


@mutant
async def loser_lost(call: Call, request: Request) -> Reply:
    """Of those who push to one tag at once only the last one's manifest is kept; the others are told 201."""
    if not puts(request) or ":" in request.reference:
        return await call(request)
    place = f"{request.name}:{request.reference}"
    if request.state.get(place):
        return Reply(201, (("location", request.path),), b"")
    request.state[place] = True
    try:
        return await call(request)
    finally:
        request.state[place] = False


@mutant
async def limit_of_a_megabyte(call: Call, request: Request) -> Reply:
    """Manifests of a megabyte and more are answered 413."""
    return error(413, "MANIFEST_INVALID") if puts(request) and len(request.body) >= 1_000_000 else await call(request)


@mutant
async def limit_of_two_megabytes(call: Call, request: Request) -> Reply:
    """Manifests of more than two megabytes are answered 413."""
    return error(413, "MANIFEST_INVALID") if puts(request) and len(request.body) > 2 * MEGABYTE else await call(request)


@mutant
async def limit_told_as_invalid(call: Call, request: Request) -> Reply:
    """A manifest that is too large is answered 400, as by distribution."""
    reply = await call(request)
    return error(400, "MANIFEST_INVALID") if puts(request) and reply.status == 413 else reply


@mutant
async def limit_only_with_length(call: Call, request: Request) -> Reply:
    """A manifest that is too large is a server error when it comes without Content-Length."""
    reply = await call(request)
    return Reply(500, (), b"") if puts(request) and reply.status == 413 and request.chunked else reply


@mutant
async def tagged_first_only(call: Call, request: Request) -> Reply:
    """A repository begins with a tag: the first manifest is not taken by digest."""
    if puts(request) and ":" in request.reference and request.name not in request.state:
        return error(404, "NAME_UNKNOWN")
    if puts(request):
        request.state[request.name] = True
    return await call(request)
