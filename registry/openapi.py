"""The API as an OpenAPI 3.1 document: the route table, and small tables of what cannot be read off it."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from registry import __version__
from registry import errors as e
from registry.http.api import Api
from registry.http.row import Action, Row
from registry.names import CONTENT_RANGE, DIGEST, LONGEST_NAME, NAME, TAG
from registry.routes import OCI
from registry.services.documents import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

Json = dict[str, Any]
Errors = Sequence[type[e.RegistryError]]

# R-201, and UNKNOWN for what the specification has no code for.
CODES = [
    "BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED", "DENIED",
    "UNSUPPORTED", "TOOMANYREQUESTS", "UNKNOWN"
]  # fmt: skip

MANIFEST = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)
OCTETS = "application/octet-stream"


def text(pattern: str, **more: object) -> Json:
    return {"type": "string", "pattern": f"^(?:{pattern})$", **more}


def ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


STRING: Json = {"type": "string"}
BINARY: Json = {"type": "string", "format": "binary"}

SCHEMAS: dict[str, Json] = {
    "Name": text(NAME.pattern, maxLength=LONGEST_NAME, description="Repository name; its slashes stand as they are."),
    "Tag": text(TAG.pattern),
    "Digest": text(DIGEST.pattern, maxLength=255, examples=["sha256:" + "0" * 64]),
    "Reference": {"anyOf": [ref("schemas", "Tag"), ref("schemas", "Digest")], "description": "A tag or a digest."},
    "Errors": {
        "type": "object",
        "required": ["errors"],
        "additionalProperties": False,
        "properties": {"errors": {"type": "array", "minItems": 1, "items": ref("schemas", "Error")}},
    },
    "Error": {
        "type": "object",
        "required": ["code", "message"],
        "additionalProperties": False,
        "properties": {"code": {"enum": CODES}, "message": {"type": "string"}, "detail": {"type": "string"}},
    },
    "Base": {"type": "object", "maxProperties": 0},
    "Tags": {
        "type": "object",
        "required": ["name", "tags"],
        "properties": {
            "name": ref("schemas", "Name"),
            "tags": {"type": "array", "uniqueItems": True, "items": ref("schemas", "Tag")},
        },
    },
    "Catalog": {
        "type": "object",
        "required": ["repositories"],
        "properties": {"repositories": {"type": "array", "uniqueItems": True, "items": ref("schemas", "Name")}},
    },
    "Descriptor": {
        "type": "object",
        "required": ["mediaType", "digest", "size"],
        "properties": {
            "mediaType": {"type": "string"},
            "digest": ref("schemas", "Digest"),
            "size": {"type": "integer", "minimum": 0},
            "artifactType": {"type": "string"},
            "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    },
    "Manifest": {
        "type": "object",
        "required": ["schemaVersion"],
        "properties": {
            "schemaVersion": {"const": 2},
            "mediaType": {"type": "string"},
            "artifactType": {"type": "string"},
            "config": ref("schemas", "Descriptor"),
            "layers": {"type": "array", "items": ref("schemas", "Descriptor")},
            "manifests": {"type": "array", "items": ref("schemas", "Descriptor")},
            "subject": ref("schemas", "Descriptor"),
            "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    },
}

# Response headers: schema and description.
HEADERS: dict[str, tuple[Json, str]] = {
    "Docker-Content-Digest": (ref("schemas", "Digest"), "Digest of the content."),
    "ETag": (STRING, "The digest in quotes."),
    "Location": (STRING, "Where the blob, the manifest or the upload session is."),
    "Range": (text(r"0-(?:-1|[0-9]+)"), "First and last byte that have arrived."),
    "Docker-Upload-UUID": (STRING, "Id of the upload session."),
    "Content-Range": (text(r"bytes (?:[0-9]+-[0-9]+|\*)/[0-9]+"), "The part that follows; absent for several."),
    "Accept-Ranges": ({"const": "bytes"}, "Ranges are served."),
    "Link": (text(r"<\S+>; rel=\"next\""), "The next page, if there is one (RFC 8288)."),
    "OCI-Subject": (ref("schemas", "Digest"), "Digest of the subject, if the manifest has one."),
    "OCI-Tag": (STRING, "The tags that were set."),
    "OCI-Filters-Applied": ({"const": "artifactType"}, "The filters that were applied."),
    "Allow": (STRING, "The methods that are allowed here."),
}
REQUIRED = {"Docker-Content-Digest", "ETag", "Location", "Range", "Docker-Upload-UUID", "Accept-Ranges", "Allow"}

# Parameters besides those in the path: place, schema, description.
PARAMETERS: dict[str, tuple[str, Json, str]] = {
    "n": ("query", {"type": "integer", "minimum": 0}, "Most entries in the answer."),
    "last": ("query", STRING, "The page starts after this entry."),
    "after": ("query", {"type": "integer", "minimum": 0}, "Where the page starts; taken from a Link."),
    "artifactType": ("query", STRING, "Only referrers of this type."),
    "digest": ("query", ref("schemas", "Digest"), "Digest of the whole blob."),
    "digest-algorithm": ("query", {"enum": ["sha256", "sha512"]}, "What the upload will be hashed by."),
    "offset": ("query", {"type": "integer", "minimum": 0}, "Bytes that the upload had; stands in its Location."),
    "mount": ("query", ref("schemas", "Digest"), "Digest of a blob to mount from another repository."),
    "from": ("query", ref("schemas", "Name"), "Repository to mount from; any by default."),
    "tag": ("query", {"type": "array", "items": ref("schemas", "Tag")}, "Tags to set; with a digest in the path."),
    "Range": ("header", STRING, "Byte ranges wanted (RFC 9110)."),
    "If-Range": ("header", STRING, "The ranges count only if this is the ETag."),
    "If-Match": ("header", STRING, "Only if one of these ETags is what is there."),
    "If-None-Match": ("header", STRING, "Only if none of these ETags is what is there."),
    "Content-Range": (
        "header",
        text(CONTENT_RANGE.pattern),
        "First and last byte of this chunk; after all by default.",
    ),
}
REPEATED = {"tag"}


class Answer(NamedTuple):
    """A success: what it means, its headers, and what its body may be: media type to schema."""

    meaning: str
    headers: Sequence[str] = ()
    content: Sequence[str] = ()
    schema: str | None = None


class Operation(NamedTuple):
    """What a route does beside what its row says. `body`: media types and schema of the request's body."""

    summary: str
    answers: dict[int, Answer]
    parameters: Sequence[str] = ()
    errors: Errors = ()
    body: tuple[Sequence[str], str | None] | None = None


