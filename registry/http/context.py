"""`Context`, what one request knows, and `dispatch`, which makes it, calls the handler, answers and logs."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from enum import Enum
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import structlog

from registry import preconditions as conditions
from registry.app import App
from registry.errors import (
    BodyStalled,
    ClientGone,
    DeleteDisabled,
    MethodNotAllowed,
    NameInvalid,
    NotFound,
    ParameterInvalid,
    PreconditionFailed,
    ReadOnly,
    RegistryError,
    RequestInvalid,
    RequestTimeout,
    TooManyParameters,
    Unavailable,
)
from registry.http import clients, proxies
from registry.http.body import Receive, RequestBody
from registry.http.responses import LARGE, Response, failure
from registry.log import Line
from registry.names import RepositoryName, parse_name, parse_number
from registry.preconditions import NO_PRECONDITION, Precondition
from registry.system import host

log = structlog.get_logger("requests")

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

API_VERSION = (b"docker-distribution-api-version", b"registry/2.0")
CONDITIONS = (b"if-match", b"if-none-match")
MOST_PARAMETERS = 500
WATCHED = 1024 * 1024
"""Bytes of an answer from which on the client is watched: one that has gone should not have a disk read for it."""

STREAMED = 512 * 1024
"""Bytes that an answer holds at most that is streamed: a block, and what the transport keeps of the one before."""


class Action(Enum):
    """What a request needs to be allowed to do."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"
    CATALOG = "catalog"


class Context:
    """One request: what it asks for, parsed once, and the App that can answer."""

    __slots__ = ("_forwarded", "_prefix", "_query", "app", "client", "id", "parameters", "receive", "scope")

    def __init__(self, app: App, scope: Scope, receive: Receive, request_id: str) -> None:
        self.app = app
        self.scope = scope
        self.receive = receive
        self.id = request_id
        self.parameters: dict[str, str] = scope.get("path_params") or {}
        self.client: str = scope["client"][0] if scope["client"] else ""
        self._query: dict[str, list[str]] | None = None
        self._prefix = app.settings.public_url or ""
        self._forwarded: proxies.Forwarded | None = None
        if app.settings.trusted_proxy:
            self._forwarded = told = proxies.forwarded(scope, app.settings.trusted_proxy)
            if told is not None:
                self.client = told.client
                self._prefix = self._prefix or told.prefix

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def name(self) -> RepositoryName:
        """Raises `NameInvalid`."""
        return parse_name(self.parameters["name"])

    def header(self, name: bytes) -> str | None:
        """The header's value, several lines joined by commas; None if there is none. `name` in lower case."""
        values = [value for key, value in self.scope["headers"] if key == name]
        return b", ".join(values).decode("latin-1") if values else None

    @property
    def precondition(self) -> Precondition:
        """What must hold for the request to be carried out (RFC 9110 section 13)."""
        for name, _ in self.scope["headers"]:
            if name in CONDITIONS:
                return conditions.parse(self.header(b"if-match"), self.header(b"if-none-match"))
        return NO_PRECONDITION

    def all(self, parameter: str) -> list[str]:
        """Every value of a query parameter. Raises `ParameterInvalid` for a query that cannot be read."""
        if self._query is None:
            self._query = {}
            raw: bytes = self.scope["query_string"]
            if raw.count(b"&") >= MOST_PARAMETERS:
                raise TooManyParameters(f"the limit is {MOST_PARAMETERS}")
            if raw:
                try:
                    pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict")
                except ValueError:
                    raise ParameterInvalid("the query is not valid") from None
                for key, value in pairs:
                    self._query.setdefault(key, []).append(value)
        return self._query.get(parameter, [])

    def query(self, parameter: str) -> str | None:
        """The first value of a query parameter; None if there is none."""
        values = self.all(parameter)
        return values[0] if values else None

    def page_size(self) -> int:
        """`n`: how many entries were asked for, at most what the settings allow. Raises `ParameterInvalid` (R-148)."""
        limit = self.app.settings.page_limit
        text = self.query("n")
        if text is None:
            return limit
        asked = parse_number(text)
        if asked is None:
            raise ParameterInvalid(f"n is not a number of entries: {text[:100]}")
        return min(asked, limit)

    def body(self) -> RequestBody:
        """Raises `RequestInvalid` for a length that is none."""
        stated, chunked = self.header(b"content-length"), self.header(b"transfer-encoding")
        length = None if chunked else 0
        if stated is not None and not chunked:
            length = parse_number(stated)
            if length is None:
                raise RequestInvalid(f"Content-Length is not a number of bytes: {stated[:100]}")
        patience = self.app.settings.body_timeout.total_seconds()
        return RequestBody(self.receive, length, patience, self.scope.get("registry.http.tap"))

    def shared_location(self, path: str) -> str:
        """Where any client finds `path`: on the host that it asked, or below the public URL."""
        return self._prefix + path

    def location(self, path: str) -> str:
        """The same for this client alone: with scheme and host for one that needs them. Not for answers of `steady`
        rows, which others are given too."""
        if not self.app.settings.public_url and clients.needs_host(self.header(b"user-agent") or ""):
            return self._origin() + self._prefix + path
        return self.shared_location(path)

    def _origin(self) -> str:
        """Scheme and host that the client used; empty where they cannot be told."""
        told = self._forwarded
        host = (told.host if told else "") or proxies.clean_host(self.header(b"host") or "")
        return f"{told.scheme if told else 'http'}://{host}" if host else ""


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


