"""Opening an upload: the POST, its Location, and what it may be told."""

import re
from typing import Any
from urllib.parse import urlsplit

from conformance.case import case
from conformance.cases.uploads.steps import ALGORITHMS, MINIMUM, begin, kept, pieces
from conformance.client.registry import OCTETS, Registry
from conformance.model import Category

PUSH = Category.PUSH


@case("R-050", category=PUSH, api="Blob push")
def opened(r: Registry) -> None:
    """A POST opens an upload and says where to push to."""
    begin(r)


@case("R-051", category=PUSH, api="Blob push")
def sessions_of_their_own(r: Registry) -> None:
    """Uploads of one repository have Locations of their own, and the bytes of one never end in another."""
    uploads = [begin(r) for _ in range(3)]
    paths = {upload.location for upload in uploads}
    r.that(len(paths) == len(uploads), "R-051", "three different Locations", sorted(paths))
    contents = [r.content() for _ in uploads]
    for upload, content in zip(uploads, contents, strict=True):
        upload.take(upload.patch(content.data, 0), "R-051")
    for upload, content in zip(reversed(uploads), reversed(contents), strict=True):
        upload.close(content, by="R-051")


@case("R-054", category=PUSH, api="Blob push")
def usual_location(r: Registry) -> None:
    """An upload's Location has the form /v2/<name>/blobs/uploads/<id>."""
    path = urlsplit(begin(r).location).path
    r.that(re.search(rf"/v2/{re.escape(r.name)}/blobs/uploads/[^/]+/?$", path), "R-054", "the usual form", path)


@case("R-055", category=PUSH, api="Blob push")
def without_content_length(r: Registry) -> None:
    """A POST without Content-Length opens an upload."""
    path = r.uploads_path()
    login = "".join(f"{name}: {value}\r\n" for name, value in r.credentials("POST", path))
    head = f"POST {urlsplit(r.url(path)).path} HTTP/1.1\r\nHost: {{host}}\r\n{login}Connection: close\r\n\r\n"
    answer = r.raw(head.encode())
    first = answer.partition(b"\r\n")[0].decode("latin-1")
    r.that(re.match(r"HTTP/1\.[01] 202", first), "R-055", "status 202", first or "nothing")
    r.that(re.search(rb"\r\nlocation: *\S", answer, re.IGNORECASE), "R-055", "a Location header", answer[:500])


@case("R-056", category=PUSH, api="Blob push", data="Blobs {variant}", variants=ALGORITHMS)
def algorithm_named(r: Registry, algorithm: str) -> None:
    """The algorithm is named when the upload is opened, and the blob arrives in chunks ({variant})."""
    r.needs(algorithm)
    upload = begin(r, **{"digest-algorithm": algorithm})
    content = r.content(2 * upload.piece - 5, algorithm)
    for start, data in pieces(content.data, upload.piece):
        upload.chunk(data, start)
    upload.close(content, by="R-056")


@case("R-056", category=PUSH, api="Blob push", data="Blobs sha512")
def algorithm_named_last(r: Registry) -> None:
    """The sha512 digest is named only by the closing PUT, after all bytes came."""
    r.needs("sha512")
    upload = begin(r)
    content = r.content(2 * upload.piece - 5, "sha512")
    for start, data in pieces(content.data, upload.piece):
        upload.chunk(data, start)
    upload.close(content, by="R-056")


@case("R-056", category=PUSH, api="Blob push")
def unknown_algorithm_named(r: Registry) -> None:
    """An upload for an algorithm that nobody has is refused with 400."""
    query: dict[str, Any] = {"digest-algorithm": "sha0"}
    answer = r.post(r.uploads_path(), [("Content-Length", "0")], **query)
    r.status(answer, 400, "R-056")


@case("R-057", category=PUSH, api="Blob chunked")
def smallest_chunk(r: Registry) -> None:
    """Chunks of exactly OCI-Chunk-Min-Length are taken, and a last one of a single byte."""
    answer = r.post(r.uploads_path(), [("Content-Length", "0")])
    r.status(answer, 202, "R-050")
    told = answer.header(MINIMUM)
    if told is None:
        r.skip("no smallest length of a chunk is named")
    r.that(re.fullmatch("[0-9]+", told), "R-057", f"a number of bytes in {MINIMUM}", told)
    upload = begin(r)
    content = r.content(2 * max(int(told), 1) + 1)
    for start, data in pieces(content.data, max(int(told), 1)):
        upload.chunk(data, start)
    upload.close(content, by="R-057")


@case("R-057", category=PUSH, api="Blob chunked")
def small_chunks(r: Registry) -> None:
    """Where no smallest length is named, chunks of one byte are taken."""
    answer = r.post(r.uploads_path(), [("Content-Length", "0")])
    r.status(answer, 202, "R-050")
    if (answer.header(MINIMUM) or "0").strip() not in ("0", "1"):
        r.skip("a smallest length of a chunk is named")
    upload = begin(r)
    content = r.content(3)
    for start, data in pieces(content.data, 1):
        upload.take(upload.patch(data, start), "R-057")
    upload.close(content, by="R-057")


@case("R-058", category=PUSH, api="Blob push")
def new_repository(r: Registry) -> None:
    """A repository that is not there yet comes into being when it is pushed to."""
    name = f"{r.name}/{r.tag('new')}"
    answer = r.post(r.uploads_path(name), [("Content-Length", "0")])
    r.status(answer, (202, 401, 403, 404), "R-058")
    if answer.status != 202:
        r.skip("repositories are not created by a push")
    content = r.content()
    pushed = r.put(r.location(answer, "R-050"), [OCTETS], content.data, digest=content.digest)
    kept(r, pushed, content, "R-058", name)
