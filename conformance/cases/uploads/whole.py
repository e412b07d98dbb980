"""Pushing a blob as a whole: POST and PUT, the single POST, nothing at all, and wrong lengths."""

import time

from conformance.case import case
from conformance.cases.uploads.steps import ALGORITHMS, absent, begin, kept, located, sent
from conformance.client.registry import OCTETS, Content, Registry
from conformance.client.wire import Answer
from conformance.model import Category

PUSH = Category.PUSH
DIGEST_FAULTS = ("DIGEST_INVALID", "SIZE_INVALID", "BLOB_UPLOAD_INVALID")


def single(r: Registry, content: Content, digest: str | None = None) -> Answer:
    """A blob in one POST; not judged."""
    return r.post(r.uploads_path(), [OCTETS], content.data, digest=digest or content.digest)


@case("R-060", category=PUSH, api="Blob post put", data="Blobs {variant}", official="post+put", variants=ALGORITHMS)
def post_put(r: Registry, algorithm: str) -> None:
    """A blob is pushed by POST and PUT, and the Location given gives it back ({variant})."""
    r.needs(algorithm)
    content = r.content(algorithm=algorithm)
    answer = begin(r).close(content, content.data, by="R-060")
    located(r, answer, content, "R-060")


@case("R-060", category=PUSH, api="Blob post put")
def larger(r: Registry) -> None:
    """A blob of some megabytes is pushed by POST and PUT."""
    content = r.content(3 * 1024 * 1024 + 17)
    begin(r).close(content, content.data, by="R-060")


@case("R-060", category=PUSH, api="Blob post put")
def pushed_again(r: Registry) -> None:
    """A blob that is there already can be pushed once more, here and in another repository."""
    content = r.content()
    for name in (r.name, r.name, r.other):
        begin(r, name).close(content, content.data, by="R-060")


@case(
    "R-060",
    category=PUSH,
    api="Blob post put",
    data="Blobs {variant}",
    official="emptyJSON",
    variants=ALGORITHMS,
)
def empty_object(r: Registry, algorithm: str) -> None:
    """The blob {} is pushed, which all artifacts share ({variant})."""
    r.needs(algorithm)
    content = Content(b"{}", algorithm)
    begin(r).close(content, content.data, by="R-060")


@case(
    "R-062",
    "R-061",
    category=PUSH,
    api="Blob post only",
    data="Blobs {variant}",
    official="post only",
    variants=ALGORITHMS,
)
def single_post(r: Registry, algorithm: str) -> None:
    """A blob is pushed by a single POST ({variant})."""
    r.needs(algorithm)
    content = r.content(algorithm=algorithm)
    answer = single(r, content)
    r.status(answer, (201, 202), "R-061")
    if answer.status == 202:
        r.skip("the single POST is not supported")
    kept(r, answer, content, "R-062")
    located(r, answer, content, "R-062")


@case("R-063", category=PUSH, api="Blob post only", official="post only")
def single_post_not_supported(r: Registry) -> None:
    """A single POST that is not supported opens an upload, and only the PUT makes the blob."""
    content = r.content()
    answer = single(r, content)
    if answer.status == 201:
        r.skip("the single POST is supported")
    r.status(answer, 202, "R-063")
    location = r.location(answer, "R-063")
    absent(r, "R-063", content.digest)
    kept(r, r.put(location, [OCTETS], content.data, digest=content.digest), content, "R-063")


@case(
    "R-064",
    category=PUSH,
    api="Blob post only",
    data="Blobs {variant}",
    official="bad digest post only",
    variants=ALGORITHMS,
)
def single_post_wrong_digest(r: Registry, algorithm: str) -> None:
    """A single POST with bytes that do not have its digest is refused, and nothing becomes visible ({variant})."""
    r.needs(algorithm)
    content, claimed = r.content(algorithm=algorithm), r.content(algorithm=algorithm)
    answer = single(r, content, claimed.digest)
    if answer.status == 202:
        location = r.location(answer, "R-063")
        answer = r.put(location, [OCTETS], content.data, digest=claimed.digest)
    r.status(answer, range(400, 500), "R-064")
    absent(r, "R-064", claimed.digest, content.digest)


@case("R-065", category=PUSH, data="Blobs {variant}", official="empty", variants=ALGORITHMS)
def empty(r: Registry, algorithm: str) -> None:
    """A blob of no bytes is pushed, found, pulled and deleted ({variant})."""
    r.needs(algorithm)
    content = Content(b"", algorithm)
    path = r.blob_path(content.digest)
    kept(r, r.put(begin(r).location, [OCTETS], b"", digest=content.digest), content, "R-065")
    for method in ("HEAD", "GET"):
        answer = r.request(method, path)
        r.status(answer, 200, "R-065", method)
        if not answer.header("transfer-encoding"):
            r.header(answer, "Content-Length", "0", "R-065")
    deleted = r.delete(path)
    if deleted.status in (400, 405):
        return
    r.status(deleted, 202, "R-065", "DELETE")


@case("R-066", category=PUSH, api="Blob post put")
def put_of_nothing(r: Registry) -> None:
    """A PUT without a body and without a type, straight after the POST, pushes the blob of no bytes."""
    content = Content(b"")
    answer = r.put(begin(r).location, digest=content.digest)
    kept(r, answer, content, "R-066")


@case("R-066", category=PUSH, api="Blob chunked")
def chunk_of_nothing(r: Registry) -> None:
    """A blob of no bytes is pushed as a stream without bytes."""
    upload, content = begin(r), Content(b"")
    upload.take(upload.patch(b""), "R-066")
    upload.close(content, by="R-066")


@case("R-064", category=PUSH, api="Blob post put")
def fewer_bytes_than_said(r: Registry) -> None:
    """A PUT that ends before its Content-Length is no blob, although what came has the digest."""
    content = r.content()
    location = r.url(begin(r).location, digest=content.digest)
    answer = sent(r, "PUT", location, 2 * content.size, content.data, half_close=True)
    r.that(answer[9:10] != b"2", "R-064", "a refusal, or no answer", answer[:200])
    # Nobody waits for the end of a request whose client has gone.
    time.sleep(0.2)
    absent(r, "R-064", content.digest)


@case("R-064", category=PUSH, api="Blob post put")
def more_bytes_than_said(r: Registry) -> None:
    """A PUT with fewer bytes in its Content-Length than the blob has is refused, whatever comes behind them."""
    content = r.content()
    location = r.url(begin(r).location, digest=content.digest)
    answer = sent(r, "PUT", location, content.size // 2, content.data)
    r.that(answer[9:10] == b"4", "R-064", "a refusal", answer[:200] or "nothing")
    absent(r, "R-064", content.digest)


@case("R-201", "R-200", category=PUSH, api="Blob post put")
def refusal_explained(r: Registry) -> None:
    """A digest that does not match is refused with an error of the specification's form."""
    content, claimed = r.content(), r.content()
    answer = begin(r).put(claimed.digest, content.data)
    r.status(answer, range(400, 500), "R-064")
    r.error(answer, ())


@case("R-016", category=PUSH, api="Blob post put")
def refusal_says_digest(r: Registry) -> None:
    """A digest that does not match is refused with the code that fits."""
    content, claimed = r.content(), r.content()
    answer = begin(r).put(claimed.digest, content.data)
    r.status(answer, range(400, 500), "R-064")
    r.error(answer, DIGEST_FAULTS, "R-016")
