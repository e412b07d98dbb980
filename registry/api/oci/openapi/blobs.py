"""Operations on blobs."""

from registry import errors as e
from registry.api.oci.openapi.components import CONTENT, OCTETS
from registry.http.operations import Answer, Content, Operation

BLOB = (*CONTENT, "Accept-Ranges")

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "blob"): Operation(
        "Get a blob, whole or in parts",
        {
            200: Answer("The blob.", (*BLOB, "Location"), Content(OCTETS)),
            206: Answer(
                "The parts asked for.",
                (*BLOB, "Location", "Content-Range"),
                Content((*OCTETS, "multipart/byteranges")),
            ),
            304: Answer("The client has it.", BLOB),
        },
        ("Range", "If-Range"),
        (e.BlobUnknown, e.DigestMalformed, e.RangeNotSatisfiable, e.TooManyRanges),
    ),
    ("DELETE", "blob"): Operation(
        "Take a blob from the repository",
        {202: Answer("It is gone.")},
        errors=(e.BlobUnknown, e.DigestMalformed),
    ),
}
