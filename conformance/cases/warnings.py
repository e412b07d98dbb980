"""Warnings: the header that any answer may carry."""

import re

from conformance.case import case
from conformance.cases.referrers.steps import artifact, push, subject_of
from conformance.cases.steps import ACCEPT
from conformance.client.registry import OCI_INDEX, Registry, index
from conformance.model import Category

# A text in quotes, and no date behind it.
VALUE = r'299 - "(?:[^"\\]|\\.)*"'
WARNING = re.compile(rf"\s*{VALUE}(?:\s*,\s*{VALUE})*\s*")
LARGEST = 4096


def warned(r: Registry) -> list[list[str]]:
    """The Warning headers of each answer to what clients usually do; skips where there are none."""
    tag, subject = r.tag(), subject_of(r)
    push(r, artifact(r, subject))
    r.push_manifest(index([subject]), tag, OCI_INDEX)
    blob = r.push_blob(r.content())
    r.get("/v2/")
    r.get(r.manifest_path(tag), ACCEPT)
    r.head(r.manifest_path(tag), ACCEPT)
    r.get(r.blob_path(blob.digest))
    r.get(r.tags_path())
    r.get(r.referrers_path(subject.digest))
    r.get(r.manifest_path(r.tag("none")))
    r.delete(r.manifest_path(tag))
    answers = [exchange.answer.headers for exchange in r.exchanges if exchange.answer is not None]
    found = [[value for name, value in headers if name == "warning"] for headers in answers]
    found = [values for values in found if values]
    if not found:
        r.skip("no answer has a warning")
    return found


@case("R-210", category=Category.PULL, api="Warnings")
def form(r: Registry) -> None:
    """Warnings have the code 299, the agent - and no date."""
    for values in warned(r):
        for value in values:
            r.that(WARNING.fullmatch(value), "R-210", 'Warning: 299 - "text"', f"Warning: {value}")


@case("R-211", category=Category.PULL, api="Warnings")
def size(r: Registry) -> None:
    """The warnings of one answer are not above 4096 bytes."""
    for values in warned(r):
        together = sum(len(value.encode("latin-1", "replace")) for value in values)
        r.that(together <= LARGEST, "R-211", f"at most {LARGEST} bytes", f"{together} bytes")