class Endpoint:
    """The rows of one path, as an ASGI application: `dispatch`."""

    def __init__(self, app: App, rows: Sequence[Row]) -> None:
        self._app = app
        self._rows: Mapping[str, Row] = {row.method: row for row in rows}
        self._refused = refused(app, rows)
        self._allow = ", ".join(row.method for row in rows if row.method not in self._refused)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        ctx = Context(self._app, scope, receive, self._app.next_request_id())
        row = self._rows.get(scope["method"])
        answer = Answer(ctx, send, row)
        try:
            await self._answer(ctx, row, answer)
        finally:
            if self._app.settings.log_requests:
                self._app.requests.write(
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

    async def _answer(self, ctx: Context, row: Row | None, answer: "Answer") -> None:
        """Send the answer, or the error that took its place."""
        try:
            try:
                response = await self._respond(ctx, row)
                if response.takes and not ctx.app.large_answers.has(response.takes):
                    # Made once more when there is room, as those who wait must hold nothing.
                    takes, response = response.takes, failure(Unavailable())
                    await ctx.app.large_answers.wait(takes)
                    response = await self._respond(ctx, row)
                await answer.send(response)
            except (ClientGone, asyncio.CancelledError):
                raise
            except RegistryError as error:
                # Seen only when the answer was to be sent: its content is not there, or there is no room for it.
                if answer.status == 0:
                    await answer.send(failure(error))
            except Exception as error:
                # Of an answer that has begun the client sees that it ends too soon.
                await self._failed(ctx, answer, error)
        except ClientGone:
            # Also of an answer that has begun: it was not taken whole.
            answer.status = 499
        except asyncio.CancelledError:
            # The registry is told to stop, and this took longer than it lets requests take.
            if answer.status == 0:
                await answer.send(failure(Unavailable("stopping", headers={"connection": "close"})))

    async def _failed(self, ctx: Context, answer: "Answer", error: Exception) -> None:
        """Answer what went wrong first, and log it then."""
        exhausted = isinstance(error, OSError) and error.errno in host.EXHAUSTED
        if answer.status == 0:
            told: RegistryError = RegistryError(f"see the log for request {ctx.id}")
            await answer.send(failure(Unavailable("too much is going on at the moment") if exhausted else told))
        if exhausted:
            log.error("the machine has no more to give", id=ctx.id, path=ctx.scope["path"], reason=str(error))
        else:
            log.error("request failed", id=ctx.id, method=ctx.method, path=ctx.scope["path"], exc_info=error)

    async def _respond(self, ctx: Context, row: Row | None) -> Response:
        """What the handler answers, deliberate errors too."""
        try:
            return await self._handle(ctx, row)
        except RegistryError as error:
            return failure(error)
        except BodyStalled:
            return failure(RequestTimeout(headers={"connection": "close"}))

    async def _handle(self, ctx: Context, row: Row | None) -> Response:
        if row is None and self._rows:
            may = self._preflight(ctx)
            if may is not None:
                return may
        if b"%" in ctx.scope["raw_path"]:
            plainly_encoded(ctx.scope["raw_path"])
        if not self._rows:
            raise NotFound(ctx.scope["path"][:200])
        if row is None:
            raise MethodNotAllowed(f"{ctx.method} {ctx.scope['path'][:200]}", headers={"allow": self._allow})
        if row.method in self._refused:
            raise self._refused[row.method](headers={"allow": self._allow})
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

    def _preflight(self, ctx: Context) -> Response | None:
        """What a browser is told before a page may ask; None where that is not what was asked."""
        cors = self._app.cors
        if cors is None or ctx.method != "OPTIONS":
            return None
        method, headers = b"access-control-request-method", b"access-control-request-headers"
        return cors.preflight(ctx.header(b"origin"), ctx.header(method), ctx.header(headers), self._allow)


class Answer:
    """An answer on its way out, counted: `status` 0 until it has begun, `size` in bytes of the body."""

    __slots__ = ("_ctx", "_row", "_send", "size", "status")

    def __init__(self, ctx: Context, send: Send, row: Row | None) -> None:
        self._ctx = ctx
        self._send = send
        self._row = row
        self.status = 0
        self.size = 0

    async def send(self, response: Response) -> None:
        """Raises `ClientGone`."""
        body = response.body
        if isinstance(body, bytes):
            if self._ctx.scope["method"] == "HEAD":
                body = b""
            if len(body) > LARGE:
                await self._send_large(response, body)
                return
            await self._begin(response)
            self.size = len(body)
            message = {"type": "http.response.body", "body": body}
            if self._row is not None and self._row.steady and response.status == 200:
                message["registry.steady"] = self._told(self._row)
            await self._send(message)
            return
        room = self._ctx.app.streams
        await room.wait(STREAMED)
        room.take(STREAMED)
        try:
            # Before the head is sent, so that bytes that cannot be read are an error and not half an answer.
            first = await anext(body, b"")
            await self._begin(response)
            await self._stream(first, body, response.length or 0)
        finally:
            room.give_back(STREAMED)
            await body.aclose()

    async def _send_large(self, response: Response, body: bytes) -> None:
        """Piece by piece, so that a client that does not read holds little besides the body, of which few are held."""
        room = self._ctx.app.large_answers
        room.take(len(body))
        try:
            await self._begin(response, body)
            while self.size < len(body):
                piece = body[self.size : self.size + LARGE]
                sent = self.size + len(piece)
                await self._send({"type": "http.response.body", "body": piece, "more_body": sent < len(body)})
                self.size = sent
        finally:
            room.give_back(len(body))

    def _told(self, row: Row) -> tuple[str, str, str, str]:
        """What the log says of the request, also for those who get the same answer later."""
        parameters = self._ctx.parameters
        return self._ctx.scope["path"], row.name, parameters.get("name", ""), parameters.get("reference", "")

    async def _begin(self, response: Response, whole: bytes | None = None) -> None:
        """Send the head. `whole`: the body, where it is not sent as one."""
        headers = response.headers
        headers.append(API_VERSION)
        headers.append((b"x-request-id", self._ctx.id.encode()))
        cors = self._ctx.app.cors
        if cors is not None:
            headers += cors.headers(self._ctx.header(b"origin"))
        if response.length is not None and response.status not in (204, 304):
            headers.append((b"content-length", b"%d" % response.length))
        message = {"type": "http.response.start", "status": response.status, "headers": headers}
        if whole is not None and self._row is not None and self._row.steady and response.status == 200:
            message |= {"registry.whole": whole, "registry.steady": self._told(self._row)}
        await self._send(message)
        self.status = response.status

    async def _stream(self, block: bytes, blocks: AsyncGenerator[bytes, None], length: int) -> None:
        watch = asyncio.create_task(self._watch()) if length > WATCHED else None
        try:
            while True:
                sent = self.size + len(block)
                await self._send({"type": "http.response.body", "body": block, "more_body": sent < length})
                self.size = sent
                if self.size >= length:
                    return
                if watch is not None:
                    if watch.done():
                        raise ClientGone
                    # Sending does not wait while the kernel takes the bytes: let others have their turn.
                    await asyncio.sleep(0)
                block = await anext(blocks)
        finally:
            if watch is not None:
                watch.cancel()

    async def _watch(self) -> None:
        """Ends when the client has gone."""
        while (await self._ctx.receive())["type"] != "http.disconnect":
            pass


def refused(app: App, rows: Sequence[Row]) -> dict[str, type[RegistryError]]:
    """The methods that the settings do not let anybody use."""
    if app.settings.read_only:
        return {row.method: ReadOnly for row in rows if row.method not in ("GET", "HEAD")}
    return {} if app.settings.delete else {row.method: DeleteDisabled for row in rows if row.action is Action.DELETE}


def plainly_encoded(raw_path: bytes) -> None:
    """Raises `NameInvalid` for a path that hides something: only the colon of a digest may be encoded."""
    if b"%" in raw_path.replace(b"%3A", b"").replace(b"%3a", b""):
        raise NameInvalid("only a colon may be percent-encoded in the path")
