"""Every deliberate error: a class with its code, its status and what it says.

Codes are the fourteen of the OCI distribution specification (R-201); what has none of them is `UNKNOWN`.
"""

from typing import ClassVar


class OperatorError(Exception):
    """Something that the operator must mend; told as one line, exit status 1."""


class RegistryError(Exception):
    """An answer other than success. Raised anywhere, rendered once, in `http.endpoint`.

    `detail` is a string or nothing, as the reference type of the specification declares it so.
    `headers` are sent with the answer: names in lower case.
    """

    code: ClassVar[str] = "UNKNOWN"
    status: ClassVar[int] = 500
    message: ClassVar[str] = "internal error"

    def __init__(self, detail: str = "", *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail or self.message)
        self.detail = detail
        self.headers = headers or {}

    def entries(self) -> list[dict[str, str]]:
        """The members of `errors` in the answer: one, unless a subclass has more to say."""
        entry = {"code": self.code, "message": self.message}
        if self.detail:
            entry["detail"] = self.detail
        return [entry]


class NameInvalid(RegistryError):
    code, status, message = "NAME_INVALID", 400, "invalid repository name"


class NameUnknown(RegistryError):
    code, status, message = "NAME_UNKNOWN", 404, "repository name not known to registry"


class NotFound(RegistryError):
    code, status, message = "UNSUPPORTED", 404, "no such endpoint"


class MethodNotAllowed(RegistryError):
    code, status, message = "UNSUPPORTED", 405, "method not allowed here"


class ReadOnly(RegistryError):
    code, status, message = "UNSUPPORTED", 405, "the registry is read-only"


class DeleteDisabled(RegistryError):
    code, status, message = "UNSUPPORTED", 405, "deleting is switched off"


class Denied(RegistryError):
    """Who asks may not do this, or may not know whether it is there."""

    code, status, message = "DENIED", 403, "requested access to the resource is denied"


class DigestInvalid(RegistryError):
    code, status, message = "DIGEST_INVALID", 400, "provided digest did not match uploaded content"


class DigestMalformed(DigestInvalid):
    message = "not a digest that this registry supports"


class SizeInvalid(RegistryError):
    code, status, message = "SIZE_INVALID", 400, "provided length did not match content length"


class BlobUnknown(RegistryError):
    code, status, message = "BLOB_UNKNOWN", 404, "blob unknown to registry"


class BlobDamaged(RegistryError):
    """What a row says storage has is not there, or not all of it."""

    message = "the content of this blob is missing or damaged in storage; pushing it again mends it"


class UploadUnknown(RegistryError):
    code, status, message = "BLOB_UPLOAD_UNKNOWN", 404, "blob upload unknown to registry"


class UploadInvalid(RegistryError):
    code, status, message = "BLOB_UPLOAD_INVALID", 400, "blob upload invalid"


class ChunkOutOfOrder(UploadInvalid):
    """R-075: a gap, an overlap or a repetition; the session stays as it was."""

    status, message = 416, "chunk out of order: continue where Range ends"


class UploadBusy(UploadInvalid):
    """Another request is writing to this session (R-085)."""

    status, message = 416, "another request is writing to this upload"


class ManifestUnknown(RegistryError):
    code, status, message = "MANIFEST_UNKNOWN", 404, "manifest unknown to registry"


class ManifestInvalid(RegistryError):
    code, status, message = "MANIFEST_INVALID", 400, "manifest invalid"


class TagInvalid(ManifestInvalid):
    message = "not a valid tag"


class ManifestTooLarge(ManifestInvalid):
    status, message = 413, "manifest larger than the registry accepts"


class TooManyParameters(RegistryError):
    code, status, message = "UNSUPPORTED", 414, "too many parameters in one query"


class TooManyTags(TooManyParameters):
    message = "too many tags in one request"


class ManifestBlobUnknown(RegistryError):
    """R-042: one entry for each descriptor whose content is missing, of many the first."""

    most: ClassVar[int] = 1000

    code, status, message = (
        "MANIFEST_BLOB_UNKNOWN",
        400,
        "manifest references a manifest or blob unknown to registry",
    )

    def __init__(self, missing: list[str]) -> None:
        super().__init__(", ".join(missing))
        self.missing = missing

    def entries(self) -> list[dict[str, str]]:
        told = self.missing[: self.most]
        return [{"code": self.code, "message": self.message, "detail": digest} for digest in told]


class PreconditionFailed(RegistryError):
    code, status, message = "DENIED", 412, "the precondition of the request does not hold"


class RangeNotSatisfiable(RegistryError):
    code, status, message = "UNSUPPORTED", 416, "range not satisfiable"


class TooManyRanges(RegistryError):
    code, status, message = "UNSUPPORTED", 400, "too many ranges in one request"


class ParameterInvalid(RegistryError):
    code, status, message = "UNSUPPORTED", 400, "invalid parameter"


class RequestTimeout(RegistryError):
    code, status, message = "UNSUPPORTED", 408, "no more bytes came in time"


class HeadersTooLarge(RegistryError):
    code, status, message = "UNSUPPORTED", 431, "request header too large"


class RequestInvalid(RegistryError):
    code, status, message = "UNSUPPORTED", 400, "not a valid HTTP request"


class CodingUnknown(RegistryError):
    """RFC 9112 section 6.1: a body whose coding is not understood is not stored."""

    code, status, message = "UNSUPPORTED", 501, "transfer coding not supported: only chunked is"


class Unavailable(RegistryError):
    """Answered with `Retry-After`, in seconds."""

    status, message = 503, "not available at the moment; try again"

    def __init__(self, detail: str = "", *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail, headers={"retry-after": "1"} | (headers or {}))


class ContentGone(Unavailable):
    """What was pushed went with what was there before, which was being deleted."""

    message = "the content was deleted while it was pushed; push it again"


class StorageFull(RegistryError):
    status, message = 507, "no space left to store this"


class ClientGone(Exception):
    """The client closed the connection before the request was complete: nobody is left to answer."""


class BodyStalled(ClientGone):
    """No byte of the body came for too long."""
