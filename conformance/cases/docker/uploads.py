"""docker-distribution's wire: opening, finishing and cancelling uploads, and mounting."""

from urllib.parse import parse_qsl, urlencode, urlsplit

from conformance.case import case
from conformance.cases.docker.steps import DIGEST, UUID, bare, fine, refused, told
from conformance.cases.interop.push import ask_mount
from conformance.cases.uploads.steps import absent, begin, kept, located, present, sent
from conformance.client.registry import OCI_LAYER, OCTETS, Content, Registry, manifest
from conformance.client.wire import pieces_of
from conformance.model import Category

DOCKER = Category.DOCKER
PUT = "Blob post put"
NOTHING = Content(b"")
EMPTY_TAR = Content(bytes(10_240))


@case("D-U1", category=DOCKER, api="Blob get")
def unknown_blob(r: Registry) -> None:
    """HEAD and GET of a blob that was never pushed are answered 404, with BLOB_UNKNOWN."""
    r.push_blob(r.content())
    path = r.blob_path(r.content().digest)
    r.status(r.head(path), 404, "D-U1", "HEAD")
    refused(r, r.get(path), 404, "BLOB_UNKNOWN", "D-U1", "GET")


@case("D-U2", category=DOCKER, api=PUT)
def opened(r: Registry) -> None:
    """A new upload is answered 202 with Location, id and Range, and without a body."""
    answer = r.post(r.uploads_path(), [("Content-Length", "0")])
    r.status(answer, 202, "D-U2")
    r.location(answer, "D-U2")
    told(r, answer, UUID, "D-U2")
    r.header(answer, "range", "0-0", "D-U2")
    bare(r, answer, "D-U2")


@case("D-U3", category=DOCKER, api="Blob chunked")
def status(r: Registry) -> None:
    """The status of an upload is answered 204 with Location, its id and Range."""
    upload = begin(r)
    upload.take(upload.patch(r.content(1000).data))
    answer = r.get(upload.location)
    r.status(answer, 204, "D-U3")
    r.location(answer, "D-U3")
    told(r, answer, UUID, "D-U3")
    r.header(answer, "range", "0-999", "D-U3")


@case("D-U4", category=DOCKER, api="Blob upload cancel")
def cancelled(r: Registry) -> None:
    """A cancelled upload is unknown."""
    upload = begin(r)
    r.status(r.delete(upload.location), 204, "D-U4")
    refused(r, r.get(upload.location), 404, "BLOB_UPLOAD_UNKNOWN", "D-U4", "the status of a cancelled upload")


@case("D-U5", category=DOCKER, api=PUT)
def nothing_under_wrong_digest(r: Registry) -> None:
    """A PUT of nothing with a digest of something is refused with DIGEST_INVALID."""
    wrong = r.content().digest
    refused(r, r.put(r.start_upload(), digest=wrong), 400, "DIGEST_INVALID", "D-U5", "PUT of nothing")
    absent(r, "D-U5", wrong)


@case("D-U6", category=DOCKER, api=PUT)
def nothing(r: Registry) -> None:
    """A PUT of nothing with the digest of nothing makes a blob."""
    kept(r, r.put(r.start_upload(), digest=NOTHING.digest), NOTHING, "D-U6")


@case("D-U7", category=DOCKER, api=PUT)
def empty_tar(r: Registry) -> None:
    """An empty tar archive is pushed like any blob."""
    answer = r.put(r.start_upload(), [OCTETS], EMPTY_TAR.data, digest=EMPTY_TAR.digest)
    kept(r, answer, EMPTY_TAR, "D-U7")


@case("D-U8", category=DOCKER, api=PUT)
def whole(r: Registry) -> None:
    """POST and PUT of a whole blob end in 201 with a Location that resolves and the digest."""
    content = r.content()
    answer = r.put(r.start_upload(), [OCTETS], content.data, digest=content.digest)
    kept(r, answer, content, "D-U8")
    located(r, answer, content, "D-U8")
    r.header(answer, DIGEST, content.digest, "D-U8")
    bare(r, answer, "D-U8")


DIGESTS = {"no digest": None, "a malformed digest": "sha256:123", "an unknown algorithm": "md0:" + "0" * 32}


@case("D-U18", category=DOCKER, api=PUT, variants=tuple(DIGESTS))
def bad_digest(r: Registry, variant: str) -> None:
    """A PUT with {variant} is refused with DIGEST_INVALID, and the upload can still be finished."""
    content = r.content()
    upload = begin(r)
    upload.take(upload.patch(content.data))
    bad = DIGESTS[variant]
    answer = r.put(upload.location) if bad is None else r.put(upload.location, digest=bad)
    refused(r, answer, 400, "DIGEST_INVALID", "D-U18", f"a PUT with {variant}")
    upload.close(content, by="D-U18")