JSON = ("application/json",)
CONTENT = ("Docker-Content-Digest", "ETag")
SESSION = ("Location", "Range", "Docker-Upload-UUID")
BLOB = (*CONTENT, "Accept-Ranges")
CREATED = ("Location", "Docker-Content-Digest")
CHUNK = (e.UploadUnknown, e.UploadInvalid, e.ChunkOutOfOrder, e.SizeInvalid, e.RequestTimeout)
CONDITIONS = ("If-Match", "If-None-Match")
RANGED = (e.RangeNotSatisfiable, e.TooManyRanges)

# By method and name of the route. HEAD is GET without a body, also here.
OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "base"): Operation("Say that this is a registry", {200: Answer("It is.", (), JSON, "Base")}),
    ("GET", "manifest"): Operation(
        "Get a manifest, byte for byte as it was pushed",
        {200: Answer("The manifest.", CONTENT, MANIFEST, "Manifest"), 304: Answer("The client has it.", CONTENT)},
        CONDITIONS,
        (e.ManifestUnknown, e.PreconditionFailed),
    ),
    ("PUT", "manifest"): Operation(
        "Push a manifest and let tags point to it",
        {201: Answer("It is stored.", (*CREATED, "OCI-Subject", "OCI-Tag"))},
        ("tag", *CONDITIONS),
        (
            *(e.ManifestInvalid, e.TagInvalid, e.DigestInvalid, e.DigestMalformed, e.ManifestBlobUnknown),
            *(e.ParameterInvalid, e.PreconditionFailed, e.ManifestTooLarge, e.TooManyTags, e.RequestTimeout),
        ),
        (MANIFEST, "Manifest"),
    ),
    ("DELETE", "manifest"): Operation(
        "Delete a tag, or a manifest and all its tags",
        {202: Answer("It is gone.")},
        CONDITIONS,
        (e.ManifestUnknown, e.PreconditionFailed),
    ),
    ("POST", "uploads"): Operation(
        "Start an upload, mount a blob, or push one at once",
        {
            201: Answer("The blob was mounted or pushed.", CREATED),
            202: Answer("A session was started.", SESSION),
        },
        ("digest", "digest-algorithm", "mount", "from"),
        (e.DigestInvalid, e.DigestMalformed, e.ParameterInvalid, e.RequestTimeout),
        ((OCTETS,), None),
    ),
    ("GET", "upload"): Operation(
        "Ask where to continue an upload", {204: Answer("What has arrived.", SESSION)}, (), (e.UploadUnknown,)
    ),
    ("PATCH", "upload"): Operation(
        "Add a chunk to an upload",
        {202: Answer("It was added.", SESSION)},
        ("offset", "Content-Range"),
        (*CHUNK, e.UploadBusy, e.ParameterInvalid),
        ((OCTETS,), None),
    ),
    ("PUT", "upload"): Operation(
        "Finish an upload, with or without a last chunk",
        {201: Answer("The blob is stored.", CREATED)},
        ("digest", "offset", "Content-Range"),
        (*CHUNK, e.UploadBusy, e.DigestInvalid, e.DigestMalformed, e.ParameterInvalid),
        ((OCTETS,), None),
    ),
    ("DELETE", "upload"): Operation(
        "Drop an upload", {204: Answer("It is gone.")}, (), (e.UploadUnknown, e.UploadBusy)
    ),
    ("GET", "blob"): Operation(
        "Get a blob, whole or in parts",
        {
            200: Answer("The blob.", (*BLOB, "Location"), (OCTETS,)),
            206: Answer("The parts asked for.", (*BLOB, "Location", "Content-Range"), (OCTETS, "multipart/byteranges")),
            304: Answer("The client has it.", BLOB),
        },
        ("Range", "If-Range", *CONDITIONS),
        (e.BlobUnknown, e.DigestMalformed, e.PreconditionFailed, *RANGED),
    ),
    ("DELETE", "blob"): Operation(
        "Take a blob from the repository",
        {202: Answer("It is gone.")},
        CONDITIONS,
        (e.BlobUnknown, e.DigestMalformed, e.PreconditionFailed),
    ),
    ("GET", "tags"): Operation(
        "List the tags of a repository in pages",
        {200: Answer("A page.", ("Link",), JSON, "Tags")},
        ("n", "last"),
        (e.NameUnknown, e.ParameterInvalid),
    ),
    ("GET", "referrers"): Operation(
        "List the manifests whose subject is this digest, in pages",
        {200: Answer("A page, as an image index.", ("Link", "OCI-Filters-Applied"), (OCI_INDEX,), "Manifest")},
        ("artifactType", "after"),
        (e.DigestMalformed, e.ParameterInvalid),
    ),
    ("GET", "catalog"): Operation(
        "List the repositories that hold a manifest, in pages",
        {200: Answer("A page.", ("Link",), JSON, "Catalog")},
        ("n", "last"),
        (e.ParameterInvalid,),
    ),
}

