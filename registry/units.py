"""What settings are written as: durations, sizes, networks, media types, and lists of them."""

import re
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ByteSize, PlainSerializer, TypeAdapter, ValidationError

DAY, _HOUR, _MINUTE, SECOND = (timedelta(seconds=s) for s in (86400, 3600, 60, 1))
_DURATION_UNITS = {"d": DAY, "h": _HOUR, "m": _MINUTE, "s": SECOND}
_LONGEST = 36500 * DAY  # keeps "now plus or minus a setting" inside what a datetime can say
_MOST_DAYS = 999_999_999.0  # what a timedelta can say
_BYTES = TypeAdapter(ByteSize)
_SIZE_UNITS = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10}

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")


@dataclass(frozen=True, slots=True)
class Metavar:
    """What stands for the value of a setting in the help."""

    text: str


def _duration(value: object) -> object:
    """`90m` and plain seconds become a timedelta; ISO 8601 is left to pydantic."""
    text = value.strip() if isinstance(value, str) else ""
    if not text or text.startswith("P"):
        return value
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([dhms]?)", text)
    if match is None:
        raise ValueError("is not a duration such as 30s, 90m, 24h, 7d or PT1H30M")
    number, unit = match.groups()
    return min(float(number), _MOST_DAYS) * _DURATION_UNITS[unit or "s"]


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
    unit = next((u for u, size in _SIZE_UNITS.items() if value and not value % size), "")
    return f"{value // _SIZE_UNITS.get(unit, 1)}{unit}"


def _size(value: object) -> int:
    try:
        return int(_BYTES.validate_python(value))
    except ValidationError:
        raise ValueError("is not a size such as 4MiB, 8 MB or 65536") from None


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
MediaType = Annotated[str, AfterValidator(_media_type)]
