"""Listing tags: what is listed, in which order, and what `n` and `last` choose."""

from conformance.case import case
from conformance.cases.paging.steps import (
    all_tags,
    next_url,
    once,
    own,
    pushed_tags,
    remove_tag,
    stem_of,
    tag_page,
    tags_in,
)
from conformance.client.registry import Registry
from conformance.model import Category, Duty

DISCOVERY = Category.DISCOVERY
LISTING = "Tag listing"
ORDERED = ("-0", "-1", "-2", "-3", "-4")
"""Endings that stand in this order by bytes and without regard to case."""

MIXED = ("a", "A", "b", "B", "a-b", "a.b", "a_b", "aB", "0", "10", "9", "z", "Z")


@case("R-140", "R-141", category=DISCOVERY, api=LISTING, official="empty/tag list")
def never_pushed(r: Registry) -> None:
    """The tags of a repository that nobody pushed to are answered 404, or are an empty list."""
    name = f"{r.name}/{r.tag('none')}"
    answer = r.get(r.tags_path(name))
    r.status(answer, (404, 200), "R-140")
    if answer.status == 200:
        r.that(not tags_in(r, answer, name), "R-140", "no tags", answer.body[:200])


@case("R-140", "R-141", category=DISCOVERY, api=LISTING, official=("tag-list", "image/tag-list"))
def listed(r: Registry) -> None:
    """Every tag pushed is listed, once."""
    tags = pushed_tags(r, *ORDERED)
    once(r, own(tags, all_tags(r)), tags, "R-140")


@case("R-141", category=DISCOVERY, api=LISTING)
def form(r: Registry) -> None:
    """The list names the repository, and tags are strings."""
    tags = pushed_tags(r, "a", "1.0", "1")
    page, answer = tag_page(r)
    r.that(own(tags, page), "R-141", f"the tags {tags}", answer.body[:200])


@case("R-140", category=DISCOVERY, api=LISTING)
def moved(r: Registry) -> None:
    """A tag that moved to another manifest is listed once."""
    tags = pushed_tags(r, "a", "b")
    r.push_image(tags[0])
    once(r, own(tags, all_tags(r)), tags, "R-140")


@case("R-140", category=DISCOVERY, api=LISTING)
def only_tags(r: Registry) -> None:
    """A manifest that was pushed by its digest alone is not among the tags."""
    tags = pushed_tags(r, "a")
    image = r.push_image()
    found = all_tags(r)
    strange = [tag for tag in found if image.digest.partition(":")[2] in tag]
    r.that(not strange, "R-140", "tags only", strange)
    once(r, found, tags, "R-140")


@case("R-141", category=DISCOVERY, api=LISTING, duty=Duty.SHOULD)
def empty_is_a_list(r: Registry) -> None:
    """No tags are an empty list, not null: after the last tag was deleted, and with n=0."""
    (tag,) = pushed_tags(r, "a")
    answers = [r.get(r.tags_path(), n="0")]
    if not r.target.fixed:
        deleted = r.delete(r.manifest_path(tag))
        if deleted.status == 202:
            answers.append(r.get(r.tags_path()))
    for answer in answers:
        fields = answer.json()
        if answer.status == 200 and isinstance(fields, dict):
            r.that(fields.get("tags") == [], "R-141", '"tags": []', answer.body[:200])


@case("R-140", category=DISCOVERY, api=LISTING)
def emptied(r: Registry) -> None:
    """After its last tag was deleted a repository has an empty list, or is answered 404."""
    tags = pushed_tags(r, "a", "b")
    for tag in tags:
        remove_tag(r, tag)
    answer = r.get(r.tags_path())
    r.status(answer, (200, 404), "R-140")
    if answer.status == 200:
        left = own(tags, tags_in(r, answer))
        r.that(not left, "R-140", "none of the deleted tags", left)


@case("R-142", category=DISCOVERY, api=LISTING)
def order(r: Registry) -> None:
    """Tags are in order: by bytes, or lexical without regard to case."""
    tags = pushed_tags(r, *MIXED)
    found = own(tags, all_tags(r))
    once(r, found, tags, "R-142")
    orders = (sorted(found), sorted(found, key=str.lower), sorted(found, key=str.upper))
    without_case = [tag.lower() for tag in found] == sorted(tag.lower() for tag in found)
    without_case |= [tag.upper() for tag in found] == sorted(tag.upper() for tag in found)
    r.that(found in orders or without_case, "R-142", f"{orders[0]}, or without regard to case", found)


@case("R-142", "R-146", category=DISCOVERY, api=LISTING)
def order_throughout(r: Registry) -> None:
    """What `last` leaves out is what comes first in the whole list."""
    tags = pushed_tags(r, *MIXED)
    found = own(tags, all_tags(r))
    once(r, found, tags, "R-142")
    for position in (0, 3, 6, 10):
        page, _ = tag_page(r, last=found[position])
        rest = found[position + 1 :]
        after = own(tags, page)
        r.that(after == rest[: len(after)] and after, "R-142", f"after {found[position]}: {rest}", after)


