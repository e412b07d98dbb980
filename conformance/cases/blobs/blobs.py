"""Pulling blobs: GET, HEAD, what is not there."""

import gzip

from conformance.case import case
from conformance.cases.steps import ALGORITHMS, ask, own_names, push, served
from conformance.client.registry import Content, Registry
from conformance.model import Category

PULL = Category.PULL
GET, HEAD = "Blob get", "Blob head"
BLOBS = "Blobs {variant}"
MEBIBYTE = 1024 * 1024


@case("R-030", "I-003", "I-004", category=PULL, api=GET, data=BLOBS, official="blob-get", variants=ALGORITHMS)
def get(r: Registry, algorithm: str) -> None:
    """A blob that was pushed is pulled as it was ({variant})."""
    blob = push(r, "blob", algorithm)
    served(r, ask(r, "GET", blob), blob.content, "R-030")


@case("R-030", category=PULL, api=GET)
def get_large(r: Registry) -> None:
    """A blob of several megabytes, and of no round size, is pulled as it was."""
    blob = r.push_blob(r.content(5 * MEBIBYTE + 4099))
    served(r, r.get(r.blob_path(blob.digest)), blob, "R-030")


@case("R-030", "R-035", category=PULL, api=GET, data=BLOBS, official="empty", variants=ALGORITHMS)
def nothing(r: Registry, algorithm: str) -> None:
    """A blob of zero bytes is pulled, and its HEAD tells no other length ({variant})."""
    r.needs(algorithm)
    blob = r.push_blob(Content(b"", algorithm))
    served(r, r.get(r.blob_path(blob.digest)), blob, "R-030")
    head = r.head(r.blob_path(blob.digest))
    r.status(head, 200, "R-035")
    r.that(head.header("content-length") in (None, "0"), "R-035", "Content-Length: 0", head.header("content-length"))


@case("R-030", category=PULL, api=GET)
def at_once(r: Registry) -> None:
    """Clients that pull the same blob at the same moment all get it."""
    blob = r.push_blob(r.content(MEBIBYTE))
    for answer in r.together(*[lambda view: view.get(view.blob_path(blob.digest))] * 4):
        served(r, answer, blob, "R-030")


@case("R-030", category=PULL, api=GET, variants=("compressible", "compressed"))
def compression(r: Registry, variant: str) -> None:
    """A blob is neither compressed nor unpacked on the way, whatever Accept-Encoding says ({variant})."""
    text = b"compress me " * 400 + r.content(16).data
    blob = r.push_blob(Content(gzip.compress(text) if variant == "compressed" else text))
    for coding in ("gzip", "gzip, deflate, br, zstd", "identity"):
        answer = r.get(r.blob_path(blob.digest), [("Accept-Encoding", coding)])
        served(r, answer, blob, "R-030", f"Accept-Encoding: {coding}")
        encoding = answer.header("content-encoding")
        r.that(encoding in (None, "identity"), "R-030", "no Content-Encoding", f"Content-Encoding: {encoding}")


@case("R-029", category=PULL, api=GET)
def before_manifest(r: Registry) -> None:
    """Blobs are pulled by a client that has not asked for the manifest, in any order."""
    config, layer = (r.push_blob(blob) for blob in (r.config(), r.content()))
    for blob in (layer, config):
        served(r, r.get(r.blob_path(blob.digest)), blob, "R-029")


@case("R-032", category=PULL, api=GET, data=BLOBS, official="get-missing", variants=ALGORITHMS)
def missing(r: Registry, algorithm: str) -> None:
    """GET of a blob that was never pushed is answered 404 ({variant})."""
    r.push_blob(r.content())
    r.status(r.get(r.blob_path(r.content(512, algorithm).digest)), 404, "R-032")


@case("R-016", category=PULL, api=GET)
def missing_explained(r: Registry) -> None:
    """The 404 of a blob says BLOB_UNKNOWN, or that the repository is unknown."""
    r.push_blob(r.content())
    answer = r.get(r.blob_path(r.content().digest))
    r.status(answer, 404, "R-032")
    r.error(answer, ("BLOB_UNKNOWN", "NAME_UNKNOWN"), "R-016")


@case("R-026", category=PULL, api=GET, variants=("GET", "HEAD"))
def missing_repository(r: Registry, method: str) -> None:
    """{variant} of a blob in a repository that does not exist is answered 404."""
    own_names(r)
    blob = r.push_blob(r.content())
    r.status(r.request(method, r.blob_path(blob.digest, f"{r.name}/{r.tag('none')}")), 404, "R-026")


@case("R-032", "R-037", "R-038", category=PULL, api=GET, variants=("GET", "HEAD"))
def other_repository(r: Registry, method: str) -> None:
    """{variant} of a blob that only another repository has is answered 404."""
    blob = r.push_blob(r.content(), r.other)
    r.push_blob(r.content())
    requirement = "R-032" if method == "GET" else "R-037"
    r.status(r.request(method, r.blob_path(blob.digest)), 404, requirement, "a blob of another repository")


@case("R-032", "R-037", category=PULL, api=GET, variants=("above", "below"))
def nested_repository(r: Registry, variant: str) -> None:
    """A blob of a repository is not in the one {variant} it in the path."""
    own_names(r)
    below = f"{r.name}/below"
    holder, stranger = (below, r.name) if variant == "above" else (r.name, below)
    r.push_blob(r.content(), stranger)
    blob = r.push_blob(r.content(), holder)
    r.status(r.get(r.blob_path(blob.digest, stranger)), 404, "R-032", "a blob of another repository")
    r.status(r.head(r.blob_path(blob.digest, stranger)), 404, "R-037", "a blob of another repository")


@case("R-035", category=PULL, api=HEAD, data=BLOBS, official="blob-head", variants=ALGORITHMS)
def head(r: Registry, algorithm: str) -> None:
    """HEAD of a blob that was pushed is answered 200, with its length if any ({variant})."""
    blob = push(r, "blob", algorithm)
    answer = ask(r, "HEAD", blob)
    r.status(answer, 200, "R-035")
    length = answer.header("content-length")
    r.that(length in (None, str(blob.content.size)), "R-035", f"Content-Length: {blob.content.size}", length)


@case("R-037", category=PULL, api=HEAD, variants=ALGORITHMS)
def head_missing(r: Registry, algorithm: str) -> None:
    """HEAD of a blob that was never pushed is answered 404 ({variant})."""
    r.push_blob(r.content())
    r.status(r.head(r.blob_path(r.content(512, algorithm).digest)), 404, "R-037")


@case("R-039", category=PULL, api=GET)
def redirected(r: Registry) -> None:
    """A redirect of GET ends at the blob and its Docker-Content-Digest, and HEAD is answered by the registry itself."""
    blob = push(r, "blob")
    first = r.request("GET", blob.path, follow=False)
    if first.status == 200:
        r.skip("blobs are not redirected")
    answer = ask(r, "GET", blob)
    served(r, answer, blob.content, "R-030", "where the redirects end")
    r.header(answer, "docker-content-digest", blob.content.digest, "R-039")
    r.status(r.request("HEAD", blob.path, follow=False), 200, "R-039", "HEAD")
