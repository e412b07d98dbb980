"""The requirements that the kit judges by: all there, each said clearly, none stricter or milder than it is."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.model import Duty, Level, Requirement
from conformance.requirements import REQUIREMENTS, UNOBSERVABLE, RequirementUnknown, find

FILE = Path(__file__).parents[2] / "conformance" / "requirements.toml"
KEYS = {"duty", "since", "section", "text", "observable", "why"}
LONGEST_TEXT = 300
FEWEST_WORDS = 6


def numbered(prefix: str, ranges: str, width: int = 0) -> list[str]:
    """`numbered("R-", "1-3 7", 3)` is R-001, R-002, R-003, R-007."""
    found = []
    for part in ranges.split():
        first, _, last = part.partition("-")
        found += [f"{prefix}{number:0{width}}" for number in range(int(first), int(last or first) + 1)]
    return found


# The numbers that the checklist of the specification has, and among them those it words as a duty.
SPECIFICATION = (
    "1-8 10-18 20-44 50-58 60-66 70-85 90-93 100-106 110-127 130-134 140-149 150-165 170-172 180-194 200-205 210-211"
    " 220-224"
)
OBLIGATIONS = (
    "1 3 10 12-13 15 20-21 25-26 30-32 35-37 40 42 50-51 60 62 64 70 72 75-76 78-79 90 100 110-113 116 123 130-131"
    " 140-143 145-146 150-157 159 181-185 200-201 210-211 221 223"
)
# What no sentence of the specification says outright: sound advice, which nobody fails by.
ADVICE = (
    "8 11 16-17 22 27 34 39 43 53-55 58 66 71 74 80-82 85 91 103 105 115 124-127 133-134 147-149 161-163 165 172 186"
    " 189 193 204 224"
)
EXPECTED = {
    "the OCI distribution specification": numbered("R-", SPECIFICATION, 3),
    "the OCI image specification": numbered("I-", "1-37", 3),
    "client rules": numbered("C-", "1-35", 2),
    "docker-distribution, base": numbered("D-B", "1-14"),
    "docker-distribution, uploads": numbered("D-U", "1-40"),
    "docker-distribution, reading": numbered("D-R", "1-14"),
    "docker-distribution, manifests": numbered("D-M", "1-29"),
    "docker-distribution, tags": numbered("D-T", "1-12"),
    "docker-distribution, catalogue": numbered("D-C", "1-8"),
}
HEADINGS = {
    "API",
    "Backwards Compatibility",
    "Cancel a blob upload",
    "Checking if content exists in the registry",
    "Content Management",
    "Deleting Blobs",
    "Deleting Manifests",
    "Deleting tags",
    "Determining Support",
    "Enabling the Referrers API",
    "Endpoints",
    "Error Codes",
    "Historical Context",
    "Legacy Docker support HTTP headers",
    "Legacy Docker support error codes",
    "Listing Referrers",
    "Listing Tags",
    "Mounting a blob from another repository",
    "POST then PUT",
    "Pull",
    "Pulling blobs",
    "Pulling manifests",
    "Push",
    "Pushing Manifests",
    "Pushing Manifests with Subject",
    "Pushing a blob in chunks",
    "Pushing a blob monolithically",
    "Pushing blobs",
    "Referrers Tag Schema",
    "Registry Proxying",
    "Requirements",
    "Single POST",
    "Warnings",
}
IMAGE_HEADINGS = {
    "Annotations",
    "Descriptor properties",
    "Digests",
    "Embedded content",
    "Empty descriptor",
    "Extensibility",
    "Image index",
    "Image manifest",
    "Media types",
    "Non-distributable layers",
    "Registered algorithms",
}
REASONS = ("client duty", "definition", "not visible over HTTP", "operator's option")


@pytest.mark.parametrize("source", EXPECTED)
def test_every_requirement_is_there(source: str) -> None:
    assert [identity for identity in EXPECTED[source] if identity not in REQUIREMENTS] == []


def test_there_are_no_others_and_they_stand_in_order() -> None:
    assert list(REQUIREMENTS) == [identity for source in EXPECTED.values() for identity in source]
    assert all(identity == requirement.id for identity, requirement in REQUIREMENTS.items())


def test_no_two_say_the_same() -> None:
    texts = [requirement.text for requirement in REQUIREMENTS.values()]
    assert sorted({text for text in texts if texts.count(text) > 1}) == []


def test_the_file_has_no_key_that_nobody_reads() -> None:
    tables = tomllib.loads(FILE.read_text())
    assert {identity: set(table) - KEYS for identity, table in tables.items() if set(table) - KEYS} == {}


def texts_that(fault: Callable[[Requirement], bool]) -> dict[str, str]:
    return {identity: requirement.text for identity, requirement in REQUIREMENTS.items() if fault(requirement)}


def test_every_text_is_fit_for_a_failure_report() -> None:
    assert texts_that(lambda found: len(found.text) > LONGEST_TEXT) == {}
    assert texts_that(lambda found: not found.text.endswith(".")) == {}
    assert texts_that(lambda found: found.text != " ".join(found.text.split())) == {}
    assert texts_that(lambda found: len(found.text.split()) < FEWEST_WORDS) == {}


def test_no_text_sends_the_reader_to_another() -> None:
    assert texts_that(lambda found: bool(re.search(r"\b[RICD]-[A-Z]?[0-9]+\b", found.text))) == {}


def test_the_text_says_how_strictly_it_is_meant() -> None:
    """But for the cases of docker-distribution, where the duty says how near to it a registry wants to be."""
    words = {Duty.MUST: "", Duty.SHOULD: r"\bshould\b", Duty.MAY: r"\bmay\b"}
    silent = texts_that(lambda found: not re.search(words[found.duty], found.text))
    assert {identity for identity in silent if not identity.startswith("D-") and find(identity).observable} == set()
    assert texts_that(lambda found: found.duty is not Duty.MUST and "must" in found.text.split()) == {}


def test_what_the_specification_demands_is_demanded() -> None:
    duties = {identity: find(identity).duty for identity in numbered("R-", OBLIGATIONS, 3)}
    assert {identity for identity, duty in duties.items() if duty is not Duty.MUST} == set()


def test_advice_is_never_a_demand() -> None:
    duties = {identity: find(identity).duty for identity in numbered("R-", ADVICE, 3)}
    assert {identity for identity, duty in duties.items() if duty is Duty.MUST} == set()


def test_the_duties_that_came_after_the_last_release_are_not_asked_before() -> None:
    later = {identity for identity, requirement in REQUIREMENTS.items() if requirement.since is Level.DEV}
    assert {identity for identity in later if find(identity).duty is Duty.MUST} == set(
        numbered("R-", "21 31 36 76 123", 3)
    )


def test_the_section_is_a_heading_of_the_source() -> None:
    sections: dict[str, set[str]] = {}
    for identity, requirement in REQUIREMENTS.items():
        sections.setdefault(identity[0], set()).add(requirement.section)
    assert sections["R"] == HEADINGS
    assert sections["I"] == {f"image-spec, {heading}" for heading in IMAGE_HEADINGS}
    assert (sections["C"], sections["D"]) == ({"client rule"}, {"docker"})


def test_what_nobody_can_observe_says_why() -> None:
    assert set(UNOBSERVABLE) == {identity for identity, found in REQUIREMENTS.items() if not found.observable}
    assert {identity: why for identity, why in UNOBSERVABLE.items() if not why.startswith(REASONS)} == {}
    tables = tomllib.loads(FILE.read_text())
    assert [identity for identity, table in tables.items() if "why" in table and identity not in UNOBSERVABLE] == []


def test_most_can_be_observed() -> None:
    """A kit that calls a requirement invisible need not test it: the list stays as short as it is."""
    assert len(UNOBSERVABLE) <= 33


def test_a_requirement_is_found_by_its_id() -> None:
    assert find("R-075").duty is Duty.MUST
    assert "416" in find("R-075").text


@pytest.mark.parametrize(
    ("wanted", "nearest"),
    [("R-019", "R-018"), ("r-075", "R-075"), ("R-999", "R-224"), ("D-U41", "D-U40"), ("C-1", "C-01"), ("", "R-001")],
)
def test_an_unknown_id_is_answered_with_the_nearest(wanted: str, nearest: str) -> None:
    with pytest.raises(RequirementUnknown, match=f"there is no requirement {wanted}; the nearest is {nearest}$"):
        find(wanted)