# What any request may get, what any one to a repository may, and what the settings may refuse.
ANYWHERE: Errors = (e.RequestInvalid, e.HeadersTooLarge, e.RegistryError, e.Unavailable)
IN_REPOSITORY: Errors = (e.NameInvalid,)
BY_SETTING: dict[Action, Errors] = {
    Action.PUSH: (e.ReadOnly, e.StorageFull),
    Action.DELETE: (e.ReadOnly, e.DeleteDisabled, e.StorageFull),
}

# What the last element of a path is: a reference, but for these.
REFERENCES = {"manifest": "Reference", "blob": "Digest", "referrers": "Digest"}


def document(api: Api = OCI) -> Json:
    """Of one API, as plain JSON."""
    paths: dict[str, Json] = {}
    for row in api.rows:
        paths.setdefault(row.path.replace(":path}", "}"), {})[row.method.lower()] = operation(row)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Holdfast",
            "summary": "An OCI registry.",
            "description": "The OCI distribution API. The name of a repository may have slashes, which stand in the "
            "path as they are; only the colon of a digest may be percent-encoded.",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "parameters": {name: parameter(name, *told) for name, told in PARAMETERS.items()},
            "headers": {
                name: {"description": meaning, "required": name in REQUIRED, "schema": dict(schema)}
                for name, (schema, meaning) in HEADERS.items()
            },
        },
    }


