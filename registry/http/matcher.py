"""Finds the endpoint of a path as it stands or by its last elements, for the paths that most requests have.

Made from the table of routes. What it does not know, it leaves to the router: it only ever agrees with that, sooner.
"""

from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

REPOSITORY = "/v2/{name:path}"
REFERENCE = "{reference}"


class Entry(NamedTuple, Generic[T]):
    """An endpoint below a repository; `before`: what stands between the repository and the last two elements."""

    endpoint: T
    before: str
    wild: bool
    """Whether the last element is the reference."""


class Matcher(Generic[T]):
    """Of the paths without a parameter, and of those that begin with a repository's name."""

    def __init__(self, endpoints: Iterable[tuple[str, T]]) -> None:
        """`endpoints`: paths of the table in the order in which they are tried, each with what answers it."""
        self._entries: dict[str, Entry[T]] = {}
        self._literals: set[str] = set()
        self._whole: dict[str, T] = {}
        for path, endpoint in endpoints:
            if "{" not in path:
                self._whole[path] = endpoint
            if not path.startswith(REPOSITORY + "/"):
                continue
            before, kind, last = path.removeprefix(REPOSITORY).rsplit("/", 2)
            wild = last == REFERENCE
            if not wild:
                self._literals.add(last)
            self._entries[kind if wild else f"{kind}/{last}"] = Entry(endpoint, before, wild)

    def find(self, path: str) -> tuple[T, dict[str, str]] | None:
        """The endpoint and the path's parameters; None: ask the router."""
        whole = self._whole.get(path)
        if whole is not None:
            return whole, {}
        head, _, last = path.rpartition("/")
        head, _, kind = head.rpartition("/")
        entry = self._entries.get(f"{kind}/{last}" if last in self._literals else kind)
        if entry is None or "\n" in path:
            return None
        endpoint, before, wild = entry
        if before:
            if not head.endswith(before):
                return None
            head = head[: -len(before)]
        if not head.startswith("/v2/"):
            return None
        return endpoint, ({"name": head[4:], "reference": last} if wild else {"name": head[4:]})
