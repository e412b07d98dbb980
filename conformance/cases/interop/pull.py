"""How clients pull: parts of blobs, many at once, readers that leave early, redirects."""

from urllib.parse import urlsplit

from conformance.case import case
from conformance.cases.blobs.ranges_more import boundary_of, parts
from conformance.cases.steps import ACCEPT, served
from conformance.client.registry import OCI_MANIFEST, Content, Registry
from conformance.client.wire import Answer
from conformance.model import Category, Duty

INTEROP = Category.INTEROP
PART = "Blob get range"
BLOCK = 160
FEW = {
    "in order": [(0, 9), (100, 109), (200, 209)],
    "backwards": [(900, 909), (500, 509), (100, 109)],
    "side by side": [(0, 99), (100, 199), (200, 299)],
}


@case("C-03", category=INTEROP, api="Manifest head by tag", variants=("tag", "digest"))
def manifest_head(r: Registry, variant: str) -> None:
    """HEAD of a manifest by {variant} has the type, length and digest that clients go by."""
    tag = r.tag()
    image = r.push_image(tag)
    answer = r.head(r.manifest_path(tag if variant == "tag" else image.digest), ACCEPT)
    r.status(answer, 200, "C-03")
    kind = (answer.header("content-type") or "").partition(";")[0]
    r.that(kind == OCI_MANIFEST, "C-03", f"Content-Type: {OCI_MANIFEST}", kind or "none")
    r.header(answer, "content-length", str(image.size), "C-03")
    r.header(answer, "docker-content-digest", image.digest, "C-03")


@case("C-24", category=INTEROP, api=PART)
def parts_in_parallel(r: Registry) -> None:
    """Open-ended ranges of a blob, asked for at once as containerd does, give each what it asked for."""
    blob = r.push_blob(r.content(600_000))
    starts = (0, 150_000, 300_000, 450_000)
    answers = r.together(*(lambda view, s=start: ranged(view, blob, f"{s}-") for start in starts))
    for start, answer in zip(starts, answers, strict=True):
        partial(r, answer, blob, start, blob.size - 1, "C-24")


@case("C-24", category=INTEROP, api=PART)
def reader_hangs_up(r: Registry) -> None:
    """Readers of bytes=N- that hang up after the first bytes do no harm to who comes after them."""
    blob = r.push_blob(r.content(3 * 1024 * 1024))
    for start in (0, 1_000_000):
        path = r.blob_path(blob.digest)
        login = "".join(f"{name}: {value}\r\n" for name, value in r.credentials("GET", path))
        head = f"GET {urlsplit(r.url(path)).path} HTTP/1.1\r\nHost: {{host}}\r\n{login}Range: bytes={start}-\r\n\r\n"
        r.raw(head.encode(), most=2000)
    served(r, r.get(r.blob_path(blob.digest)), blob, "C-24", "after readers that hung up")


@case("C-25", category=INTEROP, api=PART, variants=("0-1", "-1", "-100"))
def probe(r: Registry, ranges: str) -> None:
    """A range of {variant}, as stargz and SOCI probe with, is answered 206."""
    blob = r.push_blob(r.content(1000))
    answer = ranged(r, blob, ranges)
    first, last = (0, 1) if ranges == "0-1" else (blob.size + int(ranges), blob.size - 1)
    r.status(answer, 206, "C-25", f"bytes={ranges}")
    partial(r, answer, blob, first, last, "C-25")


@case("C-26", category=INTEROP, api=PART, variants=tuple(FEW))
def few_ranges(r: Registry, variant: str) -> None:
    """Three ranges come in one part each, in the order asked ({variant})."""
    blob = r.push_blob(r.content(1000))
    in_order(r, blob, FEW[variant])


@case("C-26", category=INTEROP, api=PART, variants=("17", "200", "1024", "1500"))
def many_ranges(r: Registry, count: str) -> None:
    """{variant} ranges come in one part each, in the order asked, or are answered 400."""
    blob = r.push_blob(r.content(int(count) * BLOCK))
    in_order(r, blob, [(number * BLOCK, number * BLOCK + 99) for number in range(int(count))])


