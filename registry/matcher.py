"""Finds the endpoint of a path by its last elements, for the paths that most requests have.

Made from the table of routes. What it does not know, it leaves to the router: it only ever agrees with that, sooner.
"""

from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

REPOSITORY = "/v2/{name:path}/"
REFERENCE = "{reference}"


class Entry(NamedTuple, Generic[T]):
    """An endpoint below a repository; `before`: what stands between the repository and the last two elements."""

    endpoint: T
    before: str
    wild: bool
    """Whether the last element is the reference."""


class Matcher(Generic[T]):
    """Of the paths that begin with a repository's name."""

    def __init__(self, endpoints: Iterable[tuple[str, T]]) -> None:
        """`endpoints`: paths of the table in the order in which they are tried, each with what answers it."""
        self._entries: dict[str, Entry[T]] = {}
        for path, endpoint in endpoints:
            if not path.startswith(REPOSITORY):
                continue
            before, kind, last = path.removeprefix("/v2/{name:path}").rsplit("/", 2)
            wild = last == REFERENCE
            self._entries[kind if wild else f"{kind}/{last}"] = Entry(endpoint, before, wild)

    def find(self, path: str) -> tuple[T, dict[str, str]] | None:
        """The endpoint and the path's parameters; None: ask the router."""
        parts = path.rsplit("/", 2)
        if len(parts) != 3 or "\n" in path:
            return None
        head, kind, last = parts
        entry = self._entries.get(f"{kind}/{last}") or self._entries.get(kind)
        if entry is None or not head.startswith("/v2/") or not head.endswith(entry.before):
            return None
        name = head[4 : -len(entry.before) or None]
        if not entry.wild:
            return entry.endpoint, {"name": name}
        return (entry.endpoint, {"name": name, "reference": last}) if last else None
