"""Registries that take for a digest what is none, or for none what is one."""

import hashlib
import json
import re

from conformance.lab.mutants.layer import Call, Reply, Request, mutant
from conformance.lab.mutants.wrong_blobs import refusal

WELL_FORMED = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}|(?!sha256:|sha512:)[a-z0-9+._-]+:[a-zA-Z0-9=_-]+")
OF_OTHERS = re.compile(r"(?!sha256:|sha512:)[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")


def malformed(request: Request) -> bool:
    """A blob or manifest is asked for by what is no digest."""
    tag = request.kind == "manifest" and ":" not in request.reference
    return request.asks("GET HEAD PUT", "blob", "manifest") and not tag and not WELL_FORMED.fullmatch(request.reference)


def by(request: Request, reference: str) -> Request:
    return request.to(request.path[: -len(request.reference)] + reference)


def known(request: Request, reply: Reply) -> set[str]:
    """The digests of all that was pushed."""
    digests: set[str] = request.state.setdefault("digests", set())
    told = reply.header("docker-content-digest")
    if request.method == "PUT" and reply.status == 201 and told:
        digests.add(told)
    return digests


@mutant
async def malformed_is_500(call: Call, request: Request) -> Reply:
    """What is no digest is answered 500."""
    return refusal(500, "UNKNOWN") if malformed(request) else await call(request)


@mutant
async def malformed_in_another_form(call: Call, request: Request) -> Reply:
    """The error for what is no digest is not of the specification's form."""
    reply = await call(request)
    return reply.with_body(b'{"detail": "not found"}') if malformed(request) and not reply.good else reply


@mutant
async def any_case(call: Call, request: Request) -> Reply:
    """Digests are found in upper case too."""
    if request.asks("GET HEAD", "blob", "manifest") and ":" in request.reference:
        return await call(by(request, request.reference.lower()))
    return await call(request)


@mutant
async def beginnings(call: Call, request: Request) -> Reply:
    """The beginning of a digest is enough to find what has it."""
    reply = await call(request)
    digests = known(request, reply)
    if request.asks("GET HEAD", "blob", "manifest") and len(request.reference) > 16 and not reply.good:
        for digest in digests:
            if digest.startswith(request.reference):
                return await call(by(request, digest))
    return reply


@mutant
async def cut_to_length(call: Call, request: Request) -> Reply:
    """What follows behind the digits of a digest is not looked at."""
    if request.asks("GET HEAD", "blob", "manifest") and request.reference.startswith("sha256:"):
        return await call(by(request, request.reference[:71]))
    return await call(request)


@mutant
async def digits_alone(call: Call, request: Request) -> Reply:
    """The digits of a digest are enough to find what has it."""
    hexadecimal = re.fullmatch(r"[a-f0-9]{64}", request.reference)
    if request.asks("GET HEAD", "blob", "manifest") and hexadecimal:
        return await call(by(request, f"sha256:{request.reference}"))
    return await call(request)


@mutant
async def algorithm_unread(call: Call, request: Request) -> Reply:
    """Whatever stands before the last colon is taken for sha256."""
    if request.asks("GET HEAD", "blob", "manifest") and re.fullmatch(r".+:[a-f0-9]{64}", request.reference):
        return await call(by(request, f"sha256:{request.reference[-64:]}"))
    return await call(request)


@mutant
async def nothing_is_latest(call: Call, request: Request) -> Reply:
    """A digest without digits gives what was pushed last."""
    reply = await call(request)
    if request.asks("PUT", "manifest") and reply.status == 201:
        request.state[request.name] = request.path
    if request.reference == "sha256:" and request.name in request.state and request.asks("GET HEAD", "manifest"):
        return await call(request.to(request.state[request.name]))
    return reply


@mutant
async def unknown_algorithm_is_400(call: Call, request: Request) -> Reply:
    """A digest of an unknown algorithm is answered 400, as if it were none."""
    if request.asks("GET HEAD DELETE", "blob", "manifest", "referrers") and OF_OTHERS.fullmatch(request.reference):
        return refusal(400, "DIGEST_INVALID")
    return await call(request)


