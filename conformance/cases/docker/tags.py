"""docker-distribution's wire: the list of tags."""

from conformance.case import case
from conformance.cases.docker.steps import refused
from conformance.cases.paging.steps import (
    all_tags,
    eventually,
    next_url,
    once,
    own,
    pushed_tags,
    remove_tag,
    tag_page,
    tags_in,
    walk,
)
from conformance.cases.steps import own_names
from conformance.client.registry import Registry
from conformance.model import Category

DOCKER = Category.DOCKER
LIST = "Tag listing"
FIVE = ("a", "b", "c", "d", "e")
MIXED = ("-1", ".1", "0", "10", "2", "A", "B.1", "B_1", "_1", "a", "a-b", "a.b", "a0", "aB", "b")


@case("D-T1", category=DOCKER, api=LIST)
def unknown_repository(r: Registry) -> None:
    """The tags of an unknown repository are answered 404 with NAME_UNKNOWN."""
    own_names(r)
    r.push_image(r.tag())
    answer = r.get(r.tags_path(f"{r.name}/{r.tag('none')}"))
    refused(r, answer, 404, "NAME_UNKNOWN", "D-T1", "an unknown repository")


@case("D-T2", category=DOCKER, api=LIST)
def everything(r: Registry) -> None:
    """Without parameters all tags are listed, in order."""
    tags = pushed_tags(r, *reversed(FIVE))
    found = own(tags, all_tags(r))
    r.that(found == sorted(tags), "D-T2", str(sorted(tags)), found)


@case("D-T3", category=DOCKER, api=LIST, variants=("-1", "foo"))
def bad_number(r: Registry, n: str) -> None:
    """n={variant} is answered 400."""
    r.push_image(r.tag())
    r.status(r.get(r.tags_path(), n=n), 400, "D-T3", f"n={n}")


@case("D-T4", category=DOCKER, api=LIST)
def zero(r: Registry) -> None:
    """n=0 gives an empty list and no Link."""
    r.push_image(r.tag())
    answer = r.get(r.tags_path(), n="0")
    r.status(answer, 200, "D-T4")
    fields = answer.json()
    tags = fields.get("tags") if isinstance(fields, dict) else None
    r.that(tags == [], "D-T4", '"tags": []', answer.body[:200])
    r.that(next_url(answer) is None, "D-T4", "no Link", answer.header("link"))


@case("D-T5", category=DOCKER, api=LIST, variants=("1", "2", "5"))
def pages(r: Registry, n: str) -> None:
    """Pages of {variant} lead to all tags by Links that have last and n, none twice."""
    tags = pushed_tags(r, *FIVE)
    found: list[str] = []
    for answer in walk(r, r.tags_path(), "D-T5", n=n):
        page = tags_in(r, answer)
        r.that(len(page) <= int(n), "D-T5", f"at most {n} tags", page)
        url = next_url(answer)
        if url is not None:
            r.that(f"n={n}" in url and "last=" in url, "D-T5", f"a Link with last and n={n}", url)
        found += page
    once(r, found, tags, "D-T5")


@case("D-T6", category=DOCKER, api=LIST)
def behind_the_last(r: Registry) -> None:
    """last with the final tag gives an empty list."""
    pushed_tags(r, *FIVE)
    found, answer = tag_page(r, last=all_tags(r)[-1])
    r.that(found == [], "D-T6", "no tags", found)
    r.that(next_url(answer) is None, "D-T6", "no Link", answer.header("link"))


@case("D-T7", category=DOCKER, api=LIST, variants=("known", "unknown"))
def last_alone(r: Registry, variant: str) -> None:
    """last alone goes on after where that tag stands, or would stand ({variant})."""
    tags = pushed_tags(r, *FIVE)
    last = tags[1] if variant == "known" else tags[1] + "-"
    found = own(tags, tag_page(r, last=last)[0])
    r.that(found == tags[2:], "D-T7", str(tags[2:]), found)


@case("D-T8", category=DOCKER, api=LIST, variants=("10000", "1000000000"))
def large_number(r: Registry, n: str) -> None:
    """An n above every maximum is no error ({variant})."""
    tags = pushed_tags(r, *FIVE)
    answer = r.get(r.tags_path(), n=n)
    r.status(answer, 200, "D-T8", f"n={n}")
    once(r, tags_in(r, answer), tags, "D-T8")


@case("D-T9", category=DOCKER, api=LIST)
def exactly_full(r: Registry) -> None:
    """Behind a page that is exactly full there is nothing, or an empty page."""
    tags = pushed_tags(r, *FIVE)
    found, answer = tag_page(r, n=str(len(all_tags(r))))
    once(r, found, tags, "D-T9")
    url = next_url(answer)
    if url is not None:
        behind = tags_in(r, r.get(url))
        r.that(behind == [], "D-T9", "an empty page", behind)


@case("D-T10", category=DOCKER, api=LIST)
def emptied(r: Registry) -> None:
    """A repository whose tags were all deleted has an empty list, or is gone."""
    own_names(r)
    tags = pushed_tags(r, "a", "b")
    for tag in tags:
        remove_tag(r, tag)
    eventually(r, lambda: tags[0] not in str(r.get(r.tags_path()).body))
    answer = r.get(r.tags_path())
    r.status(answer, (200, 404), "D-T10")
    if answer.status == 200:
        r.that(answer.json() == {"name": r.name, "tags": []}, "D-T10", '"tags": []', answer.body[:200])


@case("D-T11", category=DOCKER, api=LIST)
def changed_between_pages(r: Registry) -> None:
    """Tags that come and go between pages let no other tag be missed or be told twice."""
    tags = pushed_tags(r, *FIVE)
    image = r.image()
    found: list[str] = []
    for number, answer in enumerate(walk(r, r.tags_path(), "D-T11", n="2")):
        found += tags_in(r, answer)
        if number == 0:
            r.push_manifest(image, tags[0] + "0")
            r.push_manifest(image, tags[0][:-1] + "A")
            r.delete(r.manifest_path(tags[1]))
    steady = [tags[0], *tags[2:]]
    once(r, found, steady, "D-T11")
    r.that(len(found) == len(set(found)), "D-T11", "every tag once", found)


@case("D-T12", category=DOCKER, api=LIST, variants=("whole", "in pages"))
def byte_order(r: Registry, variant: str) -> None:
    """Tags with all allowed characters are in byte order ({variant})."""
    tags = pushed_tags(r, *MIXED)
    query = {"n": "4"} if variant == "in pages" else {}
    found = own(tags, [tag for page in walk(r, r.tags_path(), "D-T12", **query) for tag in tags_in(r, page)])
    r.that(found == sorted(tags), "D-T12", str(sorted(tags)), found)
