"""Registries that clients in use cannot push to, log in at, or find their way in."""

import gzip
import json

from conformance.lab.mutants.layer import Call, Reply, Request, mutant

NOWHERE = "/nowhere"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LIMIT = 1_000_000
LINE = 16 * 1024


def accepts(request: Request) -> list[str]:
    return [value for key, value in request.headers if key == "accept"]


def refused(status: int, code: str) -> Reply:
    body = json.dumps({"errors": [{"code": code, "message": "no"}]}).encode()
    return Reply(status, (("content-type", "application/json"),), body)


def only_accepting(request: Request, *lines: str) -> Reply | None:
    """The 404 of a registry that reads these lines only."""
    kinds = [kind.partition(";")[0].strip() for line in lines for kind in line.split(",")]
    if request.asks("GET HEAD", "manifest") and lines and OCI_MANIFEST not in kinds:
        return refused(404, "MANIFEST_UNKNOWN")
    return None


@mutant
async def challenge_missing(call: Call, request: Request) -> Reply:
    """A push without a login answers 401 without a challenge."""
    return Reply(401, (), b"") if request.asks("POST", "uploads") else await call(request)


def login_wanted(request: Request, scope: str) -> Reply | None:
    if request.path == "/token":
        return None
    if request.asks("POST", "uploads") and request.header("authorization") is None:
        realm = f'Bearer realm="http://{request.header("host")}/token",service="registry"{scope}'
        return Reply(401, (("www-authenticate", realm),), b"")
    return None


def token(request: Request) -> Reply:
    return Reply(200, (("content-type", "application/json"),), b'{"token": "t"}')


@mutant
async def form_fails(call: Call, request: Request) -> Reply:
    """The token endpoint answers 500 to a POST."""
    scope = f',scope="repository:{request.name}:pull,push"'
    if request.path == "/token":
        return token(request) if request.method == "GET" else Reply(500, (), b"")
    return login_wanted(request, scope) or await call(request.without("authorization"))


@mutant
async def scope_missing(call: Call, request: Request) -> Reply:
    """The challenge for a push has no scope."""
    if request.path == "/token":
        return token(request)
    return login_wanted(request, "") or await call(request.without("authorization"))


@mutant
async def base_unchallenged(call: Call, request: Request) -> Reply:
    """GET /v2/ answers 401 without a challenge."""
    return Reply(401, (), b"") if request.path == "/v2/" else await call(request)


@mutant
async def first_accept_counts(call: Call, request: Request) -> Reply:
    """Only the first Accept line is read."""
    return only_accepting(request, *accepts(request)[:1]) or await call(request)


@mutant
async def last_accept_counts(call: Call, request: Request) -> Reply:
    """Only the last Accept line is read."""
    return only_accepting(request, *accepts(request)[-1:]) or await call(request)


@mutant
async def commas_unread(call: Call, request: Request) -> Reply:
    """An Accept line is taken for one type, commas and q values included."""
    lines = accepts(request)
    if request.asks("GET HEAD", "manifest") and lines and OCI_MANIFEST not in lines and "*/*" not in lines:
        return refused(404, "MANIFEST_UNKNOWN")
    return await call(request)


@mutant
async def type_demanded(call: Call, request: Request) -> Reply:
    """A manifest whose type Accept does not name is unknown, also with */* or without Accept, as distribution does."""
    if request.asks("GET HEAD", "manifest") and OCI_MANIFEST not in ",".join(accepts(request)):
        reply = await call(request)
        return refused(404, "MANIFEST_UNKNOWN") if reply.header("content-type") == OCI_MANIFEST else reply
    return await call(request)


@mutant
async def compressed(call: Call, request: Request) -> Reply:
    """What is read comes compressed to who accepts it."""
    reply = await call(request)
    coding = request.header("accept-encoding") or ""
    if request.asks("GET", "blob", "manifest") and reply.status == 200 and "gzip" in coding:
        return reply.with_body(gzip.compress(reply.body)).with_header("content-encoding", "gzip")
    return reply


@mutant
async def errors_in_text(call: Call, request: Request) -> Reply:
    """Errors are plain text."""
    reply = await call(request)
    return reply.with_body(b"no\n").with_header("content-type", "text/plain") if reply.status >= 400 else reply


