"""How clients ask: the first request, Accept, credentials, errors, and headers that others do not send."""

import re
from collections.abc import Sequence
from urllib.parse import urlencode

from conformance.case import case
from conformance.cases.steps import ACCEPT, KINDS, ask, push, served
from conformance.client.registry import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Registry
from conformance.client.wire import Answer, Headers
from conformance.model import Category

INTEROP = Category.INTEROP
SKOPEO = (
    OCI_MANIFEST,
    DOCKER_MANIFEST,
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
    DOCKER_LIST,
    OCI_INDEX,
)
ACCEPTS: dict[str, Headers] = {
    "six lines": [("Accept", kind) for kind in SKOPEO],
    "one line": [("Accept", ",".join(SKOPEO))],
    "the type last of two lines": [("Accept", f"{DOCKER_LIST}, {OCI_INDEX}"), ("Accept", OCI_MANIFEST)],
    "none": [],
    "anything": [("Accept", "*/*")],
}
QUICK = 2.0
FORM = ("Content-Type", "application/x-www-form-urlencoded")
PARAMETER = re.compile(r'([a-z_]+)="([^"]*)"')


@case("C-01", category=INTEROP, api="Ping")
def first_request(r: Registry) -> None:
    """GET /v2/ without a login is answered at once, with 200, or with 401 and a challenge."""
    answer = anonymous(r, "GET", "/v2/")
    r.status(answer, (200, 401), "C-01")
    if answer.status == 401:
        challenged(r, answer, "C-01")
    r.that(answer.seconds < QUICK, "C-01", f"an answer within {QUICK:g} seconds", f"{answer.seconds:.1f} seconds")


@case("C-02", category=INTEROP, api="Manifest get by tag", variants=tuple(ACCEPTS))
def accept(r: Registry, variant: str) -> None:
    """An image is pulled by tag and by digest, however a client says what it accepts ({variant})."""
    tag = r.tag()
    image = r.push_image(tag)
    for reference in (tag, image.digest):
        answer = r.get(r.manifest_path(reference), ACCEPTS[variant])
        served(r, answer, image, "C-02", f"Accept: {variant}")
        kind = answer.header("content-type")
        r.that(kind == OCI_MANIFEST, "C-02", f"Content-Type: {OCI_MANIFEST}", kind)


@case("C-14", category=INTEROP, api="Blob get", variants=KINDS)
def not_compressed(r: Registry, kind: str) -> None:
    """A {variant} comes with its own bytes and length to clients that accept compressed answers."""
    thing = push(r, kind)
    for coding in ("gzip", "zstd, gzip, deflate", "br"):
        answer = ask(r, "GET", thing, ("Accept-Encoding", coding))
        served(r, answer, thing.content, "C-14", f"Accept-Encoding: {coding}")
        told = answer.header("content-encoding")
        r.that(told in (None, "identity"), "C-14", "no Content-Encoding", told)


@case("C-15", category=INTEROP, api="Blob post put")
def challenge(r: Registry) -> None:
    """A push without a login, where it takes one, is answered with a challenge, and a Bearer one names the scope."""
    answer = wanting_login(r)
    scheme, parameters = challenged(r, answer, "C-15")
    if scheme == "bearer":
        scope = parameters.get("scope", "")
        r.that(r.name in scope and "push" in scope, "C-15", f"a scope for pushing to {r.name}", scope or "none")


@case("C-16", category=INTEROP, api="Token")
def token_endpoint(r: Registry) -> None:
    """The token endpoint knows GET with two scopes, and does not fail at the form that containerd and docker POST."""
    scheme, parameters = challenged(r, wanting_login(r), "C-16")
    if scheme != "bearer":
        r.skip(f"the login is {scheme}, without a token endpoint")
    scopes = [f"repository:{r.name}:pull", f"repository:{r.other}:pull"]
    asked = {"service": parameters.get("service", ""), "scope": scopes}
    realm = r.url(parameters["realm"])
    answer = r.wire.request("GET", r.url(realm, **asked))
    r.status(answer, (200, 401, 403), "C-16", "GET of a token for two repositories")
    form = {"grant_type": "password", "service": asked["service"], "username": "none", "password": "none"}
    answer = r.wire.request("POST", realm, [FORM], urlencode({**form, "scope": " ".join(scopes)}).encode())
    r.that(answer.status < 500, "C-16", "no server error for POST of the form", f"status {answer.status}")


