"""Digests that do not match, and digests that are none, in every form of a push."""

from collections.abc import Callable

from conformance.case import case
from conformance.cases.uploads.steps import ALGORITHMS, Upload, absent, begin, pieces
from conformance.client.registry import OCTETS, Content, Registry
from conformance.client.wire import Answer, pieces_of
from conformance.model import Category

PUSH = Category.PUSH
BLOBS = "Blobs {variant}"


def whole(upload: Upload, content: Content, digest: str) -> Answer:
    return upload.put(digest, content.data)


def chunks(upload: Upload, content: Content, digest: str) -> Answer:
    for start, data in pieces(content.data, upload.piece):
        upload.chunk(data, start)
    return upload.put(digest)


def chunks_and_put(upload: Upload, content: Content, digest: str) -> Answer:
    [*most, (last, rest)] = pieces(content.data, upload.piece)
    for start, data in most:
        upload.chunk(data, start)
    return upload.put(digest, rest, last)


def stream(upload: Upload, content: Content, digest: str) -> Answer:
    upload.take(upload.patch(list(pieces_of(content.data, 500))), "R-081")
    return upload.put(digest)


def refused(r: Registry, algorithm: str, push: Callable[[Upload, Content, str], Answer]) -> None:
    """Bytes pushed in this form, under the digest of others, are refused and stay unseen under both."""
    r.needs(algorithm)
    upload = begin(r)
    content = r.content(2 * upload.piece - 5, algorithm)
    claimed = r.content(2 * upload.piece - 5, algorithm)
    answer = push(upload, content, claimed.digest)
    r.status(answer, 400, "R-083", "a digest that does not match")
    absent(r, "R-083", claimed.digest, content.digest)


@case(
    "R-083",
    "R-064",
    category=PUSH,
    api="Blob post put",
    data=BLOBS,
    official="bad digest post+put",
    variants=ALGORITHMS,
)
def wrong_after_post(r: Registry, algorithm: str) -> None:
    """POST and PUT with a digest that does not match are refused ({variant})."""
    refused(r, algorithm, whole)


@case("R-083", category=PUSH, api="Blob chunked", data=BLOBS, official="bad digest chunked", variants=ALGORITHMS)
def wrong_after_chunks(r: Registry, algorithm: str) -> None:
    """An upload in chunks is not closed by a digest that does not match ({variant})."""
    refused(r, algorithm, chunks)


@case(
    "R-083",
    category=PUSH,
    api="Blob chunked",
    data=BLOBS,
    official="bad digest chunked and put chunk",
    variants=ALGORITHMS,
)
def wrong_with_last_chunk(r: Registry, algorithm: str) -> None:
    """An upload whose last chunk comes in the PUT is not closed by a digest that does not match ({variant})."""
    refused(r, algorithm, chunks_and_put)


@case("R-083", category=PUSH, api="Blob streaming", data=BLOBS, official="bad digest stream", variants=ALGORITHMS)
def wrong_after_stream(r: Registry, algorithm: str) -> None:
    """A stream is not closed by a digest that does not match ({variant})."""
    refused(r, algorithm, stream)


@case("R-083", category=PUSH, api="Blob chunked")
def digest_of_a_part(r: Registry) -> None:
    """An upload is not closed by the digest of its last chunk alone."""
    upload = begin(r)
    content = r.content(2 * upload.piece)
    last = Content(content.data[upload.piece :])
    upload.chunk(content.data[: upload.piece], 0)
    answer = upload.put(last.digest, last.data, upload.piece)
    r.status(answer, 400, "R-083", "the digest of the last chunk alone")
    absent(r, "R-083", last.digest, content.digest)


@case("R-083", category=PUSH, api="Blob post put")
def digest_of_nothing(r: Registry) -> None:
    """A closing PUT without bytes, on an upload without bytes, makes no blob of any digest but that of nothing."""
    content = r.content()
    r.status(begin(r).put(content.digest), 400, "R-083", "no bytes under the digest of some")
    absent(r, "R-083", content.digest)


NONE = {
    "no colon": "sha256",
    "no digits": "sha256:",
    "too short": f"sha256:{'0' * 63}",
    "too long": f"sha256:{'0' * 65}",
    "upper case": f"sha256:{'A' * 64}",
    "no hexadecimal": f"sha256:{'g' * 64}",
    "unknown algorithm": f"sha0:{'0' * 64}",
}
"""Digests that no content can have, or that no registry can check."""


@case("R-044", "R-014", category=PUSH, api="Blob post put", variants=tuple(NONE))
def none_after_post(r: Registry, variant: str) -> None:
    """A PUT with something that is no digest is answered 400 ({variant})."""
    answer = begin(r).put(NONE[variant], r.content().data)
    r.status(answer, 400, "R-044", NONE[variant])


@case("R-044", "R-014", category=PUSH, api="Blob chunked", variants=tuple(NONE))
def none_after_chunks(r: Registry, variant: str) -> None:
    """An upload in chunks that is closed with something that is no digest is answered 400 ({variant})."""
    upload = begin(r)
    upload.chunk(r.content(upload.piece).data, 0)
    r.status(upload.put(NONE[variant]), 400, "R-044", NONE[variant])


@case("R-044", "R-014", category=PUSH, api="Blob post only", variants=tuple(NONE))
def none_in_single_post(r: Registry, variant: str) -> None:
    """A single POST with something that is no digest is answered 400 ({variant})."""
    answer = r.post(r.uploads_path(), [OCTETS], r.content().data, digest=NONE[variant])
    if answer.status == 202:
        r.skip("the single POST is not supported")
    r.status(answer, 400, "R-044", NONE[variant])


@case("R-044", category=PUSH, api="Blob post put")
def none_explained(r: Registry) -> None:
    """The refusal of something that is no digest says DIGEST_INVALID."""
    answer = begin(r).put(NONE["too short"], r.content().data)
    r.status(answer, 400, "R-044", NONE["too short"])
    r.error(answer, "DIGEST_INVALID", "R-044")