@case("C-27", category=INTEROP, api="Blob get", variants=("GET", "HEAD"))
def accept_ranges(r: Registry, method: str) -> None:
    """{variant} of a blob says Accept-Ranges: bytes."""
    blob = r.push_blob(r.content())
    answer = r.request(method, r.blob_path(blob.digest))
    r.status(answer, 200, "C-27")
    r.header(answer, "accept-ranges", "bytes", "C-27")


@case("C-34", category=INTEROP, api="Blob get")
def redirect_target(r: Registry) -> None:
    """Where a blob is redirected the target serves it, and parts of it, to who has no login there."""
    blob = r.push_blob(r.content(1000))
    path = r.blob_path(blob.digest)
    first = r.request("GET", path, follow=False)
    if first.status == 200:
        r.skip("blobs are not redirected")
    r.status(first, (301, 302, 303, 307, 308), "C-34")
    target = r.location(first, "C-34")
    served(r, r.wire.request("GET", target), blob, "C-34", "GET of the redirect's target")
    part = r.wire.request("GET", target, [("Range", "bytes=10-19")])
    partial(r, part, blob, 10, 19, "C-34")
    r.status(r.head(path), 200, "C-34", "HEAD")


@case("C-10", category=INTEROP, api="Blob get", duty=Duty.MAY)
def location_of_itself(r: Registry) -> None:
    """A blob that says where it is, as Ollama wants it on every GET, is there."""
    blob = r.push_blob(r.content())
    answer = r.request("GET", r.blob_path(blob.digest), follow=False)
    if answer.status != 200 or answer.location is None:
        r.skip("blobs do not tell their own Location")
    served(r, r.get(r.location(answer, "C-10")), blob, "C-10", "GET of the Location")


@case("C-02", category=INTEROP, api="Blob get")
def blob_accept(r: Registry) -> None:
    """Blobs are served whatever Accept says: clients send that of manifests."""
    blob = r.push_blob(r.content())
    for headers in (ACCEPT, [("Accept", "application/octet-stream")], [("Accept", "*/*")]):
        served(r, r.get(r.blob_path(blob.digest), headers), blob, "C-02", f"Accept: {headers[0][1]}")


def ranged(r: Registry, blob: Content, ranges: str) -> Answer:
    return r.get(r.blob_path(blob.digest), [("Range", f"bytes={ranges}")])


def partial(r: Registry, answer: Answer, blob: Content, first: int, last: int, requirement: str) -> None:
    """206 with these bytes; skips where ranges are not served."""
    if answer.status == 200:
        r.skip("ranges are not served")
    r.status(answer, 206, requirement, f"bytes {first} to {last}")
    place = answer.header("content-range")
    wanted = (f"bytes {first}-{last}/{blob.size}", f"bytes {first}-{last}/*")
    r.that(place in wanted, requirement, f"Content-Range: {wanted[0]}", place)
    r.body(answer, blob.data[first : last + 1], requirement)


def in_order(r: Registry, blob: Content, wanted: list[tuple[int, int]]) -> None:
    """One part for each range, in this order; or 400, of which clients ask again for fewer."""
    answer = ranged(r, blob, ",".join(f"{first}-{last}" for first, last in wanted))
    if answer.status == 400 and len(wanted) > len(FEW):
        return
    if answer.status == 200:
        r.skip("several ranges are answered with the whole blob")
    r.status(answer, 206, "C-26", f"{len(wanted)} ranges")
    r.that(boundary_of(answer) is not None, "C-26", "multipart/byteranges", answer.header("content-type"))
    got = parts(r, answer, blob)
    r.that(got == wanted, "C-26", f"{len(wanted)} parts, {wanted[:3]}…", f"{len(got)} parts, {got[:3]}…")
