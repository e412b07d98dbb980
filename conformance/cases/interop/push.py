"""How clients push: the shapes of uploads that docker, skopeo, crane, containerd, oras, regctl and zb send."""

import re
from urllib.parse import parse_qsl, urlencode, urlsplit

from conformance.case import case
from conformance.cases.uploads.steps import Upload, begin, kept, located, present
from conformance.client.registry import OCI_MANIFEST, OCTETS, Content, Registry
from conformance.client.wire import Answer, pieces_of
from conformance.model import Category

INTEROP = Category.INTEROP
STREAM = "Blob streaming"
PIECE = 4096
RANGE = re.compile(r"0-[0-9]+")


@case("C-04", category=INTEROP, api="Blob head")
def head_after_push(r: Registry) -> None:
    """HEAD finds every blob with its length as soon as its PUT was answered."""
    for size in (1, 512, 70_000):
        blob = r.push_blob(r.content(size))
        answer = r.head(r.blob_path(blob.digest))
        r.status(answer, 200, "C-04", "HEAD right after the PUT")
        r.header(answer, "content-length", str(size), "C-04")


@case("C-05", category=INTEROP, api=STREAM, variants=("with a length", "chunked", "in two"))
def stream(r: Registry, variant: str) -> None:
    """PATCH without Content-Range is appended, and an empty PUT closes the upload ({variant})."""
    content = r.content(2 * PIECE - 7)
    upload = begin(r)
    for part in (content.data[:PIECE], content.data[PIECE:]) if variant == "in two" else (content.data,):
        upload.take(upload.patch(pieces_of(part, 1500) if variant == "chunked" else part), "C-05")
    upload.close(content, by="C-05")


@case("C-06", category=INTEROP, api=STREAM, variants=("empty", "earlier location", "both"))
def as_zb(r: Registry, variant: str) -> None:
    """A PATCH that is empty, or sent to the first Location of the upload, is accepted as zb sends it ({variant}).

    Of a Location it keeps the path alone."""
    content = r.content(2 * PIECE)
    upload = begin(r)
    first = upload.location.partition("?")[0]
    if variant != "earlier location":
        upload.take(r.patch(first, [OCTETS, ("Content-Length", "0")]), "C-06")
    for part in (content.data[:PIECE], content.data[PIECE:]):
        target = upload.location if variant == "empty" else first
        upload.take(r.patch(target, [OCTETS], part), "C-06")
    upload.close(content, by="C-06")


@case("C-07", category=INTEROP, api=STREAM, variants=("1", "4096", "100000"))
def answer_to_patch(r: Registry, size: str) -> None:
    """The answer to a PATCH of {variant} bytes has all that docker reads: 202, Location, Range, Docker-Upload-UUID."""
    content = r.content(int(size))
    upload = begin(r)
    answer = upload.take(upload.patch(content.data), "C-07")
    r.header(answer, "range", f"0-{content.size - 1}", "C-07")
    told = answer.header("docker-upload-uuid")
    r.that(told, "C-07", "a Docker-Upload-UUID header", told)


@case("C-07", category=INTEROP, api=STREAM)
def range_of_nothing(r: Registry) -> None:
    """The Range of an upload without bytes does not end before it starts, on the answers to POST and PATCH."""
    start = r.post(r.uploads_path(), [("Content-Length", "0")])
    r.status(start, 202, "C-07")
    patched = r.patch(r.location(start, "C-07"), [OCTETS, ("Content-Length", "0")])
    for answer in (start, patched):
        told = answer.header("range")
        if answer.status == 202 and told is not None:
            r.that(RANGE.fullmatch(told), "C-07", "Range: 0-<end>, or none", told)


@case("C-08", category=INTEROP, api="Blob post put", variants=("with a length", "chunked"))
def one_put(r: Registry, variant: str) -> None:
    """A PUT of the whole blob right after the POST makes the blob ({variant})."""
    content = r.content(PIECE)
    body = pieces_of(content.data, 1000) if variant == "chunked" else content.data
    kept(r, r.put(r.start_upload(), [OCTETS], body, digest=content.digest), content, "C-08")


@case("C-09", category=INTEROP, api=STREAM)
def empty_put(r: Registry) -> None:
    """A PUT with Content-Length: 0 and a content type, or with none, closes an upload."""
    for headers in ([("Content-Length", "0")], [("Content-Length", "0"), OCTETS]):
        content = r.content(PIECE)
        upload = begin(r)
        upload.take(upload.patch(content.data), "C-09")
        kept(r, r.put(upload.location, headers, digest=content.digest), content, "C-09")