@case("R-143", category=DISCOVERY, api=LISTING, variants=("1", "2", "5", "50"))
def at_most(r: Registry, n: str) -> None:
    """With n={variant} there are so many tags, or all there are, or fewer and a Link."""
    pushed_tags(r, *ORDERED)
    page, answer = tag_page(r, n=n)
    r.that(len(page) <= int(n), "R-143", f"at most {n} tags", page)
    if next_url(answer) is None:
        r.that(len(page) >= min(int(n), 5), "R-143", f"{min(int(n), 5)} tags, or a Link", page)


@case("R-149", category=DISCOVERY, api=LISTING, variants=("1", "2", "4"))
def filled(r: Registry, n: str) -> None:
    """A page of n={variant} is full when more tags follow."""
    tags = pushed_tags(r, *ORDERED)
    page, _ = tag_page(r, n=n, last=tags[0])
    r.that(len(page) == int(n), "R-149", f"{n} tags", page)


@case("R-145", category=DISCOVERY, api=LISTING, variants=("alone", "with last"))
def none_wanted(r: Registry, how: str) -> None:
    """n=0 gives no tags and no Link ({variant})."""
    tags = pushed_tags(r, *ORDERED)
    page, answer = tag_page(r, n="0", **({"last": tags[0]} if how != "alone" else {}))
    r.that(not page, "R-145", "no tags", page)
    r.that(answer.header("link") is None, "R-145", "no Link", answer.header("link"))


@case("R-146", category=DISCOVERY, api=LISTING, official=("tag-list", "image/tag-list"))
def last(r: Registry) -> None:
    """`last` without n gives every later tag, and neither that tag nor one before it."""
    tags = pushed_tags(r, *ORDERED)
    page, answer = tag_page(r, last=tags[2])
    found = own(tags, page)
    r.that(not set(found) & set(tags[:3]), "R-146", f"only tags after {tags[2]}", found)
    if next_url(answer) is None:
        r.that(found == tags[3:], "R-146", f"{tags[3:]}", found)


@case("R-146", "R-143", category=DISCOVERY, api=LISTING)
def last_with_n(r: Registry) -> None:
    """`last` with n gives the next n tags, or fewer and a Link."""
    tags = pushed_tags(r, *ORDERED)
    page, answer = tag_page(r, n="2", last=tags[1])
    if len(page) < 2 and next_url(answer) is not None:
        r.that(page == tags[2 : 2 + len(page)], "R-146", f"tags after {tags[1]}", page)
        return
    r.that(page == tags[2:4], "R-146", f"{tags[2:4]}", page)


@case("R-146", category=DISCOVERY, api=LISTING)
def last_of_all(r: Registry) -> None:
    """`last` with the final tag gives nothing after it."""
    tags = pushed_tags(r, *ORDERED)
    for query in ({}, {"n": "3"}):
        page, _ = tag_page(r, last=tags[-1], **query)
        r.that(not own(tags, page), "R-146", f"nothing after {tags[-1]}", page)


@case("R-146", category=DISCOVERY, api=LISTING)
def last_is_no_position(r: Registry) -> None:
    """A `last` of digits is a tag and not the number of a position."""
    first = 10 + r.random.randrange(10**8, 9 * 10**8)
    tags = [str(first + offset) for offset in range(3)]
    image = r.image()
    for tag in tags:
        r.push_manifest(image, tag)
    page, _ = tag_page(r, last=tags[0])
    r.that([tag for tag in page if tag in tags] == tags[1:], "R-146", f"{tags[1:]}", page[:20])


@case("R-147", category=DISCOVERY, api=LISTING, variants=("between", "before", "after"))
def last_unknown(r: Registry, where: str) -> None:
    """A `last` that is no tag is a position ({variant} the tags)."""
    tags = pushed_tags(r, "b", "d", "f")
    ending, rest = {"between": ("c", tags[1:]), "before": ("a", tags), "after": ("g", [])}[where]
    page, _ = tag_page(r, last=stem_of(tags) + ending)
    r.that(own(tags, page) == rest, "R-147", f"{rest}", own(tags, page))


@case("R-148", category=DISCOVERY, api=LISTING, variants=("-1", "many", "1.5", "0x2"))
def n_malformed(r: Registry, n: str) -> None:
    """n={variant} is answered 400."""
    pushed_tags(r, "a", "b")
    answer = r.get(r.tags_path(), n=n)
    r.status(answer, 400, "R-148", f"n={n}")


@case("R-148", category=DISCOVERY, api=LISTING, variants=("1000000", "2147483648", "18446744073709551616"))
def n_enormous(r: Registry, n: str) -> None:
    """n={variant} gives tags, or is refused as the client's fault."""
    tags = pushed_tags(r, "a", "b")
    answer = r.get(r.tags_path(), n=n)
    r.status(answer, (200, 400), "R-148", f"n={n}")
    if answer.status == 200 and next_url(answer) is None:
        once(r, own(tags, tags_in(r, answer)), tags, "R-143")
