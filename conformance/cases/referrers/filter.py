"""Referrers filtered by artifact type, and in pages."""

from conformance.case import case
from conformance.cases.paging.steps import next_url
from conformance.cases.referrers.steps import (
    APPLIED,
    EMPTY,
    Listing,
    Referrer,
    artifact,
    entries_of,
    exactly,
    filters,
    index,
    listing,
    of_type,
    push,
    subject_of,
    type_of,
    typed_path,
    unpushed,
)
from conformance.client.registry import OCI_EMPTY, OCI_INDEX, Content, Registry
from conformance.model import Category, Duty

DISCOVERY = Category.DISCOVERY
REFERRERS = "Referrers"
SUBJECTS = "artifacts-with-subject"
LARGE = 1_800_000
"""Bytes of annotations: three referrers of this size do not fit in the 4 MiB that a manifest usually may have."""


def two_types(r: Registry) -> tuple[Content, list[Referrer], list[Referrer]]:
    """A subject, two referrers of one type, and others: of another type, of a longer one, of none."""
    subject, wanted = subject_of(r), type_of(r)
    mine = [artifact(r, subject, artifactType=wanted), index(r, subject, artifactType=wanted)]
    others = [artifact(r, subject, artifactType=f"{wanted}.more"), artifact(r, subject), index(r, subject)]
    push(r, *mine, *others)
    return subject, mine, others


@case("R-160", category=DISCOVERY, api=REFERRERS, data=SUBJECTS, official="artifacts-with-subject/referrers")
def one_type(r: Registry) -> None:
    """A list filtered by artifactType holds that type only, images and indexes, and says so."""
    subject, mine, _ = two_types(r)
    exactly(r, of_type(r, subject.digest, str(mine[0].artifact_type)), mine, "R-160")


@case("R-160", category=DISCOVERY, api=REFERRERS)
def unfiltered_otherwise(r: Registry) -> None:
    """A list whose answer does not say that a filter was applied is whole."""
    subject, mine, others = two_types(r)
    found = listing(r, subject.digest, artifactType=str(mine[0].artifact_type))
    if found.filtered:
        found = listing(r, subject.digest)
        r.that(not found.filtered, "R-160", "no OCI-Filters-Applied on a list that was asked for whole",
               found.pages[0].header(APPLIED))  # fmt: skip
    exactly(r, found, mine + others, "R-160")


@case("R-160", category=DISCOVERY, api=REFERRERS)
def no_such_type(r: Registry) -> None:
    """A filter that nothing matches gives an empty list that says OCI-Filters-Applied."""
    subject, _, _ = two_types(r)
    offers_filter(r)
    found = listing(r, subject.digest, artifactType=type_of(r))
    r.that(found.filtered, "R-160", "OCI-Filters-Applied: artifactType", found.pages[0].header(APPLIED))
    exactly(r, found, [], "R-160")


@case("R-160", "R-155", category=DISCOVERY, api=REFERRERS)
def by_config_type(r: Registry) -> None:
    """An image without artifactType is found by the media type of its config."""
    subject, wanted = subject_of(r), type_of(r)
    mine = artifact(r, subject, config_type=wanted)
    typed = artifact(r, subject, config_type=wanted, artifactType=type_of(r))
    push(r, mine, typed, index(r, subject))
    exactly(r, of_type(r, subject.digest, wanted), [mine], "R-160")


@case("R-160", "R-157", category=DISCOVERY, api=REFERRERS, variants=("repository", "subject"))
def filter_of_nothing(r: Registry, what: str) -> None:
    """A filtered list of an unknown {variant} is empty and says OCI-Filters-Applied."""
    offers_filter(r)
    name = f"{r.name}/{r.tag('none')}" if what == "repository" else None
    found = listing(r, unpushed(r).digest, name, artifactType=type_of(r))
    r.that(found.filtered, "R-160", "OCI-Filters-Applied: artifactType", found.pages[0].header(APPLIED))
    exactly(r, found, [], "R-157")


@case("R-160", category=DISCOVERY, api=REFERRERS)
def plus_encoded(r: Registry) -> None:
    """A type with a plus sign is found when it comes percent-encoded, as is one with everything encoded."""
    plus(r, "")


@case("R-161", category=DISCOVERY, api=REFERRERS)
def plus_unencoded(r: Registry) -> None:
    """A type with a plus sign is found when it comes unencoded."""
    plus(r, "/+")


def plus(r: Registry, safe: str) -> None:
    subject, wanted = subject_of(r), type_of(r, "+json")
    mine = artifact(r, subject, artifactType=wanted)
    push(r, mine, artifact(r, subject))
    offers_filter(r)
    answer = r.get(typed_path(r, subject.digest, wanted, safe))
    found = Listing([answer], entries_of(r, answer))
    exactly(r, found, [mine], "R-161" if "+" in safe else "R-160")


@case("R-162", category=DISCOVERY, api=REFERRERS)
def unknown_parameters(r: Registry) -> None:
    """Parameters that nobody knows are ignored, and not among the filters that were applied."""
    subject, mine, others = two_types(r)
    found = listing(r, subject.digest, **{"org.example.unknown": "1", "mediaType": "2"})
    exactly(r, found, mine + others, "R-162")
    told = filters(found.pages[0])
    r.that(not told, "R-162", "no OCI-Filters-Applied", told)


@case("R-159", category=DISCOVERY, api=REFERRERS)
def large(r: Registry) -> None:
    """Referrers that together do not fit in one manifest are all listed, each once, in pages if need be."""
    subject, many = large_ones(r)
    exactly(r, listing(r, subject.digest), many, "R-159")


@case("R-159", "R-160", "R-153", category=DISCOVERY, api=REFERRERS, duty=Duty.MUST)
def large_and_filtered(r: Registry) -> None:
    """Every page of a filtered list is an index that says OCI-Filters-Applied and holds that type only."""
    subject, many = large_ones(r)
    first = r.get(r.referrers_path(subject.digest), artifactType=str(many[0].artifact_type))
    if next_url(first) is None:
        r.skip("three large referrers come in one page")
    found = of_type(r, subject.digest, str(many[0].artifact_type))
    for page in found.pages:
        r.header(page, "Content-Type", OCI_INDEX, "R-153")
    exactly(r, found, [one for one in many if one.artifact_type == many[0].artifact_type], "R-160")


def large_ones(r: Registry) -> tuple[Content, list[Referrer]]:
    """A subject and four referrers, of which three are large and of one type; skips where they are refused."""
    subject, wanted = subject_of(r), type_of(r)
    many = [artifact(r, subject, artifactType=wanted, annotations={"a": f"{i}" * LARGE}) for i in range(3)]
    many.append(artifact(r, subject, artifactType=type_of(r)))
    for one in many:
        if r.put_manifest(one.content).status == 413:
            r.skip("manifests of 1.8 MB are refused")
    return subject, many


def offers_filter(r: Registry) -> None:
    """Skips where referrers are not filtered: of that a list that is not empty tells for certain."""

    def ask() -> bool:
        r.push_blob(EMPTY)
        subject = unpushed(r)
        push(r, artifact(r, subject))
        return listing(r, subject.digest, artifactType=OCI_EMPTY).filtered

    if not r.offers("referrers filter", ask):
        r.skip("referrers are not filtered by artifactType")
