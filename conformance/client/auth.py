"""Logging in as every client does: Basic, or a token fetched as the challenge says (Docker's token scheme)."""

import base64
import re
import threading
from collections.abc import Callable, Sequence
from urllib.parse import urlencode

from conformance.client.wire import Answer, Broken, Wire

Header = tuple[str, str]

_FIELD = re.compile(r'([a-zA-Z_]+)=(?:"([^"]*)"|([^\s,"]+))')


class Tokens:
    """Authorization headers that worked, by what was asked for."""

    def __init__(self) -> None:
        self._by_scope: dict[str, Header] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._by_scope)

    def get(self, scope: str) -> Header | None:
        with self._lock:
            return self._by_scope.get(scope)

    def put(self, scope: str, header: Header) -> None:
        with self._lock:
            self._by_scope[scope] = header


def authorized(
    tokens: Tokens,
    login: tuple[str, str],
    token: str,
    ask: Callable[[Sequence[Header]], Answer],
    wire: Wire,
    what: str,
) -> Answer:
    """The answer to `ask`, asked again with what its challenge wants if it was 401. Raises `Broken`.

    Without a login too: many registries give tokens to anybody."""
    if token:
        return ask([("Authorization", f"Bearer {token}")])
    known = tokens.get(what)
    answer = ask([known] if known else [])
    if answer.status != 401:
        return answer
    header = credential(answer, login, wire)
    if header is None:
        return answer
    tokens.put(what, header)
    return ask([header])


def credential(refusal: Answer, login: tuple[str, str], wire: Wire) -> Header | None:
    """What a 401 asks for; None if we have no such thing, so that the 401 stands. Raises `Broken`."""
    for challenge in refusal.all("www-authenticate"):
        scheme = challenge.partition(" ")[0].lower()
        if scheme == "bearer":
            return bearer(challenge, login, wire)
        if scheme == "basic" and login[0]:
            return basic(login)
    return None


def basic(login: tuple[str, str]) -> Header:
    return "Authorization", "Basic " + base64.b64encode(":".join(login).encode()).decode()


def bearer(challenge: str, login: tuple[str, str], wire: Wire) -> Header | None:
    """A token for the challenge, by the login or, without one, as anybody; None if it is not for anybody."""
    fields = {name.lower(): quoted or plain for name, quoted, plain in _FIELD.findall(challenge)}
    realm = fields.get("realm", "")
    if not realm:
        raise Broken(f"a Bearer challenge without realm: {challenge[:200]}")
    query = [("service", fields["service"])] if "service" in fields else []
    query += [("scope", scope) for scope in fields.get("scope", "").split()]
    url = realm + (("&" if "?" in realm else "?") + urlencode(query) if query else "")
    try:
        answer = wire.request("GET", url, [basic(login)] if login[0] else [])
    except Broken as problem:
        raise Broken(f"no token: the realm does not answer: {problem}") from None
    if not login[0] and answer.status in (401, 403):
        return None
    granted = answer.json()
    value = (granted.get("token") or granted.get("access_token")) if isinstance(granted, dict) else None
    if answer.status != 200 or not isinstance(value, str):
        raise Broken(f"no token from {realm}: status {answer.status}")
    return "Authorization", f"Bearer {value}"
