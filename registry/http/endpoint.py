"""`Endpoint`: one path. It makes the Context, calls the row's handler, answers, and tells the observers."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import structlog

from registry.app import App
from registry.errors import (
    BodyStalled,
    ClientGone,
    DeleteDisabled,
    MethodNotAllowed,
    NotFound,
    PreconditionFailed,
    ReadOnly,
    RegistryError,
    RequestTimeout,
    Unavailable,
)
from registry.http.access import Line
from registry.http.api import Api
from registry.http.context import Context
from registry.http.frontend import Frontend
from registry.http.policy import Action
from registry.http.responses import Response, headers_of
from registry.http.row import Row
from registry.http.sending import Sending
from registry.http.types import Receive, Scope, Send
from registry.preconditions import NO_PRECONDITION
from registry.system import host

log = structlog.get_logger("requests")


class Endpoint:
    """The rows of one path of an API, as an ASGI application; without rows, of every path that it has not."""

    def __init__(self, app: App, frontend: Frontend, api: Api, rows: Sequence[Row]) -> None:
        self._api = api
        self._app = app
        self._frontend = frontend
        self._rows: Mapping[str, Row] = {row.method: row for row in rows}
        self._refused = refused(app, rows)
        self._allow = ", ".join(row.method for row in rows if row.method not in self._refused)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        ctx = self._context(scope, receive)
        row = self._rows.get(scope["method"])
        answer = Sending(self._frontend, self._api, ctx, send, row)
        try:
            await self._answer(ctx, row, answer)
        finally:
            if self._frontend.observers:
                self._frontend.finished(
                    Line(
                        request_id=ctx.id,
                        client=ctx.client,
                        method=scope["method"],
                        path=scope["path"],
                        route=row.name if row else "-",
                        name=ctx.parameters.get("name", ""),
                        reference=ctx.parameters.get("reference", ""),
                        status=answer.status or 500,
                        size=answer.size,
                        duration=time.perf_counter() - started,
                    )
                )

    def _context(self, scope: Scope, receive: Receive) -> Context:
        return Context(self._app, scope, receive, self._frontend.next_request_id(), self._frontend.policy)

    async def allows(self, scope: Scope, receive: Receive) -> bool:
        """Whether who sends this may have the answer that somebody else had to the same. Whatever speaks against it is
        said when the endpoint is called."""
        try:
            await require(self._context(scope, receive), self._rows[scope["method"]])
        except Exception:
            return False
        return True

    async def _answer(self, ctx: Context, row: Row | None, answer: Sending) -> None:
        """Send the answer, or the error that took its place."""
        try:
            try:
                response = await self._respond(ctx, row)
                if response.takes and not self._frontend.large_answers.has(response.takes):
                    # Made once more when there is room, as those who wait must hold nothing.
                    takes, response = response.takes, self._failure(Unavailable())
                    await self._frontend.large_answers.wait(takes)
                    response = await self._respond(ctx, row)
                await answer.send(response)
            except (ClientGone, asyncio.CancelledError):
                raise
            except RegistryError as error:
                # Seen only when the answer was to be sent: its content is not there, or there is no room for it.
                if answer.status == 0:
                    await answer.send(self._failure(error))
            except Exception as error:
                # Of an answer that has begun the client sees that it ends too soon.
                await self._failed(ctx, answer, error)
        except ClientGone:
            # Also of an answer that has begun: it was not taken whole.
            answer.status = 499
        except asyncio.CancelledError:
            # The registry is told to stop, and this took longer than it lets requests take.
            if answer.status == 0:
                await answer.send(self._failure(Unavailable("stopping", headers={"connection": "close"})))

    async def _failed(self, ctx: Context, answer: Sending, error: Exception) -> None:
        """Answer what went wrong first, and log it then."""
        exhausted = isinstance(error, OSError) and error.errno in host.EXHAUSTED
        if answer.status == 0:
            told: RegistryError = RegistryError(f"see the log for request {ctx.id}")
            await answer.send(self._failure(Unavailable("too much is going on at the moment") if exhausted else told))
        if exhausted:
            log.error("the machine has no more to give", id=ctx.id, path=ctx.scope["path"], reason=str(error))
        else:
            log.error("request failed", id=ctx.id, method=ctx.method, path=ctx.scope["path"], exc_info=error)

    async def _respond(self, ctx: Context, row: Row | None) -> Response:
        """What the handler answers, deliberate errors too."""
        try:
            return await self._handle(ctx, row)
        except RegistryError as error:
            return self._failure(error)
        except BodyStalled:
            return self._failure(RequestTimeout(headers={"connection": "close"}))

    async def _handle(self, ctx: Context, row: Row | None) -> Response:
        if row is None and self._rows:
            may = self._preflight(ctx)
            if may is not None:
                return may
        self._api.check_path(ctx.scope["raw_path"])
        if not self._rows:
            raise NotFound(ctx.scope["path"][:200])
        if row is None:
            raise MethodNotAllowed(f"{ctx.method} {ctx.scope['path'][:200]}", headers={"allow": self._allow})
        if row.method in self._refused:
            raise self._refused[row.method](headers={"allow": self._allow})
        if self._frontend.asks:
            await require(ctx, row)
        if not row.tagged and ctx.precondition is not NO_PRECONDITION:
            unmodified = await self._check_untagged(ctx)
            if unmodified is not None:
                return unmodified
        return await row.handler(ctx)

    async def _check_untagged(self, ctx: Context) -> Response | None:
        """What is answered to a client that wants only what is not there, of what is; None: go on.

        Raises `PreconditionFailed`, or what is said of a target that is not there, which comes first (RFC 9110
        section 13.2.1)."""
        condition = ctx.precondition
        read = self._rows.get("GET")
        reads = ctx.method in ("GET", "HEAD")
        try:
            condition.check_untagged()
        except PreconditionFailed:
            if read is not None:
                await read.handler(ctx)
            raise
        if read is None or not condition.wants_nothing:
            return None
        try:
            there = await read.handler(ctx)
        except RegistryError:
            if reads:
                raise
            return None  # What the request itself would say of it may be more than that.
        if not reads:
            raise PreconditionFailed("If-None-Match: there is something")
        return Response(304, [header for header in there.headers if header[0] != b"content-type"])

    def _failure(self, error: RegistryError) -> Response:
        """In the API's form, with what the error's status demands (`Allow`, `Retry-After`) whatever that is."""
        response = self._api.render(error)
        has = {name for name, _ in response.headers}
        response.headers += [header for header in headers_of(error) if header[0] not in has]
        return response

    def _preflight(self, ctx: Context) -> Response | None:
        """What a browser is told before a page may ask; None where that is not what was asked."""
        cors = self._frontend.cors
        if cors is None or ctx.method != "OPTIONS":
            return None
        method, headers = b"access-control-request-method", b"access-control-request-headers"
        return cors.preflight(ctx.header(b"origin"), ctx.header(method), ctx.header(headers), self._allow)


async def require(ctx: Context, row: Row) -> None:
    """Raises what the policy does, and `NameInvalid`: nobody has rights in what cannot be a repository."""
    await ctx.require(row.action, ctx.name if "name" in ctx.parameters else None)


def refused(app: App, rows: Sequence[Row]) -> dict[str, type[RegistryError]]:
    """The methods that the settings do not let anybody use."""
    if app.settings.read_only:
        return {row.method: ReadOnly for row in rows if row.changes}
    return {} if app.settings.delete else {row.method: DeleteDisabled for row in rows if row.action is Action.DELETE}
