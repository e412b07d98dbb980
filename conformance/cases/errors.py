"""Errors: the form of their bodies, their codes, HEAD, and requests that no endpoint answers."""

from collections.abc import Callable
from urllib.parse import urlsplit

from conformance.case import case
from conformance.cases.steps import ACCEPT
from conformance.client.registry import OCI_MANIFEST, OCTETS, Registry
from conformance.client.wire import Answer
from conformance.model import Category, Duty, Level

PULL, PUSH, DISCOVERY = Category.PULL, Category.PUSH, Category.DISCOVERY
ERRORS = "Errors"
BURST = 40
REFUSED = (*range(400, 500), 501)


def unknown_manifest(r: Registry) -> Answer:
    r.push_image()
    return r.get(r.manifest_path(r.tag()), ACCEPT)


def unknown_digest(r: Registry) -> Answer:
    r.push_image()
    return r.get(r.manifest_path(r.content().digest), ACCEPT)


def unknown_blob(r: Registry) -> Answer:
    r.push_image()
    return r.get(r.blob_path(r.content().digest))


def unknown_repository(r: Registry) -> Answer:
    return r.get(r.tags_path(f"{r.name}/{r.tag('none')}"))


def unknown_upload(r: Registry) -> Answer:
    r.push_blob(r.content())
    return r.get(r.uploads_path() + "11111111-2222-4333-8444-555555555555")


def malformed_name(r: Registry) -> Answer:
    return r.post(r.uploads_path(f"{r.name}/UPPER"), [("Content-Length", "0")])


def malformed_digest(r: Registry) -> Answer:
    return r.put(r.start_upload(), [OCTETS], b"content", digest="sha256:totallywrong")


def wrong_digest(r: Registry) -> Answer:
    return r.put(r.start_upload(), [OCTETS], b"content", digest=r.content().digest)


def malformed_manifest(r: Registry) -> Answer:
    return r.put(r.manifest_path(r.tag()), [("Content-Type", OCI_MANIFEST)], b'{"schemaVersion": 2, ')


def malformed_tag(r: Registry) -> Answer:
    return r.put_manifest(r.image(), "-no-tag")


def malformed_reference(r: Registry) -> Answer:
    r.push_image()
    return r.get(r.manifest_path("sha256:totallywrong"), ACCEPT)


def malformed_number(r: Registry) -> Answer:
    r.push_image(r.tag())
    return r.get(r.tags_path(), n="many")


def beyond_the_end(r: Registry) -> Answer:
    blob = r.push_blob(r.content())
    return r.get(r.blob_path(blob.digest), [("Range", "bytes=100000-100001")])


def unknown_path(r: Registry) -> Answer:
    r.push_blob(r.content())
    return r.get(f"/v2/{r.name}/nonsense/{r.tag()}")


def wrong_method(r: Registry) -> Answer:
    r.push_blob(r.content())
    return r.post(r.manifest_path(r.tag()), [("Content-Type", OCI_MANIFEST)], b"{}")


PROVOKED: dict[str, Callable[[Registry], Answer]] = {
    "unknown manifest": unknown_manifest,
    "unknown digest": unknown_digest,
    "unknown blob": unknown_blob,
    "unknown repository": unknown_repository,
    "unknown upload": unknown_upload,
    "malformed name": malformed_name,
    "malformed digest": malformed_digest,
    "wrong digest": wrong_digest,
    "malformed manifest": malformed_manifest,
    "malformed tag": malformed_tag,
    "malformed reference": malformed_reference,
    "malformed number": malformed_number,
    "range beyond the end": beyond_the_end,
    "unknown path": unknown_path,
    "wrong method": wrong_method,
}
"""Requests that a registry answers with an error, or may."""

FITTING = {
    "unknown manifest": ("MANIFEST_UNKNOWN",),
    "unknown digest": ("MANIFEST_UNKNOWN",),
    "unknown blob": ("BLOB_UNKNOWN",),
    "unknown repository": ("NAME_UNKNOWN",),
    "unknown upload": ("BLOB_UPLOAD_UNKNOWN",),
    "malformed name": ("NAME_INVALID",),
    "malformed digest": ("DIGEST_INVALID",),
    "wrong digest": ("DIGEST_INVALID",),
    "malformed manifest": ("MANIFEST_INVALID",),
    "malformed tag": ("MANIFEST_INVALID",),
}
"""The code that the specification has for it."""


