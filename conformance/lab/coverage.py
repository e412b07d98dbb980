"""`python -m conformance.lab.coverage`: which case tests which requirement, and asks what which official test asks.

Writes `coverage.md`; `--check` writes nothing and ends with 1 if the file is not what would be written."""

import argparse
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from conformance.cases import load
from conformance.model import Case, Requirement
from conformance.official import SETS
from conformance.requirements import REQUIREMENTS, UNOBSERVABLE

FILE = Path(__file__).with_name("coverage.md")

BLOBS = (
    "get-missing",
    "post only",
    "post+put",
    "chunked single",
    "stream",
    "mount",
    "mount anonymous",
    "mount missing",
    "post cancel",
    "chunked multi",
    "chunked multi and put chunk",
    "chunked out-of-order",
    "chunked out-of-order and put chunk",
    *(f"range requests/range {asked}" for asked in ("500-1499", "500-", "-500", "2000-5000", "500-0", "5000-10000")),
    "empty",
    "emptyJSON",
    "bad digest post only",
    "bad digest post+put",
    "bad digest chunked",
    "bad digest chunked and put chunk",
    "bad digest stream",
    "blob-head",
    "blob-get",
    "blob-delete",
)
"""The official suite's tests of blobs, each in both algorithms."""

WITHOUT_TAGS = ("sha512",)
WITH_REFERRERS = ("artifacts-with-subject", "index-with-subject", "missing-subject")
REFUSED = ("bad-digest-image",)

ERRORS = (
    "missing-manifest/by-digest",
    "missing-manifest/by-tag",
    "invalid-digest-format/manifest-put",
    "invalid-digest-format/manifest-get",
    "invalid-digest-format/delete",
)
READ_ONLY = ("read-only/head", "read-only/pull", "read-only/tag-list", "read-only/referrers")

OLDER: dict[str, tuple[str, ...]] = {
    "Pull: HEAD of an unknown blob": ("R-037",),
    "Pull: HEAD of a blob": ("R-035",),
    "Pull: GET of an unknown blob": ("R-032",),
    "Pull: GET of a blob": ("R-030",),
    "Pull: HEAD of a tag that is none": ("R-017", "R-037"),
    "Pull: HEAD of a manifest by digest and by tag": ("R-035",),
    "Pull: GET of a tag that is none": ("R-017", "R-025"),
    "Pull: GET of a manifest by digest and by tag": ("R-020",),
    "Pull: GET of a malformed digest, and the code of the error": ("R-017", "R-201"),
    "Push: streamed": ("R-081",),
    "Push: POST with digest and body": ("R-061", "R-062", "R-063"),
    "Push: POST and PUT": ("R-060",),
    "Push: a chunk out of order": ("R-075",),
    "Push: the Range of a chunk that was taken": ("R-072",),
    "Push: a chunk again at the old location": ("R-074", "R-075"),
    "Push: the status of an upload": ("R-090",),
    "Push: the last chunk, and the end": ("R-078", "R-079"),
    "Push: mount of an unknown blob without a source": ("R-101", "R-102"),
    "Push: mount from a repository": ("R-100", "R-101"),
    "Push: manifests by tag": ("R-111",),
    "Push: a manifest without layers and media type": ("R-115", "R-116"),
    "Push: what was pushed is pulled by digest": ("R-020",),
    "Discovery: the tags are listed": ("R-140",),
    "Discovery: the tags are in order": ("R-142",),
    "Discovery: n tags": ("R-143",),
    "Discovery: n tags after one": ("R-146",),
    "Discovery: referrers of an unknown digest": ("R-150", "R-157"),
    "Discovery: all referrers of a subject": ("R-154", "R-156"),
    "Discovery: referrers of one artifact type": ("R-160",),
    "Discovery: referrers of a subject that is not there": ("R-158",),
    "Discovery: OCI-Subject": ("R-130",),
    "Management: a tag is deleted": ("R-181",),
    "Management: a manifest is deleted": ("R-183", "R-184"),
    "Management: the list after a tag was deleted": ("R-182",),
    "Management: a blob is deleted": ("R-185",),
}
"""The tests of the older suite, and the requirements that they ask after: it had no names to go by."""


