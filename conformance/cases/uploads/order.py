"""Chunks out of order and with a Content-Range that is none: refused, with nothing kept and the upload still open."""

from conformance.case import case
from conformance.cases.uploads.steps import Upload, absent, begin, three_chunks
from conformance.client.registry import OCTETS, Content, Registry
from conformance.model import Category

PUSH = Category.PUSH
CHUNKED = "Blob chunked"
DISORDER = ("first", "gap", "overlap", "repetition")
"""What is wrong: the first chunk does not begin at 0; later ones begin too late, too early, or come twice."""


def disordered(r: Registry, disorder: str) -> tuple[Upload, Content, int, tuple[int, bytes]]:
    """An upload, its content, how much of it has come, and a chunk that is out of order."""
    upload = begin(r)
    content, chunks = three_chunks(r, upload)
    piece = upload.piece
    if disorder == "first":
        return upload, content, 0, chunks[1]
    start, data = chunks[0]
    upload.chunk(data, start)
    if disorder == "gap":
        return upload, content, piece, chunks[2]
    if disorder == "repetition":
        return upload, content, piece, chunks[0]
    return upload, content, piece, (piece - 7, content.data[piece - 7 : 2 * piece])


@case("R-075", category=PUSH, api=CHUNKED, official="chunked out-of-order", variants=DISORDER)
def refused(r: Registry, disorder: str) -> None:
    """A chunk out of order is answered 416 ({variant})."""
    upload, _, _, (start, data) = disordered(r, disorder)
    r.status(upload.patch(data, start), 416, "R-075", "a chunk out of order")


@case("R-077", "R-075", category=PUSH, api=CHUNKED, official="chunked out-of-order", variants=DISORDER)
def nothing_kept(r: Registry, disorder: str) -> None:
    """After a chunk out of order the upload is as it was, and is continued to the end ({variant})."""
    upload, content, size, (start, data) = disordered(r, disorder)
    r.status(upload.patch(data, start), 416, "R-075", "a chunk out of order")
    as_before(upload, size, "R-077")
    upload.take(upload.patch(content.data[size:-9], size), "R-077")
    upload.close(content, content.data[-9:], content.size - 9, by="R-077")


@case("R-077", category=PUSH, api=CHUNKED, official="chunked out-of-order")
def refused_before_every_chunk(r: Registry) -> None:
    """A chunk out of order comes before every good one, and the blob is right in the end."""
    upload = begin(r)
    content, chunks = three_chunks(r, upload)
    for number, (start, data) in enumerate(chunks):
        wrong, bad = chunks[(number + 1) % len(chunks)]
        r.status(upload.patch(bad, wrong), 416, "R-075", "a chunk out of order")
        as_before(upload, start, "R-077")
        upload.chunk(data, start)
    upload.close(content, by="R-077")


@case(
    "R-076",
    "R-077",
    category=PUSH,
    api=CHUNKED,
    official="chunked out-of-order and put chunk",
    variants=DISORDER,
)
def refused_in_put(r: Registry, disorder: str) -> None:
    """A closing PUT with a chunk out of order is answered 416, and the upload can still be closed ({variant})."""
    upload, content, size, (start, data) = disordered(r, disorder)
    answer = upload.put(content.digest, data, start)
    r.status(answer, 416, "R-076", "a closing PUT out of order")
    as_before(upload, size, "R-077")
    absent(r, "R-076", content.digest)
    upload.close(content, content.data[size:], size, by="R-076")


@case("R-076", category=PUSH, api=CHUNKED, official="chunked out-of-order and put chunk")
def order_before_digest(r: Registry) -> None:
    """A closing PUT out of order is answered 416 although its digest would fit nothing."""
    upload, content, size, (start, data) = disordered(r, "gap")
    answer = upload.put(r.content().digest, data, start)
    r.status(answer, 416, "R-076", "a closing PUT out of order")
    upload.close(content, content.data[size:], size, by="R-076")


