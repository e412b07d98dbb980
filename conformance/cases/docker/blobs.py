"""docker-distribution's wire: reading and deleting blobs."""

from urllib.parse import urlsplit

from conformance.case import case
from conformance.cases.blobs.ranges_more import parts
from conformance.cases.deletes.steps import REFUSED, delete, gone
from conformance.cases.docker.steps import DIGEST, fine, refused, told
from conformance.cases.interop.pull import partial, ranged
from conformance.cases.steps import ACCEPT, served
from conformance.cases.uploads.steps import present
from conformance.client.registry import Content, Registry, manifest
from conformance.client.wire import Answer
from conformance.model import Category

DOCKER = Category.DOCKER
GET, HEAD, PART, DELETE = "Blob get", "Blob head", "Blob get range", "Blob delete"
SIZE = 1000
TOLD = ("content-type", "docker-content-digest", "etag", "cache-control", "accept-ranges")


def described(r: Registry, answer: Answer, blob: Content, requirement: str) -> None:
    """All headers that Docker's registry has on a blob."""
    for name in TOLD:
        told(r, answer, name, requirement)
    r.header(answer, DIGEST, blob.digest, requirement)
    r.header(answer, "content-length", str(blob.size), requirement)
    r.header(answer, "accept-ranges", "bytes", requirement)


def served_here(r: Registry, method: str, blob: Content) -> Answer:
    """The registry's own answer; skips where blobs are redirected."""
    answer = r.request(method, r.blob_path(blob.digest), follow=False)
    if answer.status in (301, 302, 303, 307, 308):
        r.skip("blobs are redirected")
    return answer


@case("D-R1", category=DOCKER, api=GET)
def get(r: Registry) -> None:
    """GET of a blob has its bytes and all headers."""
    blob = r.push_blob(r.content(SIZE))
    answer = served_here(r, "GET", blob)
    served(r, answer, blob, "D-R1")
    described(r, answer, blob, "D-R1")


@case("D-R2", category=DOCKER, api=HEAD)
def head(r: Registry) -> None:
    """HEAD of a blob has the headers of GET."""
    blob = r.push_blob(r.content(SIZE))
    answer, whole = served_here(r, "HEAD", blob), served_here(r, "GET", blob)
    r.status(answer, 200, "D-R2")
    for name in (*TOLD, "content-length"):
        r.that(
            answer.header(name) == whole.header(name),
            "D-R2",
            f"{name}: {whole.header(name)}, as GET has it",
            answer.header(name),
        )
    path = urlsplit(r.url(r.blob_path(blob.digest))).path
    login = "".join(f"{name}: {value}\r\n" for name, value in r.credentials("HEAD", path))
    back = r.raw(f"HEAD {path} HTTP/1.1\r\nHost: {{host}}\r\n{login}Connection: close\r\n\r\n".encode())
    r.that(back.partition(b"\r\n\r\n")[2] == b"", "D-R2", "no body", back[-100:])


CONDITIONS = {
    "the digest": ('"{}"', 304),
    "a list": ('"other", "{}"', 304),
    "a weak one": ('W/"{}"', 304),
    "anything": ("*", 304),
    "another": ('"sha256:0123"', 200),
}


@case("D-R3", category=DOCKER, api=GET, variants=tuple(CONDITIONS))
def if_none_match(r: Registry, variant: str) -> None:
    """If-None-Match with {variant} is answered 304 if it fits, 200 if not."""
    blob = r.push_blob(r.content(SIZE))
    served_here(r, "GET", blob)
    form, status = CONDITIONS[variant]
    answer = r.get(r.blob_path(blob.digest), [("If-None-Match", form.format(blob.digest))])
    r.status(answer, status, "D-R3", f"If-None-Match: {form.format('<digest>')}")
    r.body(answer, b"" if status == 304 else blob.data, "D-R3")


RANGES = {"0-0": (0, 0), "0-99": (0, 99), "100-299": (100, 299), "-10": (990, 999), "900-": (900, 999)}


