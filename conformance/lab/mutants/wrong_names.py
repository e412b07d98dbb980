"""Registries that draw the border of repository names and tags wrongly."""

import hashlib
import re

from conformance.lab.mutants.layer import Call, Reply, Request, mutant
from conformance.lab.mutants.wrong_blobs import refusal

NARROW = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*(?:/[a-z0-9]+(?:[._-][a-z0-9]+)*)*")
WORDS = re.compile(r"blobs|manifests|tags|referrers|uploads|list|v2")
SAFE = "names/of/all"


def to(request: Request, name: str) -> Request:
    """The same in another repository."""
    return request.to(request.path.replace(f"/v2/{request.name}/", f"/v2/{name}/", 1))


def last_of(request: Request) -> str:
    """The last component of the repository's name."""
    return request.name.rpartition("/")[2]


async def refused(call: Call, request: Request, bad: object) -> Reply:
    return refusal(400, "NAME_INVALID") if request.name and bad else await call(request)


@mutant
async def grammar_of_1_0(call: Call, request: Request) -> Reply:
    """Names are refused with more than one separator between letters, as in version 1.0."""
    return await refused(call, request, not NARROW.fullmatch(request.name))


@mutant
async def name_of_one_letter(call: Call, request: Request) -> Reply:
    """Names are refused whose last component is one character."""
    return await refused(call, request, len(last_of(request)) == 1)


@mutant
async def name_of_digits(call: Call, request: Request) -> Reply:
    """Names are refused whose last component is all digits."""
    return await refused(call, request, last_of(request).isdecimal())


@mutant
async def name_with_separators(call: Call, request: Request) -> Reply:
    """Names are refused whose last component has a dot, an underscore or a hyphen."""
    return await refused(call, request, re.search("[._-]", last_of(request)))


@mutant
async def name_of_many_components(call: Call, request: Request) -> Reply:
    """Names are refused of more than six components."""
    return await refused(call, request, request.name.count("/") > 5)


@mutant
async def name_of_many_letters(call: Call, request: Request) -> Reply:
    """Names of more than 100 characters are answered 500."""
    return refusal(500, "UNKNOWN") if len(request.name) > 100 else await call(request)


@mutant
async def name_of_many_letters_unsaid(call: Call, request: Request) -> Reply:
    """A name that is too long is answered as if what was pushed were no manifest."""
    reply = await call(request)
    return refusal(400, "MANIFEST_INVALID") if len(request.name) > 255 and not reply.good else reply


@mutant
async def every_name(call: Call, request: Request) -> Reply:
    """Whatever stands in the path is a name."""
    reply = await call(request)
    if request.asks("POST", "uploads") and reply.status == 400:
        return await call(request.to(f"/v2/{SAFE}/blobs/uploads/"))
    return reply


@mutant
async def name_in_any_case(call: Call, request: Request) -> Reply:
    """Upper case in a name is taken for lower case."""
    return await call(to(request, request.name.lower()) if request.name else request)


@mutant
async def name_invalid_is_500(call: Call, request: Request) -> Reply:
    """A pull from what is no name is answered 500."""
    reply = await call(request)
    wrong = request.asks("GET HEAD", "blob", "manifest") and reply.status in (400, 404)
    odd = re.search(r"[A-Z%]|\.\.|/_", request.name)
    return refusal(500, "UNKNOWN") if wrong and odd else reply


@mutant
async def name_invalid_unsaid(call: Call, request: Request) -> Reply:
    """A name that is none is reported as DENIED."""
    reply = await call(request)
    return refusal(403, "DENIED") if request.asks("POST", "uploads") and reply.status == 400 else reply


@mutant
async def words_reserved(call: Call, request: Request) -> Reply:
    """Paths are read from the left: words of the API end a name."""
    words = any(WORDS.fullmatch(part) for part in request.name.split("/"))
    return refusal(404, "NAME_UNKNOWN") if words else await call(request)


@mutant
async def words_taken_for_tags(call: Call, request: Request) -> Reply:
    """The tags of a repository whose name has words of the API are those of the one above it."""
    if request.asks("GET", "tags") and WORDS.fullmatch(last_of(request)):
        return await call(to(request, re.sub(rf"(/({WORDS.pattern}))+$", "", request.name)))
    return await call(request)


# Tags


async def tag_refused(call: Call, request: Request, bad: object) -> Reply:
    tag = request.asks("PUT", "manifest") and ":" not in request.reference
    return refusal(400, "MANIFEST_INVALID") if tag and bad else await call(request)