@mutant
async def mirror_refused(call: Call, request: Request) -> Reply:
    """Who asks with ns is answered 404."""
    return refused(404, "NAME_UNKNOWN") if request.parameter("ns") else await call(request)


@mutant
async def signatures_announced(call: Call, request: Request) -> Reply:
    """The signatures' API is announced, and is not there."""
    return (await call(request)).with_header("x-registry-supports-signatures", "1")


@mutant
async def long_line_refused(call: Call, request: Request) -> Reply:
    """A header of more than 16 KB answers 431."""
    return Reply(431, (), b"") if any(len(value) > LINE for _, value in request.headers) else await call(request)


@mutant
async def visible_late(call: Call, request: Request) -> Reply:
    """The first HEAD of a blob answers 404."""
    if request.asks("HEAD", "blob") and request.state.setdefault(request.path, 0) == 0:
        request.state[request.path] = 1
        return Reply(404, (), b"")
    return await call(request)


@mutant
async def stream_refused(call: Call, request: Request) -> Reply:
    """A PATCH without Content-Range answers 400."""
    if request.asks("PATCH", "upload") and request.header("content-range") is None:
        return refused(400, "BLOB_UPLOAD_INVALID")
    return await call(request)


@mutant
async def second_part_refused(call: Call, request: Request) -> Reply:
    """A second PATCH without Content-Range answers 400, as go-containerregistry does."""
    if request.asks("PATCH", "upload") and request.header("content-range") is None:
        if request.state.setdefault(request.path, False):
            return refused(400, "BLOB_UPLOAD_INVALID")
        request.state[request.path] = True
    return await call(request)


@mutant
async def length_demanded(call: Call, request: Request) -> Reply:
    """A body in chunked transfer coding answers 411."""
    return Reply(411, (), b"") if request.chunked and request.kind == "upload" else await call(request)


@mutant
async def earlier_location_refused(call: Call, request: Request) -> Reply:
    """A PATCH to an earlier Location answers 416, as distribution does."""
    if not request.asks("PATCH", "upload"):
        return await call(request)
    if request.state.get(request.path) != request.parameter("_state"):
        return Reply(416, (), b"")
    reply = await call(request.with_parameters(_state=None))
    if reply.status == 202:
        told = reply.header("range") or "none"
        request.state[request.path] = told
        return reply.with_header("location", f"{request.path}?_state={told}")
    return reply


@mutant
async def empty_part_refused(call: Call, request: Request) -> Reply:
    """A PATCH without a body answers 400."""
    if request.asks("PATCH", "upload") and not request.body:
        return refused(400, "SIZE_INVALID")
    return await call(request)


@mutant
async def id_missing(call: Call, request: Request) -> Reply:
    """Docker-Upload-UUID is not sent."""
    return (await call(request)).without("docker-upload-uuid")


@mutant
async def end_before_start(call: Call, request: Request) -> Reply:
    """The Range of an upload without bytes is 0--1 everywhere."""
    reply = await call(request)
    return reply.with_header("range", "0--1") if request.asks("POST", "uploads") and reply.status == 202 else reply


@mutant
async def part_demanded(call: Call, request: Request) -> Reply:
    """A PUT of a whole blob answers 400: its bytes have to be sent by PATCH."""
    if request.asks("PUT", "upload") and request.body:
        return refused(400, "BLOB_UPLOAD_INVALID")
    return await call(request)


@mutant
async def body_demanded(call: Call, request: Request) -> Reply:
    """A PUT without a body answers 400."""
    if request.asks("PUT", "upload") and not request.body:
        return refused(400, "SIZE_INVALID")
    return await call(request)


@mutant
async def created_nowhere(call: Call, request: Request) -> Reply:
    """The Location of a 201 leads nowhere."""
    reply = await call(request)
    return reply.with_header("location", NOWHERE) if reply.status == 201 else reply


@mutant
async def host_of_its_own(call: Call, request: Request) -> Reply:
    """The Location of a manifest is on the host that the registry thinks it has."""
    reply = await call(request)
    if request.asks("PUT", "manifest") and reply.status == 201:
        return reply.with_header("location", f"http://registry.internal{request.path}")
    return reply


