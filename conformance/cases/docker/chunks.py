"""docker-distribution's wire: uploads in parts, their order, and what remains after a part went wrong."""

import re
from urllib.parse import urljoin

from conformance.case import case
from conformance.cases.docker.steps import fine, refused
from conformance.cases.uploads.races import settled
from conformance.cases.uploads.steps import Upload, begin, end_of, pieces, present, sent
from conformance.client.registry import OCTETS, Content, Registry
from conformance.client.wire import Answer, Body, pieces_of
from conformance.model import Category

DOCKER = Category.DOCKER
CHUNKS, STREAM = "Blob chunked", "Blob streaming"


def started(r: Registry) -> tuple[Upload, Content]:
    """An upload that has the first of three parts of its content."""
    upload = begin(r)
    content = r.content(3 * upload.piece)
    upload.chunk(content.data[: upload.piece], 0)
    return upload, content


def goes_on(upload: Upload, content: Content, requirement: str) -> None:
    """The first part is still all that there is, and the upload can be finished."""
    found = upload.received(requirement)
    upload.r.that(found == upload.piece, requirement, f"Range: 0-{upload.piece - 1}", f"Range: 0-{found - 1}")
    for start, part in pieces(content.data, upload.piece)[1:]:
        upload.take(upload.patch(part, start), requirement)
    upload.close(content, by=requirement)


def placed(upload: Upload, place: str, data: Body) -> Answer:
    return upload.r.patch(upload.location, [OCTETS, ("Content-Range", place)], data)


@case("D-U9", category=DOCKER, api=STREAM)
def one_patch(r: Registry) -> None:
    """A PATCH with all bytes, the status and the PUT agree."""
    content = r.content(5000)
    upload = begin(r)
    answer = upload.take(upload.patch(content.data), "D-U9")
    r.header(answer, "range", "0-4999", "D-U9")
    r.that(upload.received("D-U9") == content.size, "D-U9", "Range: 0-4999 in the status", "another")
    upload.close(content, by="D-U9")


@case("D-U10", category=DOCKER, api=CHUNKS, variants=("2", "5"))
def in_chunks(r: Registry, count: str) -> None:
    """Each of {variant} chunks is answered 202 with a Range that has grown."""
    upload = begin(r)
    content = r.content(int(count) * upload.piece)
    for start, part in pieces(content.data, upload.piece):
        answer = upload.take(upload.patch(part, start), "D-U10")
        end = end_of(r, answer, "D-U10")
        r.that(end == start + len(part) - 1, "D-U10", f"Range: 0-{start + len(part) - 1}", f"Range: 0-{end}")
    upload.close(content, by="D-U10")


@case("D-U11", category=DOCKER, api=CHUNKS, variants=("too long", "too short"))
def other_length(r: Registry, variant: str) -> None:
    """A Content-Range that is {variant} for its body is refused with SIZE_INVALID."""
    upload, content = started(r)
    size = upload.piece + (100 if variant == "too long" else -100)
    answer = placed(upload, f"{upload.piece}-{upload.piece + size - 1}", content.data[upload.piece : 2 * upload.piece])
    refused(r, answer, 400, "SIZE_INVALID", "D-U11", f"a Content-Range that is {variant}")


@case("D-U12", category=DOCKER, api=CHUNKS)
def gap(r: Registry) -> None:
    """A chunk that leaves a gap is answered 416, and changes nothing."""
    upload, content = started(r)
    answer = upload.patch(content.data[2 * upload.piece :], 2 * upload.piece)
    r.status(answer, 416, "D-U12", "a chunk after a gap")
    goes_on(upload, content, "D-U12")


@case("D-U12", category=DOCKER, api=CHUNKS)
def gap_at_the_start(r: Registry) -> None:
    """A first chunk that does not start at 0 is answered 416."""
    upload = begin(r)
    r.status(upload.patch(r.content(upload.piece).data, 3), 416, "D-U12", "a first chunk from 3 on")


@case("D-U13", category=DOCKER, api=CHUNKS)
def overlap(r: Registry) -> None:
    """A chunk that starts within what came is answered 416, and changes nothing."""
    upload, content = started(r)
    answer = upload.patch(content.data[upload.piece - 100 : 2 * upload.piece], upload.piece - 100)
    r.status(answer, 416, "D-U13", "an overlapping chunk")
    goes_on(upload, content, "D-U13")


UNREADABLE = ("9-3", "abc", "1-", "-5", "bytes", "99999999999999999999999-99999999999999999999999")


@case("D-U14", category=DOCKER, api=CHUNKS, variants=UNREADABLE)
def unreadable(r: Registry, place: str) -> None:
    """Content-Range: {variant} is answered 416 or 400, and the upload goes on."""
    upload, content = started(r)
    r.status(placed(upload, place, b"seven b"), (400, 416), "D-U14", f"Content-Range: {place}")
    goes_on(upload, content, "D-U14")


