"""Names of repositories, and tags: all that the grammar allows works, nothing else does."""

from conformance.case import case
from conformance.cases.steps import ACCEPT, own_names, served
from conformance.client.registry import OCTETS, Registry, manifest
from conformance.model import Category

PULL, PUSH = Category.PULL, Category.PUSH
REFUSED = range(400, 500)

NAMES = {
    "a letter": "a",
    "a digit": "0",
    "a dot": "a.b",
    "an underscore": "a_b",
    "two underscores": "a__b",
    "a hyphen": "a-b",
    "two hyphens": "a--b",
    "many hyphens": "a------b",
    "all together": "0.a_1__b-2---c",
    "many components": "a/b/c/d/e/f/g/h",
    "digits only": "1/22/333",
    "like a file": "app.tar.gz",
    "like an uuid": "6f1e3b52-8f0a-4f6e-9d53-0c8a4a1f0b77",
}

NO_NAMES = {
    "upper case": "Upper",
    "a capital inside": "lowerUpper",
    "a dot first": ".a",
    "a dot last": "a.",
    "a hyphen first": "-a",
    "a hyphen last": "a-",
    "an underscore first": "_a",
    "an underscore last": "a_",
    "two dots": "a..b",
    "three underscores": "a___b",
    "dot and hyphen": "a.-b",
    "underscore and dot": "a_.b",
    "an empty component": "a//b",
    "a blank": "a%20b",
    "a plus": "a+b",
    "a colon": "a:b",
    "an at": "a@b",
    "a tilde": "a~b",
    "an umlaut": "%C3%A4",
    "a full-width letter": "%EF%BD%81",
    "a digit of another script": "%D9%A3",
    "a line break": "a%0A",
    "a zero byte": "a%00",
    "a percent sign": "a%25",
    "broken UTF-8": "a%FF",
}

WORDS = (
    "blobs",
    "manifests",
    "tags",
    "referrers",
    "uploads",
    "list",
    "v2",
    "blobs/uploads",
    "tags/list",
    "manifests/latest",
    "manifests/blobs/tags",
)


def works(r: Registry, name: str, requirement: str) -> None:
    """An image is pushed to this repository and pulled again."""
    tag = r.tag()
    answer = r.post(r.uploads_path(name), [("Content-Length", "0")])
    r.status(answer, 202, requirement, f"the name {name[:300]}")
    blob = r.content()
    closed = r.put(r.location(answer, requirement), [OCTETS], blob.data, digest=blob.digest)
    r.status(closed, 201, requirement, f"the name {name[:300]}")
    served(r, r.get(r.blob_path(blob.digest, name)), blob, requirement)
    image = manifest(r.push_blob(r.config(), name), [blob])
    r.status(r.put_manifest(image, tag, name=name), 201, requirement, f"the name {name[:300]}")
    for reference in (tag, image.digest):
        served(r, r.get(r.manifest_path(reference, name), ACCEPT), image, requirement)
        r.status(r.head(r.manifest_path(reference, name), ACCEPT), 200, requirement)


@case("R-010", category=PUSH, api="Blob push", variants=tuple(NAMES))
def name(r: Registry, variant: str) -> None:
    """A repository name that the grammar allows is pushed to and pulled from ({variant})."""
    own_names(r)
    works(r, f"{r.name}/{NAMES[variant]}", "R-010")


@case("R-010", category=PUSH, api="Blob push", variants=tuple(NO_NAMES))
def no_name(r: Registry, variant: str) -> None:
    """What is no repository name is not pushed to, and is the client's fault or sent elsewhere ({variant})."""
    own_names(r)
    path = f"{r.name}/{NO_NAMES[variant]}"
    answer = r.post(r.uploads_path(path), [("Content-Length", "0")])
    r.status(answer, range(300, 500), "R-010", f"the name {path}")


@case("R-010", "R-026", category=PULL, variants=("upper case", "two dots", "an underscore first", "a line break"))
def no_name_pulled(r: Registry, variant: str) -> None:
    """Nothing is pulled from what is no repository name, and asking is no server error ({variant})."""
    path = f"{r.name}/{NO_NAMES[variant]}"
    for url in (r.manifest_path("latest", path), r.blob_path(r.content().digest, path)):
        for method in ("GET", "HEAD"):
            r.status(r.request(method, url, ACCEPT), REFUSED, "R-010", f"{method} in {path}")


@case("R-016", category=PUSH)
def no_name_explained(r: Registry) -> None:
    """The refusal of a name that is none says NAME_INVALID, or that there is no such name."""
    own_names(r)
    answer = r.post(r.uploads_path(f"{r.name}/UPPER"), [("Content-Length", "0")])
    r.status(answer, REFUSED, "R-010", "a name in upper case")
    r.error(answer, ("NAME_INVALID", "NAME_UNKNOWN"), "R-016")


@case("R-010", category=PULL)
def case_of_name(r: Registry) -> None:
    """What one repository has is not pulled by its name in upper case."""
    own_names(r)
    blob = r.push_blob(r.content(), f"{r.name}/lower")
    answer = r.get(r.blob_path(blob.digest, f"{r.name}/LOWER"))
    r.status(answer, REFUSED, "R-010", "the name in upper case")


def long_name(r: Registry, length: int, components: bool) -> str:
    """A name of so many characters, in one last component or in many."""
    missing = length - len(r.name) - 1
    filling = ("abcdefgh/" * (missing // 9 + 1))[:missing] if components else "a" * missing
    return f"{r.name}/{filling[:-1]}z" if missing > 0 else r.name


@case("R-011", category=PUSH, variants=("128", "200", "255", "256", "1000", "4000"))
def length_of_name(r: Registry, length: str) -> None:
    """A repository name of {variant} characters works, or is refused as NAME_INVALID."""
    own_names(r)
    for components in (True, False):
        long = long_name(r, int(length), components)
        answer = r.post(r.uploads_path(long), [("Content-Length", "0")])
        if answer.status == 202:
            works(r, long, "R-011")
        else:
            r.status(answer, REFUSED, "R-011", f"a name of {length} characters")
            r.error(answer, ("NAME_INVALID", "NAME_UNKNOWN"), "R-011")


@case("R-018", category=PUSH, variants=WORDS)
def words_of_paths(r: Registry, words: str) -> None:
    """A repository name that ends in words of the API's own paths is a name like any other (…/{variant})."""
    own_names(r)
    works(r, f"{r.name}/{words}", "R-018")


@case("R-018", category=PULL, api="Tag listing", variants=("tags/list", "manifests", "blobs/uploads"))
def words_listed(r: Registry, words: str) -> None:
    """A repository whose name ends in words of the API's own paths has its own tags (…/{variant})."""
    own_names(r)
    path, tag = f"{r.name}/{words}", r.tag()
    r.push_image(tag, path)
    answer = r.get(r.tags_path(path))
    r.status(answer, 200, "R-018", f"the tags of {path}")
    fields = answer.json()
    listed = fields.get("tags") if isinstance(fields, dict) else None
    r.that(listed == [tag], "R-018", f"the tags {[tag]}", listed)
