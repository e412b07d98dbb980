"""Settings such as there are none yet: lists of records, and secrets, for whoever tests what is made of them."""

from collections.abc import Mapping
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, Field, SecretStr

from registry.errors import OperatorError
from registry.settings.fields import Settings
from registry.settings.loading import Loaded, load
from registry.settings.sections import Section, setting
from registry.settings.units import SECOND, Duration, Url, positive
from registry.settings.values import Record


class Login(Record):
    user: str
    password: SecretStr


class Endpoint(Record):
    url: str
    timeout: Annotated[Duration, AfterValidator(positive)] = 5 * SECOND
    threshold: int = Field(default=10, ge=1)
    limit: int | Literal["none"] = "none"
    disabled: bool = False
    ignored_types: list[str] = Field(default=[], alias="ignoredmediatypes")
    headers: dict[str, list[str]] = Field(default={})
    login: Login | None = None
    token: Annotated[SecretStr | None, Field(min_length=4)] = None
    inner: list["Endpoint"] = Field(default=[])


class Example(Settings):
    endpoints: list[Endpoint] = setting(Section.CONTENT, [], "Where events are sent.")
    password: SecretStr | None = setting(Section.NETWORK, None, "Password [of the proxy].")
    signing_key: Annotated[SecretStr | None, Field(min_length=4)] = setting(Section.NETWORK, None, "Key that signs.")
    upstream: Url = setting(Section.STORAGE, None, "Registry to ask.")


def loaded(
    flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None, *, patience: float = 10.0
) -> Loaded:
    return load(flags or {}, environ or {}, model=Example, patience=patience)


def example(flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> Example:
    settings = loaded(flags, environ).settings
    assert isinstance(settings, Example)
    return settings


def refusal(flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> str:
    """What is told: one line, and nothing behind it that would hold what was given."""
    with pytest.raises(OperatorError) as caught:
        loaded(flags, environ, patience=1.0)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    message = str(caught.value)
    assert "\n" not in message
    return message
