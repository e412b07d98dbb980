"""Tags set by the query parameters of a push by digest."""

from conformance.case import case
from conformance.cases.datasets.pushed import listed
from conformance.cases.manifests.steps import (
    ANYTHING,
    REFUSALS,
    fitting_digest,
    headed,
    missing,
    needs_manifests,
    served,
    takes_tags,
)
from conformance.client.registry import OCI_INDEX, OCI_MANIFEST, Content, Registry, index
from conformance.client.wire import Answer
from conformance.model import Category

PUSH = Category.PUSH
PARAMETERS = "Manifest put with tag params"
ALGORITHMS = ("sha256", "sha512")


def named(answer: Answer) -> list[str]:
    """The tags in OCI-Tag: several header lines, or one with commas, mean the same."""
    return [tag.strip() for tag in (answer.header("oci-tag") or "").split(",") if tag.strip()]


def tagged(r: Registry, image: Content, tags: list[str], requirement: str, media_type: str = OCI_MANIFEST) -> Answer:
    """The push names every tag as accepted, and each of them leads to the manifest at once."""
    answer = r.put_manifest(image, None, media_type, tag=tags)
    r.status(answer, 201, requirement, f"a push with {len(tags)} tag parameters")
    found = named(answer)
    r.that(set(tags) <= set(found), "R-123", f"OCI-Tag with {', '.join(tags)}", ", ".join(found) or "no OCI-Tag")
    r.that(set(found) <= set(tags), "R-123", "no tag in OCI-Tag that was not asked for", ", ".join(found))
    for tag in dict.fromkeys(tags):
        served(r, image, "R-120", tag, media_type)
    return answer


@case("R-123", "R-120", category=PUSH, api=PARAMETERS, variants=ALGORITHMS)
def one(r: Registry, algorithm: str) -> None:
    """A manifest pushed by its {variant} digest gets a tag by parameter, named in OCI-Tag."""
    takes_tags(r, algorithm)
    image, tag = r.image(algorithm), r.tag()
    answer = tagged(r, image, [tag], "R-120")
    fitting_digest(r, answer, image)
    served(r, image, "R-120")
    headed(r, image, "R-120", tag, OCI_MANIFEST)


@case("R-123", "R-120", category=PUSH, api=PARAMETERS)
def on_an_index(r: Registry) -> None:
    """An index gets two tags by parameter."""
    takes_tags(r)
    tagged(r, index([r.push_image(), r.push_image()]), [r.tag(), r.tag()], "R-120", OCI_INDEX)


@case("R-121", "R-123", category=PUSH, api=PARAMETERS)
def ten(r: Registry) -> None:
    """A push sets 10 tags at once."""
    takes_tags(r)
    tagged(r, r.image(), [r.tag() for _ in range(10)], "R-121")


@case("R-120", "R-140", category=PUSH, api=PARAMETERS)
def are_listed(r: Registry) -> None:
    """Tags set by parameter are in the list of tags."""
    takes_tags(r)
    tags = [r.tag(), r.tag()]
    tagged(r, r.image(), tags, "R-120")
    found = listed(r)
    r.that(set(tags) <= set(found), "R-120", f"{', '.join(tags)} in the list of tags", found)


@case("R-120", "R-126", category=PUSH, api=PARAMETERS)
def moves(r: Registry) -> None:
    """A tag that is there is moved by parameter, and other tags stay."""
    takes_tags(r)
    tag, other = r.tag(), r.tag("other")
    first = r.push_image(tag)
    r.push_manifest(first, other)
    tagged(r, r.image(), [tag], "R-120")
    served(r, first, "R-126", other)


@case("R-120", category=PUSH, api=PARAMETERS)
def on_what_is_there(r: Registry) -> None:
    """A manifest that is there already gets a further tag by parameter."""
    takes_tags(r)
    image, tag = r.push_image(), r.tag()
    r.push_manifest(image, tag)
    tagged(r, image, [r.tag("more")], "R-120")
    served(r, image, "R-120", tag)


@case("R-120", "R-012", category=PUSH, api=PARAMETERS)
def at_the_limits(r: Registry) -> None:
    """A tag of every allowed character, and one of 128, are set by parameter."""
    takes_tags(r)
    tagged(r, r.image(), ["_Az0.9-_", "t" * 128], "R-120")