@mutant
async def tag_of_64(call: Call, request: Request) -> Reply:
    """Tags of more than 64 characters are refused."""
    return await tag_refused(call, request, len(request.reference) > 64)


@mutant
async def tag_of_127(call: Call, request: Request) -> Reply:
    """Tags of 128 characters are refused."""
    return await tag_refused(call, request, len(request.reference) > 127)


@mutant
async def tag_of_one(call: Call, request: Request) -> Reply:
    """Tags of one character are refused."""
    return await tag_refused(call, request, len(request.reference) == 1)


@mutant
async def tag_of_letters_first(call: Call, request: Request) -> Reply:
    """Tags that do not begin with a letter are refused."""
    return await tag_refused(call, request, not request.reference[:1].isalpha())


@mutant
async def tag_of_letters_last(call: Call, request: Request) -> Reply:
    """Tags that end with a dot, a hyphen or an underscore are refused."""
    return await tag_refused(call, request, request.reference[-1:] in "._-")


@mutant
async def tag_of_words(call: Call, request: Request) -> Reply:
    """Tags are refused that are words of the API."""
    return await tag_refused(call, request, WORDS.fullmatch(request.reference))


@mutant
async def tag_of_hexadecimal(call: Call, request: Request) -> Reply:
    """A tag of 64 hexadecimal digits is taken for a digest."""
    if request.asks("GET HEAD", "manifest") and re.fullmatch("[0-9a-f]{64}", request.reference):
        return await call(request.to(request.path.replace(request.reference, f"sha256:{request.reference}")))
    return await call(request)


@mutant
async def tag_in_any_case(call: Call, request: Request) -> Reply:
    """Upper case in a tag is taken for lower case."""
    if request.asks("GET HEAD PUT", "manifest") and ":" not in request.reference:
        return await call(request.to(request.path.replace(request.reference, request.reference.lower())))
    return await call(request)


@mutant
async def tag_by_its_beginning(call: Call, request: Request) -> Reply:
    """A tag that is not there gives one that begins so."""
    tags: set[str] = request.state.setdefault("tags", set())
    reply = await call(request)
    if request.asks("PUT", "manifest") and reply.status == 201:
        tags.add(request.path)
    if request.asks("GET HEAD", "manifest") and reply.status == 404:
        for path in sorted(tags):
            if path.startswith(request.path):
                return await call(request.to(path))
    return reply


def neither(request: Request, reply: Reply) -> bool:
    """A manifest is named by what is neither tag nor digest."""
    return request.kind == "manifest" and ":" not in request.reference and reply.status in (400, 404)


@mutant
async def every_tag(call: Call, request: Request) -> Reply:
    """A manifest may be pushed by anything."""
    reply = await call(request)
    if request.method == "PUT" and neither(request, reply):
        digest = f"sha256:{hashlib.sha256(request.body).hexdigest()}"
        return await call(request.to(f"/v2/{request.name}/manifests/{digest}"))
    return reply


@mutant
async def no_tag_is_405(call: Call, request: Request) -> Reply:
    """A push by what is neither tag nor digest is answered 405."""
    reply = await call(request)
    return reply.with_status(405) if request.method == "PUT" and neither(request, reply) else reply


@mutant
async def no_tag_of_schema1(call: Call, request: Request) -> Reply:
    """What is neither tag nor digest is reported as TAG_INVALID."""
    reply = await call(request)
    return refusal(reply.status, "TAG_INVALID") if neither(request, reply) else reply


@mutant
async def unsigned_of_schema1(call: Call, request: Request) -> Reply:
    """A manifest of schema 1 without a signature is reported as MANIFEST_UNVERIFIED."""
    if request.asks("PUT", "manifest") and "v1+prettyjws" in (request.header("content-type") or ""):
        return refusal(400, "MANIFEST_UNVERIFIED")
    return await call(request)


@mutant
async def no_tag_pulled_is_400(call: Call, request: Request) -> Reply:
    """A pull by what is neither tag nor digest is answered 400."""
    reply = await call(request)
    odd = re.search(r"^[.-]|[^a-zA-Z0-9._-]|.{129}", request.reference)
    return reply.with_status(400) if request.asks("GET HEAD", "manifest") and neither(request, reply) and odd else reply


@mutant
async def line_break_cut(call: Call, request: Request) -> Reply:
    """A line break at the end of a tag is not seen."""
    return await call(request.to(request.path.replace("%0A", "").replace("%0a", "")))
