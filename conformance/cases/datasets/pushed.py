"""Every kind of content: pushed and pulled, listed, found as a referrer, deleted."""

from collections.abc import Iterator
from typing import Any

from conformance.case import case
from conformance.cases.datasets.content import KINDS, DataSet, Entry
from conformance.cases.manifests.steps import (
    REFUSALS,
    has_referrers,
    headed,
    missing,
    needs_manifests,
    served,
    subject_told,
    takes_tags,
)
from conformance.client.registry import Registry
from conformance.client.wire import Answer
from conformance.model import Category

TAGGED = [name for name in KINDS if name != "sha512"]
WITH_SUBJECT = ("artifacts-with-subject", "index-with-subject", "missing-subject")


def pushed(r: Registry, name: str) -> DataSet:
    """The set as its kind says, pushed whole: blobs, then each manifest by its tags, or by its digest if it has none.

    Skips where that is refused: it is judged by `push_and_pull`."""
    made = prepared(r, name)
    for entry in made.manifests:
        answers = puts(r, made, entry) if made.parameters or not entry.tags else by_tags(r, entry)
        for answer in answers:
            if answer.status != 201:
                r.skip(f"such content is not accepted: status {answer.status}")
    return made


def prepared(r: Registry, name: str) -> DataSet:
    """The set, with its blobs pushed; skips where the registry does not offer what it is about."""
    kind = KINDS[name]
    needs_manifests(r, kind.algorithm)
    made = kind.build(r)
    if made.parameters:
        takes_tags(r, kind.algorithm)
    for blob in made.blobs:
        r.push_blob(blob)
    return made


def puts(r: Registry, made: DataSet, entry: Entry) -> Iterator[Answer]:
    """The answers to its push by digest, and to those by its tags."""
    query: dict[str, Any] = {"tag": entry.tags} if made.parameters and entry.tags else {}
    yield r.put_manifest(entry.content, None, entry.media_type, **query)
    if not made.parameters:
        yield from by_tags(r, entry)


def by_tags(r: Registry, entry: Entry) -> Iterator[Answer]:
    for tag in entry.tags:
        yield r.put_manifest(entry.content, tag, entry.media_type)


def push_and_pull(r: Registry, name: str) -> None:
    """Content of the kind {variant} is pushed, and pulled as it was by digest and by tag."""
    made = prepared(r, name)
    requirement = KINDS[name].requirement
    for entry in made.manifests:
        for answer in puts(r, made, entry):
            if name == "sparse" and answer.status in REFUSALS and not r.allows("sparse"):
                r.skip("manifests are refused while content that they name is missing")
            r.status(answer, 201, requirement, "the manifest")
            if entry.subject:
                subject_told(r, answer, entry.subject)
        for reference in (entry.content.digest, *entry.tags):
            headed(r, entry.content, requirement, reference, entry.media_type)
            served(r, entry.content, requirement, reference, entry.media_type)
    for blob in made.blobs:
        answer = r.get(r.blob_path(blob.digest))
        r.status(answer, 200, "R-030")
        r.body(answer, blob.data, "R-030")


for each, kind_of_set in KINDS.items():
    case(
        kind_of_set.requirement,
        "R-110",
        "R-119",
        category=Category.PUSH,
        api=kind_of_set.api,
        data=each,
        official=(f"{each}/push", f"{each}/head", f"{each}/pull"),
        variants=(each,),
    )(push_and_pull)