@case("C-10", category=INTEROP, api="Blob push", variants=("blob", "manifest", "mount"))
def location_of_created(r: Registry, variant: str) -> None:
    """The Location of a 201 gives what was created ({variant})."""
    if variant == "manifest":
        content = r.image()
        answer = r.push_manifest(content, r.tag())
    elif variant == "mount":
        content, answer = mounted(r)
    else:
        content = r.content()
        answer = r.put(r.start_upload(), [OCTETS], content.data, digest=content.digest)
    r.status(answer, 201, "C-10")
    if variant == "manifest":
        pulled = r.get(r.location(answer, "C-10"), [("Accept", OCI_MANIFEST)])
        r.status(pulled, 200, "C-10", "GET of the Location")
        r.body(pulled, content.data, "C-10")
    else:
        located(r, answer, content, "C-10")


@case("C-11", category=INTEROP, api="Blob push")
def location_on_this_host(r: Registry) -> None:
    """Every Location of a push is relative, or on the host that was asked."""
    content = r.content()
    start = r.post(r.uploads_path(), [("Content-Length", "0")])
    upload = Upload(r, r.location(start, "C-11"), PIECE, r.name)
    part = upload.take(upload.patch(content.data), "C-11")
    put = upload.close(content, by="C-11")
    image = r.push_manifest(r.image(), r.tag())
    for what, answer in (("POST", start), ("PATCH", part), ("PUT of a blob", put), ("PUT of a manifest", image)):
        found, own = urlsplit(r.location(answer, "C-11")), urlsplit(r.target.url)
        r.that(found.netloc == own.netloc, "C-11", f"the host {own.netloc} in the Location of {what}", found.netloc)


@case("C-12", category=INTEROP, api="Blob post put")
def query_sorted(r: Registry) -> None:
    """A Location's query may come back sorted, with digest in its midst and with keys of others, for a single PUT."""
    content = r.content()
    location, _, query = r.start_upload().partition("?")
    pairs = [*parse_qsl(query, keep_blank_values=True), ("digest", content.digest), ("aaa", "1"), ("zzz", "")]
    kept(r, r.put(f"{location}?{urlencode(sorted(pairs))}", [OCTETS], content.data), content, "C-12")


@case("C-13", category=INTEROP, api="Blob mount", variants=("no such blob", "no such repository"))
def mount_that_fails(r: Registry, variant: str) -> None:
    """A mount that cannot be opens an upload, in which the blob is then pushed ({variant})."""
    r.push_blob(r.content(), r.other)
    content = r.content()
    source = r.other if variant == "no such blob" else f"{r.other}/{r.tag('none')}"
    opened(r, ask_mount(r, content, source), content)


@case("C-13", category=INTEROP, api="Blob mount")
def mount_with_origin(r: Registry) -> None:
    """The origin that crane adds to a mount does no harm."""
    content = r.push_blob(r.content(), r.other)
    answer = ask_mount(r, content, r.other, origin="registry.example.org")
    if answer.status == 201:
        present(r, "C-13", content)
    else:
        opened(r, answer, content)


@case("C-13", category=INTEROP, api="Blob mount")
def mount_dropped(r: Registry) -> None:
    """The upload that a failed mount opened can be cancelled and another one begun, as skopeo does."""
    content = r.content()
    answer = ask_mount(r, content, r.other)
    r.status(answer, 202, "C-13")
    cancelled = r.delete(r.location(answer, "C-13"))
    r.that(cancelled.status < 500, "C-13", "no server error for the cancel", f"status {cancelled.status}")
    r.push_blob(content)
    present(r, "C-13", content)


def opened(r: Registry, answer: Answer, content: Content) -> None:
    """An upload was opened that works."""
    r.status(answer, 202, "C-13")
    location = r.location(answer, "C-13")
    kept(r, r.put(location, [OCTETS], content.data, digest=content.digest), content, "C-13")


def ask_mount(r: Registry, content: Content, source: str, **more: str) -> Answer:
    query = {"mount": content.digest, "from": source, **more}
    return r.post(f"{r.uploads_path()}?{urlencode(query)}", [("Content-Length", "0")])


def mounted(r: Registry) -> tuple[Content, Answer]:
    content = r.push_blob(r.content(), r.other)
    answer = ask_mount(r, content, r.other)
    if answer.status == 202:
        r.skip("mounting is not supported")
    return content, answer
