"""`Row`: one endpoint as `routes.py` tells of it."""

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import NamedTuple

from registry.http.context import Context
from registry.http.responses import Response


class Action(Enum):
    """What a request needs to be allowed to do."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"
    CATALOG = "catalog"

    @property
    def changes(self) -> bool:
        """Whether it is for changing the registry."""
        return self in (Action.PUSH, Action.DELETE)


Handler = Callable[[Context], Awaitable[Response]]


class Row(NamedTuple):
    """One endpoint: a row of `routes.py`."""

    method: str
    path: str
    handler: Handler
    action: Action
    name: str
    steady: bool = False
    """Whether the answer is the same for everybody until the database changes."""
    tagged: bool = False
    """Whether what it names has an entity tag, so that the handler looks at the request's precondition."""

    @property
    def changes(self) -> bool:
        """Whether it may change the registry. GET and HEAD do not, whatever they need: how far an upload has come is
        told to who may push."""
        return self.action.changes and self.method not in ("GET", "HEAD")
