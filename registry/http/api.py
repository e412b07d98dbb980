"""`Api`: what the endpoints of one API have in common, whoever's document it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.errors import RegistryError
from registry.http.responses import Header, Response
from registry.http.row import Row

if TYPE_CHECKING:
    from registry.http.operations import Operations


def any_path(raw_path: bytes) -> None:
    """Whatever is percent-encoded in it is as good as what it stands for."""


@dataclass(frozen=True, slots=True)
class Api:
    """One block of `routes.py`.

    `prefix`: what its paths begin with, also those that there are not. `render`: the form of its errors. `operations`:
    what the OpenAPI document says of it, which no server needs, so that it is imported only when asked for. `headers`:
    of each of its answers. `check_path`: raises a `RegistryError` for a path that hides something, as it was sent."""

    name: str
    prefix: str
    rows: Sequence[Row]
    render: Callable[[RegistryError], Response]
    operations: "Callable[[], Operations]"
    headers: Sequence[Header] = ()
    check_path: Callable[[bytes], None] = any_path

    def has(self, path: str) -> bool:
        """Whether the path is one of its own, be there an endpoint or not."""
        return path == self.prefix or path.startswith(self.prefix + "/")
