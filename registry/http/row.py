"""`Row`: one endpoint as `routes.py` tells of it."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from registry.http.context import Context
from registry.http.policy import Action
from registry.http.responses import Response

Handler = Callable[[Context], Awaitable[Response]]


class Row(NamedTuple):
    """One endpoint: a row of `routes.py`."""

    method: str
    path: str
    handler: Handler
    action: Action
    name: str
    steady: bool = False
    """Whether the answer is the same for all who may have it, as the policy says of the action, until the database
    changes. A handler that asks the policy for more is not steady."""
    tagged: bool = False
    """Whether what it names has an entity tag, so that the handler looks at the request's precondition."""

    @property
    def changes(self) -> bool:
        """Whether it may change the registry. GET and HEAD do not, whatever they need: how far an upload has come is
        told to who may push."""
        return self.action.changes and self.method not in ("GET", "HEAD")
