"""Takes credentials out of a run, so that a report can be shown to anybody.

Known places (headers, query parameters, members of JSON) are always emptied. What was found there, and is long enough
not to be an everyday word, is taken out wherever else it turns up: in an error message, or in an answer that echoes it.
"""

import base64
import binascii
import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import quote, unquote

from conformance.model import Exchange, Finding, Message, Result, Run

TOKEN, CREDENTIALS, COOKIE, SECRET = PLACEHOLDERS = ("$TOKEN", "$CREDENTIALS", "$COOKIE", "$SECRET")
"""What stands for a bearer token, for Basic's user and password, for a cookie, and for any other secret."""

SHORTEST = 6
"""A secret of fewer letters is only taken from known places: `test` would empty half the report."""

_HEADER = re.compile(
    r"(proxy-)?authorization|(set-)?cookie|.*(token|secret|password|credential|api-?key).*|x-registry-(auth|config)",
    re.IGNORECASE,
)
_SCHEMES = {"bearer": TOKEN, "basic": CREDENTIALS}
_NAMES = (
    "(?:access_|refresh_|id_|identity|registry)?token|(?:client_)?secret|password|passwd|api_?key|jwt|sig|signature"
    "|x-(?:amz|goog)-(?:signature|credential|security-token)|awsaccesskeyid|googleaccessid"
)
_HINTS = ("auth", "token", "secret", "passw", "key", "jwt", "sig", "cred", "cookie", "accessid", "bearer", "basic")
_PARAMETER = re.compile(rf"((?:^|[?&;])(?:{_NAMES})=)([^&;#\s\"'<>]+)", re.IGNORECASE)
_MEMBER = re.compile(rf'("(?:{_NAMES}|auth)"\s*:\s*")((?:[^"\\]|\\.)*)', re.IGNORECASE)
_USER = re.compile(r"(://)([^/?#\s\"'<>]+)(?=@)")
_INLINE = re.compile(r"(\b(?:Bearer|Basic) +)([\w.~+/-]{20,}=*)(?![\w=]*\")", re.IGNORECASE)
_LINE = re.compile(r"^([\w-]+):[ \t]*([^\r\n]*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Redacted(Run):
    """A run without credentials."""


def redacted(run: Run) -> Redacted:
    """The run without credentials; one that has none any more is given back as it is."""
    if isinstance(run, Redacted):
        return run
    redactor = Redactor(exchange for result in run.results for exchange in result.exchanges)
    return Redacted(
        target=redactor.text(run.target),
        level=run.level,
        strict=run.strict,
        seed=run.seed,
        started=run.started,
        seconds=run.seconds,
        results=tuple(redactor.result(result) for result in run.results),
        trouble=redactor.text(run.trouble),
        subject=run.subject,
    )


def redacted_result(result: Result) -> Result:
    """One result without the credentials of its own exchanges, for showing it before the run has ended."""
    return Redactor(result.exchanges).result(result)


class Redactor:
    """Knows the secrets of some exchanges, and takes them out of texts and bodies."""

    def __init__(self, exchanges: Iterable[Exchange]) -> None:
        found: set[str] = set()
        for exchange in exchanges:
            found.update(_secrets(exchange))
        long = {secret for secret in found if len(secret) >= SHORTEST and secret not in PLACEHOLDERS}
        # The longest first: a token may begin with another one.
        self._secrets = sorted(long | {quote(secret, safe="") for secret in long}, key=len, reverse=True)

    def result(self, result: Result) -> Result:
        finding = result.finding
        return replace(
            result,
            reason=self.text(result.reason),
            finding=finding and Finding(finding.requirement, self.text(finding.expected), self.text(finding.got)),
            exchanges=tuple(self.exchange(exchange) for exchange in result.exchanges),
        )

    def exchange(self, exchange: Exchange) -> Exchange:
        return replace(
            exchange,
            url=self.text(exchange.url),
            request=self.message(exchange.request),
            answer=exchange.answer and self.message(exchange.answer),
            error=self.text(exchange.error),
        )

    def message(self, message: Message) -> Message:
        headers = tuple((name, header(name, value) or self.text(value)) for name, value in message.headers)
        return replace(message, headers=headers, body=self.body(message))

    def text(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, SECRET)
        if "@" in text:
            text = _USER.sub(rf"\1{CREDENTIALS}", text)
        if not suspicious(text):
            return text
        return _INLINE.sub(rf"\1{SECRET}", _PARAMETER.sub(rf"\1{SECRET}", text))

    def body(self, message: Message) -> bytes:
        """The body's first bytes; what was cut off may have left the beginning of a secret."""
        text = message.body.decode("latin-1")
        if suspicious(text):
            text = _MEMBER.sub(rf"\1{SECRET}", _LINE.sub(_line, text))
        text = self.text(text)
        if message.size != len(message.body):
            for secret in self._secrets:
                lengths = range(len(secret) - 1, SHORTEST - 1, -1)
                cut = next((length for length in lengths if text.endswith(secret[:length])), 0)
                text = text[:-cut] + SECRET if cut else text
        return text.encode("latin-1", "replace")


def header(name: str, value: str) -> str:
    """What stands for the value of a header that carries a credential; empty if the header carries none."""
    if not confidential(name):
        return ""
    if "authorization" in name.lower():
        scheme, _, rest = value.partition(" ")
        known = _SCHEMES.get(scheme.lower())
        return f"{scheme} {known}" if known and rest else SECRET
    return COOKIE if "cookie" in name.lower() else SECRET


@lru_cache(maxsize=1024)
def suspicious(text: str) -> bool:
    """Whether a name that a secret goes by is in the text at all; most have none, and the patterns are slow.

    Remembered, as exchanges are much alike: many have the same headers."""
    small = text.lower()
    for hint in _HINTS:  # noqa: SIM110  (a generator takes twice as long)
        if hint in small:
            return True
    return False


@lru_cache(maxsize=1024)
def confidential(name: str) -> bool:
    """Whether a header of this name carries a credential."""
    return _HEADER.fullmatch(name) is not None


def _line(match: re.Match[str]) -> str:
    """A header line of a request that was written byte by byte."""
    hidden = header(match[1], match[2])
    return f"{match[1]}: {hidden}" if hidden else match[0]


def _secrets(exchange: Exchange) -> Iterator[str]:
    for message in (exchange.request, exchange.answer):
        if message is None:
            continue
        fields = list(message.headers)
        body = message.body.decode("latin-1")
        if suspicious(body):
            fields += [(match[1], match[2]) for match in _LINE.finditer(body)]
            for match in _MEMBER.finditer(body):
                yield match[2]
        for name, value in fields:
            if confidential(name):
                yield from _credentials(name.lower(), value)
            yield from _values(value)
        yield from _values(body)
    yield from _values(exchange.url)
    yield from _values(exchange.error)


def _credentials(name: str, value: str) -> Iterator[str]:
    """What is secret in such a header: a cookie's value, what follows the scheme, and the password that Basic has."""
    if "cookie" in name:
        pairs = value.split(";")
        for pair in pairs[:1] if name == "set-cookie" else pairs:
            yield pair.partition("=")[2]
        return
    scheme, _, rest = value.partition(" ")
    if "authorization" not in name or not rest:
        yield value
        return
    yield rest
    if scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error):
            yield base64.b64decode(rest, validate=True).decode("latin-1").partition(":")[2]


def _values(text: str) -> Iterator[str]:
    if suspicious(text):
        for match in _PARAMETER.finditer(text):
            yield unquote(match[2])
    if "@" in text:
        for match in _USER.finditer(text):
            yield match[2].partition(":")[2]
