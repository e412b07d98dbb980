"""spec/tags.md: the tags of a repository, in pages, and what they pointed to."""

import re
import sqlite3
from collections.abc import Iterator
from itertools import chain

import httpx
import pytest

from tests.server import Server, running
from tests.speak.content import digest_of, image, random_blob
from tests.speak.requests import errors, push_blob, push_image, put_manifest, start_upload

NEXT = re.compile(r'<([^<>]+)>; rel="next"')
ORDER = ["0", "00", "1", "10", "2", "A", "B", "_", "_a", "a", "a-b", "a.b", "a_b", "aa", "b"]


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a registry whose pages have at most three entries."""
    flags = ("--workers", "1", "--page-limit", "3")
    with running(tmp_path_factory.mktemp("short"), *flags) as server, httpx.Client(base_url=server.url) as http:
        yield http


def tag(http: httpx.Client, name: str, *tags: str) -> str:
    """The digest of a manifest that has these tags."""
    body = image()
    answer = http.put(
        f"/v2/{name}/manifests/{digest_of(body)}",
        params={"tag": list(tags)},
        content=body,
    )
    assert answer.status_code == 201, answer.text
    return digest_of(body)


def page(http: httpx.Client, url: str) -> tuple[list[str], str | None]:
    """The tags, and where the next page is."""
    answer = http.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json()["tags"] is not None
    link = answer.headers.get("link")
    if link is None:
        return answer.json()["tags"], None
    match = NEXT.fullmatch(link)
    assert match is not None
    return answer.json()["tags"], match[1]


def pages(http: httpx.Client, url: str) -> list[list[str]]:
    """Every page, by following `Link` to the end."""
    found = []
    following: str | None = url
    while following is not None:
        tags, following = page(http, following)
        found.append(tags)
    return found


@pytest.mark.spec("TAG-1", "TAG-4")
def test_all_tags_in_the_order_of_their_bytes(http: httpx.Client, name: str) -> None:
    tag(http, name, *reversed(ORDER))
    tag(http, name, "a", "b")
    answer = http.get(f"/v2/{name}/tags/list")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {"name": name, "tags": ORDER}
    assert "link" not in answer.headers


@pytest.mark.spec("TAG-2")
def test_a_repository_that_there_never_was(http: httpx.Client, name: str) -> None:
    start_upload(http, name)
    assert put_manifest(http, name, "v1", b"{").status_code == 400
    assert http.delete(f"/v2/{name}/manifests/v1").status_code == 404
    for query in ("", "?n=0", "?n=1&last=a"):
        answer = http.get(f"/v2/{name}/tags/list{query}")
        assert (answer.status_code, errors(answer)) == (404, ["NAME_UNKNOWN"])
        assert answer.json()["errors"][0]["detail"] == name


@pytest.mark.spec("TAG-3")
def test_a_repository_without_tags(http: httpx.Client, name: str) -> None:
    empty = {"name": name, "tags": []}
    push_blob(http, name, random_blob())
    assert http.get(f"/v2/{name}/tags/list").json() == empty
    digest = tag(http, name)
    assert http.get(f"/v2/{name}/tags/list").json() == empty
    tag(http, name, "v1", "v2")
    http.delete(f"/v2/{name}/manifests/v1")
    http.delete(f"/v2/{name}/manifests/v2")
    assert http.get(f"/v2/{name}/tags/list").json() == empty
    tag(http, name, "v3")
    http.delete(f"/v2/{name}/manifests/{digest}")
    assert http.get(f"/v2/{name}/tags/list").json() == empty


@pytest.mark.spec("TAG-5", "TAG-6")
@pytest.mark.parametrize("size", [1, 2, 3, 5, 14, 15, 16, 10_000])
def test_following_the_link_gives_every_tag_once(http: httpx.Client, name: str, size: int) -> None:
    tag(http, name, *ORDER)
    found = pages(http, f"/v2/{name}/tags/list?n={size}")
    assert list(chain.from_iterable(found)) == ORDER
    assert [len(tags) for tags in found[:-1]] == [size] * (len(found) - 1)
    assert 0 < len(found[-1]) <= size


@pytest.mark.spec("TAG-6")
def test_the_link_names_page_size_and_last_tag(http: httpx.Client, name: str) -> None:
    tag(http, name, *ORDER)
    _, following = page(http, f"/v2/{name}/tags/list?n=11")
    assert following == f"/v2/{name}/tags/list?n=11&last=a-b"


@pytest.mark.spec("TAG-7")
@pytest.mark.parametrize("query", ["n=0", "n=00", "n=0&last=a"])
def test_a_page_of_nothing(http: httpx.Client, name: str, query: str) -> None:
    tag(http, name, "a", "b")
    assert page(http, f"/v2/{name}/tags/list?{query}") == ([], None)


@pytest.mark.spec("TAG-8")
@pytest.mark.parametrize("last", ["0", "1", "A", "_a", "a", "a_b", "b"])
def test_last_is_where_the_page_starts(http: httpx.Client, name: str, last: str) -> None:
    tag(http, name, *ORDER)
    rest = ORDER[ORDER.index(last) + 1 :]
    assert page(http, f"/v2/{name}/tags/list?last={last}") == (rest, None)
    assert page(http, f"/v2/{name}/tags/list?n=2&last={last}")[0] == rest[:2]


@pytest.mark.spec("TAG-9")
@pytest.mark.parametrize(
    ("last", "rest"),
    [("", ORDER), ("a-", ORDER[10:]), ("a0", ORDER[12:]), ("Z", ORDER[7:]), ("zzz", []), ("%C3%A9", []), ("%00", ORDER),
     ("a/b", ORDER[12:]), ("-1", ORDER), ("a%27%3B--", ORDER[10:]), ("x" * 1000, [])],
)  # fmt: skip
def test_last_need_not_be_a_tag(http: httpx.Client, name: str, last: str, rest: list[str]) -> None:
    tag(http, name, *ORDER)
    assert page(http, f"/v2/{name}/tags/list?last={last}") == (rest, None)


@pytest.mark.spec("TAG-10")
@pytest.mark.parametrize(
    "size", ["-1", "x", "", "1.0", "%2B1", "+1", "1e3", "0x1", "%D9%A1", "1_0", " 1", "1%0a", "9" * 5000 + "x"]
)
def test_a_size_that_is_none(http: httpx.Client, name: str, size: str) -> None:
    tag(http, name, "v1")
    answer = http.get(f"/v2/{name}/tags/list?n={size}")
    assert (answer.status_code, errors(answer)) == (400, ["UNSUPPORTED"])


@pytest.mark.spec("TAG-11")
@pytest.mark.parametrize(
    "query", ["", "?n=3", "?n=4", "?n=100001", "?n=" + "9" * 19, "?n=" + "9" * 5000, "?n=" + "0" * 30 + "4", "?last="]
)
def test_no_page_is_larger_than_the_limit(short: httpx.Client, name: str, query: str) -> None:
    tag(short, name, *ORDER)
    assert page(short, f"/v2/{name}/tags/list{query}")[1] == f"/v2/{name}/tags/list?n=3&last=1"
    assert list(chain.from_iterable(pages(short, f"/v2/{name}/tags/list{query}"))) == ORDER


@pytest.mark.spec("TAG-11")
def test_all_of_several_thousand_tags_come_at_once(http: httpx.Client, name: str) -> None:
    tags = [f"v{number:04}" for number in range(2000)]
    for start in range(0, len(tags), 100):
        tag(http, name, *tags[start : start + 100])
    assert page(http, f"/v2/{name}/tags/list") == (tags, None)
    assert page(http, f"/v2/{name}/tags/list?last=v0999")[0] == tags[1000:]
    assert list(chain.from_iterable(pages(http, f"/v2/{name}/tags/list?n=333"))) == tags


@pytest.mark.spec("TAG-12")
def test_tags_that_come_and_go_between_pages(http: httpx.Client, name: str) -> None:
    tag(http, name, *ORDER)
    seen, following = page(http, f"/v2/{name}/tags/list?n=4")
    assert seen[-1] == "10"
    http.delete(f"/v2/{name}/manifests/10")
    http.delete(f"/v2/{name}/manifests/2")
    tag(http, name, "000", "3")
    assert following is not None
    assert pages(http, following) == [["3", "A", "B", "_"], ["_a", "a", "a-b", "a.b"], ["a_b", "aa", "b"]]


def history(server: Server, name: str, called: str) -> list[str | None]:
    """What the tag pointed to, oldest first; None: it was deleted."""
    database = sqlite3.connect(f"file:{server.data / 'registry.db'}?mode=ro", uri=True)
    try:
        rows = database.execute(
            "SELECT digest, at FROM tag_history JOIN repository ON repository.id = repository_id"
            " WHERE repository.name = ? AND tag_history.name = ? ORDER BY tag_history.id",
            (name, called),
        ).fetchall()
    finally:
        database.close()
    assert [at for _, at in rows] == sorted(at for _, at in rows)
    return [digest for digest, _ in rows]


@pytest.mark.spec("TAG-13")
def test_what_a_tag_pointed_to_is_remembered(server: Server, http: httpx.Client, name: str) -> None:
    first_body, first = push_image(http, name, "v1")
    _, second = push_image(http, name, "v1")
    put_manifest(http, name, "v1", first_body)
    put_manifest(http, name, "v1", first_body)
    http.delete(f"/v2/{name}/manifests/v1")
    put_manifest(http, name, "v1", first_body)
    put_manifest(http, name, f"{first}?tag=v1&tag=v2", first_body)
    http.delete(f"/v2/{name}/manifests/{first}")
    assert history(server, name, "v1") == [first, second, first, None, first, None]
    assert history(server, name, "v2") == [first, None]
    sha512 = digest_of(first_body, "sha512")
    put_manifest(http, name, f"{sha512}?tag=v2", first_body)
    assert history(server, name, "v2") == [first, None, sha512]


@pytest.mark.spec("TAG-13")
def test_a_push_that_is_refused_is_not_remembered(server: Server, http: httpx.Client, name: str) -> None:
    tag(http, name, "v1")
    http.put(f"/v2/{name}/manifests/v1", content=image(annotations={}), headers={"if-none-match": "*"})
    put_manifest(http, name, digest_of(image()) + "?tag=v1&tag=.", image())
    assert len(history(server, name, "v1")) == 1