@case("R-076", category=PUSH, api=CHUNKED)
def order_although_bytes_fit(r: Registry) -> None:
    """A closing PUT out of order is answered 416 although its bytes, put at the end, would have the digest."""
    upload = begin(r)
    content, ((_, first), *_) = three_chunks(r, upload)
    upload.chunk(first, 0)
    answer = upload.put(content.digest, content.data[len(first) :], len(first) + 1)
    r.status(answer, 416, "R-076", "a closing PUT out of order")
    absent(r, "R-076", content.digest)


@case("R-074", "R-075", category=PUSH, api=CHUNKED, official="chunked out-of-order")
def repeated_at_earlier_location(r: Registry) -> None:
    """A chunk sent again to the Location that it was sent to before is answered 416, and that Location has a status."""
    upload = begin(r)
    _, ((_, first), *_) = three_chunks(r, upload)
    earlier = upload.location
    upload.chunk(first, 0)
    upload.location = earlier
    r.status(upload.patch(first, 0), 416, "R-074", "a chunk sent again")
    as_before(upload, len(first), "R-074")


@case("R-201", "R-200", category=PUSH, api=CHUNKED)
def refusal_explained(r: Registry) -> None:
    """The error of a chunk out of order has the specification's form."""
    upload, _, _, (start, data) = disordered(r, "gap")
    answer = upload.patch(data, start)
    r.status(answer, range(400, 500), "R-075")
    r.error(answer, ())


MALFORMED = ("letters", "no end", "no start", "backwards", "longer than the body", "shorter than the body")


def malformed(variant: str, start: int, size: int) -> str:
    """A Content-Range that cannot be that of a chunk of this size, at the place where it would have to be."""
    return {
        "letters": "first-last",
        "no end": f"{start}-",
        "no start": f"-{start + size - 1}",
        "backwards": f"{start}-{start - 10}",
        "longer than the body": f"{start}-{start + size}",
        "shorter than the body": f"{start}-{start + size - 2}",
    }[variant]


@case("R-071", category=PUSH, api=CHUNKED, variants=MALFORMED)
def malformed_range(r: Registry, variant: str) -> None:
    """A chunk is answered 400 whose Content-Range cannot be right ({variant})."""
    upload = begin(r)
    _, ((_, first), (start, data), *_) = three_chunks(r, upload)
    upload.chunk(first, 0)
    place = ("Content-Range", malformed(variant, start, len(data)))
    answer = r.patch(upload.location, [OCTETS, place], data)
    r.status(answer, 400, "R-071", place[1])


@case("R-071", category=PUSH, api=CHUNKED, variants=MALFORMED)
def malformed_range_keeps_nothing(r: Registry, variant: str) -> None:
    """No byte of a chunk is kept that was refused for its Content-Range, and the upload goes on ({variant})."""
    upload = begin(r)
    content, ((_, first), (start, data), *_) = three_chunks(r, upload)
    upload.chunk(first, 0)
    place = ("Content-Range", malformed(variant, start, len(data)))
    answer = r.patch(upload.location, [OCTETS, place], data)
    r.status(answer, range(400, 500), "R-071", place[1])
    upload.close(content, content.data[start:], start, by="R-071")


@case("R-071", category=PUSH, api=CHUNKED, variants=("letters", "longer than the body", "shorter than the body"))
def malformed_range_in_put(r: Registry, variant: str) -> None:
    """A closing PUT is answered 400 whose Content-Range cannot be right, and makes no blob ({variant})."""
    upload = begin(r)
    content, ((_, first), *_) = three_chunks(r, upload)
    upload.chunk(first, 0)
    rest = content.data[len(first) :]
    place = ("Content-Range", malformed(variant, len(first), len(rest)))
    answer = r.put(upload.location, [OCTETS, place], rest, digest=content.digest)
    r.status(answer, 400, "R-071", place[1])
    absent(r, "R-071", content.digest)


def as_before(upload: Upload, size: int, requirement: str) -> None:
    """The status says that so many bytes have come; of none it may say `0-0` (R-091)."""
    found = upload.received(requirement)
    allowed = (size,) if size else (0, 1)
    upload.r.that(found in allowed, requirement, f"Range: 0-{size - 1}", f"Range: 0-{found - 1}")
