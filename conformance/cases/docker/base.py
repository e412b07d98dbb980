"""docker-distribution's wire: the base path, methods, names in paths, errors."""

from conformance.case import case
from conformance.cases.docker.steps import VERSION, coded, fine, refused
from conformance.cases.steps import own_names, served
from conformance.cases.uploads.steps import begin
from conformance.client.registry import CODES, OCI_MANIFEST, Content, Registry, manifest
from conformance.model import Category

DOCKER = Category.DOCKER
NAMES = "Names"
KNOWN = CODES | {
    "MANIFEST_UNVERIFIED",
    "PAGINATION_NUMBER_INVALID",
    "RANGE_INVALID",
    "TAG_INVALID",
    "UNAVAILABLE",
    "UNKNOWN",
}
"""The codes of the specification, and those of Docker's own registry."""

PATHS = ("tags", "manifest", "blob", "uploads", "upload")


def path_of(r: Registry, kind: str) -> str:
    """A path of this kind that has something."""
    if kind == "upload":
        return begin(r).location
    image = r.push_image(r.tag())
    return {
        "tags": r.tags_path(),
        "manifest": r.manifest_path(image.digest),
        "blob": r.blob_path(r.push_blob(r.content()).digest),
        "uploads": r.uploads_path(),
    }[kind]


@case("D-B1", category=DOCKER, api="Ping")
def base(r: Registry) -> None:
    """GET /v2/ is {} in JSON, with Docker's version header."""
    answer = r.get("/v2/")
    r.status(answer, 200, "D-B1")
    r.that(answer.json() == {}, "D-B1", "the body {}", answer.body[:100])
    kind = (answer.header("content-type") or "").partition(";")[0]
    r.that(kind == "application/json", "D-B1", "Content-Type: application/json", kind or "none")
    r.header(answer, *VERSION, "D-B1")


@case("D-B2", category=DOCKER, api="Ping")
def base_without_slash(r: Registry) -> None:
    """GET /v2 is answered like /v2/, or leads there."""
    answer = r.request("GET", "/v2", follow=False)
    r.status(answer, (200, 301), "D-B2")
    if answer.status == 301:
        r.that((answer.location or "").endswith("/v2/"), "D-B2", "Location: /v2/", answer.location)


@case("D-B3", category=DOCKER, api="Ping")
def base_posted(r: Registry) -> None:
    """POST to /v2/ is answered 200 or 405."""
    r.status(r.post("/v2/"), (200, 405), "D-B3")


WRONG = {"tags": "PUT", "manifest": "POST", "blob": "PATCH"}


@case("D-B4", category=DOCKER, api="Methods", variants=tuple(WRONG))
def wrong_method(r: Registry, kind: str) -> None:
    """A method that a path does not have is answered 405 with Allow ({variant})."""
    answer = r.request(WRONG[kind], path_of(r, kind))
    r.status(answer, 405, "D-B4", f"{WRONG[kind]} of {kind}")
    allowed = {word.strip().upper() for word in (answer.header("allow") or "").split(",")} - {""}
    right = {"tags": "GET", "manifest": "PUT", "blob": "GET"}[kind]
    r.that(right in allowed, "D-B4", f"Allow with {right}", answer.header("allow"))
    r.that(WRONG[kind] not in allowed, "D-B4", f"Allow without {WRONG[kind]}", answer.header("allow"))


@case("D-B5", category=DOCKER, api="Methods", variants=PATHS)
def options(r: Registry, kind: str) -> None:
    """OPTIONS is answered 200 with Allow, where it is offered ({variant})."""
    answer = r.request("OPTIONS", path_of(r, kind))
    fine(r, answer, "D-B5", "OPTIONS")
    if answer.status >= 400:
        r.skip("OPTIONS is not offered")
    r.status(answer, (200, 204), "D-B5")
    r.that(answer.header("allow"), "D-B5", "an Allow header", "none")


BAD = {"upper case": "{}/Upper", "two dots": "{}/a..b", "an empty component": "{}//b", "a hyphen at the end": "{}/a-"}


@case("D-B6", category=DOCKER, api=NAMES, variants=tuple(BAD))
def bad_name(r: Registry, variant: str) -> None:
    """A name with {variant} is refused with NAME_INVALID."""
    answer = r.get(r.tags_path(BAD[variant].format(r.name)))
    refused(r, answer, (400, 404), "NAME_INVALID", "D-B6", f"a name with {variant}")


@case("D-B7", category=DOCKER, api=NAMES)
def long_name(r: Registry) -> None:
    """A name of 300 characters, where it is refused, is refused with NAME_INVALID and in one JSON document."""
    own_names(r)
    name = f"{r.name}/{'n' * (299 - len(r.name))}"
    answer = r.post(r.uploads_path(name), [("Content-Length", "0")])
    if answer.status == 202:
        r.skip("names of 300 characters are accepted")
    refused(r, answer, 400, "NAME_INVALID", "D-B7", "a name of 300 characters")


TAGS = {"of 128 characters": True, "of 129 characters": False, "with a hyphen first": False, "with a dot first": False}


