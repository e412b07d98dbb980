"""Open uploads: their status, cancelling them, and those that are not, or no more, or somebody else's."""

import uuid
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from conformance.case import case
from conformance.cases.uploads.steps import absent, begin, end_of, three_chunks
from conformance.client.registry import OCTETS, Registry
from conformance.model import Category, Duty, Level

PUSH = Category.PUSH
STATUS = "Blob upload status"
CANCEL = "Blob upload cancel"


@case("R-090", "R-073", category=PUSH, api=STATUS)
def status(r: Registry) -> None:
    """The status of an upload says after every chunk how far it is, without a unit."""
    upload = begin(r)
    content, chunks = three_chunks(r, upload)
    for start, data in chunks:
        upload.chunk(data, start)
        answer = r.get(upload.location)
        r.status(answer, 204, "R-090")
        r.location(answer, "R-090")
        end = start + len(data) - 1
        r.header(answer, "Range", f"0-{end}", "R-073" if "=" in (answer.header("range") or "") else "R-090")
    upload.close(content)


@case("R-090", category=PUSH, api=STATUS)
def status_leads_on(r: Registry) -> None:
    """An upload is continued and closed at the Location that its status gives."""
    upload = begin(r)
    content, chunks = three_chunks(r, upload)
    for start, data in chunks:
        answer = r.get(upload.location)
        r.status(answer, 204, "R-090")
        upload.location = r.location(answer, "R-090")
        upload.take(upload.patch(data, start), "R-090")
    upload.location = r.location(r.get(upload.location), "R-090")
    upload.close(content, by="R-090")


@case("R-090", category=PUSH, api=STATUS)
def status_of_stream(r: Registry) -> None:
    """The status of an upload that came as a stream says how far it is."""
    upload = begin(r)
    content = r.content(1500)
    upload.take(upload.patch([content.data]), "R-081")
    received = upload.received()
    r.that(received == content.size, "R-090", f"Range: 0-{content.size - 1}", f"Range: 0-{received - 1}")


@case("R-090", category=PUSH, api=STATUS)
def status_at_the_url_used(r: Registry) -> None:
    """The status is told at the very URL of a closing PUT that was refused, digest and all."""
    upload = begin(r)
    content, ((_, first), *_) = three_chunks(r, upload)
    upload.chunk(first, 0)
    r.status(r.get(upload.location, digest=content.digest), 204, "R-090")


@case("R-091", category=PUSH, api=STATUS)
def status_of_nothing(r: Registry) -> None:
    """The status of an upload without bytes is 0-0 or 0--1."""
    answer = r.get(begin(r).location)
    r.status(answer, 204, "R-090")
    r.header(answer, "Range", lambda value: value in ("0-0", "0--1"), "R-091")


@case("R-091", category=PUSH, api="Blob push")
def no_end_before_the_start(r: Registry) -> None:
    """Where POST, or PATCH with no bytes, names a Range, it does not end before it starts."""
    opened = r.post(r.uploads_path(), [("Content-Length", "0")])
    r.status(opened, 202, "R-050")
    answers = [opened, r.patch(r.location(opened, "R-050"), [OCTETS], b"")]
    for answer in answers:
        if answer.status == 202 and answer.header("range") is not None:
            end = end_of(r, answer, "R-091")
            r.that(end >= 0, "R-091", "a Range with an end that is not below its start", answer.header("range"))


@case("R-092", category=PUSH, api=CANCEL, official="post cancel")
def cancelled(r: Registry) -> None:
    """A cancelled upload is answered 204, and is gone."""
    upload = begin(r)
    content = r.content(upload.piece)
    upload.chunk(content.data, 0)
    answer = r.delete(upload.location)
    if answer.status == 405:
        r.skip("uploads cannot be cancelled")
    r.status(answer, 204, "R-092")
    r.status(r.get(upload.location), 404, "R-092", "the status of a cancelled upload")
    r.status(upload.put(content.digest), 404, "R-092", "closing a cancelled upload")
    absent(r, "R-092", content.digest)


@case("R-092", category=PUSH, api=CANCEL, official="post cancel")
def cancelled_at_once(r: Registry) -> None:
    """An upload is cancelled before any byte came, and another one of the repository lives on."""
    upload, other = begin(r), begin(r)
    answer = r.delete(upload.location)
    if answer.status == 405:
        r.skip("uploads cannot be cancelled")
    r.status(answer, 204, "R-092")
    content = r.content()
    other.close(content, content.data, by="R-092")