@case("R-125", "R-022", category=PUSH, api=PARAMETERS, data="tag-param-sha512")
def keeps_sha512(r: Registry) -> None:
    """A pull by a tag that was set on a sha512 digest answers with that digest."""
    takes_tags(r, "sha512")
    image, tag = r.image("sha512"), r.tag()
    tagged(r, image, [tag], "R-125")
    for answer in (r.head(r.manifest_path(tag), ANYTHING), r.get(r.manifest_path(tag), ANYTHING)):
        r.status(answer, 200, "R-125")
        told = answer.header("docker-content-digest")
        r.that(told == image.digest, "R-125", f"Docker-Content-Digest: {image.digest}", told or "none")


@case("R-125", "R-126", category=PUSH, api=PARAMETERS)
def from_sha512_to_sha256(r: Registry) -> None:
    """A tag moves from a sha512 digest to a sha256 digest of the same bytes and back."""
    takes_tags(r, "sha512")
    image, tag = r.image("sha512"), r.tag()
    for algorithm in ("sha512", "sha256", "sha512"):
        same = Content(image.data, algorithm)
        tagged(r, same, [tag], "R-125")
        found = r.head(r.manifest_path(tag), ANYTHING).header("docker-content-digest")
        r.that(found in (None, same.digest), "R-125", f"Docker-Content-Digest: {same.digest}", found)


@case("R-122", category=PUSH, api=PARAMETERS)
def too_many(r: Registry) -> None:
    """A push with 400 tag parameters is accepted whole, or refused as too many: never a server error."""
    takes_tags(r)
    image = r.image()
    tags = [f"{number:03d}" + r.tag() for number in range(400)]
    answer = r.put_manifest(image, tag=tags)
    r.status(answer, (201, *REFUSALS), "R-122", "a push with 400 tag parameters")
    if answer.status == 201:
        found = named(answer)
        for tag in (tags[0], tags[-1]):
            if tag in found:
                served(r, image, "R-123", tag)
    else:
        missing(r, "R-122", tags[0], tags[-1])


NO_TAGS = {"nothing": "", "hidden": ".hidden", "space": "a b", "129-letters": "t" * 129, "digest": "sha256:" + "a" * 64}


@case("R-124", category=PUSH, api=PARAMETERS, variants=tuple(NO_TAGS))
def no_tag(r: Registry, bad: str) -> None:
    """A parameter that is no tag is answered 400, and neither manifest nor good tags are stored: {variant}."""
    takes_tags(r)
    image, good = r.image(), r.tag()
    answer = r.put_manifest(image, tag=[good, NO_TAGS[bad]])
    r.status(answer, 400, "R-124", "a tag parameter that is no tag")
    missing(r, "R-124", good, image.digest)


@case("R-124", category=PUSH, api=PARAMETERS)
def with_a_tag_in_the_path(r: Registry) -> None:
    """A tag parameter beside a tag in the path is answered 400, and nothing is stored."""
    takes_tags(r)
    image, path, parameter = r.image(), r.tag(), r.tag()
    answer = r.put_manifest(image, path, tag=parameter)
    r.status(answer, 400, "R-124", "a tag parameter beside a tag")
    missing(r, "R-124", path, parameter, image.digest)


@case("R-124", "R-123", category=PUSH, api=PARAMETERS)
def twice_the_same(r: Registry) -> None:
    """The same tag given twice counts once."""
    takes_tags(r)
    tag = r.tag()
    answer = tagged(r, r.image(), [tag, tag], "R-124")
    r.that(named(answer).count(tag) == 1, "R-124", f"OCI-Tag: {tag}", answer.header("oci-tag"))


@case("R-113", "R-120", category=PUSH, api=PARAMETERS, variants=ALGORITHMS)
def with_a_wrong_digest(r: Registry, algorithm: str) -> None:
    """A push by a {variant} digest that does not fit sets no tags, whether parameters are taken or not."""
    needs_manifests(r, algorithm)
    tag = r.tag()
    first, image = r.push_image(tag), r.image(algorithm)
    answer = r.put_manifest(Content(image.data + b" ", algorithm), image.digest, tag=[tag, f"{tag}-new"])
    r.status(answer, REFUSALS, "R-113", "a manifest that does not have the digest")
    served(r, first, "R-113", tag)
    missing(r, "R-113", f"{tag}-new", image.digest)