def official_tests() -> list[str]:
    """Every test of the official suite, by its path without the algorithm."""
    sets = []
    for name in SETS:
        steps = ["push"] if name in REFUSED else ["push", "tag-list", "head", "pull", "referrers", "delete"]
        if name in WITHOUT_TAGS:
            steps.remove("tag-list")
        if name not in WITH_REFERRERS and "referrers" in steps:
            steps.remove("referrers")
        sets += [f"{name}/{step}" for step in steps]
    return ["ping", "empty/tag list", "empty/referrers", *BLOBS, *sets, *READ_ONLY, *ERRORS]


def judging(cases: Iterable[Case]) -> dict[str, list[Case]]:
    """Requirement and the cases that judge by it."""
    found: dict[str, list[Case]] = {identity: [] for identity in REQUIREMENTS}
    for case in cases:
        for identity in case.requirements:
            found[identity].append(case)
    return found


def asking(cases: Iterable[Case]) -> dict[str, list[Case]]:
    """Official test and the cases that ask the same; tests that are not known are there too."""
    found: dict[str, list[Case]] = {name: [] for name in official_tests()}
    for case in cases:
        for name in case.official:
            found.setdefault(name, []).append(case)
    return found


def uncovered(cases: Iterable[Case]) -> list[Requirement]:
    """What could be observed, but no case does."""
    return [REQUIREMENTS[key] for key, found in judging(cases).items() if not found and key not in UNOBSERVABLE]


def unasked(cases: Iterable[Case]) -> list[str]:
    """Official tests, older ones too, that no case asks."""
    cases = list(cases)
    by_requirement = judging(cases)
    older = [name for name, keys in OLDER.items() if not any(by_requirement.get(key) for key in keys)]
    return [name for name, found in asking(cases).items() if not found] + older


def names(cases: Iterable[Case]) -> str:
    """Cases as they stand in a table: their variants counted, not named."""
    counts: dict[str, int] = {}
    for case in cases:
        name = re.sub(r"\[.*\]$", "", case.id)
        counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"`{name}`" + (f" ×{count}" if count > 1 else "") for name, count in counts.items()) or "none"


def render(cases: Mapping[str, Case]) -> str:
    by_requirement, by_test = judging(cases.values()), asking(cases.values())
    observable = [identity for identity in REQUIREMENTS if identity not in UNOBSERVABLE]
    covered = [identity for identity in observable if by_requirement[identity]]
    asked = [name for name, found in by_test.items() if found]
    rows = [
        "# Coverage",
        "",
        "Made by `python -m conformance.lab.coverage`; a test keeps it up to date.",
        "",
        f"{len(cases)} cases. {len(covered)} of {len(observable)} requirements that can be observed have a case; "
        f"{len(UNOBSERVABLE)} cannot be observed. {len(asked)} of {len(by_test)} tests of the official suite are "
        "asked.",
        "",
        "## Requirements and their cases",
        "",
        "| requirement | duty | since | cases |",
        "|---|---|---|---|",
    ]
    for identity in observable:
        found = REQUIREMENTS[identity]
        rows.append(f"| {identity} | {found.duty.value} | {found.since.value} | {names(by_requirement[identity])} |")
    rows += ["", "## Requirements that no client can observe", "", "| requirement | why |", "|---|---|"]
    rows += [f"| {identity} | {why} |" for identity, why in UNOBSERVABLE.items()]
    rows += ["", "## Tests of the official suite and our cases", "", "| test | cases |", "|---|---|"]
    rows += [f"| {name} | {names(found)} |" for name, found in by_test.items()]
    rows += ["", "## Tests of the older suite and our cases", "", "| test | requirements | cases |", "|---|---|---|"]
    for name, keys in OLDER.items():
        cases_for = {case.id: case for key in keys for case in by_requirement.get(key, [])}
        rows.append(f"| {name} | {', '.join(keys)} | {names(cases_for.values())} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance.lab.coverage", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if the file is out of date")
    options = parser.parse_args()
    cases = load()
    text = render(cases)
    if options.check:
        current = FILE.exists() and FILE.read_text("utf-8") == text
        if not current:
            print(f"{FILE.name} is out of date: run python -m conformance.lab.coverage", file=sys.stderr)
        return 0 if current else 1
    FILE.write_text(text, "utf-8")
    for requirement in uncovered(cases.values()):
        print(f"no case judges by {requirement.id}: {requirement.text}")
    for name in unasked(cases.values()):
        print(f"no case asks what the official suite asks in {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
