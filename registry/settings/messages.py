"""What the operator is told of values that are wrong."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from reprlib import Repr

from pydantic import ValidationError

from registry.settings.secrets import SecretFile, without_credentials
from registry.settings.sources import Given, Place
from registry.settings.values import Shape, Values, shape_of

_FIRST = Repr()
_FIRST.maxlist = _FIRST.maxdict = 20
_FIRST.maxlevel = 3
_FIRST.maxstring = 1000


def described(error: ValidationError, given: Mapping[str, Given], model: type[Values]) -> Iterator[tuple[str, str]]:
    """For each problem the setting, and what the operator is told."""
    for problem in error.errors(include_url=False):
        place, value = problem["loc"], problem["input"]
        name = str(place[0])
        source = given.get(name, Given(None, "default"))
        if name not in shape_of(model).records:
            place = place[:1]
            value = source.value if len(problem["loc"]) == 1 else value
        elif problem["type"] != "missing":
            place = source.known(place)
        owner, key = _owner(model, place)
        shown = _shown(value, problem["type"], key, shape_of(owner), len(place))
        reason = _reason(problem["type"], problem["msg"], key, shape_of(owner))
        yield name, f"{place_text(place)} ({source.origin_of(place)}): {shown}{reason}"


def _owner(model: type[Values], place: Place) -> tuple[type[Values], str]:
    """The settings, or the kind of record, that the last key of a place is one of, and that key."""
    key = ""
    for part in place:
        if isinstance(part, str):
            inner = shape_of(model).records.get(key) if key else model
            if inner is None:  # a mapping in a record: its keys are no fields
                break
            model, key = inner, part
    return model, key


def _shown(value: object, problem: str, key: str, owner: Shape, depth: int) -> str:
    """The value, where it cannot be a secret, nor hold one."""
    if key in owner.secrets:
        return f"{value} " if isinstance(value, SecretFile) else ""
    if key in owner.records or problem in ("missing", "extra_forbidden"):
        return ""
    in_record = depth > 1
    return "" if in_record and isinstance(value, Collection) and not isinstance(value, str) else f"{brief(value)} "


def _reason(problem: str, message: str, key: str, owner: Shape) -> str:
    record = owner.records.get(key)
    such = f"{shape_of(record).names[0]}: …" if record else ""
    match problem:
        case "int_parsing" | "int_from_float":
            return "is no whole number"
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return f"unknown key{nearest(key, owner.keys)}"
        case "list_type" if record:
            return f"must be a list of mappings, each such as - {such}"
        case "model_type" if record:
            return f"must be a mapping such as {such}"
    return message.removeprefix("Value error, ").removeprefix("Input ")


def brief(value: object) -> str:
    """A value as it may be shown: without user and password, and not long."""
    # Of lists in lists not all: one of a few lines may name itself so often that nothing could hold it.
    text = without_credentials(_FIRST.repr(value) if isinstance(value, list | dict) else repr(value))
    return text if len(text) <= 80 else text[:77] + "..."


def nearest(name: str, known: Iterable[str], prefix: str = "") -> str:
    """The one that was meant, as `, did you mean …?`, or nothing. In variables names are in capitals."""
    from difflib import get_close_matches

    match = get_close_matches(name.lower(), known, 1)
    return f", did you mean {prefix + match[0].upper() if prefix else match[0]}?" if match else ""


def place_text(place: Place) -> str:
    """Such as `endpoints[1].url`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{_key_text(part)}" for part in place).removeprefix(".")


def _key_text(key: str) -> str:
    return key if len(key) <= 80 and key.replace("-", "_").isidentifier() else brief(key)