def entry(row: Row) -> tuple[str, str]:
    """Where a route stands in `OPERATIONS`."""
    return ("GET" if row.method == "HEAD" else row.method), row.name


def operation(row: Row) -> Json:
    told = OPERATIONS[entry(row)]
    head = row.method == "HEAD"
    # RFC 9110: ranges are for GET alone.
    answers = {status: answer for status, answer in told.answers.items() if not (head and status == 206)}
    failures = [*ANYWHERE, *(error for error in told.errors if not (head and error in RANGED))]
    if not row.tagged:
        # Conditions are looked at everywhere; `If-None-Match: *` alone can fail (RFC 9110 section 13.1.2).
        failures.append(e.PreconditionFailed)
        if row.method in ("GET", "HEAD"):
            there = next(iter(answers.values()))
            answers[304] = Answer("`If-None-Match: *` was sent, and it is there.", there.headers)
    failures += IN_REPOSITORY if "{name" in row.path else ()
    failures += BY_SETTING.get(row.action, ())
    responses = {status: success(answer, head) for status, answer in answers.items()}
    responses |= {status: failure(status, failures, head) for status in {error.status for error in failures}}
    described: Json = {
        "operationId": f"{row.method.lower()}-{row.name}{'-slash' if row.path.endswith('/') else ''}",
        "summary": told.summary + (": the headers alone" if head else ""),
        "tags": [row.action.value],
        "parameters": parameters(row, told),
        "responses": {str(status): responses[status] for status in sorted(responses)},
    }
    if told.body is not None:
        types, schema = told.body
        described["requestBody"] = {"content": content(types, schema)}
    return described


def parameters(row: Row, told: Operation) -> list[Json]:
    found = []
    if "{name" in row.path:
        found.append(in_path("name", ref("schemas", "Name")))
    if "{reference}" in row.path:
        schema = REFERENCES.get(row.name)
        found.append(in_path("reference", ref("schemas", schema) if schema else {"type": "string", "format": "uuid"}))
    wanted = [name for name in told.parameters if row.method != "HEAD" or name not in ("Range", "If-Range")]
    wanted += () if row.tagged else CONDITIONS
    return found + [ref("parameters", name) for name in wanted]


def in_path(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def parameter(name: str, place: str, schema: Json, meaning: str) -> Json:
    repeated = {"style": "form", "explode": True} if name in REPEATED else {}
    return {"name": name, "in": place, "description": meaning, "schema": dict(schema), **repeated}


def success(answer: Answer, head: bool) -> Json:
    described: Json = {"description": answer.meaning}
    if answer.headers:
        described["headers"] = {name: ref("headers", name) for name in answer.headers}
    if answer.content and not head:
        described["content"] = content(answer.content, answer.schema)
    return described


def content(types: Sequence[str], schema: str | None) -> Json:
    return {kind: {"schema": ref("schemas", schema) if schema else dict(BINARY)} for kind in types}


def failure(status: int, errors: Errors, head: bool) -> Json:
    """All that may be said with one status."""
    meant = dict.fromkeys(f"{error.code}: {error.message}" for error in errors if error.status == status)
    described: Json = {"description": f"{HTTPStatus(status).phrase}. {'; '.join(meant)}."}
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        described["headers"] = {"Allow": ref("headers", "Allow")}
    if not head:
        described["content"] = content(JSON, "Errors")
    return described
