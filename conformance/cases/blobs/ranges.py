"""Parts of a blob: one range and what is beside the blob."""

import re
from collections.abc import Sequence

from conformance.case import case
from conformance.cases.steps import ALGORITHMS
from conformance.client.registry import Content, Registry
from conformance.client.wire import Answer
from conformance.model import Category

PULL = Category.PULL
RANGE = "Blob get range"
SIZE = 2048


def blob_of(r: Registry, algorithm: str = "sha256", size: int = SIZE) -> Content:
    r.needs(algorithm)
    return r.push_blob(r.content(size, algorithm))


def part(r: Registry, blob: Content, ranges: str, *more: tuple[str, str]) -> Answer:
    return r.get(r.blob_path(blob.digest), [("Range", f"bytes={ranges}"), *more])


def place(r: Registry, answer: Answer, size: int, requirement: str) -> tuple[int, int]:
    """First and last byte of a 206, as it says. The size of the blob may be left open."""
    told = answer.header("content-range") or ""
    found = re.fullmatch(r"bytes ([0-9]+)-([0-9]+)/([0-9]+|\*)", told)
    r.that(found, requirement, "Content-Range: bytes <first>-<last>/<size>", f"Content-Range: {told}")
    assert found
    r.that(found[3] in ("*", str(size)), requirement, f"Content-Range of {size} bytes", told)
    return int(found[1]), int(found[2])


def gives(r: Registry, answer: Answer, blob: Content, first: int, last: int, requirement: str = "R-033") -> None:
    """206 with just these bytes; skips where the registry answers with the whole blob instead."""
    if answer.status == 200:
        r.body(answer, blob.data, requirement)
        r.skip("ranges are not supported")
    r.status(answer, 206, requirement)
    told = place(r, answer, blob.size, requirement)
    r.that(told == (first, last), requirement, f"Content-Range: bytes {first}-{last}/{blob.size}", told)
    length = answer.header("content-length")
    r.that(length in (None, str(last - first + 1)), requirement, f"Content-Length: {last - first + 1}", length)
    r.body(answer, blob.data[first : last + 1], requirement)


def whole(r: Registry, answer: Answer, blob: Content, requirement: str, what: str) -> None:
    r.status(answer, 200, requirement, what)
    r.body(answer, blob.data, requirement)


def tolerated(
    r: Registry, answer: Answer, blob: Content, requirement: str, what: str, also: Sequence[int] = ()
) -> None:
    """Any of the answers that RFC 9110 leaves open, and no wrong bytes."""
    r.status(answer, (200, 206, 416, *also), requirement, what)
    if answer.status == 200:
        r.body(answer, blob.data, requirement)
    elif answer.status == 206:
        first, last = place(r, answer, blob.size, requirement)
        r.body(answer, blob.data[first : last + 1], requirement)


INSIDE = {
    "500-1499": (500, 1499),
    "500-": (500, SIZE - 1),
    "-500": (SIZE - 500, SIZE - 1),
    "2000-5000": (2000, SIZE - 1),
    "0-0": (0, 0),
    "0-1": (0, 1),
    "2047-2047": (SIZE - 1, SIZE - 1),
    "2047-": (SIZE - 1, SIZE - 1),
    "-1": (SIZE - 1, SIZE - 1),
    "0-": (0, SIZE - 1),
    "0-2047": (0, SIZE - 1),
    "1-2048": (1, SIZE - 1),
}


OFFICIAL = ("500-1499", "500-", "-500", "2000-5000")


@case("R-033", category=PULL, api=RANGE, official="range requests/range {variant}", variants=OFFICIAL)
def inside(r: Registry, ranges: str) -> None:
    """A range of a blob gives these bytes and no others ({variant} of 2048)."""
    blob = blob_of(r)
    gives(r, part(r, blob, ranges), blob, *INSIDE[ranges])


@case("R-033", category=PULL, api=RANGE, variants=tuple(ranges for ranges in INSIDE if ranges not in OFFICIAL))
def at_the_ends(r: Registry, ranges: str) -> None:
    """A range that begins or ends where the blob does gives these bytes and no others ({variant} of 2048)."""
    blob = blob_of(r)
    gives(r, part(r, blob, ranges), blob, *INSIDE[ranges])


@case("R-033", category=PULL, api=RANGE, data="Blobs {variant}", variants=ALGORITHMS)
def resumed(r: Registry, algorithm: str) -> None:
    """A pull that broke off is gone on with: the parts together are the blob ({variant})."""
    blob = blob_of(r, algorithm, 300_001)
    for first, last in ((0, 65_535), (65_536, 196_606), (196_607, 300_000)):
        gives(r, part(r, blob, f"{first}-{last if last < 300_000 else ''}"), blob, first, last)


def refused(r: Registry, ranges: str) -> None:
    blob = blob_of(r)
    answer = part(r, blob, ranges)
    if answer.status == 200:
        r.body(answer, blob.data, "R-033")
        r.skip("ranges are not supported")
    r.status(answer, 416, "R-033", f"bytes={ranges} of {SIZE} bytes")


