"""Operations on upload sessions."""

from registry import errors as e
from registry.api.oci.openapi.components import CREATED, OCTETS
from registry.http.operations import Answer, Content, Operation, Segment

SESSION = ("Location", "Range", "Docker-Upload-UUID")
CHUNK = (e.UploadUnknown, e.UploadInvalid, e.ChunkOutOfOrder, e.SizeInvalid, e.RequestTimeout)
PATH = {"reference": Segment({"type": "string", "format": "uuid"})}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("POST", "uploads"): Operation(
        "Start an upload, mount a blob, or push one at once",
        {
            201: Answer("The blob was mounted or pushed.", CREATED),
            202: Answer("A session was started.", SESSION),
        },
        ("digest", "digest-algorithm", "mount", "from"),
        (e.DigestInvalid, e.DigestMalformed, e.ParameterInvalid, e.RequestTimeout, e.ContentGone),
        Content(OCTETS),
    ),
    ("GET", "upload"): Operation(
        "Ask where to continue an upload",
        {204: Answer("What has arrived.", SESSION)},
        errors=(e.UploadUnknown,),
        path=PATH,
    ),
    ("PATCH", "upload"): Operation(
        "Add a chunk to an upload",
        {202: Answer("It was added.", SESSION)},
        ("offset", "Content-Range"),
        (*CHUNK, e.UploadBusy, e.ParameterInvalid),
        Content(OCTETS),
        PATH,
    ),
    ("PUT", "upload"): Operation(
        "Finish an upload, with or without a last chunk",
        {201: Answer("The blob is stored.", CREATED)},
        ("digest", "offset", "Content-Range"),
        (*CHUNK, e.UploadBusy, e.DigestInvalid, e.DigestMalformed, e.ParameterInvalid, e.ContentGone),
        Content(OCTETS),
        PATH,
    ),
    ("DELETE", "upload"): Operation(
        "Drop an upload",
        {204: Answer("It is gone.")},
        errors=(e.UploadUnknown, e.UploadBusy),
        path=PATH,
    ),
}