@case("R-200", "R-201", category=PULL, api=ERRORS, variants=tuple(PROVOKED))
def form(r: Registry, what: str) -> None:
    """The answer to an error ({variant}), if it is JSON, has the form and the codes of the specification."""
    answer = PROVOKED[what](r)
    if not 400 <= answer.status < 500:
        r.skip(f"it is answered {answer.status}")
    r.error(answer, ())
    fields = answer.json()
    for entry in fields.get("errors", ()) if isinstance(fields, dict) else ():
        message = entry.get("message", "")
        r.that(isinstance(message, str), "R-200", "a message that is a string", f"{message!r}")


@case("R-016", "R-204", category=PULL, api=ERRORS, variants=tuple(FITTING))
def code(r: Registry, what: str) -> None:
    """The error ({variant}) is one of the client, and has the code that fits."""
    answer = PROVOKED[what](r)
    if what == "unknown repository" and answer.status == 200:
        r.skip("a repository that nobody pushed to has an empty list")
    requirement = "R-204" if FITTING[what] == ("MANIFEST_UNKNOWN",) else "R-016"
    r.status(answer, range(400, 500), requirement, what)
    r.error(answer, FITTING[what], requirement)


def asked(r: Registry, what: str) -> str:
    """The path of something that is not there."""
    r.push_blob(r.content())
    return {
        "tag": r.manifest_path(r.tag()),
        "digest": r.manifest_path(r.content().digest),
        "blob": r.blob_path(r.content().digest),
        "repository": r.manifest_path("latest", f"{r.name}/{r.tag('none')}"),
    }[what]


MISSING = ("tag", "digest", "blob", "repository")


@case("R-205", category=PULL, api=ERRORS, variants=MISSING)
def head_as_get(r: Registry, what: str) -> None:
    """HEAD of an unknown {variant} has the status that GET has."""
    path = asked(r, what)
    wanted = r.get(path).status
    r.status(r.head(path), wanted, "R-205", "HEAD, as for GET")


@case("R-205", category=PULL, api=ERRORS, variants=MISSING)
def head_without_body(r: Registry, what: str) -> None:
    """The answer to HEAD of an unknown {variant} ends with its headers."""
    path = asked(r, what)
    r.head(path)
    login = "".join(f"{name}: {value}\r\n" for name, value in r.credentials("HEAD", path))
    target = urlsplit(r.url(path)).path
    request = f"HEAD {target} HTTP/1.1\r\nHost: {{host}}\r\n{login}Connection: close\r\n\r\n"
    answer = r.raw(request.encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    r.that(head[9:10] == b"4", "R-205", "status 4xx", head[:100])
    r.that(not body, "R-205", "no body", body[:300])


@case("R-004", category=PULL, api=ERRORS)
def no_endpoint(r: Registry) -> None:
    """A path that no endpoint has is a fault of the client, and not of the server."""
    r.push_image()
    for path in (f"/v2/{r.name}/nonsense", f"/v2/{r.name}/manifests", f"/v2/{r.name}/blobs/", f"/v2/{r.name}"):
        r.status(r.get(path, follow=False), range(300, 500), "R-004", path)


@case("R-004", category=PULL, api=ERRORS, variants=("PATCH manifest", "PUT blob", "PUT tags", "DELETE base"))
def no_method(r: Registry, what: str) -> None:
    """A method that an endpoint does not have ({variant}) is refused, and with 405 comes Allow."""
    tag, blob = r.tag(), r.push_blob(r.content())
    image = r.push_image(tag)
    method, _, where = what.partition(" ")
    path = {
        "manifest": r.manifest_path(tag),
        "blob": r.blob_path(blob.digest),
        "tags": r.tags_path(),
        "base": "/v2/",
    }[where]
    answer = r.request(method, path, [OCTETS], b"x")
    r.that(answer.status in REFUSED, "R-004", f"status 4xx or 501 for {what}", answer.status)
    if answer.status == 405:
        r.header(answer, "Allow", lambda allow: method not in allow, "R-004")
    r.body(r.get(r.manifest_path(tag), ACCEPT), image.data, "R-020")


@case("R-203", category=PULL, api=ERRORS, since=Level.DEV, duty=Duty.SHOULD)
def too_many(r: Registry) -> None:
    """If requests in quick succession are answered 429, it says when to come again, and TOOMANYREQUESTS."""
    path = asked(r, "tag")
    for _ in range(BURST):
        answer = r.get(path)
        if answer.status == 429:
            r.header(answer, "Retry-After", lambda value: bool(value.strip()), "R-203")
            r.error(answer, "TOOMANYREQUESTS", "R-203")
            return
    r.skip(f"{BURST} requests in quick succession are answered")
