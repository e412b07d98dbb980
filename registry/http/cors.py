"""Web pages of other origins: what the Fetch standard (section 3.2, CORS) wants to be told before they may use this.

There are no credentials to send along: a listed origin may do what whoever has its page open could do by any client.
"""

import re
from collections.abc import Sequence

from registry.http.responses import Header, Response
from registry.settings.units import ANY_ORIGIN

EXPOSED = (
    "Accept-Ranges",
    "Allow",
    "Content-Range",
    "Docker-Content-Digest",
    "Docker-Distribution-API-Version",
    "Docker-Upload-UUID",
    "ETag",
    "Link",
    "Location",
    "OCI-Filters-Applied",
    "OCI-Subject",
    "OCI-Tag",
    "Range",
    "Retry-After",
    "Warning",
    "WWW-Authenticate",
    "X-Request-ID",
)
"""Headers of answers that pages may read, besides those that they always may."""

MAX_AGE = 7200
"""Seconds that a browser may go by a preflight: no browser in use does so for longer."""

_TOKENS = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
_VARY: Header = (b"vary", b"Origin")
_EXPOSE: Header = (b"access-control-expose-headers", ", ".join(EXPOSED).encode())


class Cors:
    """For the origins of the settings."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._any = ANY_ORIGIN in origins
        self._origins = frozenset(origins)

    def headers(self, origin: str | None) -> list[Header]:
        """Of every answer. `origin`: that of the page that asked; None: no page did, or one of this origin.

        What is cached on the way must not be given to a page that it does not name: so answers say that they depend
        on the origin, unless they are the same for all."""
        if self._any:
            return [(b"access-control-allow-origin", b"*"), _EXPOSE]
        if origin is None or origin not in self._origins:
            return [_VARY]
        return [(b"access-control-allow-origin", origin.encode("latin-1")), _EXPOSE, _VARY]

    def preflight(self, origin: str | None, method: str | None, wanted: str | None, allow: str) -> Response | None:
        """The answer to OPTIONS by which a browser asks whether a page may; None: no such question, or it may not.

        `method` and `wanted`: what would be sent, by `Access-Control-Request-Method` and `-Headers`. `allow`: the
        methods that may be used here. All headers may be sent: those that the registry does not know change nothing."""
        if origin is None or method is None or not (self._any or origin in self._origins):
            return None
        headers: list[Header] = [
            (b"access-control-allow-methods", allow.encode()),
            (b"access-control-max-age", b"%d" % MAX_AGE),
        ]
        if wanted is not None and _TOKENS.fullmatch(wanted.strip()):
            headers.append((b"access-control-allow-headers", wanted.strip().encode("latin-1")))
        return Response(204, headers)
