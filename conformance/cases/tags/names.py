"""Tags: all that the grammar allows works, nothing else does."""

from conformance.case import case
from conformance.cases.steps import ACCEPT, served
from conformance.client.registry import Registry
from conformance.model import Category

PULL, PUSH = Category.PULL, Category.PUSH
REFUSED = range(400, 500)

TAGS = {
    "a letter": "a",
    "a digit": "7",
    "an underscore": "_",
    "digits and dots": "1.2.3",
    "all letters": "_aZ09.-_",
    "dots at the end": "v1..",
    "a hyphen at the end": "v1-",
    "like a digest": "sha256-" + "0" * 64,
    "hexadecimal": "0123456789abcdef" * 4,
    "words of paths": "manifests",
    "128 characters": "t" * 128,
    "128 of all letters": ("_aZ09.-" * 19)[:128],
}

NO_TAGS = {
    "a dot first": ".INVALID_MANIFEST_NAME",
    "a hyphen first": "-a",
    "129 characters": "t" * 129,
    "1000 characters": "t" * 1000,
    "a plus": "1.0+build",
    "a blank": "a%20b",
    "a tilde": "a~b",
    "an at": "a@b",
    "an exclamation mark": "a!",
    "an umlaut": "%C3%A4",
    "a digit of another script": "1%D9%A3",
    "a line break": "latest%0A",
    "a zero byte": "latest%00",
}


@case("R-012", category=PUSH, api="Manifest put by tag", variants=tuple(TAGS))
def tag(r: Registry, variant: str) -> None:
    """A tag that the grammar allows is pushed and pulled ({variant})."""
    image = r.image()
    path = r.manifest_path(TAGS[variant])
    r.status(r.put_manifest(image, TAGS[variant]), 201, "R-012", f"the tag {TAGS[variant]}")
    served(r, r.get(path, ACCEPT), image, "R-012", f"the tag {TAGS[variant]}")
    r.status(r.head(path, ACCEPT), 200, "R-012", f"HEAD of the tag {TAGS[variant]}")


@case("R-012", category=PULL, api="Manifest get by tag")
def upper_and_lower(r: Registry) -> None:
    """Tags that differ only in upper and lower case are different tags."""
    first, second = r.push_image("Case"), r.push_image("case")
    served(r, r.get(r.manifest_path("Case"), ACCEPT), first, "R-012")
    served(r, r.get(r.manifest_path("case"), ACCEPT), second, "R-012")
    r.status(r.get(r.manifest_path("CASE"), ACCEPT), 404, "R-012", "a third spelling")


@case("R-012", category=PULL, api="Manifest get by tag")
def whole(r: Registry) -> None:
    """A tag is found by all of its characters only."""
    r.push_image("v1.2.3")
    for other in ("v1.2", "v1.2.3.4", "v1-2-3", "v1_2_3", "v"):
        r.status(r.get(r.manifest_path(other), ACCEPT), 404, "R-012", f"the tag {other}, where there is v1.2.3")


@case("R-013", "R-012", category=PUSH, api="Manifest put by tag", variants=tuple(NO_TAGS))
def no_tag(r: Registry, variant: str) -> None:
    """A manifest is not pushed by what is neither tag nor digest ({variant})."""
    image = r.image()
    answer = r.put_manifest(image, NO_TAGS[variant])
    r.status(answer, REFUSED, "R-013", f"PUT of {NO_TAGS[variant][:140]}")
    r.status(r.get(r.manifest_path(image.digest), ACCEPT), 404, "R-013", "what was refused")


@case("R-017", category=PUSH, api="Manifest put by tag", variants=("a dot first", "129 characters", "a plus"))
def no_tag_status(r: Registry, variant: str) -> None:
    """PUT of a manifest by what is neither tag nor digest is answered 400 ({variant})."""
    answer = r.put_manifest(r.image(), NO_TAGS[variant])
    r.status(answer, 400, "R-017", f"PUT of {NO_TAGS[variant]}")


@case("R-016", "R-008", category=PUSH, api="Manifest put by tag", variants=("a dot first", "129 characters"))
def no_tag_explained(r: Registry, variant: str) -> None:
    """The refusal of what is neither tag nor digest says MANIFEST_INVALID, or what of it is invalid ({variant})."""
    answer = r.put_manifest(r.image(), NO_TAGS[variant])
    r.status(answer, REFUSED, "R-013", f"PUT of {NO_TAGS[variant]}")
    r.error(answer, ("MANIFEST_INVALID", "NAME_INVALID", "DIGEST_INVALID", "MANIFEST_UNKNOWN"), "R-016")


@case("R-008", category=PUSH, variants=("PUT of a bad tag", "PUT without signature", "GET of a bad tag"))
def schema1_codes(r: Registry, variant: str) -> None:
    """Errors do not have the codes of Docker's schema 1, TAG_INVALID and MANIFEST_UNVERIFIED ({variant})."""
    if variant == "GET of a bad tag":
        r.push_image()
        answer = r.get(r.manifest_path(".bad"), ACCEPT)
    elif variant == "PUT of a bad tag":
        answer = r.put_manifest(r.image(), ".bad")
    else:
        answer = r.put_manifest(r.image(), r.tag(), "application/vnd.docker.distribution.manifest.v1+prettyjws")
    for code in (b"TAG_INVALID", b"MANIFEST_UNVERIFIED"):
        r.that(code not in answer.body, "R-008", "no code of schema 1", answer.body[:300])


@case("R-017", "R-013", category=PULL, api="Manifest get by tag")
def no_tag_pulled(r: Registry) -> None:
    """GET and HEAD of a manifest by what is neither tag nor digest are answered 404."""
    r.push_image("latest")
    # What is encoded in the path may be refused as no path at all.
    for reference in (text for text in NO_TAGS.values() if "%" not in text):
        for method in ("GET", "HEAD"):
            answer = r.request(method, r.manifest_path(reference), ACCEPT)
            r.status(answer, 404, "R-017", f"{method} of {reference[:140]}")


@case("R-013", category=PULL, api="Manifest get by tag")
def no_tag_found(r: Registry) -> None:
    """Nothing is found by what is neither tag nor digest, and asking is no server error."""
    r.push_image("latest")
    for reference in NO_TAGS.values():
        for method in ("GET", "HEAD"):
            answer = r.request(method, r.manifest_path(reference), ACCEPT)
            r.status(answer, REFUSED, "R-013", f"{method} of {reference[:140]}")