@mutant
async def unknown_algorithm_deleted(call: Call, request: Request) -> Reply:
    """DELETE by a digest of an unknown algorithm is answered 202."""
    deleted = request.asks("DELETE", "blob", "manifest") and OF_OTHERS.fullmatch(request.reference)
    return Reply(202, (), b"") if deleted else await call(request)


@mutant
async def malformed_referred(call: Call, request: Request) -> Reply:
    """The referrers of anything are a list."""
    reply = await call(request)
    if request.asks("GET", "referrers") and reply.status == 400:
        return await call(by(request, f"sha256:{'0' * 64}"))
    return reply


@mutant
async def unknown_subject_refused(call: Call, request: Request) -> Reply:
    """A manifest is refused whose subject has a digest of an unknown algorithm."""
    if request.asks("PUT", "manifest") and b'"subject"' in request.body:
        digest = str((json.loads(request.body).get("subject") or {}).get("digest"))
        if OF_OTHERS.fullmatch(digest):
            return refusal(400, "MANIFEST_INVALID")
    return await call(request)


@mutant
async def unknown_subject_dropped(call: Call, request: Request) -> Reply:
    """A manifest is stored without a subject whose digest is of an unknown algorithm."""
    reply = await call(request)
    if request.asks("GET", "manifest") and reply.status == 200 and b"multihash" in reply.body:
        fields = {key: value for key, value in json.loads(reply.body).items() if key != "subject"}
        return reply.with_body(json.dumps(fields).encode())
    return reply


@mutant
async def digest_of_push_unread(call: Call, request: Request) -> Reply:
    """A manifest pushed by what is no digest is stored under its own."""
    reply = await call(request)
    if request.asks("PUT", "manifest") and ":" in request.reference and reply.status == 400:
        return await call(by(request, f"sha256:{hashlib.sha256(request.body).hexdigest()}"))
    return reply


@mutant
async def digest_of_push_missing(call: Call, request: Request) -> Reply:
    """A manifest pushed by what is no digest is answered 404."""
    reply = await call(request)
    pushed = request.asks("PUT", "manifest") and ":" in request.reference and reply.status == 400
    return reply.with_status(404) if pushed else reply


@mutant
async def one_algorithm_each(call: Call, request: Request) -> Reply:
    """A manifest is refused whose descriptors have different algorithms."""
    if request.asks("PUT", "manifest") and b'"sha512:' in request.body and b'"sha256:' in request.body:
        return refusal(400, "MANIFEST_INVALID")
    return await call(request)


@mutant
async def sha512_unverified(call: Call, request: Request) -> Reply:
    """A sha512 digest is believed."""
    reply = await call(request)
    digest = request.parameter("digest") or ""
    return reply.with_status(201) if digest.startswith("sha512:") and reply.status == 400 else reply


@mutant
async def sha512_forgotten(call: Call, request: Request) -> Reply:
    """What was pushed by a sha512 digest is not found by it, as its sha256 digest alone was kept."""
    if request.asks("GET HEAD", "blob", "manifest") and request.reference.startswith("sha512:"):
        return refusal(404, "BLOB_UNKNOWN" if request.kind == "blob" else "MANIFEST_UNKNOWN")
    return await call(request)


@mutant
async def sha512_of_part(call: Call, request: Request) -> Reply:
    """A sha512 digest names whatever has its first 64 digits as sha256."""
    if request.asks("GET HEAD", "blob", "manifest") and re.fullmatch(r"sha512:[a-f0-9]{64}", request.reference):
        return await call(by(request, request.reference.replace("sha512", "sha256")))
    return await call(request)


@mutant
async def blake3_unverified(call: Call, request: Request) -> Reply:
    """A blake3 digest is believed."""
    if request.method == "PUT" and (request.parameter("digest") or "").startswith("blake3:"):
        return Reply(201, (("location", request.path),), b"")
    return await call(request)