@mutant
async def other_keys_refused(call: Call, request: Request) -> Reply:
    """A closing PUT with a parameter that is not known answers 400."""
    if request.asks("PUT", "upload") and request.parameter("aaa"):
        return refused(400, "UNSUPPORTED")
    return await call(request)


@mutant
async def origin_refused(call: Call, request: Request) -> Reply:
    """A mount that names an origin answers 401."""
    return Reply(401, (), b"") if request.parameter("origin") else await call(request)


@mutant
async def failed_mount_forbidden(call: Call, request: Request) -> Reply:
    """A mount that is not possible answers 403."""
    reply = await call(request)
    missed = request.asks("POST", "uploads") and request.parameter("mount") and reply.status in (202, 400)
    return refused(403, "DENIED") if missed else reply


@mutant
async def small_limit(call: Call, request: Request) -> Reply:
    """Manifests of more than a million bytes answer 413."""
    if request.asks("PUT", "manifest") and len(request.body) > LIMIT:
        return refused(413, "SIZE_INVALID")
    return await call(request)


@mutant
async def nobody_is_404(call: Call, request: Request) -> Reply:
    """An empty list of referrers answers 404."""
    reply = await call(request)
    if request.kind == "referrers" and b'"manifests":[]' in reply.body.replace(b" ", b""):
        return refused(404, "NAME_UNKNOWN")
    return reply


@mutant
async def list_with_charset(call: Call, request: Request) -> Reply:
    """The type of the list of referrers has a charset."""
    reply = await call(request)
    if request.kind == "referrers" and reply.status == 200:
        return reply.with_header("content-type", f"{reply.header('content-type')}; charset=utf-8")
    return reply


@mutant
async def filter_untold(call: Call, request: Request) -> Reply:
    """Referrers are filtered without saying so."""
    return (await call(request)).without("oci-filters-applied")


@mutant
async def subject_untold(call: Call, request: Request) -> Reply:
    """OCI-Subject is not sent."""
    return (await call(request)).without("oci-subject")


@mutant
async def fallback_left_out(call: Call, request: Request) -> Reply:
    """Referrers that stand in a fallback tag are not in the API's list."""
    reply = await call(request)
    listed = request.state.setdefault("listed", set())
    if request.asks("PUT", "manifest") and request.reference.startswith("sha256-"):
        listed.update(entry["digest"] for entry in json.loads(request.body).get("manifests", []))
    if request.asks("GET", "referrers") and reply.status == 200 and listed:
        fields = json.loads(reply.body)
        fields["manifests"] = [entry for entry in fields["manifests"] if entry["digest"] not in listed]
        return reply.with_body(json.dumps(fields).encode())
    return reply


@mutant
async def deleted_with_200(call: Call, request: Request) -> Reply:
    """An accepted DELETE answers 200."""
    reply = await call(request)
    return reply.with_status(200) if request.method == "DELETE" and reply.good else reply


@mutant
async def untagged_and_deleted(call: Call, request: Request) -> Reply:
    """DELETE of a tag deletes the manifest."""
    if request.asks("DELETE", "manifest") and ":" not in request.reference:
        found = (await call(request.as_method("HEAD"))).header("docker-content-digest")
        if found:
            return await call(request.to(request.path.rpartition("/")[0] + "/" + found))
    return await call(request)


@mutant
async def tags_outlive(call: Call, request: Request) -> Reply:
    """A tag that was pushed is served for ever, deleted or not."""
    reply = await call(request)
    if request.asks("PUT", "manifest") and ":" not in request.reference and reply.status == 201:
        request.state[request.path] = request.body
    if request.asks("GET HEAD", "manifest") and reply.status == 404 and request.path in request.state:
        return Reply(200, (("content-type", OCI_MANIFEST),), request.state[request.path])
    return reply


@mutant
async def untagged_unseen(call: Call, request: Request) -> Reply:
    """HEAD does not find a manifest that was pushed by digest."""
    if request.asks("PUT", "manifest") and ":" in request.reference:
        request.state[request.path] = True
    if request.asks("HEAD", "manifest") and request.path in request.state:
        return Reply(404, (), b"")
    return await call(request)
