"""What a proxy in front says of the client: believed only from networks that the operator trusts."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, NamedTuple

Network = IPv4Network | IPv6Network


_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_LONGEST_HOST = 255 + len(":65535")


class Forwarded(NamedTuple):
    """What a trusted proxy says of a request: the client, the path prefix that it took off, and what it was asked."""

    client: str
    prefix: str
    scheme: str
    """`http` or `https`."""
    host: str
    """Of the URL that the client used, perhaps with a port; empty: as the request says."""


def forwarded(scope: Any, trusted: Sequence[Network]) -> Forwarded | None:
    """None unless the request came from a trusted proxy.

    The client is the last address of `X-Forwarded-For` that is no trusted proxy itself: those before it may be
    made up. The prefix is `X-Forwarded-Prefix`; scheme and host are the first of `X-Forwarded-Proto` and
    `X-Forwarded-Host`, which is what the proxy nearest to the client was asked by."""
    peer = scope["client"][0] if scope["client"] else ""
    if not is_trusted(peer, trusted):
        return None
    addresses: list[str] = []
    prefix, schemes, hosts = "", "", ""
    for name, value in scope["headers"]:
        if name == b"x-forwarded-for":
            addresses += [part.strip() for part in value.decode("latin-1").split(",")]
        elif name == b"x-forwarded-prefix":
            prefix = clean_prefix(value.decode("latin-1"))
        elif name == b"x-forwarded-proto":
            schemes = schemes or value.decode("latin-1")
        elif name == b"x-forwarded-host":
            hosts = hosts or value.decode("latin-1")
    client = peer
    for address in reversed(addresses):
        try:
            ip_address(address)
        except ValueError:
            break
        client = address
        if not is_trusted(address, trusted):
            break
    scheme = "https" if schemes.partition(",")[0].strip().lower() == "https" else "http"
    return Forwarded(client, prefix, scheme, clean_host(hosts.partition(",")[0].strip()))


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    return any(ip in network for network in trusted)


def clean_prefix(text: str) -> str:
    """A path that can stand before ours in a Location: `/name`, without what a browser would read otherwise."""
    path = "/" + text.strip().strip("/")
    plain = path.isascii() and all(c.isalnum() or c in "/._~-" for c in path) and "//" not in path
    return path if plain and path != "/" else ""


def clean_host(text: str) -> str:
    """A name or an address, perhaps with a port, as it can stand in a URL; empty for anything else."""
    match = _HOST.fullmatch(text) if len(text) <= _LONGEST_HOST else None
    return text if match is not None and 0 < int(match[1] or 1) < 65536 else ""
