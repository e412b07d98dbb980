"""Tags at the push of manifests: moved, set again, several, by several at once."""

from functools import partial

from conformance.case import case
from conformance.cases.manifests.steps import ANYTHING, REFUSALS, accepted, headed, served
from conformance.client.registry import OCI_INDEX, OCI_MANIFEST, Content, Registry, index
from conformance.model import Category

PUSH = Category.PUSH
BY_TAG = "Manifest put by tag"


@case("R-126", "D-M20", category=PUSH, api=BY_TAG)
def moved(r: Registry) -> None:
    """A tag moves to the manifest pushed last, and the one before stays reachable by digest."""
    tag = r.tag()
    first, second = r.push_image(tag), r.image()
    accepted(r, second, "R-126", reference=tag)
    headed(r, second, "R-126", tag, OCI_MANIFEST)
    served(r, first, "R-126")


@case("R-126", category=PUSH, api=BY_TAG)
def moved_back(r: Registry) -> None:
    """A tag moves to another manifest and back to the first."""
    tag = r.tag()
    first = r.push_image(tag)
    accepted(r, r.image(), "R-126", reference=tag)
    accepted(r, first, "R-126", reference=tag)


@case("R-126", "R-119", category=PUSH, api=BY_TAG)
def moved_to_an_index(r: Registry) -> None:
    """A tag moves from an image to an index over that image, and is served as an index."""
    tag = r.tag()
    image = r.push_image(tag)
    accepted(r, index([image]), "R-126", OCI_INDEX, tag)
    served(r, image, "R-126")


@case("R-127", "D-M19", category=PUSH, api=BY_TAG, variants=("digest", "tag"))
def again(r: Registry, reference: str) -> None:
    """A manifest that is there is pushed again by {variant}: 201, and nothing else is changed."""
    image, tag, other = r.image(), r.tag(), r.tag("other")
    for wanted in (image.digest, tag, other):
        accepted(r, image, "R-111", reference=wanted)
    accepted(r, image, "R-127", reference=tag if reference == "tag" else image.digest)
    for wanted in (image.digest, tag, other):
        served(r, image, "R-127", wanted)


@case("R-111", category=PUSH, api=BY_TAG)
def several(r: Registry) -> None:
    """Five tags are set on one manifest, one push each, and all of them lead to it."""
    image = r.image()
    tags = [r.tag() for _ in range(5)]
    for tag in tags:
        r.push_manifest(image, tag)
    for tag in tags:
        served(r, image, "R-111", tag)


@case("R-012", category=PUSH, api=BY_TAG)
def case_of_letters(r: Registry) -> None:
    """Tags that differ only in upper and lower case are two tags."""
    tag = r.tag()
    small, large = r.push_image(tag), r.push_image(tag.upper())
    served(r, small, "R-012", tag)
    served(r, large, "R-012", tag.upper())


@case("R-126", category=PUSH, api=BY_TAG)
def refused_push_moves_nothing(r: Registry) -> None:
    """A tag stays where it is when what is pushed to it is refused."""
    tag = r.tag()
    image = r.push_image(tag)
    answer = r.put_manifest(Content(b"no manifest"), tag)
    if answer.status == 201:
        r.skip("bytes that are no manifest are accepted")
    r.status(answer, REFUSALS, "R-126", "bytes that are no manifest")
    served(r, image, "R-126", tag)


@case("R-126", "D-M26", category=PUSH, api=BY_TAG)
def written_by_two(r: Registry) -> None:
    """Of four who push to one tag at once one wins whole, and all manifests are there by digest."""
    tag = r.tag()
    images = [r.image() for _ in range(4)]
    answers = r.together(*(partial(Registry.put_manifest, manifest=image, reference=tag) for image in images))
    for answer in answers:
        r.status(answer, 201, "R-111", "one of the pushes")
    found = r.get(r.manifest_path(tag), ANYTHING)
    r.status(found, 200, "R-126")
    r.that(found.body in [image.data for image in images], "R-126", "one of the manifests pushed", found.body[:300])
    for image in images:
        served(r, image, "R-126")


@case("R-127", category=PUSH, api="Manifest put by digest")
def same_at_once(r: Registry) -> None:
    """Four push the same manifest at once, and all are answered 201."""
    image = r.image()
    for answer in r.together(*[partial(Registry.put_manifest, manifest=image)] * 4):
        r.status(answer, 201, "R-127", "one of the pushes")
    served(r, image, "R-127")


@case("R-025", "R-126", category=PUSH, api=BY_TAG)
def of_its_own_repository(r: Registry) -> None:
    """A tag of the same name in another repository is another tag, and stays where it is."""
    tag = r.tag()
    mine = r.push_image(tag)
    r.push_image(tag, name=r.other)
    served(r, mine, "R-025", tag)
