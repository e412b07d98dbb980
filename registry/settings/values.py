"""What may be given for settings, and for records in them: it follows from the types of their fields."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Secret, SecretBytes, SecretStr, ValidationInfo, field_validator

from registry.settings.secrets import SUFFIX, SecretFile, refuse_no_secret, without_user


class Values(BaseModel):
    """Named values that an operator writes. They do not change, and no key is let pass that is none."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, without_user(value) if isinstance(value, str) else value

    @field_validator("*", mode="before")
    @classmethod
    def _sane(cls, value: object, info: ValidationInfo) -> object:
        """What is judged before the type is asked, which would say less."""
        field = cls.model_fields[str(info.field_name)]
        remedy = "" if field.is_required() else ": leave it out to have the default"
        if isinstance(value, SecretFile):
            value = value.read()
        if value is None and field.default is not None:
            raise ValueError(f"is nothing{remedy}")
        if isinstance(value, str) and not value.strip():
            raise ValueError(f"is empty{remedy}")
        if is_secret(field.annotation):
            refuse_no_secret(value)
        elif isinstance(value, str | Path) and not str(value).isprintable():
            raise ValueError("holds characters that cannot be printed")
        elif isinstance(value, bool) and field.annotation is not bool:
            raise ValueError("is true or false where a value is needed")
        return value


class Record(Values):
    """An entry of a setting that is a list of records: a mapping in the file, whose keys are these fields.

    A key that another product gave its name is the alias of a field."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What can be given for a class of values. Names are those of the file: the alias of a field, if it has one."""

    names: tuple[str, ...]
    secrets: frozenset[str]
    records: Mapping[str, type[Record]]
    """What consists of records, and of which: only the file has them."""
    lists: frozenset[str]
    """Lists of plain values: a flag that is given again adds to them."""

    @property
    def keys(self) -> tuple[str, ...]:
        """What the file may have as keys."""
        return (*self.names, *(f"{name}{SUFFIX}" for name in self.names if name in self.secrets))

    @property
    def variables(self) -> tuple[str, ...]:
        """What may be a variable of the environment: everything but records."""
        return tuple(key for key in self.keys if key not in self.records)

    @property
    def flags(self) -> tuple[str, ...]:
        """What may be a flag: no secret, as everybody on a machine sees its command lines, but the file of one."""
        return tuple(key for key in self.variables if key not in self.secrets)

    def secret_of(self, name: str) -> str | None:
        """The secret that is in the file which `name` names; None for every other name."""
        secret = name.removesuffix(SUFFIX)
        return secret if secret != name and secret in self.secrets else None


@cache
def shape_of(model: type[Values]) -> Shape:
    """Raises `TypeError` for fields that nobody could give, or that would be shown with a secret in them."""
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    secrets = frozenset(name for name, annotation in fields.items() if is_secret(annotation))
    records = {name: record for name, annotation in fields.items() if (record := _record_of(annotation))}
    for name, annotation in fields.items():
        if name not in secrets and _holds(annotation, Secret | SecretStr | SecretBytes):
            raise TypeError(
                f"{model.__name__}.{name} has a secret in it: one is a SecretStr of its own, or in a Record"
            )
        if name not in records and _holds(annotation, BaseModel):
            raise TypeError(
                f"{model.__name__}.{name} has a model in it: it is a list of one kind of Record, or no model"
            )
        if name.removesuffix(SUFFIX) in secrets - {name}:
            raise TypeError(f"{model.__name__}.{name} is the name of the file that a secret is in")
    lists = {name for name, annotation in fields.items() if get_origin(_bare(annotation)) is list}
    return Shape(tuple(fields), secrets, records, frozenset(lists - records.keys()))


def is_secret(annotation: Any) -> bool:
    """Whether values of this type are a secret, or None."""
    return _bare(annotation) is SecretStr


def _record_of(annotation: Any) -> type[Record] | None:
    """The record that values of this type are, or are a list of."""
    inner = _bare(annotation)
    inner = _bare(get_args(inner)[0]) if get_origin(inner) is list else inner
    return inner if isinstance(inner, type) and issubclass(inner, Record) else None


def _bare(annotation: Any) -> Any:
    """The type in an `Annotated`, or beside None."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    parts = [part for part in get_args(annotation) if part is not NoneType]
    return _bare(parts[0]) if len(parts) == 1 < len(get_args(annotation)) else annotation


def _holds(annotation: Any, kind: Any) -> bool:
    """Whether there is a value of this kind anywhere in values of this type."""
    whole = get_origin(annotation) or annotation
    inside = any(_holds(part, kind) for part in get_args(annotation))
    return inside or (isinstance(whole, type) and issubclass(whole, kind))