@case("D-U20", category=DOCKER, api=PUT)
def digest_mismatch(r: Registry) -> None:
    """Bytes pushed with the digest of others cannot be read under either."""
    content, other = r.content(), r.content()
    answer = r.put(r.start_upload(), [OCTETS], content.data, digest=other.digest)
    refused(r, answer, 400, "DIGEST_INVALID", "D-U20", "a digest of other bytes")
    absent(r, "D-U20", content.digest, other.digest)


@case("D-U21", category=DOCKER, api=PUT)
def put_twice(r: Registry) -> None:
    """The closing PUT sent again is answered 404, or 201 once more."""
    content = r.content()
    location = r.start_upload()
    for statuses in (201, (404, 201)):
        r.status(r.put(location, [OCTETS], content.data, digest=content.digest), statuses, "D-U21")
    present(r, "D-U21", content)


@case("D-U17", category=DOCKER, api="Blob chunked", variants=("forged", "of another repository"))
def foreign_upload(r: Registry, variant: str) -> None:
    """An upload {variant} is not found, and its bytes cannot be added to."""
    content = r.content()
    upload = begin(r)
    upload.take(upload.patch(content.data))
    path, _, query = upload.location.partition("?")
    if variant == "forged":
        path = path[: path.rindex("/") + 1] + "00000000-0000-4000-8000-000000000000"
    else:
        if f"/v2/{r.name}/" not in path:
            r.skip("the Location does not name the repository")
        path = path.replace(f"/v2/{r.name}/", f"/v2/{r.other}/")
        r.push_blob(r.content(), r.other)
    foreign = path + (f"?{query}" if query else "")
    r.status(r.get(foreign), (400, 404), "D-U17", f"the status of an upload {variant}")
    r.status(r.patch(foreign, [OCTETS], b"more"), (400, 404), "D-U17", f"a PATCH of an upload {variant}")
    answer = r.put(foreign, digest=content.digest)
    r.status(answer, (400, 404), "D-U17", f"a PUT to an upload {variant}")
    r.that(upload.location not in str(answer.headers) + str(answer.body), "D-U17", "nothing told", answer.headers)
    upload.close(content, by="D-U17")


@case("D-U26", category=DOCKER, api="Blob streaming", variants=("application/json", "text/plain", "image/png"))
def other_type(r: Registry, kind: str) -> None:
    """A part of type {variant} is accepted, or answered 415."""
    content = r.content()
    upload = begin(r)
    answer = r.patch(upload.location, [("Content-Type", kind)], content.data)
    r.status(answer, (202, 415), "D-U26", f"Content-Type: {kind}")
    if answer.status == 202:
        upload.take(answer, "D-U26")
        upload.close(content, by="D-U26")


@case("D-U27", category=DOCKER, api="Blob post only")
def single_post(r: Registry) -> None:
    """A POST with digest and body makes the blob, where that is offered."""
    content = r.content()
    answer = r.post(r.uploads_path(), [OCTETS], content.data, digest=content.digest)
    if answer.status == 202:
        r.skip("a single POST opens an upload")
    kept(r, answer, content, "D-U27")


@case("D-U28", category=DOCKER, api="Blob mount")
def mount(r: Registry) -> None:
    """A blob is mounted with 201, Location and digest, and can be read."""
    content = r.push_blob(r.content(), r.other)
    answer = ask_mount(r, content, r.other)
    kept(r, answer, content, "D-U28")
    located(r, answer, content, "D-U28")
    r.header(answer, DIGEST, content.digest, "D-U28")


IMPOSSIBLE = ("an unknown blob", "an unknown repository", "no source", "a bad digest")


@case("D-U29", category=DOCKER, api="Blob mount", variants=IMPOSSIBLE)
def impossible_mount(r: Registry, variant: str) -> None:
    """A mount of or from {variant} opens an upload that works."""
    r.push_blob(r.content(), r.other)
    content = r.content()
    digest = "sha256:123" if variant == "a bad digest" else content.digest
    query = {"mount": digest, "from": f"{r.other}/{r.tag('no')}" if variant == IMPOSSIBLE[1] else r.other}
    if variant == "no source":
        del query["from"]
    answer = r.post(f"{r.uploads_path()}?{urlencode(query)}", [("Content-Length", "0")])
    # Other registries may well call a malformed digest the client's fault: OCI leaves that open.
    if variant == "a bad digest" and answer.status == 400:
        r.skip("a mount of a malformed digest is refused")
    r.status(answer, 202, "D-U29", f"a mount with {variant}")
    location = r.location(answer, "D-U29")
    kept(r, r.put(location, [OCTETS], content.data, digest=content.digest), content, "D-U29")


