"""Uploads with several writers, and with connections that end too early."""

import re
import time
from dataclasses import replace

from conformance.case import case
from conformance.cases.uploads.steps import Upload, absent, begin, end_of, present, sent
from conformance.client.registry import OCTETS, Content, Registry
from conformance.model import Category

PUSH = Category.PUSH
WRITERS = 4


@case("R-085", category=PUSH, api="Blob chunked")
def same_chunk_at_once(r: Registry) -> None:
    """Of several chunks for one place, sent at once, exactly one is taken, whole."""
    upload = begin(r)
    contents = [r.content(upload.piece) for _ in range(WRITERS)]
    place = ("Content-Range", f"0-{upload.piece - 1}")
    answers = r.together(
        *(lambda view, c=content: view.patch(upload.location, [OCTETS, place], c.data) for content in contents)
    )
    taken = [content for content, answer in zip(contents, answers, strict=True) if answer.status == 202]
    statuses = [answer.status for answer in answers]
    r.that(len(taken) == 1, "R-085", "one of them answered 202", statuses)
    r.that(all(status < 500 for status in statuses), "R-085", "no server error", statuses)
    upload.location = next(str(answer.location) for answer in answers if answer.status == 202)
    upload.close(taken[0], by="R-085")


@case("R-085", category=PUSH, api="Blob streaming")
def streams_at_once(r: Registry) -> None:
    """Of several parts without a place, sent at once, those that are accepted come one after the other."""
    upload = begin(r)
    contents = [r.content(1000) for _ in range(WRITERS)]
    answers = r.together(
        *(lambda view, c=content: view.patch(upload.location, [OCTETS], c.data) for content in contents)
    )
    accepted = {
        end_of(r, answer, "R-085"): (content.data, answer)
        for content, answer in zip(contents, answers, strict=True)
        if answer.status == 202
    }
    statuses = [answer.status for answer in answers]
    r.that(accepted, "R-085", "at least one of them answered 202", statuses)
    r.that(len(accepted) == statuses.count(202), "R-085", "a different Range for each of them", sorted(accepted))
    content = Content(b"".join(accepted[end][0] for end in sorted(accepted)))
    upload.location = r.location(accepted[max(accepted)][1], "R-085")
    upload.close(content, by="R-085")


@case("R-085", category=PUSH, api="Blob post put")
def closed_at_once(r: Registry) -> None:
    """Of several closing PUTs for different blobs, sent at once, one makes its blob, and the others make none."""
    upload = begin(r)
    contents = [r.content() for _ in range(WRITERS)]
    answers = r.together(
        *(lambda view, c=content: view.put(upload.location, [OCTETS], c.data, digest=c.digest) for content in contents)
    )
    statuses = [answer.status for answer in answers]
    r.that(statuses.count(201) == 1, "R-085", "one of them answered 201", statuses)
    r.that(all(status < 500 for status in statuses), "R-085", "no server error", statuses)
    for content, answer in zip(contents, answers, strict=True):
        if answer.status == 201:
            present(r, "R-085", content)
        else:
            absent(r, "R-085", content.digest)


@case("R-060", category=PUSH, api="Blob post put")
def same_blob_at_once(r: Registry) -> None:
    """The same blob is pushed many times at once, to two repositories, and every push succeeds."""
    content = r.content(20_000)

    # All are open before the first one ends, however busy the machine is.
    uploads = [begin(r, name) for name in (r.name, r.other) * WRITERS]

    def push(view: Registry, upload: Upload) -> None:
        replace(upload, r=view).close(content, content.data, by="R-060")

    r.together(*(lambda view, u=upload: push(view, u) for upload in uploads))
    present(r, "R-060", content, r.name)
    present(r, "R-060", content, r.other)


@case("R-060", category=PUSH, api="Blob chunked")
def uploads_at_once(r: Registry) -> None:
    """Different blobs are pushed in chunks at once to one repository, and none takes another's bytes."""
    contents = [r.content(2048) for _ in range(WRITERS)]
    # All are open before the first chunk comes, however busy the machine is.
    uploads = [begin(r) for _ in contents]

    def push(view: Registry, upload: Upload, content: Content) -> None:
        upload = replace(upload, r=view)
        half = max(upload.piece, content.size // 2)
        upload.chunk(content.data[:half], 0)
        upload.close(content, content.data[half:], half if half < content.size else None, by="R-060")

    pairs = zip(uploads, contents, strict=True)
    r.together(*(lambda view, u=upload, c=content: push(view, u, c) for upload, content in pairs))


@case("R-090", "R-079", category=PUSH, api="Blob chunked")
def cut_and_continued(r: Registry) -> None:
    """After a connection was cut within a chunk the status names no byte that was not sent, and the upload goes on."""
    upload = begin(r)
    content = r.content(4 * upload.piece)
    upload.chunk(content.data[: upload.piece], 0)
    part = content.data[upload.piece : 2 * upload.piece]
    place = f"Content-Range: {upload.piece}-{content.size - 1}\r\n"
    sent(r, "PATCH", upload.location, content.size - upload.piece, part, more=place, half_close=True)
    size = settled(r, upload)
    least, most = upload.piece, 2 * upload.piece
    r.that(least <= size <= most, "R-090", f"Range: 0-{least - 1} to 0-{most - 1}", f"Range: 0-{size - 1}")
    upload.chunk(content.data[size:], size)
    upload.close(content)


@case("R-060", category=PUSH, api="Blob post put")
def cut_and_repeated(r: Registry) -> None:
    """After a connection was cut within a closing PUT there is no blob, and a new upload of it succeeds."""
    content = r.content(4096)
    location = r.url(begin(r).location, digest=content.digest)
    sent(r, "PUT", location, content.size, content.data[:1000], half_close=True)
    # Nobody waits for the end of a request whose client has gone.
    time.sleep(0.2)
    absent(r, "R-060", content.digest)
    begin(r).close(content, content.data, by="R-060")


@case("C-28", category=Category.INTEROP, api="Blob post put")
def expect_continue(r: Registry) -> None:
    """Expect: 100-continue is answered before the body comes, and the push succeeds."""
    content = r.content()
    location = r.url(begin(r).location, digest=content.digest)
    answer = sent(r, "PUT", location, content.size, content.data, more="Expect: 100-continue\r\n", pause=0.3)
    statuses = re.findall(rb"^HTTP/1\.1 ([0-9]{3})", answer, re.MULTILINE)
    r.that(statuses == [b"100", b"201"], "C-28", "100 and then 201", statuses)
    present(r, "C-28", content)


def settled(r: Registry, upload: Upload) -> int:
    """The size in the status, once it stands still: a server may notice late that a client is gone."""
    before = -1
    for _ in range(20):
        answer = r.get(upload.location)
        if answer.status == 404:
            r.skip("an upload whose connection was cut is dropped")
        if answer.status in (400, 405):
            break
        if answer.status == 204:
            size = end_of(r, answer, "R-090") + 1
            upload.location = r.location(answer, "R-090")
            if size == before:
                return size
            before = size
        time.sleep(0.05)
    r.status(answer, 204, "R-090", "the status after a cut")
    return before
