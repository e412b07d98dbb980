"""Steps that the cases about referrers share: pushing them, and reading their list."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from conformance.cases.paging.steps import walk
from conformance.client.registry import OCI_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Content, Registry
from conformance.client.wire import Answer

EMPTY = Content(b"{}")
"""The blob of the empty media type: config and layer of most artifacts."""

APPLIED = "oci-filters-applied"


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest or index with a subject, as it was pushed."""

    content: Content
    media_type: str
    fields: dict[str, Any]

    @property
    def digest(self) -> str:
        return self.content.digest

    @property
    def artifact_type(self) -> str | None:
        """What the list has to say: its own, or an image's config type; None for an index without one."""
        own: str | None = self.fields.get("artifactType") or None
        return own if own or self.media_type == OCI_INDEX else str(self.fields["config"]["mediaType"])

    @property
    def annotations(self) -> dict[str, str]:
        return dict(self.fields.get("annotations", {}))


@dataclass(frozen=True, slots=True)
class Listing:
    """The list of referrers: its pages, and their entries together."""

    pages: list[Answer]
    entries: list[dict[str, Any]]

    @property
    def digests(self) -> list[str]:
        return [str(entry.get("digest")) for entry in self.entries]

    @property
    def filtered(self) -> bool:
        """Whether each page says that the filter by artifact type was applied."""
        return all("artifactType" in filters(page) for page in self.pages)


def filters(answer: Answer) -> list[str]:
    return [name.strip() for name in (answer.header(APPLIED) or "").split(",") if name.strip()]


def subject_of(r: Registry, name: str | None = None) -> Content:
    """An image that was pushed by its digest, with all that referrers need beside it."""
    r.push_blob(EMPTY, name)
    return r.push_image(name=name)


def unpushed(r: Registry, algorithm: str = "sha256") -> Content:
    """A manifest that only its digest is known of."""
    fields: dict[str, Any] = {"schemaVersion": 2, "config": EMPTY.descriptor(OCI_EMPTY), "layers": []}
    fields["annotations"] = {"org.example.number": f"{r.random.getrandbits(64):x}"}
    return Content(json.dumps(fields).encode(), algorithm)


def artifact(r: Registry, subject: Content | None, *, config_type: str = OCI_EMPTY, **more: Any) -> Referrer:
    """An image manifest with this subject; not pushed. It needs the empty blob only."""
    fields: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": EMPTY.descriptor(config_type),
        "layers": [EMPTY.descriptor(OCI_LAYER if config_type == OCI_CONFIG else OCI_EMPTY)],
    }
    return referrer(r, fields, subject, OCI_MANIFEST, more)


def index(r: Registry, subject: Content | None, **more: Any) -> Referrer:
    """An image index without entries, with this subject; not pushed."""
    return referrer(r, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}, subject, OCI_INDEX, more)


def referrer(
    r: Registry, fields: dict[str, Any], subject: Content | None, media_type: str, more: dict[str, Any]
) -> Referrer:
    if subject is not None:
        fields["subject"] = subject.descriptor(OCI_MANIFEST)
    fields |= {"annotations": {"org.example.number": f"{r.random.getrandbits(64):x}"}} | more
    return Referrer(Content(json.dumps(fields).encode()), media_type, fields)


def push(r: Registry, *referrers: Referrer, name: str | None = None, tag: str | None = None) -> None:
    """Push by digest, or by `tag`."""
    for one in referrers:
        r.push_manifest(one.content, tag, one.media_type, name)


def listing(r: Registry, digest: str, name: str | None = None, **query: Any) -> Listing:
    """All referrers of a digest, page after page: each of the form that it has to have."""
    pages = list(walk(r, r.referrers_path(digest, name), "R-159", **query))
    return Listing(pages, [entry for page in pages for entry in entries_of(r, page)])


def entries_of(r: Registry, answer: Answer) -> list[dict[str, Any]]:
    r.status(answer, 200, "R-150", "referrers")
    fields = answer.json()
    r.that(isinstance(fields, dict), "R-152", "an image index in JSON", answer.body[:200])
    entries = fields.get("manifests")
    good = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
    r.that(good, "R-152", "manifests, a list of descriptors", answer.body[:200])
    assert isinstance(entries, list)
    return entries


def entry_of(r: Registry, found: Listing, wanted: Referrer, requirement: str = "R-154") -> dict[str, Any]:
    """The one entry of a referrer."""
    entries = [entry for entry in found.entries if entry.get("digest") == wanted.digest]
    r.that(len(entries) == 1, requirement, f"{wanted.digest} once", f"{len(entries)} times among {found.digests}")
    return entries[0]


def exactly(r: Registry, found: Listing, wanted: list[Referrer], requirement: str = "R-154") -> None:
    """These are listed, each once, and nothing else."""
    digests = sorted(one.digest for one in wanted)
    r.that(sorted(found.digests) == digests, requirement, f"the referrers {digests}", sorted(found.digests))


def of_type(r: Registry, digest: str, artifact_type: str) -> Listing:
    """The list filtered by artifact type; skips where the registry does not filter."""
    found = listing(r, digest, artifactType=artifact_type)
    if not any(page.header(APPLIED) for page in found.pages):
        r.skip("referrers are not filtered by artifactType")
    r.that(found.filtered, "R-160", "OCI-Filters-Applied: artifactType on every page",
           [page.header(APPLIED) for page in found.pages])  # fmt: skip
    return found


def type_of(r: Registry, ending: str = "") -> str:
    """An artifact type that nothing else uses."""
    return f"application/vnd.example.{r.tag('a')}{ending}"


def typed_path(r: Registry, digest: str, artifact_type: str, safe: str) -> str:
    """The path of a filtered list, its parameter encoded but for what is `safe`."""
    return f"{r.referrers_path(digest)}?artifactType={quote(artifact_type, safe=safe)}"
