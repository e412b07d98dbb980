"""Pushing a blob in chunks and as a stream, all in order."""

from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from conformance.case import case
from conformance.cases.uploads.steps import (
    ALGORITHMS,
    absent,
    begin,
    end_of,
    kept,
    located,
    pieces,
    three_chunks,
)
from conformance.client.registry import OCTETS, Registry
from conformance.client.wire import pieces_of
from conformance.model import Category

PUSH = Category.PUSH


@case(
    "R-079",
    "R-070",
    category=PUSH,
    api="Blob chunked",
    data="Blobs {variant}",
    official="chunked single",
    variants=ALGORITHMS,
)
def single(r: Registry, algorithm: str) -> None:
    """A blob is pushed in one chunk ({variant})."""
    r.needs(algorithm)
    upload = begin(r)
    content = r.content(upload.piece, algorithm)
    upload.chunk(content.data, 0)
    located(r, upload.close(content), content, "R-079")


@case(
    "R-078",
    "R-079",
    category=PUSH,
    api="Blob chunked",
    data="Blobs {variant}",
    official="chunked multi",
    variants=ALGORITHMS,
)
def several(r: Registry, algorithm: str) -> None:
    """A blob is pushed in three chunks and closed by an empty PUT ({variant})."""
    r.needs(algorithm)
    upload = begin(r)
    content, chunks = three_chunks(r, upload, algorithm)
    for start, data in chunks:
        upload.chunk(data, start)
    located(r, upload.close(content, by="R-078"), content, "R-079")


@case(
    "R-078",
    "R-079",
    category=PUSH,
    api="Blob chunked",
    data="Blobs {variant}",
    official="chunked multi and put chunk",
    variants=ALGORITHMS,
)
def last_in_put(r: Registry, algorithm: str) -> None:
    """A blob is pushed in three chunks, the last of them in the closing PUT ({variant})."""
    r.needs(algorithm)
    upload = begin(r)
    content, [*chunks, (last, rest)] = three_chunks(r, upload, algorithm)
    for start, data in chunks:
        upload.chunk(data, start)
    located(r, upload.close(content, rest, last, by="R-078"), content, "R-079")


@case("R-078", category=PUSH, api="Blob chunked")
def last_in_put_without_range(r: Registry) -> None:
    """The last bytes come in a closing PUT that says no Content-Range."""
    upload = begin(r)
    content, [*chunks, (_, rest)] = three_chunks(r, upload)
    for start, data in chunks:
        upload.chunk(data, start)
    upload.close(content, rest, by="R-078")


@case("R-070", category=PUSH, api="Blob chunked")
def only_in_put(r: Registry) -> None:
    """The closing PUT brings the only chunk, with its Content-Range."""
    content = r.content()
    begin(r).close(content, content.data, 0, by="R-070")


@case("R-070", "R-079", category=PUSH, api="Blob chunked")
def many(r: Registry) -> None:
    """A blob is pushed in forty chunks."""
    upload = begin(r)
    count = 40 if upload.piece < 65536 else 4
    content = r.content(count * upload.piece)
    for start, data in pieces(content.data, upload.piece):
        upload.chunk(data, start)
    upload.close(content)


@case("R-072", "R-073", category=PUSH, api="Blob chunked")
def range_grows(r: Registry) -> None:
    """Range tells after every chunk all that has come so far, without a unit."""
    upload = begin(r)
    _, chunks = three_chunks(r, upload)
    for start, data in chunks:
        answer = upload.chunk(data, start)
        value = answer.header("range") or ""
        r.that("=" not in value and " " not in value.strip(), "R-073", "a Range without a unit", value)
        end = start + len(data) - 1
        r.that(value == f"0-{end}", "R-072", f"Range: 0-{end}", f"Range: {value}" if value else "none")


@case("R-078", category=PUSH, api="Blob chunked")
def nothing_before_the_end(r: Registry) -> None:
    """All bytes of a blob have come, but before the closing PUT it is not there."""
    upload = begin(r)
    content = r.content(upload.piece)
    upload.chunk(content.data, 0)
    absent(r, "R-078", content.digest)
    upload.close(content, by="R-078")


