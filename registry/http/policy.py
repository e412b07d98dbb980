"""Who may do what: what a request needs to be allowed, and the contract of what decides whether it is."""

from abc import ABC, abstractmethod
from enum import Enum
from typing import ClassVar, Protocol

from registry.names import RepositoryName


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


class Asker(Protocol):
    """Who asks, as far as a policy may look at it: the Context of the request."""

    @property
    def client(self) -> str:
        """The address, as trusted proxies tell it."""

    def header(self, name: bytes) -> str | None:
        """The header's value, several lines joined by commas; None if there is none. `name` in lower case."""


class Policy(ABC):
    """Decides what requests may do. One is shared by all requests of a worker.

    It is asked for the action of a row before its handler is called; before an answer that was kept is given to anybody
    else; and by handlers, through `Context.require`, for what a row cannot say. Its decision may change at any time: it
    is not remembered."""

    immediate: ClassVar[bool] = False
    """Whether `check` mostly answers without waiting. Then it may be called outside of any task, by the first step of a
    request that only reads: it uses nothing that needs one, no `asyncio.timeout` nor `TaskGroup`, before it has awaited
    something. Where it is false, no answers are kept."""

    @abstractmethod
    async def check(self, asker: Asker, action: Action, name: RepositoryName | None) -> None:
        """Return if it may be. `name`: the repository; None: the registry as a whole.

        Raises `Denied`, or another `RegistryError` that is to be answered."""


class Everybody(Policy):
    """May everything."""

    immediate = True

    async def check(self, asker: Asker, action: Action, name: RepositoryName | None) -> None:
        return


EVERYBODY = Everybody()
"""The policy where nobody set one. It is known by its identity, and not even asked."""