def tag_list(r: Registry, name: str) -> None:
    """The tags of content of the kind {variant} are listed, and from each on those that come after it."""
    tags = sorted(tag for entry in pushed(r, name).manifests for tag in entry.tags)
    found = listed(r)
    r.that(set(tags) <= set(found), "R-140", f"the tags {', '.join(tags)} in the list", found)
    if len(tags) < 2:
        return
    middle = tags[len(tags) // 2 - 1]
    rest = listed(r, last=middle)
    later = [tag for tag in tags if tag > middle]
    expected = f"after {middle} {', '.join(later) or 'nothing that was pushed'}"
    r.that([tag for tag in rest if tag in tags] == later, "R-146", expected, rest)


def listed(r: Registry, **query: Any) -> list[str]:
    answer = r.get(r.tags_path(), **query)
    r.status(answer, 200, "R-140", "the list of tags")
    fields = answer.json()
    tags = fields.get("tags") if isinstance(fields, dict) else None
    # A list of nothing is null with some: another case's question.
    tags = [] if tags is None and isinstance(fields, dict) and "tags" in fields else tags
    r.that(isinstance(tags, list), "R-141", "JSON with a list of tags", answer.body[:300])
    return [str(tag) for tag in tags or ()]


for each in TAGGED:
    case(
        "R-140",
        "R-141",
        "R-146",
        category=Category.DISCOVERY,
        api="Tag listing",
        data=each,
        official=f"{each}/tag-list",
        variants=(each,),
    )(tag_list)


def referrers(r: Registry, name: str) -> None:
    """Content of the kind {variant} is found among the referrers of its subject, also by its type."""
    if not has_referrers(r):
        r.skip("there is no referrers API")
    entries = [entry for entry in pushed(r, name).manifests if entry.subject]
    subject = entries[0].subject
    answer = r.get(r.referrers_path(subject))
    for entry in entries:
        referred(r, answer, entry)
    for kind in {entry.artifact_type for entry in entries}:
        answer = r.get(r.referrers_path(subject), artifactType=kind)
        for entry in entries:
            if entry.artifact_type == kind:
                referred(r, answer, entry)
        if answer.header("oci-filters-applied") is not None:
            types = {str(descriptor.get("artifactType")) for descriptor in descriptors(r, answer)}
            r.that(types == {kind}, "R-160", f"only referrers of type {kind}", types)


def referred(r: Registry, answer: Answer, entry: Entry) -> None:
    """The list has the manifest, by a descriptor that says what is true of it."""
    found = [wanted for wanted in descriptors(r, answer) if wanted.get("digest") == entry.content.digest]
    r.that(found, "R-154", f"{entry.content.digest} among the referrers", answer.body[:1000])
    for key, wanted in entry.descriptor().items():
        r.that(found[0].get(key) == wanted, "R-154", f"{key} {wanted}", found[0].get(key))
    told = found[0].get("artifactType")
    r.that((told or "") == entry.artifact_type, "R-155", f"artifactType {entry.artifact_type}", told)
    annotations = found[0].get("annotations")
    for key, wanted in entry.fields.get("annotations", {}).items():
        value = annotations.get(key) if isinstance(annotations, dict) else None
        r.that(value == wanted, "R-156", f"the annotation {key}: {wanted}", annotations)


def descriptors(r: Registry, answer: Answer) -> list[dict[str, object]]:
    r.status(answer, 200, "R-150", "the list of referrers")
    fields = answer.json()
    found = fields.get("manifests") if isinstance(fields, dict) else None
    good = isinstance(found, list) and all(isinstance(entry, dict) for entry in found)
    r.that(good, "R-152", "an index with a list of manifests", answer.body[:300])
    return list(found or ())


for each in WITH_SUBJECT:
    case(
        "R-154",
        "R-155",
        "R-156",
        "R-160",
        category=Category.DISCOVERY,
        api="Referrers",
        data=each,
        official=f"{each}/referrers",
        variants=(each,),
    )(referrers)


def delete(r: Registry, name: str) -> None:
    """Content of the kind {variant} is deleted: tags, then manifests, then blobs."""
    made = pushed(r, name)
    for tag in (tag for entry in made.manifests for tag in entry.tags):
        if not deleted(r, r.manifest_path(tag), "R-181", (400, 405)):
            break
        gone(r, tag, "R-182")
    for entry in reversed(made.manifests):
        digest = entry.content.digest
        if not deleted(r, r.manifest_path(digest), "R-183", (400, 405)):
            r.skip("manifests cannot be deleted")
        for reference in (digest, *entry.tags):
            gone(r, reference, "R-184")
    for blob in made.blobs:
        # Others may be about to name this one, where cases share repositories, or repositories their blobs.
        if blob.data == b"{}":
            continue
        if not deleted(r, r.blob_path(blob.digest), "R-185", (400, 405)):
            break
        if not r.allows("async-delete"):
            r.status(r.head(r.blob_path(blob.digest)), 404, "R-186", "a blob that was deleted")


def deleted(r: Registry, path: str, requirement: str, off: tuple[int, ...]) -> bool:
    """Whether the registry deletes such things. What went with something else may be gone already."""
    answer = r.delete(path)
    r.status(answer, (202, 404, *off), requirement, "DELETE")
    return answer.status not in off


def gone(r: Registry, reference: str, requirement: str) -> None:
    if not r.allows("async-delete"):
        missing(r, requirement, reference)


for each in KINDS:
    case(
        "R-183",
        "R-181",
        "R-182",
        "R-184",
        "R-185",
        category=Category.MANAGEMENT,
        api="Manifest delete",
        data=each,
        official=f"{each}/delete",
        variants=(each,),
    )(delete)
