"""Where the registry is put together: `App`, what its requests share, and the Starlette router over `routes.py`.

One `Route` a path, whose endpoint is an `Endpoint`; before the router a matcher, which finds it in less time."""

from itertools import groupby

from starlette.routing import Route, Router

from registry.app import App
from registry.http.endpoint import Endpoint
from registry.http.frontend import Frontend
from registry.http.matcher import Matcher
from registry.http.types import Receive, Scope, Send
from registry.routes import ROUTES


class Registry:
    """The ASGI application. Opened and closed by whoever serves it (`server/`), or by its lifespan."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.frontend = Frontend(app.settings, app.database.version)
        self.immediate = app.immediate
        self._prefix = app.settings.prefix
        by_path = groupby(sorted(ROUTES, key=lambda row: ORDER[row.path]), key=lambda row: row.path)
        endpoints = [(path, Endpoint(app, self.frontend, list(rows))) for path, rows in by_path]
        self._matcher = Matcher(endpoints)
        routes = [Route(path, endpoint) for path, endpoint in endpoints]
        self._router = Router(routes, redirect_slashes=False, default=Endpoint(app, self.frontend, []))

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
        if self._prefix and scope["path"].startswith(self._prefix + "/"):
            # A proxy may have taken the prefix off, or not.
            scope["path"] = scope["path"][len(self._prefix) :]
        found = self._matcher.find(scope["path"])
        if found is None:
            await self._router(scope, receive, send)
        else:
            endpoint, scope["path_params"] = found
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


ORDER = {row.path: position for position, row in reversed(list(enumerate(ROUTES)))}
