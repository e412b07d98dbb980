"""Settings: every source, every ill-formed value, and what the operator is told."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import unquote

import pytest
from pydantic import ValidationError

from registry.errors import OperatorError
from registry.settings.fields import Settings
from registry.settings.loading import Loaded, load

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes) -> Path:
        file = tmp_path / "registry.yaml"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write


def refusal(flags: Mapping[str, object], environ: dict[str, str]) -> str:
    with pytest.raises(OperatorError) as caught:
        load(flags, environ)
    message = str(caught.value)
    assert "\n" not in message
    return message


# Where values come from


def test_every_setting_has_a_default_and_a_help_text() -> None:
    assert set(load({}, {}).origin.values()) == {"default"}
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.spec("SETTING-1")
def test_flag_outranks_environment_outranks_file_outranks_default(write: Write) -> None:
    file = write("host: file.test\nport: 1\nlog-format: json\n")
    environ = {"REGISTRY_CONFIG": str(file), "REGISTRY_PORT": "2", "REGISTRY_HOST": "environment.test"}
    loaded = load({"port": "3", "workers": None}, environ)
    assert (loaded.settings.port, loaded.origin["port"]) == (3, "flag --port")
    assert (loaded.settings.host, loaded.origin["host"]) == ("environment.test", "environment REGISTRY_HOST")
    assert (loaded.settings.log_format, loaded.origin["log_format"]) == ("json", f"{file} line 3")
    assert (loaded.settings.workers, loaded.origin["workers"]) == (None, "default")


def test_the_flag_names_another_file_than_the_environment(write: Write) -> None:
    file = write("port: 1\n")
    assert load({"config": str(file)}, {"REGISTRY_CONFIG": "/nowhere"}).settings.port == 1


def test_no_file_is_read_that_was_not_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write("port: 1\n").parent)
    assert load({}, {}).settings.port == 5000


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_comes_from_every_source(name: str, write: Write) -> None:
    text = {
        "host": "::1", "port": "81", "data": "elsewhere", "storage": "file:///srv/blobs", "database": "sqlite:////facts.db",
        "workers": "3", "log_format": "json", "public_url": "https://registry.test/prefix",
        "trusted_proxy": "10.0.0.0/8,fd00::/8", "upload_expiry": "2h", "manifest_limit": "1MiB",
        "manifest_types": "application/vnd.one+json,application/vnd.two", "page_limit": "7", "drain_timeout": "5s",
        "body_timeout": "5s", "send_timeout": "5s", "small_blob": "8KiB", "answer_memory": "1MiB",
        "cors_origins": "https://ui.example.org,http://localhost:8080",
    }.get(name, "false" if Settings.model_fields[name].default else "true")  # fmt: skip
    changed = []
    for loaded in (
        load({name: text}, {}),
        load({}, {f"REGISTRY_{name.upper()}": text}),
        load({"config": write(f'{name.replace("_", "-")}: "{text}"\n')}, {}),
    ):
        assert loaded.origin[name] != "default"
        changed.append(getattr(loaded.settings, name))
    assert changed[0] != Settings.model_fields[name].default
    assert changed == [changed[0]] * 3


def test_a_flag_switched_off_is_named_as_it_was_given() -> None:
    loaded = load({"delete": False, "sparse": True}, {})
    assert (loaded.settings.delete, loaded.origin["delete"]) == (False, "flag --no-delete")
    assert loaded.origin["sparse"] == "flag --sparse"


def test_settings_made_directly_read_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_PORT", "1")
    assert Settings().port == 5000
    assert Settings(port=2).port == 2


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1


# Values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("24h", 86400), ("90m", 5400), ("30s", 30), ("7d", 604800), ("1.5h", 5400), ("PT24H", 86400),
     ("P1DT1M", 86460), (" 5 m ", 300), ("0.5s", 0.5), (timedelta(minutes=2), 120)],
)  # fmt: skip
def test_durations(text: object, seconds: float) -> None:
    assert load({"upload_expiry": text}, {}).settings.upload_expiry == timedelta(seconds=seconds)


@pytest.mark.parametrize("nothing", ["0", 0, 0.0, "00"])
def test_nothing_needs_no_unit(nothing: object) -> None:
    settings = load({"drain_timeout": nothing, "small_blob": nothing}, {}).settings
    assert (settings.drain_timeout, settings.small_blob) == (timedelta(0), 0)


DURATIONS = ["upload_expiry", "drain_timeout", "body_timeout", "send_timeout"]
SIZES = ["manifest_limit", "small_blob", "answer_memory"]


@pytest.mark.spec("SETTING-3")
@pytest.mark.parametrize("name", DURATIONS + SIZES)
@pytest.mark.parametrize("number", ["3", "2.5"])
def test_a_number_without_a_unit_is_refused_from_every_source(name: str, number: str, write: Write) -> None:
    units = "s, {0}m, {0}h or {0}d" if name in DURATIONS else "B, {0}KiB or {0}MiB"
    remedy = f"has no unit: write {number}{units.format(number)}"
    assert refusal({name: number}, {}) == f"{name} (flag --{name.replace('_', '-')}): {number!r} {remedy}"
    variable = f"REGISTRY_{name.upper()}"
    assert refusal({}, {variable: number}) == f"{name} (environment {variable}): {number!r} {remedy}"
    for shown in (number, f'"{number}"'):  # a number of YAML, and a text
        file = write(f"{name}: {shown}\n")
        told = number if shown == number else repr(number)
        assert refusal({"config": file}, {}) == f"{name} ({file} line 1): {told} {remedy}"


@pytest.mark.parametrize(
    ("text", "size"),
    [("4MiB", 4 << 20), ("8 MB", 8_000_000), ("65536B", 65536), ("1KiB", 1024), ("64MiB", 64 << 20),
     ("1.5mib", 3 << 19), ("2kb", 2000)],
)  # fmt: skip
def test_sizes(text: object, size: int) -> None:
    assert load({"manifest_limit": text}, {}).settings.manifest_limit == size


@pytest.mark.parametrize(
    "value", ["10.0.0.0/8,::1", " 10.0.0.0/8 , ::1 ", ["10.0.0.0/8", "::1"], ["10.0.0.0/8,::1"]], ids=str
)
def test_lists(value: object) -> None:
    networks = load({"trusted_proxy": value}, {}).settings.trusted_proxy
    assert networks == [ip_network("10.0.0.0/8"), ip_network("::1/128")]


@pytest.mark.parametrize(
    ("url", "kept", "prefix"),
    [
        ("https://registry.test", "https://registry.test", ""),
        ("https://registry.test/", "https://registry.test", ""),
        ("http://[::1]:5000/a/b.c/", "http://[::1]:5000/a/b.c", "/a/b.c"),
    ],
)
def test_public_url(url: str, kept: str, prefix: str) -> None:
    settings = load({"public_url": url}, {}).settings
    assert (settings.public_url, settings.prefix) == (kept, prefix)


def test_no_public_url_has_no_prefix() -> None:
    assert Settings().prefix == ""


def test_everything_stands_in_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load({"data": "kept"}, {}).settings
    assert settings.storage_url == f"file://{tmp_path}/kept/blobs"
    assert settings.database_url == f"sqlite:///{tmp_path}/kept/registry.db"
    assert settings.uploads_url == f"sqlite:///{tmp_path}/kept/uploads.db"


def test_open_uploads_stand_beside_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load({"database": f"sqlite:///{tmp_path}/sql/facts.db", "storage": "file:///srv/blobs"}, {}).settings
    assert settings.storage_url == "file:///srv/blobs"
    assert settings.database_url == f"sqlite:///{tmp_path}/sql/facts.db"
    assert settings.uploads_url == f"sqlite:///{tmp_path}/sql/uploads.db"


def test_paths_in_urls_survive_what_urls_give_a_meaning_to() -> None:
    settings = load({"data": "/srv/50% a?b#c"}, {}).settings
    assert unquote(settings.storage_url) == "file:///srv/50% a?b#c/blobs"
    assert unquote(settings.database_url) == "sqlite:////srv/50% a?b#c/registry.db"
    assert not set(settings.storage_url + settings.database_url) & set("?# ")
    again = load({"storage": settings.storage_url, "database": settings.database_url}, {}).settings
    assert (again.storage_url, again.database_url) == (settings.storage_url, settings.database_url)


def test_workers_follow_the_cores_up_to_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(3)))
    assert Settings().worker_count == 3
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(30)))
    assert Settings().worker_count == 4
    assert Settings(workers=9).worker_count == 9


def test_memory_is_one_worker_and_shows_no_database() -> None:
    settings = load({"storage": "memory:"}, {}).settings
    assert (settings.storage_url, settings.worker_count) == ("memory:", 1)
    assert settings.effective()["database"] is None
    assert load({"storage": "memory:", "workers": "1"}, {}).settings.worker_count == 1


def test_what_is_shown_is_a_file_that_means_the_same(write: Write) -> None:
    flags = {"data": "/srv/registry", "manifest_limit": "5MB", "drain_timeout": "90s", "trusted_proxy": "10.0.0.0/8"}
    shown = load(flags, {}).settings.effective()
    file = write("".join(f"{name}: {value!r}\n" for name, value in shown.items() if value is not None))
    assert load({"config": file}, {}).settings.effective() == shown
    assert (shown["manifest_limit"], shown["drain_timeout"]) == ("5000000B", "90s")


@pytest.mark.spec("SETTING-6")
def test_clients_are_waited_for_as_long_as_slow_sources_need() -> None:
    assert (Settings().body_timeout, Settings().send_timeout) == (timedelta(minutes=5), timedelta(minutes=1))


# Mistakes


ILL_FORMED = [
    ("host", "", "'' is empty"),
    ("host", "a\nb", r"'a\nb' holds characters"),
    ("port", "x", "'x' is no whole number"),
    ("port", "65536", "less than or equal to 65535"),
    ("port", "-1", "greater than or equal to 0"),
    ("port", True, "True is true or false"),
    ("data", "  ", "is empty"),
    ("data", 5, "5 is not a valid path"),
    ("storage", "s3://bucket", "file:///PATH and memory: are"),
    ("storage", "/srv/blobs", "file:///PATH and memory: are"),
    ("storage", "memory", "file:///PATH and memory: are"),
    ("storage", "file://srv/blobs", "absolute path"),
    ("storage", "file:///srv?x", "%3F for ?"),
    ("storage", "file:///srv%00", "must be file:///"),
    ("database", "postgresql://host/name", "sqlite:////PATH is"),
    ("database", "registry.db", "sqlite:////PATH is"),
    ("database", "sqlite:///", "the path of a file"),
    ("database", "sqlite:///facts.db", "sqlite:////facts.db is the absolute path"),
    ("database", "sqlite:///:memory:", "the path of a file"),
    ("database", "sqlite:////srv/uploads.db", "the file that keeps open uploads"),
    ("workers", "0", "greater than or equal to 1"),
    ("workers", "65", "less than or equal to 64"),
    ("log_format", "xml", "'text' or 'json'"),
    ("log_requests", "maybe", "should be a valid boolean"),
    ("read_only", "2", "should be a valid boolean"),
    ("delete", "", "is empty"),
    ("public_url", "registry.test", "must be http(s)://HOST"),
    ("public_url", "ftp://registry.test", "must be http(s)://HOST"),
    ("public_url", "https://registry.test?x", "must be http(s)://HOST"),
    ("public_url", "https://registry.test/#x", "must be http(s)://HOST"),
    ("public_url", "https://registry.test:0", "must be http(s)://HOST"),
    ("public_url", "https://registry.test:65536", "must be http(s)://HOST"),
    ("public_url", "https://registry.test/a/../b", "must be http(s)://HOST"),
    ("public_url", "https://registry.test//a", "must be http(s)://HOST"),
    ("trusted_proxy", "10.0.0.1/8", "'10.0.0.1/8' is not a network such as 10.0.0.0/8 or fd00::/8, it has host"),
    ("trusted_proxy", "10.0.0.0/8,nonsense", "'nonsense' is not a network"),
    ("trusted_proxy", ["10.0.0.0/8", 5], "5 is not a network"),
    ("upload_expiry", "0", "'0' must be longer than nothing"),
    ("upload_expiry", "-5s", "is not a duration"),
    ("upload_expiry", "1 week", "is not a duration"),
    ("upload_expiry", "PTX", "should be a valid timedelta"),
    ("upload_expiry", "36501d", "must be from 0s to 36500d"),
    ("upload_expiry", "3153600001s", "must be from 0s to 36500d"),
    ("upload_expiry", "9" * 400 + "d", "must be from 0s to 36500d"),
    ("upload_expiry", float("nan"), "is not a duration"),
    ("upload_expiry", "3 weeks", "is not a duration"),
    ("upload_expiry", "P", "should be a valid timedelta"),
    ("upload_expiry", ["1s", "x"], "'x' is not a duration"),
    ("drain_timeout", -1, "is not a duration"),
    ("drain_timeout", "-PT1S", "is not a duration"),
    ("body_timeout", 0, "must be longer than nothing"),
    ("send_timeout", "0s", "must be longer than nothing"),
    ("cors_origins", "ui.example.org", "is not an origin as browsers send it"),
    ("cors_origins", "https://ui.example.org/", "is not an origin as browsers send it"),
    ("cors_origins", "https://ui.example.org/ui", "is not an origin as browsers send it"),
    ("cors_origins", "https://UI.example.org", "in lower case"),
    ("cors_origins", "https://*.example.org", "is not an origin"),
    ("cors_origins", "null", "is not an origin"),
    ("cors_origins", "https://ui.example.org:443", "they leave out the port 443"),
    ("cors_origins", "http://ui.example.org:80", "they leave out the port 80"),
    ("cors_origins", "http://ui.example.org:65536", "is not an origin"),
    ("cors_origins", "https://a.example,", "'' is not an origin"),
    ("cors_origins", "https://a.example,*", "names * besides other origins"),
    ("manifest_limit", "1023B", "must be from 1KiB to 64MiB"),
    ("manifest_limit", "4M", "is not a size such as 4MiB"),
    ("manifest_limit", "4MiB, or so", "is not a size such as 4MiB"),
    ("manifest_limit", "9" * 400 + "GiB", "must be from 1KiB to 64MiB"),
    ("manifest_limit", "65MiB", "must be from 1KiB to 64MiB"),
    ("manifest_limit", "many", "is not a size such as 4MiB"),
    ("small_blob", "-1", "is not a size"),
    ("small_blob", "1048577B", "must be from 0 to 1MiB"),
    ("answer_memory", "2GiB", "must be from 0 to 1GiB"),
    ("manifest_types", "application", "'application' is not a media type"),
    ("manifest_types", "a/b; charset=utf-8", "is not a media type"),
    ("sparse", "sparsely", "should be a valid boolean"),
    ("page_limit", "0", "greater than or equal to 1"),
    ("page_limit", "100001", "less than or equal to 100000"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "reason"), ILL_FORMED)
def test_ill_formed_values(name: str, value: object, reason: str) -> None:
    message = refusal({name: value}, {})
    assert message.startswith(f"{name} (flag --{name.replace('_', '-')}): ")
    assert reason in message
    assert len(message) < 300


def test_every_setting_is_judged() -> None:
    assert {name for name, _, _ in ILL_FORMED} == set(Settings.model_fields)


def test_the_database_may_not_outlive_the_blobs() -> None:
    environ = {"REGISTRY_STORAGE": "memory:", "REGISTRY_DATABASE": "sqlite:////srv/facts.db", "REGISTRY_WORKERS": "2"}
    message = refusal({}, environ)
    assert "database (environment REGISTRY_DATABASE): 'sqlite:////srv/facts.db' would outlive the blobs" in message
    assert "workers (environment REGISTRY_WORKERS): '2' must be 1: with storage memory:" in message


@pytest.mark.parametrize("name", ["database", "public_url"])
def test_credentials_are_not_told(name: str) -> None:
    message = refusal({name: "https://someone:secr/e t@p@host/name"}, {})
    assert "'https://***@host/name'" in message
    assert "someone" not in message
    assert "secr" not in message


@pytest.mark.spec("SETTING-4")
def test_all_problems_are_told_at_once(write: Write) -> None:
    file = write("prot: 1\nhost: [a]\n")
    message = refusal({"config": file, "workers": "no"}, {"REGISTRY_DATE": "x", "REGISTRY_PORT": "99999"})
    assert message.split("; ") == [
        "date (environment REGISTRY_DATE): unknown setting, did you mean REGISTRY_DATA?",
        f"prot ({file} line 1): unknown setting, did you mean port?",
        f"host ({file} line 2): ['a'] should be a valid string",
        "port (environment REGISTRY_PORT): '99999' should be less than or equal to 65535",
        "workers (flag --workers): 'no' is no whole number",
    ]


@pytest.mark.spec("SETTING-2")
def test_the_value_that_is_outranked_is_judged_too(write: Write) -> None:
    file = write("port: here\nupload_expiry: 3\ncors_origins: [x]\n")
    environ = {"REGISTRY_CONFIG": str(file), "REGISTRY_PORT": "there", "REGISTRY_UPLOAD_EXPIRY": "1d"}
    flags = {"port": "5001", "cors_origins": ["https://ui.example.org"]}
    integer = "is no whole number"
    told = refusal(flags, environ).split("; ")
    assert told[0] == f"port ({file} line 1): 'here' {integer}"
    assert told[1] == f"port (environment REGISTRY_PORT): 'there' {integer}"
    assert told[2].startswith(f"cors_origins ({file} line 3): 'x' is not an origin")
    assert told[3] == f"upload_expiry ({file} line 2): 3 has no unit: write 3s, 3m, 3h or 3d"
    assert len(told) == 4


@pytest.mark.spec("SETTING-2")
@pytest.mark.parametrize("name", ["port", "upload_expiry", "trusted_proxy", "public_url", "data", "delete"])
def test_every_kind_of_setting_is_judged_where_it_is_outranked(name: str, write: Write) -> None:
    wrong = {"data": '""', "delete": "perhaps"}.get(name, "[x]")
    file = write(f"{name}: {wrong}\n")
    good = {"data": "/srv", "delete": True, "trusted_proxy": "10.0.0.0/8", "upload_expiry": "1d", "port": "1"}
    good["public_url"] = "https://registry.test"
    assert refusal({"config": file, name: good[name]}, {}).startswith(f"{name} ({file} line 1): ")


@pytest.mark.spec("SETTING-2")
def test_what_is_outranked_is_judged_by_itself() -> None:
    """That it would not go with the others matters only once it counts."""
    environ = {"REGISTRY_WORKERS": "2", "REGISTRY_STORAGE": "memory:"}
    assert load({"workers": "1"}, environ).settings.workers == 1
    assert load({"storage": "file:///srv"}, environ).settings.workers == 2


@pytest.mark.spec("SETTING-2")
def test_a_flag_that_is_given_twice_is_judged_twice_and_the_last_one_counts() -> None:
    assert load({"port": ["1", "2"]}, {}).settings.port == 2
    assert refusal({"port": ["x", "2"]}, {}).startswith("port (flag --port): 'x' is no")


@pytest.mark.spec("SETTING-4")
def test_one_file_is_read_and_two_are_refused(write: Write) -> None:
    file = str(write("port: 1\n"))
    assert load({"config": [file]}, {}).settings.port == 1
    assert refusal({"config": [file, file]}, {}) == "config (flag --config): was given 2 times: one file is read"


@pytest.mark.spec("SETTING-4")
@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_a_variable_that_is_empty_is_told(name: str) -> None:
    variable = f"REGISTRY_{name.upper()}"
    assert refusal({}, {variable: ""}).startswith(f"{name} (environment {variable}): '' ")


@pytest.mark.spec("SETTING-4")
@pytest.mark.parametrize("flags", [{}, {"config": "registry.yaml"}])
def test_an_empty_variable_names_no_file(
    flags: dict[str, object], write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write("port: 1\n").parent)
    wanted = "config (environment REGISTRY_CONFIG): '' is empty: leave it out to read no file"
    assert refusal(flags, {"REGISTRY_CONFIG": ""}) == wanted


@pytest.mark.parametrize("variable", ["REGISTRY_NONSENSE", "REGISTRY_port", "REGISTRY_LOG-FORMAT", "REGISTRY_"])
def test_unknown_variables(variable: str) -> None:
    assert f"(environment {variable}): unknown setting" in refusal({}, {variable: "1"})


def test_unknown_flags() -> None:
    assert (
        refusal({"log_fromat": "json"}, {})
        == "log_fromat (flag --log-fromat): unknown setting, did you mean log_format?"
    )


KUBERNETES = {
    "REGISTRY_SERVICE_HOST": "10.0.0.1",
    "REGISTRY_SERVICE_PORT": "5000",
    "REGISTRY_SERVICE_PORT_HTTP": "5000",
    "REGISTRY_PORT": "tcp://10.0.0.1:5000",
    "REGISTRY_PORT_5000_TCP": "tcp://10.0.0.1:5000",
    "REGISTRY_PORT_5000_TCP_PROTO": "tcp",
    "REGISTRY_PORT_5000_TCP_PORT": "5000",
    "REGISTRY_PORT_5000_TCP_ADDR": "10.0.0.1",
    "REGISTRY_UI_SERVICE_HOST": "10.0.0.2",
    "REGISTRY_UI_PORT": "udp://10.0.0.2:80",
    "REGISTRY_UI_PORT_80_UDP_ADDR": "10.0.0.2",
}


def test_what_kubernetes_says_about_services_is_ignored() -> None:
    loaded = load({}, KUBERNETES)
    assert loaded == Loaded(Settings(), dict.fromkeys(Settings.model_fields, "default"))


def test_variables_like_those_of_kubernetes_are_not() -> None:
    assert "REGISTRY_SERVICE_HOSTS" in refusal({}, {"REGISTRY_SERVICE_HOSTS": "x"})
    assert "REGISTRY_UI_PORT" in refusal({}, {"REGISTRY_UI_PORT": "80"})
