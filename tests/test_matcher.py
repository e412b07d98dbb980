"""The matcher before the router: it finds what the router finds, or nothing."""

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Match, Route

from registry.http.matcher import Matcher
from registry.routes import ROUTES

PATHS = [path for path, _ in groupby(ROUTES, key=lambda row: row.path)]


async def nothing(*_: object) -> None:
    """Never called."""


MATCHER = Matcher([(path, path) for path in PATHS])
ROUTER = [(path, Route(path, type("Endpoint", (), {"__call__": nothing})())) for path in PATHS]

ELEMENTS = ["v2", "", "a", "blobs", "uploads", "manifests", "tags", "list", "referrers", "_catalog", "latest", "x\ny"]
paths = st.lists(st.sampled_from(ELEMENTS), max_size=8).map(lambda parts: "/" + "/".join(parts))


def routed(path: str) -> tuple[str, dict[str, str]] | None:
    """What the router alone would do."""
    for route_path, route in ROUTER:
        match, child = route.matches({"type": "http", "path": path, "method": "GET"})
        if match is not Match.NONE:
            return route_path, child["path_params"]
    return None


@given(paths)
def test_it_agrees_with_the_router(path: str) -> None:
    found = MATCHER.find(path)
    assert found is None or found == routed(path)


@given(paths.map(lambda path: "/v2/team/app" + path))
def test_it_agrees_with_the_router_below_a_repository(path: str) -> None:
    found = MATCHER.find(path)
    assert found is None or found == routed(path)


@pytest.mark.parametrize(
    "path", ["/v2/blobs/uploads/x", "/v2/blobs/uploads/", "/v2/tags/list", "/v2/manifests/x", "/v2//manifests/x", "/v2"]
)
def test_it_agrees_where_no_repository_is_named(path: str) -> None:
    found = MATCHER.find(path)
    assert found is None or found == routed(path)


@pytest.mark.parametrize(
    "path",
    [
        "/v2/team/app/manifests/latest",
        "/v2/team/app/blobs/sha256:00",
        "/v2/team/app/blobs/uploads/",
        "/v2/team/app/blobs/uploads",
        "/v2/team/app/blobs/uploads/1",
        "/v2/team/app/tags/list",
        "/v2/team/app/referrers/sha256:00",
        "/v2/manifests/manifests/manifests",
    ],
)
def test_it_finds_what_most_requests_ask_for(path: str) -> None:
    assert MATCHER.find(path) is not None
    assert MATCHER.find(path) == routed(path)
