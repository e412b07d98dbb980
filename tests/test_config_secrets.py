"""Settings that are secrets: from a variable, a key or a file, and told to nobody."""

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import structlog
import yaml
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs

from registry.cli.config import Format, shown
from registry.server import renewed
from tests.example_settings import Endpoint, Example, example, loaded, refusal

SECRET = "hunter2/+=ü"
MASK = "**********"

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes) -> Path:
        path = tmp_path / f"file{len(list(tmp_path.iterdir()))}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def password(flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> str | None:
    secret = example(flags, environ).password
    return secret.get_secret_value() if secret else None


# Where they come from


@pytest.mark.spec("SETTING-11")
def test_a_secret_comes_from_a_variable_a_key_or_a_file(write: Write) -> None:
    path = str(write(f"{SECRET}\n"))
    quoted = write(f"password: '{SECRET}'\n")
    named = write(f"password_file: {path}\n")
    hyphened = write(f"password-file: {path}\n")
    given: list[tuple[Mapping[str, object], dict[str, str], str]] = [
        ({}, {"REGISTRY_PASSWORD": SECRET}, "environment REGISTRY_PASSWORD"),
        ({}, {"REGISTRY_PASSWORD_FILE": path}, "environment REGISTRY_PASSWORD_FILE"),
        ({"config": quoted}, {}, f"{quoted} line 1"),
        ({"config": named}, {}, f"{named} line 1"),
        ({"config": hyphened}, {}, f"{hyphened} line 1"),
        ({"password_file": path}, {}, "flag --password-file"),
        ({"password_file": [path]}, {}, "flag --password-file"),
    ]
    for flags, environ, origin in given:
        assert loaded(flags, environ).origin["password"] == origin
        assert password(flags, environ) == SECRET
    assert password() is None


@pytest.mark.spec("SETTING-1", "SETTING-11")
def test_who_counts_more_counts_more_for_secrets_too(write: Write) -> None:
    one, two = write("one"), write("two")
    config = write(f"password_file: {one}\n")
    assert password({"config": config}, {"REGISTRY_PASSWORD": "direct"}) == "direct"
    assert password({"config": config}, {"REGISTRY_PASSWORD_FILE": str(two)}) == "two"
    assert password({"password_file": [str(one), str(two)]}, {"REGISTRY_PASSWORD": "direct"}) == "two"


@pytest.mark.spec("SETTING-11")
def test_a_file_that_is_outranked_is_not_opened() -> None:
    """As with files of settings: it may be a pipe that says what it says once, or not be there."""
    assert password({}, {"REGISTRY_PASSWORD": "direct", "REGISTRY_CONFIG": os.devnull}) == "direct"
    environ = {"REGISTRY_PASSWORD_FILE": "/nowhere"}
    assert "/nowhere" in refusal({}, environ)
    here = Path(__file__)
    assert password({"password_file": str(here)}, environ) == here.read_text().rstrip("\n")
    assert "names no file" in refusal({"password_file": str(here)}, {"REGISTRY_PASSWORD_FILE": ""})


@pytest.mark.spec("SETTING-11")
@pytest.mark.parametrize(
    ("content", "secret"),
    [
        ("one", "one"),
        ("one\n", "one"),
        ("one\r\n", "one"),
        ("one\n\n", "one\n"),
        (" one \n", " one "),
        ("one\r", "one\r"),
        ("-----BEGIN KEY-----\nabc\n-----END KEY-----\n", "-----BEGIN KEY-----\nabc\n-----END KEY-----"),
        ("x" * 65535 + "\n", "x" * 65535),
    ],
)
def test_one_newline_at_the_end_is_not_part_of_a_secret(content: str, secret: str, write: Write) -> None:
    assert password({}, {"REGISTRY_PASSWORD_FILE": str(write(content))}) == secret


@pytest.mark.spec("SETTING-11")
def test_a_secret_in_a_record_may_be_in_a_file(write: Write) -> None:
    path = write("hunter2\n")
    config = write(f"endpoints:\n- url: a\n  token_file: {path}\n  login: {{user: me, password_file: {path}}}\n")
    (endpoint,) = example({"config": config}).endpoints
    assert endpoint.token == SecretStr("hunter2")
    assert endpoint.login
    assert endpoint.login.password == SecretStr("hunter2")


@pytest.mark.spec("SETTING-11")
def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = threading.Timer(0.5, lambda: pipe.write_text("hunter2\n"))
    writing.start()
    assert password({"password_file": str(pipe)}) == "hunter2"
    writing.join()
    begun = time.monotonic()
    assert "does not end within 1 second" in refusal({"password_file": str(pipe)})
    assert 0.9 < time.monotonic() - begun < 3


# Mistakes


@pytest.mark.spec("SETTING-11")
def test_no_flag_has_a_secret() -> None:
    message = refusal({"password": [SECRET]})
    assert message.startswith("password (flag --password): everybody sees a command line: give --password-file,")
    assert SECRET not in message


