"""spec/tags.md: the catalogue."""

from collections.abc import Iterator
from itertools import chain

import httpx
import pytest

from tests.server import running
from tests.speak.content import image, random_blob
from tests.speak.requests import errors, push_blob, push_image, put_manifest, start_upload

NAMES = ["a", "a-b", "a.b", "a/b", "a/b/c", "a0", "a_b", "aa", "b/a"]


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of an empty registry whose pages have at most four entries."""
    flags = ("--workers", "1", "--page-limit", "4")
    with running(tmp_path_factory.mktemp("catalog"), *flags) as server, httpx.Client(base_url=server.url) as http:
        yield http


def page(http: httpx.Client, url: str = "/v2/_catalog") -> tuple[list[str], str | None]:
    """The names, and where the next page is."""
    answer = http.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert set(answer.json()) == {"repositories"}
    following = answer.links["next"]["url"] if "link" in answer.headers else None
    return answer.json()["repositories"], following


def pages(http: httpx.Client, url: str = "/v2/_catalog") -> list[list[str]]:
    """Every page, by following `Link` to the end."""
    found = []
    following: str | None = url
    while following is not None:
        names, following = page(http, following)
        found.append(names)
    return found


@pytest.mark.spec("CATALOG-1", "CATALOG-2", "CATALOG-4", "CATALOG-5", "CATALOG-6")
def test_the_catalogue_of_a_registry(alone: httpx.Client) -> None:
    assert page(alone) == ([], None)
    for name in reversed(NAMES):
        assert put_manifest(alone, name, "v1", image()).status_code == 201
        assert put_manifest(alone, name, "v2", image()).status_code == 201
    assert pages(alone) == [NAMES[:4], NAMES[4:8], NAMES[8:]]
    for size in range(1, 6):
        found = pages(alone, f"/v2/_catalog?n={size}")
        assert list(chain.from_iterable(found)) == NAMES
        assert {len(names) for names in found[:-1]} == {min(size, 4)}
    assert page(alone, "/v2/_catalog?n=2") == (NAMES[:2], "/v2/_catalog?n=2&last=a-b")
    assert page(alone, "/v2/_catalog?n=2&last=a/b")[1] == "/v2/_catalog?n=2&last=a0"
    assert page(alone, "/v2/_catalog?n=1&last=a.b") == (["a/b"], "/v2/_catalog?n=1&last=a%2Fb")
    assert page(alone, "/v2/_catalog?n=1000") == (NAMES[:4], "/v2/_catalog?n=4&last=a%2Fb")
    assert page(alone, "/v2/_catalog?n=0") == ([], None)
    assert page(alone, "/v2/_catalog?last=b/a") == ([], None)
    assert page(alone, "/v2/_catalog?last=a1") == (["a_b", "aa", "b/a"], None)
    seen, following = page(alone, "/v2/_catalog?n=3")
    alone.delete(
        f"/v2/{seen[2]}/manifests/{alone.head(f'/v2/{seen[2]}/manifests/v1').headers['docker-content-digest']}"
    )
    put_manifest(alone, "a/aa", "v1", image())
    put_manifest(alone, "0", "v1", image())
    assert following is not None
    assert list(chain.from_iterable(pages(alone, following))) == ["a/aa", *NAMES[3:]]


def listed(http: httpx.Client, name: str) -> bool:
    return name in list(chain.from_iterable(pages(http, "/v2/_catalog?n=1000")))


@pytest.mark.spec("CATALOG-3")
def test_a_repository_is_listed_while_it_holds_a_manifest(http: httpx.Client, name: str) -> None:
    start_upload(http, name)
    assert not listed(http, name)
    push_blob(http, name, random_blob())
    assert not listed(http, name)
    put_manifest(http, name, "v1", b"{")
    assert not listed(http, name)
    body, digest = push_image(http, name, "v1")
    assert listed(http, name)
    http.delete(f"/v2/{name}/manifests/v1")
    assert listed(http, name)
    http.delete(f"/v2/{name}/manifests/{digest}")
    assert not listed(http, name)
    put_manifest(http, name, digest, body)
    assert listed(http, name)


@pytest.mark.spec("CATALOG-3")
def test_a_mount_alone_is_not_listed(http: httpx.Client, name: str) -> None:
    digest = push_blob(http, name, random_blob())
    answer = http.post(f"/v2/{name}/target/blobs/uploads/?mount={digest}&from={name}")
    assert answer.status_code == 201
    assert not listed(http, f"{name}/target")


@pytest.mark.spec("CATALOG-5")
@pytest.mark.parametrize("size", ["-1", "x", "", "1.0", "%2B1", "9" * 5000 + "x"])
def test_a_size_that_is_none(http: httpx.Client, size: str) -> None:
    answer = http.get(f"/v2/_catalog?n={size}")
    assert (answer.status_code, errors(answer)) == (400, ["UNSUPPORTED"])
