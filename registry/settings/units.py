"""What settings are written as: durations, sizes, networks, media types, origins, and lists of them."""

import re
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from registry.settings.secrets import without_user

DAY, _HOUR, _MINUTE, SECOND = (timedelta(seconds=s) for s in (86400, 3600, 60, 1))
_DURATION_UNITS = {"d": DAY, "h": _HOUR, "m": _MINUTE, "s": SECOND}
_LONGEST = 36500 * DAY  # keeps "now plus or minus a setting" inside what a datetime can say
_SIZE_UNITS = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "GB": 10**9, "MB": 10**6, "KB": 10**3, "B": 1}
_MOST_BYTES = float(1 << 60)

_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")
_ORIGIN = re.compile(r"(https?)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")


ANY_ORIGIN = "*"
"""Instead of origins: the pages of every website."""


@dataclass(frozen=True, slots=True)
class Metavar:
    """What stands for the value of a setting in the help."""

    text: str


def _amount(value: object, kind: str, written: str) -> tuple[float, str]:
    """The number and the unit of `90m`; only 0 needs no unit.

    Whether a bare 3 was meant in seconds, or in days as the default is given, nobody can tell. Raises `ValueError`;
    `written` says how to give a bare number its unit."""
    match = _AMOUNT.fullmatch(str(value).strip())
    if match is None:
        raise ValueError(f"is not a {kind}")
    number, unit = match.groups()
    if not unit and float(number):
        raise ValueError(f"has no unit: write {written.format(number)}")
    return float(number), unit


def _duration(value: object) -> object:
    """`90m` becomes a timedelta; ISO 8601 is left to pydantic."""
    if isinstance(value, timedelta) or (isinstance(value, str) and value.strip().startswith("P")):
        return value
    kind = "duration such as 30s, 90m, 24h, 7d or PT1H30M"
    number, unit = _amount(value, kind, "{0}s, {0}m, {0}h or {0}d")
    factor = _DURATION_UNITS.get(unit or "s")
    if factor is None:
        raise ValueError(f"is not a {kind}")
    # What is too long stays so, whatever a timedelta can say.
    return min(number, _LONGEST / factor + 1) * factor


def _bounded(value: timedelta) -> timedelta:
    if not timedelta(0) <= value <= _LONGEST:
        raise ValueError("must be from 0s to 36500d")
    return value


def positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return value


def _duration_text(value: timedelta) -> str:
    unit = next((u for u, size in _DURATION_UNITS.items() if value and not value % size), "s")
    return f"{value / _DURATION_UNITS[unit]:.15g}{unit}"


def _size_text(value: int) -> str:
    unit = next((u for u, size in _SIZE_UNITS.items() if u.endswith("iB") and not value % size), "B")
    return f"{value // _SIZE_UNITS[unit]}{unit}" if value else "0"


def _size(value: object) -> int:
    """Bytes."""
    kind = "size such as 4MiB, 8MB or 65536B"
    number, unit = _amount(value, kind, "{0}B, {0}KiB or {0}MiB")
    factor = next((size for name, size in _SIZE_UNITS.items() if name.lower() == (unit or "B").lower()), None)
    if factor is None:
        raise ValueError(f"is not a {kind}")
    return int(min(number * factor, _MOST_BYTES))


def between(least: int, most: int) -> AfterValidator:
    """For a size in bytes."""

    def check(value: int) -> int:
        if not least <= value <= most:
            raise ValueError(f"must be from {_size_text(least)} to {_size_text(most)}")
        return value

    return AfterValidator(check)


def _network(value: object) -> object:
    try:
        return ip_network(str(value))
    except ValueError as error:
        hint = ", it has host bits set" if "host bits" in str(error) else ""
        raise ValueError(f"is not a network such as 10.0.0.0/8 or fd00::/8{hint}") from None


def _media_type(value: str) -> str:
    if not _MEDIA_TYPE.fullmatch(value):
        raise ValueError("is not a media type such as application/vnd.example.manifest.v1+json")
    return value


def _origin(value: str) -> str:
    """Compared byte by byte with what browsers send, so it has to be written as they write it."""
    if value == ANY_ORIGIN:
        return value
    match = _ORIGIN.fullmatch(value)
    if match is None or int(match[2] or 1) > 65535:
        raise ValueError(
            "is not an origin as browsers send it: http(s)://HOST[:PORT] in lower case, no slash at the end, nor *"
        )
    if match[2] == _DEFAULT_PORTS[match[1]]:
        raise ValueError(f"is not an origin as browsers send it: they leave out the port {match[2]}")
    return value


def any_origin_alone(value: list[str]) -> list[str]:
    if ANY_ORIGIN in value and len(value) > 1:
        raise ValueError("names * besides other origins: * alone lets in every one")
    return value


def listed(value: object) -> object:
    """Text becomes a list at its commas, alone or as an entry of a list (a flag given several times)."""
    entries = value if isinstance(value, list) else [value]
    parts: list[object] = []
    for entry in entries:
        parts.extend(part.strip() for part in entry.split(",")) if isinstance(entry, str) else parts.append(entry)
    return parts


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    AfterValidator(_bounded),
    PlainSerializer(_duration_text),
    Metavar("DURATION"),
]
Size = Annotated[int, BeforeValidator(_size), PlainSerializer(_size_text), Metavar("SIZE")]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network), PlainSerializer(str)]
Url = Annotated[
    str | None,
    PlainSerializer(lambda url: url and without_user(url), when_used="json"),
    Metavar("URL"),
]
"""Or None. User and password in it are not shown."""
MediaType = Annotated[str, AfterValidator(_media_type)]
Origin = Annotated[str, AfterValidator(_origin)]
