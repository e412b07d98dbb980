"""Logging in as every client does: Basic, or a token fetched as the challenge says (Docker's token scheme)."""

import base64
import re
import threading
from collections.abc import Callable, Sequence
from urllib.parse import urlencode

from conformance.wire import Answer, Broken, Wire

Header = tuple[str, str]

_CHALLENGE = re.compile(r'([a-zA-Z_]+)="([^"]*)"')


class Tokens:
    """Authorization headers that worked, by what was asked for."""

    def __init__(self) -> None:
        self._by_scope: dict[str, Header] = {}
        self._lock = threading.Lock()

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
    """The answer to `ask`, asked again with credentials if it was 401 and there are any. Raises `Broken`."""
    if token:
        return ask([("Authorization", f"Bearer {token}")])
    if not login[0]:
        return ask([])
    known = tokens.get(what)
    answer = ask([known] if known else [])
    if answer.status != 401:
        return answer
    challenges = answer.all("www-authenticate")
    if not challenges:
        return answer
    header = bearer(challenges[0], login, wire) if challenges[0].lower().startswith("bearer") else basic(login)
    tokens.put(what, header)
    return ask([header])


def basic(login: tuple[str, str]) -> Header:
    return "Authorization", "Basic " + base64.b64encode(":".join(login).encode()).decode()


def bearer(challenge: str, login: tuple[str, str], wire: Wire) -> Header:
    fields = dict(_CHALLENGE.findall(challenge))
    if "realm" not in fields:
        raise Broken(f"a Bearer challenge without realm: {challenge[:200]}")
    query = [("service", fields["service"])] if "service" in fields else []
    query += [("scope", scope) for scope in fields.get("scope", "").split()]
    url = fields["realm"] + ("&" if "?" in fields["realm"] else "?") + urlencode(query)
    answer = wire.request("GET", url, [basic(login)])
    granted = answer.json()
    value = (granted.get("token") or granted.get("access_token")) if isinstance(granted, dict) else None
    if answer.status != 200 or not isinstance(value, str):
        raise Broken(f"no token from {fields['realm']}: status {answer.status}")
    return "Authorization", f"Bearer {value}"
