"""What a list of referrers is, and what it lacks. Pure."""

import hashlib
import json
import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import orjson

from registry import hashing

LIST_TAG = re.compile(r"(sha256|sha512)-([0-9a-f]{64})")
"""The tag of a subject's list: a tag holds only the first 64 characters of a longer digest."""


class Source(NamedTuple):
    """The index that the tag points to, as it was pushed."""

    media_type: str
    subject: str | None
    body: bytes


class Referrer(NamedTuple):
    """A manifest with the subject; `size`: bytes of its entry."""

    id: int
    digest: str
    size: int


class Completed(NamedTuple):
    """A list that was made: its digest, the digests of referrers that the client's lacked, a hash of all it has."""

    body: bytes
    digest: str
    added: list[str]
    entries: str


class Merged(NamedTuple):
    """A list that has to be made: the client's fields, the entries of its own that stay, the referrers it lacks."""

    fields: dict[str, Any]
    kept: list[dict[str, Any]]
    lacking: list[Referrer]

    def may_fit(self, source: Source, limit: int) -> bool:
        """Whether it is worth being written, if it is to have no more bytes than that."""
        return sum(referrer.size for referrer in self.lacking) + len(source.body) <= 2 * limit

    def completed(self, entries: Sequence[bytes], limit: int) -> Completed | None:
        """The list with these entries, of the referrers that it lacks; None if it is too large."""
        body = self.written(entries)
        if len(body) > limit:
            return None
        added = [referrer.digest for referrer in self.lacking]
        return Completed(body, hashing.digest_of(body), added, entries_hash(self.digests))

    def written(self, entries: Sequence[bytes]) -> bytes:
        """Its bytes."""
        manifests = self.kept + [orjson.loads(entry) for entry in entries]
        # Not by orjson, which cannot write every number that a client may have put there.
        return json.dumps({**self.fields, "manifests": manifests}, ensure_ascii=False, separators=(",", ":")).encode()

    @property
    def digests(self) -> list[str]:
        """Of the entries of the list that has to be made."""
        return [entry["digest"] for entry in self.kept] + [referrer.digest for referrer in self.lacking]


def is_list_tag(tag: str) -> bool:
    """Whether it has the form of a list's tag; whether it is one depends on what it points to."""
    return LIST_TAG.fullmatch(tag) is not None


def subjects(tag: str) -> tuple[str, str]:
    """The digests whose list this tag is: from the first on, all that come before the second."""
    first = tag.replace("-", ":", 1)
    return first, first + "~"


def merge(tag: str, source: Source, referrers: Sequence[Referrer], omitted: Collection[str]) -> Merged | None:
    """What has to be made; None: the index is no list, or it has all that it should have and nothing else.

    A list has no subject, is not itself the subject, and all its entries are referrers, but for those that are
    `omitted` since they were deleted. Anything else is somebody's index that only has such a name."""
    algorithm = tag.partition("-")[0]
    if source.subject is not None or hashing.digest_of(source.body, algorithm).fallback_tag == tag:
        return None
    # Checked when it was pushed, which takes longer than reading it.
    fields = json.loads(source.body)
    entries: list[dict[str, Any]] = fields.get("manifests") or []
    known = {referrer.digest for referrer in referrers}
    kept = [entry for entry in entries if entry["digest"] in known]
    if any(entry["digest"] not in known and entry["digest"] not in omitted for entry in entries):
        return None
    there = {entry["digest"] for entry in kept}
    lacking = [each for each in referrers if each.digest not in there and each.digest not in omitted]
    if not lacking and len(kept) == len(entries):
        return None
    return Merged(fields, kept, lacking)


def entries_hash(digests: Collection[str]) -> str:
    """What two lists have in common that have the same entries, in whatever order: 64 hex digits."""
    return hashlib.sha256("\n".join(sorted(set(digests))).encode()).hexdigest()
