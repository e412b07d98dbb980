"""Registries that take media types for what they are not, or miss what a manifest names."""

from conformance.lab.mutants.layer import Call, Reply, Request, mutant
from conformance.lab.mutants.wrong_manifests import error, fields_of, puts, serves

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


@mutant
async def parameters_not_understood(call: Call, request: Request) -> Reply:
    """A Content-Type with parameters is none that is accepted."""
    if puts(request) and ";" in (request.header("content-type") or ""):
        return error(400, "MANIFEST_INVALID")
    return await call(request)


@mutant
async def case_of_types(call: Call, request: Request) -> Reply:
    """A Content-Type is compared letter by letter."""
    found = request.header("content-type") or ""
    return error(400, "MANIFEST_INVALID") if puts(request) and found != found.lower() else await call(request)


@mutant
async def type_demanded(call: Call, request: Request) -> Reply:
    """A manifest without Content-Type is answered 415."""
    return Reply(415, (), b"") if puts(request) and not request.header("content-type") else await call(request)


@mutant
async def unnamed_is_an_image(call: Call, request: Request) -> Reply:
    """A manifest without Content-Type is taken for an image."""
    if puts(request) and not request.header("content-type"):
        request = request.with_header("content-type", OCI_MANIFEST)
    return await call(request)


@mutant
async def media_type_demanded(call: Call, request: Request) -> Reply:
    """A manifest without mediaType is refused."""
    if puts(request) and request.body and "mediaType" not in fields_of(request.body):
        return error(400, "MANIFEST_INVALID")
    return await call(request)


@mutant
async def body_believed(call: Call, request: Request) -> Reply:
    """Of a Content-Type and a mediaType that contradict each other the latter counts."""
    stated = fields_of(request.body).get("mediaType") if puts(request) else None
    if stated in (OCI_MANIFEST, OCI_INDEX):
        request = request.with_header("content-type", str(stated))
    return await call(request)


@mutant
async def all_are_images(call: Call, request: Request) -> Reply:
    """Every manifest is served as an image."""
    reply = await call(request)
    return reply.with_header("content-type", OCI_MANIFEST) if serves(request, reply) else reply


@mutant
async def all_are_json(call: Call, request: Request) -> Reply:
    """HEAD of a manifest says that it is JSON."""
    reply = await call(request)
    if request.asks("HEAD", "manifest") and reply.status == 200:
        return reply.with_header("content-type", "application/json")
    return reply


@mutant
async def no_docker_types(call: Call, request: Request) -> Reply:
    """Docker's own manifests are refused."""
    if puts(request) and "docker" in (request.header("content-type") or ""):
        return error(400, "MANIFEST_INVALID")
    return await call(request)


@mutant
async def docker_made_oci(call: Call, request: Request) -> Reply:
    """Docker's own manifests are served with OCI's types."""
    reply = await call(request)
    found = reply.header("content-type") or ""
    if serves(request, reply) and "docker" in found:
        return reply.with_header("content-type", OCI_INDEX if "list" in found else OCI_MANIFEST)
    return reply


@mutant
async def foreign_types_break(call: Call, request: Request) -> Reply:
    """A manifest of a foreign type is a server error."""
    if puts(request) and "vnd.o" not in (request.header("content-type") or "vnd.o").lower():
        return Reply(500, (), b"") if "docker" not in (request.header("content-type") or "") else await call(request)
    return await call(request)


@mutant
async def foreign_types_changed(call: Call, request: Request) -> Reply:
    """A manifest of a foreign type is answered 201 and stored nowhere."""
    found = (request.header("content-type") or "vnd.oci").lower()
    if puts(request) and "vnd.oci" not in found and "vnd.docker" not in found:
        return Reply(201, (("location", request.path),), b"")
    return await call(request)


async def missing_content(call: Call, request: Request) -> list[str]:
    """Digests that the manifest names, but for its subject, and that its repository does not have."""
    fields = fields_of(request.body)
    config = fields.get("config")
    kinds = [("blobs", [config] if isinstance(config, dict) else []), ("blobs", fields.get("layers"))]
    found = []
    for kind, entries in [*kinds, ("manifests", fields.get("manifests"))]:
        for entry in entries if isinstance(entries, list) else ():
            digest = str(entry.get("digest")) if isinstance(entry, dict) else ""
            asked = request.as_method("HEAD").to(f"/v2/{request.name}/{kind}/{digest}").with_body(b"")
            if (await call(asked)).status == 404 and "nondistributable" not in str(entry):
                found.append(digest)
    return found


@mutant
async def missing_told_as_blob(call: Call, request: Request) -> Reply:
    """A manifest that is not whole is refused with BLOB_UNKNOWN, as by zot."""
    if puts(request) and await missing_content(call, request):
        return error(400, "BLOB_UNKNOWN")
    return await call(request)


@mutant
async def missing_breaks(call: Call, request: Request) -> Reply:
    """A manifest that is not whole is a server error."""
    return Reply(500, (), b"") if puts(request) and await missing_content(call, request) else await call(request)


@mutant
async def missing_stored_all_the_same(call: Call, request: Request) -> Reply:
    """A manifest that is not whole is refused, and there all the same."""
    missing = puts(request) and await missing_content(call, request)
    reply = await call(request)
    return error(400, "MANIFEST_BLOB_UNKNOWN") if missing and reply.status == 201 else reply


@mutant
async def every_layer_demanded(call: Call, request: Request) -> Reply:
    """Non-distributable layers have to be there."""
    layers = fields_of(request.body).get("layers") if puts(request) else None
    for layer in layers if isinstance(layers, list) else ():
        if isinstance(layer, dict) and ("nondistributable" in str(layer) or "foreign" in str(layer)):
            there = request.as_method("HEAD").to(f"/v2/{request.name}/blobs/{layer.get('digest')}").with_body(b"")
            if (await call(there)).status == 404:
                return error(400, "MANIFEST_BLOB_UNKNOWN")
    return await call(request)


@mutant
async def manifest_opens_blobs(call: Call, request: Request) -> Reply:
    """A manifest makes the blobs that it names visible in its repository, whoever has them."""
    homes = request.state
    if request.kind in ("upload", "uploads") and request.parameter("digest"):
        homes[str(request.parameter("digest"))] = request.name
    reply = await call(request)
    if puts(request) and reply.status == 201:
        fields = fields_of(request.body)
        for entry in [fields.get("config") or {}, *(fields.get("layers") or [])]:
            homes[f"{request.name}@{entry.get('digest')}"] = True
    if request.asks("GET HEAD", "blob") and reply.status == 404 and f"{request.name}@{request.reference}" in homes:
        home = homes.get(request.reference)
        return await call(request.to(f"/v2/{home}/blobs/{request.reference}"))
    return reply
