"""How mutants are written: a function that stands between the client and a right registry.

    @mutant
    async def created_without_location(call: Call, request: Request) -> Reply:
        \"\"\"201 without Location.\"\"\"
        return (await call(request)).without("location")

`call` asks the registry, as often as the mutant likes. Each mutant has a `State` of its own to remember things in.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

Pairs = tuple[tuple[str, str], ...]


class Hangup(Exception):
    """Close the connection: before an answer, after `sent` bytes of its body, or after `raw` bytes that are no ASGI."""

    def __init__(self, reply: "Reply | None" = None, sent: int = 0, raw: bytes = b"") -> None:
        self.reply = reply
        self.sent = sent
        self.raw = raw


@dataclass(frozen=True)
class Request:
    """A request with its whole body. `path` as it was sent, without the query."""

    method: str
    path: str
    query: str
    headers: Pairs
    body: bytes
    chunked: bool
    state: dict[str, Any] = field(default_factory=dict)
    cut: bool = False
    """The client left before the end of its body. Only told to a `cut_mutant`; for others it never asked."""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def parameter(self, name: str) -> str | None:
        return dict(parse_qsl(self.query, keep_blank_values=True)).get(name)

    def with_header(self, name: str, value: str) -> "Request":
        return replace(self.without(name), headers=(*self.without(name).headers, (name, value)))

    def without(self, name: str) -> "Request":
        return replace(self, headers=tuple(pair for pair in self.headers if pair[0] != name))

    def with_parameters(self, **parameters: str | None) -> "Request":
        """With these parameters changed; None: taken away."""
        kept = [(key, value) for key, value in parse_qsl(self.query, keep_blank_values=True) if key not in parameters]
        kept += [(key, value) for key, value in parameters.items() if value is not None]
        return replace(self, query=urlencode(kept))

    def with_body(self, body: bytes) -> "Request":
        return replace(self, body=body)

    def to(self, path: str) -> "Request":
        return replace(self, path=path)

    def as_method(self, method: str) -> "Request":
        return replace(self, method=method)

    # What is asked for

    @property
    def kind(self) -> str:
        """blob, manifest, uploads (the collection), upload (a session), tags, referrers, catalog, base or other."""
        path = self.path.rstrip("/")
        parts = path.split("/")
        if path == "/v2":
            return "base"
        if path == "/v2/_catalog":
            return "catalog"
        if path.endswith("/tags/list"):
            return "tags"
        if path.endswith("/blobs/uploads"):
            return "uploads"
        if len(parts) > 4 and parts[-3:-1] == ["blobs", "uploads"]:
            return "upload"
        kinds = {"blobs": "blob", "manifests": "manifest", "referrers": "referrers"}
        return kinds.get(parts[-2], "other") if len(parts) > 3 else "other"

    @property
    def name(self) -> str:
        """The repository."""
        parts = self.path.rstrip("/").split("/")
        cut = {"uploads": -2, "upload": -3, "tags": -2}.get(self.kind, -2)
        return "/".join(parts[2:cut])

    @property
    def reference(self) -> str:
        """The last part of the path."""
        return self.path.rstrip("/").rpartition("/")[2]

    def asks(self, methods: str, *kinds: str) -> bool:
        """Whether it is one of these methods (`"GET HEAD"`) on one of these kinds of resource."""
        return self.method in methods.split() and self.kind in kinds


class Reply(NamedTuple):
    """An answer with its whole body; header names in lower case. Content-Length follows the body unless `length`."""

    status: int
    headers: Pairs
    body: bytes
    length: int | None = None

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def without(self, *names: str) -> "Reply":
        return self._replace(headers=tuple(pair for pair in self.headers if pair[0] not in names))

    def with_header(self, name: str, value: str) -> "Reply":
        return self._replace(headers=(*self.without(name).headers, (name, value)))

    def with_status(self, status: int) -> "Reply":
        return self._replace(status=status)

    def with_body(self, body: bytes) -> "Reply":
        return self._replace(body=body)

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300


Call = Callable[[Request], Awaitable[Reply]]
Fault = Callable[[Call, Request], Awaitable[Reply]]


class Mutant(NamedTuple):
    """A fault and what it is."""

    name: str
    fault: str
    function: Fault
    cuts: bool = False


MUTANTS: dict[str, Mutant] = {}


def mutant(function: Fault, cuts: bool = False) -> Fault:
    name = f"{function.__module__.rpartition('.')[2]}/{function.__name__}"
    assert name not in MUTANTS, name
    assert function.__doc__, name
    MUTANTS[name] = Mutant(name, function.__doc__.strip().split("\n")[0], function, cuts)
    return function


def cut_mutant(function: Fault) -> Fault:
    """A mutant that gets requests whose body was cut off, too."""
    return mutant(function, cuts=True)


Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Layer:
    """An ASGI application: a registry behind the mutant in `current`; right if there is none."""

    def __init__(self, registry: Application) -> None:
        self._registry = registry
        self.current: Mutant | None = None
        self.state: dict[str, Any] = {}

    def use(self, wanted: Mutant | None) -> None:
        self.current = wanted
        self.state = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.current is None or scope["type"] != "http":
            await self._registry(scope, receive, send)
            return
        body = b""
        cut = False
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                if not self.current.cuts:
                    return
                cut = True
                break
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"])
        request = Request(
            method=scope["method"],
            path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=body,
            chunked=any(k == "transfer-encoding" for k, _ in headers),
            state=self.state,
            cut=cut,
        )

        async def call(asked: Request) -> Reply:
            return await self._ask(scope, asked)

        try:
            reply = await self.current.function(call, request)
        except Hangup as hangup:
            if hangup.reply is not None:
                await self._send(send, hangup.reply, hangup.sent)
            # There is no way to say it in ASGI.
            if hangup.raw:
                send.__self__.transport.write(hangup.raw)  # type: ignore[attr-defined]
            send.__self__.transport.close()  # type: ignore[attr-defined]
            await asyncio.sleep(0.02)
            return
        await self._send(send, reply)

    async def _ask(self, scope: Scope, asked: Request) -> Reply:
        inner = dict(scope)
        inner["method"] = asked.method
        inner["raw_path"] = asked.path.encode("latin-1")
        inner["path"] = asked.path
        inner["query_string"] = asked.query.encode("latin-1")
        kept = [pair for pair in asked.headers if pair[0] not in ("content-length", "transfer-encoding", "expect")]
        length = ("transfer-encoding", "chunked") if asked.chunked else ("content-length", str(len(asked.body)))
        inner["headers"] = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in (*kept, length)]
        sent = False
        answered = asyncio.Event()
        status = 0
        found: Pairs = ()
        pieces: list[bytes] = []

        async def receive() -> MutableMapping[str, Any]:
            nonlocal sent
            if sent:
                # As long as it answers the client is there: a stream would end early.
                await answered.wait()
                return {"type": "http.disconnect"}
            sent = True
            return {"type": "http.request", "body": asked.body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            nonlocal status, found
            if message["type"] == "http.response.start":
                status = message["status"]
                found = tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in message["headers"])
            else:
                pieces.append(message.get("body", b""))

        try:
            await self._registry(inner, receive, send)
        finally:
            answered.set()
        length_told = next((int(v) for k, v in found if k == "content-length"), None)
        rest = tuple(pair for pair in found if pair[0] != "content-length")
        return Reply(status, rest, b"".join(pieces), length_told if asked.method == "HEAD" else None)

    async def _send(self, send: Send, reply: Reply, most: int | None = None) -> None:
        headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in reply.headers]
        length = len(reply.body) if reply.length is None else reply.length
        if reply.status not in (204, 304) and length >= 0:
            headers.append((b"content-length", b"%d" % length))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body[:most], "more_body": most is not None})
