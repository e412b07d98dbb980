"""Listing referrers: what is listed, and what is said of each."""

from conformance.case import case
from conformance.cases.referrers.steps import (
    Referrer,
    artifact,
    entry_of,
    exactly,
    index,
    listing,
    push,
    subject_of,
    type_of,
    unpushed,
)
from conformance.client.registry import OCI_CONFIG, OCI_INDEX, Registry
from conformance.model import Category, Duty

DISCOVERY = Category.DISCOVERY
REFERRERS = "Referrers"
KINDS = ("image", "index")
SUBJECTS = "artifacts-with-subject"


def kind(r: Registry, of: str, subject: object, **more: object) -> Referrer:
    return {"image": artifact, "index": index}[of](r, subject, **more)  # type: ignore[arg-type]


@case("R-150", "R-157", category=DISCOVERY, api=REFERRERS, official="empty/referrers")
def unknown_repository(r: Registry) -> None:
    """The referrers in a repository that nobody pushed to are an empty list."""
    found = listing(r, r.content().digest, f"{r.name}/{r.tag('none')}")
    exactly(r, found, [], "R-157")


@case("R-150", "R-157", category=DISCOVERY, api=REFERRERS)
def unknown_subject(r: Registry) -> None:
    """The referrers of a digest that nothing has are an empty list."""
    subject_of(r)
    exactly(r, listing(r, unpushed(r).digest), [], "R-157")


@case("R-157", category=DISCOVERY, api=REFERRERS)
def without_referrers(r: Registry) -> None:
    """An image that nothing refers to has an empty list."""
    exactly(r, listing(r, subject_of(r).digest), [], "R-157")


@case("R-152", "R-150", category=DISCOVERY, api=REFERRERS, official="empty/referrers", variants=("empty", "full"))
def form(r: Registry, how: str) -> None:
    """The list is an image index, with schemaVersion and mediaType ({variant})."""
    subject = subject_of(r)
    if how == "full":
        push(r, artifact(r, subject))
    for page in listing(r, subject.digest).pages:
        fields = page.json()
        r.that(fields.get("schemaVersion") == 2, "R-152", '"schemaVersion": 2', page.body[:200])
        r.that(fields.get("mediaType") == OCI_INDEX, "R-152", f'"mediaType": "{OCI_INDEX}"', page.body[:200])


@case("R-153", "R-150", category=DISCOVERY, api=REFERRERS, official="empty/referrers", variants=("empty", "full"))
def content_type(r: Registry, how: str) -> None:
    """The Content-Type is exactly that of an image index ({variant})."""
    subject = subject_of(r)
    if how == "full":
        push(r, artifact(r, subject))
    for page in listing(r, subject.digest).pages:
        r.header(page, "Content-Type", OCI_INDEX, "R-153")


@case("R-151", category=DISCOVERY, api=REFERRERS, variants=("short", "not-hex", "no-algorithm", "upper-case"))
def malformed_digest(r: Registry, how: str) -> None:
    """The referrers of a malformed digest ({variant}) are answered 400."""
    subject_of(r)
    encoded = r.content().digest.partition(":")[2]
    digest = {
        "short": "sha256:totallywrong",
        "not-hex": f"sha256:{'z' * 64}",
        "no-algorithm": encoded,
        "upper-case": f"SHA256:{encoded}",
    }[how]
    answer = r.get(r.referrers_path(digest))
    r.status(answer, 400, "R-151", digest)
    r.error(answer, ())


@case("R-154", "R-223", category=DISCOVERY, api=REFERRERS, data=SUBJECTS,
      official=("artifacts-with-subject/referrers", "index-with-subject/referrers"), variants=KINDS)  # fmt: skip
def listed(r: Registry, of: str) -> None:
    """A pushed {variant} is listed with its own media type, digest and size."""
    subject = subject_of(r)
    one = kind(r, of, subject)
    push(r, one)
    entry = entry_of(r, listing(r, subject.digest), one)
    r.that(entry.get("mediaType") == one.media_type, "R-154", f"mediaType {one.media_type}", entry)
    r.that(entry.get("size") == one.content.size, "R-154", f"size {one.content.size}", entry)


