"""The catalogue of repositories, as Docker's registry has it."""

from urllib.parse import quote

from conformance.case import case
from conformance.cases.paging.steps import next_url, once, walk
from conformance.client.registry import Registry
from conformance.client.wire import Answer
from conformance.model import Category

DOCKER = Category.DOCKER
CATALOG = "Catalog"
PATH = "/v2/_catalog"
MOST_PAGES = 1000


def offered(r: Registry) -> None:
    """Skips where there is no catalogue, or none for this user; or where cases have no repositories of their own."""
    if not r.offers("catalogue", lambda: r.get(PATH, n="1").status == 200):
        r.skip("there is no catalogue")
    if r.target.fixed:
        r.skip("this needs repositories of its own")


def names_in(r: Registry, answer: Answer) -> list[str]:
    r.status(answer, 200, "D-C2")
    fields = answer.json()
    names = fields.get("repositories") if isinstance(fields, dict) else None
    good = isinstance(names, list) and all(isinstance(name, str) for name in names)
    r.that(good, "D-C1", '{"repositories": […]}, a list of names', answer.body[:200])
    assert isinstance(names, list)
    return names


def pushed(r: Registry, *endings: str) -> list[str]:
    """Repositories below this case's own name, each with an image."""
    names = [f"{r.name}/{ending}" for ending in endings]
    for name in names:
        r.push_image(r.tag(), name)
    return names


def found_below(r: Registry) -> list[str]:
    """What the catalogue has below this case's own name, page after page."""
    own = f"{r.name}/"
    answer = r.get(PATH, n="100", last=r.name)
    page = names_in(r, answer)
    here = [name for name in page if name.startswith(own)]
    # A catalogue that does not know this name as a position has to be looked at from its beginning.
    if all(name > r.name for name in page) and (len(here) < len(page) or next_url(answer) is None):
        return here
    found: list[str] = []
    for number, answer in enumerate(walk(r, PATH, "D-C2")):
        found += names_in(r, answer)
        if number > MOST_PAGES:
            break
    return [name for name in found if name.startswith(own)]


@case("D-C2", "D-C5", category=DOCKER, api=CATALOG)
def listed(r: Registry) -> None:
    """A repository with an image is in the catalogue, once, and without its tags."""
    offered(r)
    names = pushed(r, "one")
    found = found_below(r)
    once(r, found, names, "D-C5", "repository")
    r.that(found == names, "D-C5", f"{names}", found)


@case("D-C5", category=DOCKER, api=CATALOG)
def begin_alike(r: Registry) -> None:
    """Repositories whose names begin alike are all in the catalogue, once each."""
    offered(r)
    names = pushed(r, "x", "x/b", "x-b", "x.b", "xb", "x/b/c")
    found = found_below(r)
    once(r, found, names, "D-C5", "repository")
    r.that(len(found) == len(names), "D-C5", f"{names}", found)


@case("D-C2", category=DOCKER, api=CATALOG, variants=("1", "2"))
def paged(r: Registry, n: str) -> None:
    """Pages of n={variant} go on by Link and have each repository once."""
    offered(r)
    names = pushed(r, "a", "b", "c")
    found: list[str] = []
    for number, answer in enumerate(walk(r, PATH, "D-C2", n=n, last=r.name)):
        page = names_in(r, answer)
        r.that(len(page) <= int(n), "D-C2", f"at most {n} repositories", page)
        found += page
        if set(names) <= set(found) or number > 10:
            break
    r.that([name for name in found if name in names] == names, "D-C2", f"{names}", found)


@case("D-C2", category=DOCKER, api=CATALOG)
def last(r: Registry) -> None:
    """`last` gives what comes after that repository, without it."""
    offered(r)
    names = pushed(r, "a", "b", "c")
    page = names_in(r, r.get(PATH, n="2", last=names[0]))
    r.that(page == names[1:], "D-C2", f"{names[1:]}", page)


@case("D-C4", category=DOCKER, api=CATALOG, variants=("0", "-1", "many"))
def n_odd(r: Registry, n: str) -> None:
    """n={variant} gives an empty page, or is answered 400 if it is no number of entries."""
    offered(r)
    pushed(r, "a")
    answer = r.get(PATH, n=n)
    if n != "0":
        r.status(answer, 400, "D-C4", f"n={n}")
        return
    r.that(names_in(r, answer) == [], "D-C4", "an empty page", answer.body[:200])
    r.that(next_url(answer) is None, "D-C4", "no Link", answer.header("link"))


@case("D-C1", category=DOCKER, api=CATALOG)
def nothing_left(r: Registry) -> None:
    """A page behind the last repository is an empty list, not null."""
    offered(r)
    answer = r.get(PATH, n="10", last="z" * 200)
    r.that(names_in(r, answer) == [], "D-C1", '{"repositories": []}', answer.body[:200])


@case("D-C3", category=DOCKER, api=CATALOG, variants=("3", "1000", "1000000"))
def sizes(r: Registry, n: str) -> None:
    """A page of n={variant} is served, or answered 400 if that is above the maximum."""
    offered(r)
    pushed(r, "a")
    answer = r.get(f"{PATH}?n={n}&last={quote(r.name, safe='')}")
    r.status(answer, (200, 400) if int(n) > 100 else 200, "D-C3", f"n={n}")
    if answer.status == 200:
        r.that(len(names_in(r, answer)) <= int(n), "D-C3", f"at most {n} repositories", answer.body[:200])


@case("D-C6", category=DOCKER, api=CATALOG)
def only_uploads(r: Registry) -> None:
    """A repository with nothing but an unfinished upload is not in the catalogue."""
    offered(r)
    names = pushed(r, "a")
    r.start_upload(f"{r.name}/unfinished")
    found = found_below(r)
    r.that(found == names, "D-C6", f"{names}", found)
