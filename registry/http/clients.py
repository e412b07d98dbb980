"""Clients that fail on what the specification allows, and that the registry meets half way."""

NEEDS_HOST = {
    "ollama/": "takes the Location of an upload as it stands for the next URL, instead of resolving it against the one "
    "that it asked (server/upload.go), and fails on a path with: http: no Host in request URL",
}
"""How the User-Agent begins of clients that want a scheme and a host in a Location, and why.

A client is here for what its newest version does. Not here, as they resolve it by now: Docker since 1.8, Harbor's
replication since 2018, Apple's swift-container-plugin since 2024."""

_BEGINNINGS = tuple(NEEDS_HOST)


def needs_host(user_agent: str) -> bool:
    return user_agent.startswith(_BEGINNINGS)
