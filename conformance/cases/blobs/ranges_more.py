"""Parts of a blob: several ranges in one request, and ranges with a condition."""

import re
from email.message import Message

from conformance.case import case
from conformance.cases.blobs.ranges import SIZE, blob_of, gives, part, place, tolerated, whole
from conformance.cases.steps import ACCEPT
from conformance.client.registry import Content, Registry
from conformance.client.wire import Answer
from conformance.model import Category

PULL = Category.PULL
RANGE = "Blob get range"
CONTENT_RANGE = re.compile(rb"^content-range:[ \t]*bytes[ \t]+([0-9]+)-([0-9]+)/([0-9]+|\*)[ \t]*\r?$", re.I | re.M)


def boundary_of(answer: Answer) -> str | None:
    """The boundary of a `multipart/byteranges`."""
    message = Message()
    message["content-type"] = answer.header("content-type") or ""
    value = message.get_boundary()
    return value if message.get_content_type() == "multipart/byteranges" else None


def parts(r: Registry, answer: Answer, blob: Content) -> list[tuple[int, int]]:
    """First and last byte of each part, in their order; each is what it says, and all is well-formed."""
    boundary = boundary_of(answer)
    if boundary is None:
        first, last = place(r, answer, blob.size, "R-034")
        r.body(answer, blob.data[first : last + 1], "R-034")
        return [(first, last)]
    single = answer.header("content-range")
    r.that(single is None, "R-034", "no Content-Range beside the parts", single)
    _, *pieces = (b"\r\n" + answer.body).split(b"\r\n--" + boundary.encode())
    closed = pieces and pieces[-1].startswith(b"--")
    r.that(closed, "R-034", "a closing delimiter at the end", answer.body[-80:])
    places = []
    for piece in pieces[:-1]:
        headers, _, data = piece.partition(b"\r\n\r\n")
        found = CONTENT_RANGE.search(headers)
        r.that(found, "R-034", "Content-Range in every part", headers[:200])
        assert found
        first, last = int(found[1]), int(found[2])
        r.that(data == blob.data[first : last + 1], "R-034", f"bytes {first} to {last}", f"{len(data)} others")
        r.that(found[3] in (b"*", b"%d" % blob.size), "R-034", f"parts of {blob.size} bytes", found[0])
        places.append((first, last))
    return places


SEVERAL = {
    "0-9,100-199": ((0, 9), (100, 199)),
    "0-0,1000-1499,-1": ((0, 0), (1000, 1499), (SIZE - 1, SIZE - 1)),
    "1500-1599, 10-19 ,700-799": ((10, 19), (700, 799), (1500, 1599)),
    "0-9,5000-6000": ((0, 9),),
    "100-199,150-249": ((100, 249),),
}


@case("R-034", category=PULL, api=RANGE, variants=tuple(SEVERAL))
def several(r: Registry, ranges: str) -> None:
    """Several ranges give all that was asked for, in parts that say what they are, or the whole blob ({variant})."""
    blob = blob_of(r)
    answer = part(r, blob, ranges)
    if answer.status == 200:
        return r.body(answer, blob.data, "R-034")
    r.status(answer, 206, "R-034", f"bytes={ranges}")
    got = parts(r, answer, blob)
    covered = {byte for first, last in got for byte in range(first, last + 1)}
    for first, last in SEVERAL[ranges]:
        r.that(covered.issuperset(range(first, last + 1)), "R-034", f"bytes {first} to {last}", f"the parts {got}")
    return None


@case("R-034", category=PULL, api=RANGE)
def none_of_several(r: Registry) -> None:
    """Several ranges of which none has a byte of the blob are answered 416, or with the whole blob."""
    blob = blob_of(r)
    answer = part(r, blob, "5000-5999,7000-")
    if answer.status == 200:
        return r.body(answer, blob.data, "R-034")
    return r.status(answer, 416, "R-034", "bytes=5000-5999,7000-")


@case("R-034", category=PULL, api=RANGE)
def amplified(r: Registry) -> None:
    """A hundred ranges that are each the whole blob are not answered with a hundred blobs."""
    blob = blob_of(r, size=20_000)
    answer = part(r, blob, ",".join(["0-"] * 100))
    r.status(answer, (200, 206, 400, 416), "R-034", "a hundred times bytes=0-")
    r.that(len(answer.body) <= 50 * blob.size, "R-034", "far less than a hundred blobs", f"{len(answer.body)} bytes")


def tagged(r: Registry) -> tuple[Content, str]:
    """A blob and its strong ETag; skips where there is none."""
    blob = blob_of(r)
    etag = r.get(r.blob_path(blob.digest)).header("etag")
    if etag is None or etag.startswith("W/"):
        r.skip("blobs have no strong ETag")
    return blob, etag


@case("R-034", category=PULL, api=RANGE)
def if_range_same(r: Registry) -> None:
    """If-Range with the blob's ETag gives the part."""
    blob, etag = tagged(r)
    gives(r, part(r, blob, "500-1499", ("If-Range", etag)), blob, 500, 1499, "R-034")


OTHERS = {"another": '"another"', "a weak one": "W/{etag}", "an old date": "Thu, 01 Jan 1970 00:00:00 GMT"}


@case("R-034", category=PULL, api=RANGE, variants=tuple(OTHERS))
def if_range_other(r: Registry, variant: str) -> None:
    """If-Range with anything but the blob's ETag gives the whole blob ({variant})."""
    blob, etag = tagged(r)
    value = OTHERS[variant].replace("{etag}", etag)
    whole(r, part(r, blob, "500-1499", ("If-Range", value)), blob, "R-034", f"If-Range: {value}")


@case("R-034", category=PULL, api=RANGE)
def beside_if_range(r: Registry) -> None:
    """A range that lies beside the blob, with an If-Range that does not hold, gives the whole blob."""
    blob, _ = tagged(r)
    whole(r, part(r, blob, "5000-9999", ("If-Range", '"another"')), blob, "R-034", 'If-Range: "another"')


@case("R-034", category=PULL, api="Manifest get by digest")
def manifest(r: Registry) -> None:
    """A range of a manifest gives that part, or all of it: never bytes that are neither."""
    image = r.push_image()
    answer = r.get(r.manifest_path(image.digest), [("Range", "bytes=10-29"), *ACCEPT])
    tolerated(r, answer, image, "R-034", "bytes=10-29 of a manifest")
