"""Where the registry is put together: `App`, what its requests share, and the Starlette router over `routes.py`.

One `Route` a path, whose endpoint is an `Endpoint`; before the router a matcher, which finds it in less time."""

from collections.abc import Sequence

from starlette.routing import Route, Router

from registry.app import App
from registry.http.api import Api
from registry.http.endpoint import Endpoint
from registry.http.frontend import Frontend
from registry.http.matcher import Matcher
from registry.http.policy import EVERYBODY, Policy
from registry.http.row import Row
from registry.http.types import Receive, Scope, Send
from registry.routes import APIS


class Registry:
    """The ASGI application. Opened and closed by whoever serves it (`server/`), or by its lifespan."""

    def __init__(self, app: App, apis: Sequence[Api] = APIS, policy: Policy = EVERYBODY) -> None:
        self.app = app
        self.frontend = Frontend(app.settings, app.database.version, policy)
        self.immediate = app.immediate and policy.immediate
        self._prefix = app.settings.prefix
        endpoints = [
            (path, Endpoint(app, self.frontend, api, rows)) for api in apis for path, rows in by_path(api.rows).items()
        ]
        self._matcher = Matcher(endpoints)
        routes = [Route(path, endpoint) for path, endpoint in endpoints]
        self._router = Router(routes, redirect_slashes=False, default=self._answer_unknown)
        self._unknown = [(api, Endpoint(app, self.frontend, api, [])) for api in apis]

    async def open(self) -> None:
        """Raises `OperatorError`."""
        await self.app.open()

    async def close(self) -> None:
        await self.app.close()
        self.frontend.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        endpoint = self._find(scope)
        if endpoint is None:
            await self._router(scope, receive, send)
        else:
            await endpoint(scope, receive, send)

    async def allows(self, scope: Scope, receive: Receive) -> bool:
        """Whether who sends this request may have the answer that was kept for it, as the policy says now."""
        scope = dict(scope)  # If not, all that is found out here is found out once more.
        endpoint = self._find(scope)
        return endpoint is not None and await endpoint.allows(scope, receive)

    def _find(self, scope: Scope) -> Endpoint | None:
        """The endpoint of the path, whose parameters are added to the scope; None: ask the router."""
        if self._prefix and scope["path"].startswith(self._prefix + "/"):
            # A proxy may have taken the prefix off, or not.
            scope["path"] = scope["path"][len(self._prefix) :]
        found = self._matcher.find(scope["path"])
        if found is None:
            return None
        endpoint, scope["path_params"] = found
        return endpoint

    async def _answer_unknown(self, scope: Scope, receive: Receive, send: Send) -> None:
        """In the form of the API whose path it would be, or of the first one."""
        endpoint = next((endpoint for api, endpoint in self._unknown if api.has(scope["path"])), self._unknown[0][1])
        await endpoint(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.open()
        except BaseException as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})


def by_path(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each path, in the order in which paths are tried."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.path, []).append(row)
    return found
