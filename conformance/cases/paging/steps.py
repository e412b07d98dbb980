"""Steps that the cases about lists in pages share: reading `Link`, and following it to the end."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin

from conformance.client.registry import Registry
from conformance.client.wire import Answer

WORD = r"[\w!#$%&'*+.^`|~-]+"
VALUE = rf'(?:"(?:[^"\\]|\\.)*"|{WORD})'
LINK = re.compile(rf"\s*<([^<>\s]*)>((?:\s*;\s*{WORD}(?:\s*=\s*{VALUE})?)*)\s*(?:,|$)")
PARAMETER = re.compile(rf"({WORD})\s*=\s*({VALUE})")


def links(answer: Answer) -> list[tuple[str, dict[str, str]]] | None:
    """The targets of `Link` as they were sent, each with its parameters; None if it is none of RFC 5988."""
    text = answer.header("link") or ""
    found: list[tuple[str, dict[str, str]]] = []
    at = 0
    while at < len(text):
        link = LINK.match(text, at)
        if link is None:
            return None
        found.append((link[1], {key.lower(): value.strip('"') for key, value in PARAMETER.findall(link[2])}))
        at = link.end()
    return found


def next_url(answer: Answer) -> str | None:
    """The absolute URL of the next page; None if there is none."""
    for target, parameters in links(answer) or []:
        if "next" in parameters.get("rel", "").lower().split():
            return urljoin(answer.url, target)
    return None


def walk(r: Registry, path: str, requirement: str, **query: Any) -> Iterator[Answer]:
    """This page and those that `Link` leads to. A `Link` back to a page that was there before fails `requirement`."""
    answer = r.get(path, **query)
    seen = {answer.url}
    while True:
        yield answer
        url = next_url(answer)
        if url is None:
            return
        r.that(url not in seen, requirement, "a Link that leads on", f"a Link back to {url}")
        seen.add(url)
        answer = r.get(url)


def tag_page(r: Registry, name: str | None = None, **query: Any) -> tuple[list[str], Answer]:
    """The tags of one page: a list, of the form that it has to have, null counting as an empty one."""
    answer = r.get(r.tags_path(name), **query)
    return tags_in(r, answer, name), answer


def tags_in(r: Registry, answer: Answer, name: str | None = None) -> list[str]:
    r.status(answer, 200, "R-140")
    fields = answer.json()
    r.that(isinstance(fields, dict), "R-141", "a JSON object", answer.body[:200])
    r.that(fields.get("name") == (name or r.name), "R-141", f"name: {name or r.name}", fields.get("name"))
    r.that("tags" in fields, "R-141", "tags in the answer", sorted(fields))
    tags = fields["tags"] if fields["tags"] is not None else []
    good = isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)
    r.that(good, "R-141", "tags that are a list of strings", fields["tags"])
    assert isinstance(tags, list)
    return tags


def all_tags(r: Registry, name: str | None = None) -> list[str]:
    """All tags of a repository, in as many pages as the registry likes."""
    return [tag for page in walk(r, r.tags_path(name), "R-144") for tag in tags_in(r, page, name)]


def pushed_tags(r: Registry, *endings: str) -> list[str]:
    """One image under several tags that begin alike, in the order of `endings`.

    No other case has tags that begin so: they stand side by side also in a repository that is shared."""
    stem = r.tag()
    tags = [stem + ending for ending in endings]
    image = r.image()
    for tag in tags:
        r.push_manifest(image, tag)
    return tags


def stem_of(tags: list[str]) -> str:
    """How the tags of `pushed_tags` begin."""
    return tags[0][:13]


def own(tags: list[str], found: list[str]) -> list[str]:
    """Those of `found` that are of `pushed_tags`."""
    return [tag for tag in found if tag.startswith(stem_of(tags))]


def once(r: Registry, found: list[str], wanted: list[str], requirement: str, what: str = "tag") -> None:
    """Everything wanted is there exactly once."""
    for entry in wanted:
        r.that(found.count(entry) == 1, requirement, f"{what} {entry} once", f"{found.count(entry)} times in {found}")


def remove_tag(r: Registry, tag: str, name: str | None = None) -> None:
    """Delete a tag; skips where that is switched off."""
    answer = r.delete(r.manifest_path(tag, name))
    if answer.status in (400, 405):
        r.skip("tags cannot be deleted")
    r.status(answer, 202, "R-181")


def eventually(r: Registry, holds: Callable[[], bool]) -> bool:
    """Whether it holds: at once, or in the end where the user said that deletion is asynchronous."""
    deadline = time.monotonic() + r.target.timeout / 2
    while not (done := holds()) and r.allows("async-delete") and time.monotonic() < deadline:
        time.sleep(0.1)
    return done