@case("D-B8", category=DOCKER, api="Manifest put by tag", variants=tuple(TAGS))
def tag_limits(r: Registry, variant: str) -> None:
    """A tag {variant} is accepted if it is legal, and refused if not."""
    tag = r.tag()
    tag = {"of 128": f"{tag:x<128}", "of 129": f"{tag:x<129}", "with a": f"{'-' if 'hyphen' in variant else '.'}{tag}"}[
        variant[:6]
    ]
    image = r.image()
    answer = r.put_manifest(image, tag)
    if TAGS[variant]:
        r.status(answer, 201, "D-B8", f"a tag {variant}")
        served(r, r.get(r.manifest_path(tag), [("Accept", OCI_MANIFEST)]), image, "D-B8")
    else:
        r.status(answer, (400, 404), "D-B8", f"a tag {variant}")
        r.status(r.get(r.manifest_path(tag)), (400, 404), "D-B8", f"GET of a tag {variant}")


WORDS = ("manifests/tags", "tags/list", "blobs/uploads", "tags/list/tags/list", "v2/manifests/blobs", "uploads")


@case("D-B9", category=DOCKER, api=NAMES, variants=WORDS)
def words_of_routes(r: Registry, words: str) -> None:
    """A repository whose name ends in {variant} is pushed to and pulled from."""
    own_names(r)
    name = f"{r.name}/{words}"
    tag = r.tag()
    image = r.push_image(tag, name)
    served(r, r.get(r.manifest_path(tag, name), [("Accept", OCI_MANIFEST)]), image, "D-B9")
    answer = r.get(r.tags_path(name))
    r.status(answer, 200, "D-B9", "its tags")
    r.that(answer.json() == {"name": name, "tags": [tag]}, "D-B9", f"name {name} and tag {tag}", answer.body[:300])


@case("D-B10", category=DOCKER, api=NAMES)
def host_as_name(r: Registry) -> None:
    """A name that looks like a host with a port gets the same answer each time, and no server error."""
    path = r.tags_path("localhost:8080/foo")
    answers = [r.get(path) for _ in range(2)]
    fine(r, answers[0], "D-B10", "localhost:8080/foo as name")
    statuses = [answer.status for answer in answers]
    r.that(len(set(statuses)) == 1, "D-B10", "the same status twice", statuses)


BESIDE = {
    "two dots": "{0}/x/../tags/list",
    "coded dots": "{0}/%2e%2e/{1}/tags/list",
    "coded dots and slashes": "{0}/..%2f..%2fetc/passwd",
    "a coded slash": "{0}%2fx/tags/list",
    "a coded letter": "{0}/%c3%a9/tags/list",
}


@case("D-B11", category=DOCKER, api=NAMES, variants=tuple(BESIDE))
def odd_path(r: Registry, variant: str) -> None:
    """A path with {variant} is 404, 400 or a redirect, and is not taken for another one."""
    r.push_image(r.tag())
    last = r.name.rpartition("/")[2]
    path = "/v2/" + BESIDE[variant].format(r.name, last)
    login = "".join(f"{name}: {value}\r\n" for name, value in r.credentials("GET", path))
    answer = r.raw(f"GET {path} HTTP/1.1\r\nHost: {{host}}\r\n{login}Connection: close\r\n\r\n".encode())
    status = answer[9:12].decode("latin-1")
    r.that(status in ("301", "307", "308", "400", "401", "404"), "D-B11", "status 404 or 400, or a redirect", status)


@case("D-B12", category=DOCKER, api="Errors")
def envelope(r: Registry) -> None:
    """Errors are lists of code and message, of known codes, with the statuses that belong to them."""
    r.push_image(r.tag())
    unknown = r.content().digest
    cases = {
        "BLOB_UNKNOWN": (404, r.get(r.blob_path(unknown))),
        "MANIFEST_UNKNOWN": (404, r.get(r.manifest_path(unknown))),
        "DIGEST_INVALID": (400, r.put(r.start_upload(), [], b"x", digest=unknown)),
        "MANIFEST_INVALID": (400, r.put_manifest(Content(b"{"), r.tag())),
    }
    for code, (status, answer) in cases.items():
        refused(r, answer, status, code, "D-B12", f"what is {code}")
        for entry in answer.json()["errors"]:
            r.that(entry["code"] in KNOWN, "D-B12", "a known code", entry["code"])
            message = entry.get("message")
            r.that(isinstance(message, str) and message, "D-B12", "a message", entry)
        kind = (answer.header("content-type") or "").partition(";")[0]
        r.that(kind == "application/json", "D-B12", "Content-Type: application/json", kind or "none")


@case("D-B14", category=DOCKER, api="Errors")
def two_errors(r: Registry) -> None:
    """A manifest with two missing blobs is refused with both errors in one list."""
    missing = manifest(r.push_blob(r.config()), [r.content(), r.content()])
    answer = r.put_manifest(missing, r.tag())
    if answer.status == 201:
        r.skip("manifests are accepted before their blobs")
    r.status(answer, 400, "D-B14", "a manifest with two missing layers")
    found = coded(r, answer, "MANIFEST_BLOB_UNKNOWN", "D-B14")
    r.that(len(found) == 2, "D-B14", "two errors in one list", found)