@case("R-033", category=PULL, api=RANGE, official="range requests/range 5000-10000")
def far_beside(r: Registry) -> None:
    """A range that lies behind the blob is answered 416 (5000-10000 of 2048)."""
    refused(r, "5000-10000")


@case("R-033", category=PULL, api=RANGE, variants=("2048-", "2048-2048", "-0"))
def beside(r: Registry, ranges: str) -> None:
    """A range in which no byte of the blob lies is answered 416 ({variant} of 2048)."""
    refused(r, ranges)


@case("R-034", category=PULL, api=RANGE)
def beside_explained(r: Registry) -> None:
    """A 416 tells the size of the blob in Content-Range, and the next range is served again."""
    blob = blob_of(r)
    answer = part(r, blob, "5000-10000")
    if answer.status == 200:
        r.skip("ranges are not supported")
    r.status(answer, 416, "R-033")
    r.header(answer, "content-range", f"bytes */{SIZE}", "R-034")
    gives(r, part(r, blob, "500-1499"), blob, 500, 1499)


@case("R-034", category=PULL, api=RANGE, official="range requests/range 500-0")
def backwards(r: Registry) -> None:
    """A range that ends before it starts is refused with 416 or 400, or ignored as RFC 9110 allows."""
    blob = blob_of(r)
    answer = part(r, blob, "500-0")
    if answer.status == 200:
        r.body(answer, blob.data, "R-034")
        r.skip("a range that ends before it starts is ignored")
    r.status(answer, (416, 400), "R-034", "bytes=500-0")


@case("R-034", category=PULL, api=RANGE)
def suffix_too_long(r: Registry) -> None:
    """A suffix longer than the blob gives all of it."""
    blob = blob_of(r)
    answer = part(r, blob, "-5000")
    if answer.status == 206:
        gives(r, answer, blob, 0, SIZE - 1, "R-034")
    else:
        whole(r, answer, blob, "R-034", "bytes=-5000")


@case("R-034", category=PULL, api=RANGE, variants=("lines=0-9", "items=1", "x-bytes=0-9"))
def unknown_unit(r: Registry, value: str) -> None:
    """A range of a unit that nobody knows is ignored ({variant})."""
    blob = blob_of(r)
    whole(r, r.get(r.blob_path(blob.digest), [("Range", value)]), blob, "R-034", f"Range: {value}")


ODD = {
    "no number": "bytes=abc",
    "nothing": "bytes=",
    "only a hyphen": "bytes=-",
    "no equals sign": "bytes 0-9",
    "two hyphens": "bytes=0-9-20",
    "a sign": "bytes=+1-9",
    "hexadecimal": "bytes=0x1-0xf",
    "a huge end": f"bytes=0-{'9' * 30}",
    "a huge start": f"bytes={'9' * 30}-",
    "a huge suffix": f"bytes=-{'9' * 30}",
    "very long": f"bytes={'9' * 5000}-",
}


@case("R-034", category=PULL, api=RANGE, variants=tuple(ODD))
def odd(r: Registry, variant: str) -> None:
    """A Range that cannot be read, or not be met, is ignored or refused, never a server error ({variant})."""
    blob = blob_of(r)
    answer = r.get(r.blob_path(blob.digest), [("Range", ODD[variant])])
    tolerated(r, answer, blob, "R-034", f"Range: {ODD[variant][:60]}", (400, 431))


@case("R-034", category=PULL, api=RANGE, variants=("0-", "0-0", "-5"))
def of_nothing(r: Registry, ranges: str) -> None:
    """A range of a blob of zero bytes is answered 416, or 200 with nothing ({variant})."""
    blob = r.push_blob(Content(b""))
    answer = part(r, blob, ranges)
    r.status(answer, (200, 206, 416), "R-034", f"bytes={ranges} of nothing")
    r.that(answer.status == 416 or not answer.body, "R-034", "no bytes", answer.body[:100])


@case("R-034", category=PULL, api=RANGE)
def head(r: Registry) -> None:
    """HEAD ignores Range: 200 with the length of the whole blob."""
    blob = blob_of(r)
    answer = r.head(r.blob_path(blob.digest), [("Range", "bytes=500-1499")])
    r.status(answer, 200, "R-034", "HEAD with Range")
    length = answer.header("content-length")
    r.that(length in (None, str(SIZE)), "R-034", f"Content-Length: {SIZE}", length)


@case("R-032", category=PULL, api=RANGE)
def missing(r: Registry) -> None:
    """A range of a blob that is not there is answered 404."""
    r.push_blob(r.content())
    r.status(part(r, r.content(), "0-9"), 404, "R-032")


@case("I-012", category=PULL, api=RANGE)
def digest(r: Registry) -> None:
    """Docker-Content-Digest on a part, if it is there, is that of the blob and not of the part."""
    blob = blob_of(r)
    answer = part(r, blob, "500-1499")
    gives(r, answer, blob, 500, 1499)
    told = answer.header("docker-content-digest")
    if told is None or not told.startswith("sha256:"):
        r.skip("Docker-Content-Digest is not sent, or of another algorithm")
    r.that(told == blob.digest, "I-012", f"Docker-Content-Digest: {blob.digest}", told)