@case("R-084", category=PUSH, api="Blob push", variants=("PATCH", "PUT"))
def unknown(r: Registry, method: str) -> None:
    """A request to an upload that never was is answered 404 ({variant})."""
    r.push_blob(r.content())
    # Of what is there already, a PUT may be the end of an upload of before, whose answer was lost.
    content = r.content()
    for identity in (str(uuid.UUID(int=r.random.getrandbits(128))), "none"):
        query: dict[str, Any] = {"digest": content.digest} if method == "PUT" else {}
        answer = r.request(method, r.uploads_path() + identity, [OCTETS], content.data, **query)
        r.status(answer, 404, "R-084", f"{method} to an unknown upload")


@case("R-084", category=PUSH, api=STATUS, since=Level.V1_1)
def status_of_unknown(r: Registry) -> None:
    """The status of an upload that never was is answered 404."""
    r.push_blob(r.content())
    answer = r.get(r.uploads_path() + str(uuid.UUID(int=r.random.getrandbits(128))))
    r.status(answer, 404, "R-084")


@case("R-084", category=PUSH, api=CANCEL, since=Level.DEV)
def unknown_cancelled(r: Registry) -> None:
    """Cancelling an upload that never was is answered 404."""
    r.push_blob(r.content())
    if not r.offers("upload cancel", lambda: r.delete(begin(r).location).status < 300):
        r.skip("uploads cannot be cancelled")
    answer = r.delete(r.uploads_path() + str(uuid.UUID(int=r.random.getrandbits(128))))
    r.status(answer, 404, "R-084")


@case("R-084", category=PUSH, api="Blob push")
def finished(r: Registry) -> None:
    """An upload that was closed takes no more bytes, and is answered 404."""
    upload = begin(r)
    content = r.content(upload.piece)
    upload.chunk(content.data, 0)
    open_location = upload.location
    upload.close(content)
    answer = r.patch(open_location, [OCTETS, ("Content-Range", f"{content.size}-{content.size + 4}")], b"after")
    r.status(answer, 404, "R-084", "a chunk for a closed upload")
    other = r.content()
    answer = r.put(open_location, [OCTETS], other.data, digest=other.digest)
    r.status(answer, 404, "R-084", "another closing PUT")
    absent(r, "R-084", other.digest)


@case("R-084", category=PUSH, api=STATUS, since=Level.V1_1)
def status_of_finished(r: Registry) -> None:
    """The status of an upload that was closed is answered 404."""
    upload = begin(r)
    content = r.content(upload.piece)
    upload.chunk(content.data, 0)
    open_location = upload.location
    upload.close(content)
    r.status(r.get(open_location), 404, "R-084")


@case("R-084", category=PUSH, api="Blob push", duty=Duty.SHOULD)
def unknown_explained(r: Registry) -> None:
    """The error of an unknown upload says BLOB_UPLOAD_UNKNOWN."""
    r.push_blob(r.content())
    answer = r.patch(r.uploads_path() + str(uuid.UUID(int=r.random.getrandbits(128))), [OCTETS], b"bytes")
    r.status(answer, 404, "R-084")
    r.error(answer, ("BLOB_UPLOAD_UNKNOWN", "NAME_UNKNOWN"), "R-084")


@case("R-084", category=PUSH, api="Blob push", duty=Duty.SHOULD)
def of_another_repository(r: Registry) -> None:
    """An upload of one repository is unknown in another, and unharmed by those who look for it there."""
    upload = begin(r)
    content, ((_, first), *_) = three_chunks(r, upload)
    upload.chunk(first, 0)
    parts = urlsplit(upload.location)
    if r.name not in parts.path:
        r.skip("the repository does not stand in the Location")
    r.push_blob(r.content(), r.other)
    elsewhere = urlunsplit(parts._replace(path=parts.path.replace(r.name, r.other, 1)))
    place = ("Content-Range", f"{len(first)}-{content.size - 1}")
    for method in ("GET", "PATCH", "PUT"):
        query: dict[str, Any] = {"digest": content.digest} if method == "PUT" else {}
        headers, body = ((), None) if method == "GET" else ([OCTETS, place], content.data[len(first) :])
        answer = r.request(method, elsewhere, headers, body, **query)
        r.status(answer, 404, "R-084", f"{method} in another repository")
    absent(r, "R-084", content.digest, name=r.other)
    upload.close(content, content.data[len(first) :], len(first), by="R-084")