@pytest.mark.spec("SETTING-11")
def test_a_secret_and_its_file_are_one_too_many(write: Write) -> None:
    path = str(write(SECRET))
    for value in (SECRET, ""):
        message = refusal({}, {"REGISTRY_PASSWORD": value, "REGISTRY_PASSWORD_FILE": path})
        reason = "REGISTRY_PASSWORD is set as well: one of the two"
        assert f"password (environment REGISTRY_PASSWORD_FILE): {reason}" in message
        assert SECRET not in message
    for lines in ([f"password: {SECRET}", f"password_file: {path}"], [f"password-file: {path}", f"password: {SECRET}"]):
        config = write("\n".join(lines))
        written = lines[1].split(":")[0]
        told = refusal({"config": config})
        assert (
            told
            == f"{written} ({config} line 2): was already set at {config} line 1: password or password_file, not both"
        )
        in_record = "\n  ".join(lines).replace("password-file", "token_file").replace("password", "token")
        record = write(f"endpoints:\n- url: a\n  {in_record}")
        told = refusal({"config": record})
        both = "was already set at line 3: token or token_file, not both"
        assert told == f"endpoints[0].{written.replace('password', 'token')} ({record} line 4): {both}"


@pytest.mark.spec("SETTING-4", "SETTING-11")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        ("folder", "cannot be read: Is a directory"),
        (b"", "is an empty file"),
        (b"\n", "is an empty file"),
        (b" \n\n", "is an empty file"),
        (b"hunter2\xff", "holds bytes that are no text"),
        (b"hunter2\0", "holds characters that are no text"),
        (b"\x7fELFhunter2", "holds characters that are no text"),
        (b"hunter2" * 10000, "is larger than 64 KiB, which no secret is"),
        (MASK.encode(), "is what stands in place of a secret where settings are shown: write the secret"),
    ],
)
def test_files_that_are_no_secrets(content: bytes | str | None, reason: str, tmp_path: Path, write: Write) -> None:
    path = tmp_path / "secret"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    wanted = f"'{path}' {reason}"
    assert (
        refusal({}, {"REGISTRY_PASSWORD_FILE": str(path)}) == f"password (environment REGISTRY_PASSWORD_FILE): {wanted}"
    )
    assert refusal({"password_file": str(path)}) == f"password (flag --password-file): {wanted}"
    config = write(f"password_file: {path}\n")
    assert refusal({"config": config}) == f"password ({config} line 1): {wanted}"
    record = write(f"endpoints:\n- url: a\n  login:\n    user: me\n    password_file: {path}\n")
    assert refusal({"config": record}) == f"endpoints[0].login.password ({record} line 5): {wanted}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(write: Write) -> None:
    path = write(SECRET)
    path.chmod(0)
    assert "cannot be read: Permission denied" in refusal({"password_file": str(path)})


@pytest.mark.spec("SETTING-11")
def test_pipes_and_devices_that_have_no_end_are_no_secrets(tmp_path: Path) -> None:
    assert "'/dev/zero' is larger than 64 KiB" in refusal({"password_file": "/dev/zero"})
    assert "'/dev/null' is an empty file" in refusal({"password_file": "/dev/null"})


@pytest.mark.spec("SETTING-12")
def test_a_secret_where_its_file_should_be_is_not_told(write: Write) -> None:
    """What is no absolute path may be the secret itself."""
    for environ in ({"REGISTRY_PASSWORD_FILE": SECRET}, {"REGISTRY_PASSWORD_FILE": ""}):
        assert "password (environment REGISTRY_PASSWORD_FILE): a relative path, not shown here, " in refusal(
            {}, environ
        )
    assert SECRET not in refusal({}, {"REGISTRY_PASSWORD_FILE": SECRET})


WRONG = [
    "5551234",
    "[hunter2]",
    "{hunter2: hunter2}",
    "{a: [hunter2, hunter2",
    "*hunter2",
    "!hunter2",
    "!hunter2 text",
    "!h!unter2 text",
    "&hunter2 &hunter2 a",
    "%hunter2",
    "@hunter2",
    "`hunter2",
    '"hunter2\\q"',
    '"hunter2\\0"',
    "'hunter2",
    "hunter2: hunter2",
    "hunter2\n hunter2: x",
    "!!binary hunter2hunter2",
    "!!int [hunter2]",
    "\n- hunter2",
    "|hunter2",
    "abc",
    "2024-01-01",
    f'"{MASK}"',
]


@pytest.mark.spec("SETTING-12")
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("before", ["signing_key: ", "endpoints:\n- url: a\n  token: "])
def test_no_error_tells_a_secret(before: str, wrong: str, write: Write) -> None:
    config = write(f"{before}{wrong}\n")
    message = refusal({"config": config})
    assert message.startswith(("signing_key (", "endpoints[0].token (", f"{config} line "))
    for part in ("unter2", "555", "abc", "2024"):
        assert part not in message.replace(str(config), "")