def errors_of(r: Registry) -> dict[str, Answer]:
    """Answers to what cannot be."""
    r.push_image(r.tag())
    unknown = r.content().digest
    session = r.start_upload()
    return {
        "an unknown blob": r.get(r.blob_path(unknown)),
        "an unknown manifest": r.get(r.manifest_path(unknown), ACCEPT),
        "an unknown tag": r.get(r.manifest_path(r.tag("none")), ACCEPT),
        "a digest that does not fit": r.put(session, [], b"other", digest=unknown),
        "a manifest that is no JSON": r.put(r.manifest_path(r.tag()), [("Content-Type", OCI_MANIFEST)], b"{"),
    }


@case("C-18", category=INTEROP, api="Errors")
def errors_in_json(r: Registry) -> None:
    """Errors come as application/json, in the form that docker can print."""
    for what, answer in errors_of(r).items():
        r.that(answer.status >= 400, "C-18", f"an error for {what}", f"status {answer.status}")
        kind = (answer.header("content-type") or "").partition(";")[0].strip()
        r.that(kind == "application/json", "C-18", f"application/json for {what}", kind or "no Content-Type")
        fields = answer.json()
        entries = fields.get("errors") if isinstance(fields, dict) else None
        good = isinstance(entries, list) and entries and all(isinstance(e, dict) and "code" in e for e in entries)
        r.that(good, "C-18", f'{{"errors": [{{"code": …}}]}} for {what}', answer.body[:300])


@case("C-23", category=INTEROP, api="Manifest get by tag", variants=KINDS)
def mirror_parameter(r: Registry, kind: str) -> None:
    """The ns that containerd adds for mirrors does no harm to GET and HEAD of a {variant}."""
    thing = push(r, kind)
    served(r, ask(r, "GET", thing, path=f"{thing.path}?ns=docker.io"), thing.content, "C-23", "GET with ns")
    r.status(ask(r, "HEAD", thing, path=f"{thing.path}?ns=docker.io"), 200, "C-23", "HEAD with ns")


@case("C-33", category=INTEROP, api="Ping")
def signatures(r: Registry) -> None:
    """X-Registry-Supports-Signatures is sent by those only that have the signatures' API."""
    image = r.push_image(r.tag())
    answers = [r.get("/v2/"), r.get(r.manifest_path(image.digest), ACCEPT)]
    if any(answer.header("x-registry-supports-signatures") == "1" for answer in answers):
        path = f"/extensions/v2/{r.name}/signatures/{image.digest}"
        answer = r.get(path)
        r.status(answer, 200, "C-33", f"GET {path}")


@case("C-35", category=INTEROP, api="Blob get", variants=("20", "24"))
def long_header(r: Registry, kilobytes: str) -> None:
    """A request with a header of {variant} KB is answered like any other."""
    thing = push(r, "blob")
    padding = ("X-Padding", "p" * (int(kilobytes) * 1024))
    served(r, ask(r, "GET", thing, padding), thing.content, "C-35", f"a header of {kilobytes} KB")


def anonymous(r: Registry, method: str, path: str) -> Answer:
    """Without credentials, whatever the user gave."""
    return r.wire.request(method, r.url(path))


def wanting_login(r: Registry) -> Answer:
    """The 401 for a push without a login; skips where none is needed."""
    answer = anonymous(r, "POST", r.uploads_path())
    if answer.status == 202:
        r.delete(r.location(answer, "R-050"))
        r.skip("no login is needed to push")
    if answer.status == 403:
        r.skip("nobody may push")
    r.status(answer, 401, "C-15", "a push without a login")
    return answer


def challenged(r: Registry, answer: Answer, requirement: str) -> tuple[str, dict[str, str]]:
    """Scheme and parameters of the challenge, which has to have a realm; Bearer, where there are several."""
    found: Sequence[str] = [value.strip() for value in answer.all("www-authenticate")]
    r.that(found, requirement, "WWW-Authenticate", "none")
    value = next((value for value in found if value.lower().startswith("bearer ")), found[0])
    scheme, _, rest = value.partition(" ")
    parameters = dict(PARAMETER.findall(rest))
    if scheme.lower() in ("basic", "bearer"):
        r.that(parameters.get("realm"), requirement, 'a challenge with realm="…"', value)
    return scheme.lower(), parameters
