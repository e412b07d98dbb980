"""A client that reads as most do, with no header that an answer could depend on."""

from collections.abc import Mapping
from typing import Self

from registry.http.cache import CALM
from tests.faults.client import Answer, Client

UNTIL_KEPT = CALM + 3
"""Requests without a change in between, after which a worker has kept the answer, if it ever does."""


class Reader(Client):
    """Its GETs and HEADs do not state the length of a body that they don't have."""

    def __enter__(self) -> Self:
        return self

    def read(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        """Raises one of `Gone`."""
        self._connection.request(method, path, headers=dict(headers or {}))
        response = self._connection.getresponse()
        content = response.read()
        return Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, content)
