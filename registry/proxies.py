"""What a proxy in front says of the client: believed only from networks that the operator trusts."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, NamedTuple

Network = IPv4Network | IPv6Network


class Forwarded(NamedTuple):
    """The client as a trusted proxy names it, and the path prefix that it took off."""

    client: str
    prefix: str


def forwarded(scope: Any, trusted: Sequence[Network]) -> Forwarded | None:
    """None unless the request came from a trusted proxy.

    The client is the last address of `X-Forwarded-For` that is no trusted proxy itself: those before it may be
    made up. The prefix is `X-Forwarded-Prefix`."""
    peer = scope["client"][0] if scope["client"] else ""
    if not is_trusted(peer, trusted):
        return None
    addresses: list[str] = []
    prefix = ""
    for name, value in scope["headers"]:
        if name == b"x-forwarded-for":
            addresses += [part.strip() for part in value.decode("latin-1").split(",")]
        elif name == b"x-forwarded-prefix":
            prefix = clean_prefix(value.decode("latin-1"))
    client = peer
    for address in reversed(addresses):
        try:
            ip_address(address)
        except ValueError:
            break
        client = address
        if not is_trusted(address, trusted):
            break
    return Forwarded(client, prefix)


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