@case("D-R4", category=DOCKER, api=PART, variants=tuple(RANGES))
def part(r: Registry, ranges: str) -> None:
    """Range: bytes={variant} gives that part."""
    blob = r.push_blob(r.content(SIZE))
    answer = ranged(r, blob, ranges)
    r.status(answer, 206, "D-R4", f"bytes={ranges}")
    partial(r, answer, blob, *RANGES[ranges], "D-R4")


@case("D-R4", category=DOCKER, api=PART)
def several_parts(r: Registry) -> None:
    """Two ranges give both parts."""
    blob = r.push_blob(r.content(SIZE))
    answer = ranged(r, blob, "0-9,500-599")
    r.status(answer, 206, "D-R4", "two ranges")
    got = parts(r, answer, blob)
    r.that(got == [(0, 9), (500, 599)], "D-R4", "parts 0-9 and 500-599", got)


@case("D-R4", category=DOCKER, api=PART, variants=("1000-", "5000-6000"))
def part_beyond(r: Registry, ranges: str) -> None:
    """A range beyond the end is answered 416 ({variant})."""
    blob = r.push_blob(r.content(SIZE))
    r.status(ranged(r, blob, ranges), 416, "D-R4", f"bytes={ranges} of {SIZE}")


@case("D-R4", category=DOCKER, api=PART, variants=("same", "other"))
def part_if(r: Registry, variant: str) -> None:
    """If-Range gives the part of the same blob, and the whole of another ({variant})."""
    blob = r.push_blob(r.content(SIZE))
    etag = served_here(r, "GET", blob).header("etag") if variant == "same" else '"other"'
    answer = r.get(r.blob_path(blob.digest), [("Range", "bytes=10-19"), ("If-Range", etag or "")])
    if variant == "same":
        r.status(answer, 206, "D-R4", f"If-Range: {etag}")
        partial(r, answer, blob, 10, 19, "D-R4")
    else:
        served(r, answer, blob, "D-R4", "If-Range with another ETag")


BAD = ("sha256:", "sha256:0123", "sha256:" + "AB" * 32, "md0:" + "0" * 32, "sha256", "sha256:" + "g" * 64)


@case("D-R5", category=DOCKER, api=GET, variants=BAD)
def bad_digest(r: Registry, digest: str) -> None:
    """GET by {variant} is refused."""
    r.push_blob(r.content(SIZE))
    r.status(r.get(r.blob_path(digest)), (400, 404), "D-R5", digest)


@case("D-R5", category=DOCKER, api=GET)
def short_digest_explained(r: Registry) -> None:
    """Where a digest that is too short is refused with 400, it is with DIGEST_INVALID."""
    answer = r.get(r.blob_path("sha256:0123"))
    r.status(answer, (400, 404), "D-R5", "a short digest")
    if answer.status == 400:
        refused(r, answer, 400, "DIGEST_INVALID", "D-R5", "a short digest")


@case("D-R6", "D-R7", category=DOCKER, api=GET)
def redirected(r: Registry) -> None:
    """Where GET is redirected the target gives the bytes to anybody, and HEAD is answered with length and digest."""
    blob = r.push_blob(r.content(SIZE))
    first = r.request("GET", r.blob_path(blob.digest), follow=False)
    if first.status == 200:
        r.skip("blobs are not redirected")
    r.status(first, (301, 302, 303, 307, 308), "D-R6")
    served(r, r.wire.request("GET", r.location(first, "D-R6")), blob, "D-R6", "GET of the redirect's target")


@case("D-R7", category=DOCKER, api=HEAD)
def head_with_length(r: Registry) -> None:
    """HEAD is answered by the registry itself, with length and digest."""
    blob = r.push_blob(r.content(SIZE))
    answer = r.request("HEAD", r.blob_path(blob.digest), follow=False)
    r.status(answer, 200, "D-R7")
    r.header(answer, "content-length", str(blob.size), "D-R7")
    r.header(answer, DIGEST, blob.digest, "D-R7")


@case("D-R8", category=DOCKER, api=GET, variants=("GET", "HEAD"))
def other_repository(r: Registry, method: str) -> None:
    """{variant} of a blob that another repository has is answered 404."""
    blob = r.push_blob(r.content(), r.other)
    r.push_blob(r.content())
    r.status(r.request(method, r.blob_path(blob.digest)), 404, "D-R8", "a blob of another repository")