@case("R-154", category=DISCOVERY, api=REFERRERS)
def nothing_else(r: Registry) -> None:
    """Neither images without subject nor referrers of others are listed, nor the referrers of referrers."""
    subject, another = subject_of(r), r.push_image()
    mine, theirs = artifact(r, subject), artifact(r, another)
    nested = artifact(r, mine.content)
    push(r, mine, theirs, nested, artifact(r, None), index(r, None))
    exactly(r, listing(r, subject.digest), [mine])
    exactly(r, listing(r, another.digest), [theirs])
    exactly(r, listing(r, mine.digest), [nested])


@case("R-155", category=DISCOVERY, api=REFERRERS, data=SUBJECTS, official="artifacts-with-subject/referrers",
      variants=KINDS)  # fmt: skip
def own_type(r: Registry, of: str) -> None:
    """The artifactType of an {variant} is its own."""
    subject = subject_of(r)
    one = kind(r, of, subject, artifactType=type_of(r, "+json"))
    push(r, one)
    entry = entry_of(r, listing(r, subject.digest), one)
    r.that(entry.get("artifactType") == one.artifact_type, "R-155", f"artifactType {one.artifact_type}", entry)


@case("R-155", category=DISCOVERY, api=REFERRERS, data=SUBJECTS, official="artifacts-with-subject/referrers",
      variants=("missing", "empty"))  # fmt: skip
def config_type(r: Registry, how: str) -> None:
    """An image whose artifactType is {variant} has the media type of its config."""
    subject = subject_of(r)
    empty = {"artifactType": ""} if how == "empty" else {}
    entry = entry_of_accepted(r, artifact(r, subject, config_type=type_of(r), **empty), subject.digest)
    wanted = (entry[0].fields["config"])["mediaType"]
    r.that(entry[1].get("artifactType") == wanted, "R-155", f"artifactType {wanted}", entry[1])


@case("R-155", category=DISCOVERY, api=REFERRERS, data="index-with-subject", official="index-with-subject/referrers",
      variants=("missing", "empty"))  # fmt: skip
def no_type(r: Registry, how: str) -> None:
    """An index whose artifactType is {variant} is listed without one."""
    subject = subject_of(r)
    empty = {"artifactType": ""} if how == "empty" else {}
    _, entry = entry_of_accepted(r, index(r, subject, **empty), subject.digest)
    r.that("artifactType" not in entry, "R-155", "no artifactType", entry)


def entry_of_accepted(r: Registry, one: Referrer, digest: str) -> tuple[Referrer, dict[str, object]]:
    """The entry of a referrer; skips where an empty artifactType is refused, as image-spec allows."""
    answer = r.put_manifest(one.content, None, one.media_type)
    if answer.status == 400 and "artifactType" in one.fields:
        r.skip("an empty artifactType is refused")
    r.status(answer, 201, "R-111")
    return one, entry_of(r, listing(r, digest), one)


@case("R-155", category=DISCOVERY, api=REFERRERS, data=SUBJECTS)
def image_as_referrer(r: Registry) -> None:
    """An ordinary image with a subject has the image configuration's media type as its artifactType."""
    subject = subject_of(r)
    one = artifact(r, subject, config_type=OCI_CONFIG)
    push(r, one)
    entry = entry_of(r, listing(r, subject.digest), one)
    r.that(entry.get("artifactType") == OCI_CONFIG, "R-155", f"artifactType {OCI_CONFIG}", entry)


@case("R-156", category=DISCOVERY, api=REFERRERS, data=SUBJECTS,
      official=("artifacts-with-subject/referrers", "index-with-subject/referrers"), variants=KINDS)  # fmt: skip
def annotations(r: Registry, of: str) -> None:
    """An entry has the annotations of the {variant}, odd ones too."""
    subject = subject_of(r)
    wanted = {
        "org.opencontainers.image.created": "2026-11-01T12:00:00Z",
        "org.example.empty": "",
        "org.example.odd": 'Grüße, 世界 🎉 \\ " \n <&>',
        "org.example.long": "x" * 3000,
    }
    one = kind(r, of, subject, annotations=wanted)
    push(r, one)
    found = entry_of(r, listing(r, subject.digest), one).get("annotations")
    for key, value in wanted.items():
        got = found.get(key) if isinstance(found, dict) else found
        r.that(got == value, "R-156", f"annotation {key}: {value!r}", f"{got!r}")