@case("D-U15", category=DOCKER, api=CHUNKS)
def place_of_a_stream(r: Registry) -> None:
    """Content-Range counts for a body in chunked transfer coding too: a gap is answered 416."""
    upload, content = started(r)
    rest = content.data[2 * upload.piece :]
    answer = placed(upload, f"{2 * upload.piece}-{content.size - 1}", pieces_of(rest, 500))
    r.status(answer, 416, "D-U15", "a stream after a gap")
    goes_on(upload, content, "D-U15")


@case("D-U16", category=DOCKER, api=CHUNKS)
def chunk_again(r: Registry) -> None:
    """A chunk sent again to the Location it was sent to is answered 416 with Location and Range."""
    upload = begin(r)
    content = r.content(2 * upload.piece)
    first = upload.location
    part = content.data[: upload.piece]
    upload.chunk(part, 0)
    answer = r.patch(first, [OCTETS, ("Content-Range", f"0-{upload.piece - 1}")], part)
    r.status(answer, 416, "D-U16", "a chunk sent again")
    r.header(answer, "range", f"0-{upload.piece - 1}", "D-U16")
    upload.location = r.location(answer, "D-U16")
    upload.take(upload.patch(content.data[upload.piece :], upload.piece), "D-U16")
    upload.close(content, by="D-U16")


@case("D-U19", category=DOCKER, api=CHUNKS, variants=("placed", "not placed"))
def last_chunk_in_put(r: Registry, variant: str) -> None:
    """The PUT may bring the last chunk, and the blob is all bytes ({variant})."""
    upload, content = started(r)
    start = upload.piece if variant == "placed" else None
    upload.close(content, content.data[upload.piece :], start, by="D-U19")


@case("D-U22", category=DOCKER, api=STREAM)
def cut_patch(r: Registry) -> None:
    """After a connection was cut within a PATCH the status is right, and the upload is continued and finished."""
    upload, content = started(r)
    more = f"Content-Range: {upload.piece}-{content.size - 1}\r\n"
    part = content.data[upload.piece : 2 * upload.piece]
    sent(r, "PATCH", upload.location, content.size - upload.piece, part, more=more, half_close=True)
    size = settled(r, upload)
    span = f"{upload.piece} to {2 * upload.piece} bytes"
    r.that(upload.piece <= size <= 2 * upload.piece, "D-U22", span, f"{size} bytes")
    upload.take(upload.patch(content.data[size:], size), "D-U22")
    upload.close(content, by="D-U22")


@case("D-U24", category=DOCKER, api=CHUNKS)
def two_at_once(r: Registry) -> None:
    """Of two chunks for the same place, sent at once, one is taken."""
    upload, content = started(r)
    contents = [r.content(upload.piece) for _ in range(2)]
    place = f"{upload.piece}-{2 * upload.piece - 1}"
    answers = r.together(
        *(lambda v, c=c: v.patch(upload.location, [OCTETS, ("Content-Range", place)], c.data) for c in contents)
    )
    statuses = [answer.status for answer in answers]
    r.that(statuses.count(202) == 1, "D-U24", "one of two answered 202", statuses)
    for answer in answers:
        fine(r, answer, "D-U24", "a chunk that came too late")
    winner = statuses.index(202)
    upload.take(answers[winner], "D-U24")
    upload.close(Content(content.data[: upload.piece] + contents[winner].data), by="D-U24")


FRAMES = ("length", "chunked", "length, expecting 100", "chunked, expecting 100")


@case("D-U25", category=DOCKER, api=STREAM, variants=FRAMES)
def framing(r: Registry, frame: str) -> None:
    """A body is taken however it is framed ({variant})."""
    content = r.content(3000)
    upload = begin(r)
    more = "Expect: 100-continue\r\n" if "expecting" in frame else ""
    if "expecting" in frame and "chunked" not in frame:
        answer = sent(r, "PATCH", upload.location, content.size, content.data, more=more, pause=0.2)
        statuses = re.findall(rb"^HTTP/1\.1 ([0-9]{3})", answer, re.MULTILINE)
        r.that(statuses[-1:] == [b"202"], "D-U25", "202 in the end", statuses)
        found = re.search(rb"^Location:[ \t]*([^\r\n]+)", answer, re.MULTILINE | re.IGNORECASE)
        r.that(found, "D-U25", "a Location header", answer[:300])
        assert found
        upload.location = urljoin(upload.location, found[1].decode("latin-1").strip())
    else:
        body = pieces_of(content.data, 700) if "chunked" in frame else content.data
        headers = [OCTETS, ("Expect", "100-continue")] if more else [OCTETS]
        upload.take(r.patch(upload.location, headers, body), "D-U25")
    upload.close(content, by="D-U25")
    present(r, "D-U25", content)
