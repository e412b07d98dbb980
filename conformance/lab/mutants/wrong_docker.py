"""Registries that Docker's own clients find different: base, methods, names, errors, lists of tags."""

import json
import posixpath
import re
from collections.abc import Callable
from urllib.parse import unquote

from conformance.lab.mutants.layer import Call, Reply, Request, mutant

WORDS = frozenset({"manifests", "tags", "blobs", "uploads"})
TAG_LENGTH = 128
LARGEST = 1000
CODE = re.compile(rb'"code": ?"[A-Z_]+"')


def lists(request: Request) -> bool:
    return request.asks("GET", "tags")


def number(request: Request) -> str:
    return request.parameter("n") or ""


async def listed(call: Call, request: Request, change: Callable[[list[str]], list[str] | None]) -> Reply:
    """The list with its tags changed."""
    reply = await call(request)
    if not lists(request) or reply.status != 200:
        return reply
    fields = json.loads(reply.body)
    fields["tags"] = change(fields["tags"])
    return reply.with_body(json.dumps(fields).encode())


@mutant
async def version_missing(call: Call, request: Request) -> Reply:
    """Docker-Distribution-API-Version is not sent."""
    return (await call(request)).without("docker-distribution-api-version")


@mutant
async def slash_demanded(call: Call, request: Request) -> Reply:
    """GET /v2 answers 404."""
    return Reply(404, (), b"") if request.path == "/v2" else await call(request)


@mutant
async def base_post_fails(call: Call, request: Request) -> Reply:
    """POST to /v2/ answers 500."""
    return Reply(500, (), b"") if request.path == "/v2/" and request.method == "POST" else await call(request)


@mutant
async def allow_missing(call: Call, request: Request) -> Reply:
    """405 comes without Allow."""
    return (await call(request)).without("allow")


@mutant
async def options_empty(call: Call, request: Request) -> Reply:
    """OPTIONS answers 200 and nothing else."""
    return Reply(200, (), b"") if request.method == "OPTIONS" else await call(request)


@mutant
async def bad_name_unknown(call: Call, request: Request) -> Reply:
    """A name that cannot be is said to be unknown."""
    reply = await call(request)
    return reply.with_body(reply.body.replace(b"NAME_INVALID", b"NAME_UNKNOWN"))


@mutant
async def long_tag_refused(call: Call, request: Request) -> Reply:
    """A tag of 128 characters answers 400."""
    long = request.asks("PUT", "manifest") and len(request.reference) == TAG_LENGTH
    return Reply(400, (), b"") if long else await call(request)


@mutant
async def bad_tag_taken(call: Call, request: Request) -> Reply:
    """A tag that cannot be answers 201."""
    reply = await call(request)
    return reply.with_status(201) if request.asks("PUT", "manifest") and reply.status == 400 else reply


@mutant
async def words_reserved(call: Call, request: Request) -> Reply:
    """A name with a word of the routes is cut at that word."""
    return Reply(404, (), b"") if WORDS & set(request.name.split("/")) else await call(request)


@mutant
async def colon_fails(call: Call, request: Request) -> Reply:
    """A name with a colon answers 500, as in distribution."""
    return Reply(500, (), b"") if ":" in "".join(request.path.split("/")[2:3]) else await call(request)


@mutant
async def path_tidied(call: Call, request: Request) -> Reply:
    """A path is decoded, tidied and then looked up."""
    tidy = posixpath.normpath(unquote(request.path).encode("ascii", "ignore").decode())
    odd = "%" in request.path or "/../" in request.path or not request.path.isascii()
    return await call(request.to(tidy) if odd else request)


@mutant
async def coded_slash_fails(call: Call, request: Request) -> Reply:
    """A coded slash in a path answers 500."""
    return Reply(500, (), b"") if "%2f" in request.path.lower() else await call(request)


@mutant
async def codes_in_lower_case(call: Call, request: Request) -> Reply:
    """Codes of errors are in lower case."""
    reply = await call(request)
    return reply.with_body(CODE.sub(lambda found: found[0].lower(), reply.body)) if reply.status >= 400 else reply


@mutant
async def tags_backwards(call: Call, request: Request) -> Reply:
    """Tags are listed backwards."""
    return await listed(call, request, lambda tags: tags[::-1])


@mutant
async def tags_doubled(call: Call, request: Request) -> Reply:
    """Every tag is listed twice."""
    return await listed(call, request, lambda tags: tags * 2)


@mutant
async def tags_null(call: Call, request: Request) -> Reply:
    """An empty list of tags is null."""
    return await listed(call, request, lambda tags: tags or None)


@mutant
async def case_ignored(call: Call, request: Request) -> Reply:
    """Tags are in order as if they had no case."""
    return await listed(call, request, lambda tags: sorted(tags, key=str.lower))


@mutant
async def page_loses_last(call: Call, request: Request) -> Reply:
    """The last tag of a page that is not the last one is lost, as in go-containerregistry."""
    paged = lists(request) and (await call(request)).header("link") is not None
    return await listed(call, request, lambda tags: tags[:-1] if paged else tags)


@mutant
async def number_unchecked(call: Call, request: Request) -> Reply:
    """An n that is no number above zero is ignored."""
    good = number(request).isdecimal() and int(number(request)) > 0
    return await call(request if not lists(request) or good else request.with_parameters(n=None))


@mutant
async def number_limited(call: Call, request: Request) -> Reply:
    """An n above a thousand answers 400."""
    large = lists(request) and number(request).isdecimal() and int(number(request)) > LARGEST
    return Reply(400, (), b"") if large else await call(request)


@mutant
async def last_ignored(call: Call, request: Request) -> Reply:
    """last is ignored without n."""
    alone = lists(request) and not number(request)
    return await call(request.with_parameters(last=None) if alone else request)


@mutant
async def missing_blob_told_once(call: Call, request: Request) -> Reply:
    """Of the blobs that a manifest lacks one is told, in a document for each."""
    if request.asks("PUT", "manifest") and request.body.startswith(b"{"):
        fields = json.loads(request.body) if request.body.endswith(b"}") else {}
        if isinstance(fields, dict) and "config" in fields:
            for entry in [fields["config"], *fields.get("layers", [])]:
                path = f"/v2/{request.name}/blobs/{entry.get('digest')}"
                asked = request.as_method("HEAD").to(path).with_body(b"")
                if (await call(asked)).status == 404:
                    error = json.dumps({"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": "no"}]})
                    return Reply(400, (("content-type", "application/json"),), error.encode())
    return await call(request)