@pytest.mark.spec("SETTING-12")
@pytest.mark.parametrize("wrong", ["", " ", "abc", "hunter2\0", "\x1b[2Jhunter2", MASK])
def test_no_error_tells_a_secret_of_a_variable(wrong: str) -> None:
    message = refusal({}, {"REGISTRY_SIGNING_KEY": wrong})
    assert message.startswith("signing_key (environment REGISTRY_SIGNING_KEY): ")
    assert "abc" not in message
    assert "hunter2" not in message


@pytest.mark.spec("SETTING-12")
def test_an_outranked_secret_is_judged_and_not_told(write: Write) -> None:
    config = write("signing_key: [hunter2]\n")
    message = refusal({"config": config}, {"REGISTRY_SIGNING_KEY": "hunter2"})
    assert message == f"signing_key ({config} line 1): is no text: put it into quotes"


# What is shown


@pytest.mark.spec("SETTING-12")
def test_nothing_shows_a_secret(write: Write) -> None:
    config = write(f"endpoints:\n- url: a\n  token: {SECRET}\n  login: {{user: me, password: '{SECRET}'}}\n")
    show = loaded(
        {"config": config}, {"REGISTRY_PASSWORD": SECRET, "REGISTRY_UPSTREAM": f"https://me:{SECRET[:7]}@host/p@th"}
    )
    settings = show.settings
    assert isinstance(settings, Example)
    texts = [repr(show), str(settings), str(settings.endpoints)]
    texts += [settings.model_dump_json(), str(settings.effective()), *(shown(show, form) for form in Format)]
    for text in texts:
        assert "hunter2" not in text
    values = settings.effective()
    assert values["password"] == MASK
    assert values["signing_key"] is None
    assert values["upstream"] == "https://***@host/p@th"
    with pytest.raises(ValidationError) as caught:
        Example(password=["hunter2"])  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ValidationError) as caught:
        Endpoint(url="", token=5551234)  # type: ignore[arg-type]
    assert "555" not in str(caught.value)


@pytest.mark.spec("SETTING-12")
def test_the_log_tells_no_secret() -> None:
    """SIGHUP reads the settings again: what changed is named, what is wrong told."""
    before, after = example({}, {"REGISTRY_PASSWORD": "hunter1"}), example({}, {"REGISTRY_PASSWORD": "hunter2"})
    with capture_logs() as logs:
        assert renewed(before, lambda: after) == after
        assert renewed(before, lambda: example({}, {"REGISTRY_PASSWORD": "hunter2\0"})) is None
        structlog.get_logger().info("settings", settings=str(after), password=str(after.password))
    assert [entry["event"] for entry in logs] == [
        "settings read again; workers are replaced one after the other",
        "settings stay as they are",
        "settings",
    ]
    assert logs[0]["changed"] == ["password"]
    assert "hunter" not in str(logs)


@pytest.mark.spec("SETTING-12")
def test_what_is_shown_as_a_file_is_one_without_secrets(write: Write) -> None:
    path = write(SECRET)
    environ = {
        "REGISTRY_PASSWORD_FILE": str(path),
        "REGISTRY_SIGNING_KEY": SECRET,
        "REGISTRY_UPSTREAM": "https://me:x@host",
    }
    text = shown(loaded({"port": "5001"}, environ), Format.YAML)
    lines = text.splitlines()
    assert f'password_file: "{path}"  # environment REGISTRY_PASSWORD_FILE' in lines
    assert f'# signing_key: "{MASK}"  # environment REGISTRY_SIGNING_KEY' in lines
    assert '# upstream: "https://***@host"  # environment REGISTRY_UPSTREAM' in lines
    again = example({"config": write(text)})
    assert (again.port, again.password, again.signing_key) == (5001, SecretStr(SECRET), None)


@pytest.mark.spec("SETTING-10")
def test_records_are_shown_as_they_are_read(write: Write) -> None:
    config = write(
        "endpoints:\n- url: a\n  ignoredmediatypes: [a/ü]\n  timeout: 90s\n  headers: {X-A: ['# b']}\n- url: b\n"
    )
    show = loaded({"config": config})
    text = shown(show, Format.YAML)
    assert loaded({"config": write(text)}).settings == show.settings
    assert yaml.safe_load(text)["endpoints"][0]["ignoredmediatypes"] == ["a/ü"]
    entry = json.loads(shown(show, Format.JSON))["endpoints"]
    assert entry["origin"] == f"{config} line 1"
    assert [(record["url"], record["timeout"]) for record in entry["value"]] == [("a", "90s"), ("b", "5s")]
    (line,) = [line for line in shown(show, Format.TEXT).splitlines() if line.startswith("endpoints ")]
    assert '{"url": "a", "timeout": "90s", ' in line
    secret = shown(loaded({"config": write("endpoints: [{url: a, token: hunter2}]\n")}), Format.YAML)
    (line,) = [line for line in secret.splitlines() if "endpoints" in line]
    assert line.startswith("# endpoints: [{")
    assert example({"config": write(secret)}).endpoints == []
