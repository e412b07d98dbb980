"""Settings that are lists of records: only the file has them, and each value in them is told of by its place."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from registry.cli.flags import settings_flags
from registry.settings.fields import Settings
from registry.settings.sections import Section, setting
from registry.settings.values import Record, Values, shape_of
from tests.example_settings import Endpoint, Login, example, loaded, refusal

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str) -> Path:
        file = tmp_path / "registry.yaml"
        file.write_text(content)
        return file

    return write


@pytest.fixture
def told(write: Write) -> Callable[[str], str]:
    """What is told of a file, whose path is `FILE`."""

    def told(content: str) -> str:
        file = write(content)
        return refusal({"config": str(file)}).replace(str(file), "FILE")

    return told


Told = Callable[[str], str]


@pytest.mark.spec("SETTING-10")
def test_records_are_read_from_the_file(write: Write) -> None:
    file = write(
        """
port: 5001
endpoints:
  - url: https://one.test
    timeout: 90s
    ignoredmediatypes: [a/b, c/d]
    headers: {X-Key: [one, two]}
  - url: &two https://two.test
    login: {user: me, password: hunter2}
  - {url: *two, inner: [{url: https://three.test}]}
"""
    )
    shown = loaded({"config": file})
    assert shown.origin["endpoints"] == f"{file} line 3"
    endpoints = example({"config": file}).endpoints
    assert [endpoint.url for endpoint in endpoints] == ["https://one.test", "https://two.test", "https://two.test"]
    assert endpoints[0].timeout == timedelta(seconds=90)
    assert (endpoints[0].ignored_types, endpoints[0].headers) == (["a/b", "c/d"], {"X-Key": ["one", "two"]})
    assert endpoints[1].login == Login(user="me", password=SecretStr("hunter2"))
    assert [inner.url for inner in endpoints[2].inner] == ["https://three.test"]
    with pytest.raises(ValidationError, match="frozen"):
        endpoints[0].url = "x"


@pytest.mark.parametrize("content", ["port: 1\n", "endpoints: []\n"])
def test_there_may_be_no_records(content: str, write: Write) -> None:
    assert example({"config": write(content)}).endpoints == []


@pytest.mark.spec("SETTING-10")
def test_no_variable_and_no_flag_has_records() -> None:
    reason = "is a list of records, which only the file can hold"
    assert refusal({"endpoints": ["x"]}) == f"endpoints (flag --endpoints): {reason}"
    for text in ("", "[]", "hunter2"):
        message = refusal({}, {"REGISTRY_ENDPOINTS": text})
        assert message == f"endpoints (environment REGISTRY_ENDPOINTS): {reason}"
    assert refusal({}, {"REGISTRY_ENDPOINT": "x"}) == "endpoint (environment REGISTRY_ENDPOINT): unknown setting"


LIST = "must be a list of mappings, each such as - url: …"
MAPPING = "must be a mapping such as url: …"
DEEP = "[{url: a, inner: "
MANY = "".join(f"    a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 20))


@pytest.mark.spec("SETTING-10")
@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        # A wrong shape
        ("endpoints: https://hunter2@one.test", f"endpoints (FILE line 1): {LIST}"),
        ("endpoints: {url: a}", f"endpoints (FILE line 1): {LIST}"),
        ("endpoints: 5", f"endpoints (FILE line 1): {LIST}"),
        ("endpoints:", "endpoints (FILE line 1): is empty: leave it out to have the default"),
        ("endpoints: null", "endpoints (FILE line 1): is nothing: leave it out to have the default"),
        ("endpoints:\n- a\n", f"endpoints[0] (FILE line 2): {MAPPING}"),
        ("endpoints:\n- url: a\n-\n", f"endpoints[1] (FILE line 3): {MAPPING}"),
        ("endpoints:\n- url: a\n- [{url: a}]\n", f"endpoints[1] (FILE line 3): {MAPPING}"),
        ("endpoints:\n- !!set {url, timeout}\n", f"endpoints[0] (FILE line 2): {MAPPING}"),
        ("endpoints:\n- url: a\n  login: me\n", "endpoints[0].login (FILE line 3): must be a mapping such as user: …"),
        # A wrong value
        ("endpoints:\n- url:\n", "endpoints[0].url (FILE line 2): '' is empty"),
        ("endpoints:\n- url: ' '\n", "endpoints[0].url (FILE line 2): ' ' is empty"),
        ("endpoints:\n- url: yes\n", "endpoints[0].url (FILE line 2): True is true or false where a value is needed"),
        ("endpoints:\n- url: a\n  threshold: x\n", "endpoints[0].threshold (FILE line 3): 'x' is no whole number"),
        ("endpoints:\n- url: a\n\n  timeout: 5\n",
         "endpoints[0].timeout (FILE line 4): 5 has no unit: write 5s, 5m, 5h or 5d"),
        ("endpoints:\n- {url: a,\n   timeout: 0s}\n",
         "endpoints[0].timeout (FILE line 3): '0s' must be longer than nothing"),
        ("endpoints:\n- url: \"a\\eb\"\n",
         r"endpoints[0].url (FILE line 2): 'a\x1bb' holds characters that cannot be printed"),
        ("endpoints:\n- url: a\n  limit: many\n",
         "endpoints[0].limit (FILE line 3): 'many' is no whole number; "
         "endpoints[0].limit (FILE line 3): 'many' should be 'none'"),
        ("endpoints:\n- url: {a: b}\n", "endpoints[0].url (FILE line 2): should be a valid string"),
        ("endpoints:\n- url: a\n  ignoredmediatypes:\n  - a/b\n  - 5\n",
         "endpoints[0].ignoredmediatypes[1] (FILE line 5): 5 should be a valid string"),
        ("endpoints:\n- url: a\n  headers:\n    X-A: [b]\n    \"X\\nB\": 5\n",
         r"endpoints[0].headers.'X\nB' (FILE line 5): 5 should be a valid list"),
        ("endpoints:\n- url: !!set {? !!bool perhaps}\n",
         "endpoints[0].url (FILE line 2): holds a value that is not what its tag says"),
        # Keys
        ("endpoints:\n- timeout: 1s\n", "endpoints[0].url (FILE line 2): is missing"),
        ("endpoints:\n- {}\n", "endpoints[0].url (FILE line 2): is missing"),
        ("endpoints:\n- url: a\n  login:\n    user: me\n", "endpoints[0].login.password (FILE line 3): is missing"),
        ("endpoints:\n- url: a\n  timout: 1s\n",
         "endpoints[0].timout (FILE line 3): unknown key, did you mean timeout?"),
        ("endpoints:\n- url: a\n  ignored_types: []\n",
         "endpoints[0].ignored_types (FILE line 3): unknown key, did you mean ignoredmediatypes?"),
        ("endpoints:\n- url: a\n  5: b\n", "endpoints[0].'5' (FILE line 3): unknown key"),
        ("endpoints:\n- url: a\n  [b]: c\n", "endpoints[0] (FILE line 3): has a key that is no text"),
        ("endpoints:\n- url: a\n  url: b\n", "endpoints[0].url (FILE line 3): was already set at line 2"),
        ("endpoints:\n- url: a\n  headers: {a: [b],\n    a: [c]}\n",
         "endpoints[0].headers.a (FILE line 4): was already set at line 3"),
        ("endpoints:\n- url: a\n  <<: {timeout: 1s}\n",
         "endpoints[0] (FILE line 3): merge keys are not read: write the keys themselves"),
        # Too much
        ("endpoints: " + "[" * 5000, "FILE: is nested too deep"),
        ("endpoints: " + "[" * 100 + "]" * 100, "endpoints (FILE line 1): is nested too deep"),
        ("endpoints:\n- &a\n  url: b\n  inner: [*a]\n", "endpoints (FILE line 1): is nested too deep"),
        ("endpoints: " + DEEP * 100 + "x" + "}]" * 100, "endpoints (FILE line 1): is nested too deep"),
        ("endpoints:\n- headers:\n    a0: &a0 [x, x]\n" + MANY,
         "endpoints (FILE line 1): has more than 100,000 values, or aliases that stand for them"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_its_place(content: str, wanted: str, told: Told) -> None:
    begun = time.process_time()
    assert told(content) == wanted
    assert time.process_time() - begun < 5


@pytest.mark.spec("SETTING-4", "SETTING-10")
def test_all_that_is_wrong_in_records_is_told(told: Told) -> None:
    content = "endpoints:\n- url: a\n  url: b\n  timout: 1s\n- timeout: 1\n  threshold: 0\nport: x\nendpoints: []\n"
    assert sorted(told(content).split("; ")) == [
        "endpoints (FILE line 8): was already set at FILE line 1",
        "endpoints[0].timout (FILE line 4): unknown key, did you mean timeout?",
        "endpoints[0].url (FILE line 3): was already set at line 2",
        "endpoints[1].threshold (FILE line 6): 0 should be greater than or equal to 1",
        "endpoints[1].timeout (FILE line 5): 1 has no unit: write 1s, 1m, 1h or 1d",
        "endpoints[1].url (FILE line 5): is missing",
        "port (FILE line 7): 'x' is no whole number",
    ]


def test_what_stands_under_an_unknown_key_is_not_told(told: Told) -> None:
    """It may be what should stand under the right one."""
    message = told("endpoints:\n- url: a\n  tokn: hunter2\n  login: {user: me, passwd: hunter2}\n- hunter2\n")
    assert "did you mean token?" in message
    assert "did you mean password?" in message
    assert "hunter2" not in message


def test_fields_that_could_not_be_given_are_no_fields() -> None:
    class Loose(BaseModel):
        url: str

    class OfAnyModel(Values):
        entries: list[Loose] = []  # noqa: RUF012

    class ByName(Values):
        entries: dict[str, Endpoint] = {}  # noqa: RUF012

    class Secrets(Record):
        tokens: list[SecretStr]

    class Taken(Values):
        token: SecretStr | None = None
        token_file: str = ""

    for model, reason in {
        OfAnyModel: "OfAnyModel.entries has a model in it",
        ByName: "ByName.entries has a model in it",
        Secrets: "Secrets.tokens has a secret in it",
        Taken: "Taken.token_file is the name of the file",
    }.items():
        with pytest.raises(TypeError, match=reason):
            shape_of(model)


def test_every_setting_is_in_a_section_and_says_what_it_does() -> None:
    class Sectionless(Settings):
        loose: int = 5

    class Undescribed(Settings):
        silent: int = setting(Section.LOG, 5, "")

    models: dict[type[Settings], str] = {Sectionless: "loose", Undescribed: "silent"}
    for model, name in models.items():
        with pytest.raises(TypeError, match=f"the setting {name} is not made by setting"):
            settings_flags(model=model)(lambda: None)
