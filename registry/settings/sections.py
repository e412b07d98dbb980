"""The sections that settings stand in, wherever they are listed: the README, `--help`, `config show`, the example."""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

Value = TypeVar("Value")


class Section(Enum):
    """Each with its title, in the order in which they are shown."""

    NETWORK = "Network"
    STORAGE = "Storage"
    CONTENT = "Content"
    LIMITS = "Limits and timeouts"
    PROCESSES = "Processes"
    LOG = "Log"


def setting(
    section: Section, default: Value, description: str, *, ge: float | None = None, le: float | None = None
) -> Value:
    """A field of the settings; `ge` and `le` are the least and the most of a number."""
    field: Value = Field(
        default=default, description=description, ge=ge, le=le, json_schema_extra={"section": section.name}
    )
    return field


def by_section(model: type[BaseModel]) -> Mapping[Section, list[str]]:
    """The names of the settings in each section that has some. Raises `TypeError` for one that stands in none."""
    found: dict[Section, list[str]] = {section: [] for section in Section}
    for name, field in model.model_fields.items():
        found[section_of(name, field)].append(name)
    return {section: names for section, names in found.items() if names}


def section_of(name: str, field: FieldInfo) -> Section:
    """Raises `TypeError` where it stands in none, or does not say what it does."""
    extra = field.json_schema_extra
    if not isinstance(extra, dict) or "section" not in extra or not field.description:
        raise TypeError(f"the setting {name} is not made by setting(): it has no section, or no description")
    return Section[str(extra["section"])]