@case("D-R9", category=DOCKER, api=GET)
def other_kind(r: Registry) -> None:
    """A manifest is not among the blobs, nor a blob among the manifests."""
    image, blob = r.push_image(), r.push_blob(r.content())
    for path, headers in ((r.blob_path(image.digest), []), (r.manifest_path(blob.digest), ACCEPT)):
        answer = r.get(path, headers)
        if answer.status == 200:
            r.skip("manifests and blobs are kept together")
        r.status(answer, 404, "D-R9", path)


@case("D-R10", category=DOCKER, api=DELETE)
def deleted(r: Registry) -> None:
    """A deleted blob is gone, and can be pushed again."""
    blob = r.push_blob(r.content(SIZE))
    path = r.blob_path(blob.digest)
    delete(r, path, "D-R10", "a blob")
    gone(r, path, "D-R10", "a deleted blob")
    r.status(r.delete(path), 404, "D-R10", "a second DELETE")
    r.push_blob(blob)
    present(r, "D-R10", blob)


@case("D-R11", category=DOCKER, api=DELETE, variants=BAD[:3])
def deleted_by_bad_digest(r: Registry, digest: str) -> None:
    """DELETE by {variant} is refused."""
    r.push_blob(r.content())
    r.status(r.delete(r.blob_path(digest)), (400, 404, 405), "D-R11", f"DELETE of {digest}")


@case("D-R12", category=DOCKER, api=DELETE)
def deletion_off(r: Registry) -> None:
    """DELETE of a blob that is there is answered 405 where it is switched off, and the blob stays."""
    blob = r.push_blob(r.content())
    answer = r.delete(r.blob_path(blob.digest))
    if answer.status == 202:
        r.skip("blobs can be deleted")
    r.status(answer, 405, "D-R12")
    present(r, "D-R12", blob)


@case("D-R13", category=DOCKER, api=DELETE)
def deleted_while_listed(r: Registry) -> None:
    """DELETE of a blob that an image lists, where it is refused or put off, leaves the image whole."""
    config, layer = r.push_blob(r.config()), r.push_blob(r.content())
    image = manifest(config, [layer])
    r.push_manifest(image, r.tag())
    answer = r.delete(r.blob_path(layer.digest))
    r.status(answer, (202, 409, *REFUSED), "D-R13", "DELETE of a layer in use")
    served(r, r.get(r.manifest_path(image.digest), ACCEPT), image, "D-R13", "the image's manifest")
    if answer.status == 202 and r.head(r.blob_path(layer.digest)).status == 404:
        r.skip("a blob is deleted whether it is in use or not")
    present(r, "D-R13", layer)


@case("D-R14", category=DOCKER, api=GET)
def pipelined(r: Registry) -> None:
    """Requests sent without waiting for answers are answered in their order."""
    blobs = [r.push_blob(r.content(700)) for _ in range(2)]
    login = "".join(f"{n}: {v}\r\n" for n, v in r.credentials("GET", r.blob_path(blobs[0].digest)))
    heads = [
        f"GET {urlsplit(r.url(r.blob_path(blob.digest))).path} HTTP/1.1\r\nHost: {{host}}\r\n{login}{last}\r\n"
        for blob, last in zip(blobs, ("", "Connection: close\r\n"), strict=True)
    ]
    back = r.raw("".join(heads).encode())
    first, second = (back.find(blob.data) for blob in blobs)
    r.that(0 <= first < second, "D-R14", "both blobs, in this order", f"{len(back)} bytes, {back[:200]!r}")


@case("D-R14", category=DOCKER, api=GET)
def reader_gone(r: Registry) -> None:
    """A reader that hangs up leaves the next request unharmed."""
    blob = r.push_blob(r.content(3 * 1024 * 1024))
    path = urlsplit(r.url(r.blob_path(blob.digest))).path
    login = "".join(f"{name}: {value}\r\n" for name, value in r.credentials("GET", path))
    r.raw(f"GET {path} HTTP/1.1\r\nHost: {{host}}\r\n{login}\r\n".encode(), most=2000)
    answer = r.get(r.blob_path(blob.digest))
    fine(r, answer, "D-R14", "the request after it")
    served(r, answer, blob, "D-R14")
