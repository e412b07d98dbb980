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
