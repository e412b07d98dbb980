"""Registries that treat subjects and data sets wrongly."""

import json

from conformance.lab.mutants.layer import Call, Reply, Request, mutant
from conformance.lab.mutants.wrong_manifests import digest_of, error, fields_of, puts, sibling

SUBJECT = "oci-subject"


def subject_of(request: Request) -> str | None:
    """The digest of the subject of the manifest that is pushed."""
    subject = fields_of(request.body).get("subject") if puts(request) else None
    return str(subject.get("digest")) if isinstance(subject, dict) else None


@mutant
async def subject_untold(call: Call, request: Request) -> Reply:
    """OCI-Subject is never sent."""
    return (await call(request)).without(SUBJECT)


@mutant
async def subject_told_for_images_only(call: Call, request: Request) -> Reply:
    """OCI-Subject is sent for images and not for indexes."""
    reply = await call(request)
    return reply.without(SUBJECT) if "manifests" in fields_of(request.body) else reply


@mutant
async def subject_told_by_digest_only(call: Call, request: Request) -> Reply:
    """OCI-Subject is sent when the push is by digest."""
    reply = await call(request)
    return reply if ":" in request.reference else reply.without(SUBJECT)


@mutant
async def subject_told_if_there(call: Call, request: Request) -> Reply:
    """OCI-Subject is sent only for a subject that is there."""
    subject = subject_of(request)
    reply = await call(request)
    if subject:
        asked = request.as_method("HEAD").to(sibling(request, subject)).with_body(b"")
        return reply if (await call(asked)).status == 200 else reply.without(SUBJECT)
    return reply


@mutant
async def subject_told_once(call: Call, request: Request) -> Reply:
    """OCI-Subject is sent when the manifest is new."""
    there = puts(request) and await call(
        request.as_method("HEAD").to(sibling(request, digest_of(request.body))).with_body(b"")
    )
    reply = await call(request)
    return reply.without(SUBJECT) if there and there.status == 200 else reply


@mutant
async def subject_is_itself(call: Call, request: Request) -> Reply:
    """OCI-Subject names the manifest that was pushed."""
    reply = await call(request)
    return reply.with_header(SUBJECT, digest_of(request.body)) if reply.header(SUBJECT) else reply


@mutant
async def subject_always_sha256(call: Call, request: Request) -> Reply:
    """OCI-Subject names a subject by its sha256 digest, whatever the manifest says."""
    reply = await call(request)
    subject = reply.header(SUBJECT)
    if subject and subject.startswith("sha512:"):
        found = await call(request.as_method("GET").to(sibling(request, subject)).with_body(b""))
        return reply.with_header(SUBJECT, digest_of(found.body))
    return reply


@mutant
async def subject_always_told(call: Call, request: Request) -> Reply:
    """OCI-Subject is sent for every push."""
    reply = await call(request)
    if puts(request) and reply.status == 201 and not reply.header(SUBJECT):
        return reply.with_header(SUBJECT, digest_of(request.body))
    return reply


@mutant
async def promise_broken(call: Call, request: Request) -> Reply:
    """OCI-Subject is sent and the referrers are always none, as on Docker Hub once."""
    reply = await call(request)
    if request.kind == "referrers" and reply.status == 200:
        return reply.with_body(json.dumps(fields_of(reply.body) | {"manifests": []}).encode())
    return reply


@mutant
async def referrers_after_the_subject(call: Call, request: Request) -> Reply:
    """A referrer that came before its subject is forgotten when that comes, as in Harbor once."""
    if request.kind == "referrers" and request.state.get(f"{request.name}@{request.reference}"):
        reply = await call(request)
        return reply.with_body(json.dumps(fields_of(reply.body) | {"manifests": []}).encode())
    subject = subject_of(request)
    if subject:
        asked = request.as_method("HEAD").to(sibling(request, subject)).with_body(b"")
        request.state[f"{request.name}@{subject}"] = (await call(asked)).status == 404
    return await call(request)


@mutant
async def subject_demanded(call: Call, request: Request) -> Reply:
    """A manifest whose subject is not there is refused, as on Docker Hub once."""
    subject = subject_of(request)
    if subject and ":" in subject:
        asked = request.as_method("HEAD").to(sibling(request, subject)).with_body(b"")
        if (await call(asked)).status == 404:
            return error(400, "MANIFEST_BLOB_UNKNOWN")
    return await call(request)


@mutant
async def no_chain(call: Call, request: Request) -> Reply:
    """The subject of a manifest has no subject itself."""
    subject = subject_of(request)
    if subject:
        found = await call(request.as_method("GET").to(sibling(request, subject)).with_body(b""))
        if "subject" in fields_of(found.body):
            return error(400, "MANIFEST_INVALID")
    return await call(request)


@mutant
async def tag_called_index_hidden(call: Call, request: Request) -> Reply:
    """The tag called index is never listed, as by distribution."""
    reply = await call(request)
    fields = fields_of(reply.body) if request.kind == "tags" else {}
    if "index" in (fields.get("tags") or ()):
        rest = [tag for tag in fields["tags"] if tag != "index"]
        return reply.with_body(json.dumps(fields | {"tags": rest}).encode())
    return reply


@mutant
async def tags_listed_as_null(call: Call, request: Request) -> Reply:
    """The list of tags is null."""
    reply = await call(request)
    if request.kind == "tags" and reply.status == 200:
        return reply.with_body(json.dumps(fields_of(reply.body) | {"tags": None}).encode())
    return reply


@mutant
async def referrers_without_annotations(call: Call, request: Request) -> Reply:
    """Referrers are listed without their annotations."""
    reply = await call(request)
    if request.kind == "referrers" and reply.status == 200:
        fields = fields_of(reply.body)
        for entry in fields.get("manifests", ()):
            entry.pop("annotations", None)
        return reply.with_body(json.dumps(fields).encode())
    return reply


@mutant
async def referrers_typed_by_config(call: Call, request: Request) -> Reply:
    """Every referrer is listed with the empty type of its config."""
    reply = await call(request)
    if request.kind == "referrers" and reply.status == 200:
        fields = fields_of(reply.body)
        for entry in fields.get("manifests", ()):
            entry["artifactType"] = "application/vnd.oci.empty.v1+json"
        return reply.with_body(json.dumps(fields).encode())
    return reply


@mutant
async def deleted_with_204(call: Call, request: Request) -> Reply:
    """DELETE of a manifest answers 204."""
    reply = await call(request)
    return reply.with_status(204) if request.asks("DELETE", "manifest") and reply.status == 202 else reply


@mutant
async def deleted_in_words(call: Call, request: Request) -> Reply:
    """DELETE of a manifest by digest answers 202 and leaves it."""
    if request.asks("DELETE", "manifest") and ":" in request.reference:
        return Reply(202, (), b"")
    return await call(request)
