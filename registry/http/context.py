"""`Context`: what one request knows."""

from urllib.parse import parse_qsl

from registry import preconditions
from registry.app import App
from registry.change import Change
from registry.errors import ParameterInvalid, RequestInvalid, TooManyParameters
from registry.http import clients, proxies
from registry.http.body import RequestBody
from registry.http.policy import EVERYBODY, Action, Policy
from registry.http.types import TAP, Receive, Scope
from registry.names import RepositoryName, parse_name, parse_number
from registry.preconditions import NO_PRECONDITION, Precondition
from registry.system import clock

CONDITIONS = (b"if-match", b"if-none-match")
MOST_PARAMETERS = 500


class Context:
    """One request: what it asks for, parsed once, and the App that can answer."""

    __slots__ = (
        "_change",
        "_forwarded",
        "_policy",
        "_prefix",
        "_query",
        "app",
        "client",
        "id",
        "parameters",
        "receive",
        "scope",
    )

    def __init__(self, app: App, scope: Scope, receive: Receive, request_id: str, policy: Policy) -> None:
        self.app = app
        self._policy = policy
        self.scope = scope
        self.receive = receive
        self.id = request_id
        self.parameters: dict[str, str] = scope.get("path_params") or {}
        self.client: str = scope["client"][0] if scope["client"] else ""
        self._change: Change | None = None
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

    @property
    def everybody_may(self) -> bool:
        """Whether everybody may everything: nobody has to be asked, and nothing is hidden from anybody."""
        return self._policy is EVERYBODY

    async def require(self, action: Action, name: RepositoryName | None) -> None:
        """Go on only if the client may do this in the repository; None: in the registry as a whole.

        `Endpoint` asks for the action of the row; handlers ask for what else a request needs. Raises what the policy
        does, such as `Denied`."""
        if not self.everybody_may:
            await self._policy.check(self, action, name)

    def change(self) -> Change:
        """What this request changes, as of when it is first asked for: one value for all of it."""
        if self._change is None:
            self._change = Change(None, self.id, self.client, clock.now())
        return self._change

    def header(self, name: bytes) -> str | None:
        """The header's value, several lines joined by commas; None if there is none. `name` in lower case."""
        values = [value for key, value in self.scope["headers"] if key == name]
        return b", ".join(values).decode("latin-1") if values else None

    @property
    def precondition(self) -> Precondition:
        """What must hold for the request to be carried out (RFC 9110 section 13)."""
        for name, _ in self.scope["headers"]:
            if name in CONDITIONS:
                return preconditions.parse(self.header(b"if-match"), self.header(b"if-none-match"))
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
        return RequestBody(self.receive, length, patience, self.scope.get(TAP))

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