@case("D-U30", category=DOCKER, api="Blob anonymous mount")
def mount_from_anywhere(r: Registry) -> None:
    """A blob that the caller can read elsewhere is mounted without from, where that is offered."""
    content = r.push_blob(r.content(), r.other)
    answer = r.request("POST", r.uploads_path(), [("Content-Length", "0")], mount=content.digest)
    if answer.status == 202:
        r.skip("a mount without from opens an upload")
    kept(r, answer, content, "D-U30")


@case("D-U32", category=DOCKER, api="Blob mount")
def mount_outlives_source(r: Registry) -> None:
    """A mounted blob is there after its source was deleted."""
    content = r.push_blob(r.content(), r.other)
    answer = ask_mount(r, content, r.other)
    if answer.status == 202:
        r.skip("mounting is not supported")
    kept(r, answer, content, "D-U32")
    deleted = r.delete(r.blob_path(content.digest, r.other))
    if deleted.status in (400, 405):
        r.skip("blobs cannot be deleted")
    r.status(deleted, 202, "D-U32", "DELETE in the source")
    present(r, "D-U32", content)


@case("D-U33", category=DOCKER, api=PUT)
def twenty_at_once(r: Registry) -> None:
    """Twenty pushes of the same blob at once all succeed."""
    content = r.content(20_000)
    # All are open before the first one ends, however busy the machine is.
    locations = r.together(*[lambda view: view.start_upload()] * 20)

    def push(view: Registry, location: str) -> int:
        return view.put(location, [OCTETS], content.data, digest=content.digest).status

    statuses = r.together(*(lambda view, at=location: push(view, at) for location in locations))
    r.that(statuses == [201] * 20, "D-U33", "20 times status 201", statuses)
    present(r, "D-U33", content)


@case("D-U35", category=DOCKER, api=PUT)
def sha512(r: Registry) -> None:
    """A blob pushed by sha512 is found, and called, by sha512."""
    r.needs("sha512")
    content = r.push_blob(r.content(algorithm="sha512"))
    answer = r.head(r.blob_path(content.digest))
    r.status(answer, 200, "D-U35")
    r.header(answer, DIGEST, content.digest, "D-U35")


@case("D-U39", category=DOCKER, api="Manifest put by tag")
def layer_of_nothing(r: Registry) -> None:
    """A layer of no bytes is pushed, listed by a manifest and pulled."""
    config = r.push_blob(r.config())
    kept(r, r.put(r.start_upload(), digest=NOTHING.digest), NOTHING, "D-U39")
    image = manifest(config, [NOTHING], layer_type=OCI_LAYER)
    r.status(r.put_manifest(image, r.tag()), 201, "D-U39", "an image with an empty layer")
    present(r, "D-U39", NOTHING)


@case("D-U40", category=DOCKER, api="Blob chunked")
def locations(r: Registry) -> None:
    """Every Location of an upload works as it stands, and keeps its own query when digest is added."""
    content = r.content(3000)
    upload = begin(r)
    for number, part in enumerate(pieces_of(content.data, 1000)):
        before = urlsplit(upload.location)
        r.that(before.scheme in ("http", "https") and not before.fragment, "D-U40", "a usable URL", upload.location)
        given = [value for key, value in parse_qsl(before.query) if key == "digest"]
        r.that(not given, "D-U40", "a Location without a digest of its own", upload.location)
        upload.take(upload.patch(part, number * 1000), "D-U40")
    upload.close(content, by="D-U40")


@case("D-U23", category=DOCKER, api=PUT)
def cut_put(r: Registry) -> None:
    """After a connection was cut within a PUT nothing is there, and another push succeeds."""
    content = r.content(4096)
    sent(r, "PUT", r.url(r.start_upload(), digest=content.digest), content.size, content.data[:1000], half_close=True)
    answer = r.get(r.blob_path(content.digest))
    fine(r, answer, "D-U23", "the blob whose push was cut")
    r.that(answer.status == 404, "D-U23", "status 404 for the blob whose push was cut", answer.status)
    kept(r, r.put(r.start_upload(), [OCTETS], content.data, digest=content.digest), content, "D-U23")
