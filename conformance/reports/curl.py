"""An exchange as a command line that repeats it."""

import base64
import re
import shlex
from dataclasses import dataclass
from urllib.parse import quote

from conformance.model import Exchange, Message
from conformance.reports.redact import PLACEHOLDERS, SECRET, header

INLINE = 4096
"""Largest body that becomes part of the command."""

FILE = "body.bin"

_OWN = ("host", "user-agent", "connection", "content-length", "transfer-encoding")


@dataclass(frozen=True, slots=True)
class Command:
    """`text` is for a POSIX shell; `hint` says what must be there before it is run."""

    text: str
    hint: str = ""


def command(exchange: Exchange) -> Command:
    """Expects an exchange without credentials: their placeholders become shell variables."""
    if exchange.method == "RAW":
        return _raw(exchange)
    before, data, hint = _body(exchange.request)
    method = ["--head"] if exchange.method == "HEAD" else ["-i", "-X", shlex.quote(exchange.method)]
    words = [" ".join([f"{before}curl", "-gsS", "--path-as-is", *method])]
    words += [f"-H {field}" for field in _headers(exchange)]
    words += data
    words.append(variables(_address(exchange.url), SECRET))
    return Command(" \\\n  ".join(words), " ".join([*hint, *_needed(" ".join(words))]))


def variables(text: str, *names: str) -> str:
    """Quoted for the shell, but for these placeholders, which the shell is to fill in.

    Only where a secret stood: a server could name other variables in a Location to have them sent to it."""
    if not any(name in text for name in names):
        return shlex.quote(text)
    pieces = re.split("(" + "|".join(map(re.escape, names)) + ")", text)
    return "".join(f'"{piece}"' if piece in names else shlex.quote(piece) for piece in pieces if piece)


def _headers(exchange: Exchange) -> list[str]:
    request = exchange.request
    named = {name.lower(): value for name, value in request.headers}
    fields = []
    for name, value in request.headers:
        if name.lower() not in _OWN or _deliberate(name.lower(), value, exchange):
            plain = "".join(letter for letter in value if letter.isprintable())
            hidden = header(name, value)
            fields.append(variables(f"{name}: {plain}" if plain else f"{name};", *(PLACEHOLDERS if hidden else ())))
    if request.size is None:
        fields.append("'Transfer-Encoding: chunked'")
    elif not request.size and exchange.method in ("POST", "PUT", "PATCH") and "content-length" not in named:
        fields.append("'Content-Length: 0'")
    if request.size != 0 and "content-type" not in named:
        fields.append("'Content-Type:'")
    return fields


def _deliberate(name: str, value: str, exchange: Exchange) -> bool:
    """Whether a header that curl would send by itself has another value here than curl would give it."""
    if name == "host":
        return value != _authority(exchange.url)
    if name == "content-length":
        return value != str(exchange.request.size) or value == "0"
    return name == "transfer-encoding" and exchange.request.size is not None


def _body(request: Message) -> tuple[str, list[str], list[str]]:
    """What comes before curl, curl's words for the body, and what the reader must know."""
    if request.size == 0:
        return "", [], []
    if request.size is None:
        return "", [f"--data-binary @{FILE}"], [f"{FILE} must hold the body: it was sent in chunks and not recorded."]
    if request.size != len(request.body) or request.size > INLINE:
        kept = len(request.body)
        return "", [f"--data-binary @{FILE}"], [f"{FILE} must hold {request.size:,} bytes (first {kept:,}: see above)."]
    text = _plain(request.body)
    if text is not None:
        return "", [f"--data-raw {shlex.quote(text)}"], []
    return f"printf %s {_base64(request.body)} | base64 -d | ", ["--data-binary @-"], []


def _raw(exchange: Exchange) -> Command:
    """Bytes that no HTTP client would send."""
    host, port = _host_and_port(_authority(exchange.url.partition(" ")[0]))
    if exchange.url.startswith("https:"):
        to = f"openssl s_client -quiet -connect {shlex.quote(f'{host}:{port or 443}')}"
    else:
        to = f"nc {shlex.quote(host.strip('[]'))} {shlex.quote(port or '80')}"
    if exchange.request.size != len(exchange.request.body):
        return Command(f"{to} < request.bin", f"request.bin must hold {exchange.request.size or 0:,} bytes.")
    return Command(f"printf %s {_base64(exchange.request.body)} | base64 -d | {to}")


def _authority(url: str) -> str:
    """Host and port; of what is no URL, nothing. (The standard library's parser raises.)"""
    found = re.match(r"\w+://(?:[^/?#]*@)?([^/?#]*)", url)
    return found[1] if found else ""


def _host_and_port(authority: str) -> tuple[str, str]:
    """An IPv6 address stays in its brackets: it has colons of its own."""
    found = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(.*))?", authority, re.DOTALL)
    return (found[1], found[2] or "") if found else (authority, "")


def _address(url: str) -> str:
    """The URL without a user, and with everything percent-encoded that must not stand in one: a space would end it."""
    url = re.sub(r"^(\w+://)[^/?#]*@", r"\1", url)
    if url.isprintable() and " " not in url:
        return url
    return "".join(
        letter if letter.isprintable() and letter != " " else quote(letter, safe="", errors="replace") for letter in url
    )


def _plain(body: bytes) -> str | None:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return text if text.replace("\n", "").isprintable() else None


def _base64(body: bytes) -> str:
    return shlex.quote(base64.b64encode(body).decode())


def _needed(text: str) -> list[str]:
    used = [name for name in PLACEHOLDERS if f'"{name}"' in text]
    return [f"Set {', '.join(name.removeprefix('$') for name in used)} first."] if used else []
