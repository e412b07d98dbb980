"""Lists of tags in pages: the form of `Link`, following it, and tags that come and go meanwhile."""

from conformance.case import case
from conformance.cases.paging.steps import (
    links,
    next_url,
    own,
    pushed_tags,
    remove_tag,
    stem_of,
    tag_page,
    tags_in,
    walk,
)
from conformance.client.registry import Registry
from conformance.model import Category, Duty

DISCOVERY = Category.DISCOVERY
LISTING = "Tag listing"
FIVE = ("-0", "-1", "-2", "-3", "-4")
MOST_PAGES = 500


@case("R-144", category=DISCOVERY, api=LISTING, duty=Duty.MUST)
def link_form(r: Registry) -> None:
    """The Link of a page that is not the last is of RFC 5988, with rel="next"."""
    tags = pushed_tags(r, *FIVE)
    _, answer = tag_page(r, n="2", last=tags[0])
    if answer.header("link") is None:
        r.skip("pages have no Link")
    found = links(answer)
    r.that(found is not None, "R-144", '<URL>; rel="next"', answer.header("link"))
    r.that(next_url(answer) is not None, "R-144", 'rel="next"', answer.header("link"))


@case("R-144", "R-143", category=DISCOVERY, api=LISTING, duty=Duty.MUST, variants=("1", "2", "3", "5"))
def link_followed(r: Registry, n: str) -> None:
    """Following Link from a page of n={variant} gives every tag once, in order."""
    tags = pushed_tags(r, *FIVE)
    found: list[str] = []
    linked = False
    # What stands before the tags is skipped in a repository that is shared.
    for number, answer in enumerate(walk(r, r.tags_path(), "R-144", n=n, **before(r, tags))):
        page = tags_in(r, answer)
        found += page
        linked |= next_url(answer) is not None
        if number > MOST_PAGES or (page and page[-1] > tags[-1]):
            break
    if not linked and len(own(tags, found)) < len(tags):
        r.skip("pages have no Link")
    r.that(own(tags, found) == tags, "R-144", f"{tags}", own(tags, found))


@case("R-146", "R-143", category=DISCOVERY, api=LISTING, variants=("1", "2", "3"))
def last_followed(r: Registry, n: str) -> None:
    """Asking with the last tag of each page of n={variant} gives every tag once, in order."""
    tags = pushed_tags(r, *FIVE)
    found = tags[:1]
    while tags[-1] not in found:
        page, _ = tag_page(r, n=n, last=found[-1])
        r.that(page and page[0] not in found, "R-146", f"tags after {found[-1]}", page)
        found += page
        if len(found) > 10:
            break
    r.that(own(tags, found) == tags, "R-146", f"{tags}", own(tags, found))


@case("R-146", category=DISCOVERY, api=LISTING)
def tags_come(r: Registry) -> None:
    """A tag pushed between two pages makes no other tag come twice or get lost."""
    tags = pushed_tags(r, *FIVE)
    first, _ = tag_page(r, n="2", last=tags[0])
    r.push_image(stem_of(tags) + "-00")
    rest, _ = tag_page(r, last=tags[2])
    r.that(own(tags, rest) == tags[3:], "R-146", f"{tags[3:]} after {first}", own(tags, rest))


@case("R-146", category=DISCOVERY, api=LISTING)
def tags_go(r: Registry) -> None:
    """A tag deleted between two pages makes no other tag come twice or get lost."""
    tags = pushed_tags(r, *FIVE)
    first, _ = tag_page(r, n="2", last=tags[0])
    remove_tag(r, tags[1])
    rest, _ = tag_page(r, last=tags[2])
    r.that(own(tags, rest) == tags[3:], "R-146", f"{tags[3:]} after {first}", own(tags, rest))


@case("R-147", category=DISCOVERY, api=LISTING)
def last_is_gone(r: Registry) -> None:
    """The list goes on after a tag that was deleted between two pages."""
    tags = pushed_tags(r, *FIVE)
    remove_tag(r, tags[2])
    for query in ({}, {"n": "2"}):
        rest, _ = tag_page(r, last=tags[2], **query)
        r.that(own(tags, rest) == tags[3:], "R-147", f"{tags[3:]}", own(tags, rest))


@case("R-144", category=DISCOVERY, api=LISTING, duty=Duty.SHOULD)
def link_under_change(r: Registry) -> None:
    """Following Link gives every tag that stays, once, while others come and go."""
    tags = pushed_tags(r, *FIVE)
    _, answer = tag_page(r, n="2", last=tags[0])
    url = next_url(answer)
    if url is None:
        r.skip("pages have no Link")
    r.push_image(stem_of(tags) + "-00")
    remove_tag(r, tags[1])
    found = [tag for page in walk(r, url, "R-144") for tag in tags_in(r, page)]
    r.that(own(tags, found) == tags[3:], "R-144", f"{tags[3:]} after {tags[1:3]}", own(tags, found))


def before(r: Registry, tags: list[str]) -> dict[str, str]:
    """A place from which to list, just before these tags, where others may stand in front of them."""
    return {"last": stem_of(tags)} if r.target.fixed else {}