@case("R-156", category=DISCOVERY, api=REFERRERS, duty=Duty.SHOULD)
def no_other_annotations(r: Registry) -> None:
    """An entry has no annotations that its manifest does not have."""
    subject = subject_of(r)
    some, none = artifact(r, subject), artifact(r, subject, annotations={}, artifactType=type_of(r))
    push(r, some, none)
    found = listing(r, subject.digest)
    for one in (some, none):
        got = entry_of(r, found, one).get("annotations") or {}
        r.that(got == one.annotations, "R-156", f"annotations {one.annotations}", got)


@case("R-158", category=DISCOVERY, api=REFERRERS, data="missing-subject", official="missing-subject/referrers",
      variants=KINDS)  # fmt: skip
def missing_subject(r: Registry, of: str) -> None:
    """An {variant} whose subject was never pushed is listed."""
    subject_of(r)
    subject = unpushed(r)
    one = kind(r, of, subject)
    push(r, one)
    exactly(r, listing(r, subject.digest), [one], "R-158")


@case("R-158", "R-223", category=DISCOVERY, api=REFERRERS)
def before_and_after(r: Registry) -> None:
    """Referrers that were pushed before their subject and after it are listed together."""
    subject_of(r)
    subject = r.image()
    early, late = artifact(r, subject), index(r, subject)
    push(r, early)
    r.push_manifest(subject)
    push(r, late)
    exactly(r, listing(r, subject.digest), [early, late], "R-158")


@case("R-163", category=DISCOVERY, api=REFERRERS, data="sha512")
def two_digests(r: Registry) -> None:
    """The referrers of the sha256 and of the sha512 digest of the same bytes are two lists."""
    r.needs("sha512")
    subject_of(r)
    short = unpushed(r)
    long = type(short)(short.data, "sha512")
    mine, theirs = artifact(r, short), artifact(r, long)
    push(r, mine)
    answer = r.put_manifest(theirs.content)
    if answer.status == 400:
        r.skip("a subject with a sha512 digest is refused")
    exactly(r, listing(r, short.digest), [mine], "R-163")
    exactly(r, listing(r, long.digest), [theirs], "R-163")


@case("R-165", category=DISCOVERY, api=REFERRERS)
def listed_once(r: Registry) -> None:
    """A referrer that was pushed by digest, again, and by two tags is listed once."""
    subject = subject_of(r)
    one = artifact(r, subject)
    push(r, one)
    push(r, one)
    for _ in range(2):
        push(r, one, tag=r.tag())
    exactly(r, listing(r, subject.digest), [one], "R-165")


@case("R-165", category=DISCOVERY, api=REFERRERS)
def same_order(r: Registry) -> None:
    """The order is the same when the list is asked for again."""
    subject = subject_of(r)
    push(r, *(artifact(r, subject) for _ in range(4)))
    first = listing(r, subject.digest).digests
    for _ in range(3):
        again = listing(r, subject.digest).digests
        r.that(again == first, "R-165", f"{first}", again)


@case("R-223", category=DISCOVERY, api=REFERRERS)
def pushed_together(r: Registry) -> None:
    """Referrers that are pushed at the same moment are all listed."""
    subject = subject_of(r)
    many = [artifact(r, subject) for _ in range(8)]
    r.together(*(lambda view, one=one: push(view, one) for one in many))
    exactly(r, listing(r, subject.digest), many, "R-223")


@case("R-223", "R-154", category=DISCOVERY, api=REFERRERS)
def by_tag(r: Registry) -> None:
    """A referrer that was pushed by a tag alone is listed, also after the tag moved."""
    subject = subject_of(r)
    one, tag = artifact(r, subject), r.tag()
    push(r, one, tag=tag)
    exactly(r, listing(r, subject.digest), [one], "R-223")
    r.push_image(tag)
    exactly(r, listing(r, subject.digest), [one], "R-154")