@case("R-074", category=PUSH, api="Blob chunked")
def earlier_locations(r: Registry) -> None:
    """The first Location of an upload goes on working for chunks and for the end."""
    upload = begin(r)
    content, chunks = three_chunks(r, upload)
    first = upload.location
    for start, data in chunks:
        upload.location = first
        upload.take(upload.patch(data, start), "R-074")
    kept(r, r.put(first, digest=content.digest), content, "R-074")


@case(
    "R-081",
    category=PUSH,
    api="Blob streaming",
    data="Blobs {variant}",
    official="stream",
    variants=ALGORITHMS,
)
def stream(r: Registry, algorithm: str) -> None:
    """A blob is pushed by a PATCH that says neither length nor range ({variant})."""
    r.needs(algorithm)
    upload = begin(r)
    content = r.content(3000, algorithm)
    answer = upload.take(upload.patch(list(pieces_of(content.data, 700))), "R-081")
    end = end_of(r, answer, "R-081")
    r.that(end == content.size - 1, "R-081", f"Range: 0-{content.size - 1}", f"Range: 0-{end}")
    located(r, upload.close(content, by="R-081"), content, "R-079")


@case("R-081", category=PUSH, api="Blob streaming")
def stream_with_length(r: Registry) -> None:
    """A blob is pushed by a PATCH with a length and without Content-Range."""
    upload = begin(r)
    content = r.content()
    upload.take(upload.patch(content.data), "R-081")
    upload.close(content, by="R-081")


@case("R-081", category=PUSH, api="Blob streaming")
def stream_in_parts(r: Registry) -> None:
    """Each PATCH without Content-Range goes on where the last one ended, whatever its form."""
    upload = begin(r)
    content, chunks = three_chunks(r, upload)
    for number, (start, data) in enumerate(chunks):
        answer = upload.take(upload.patch(list(pieces_of(data, 500)) if number == 1 else data), "R-081")
        end = end_of(r, answer, "R-081")
        wanted = start + len(data) - 1
        r.that(end == wanted, "R-081", f"Range: 0-{wanted}", f"Range: 0-{end}")
    upload.close(content, by="R-081")


@case("R-082", category=PUSH, api="Blob chunked")
def without_content_type(r: Registry) -> None:
    """PATCH and PUT are accepted without a Content-Type."""
    upload = begin(r)
    content, ((_, first), *_) = three_chunks(r, upload)
    upload.take(r.patch(upload.location, [("Content-Range", f"0-{len(first) - 1}")], first), "R-082")
    kept(r, r.put(upload.location, (), content.data[len(first) :], digest=content.digest), content, "R-082")


@case("R-080", category=PUSH, api="Blob chunked")
def closing_without_digest(r: Registry) -> None:
    """A closing PUT that names no digest is answered 400, and makes no blob."""
    upload = begin(r)
    content = r.content(upload.piece)
    upload.chunk(content.data, 0)
    answer = r.put(upload.location)
    r.status(answer, 400, "R-080")
    r.error(answer, "DIGEST_INVALID", "R-080")
    absent(r, "R-080", content.digest)


@case("C-12", category=Category.INTEROP, api="Blob chunked")
def query_rewritten(r: Registry) -> None:
    """An upload's Location works with its query encoded anew, sorted, with the digest first and a key of nobody's."""
    upload = begin(r)
    content = r.content()

    def rewritten(**more: str) -> str:
        parts = urlsplit(upload.location)
        pairs = sorted([*parse_qsl(parts.query, keep_blank_values=True), *more.items()])
        return urlunsplit(parts._replace(query=urlencode(pairs, quote_via=quote)))

    upload.take(r.patch(rewritten(aaa="1"), [OCTETS], content.data), "C-12")
    kept(r, r.put(rewritten(aaa="1", digest=content.digest)), content, "C-12")
