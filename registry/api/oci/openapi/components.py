"""What operations of the OCI API name: schemas, headers of answers, parameters."""

from registry.http.operations import CONDITIONS, STRING, AnswerHeader, Json, Parameter, ref, text
from registry.names import CONTENT_RANGE, DIGEST, LONGEST_NAME, NAME, TAG

# R-201, and UNKNOWN for what the specification has no code for.
CODES = [
    "BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED", "DENIED",
    "UNSUPPORTED", "TOOMANYREQUESTS", "UNKNOWN"
]  # fmt: skip

OCTETS = ("application/octet-stream",)
CONTENT = ("Docker-Content-Digest", "ETag")
CREATED = ("Location", "Docker-Content-Digest")

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

HEADERS: dict[str, AnswerHeader] = {
    "Docker-Content-Digest": AnswerHeader(ref("schemas", "Digest"), "Digest of the content.", required=True),
    "ETag": AnswerHeader(STRING, "The digest in quotes.", required=True),
    "Location": AnswerHeader(STRING, "Where the blob, the manifest or the upload session is.", required=True),
    "Range": AnswerHeader(text(r"0-(?:-1|[0-9]+)"), "First and last byte that have arrived.", required=True),
    "Docker-Upload-UUID": AnswerHeader(STRING, "Id of the upload session.", required=True),
    "Content-Range": AnswerHeader(
        text(r"bytes (?:[0-9]+-[0-9]+|\*)/[0-9]+"), "The part that follows; absent for several."
    ),
    "Accept-Ranges": AnswerHeader({"const": "bytes"}, "Ranges are served.", required=True),
    "Link": AnswerHeader(text(r"<\S+>; rel=\"next\""), "The next page, if there is one (RFC 8288)."),
    "OCI-Subject": AnswerHeader(ref("schemas", "Digest"), "Digest of the subject, if the manifest has one."),
    "OCI-Tag": AnswerHeader(STRING, "The tags that were set."),
    "OCI-Filters-Applied": AnswerHeader({"const": "artifactType"}, "The filters that were applied."),
}

PARAMETERS: dict[str, Parameter] = {
    "n": Parameter("query", {"type": "integer", "minimum": 0}, "Most entries in the answer."),
    "last": Parameter("query", STRING, "The page starts after this entry."),
    "after": Parameter("query", {"type": "integer", "minimum": 0}, "Where the page starts; taken from a Link."),
    "artifactType": Parameter("query", STRING, "Only referrers of this type."),
    "digest": Parameter("query", ref("schemas", "Digest"), "Digest of the whole blob."),
    "digest-algorithm": Parameter("query", {"enum": ["sha256", "sha512"]}, "What the upload will be hashed by."),
    "offset": Parameter(
        "query", {"type": "integer", "minimum": 0}, "Bytes that the upload had; stands in its Location."
    ),
    "mount": Parameter("query", ref("schemas", "Digest"), "Digest of a blob to mount from another repository."),
    "from": Parameter("query", ref("schemas", "Name"), "Repository to mount from; any by default."),
    "tag": Parameter(
        "query",
        {"type": "array", "items": ref("schemas", "Tag")},
        "Tags to set; with a digest in the path.",
        repeated=True,
    ),
    "Range": Parameter("header", STRING, "Byte ranges wanted (RFC 9110)."),
    "If-Range": Parameter("header", STRING, "The ranges count only if this is the ETag."),
    **CONDITIONS,
    "Content-Range": Parameter(
        "header",
        text(CONTENT_RANGE.pattern),
        "First and last byte of this chunk; after all by default.",
    ),
}
