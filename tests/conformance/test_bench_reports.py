"""Reports of made-up runs of the benchmark say what was measured, and stay whole whatever a server answers."""

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from conformance.bench.model import Measured, Run, Sample, Server
from conformance.bench.reports import compare, figures, html, json_report, markdown
from conformance.bench.reports.progress import Live
from conformance.bench.scenarios import NAMES, SCENARIOS
from tests.conformance.made_up import EVIL, Page, anything
from tests.conformance.made_up_bench import FIVE, LACKING, MACHINE, WRONG, compared, five, printed, runs, sample, saved

SCHEMA = jsonschema_rs.Draft202012Validator(json_report.schema())


@anything
@given(runs())
def test_json_follows_its_schema_and_reads_back_equal(tmp_path_factory: pytest.TempPathFactory, run: Run) -> None:
    text = json_report.render(run)
    assert text.isascii()
    # The validator takes no lone surrogate in a key: it is given other letters in their place.
    SCHEMA.validate(json.loads(text.replace("\\ud", "\\ue")))
    assert json_report.load(saved(tmp_path_factory.mktemp("bench"), run)) == run


@anything
@given(runs())
def test_pages_are_harmless_whatever_was_answered(run: Run) -> None:
    text = html.render(run)
    found, ours = Page(text), Page(html.render(WRONG))
    assert {tag for tag, _ in found.elements} <= {tag for tag, _ in ours.elements} | {"p", "ul", "li"}
    assert [tag for tag, _ in found.elements].count("script") == 1
    assert found.scripts == ours.scripts
    attributes = {name for _, attributes in found.elements for name in attributes}
    assert not {
        one for one in attributes if one.startswith("on") or one in ("href", "src", "srcset", "style", "action")
    }
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text)


@anything
@given(runs(), st.integers(30, 120))
def test_a_terminal_is_never_steered(run: Run, width: int) -> None:
    for text in (printed(run, width), compared(run, run)):
        assert all(letter.isprintable() or letter in "\n\t" for letter in text)


@anything
@given(runs())
def test_markdown_keeps_its_columns(run: Run) -> None:
    widths = {len(re.findall(r"(?<!\\)\|", row)) for row in markdown.render(run).split("\n\n")[0].split("\n")}
    assert widths == {len(run.servers) + 5}
    text = compare.render_markdown(compare.compare(run, run))
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in text.split("\n") if row.startswith("| ")} <= {8}


# What they say


def test_the_terminal_shows_five_servers_in_a_hundred_columns() -> None:
    counted = {"push-100KB": 2.5, "image-push": 12.5}
    text = printed(replace(five(), servers=tuple(one._replace(syncs=counted) for one in five().servers)))
    assert max(len(row.rstrip()) for row in text.splitlines()) <= 100
    row, below = (words.split() for words in text.split("manifest-get-tag", 1)[1].splitlines()[:2])
    assert row == ["5,500", "1,000", "2,000", "3,000", "4,000", "5,000*"]
    assert below == ["requests/s,", "c=32", "±3%", "±3%", "2.00×", "±3%", "3.00×", "±3%", "4.00×", "±3%", "5.00×"]
    assert "ggcr: 5.00× to 5.00×, median 5.00×" in text
    assert text.rstrip().endswith("140 figures, every answer checked was right")


def test_less_is_better_for_times() -> None:
    run = five()
    [p99] = [one for one in SCENARIOS if one.name == "blob-get-233B-p99"]
    assert figures.median(run.of(p99.name, "ggcr")) == "200"
    assert figures.ratio(run, p99, "ggcr") == "5.00×"
    [change] = [one for one in compare.compare(five(), five(2)).servers["ggcr"] if one.scenario is p99]
    assert change.ratio == 1


@pytest.mark.parametrize("render", [printed, markdown.render, html.render], ids=["terminal", "markdown", "html"])
def test_an_invalid_row_and_one_left_out_are_explained(render: Callable[[Run], str]) -> None:
    said = render(WRONG)
    assert "invalid" in said
    assert "5 of 9 bytes" in said
    assert "not offered: 404" in render(LACKING)
    assert "1 round of" in render(replace(WRONG, rounds=1))
    assert figures.exit_status(WRONG) == 1
    assert figures.exit_status(LACKING) == 0


@pytest.mark.parametrize("render", [printed, markdown.render, html.render], ids=["terminal", "markdown", "html"])
def test_a_busy_machine_and_syncs_are_told(render: Callable[[Run], str]) -> None:
    run = five()
    assert "was busy" not in render(run)
    assert "was busy" in render(replace(run, machine=MACHINE._replace(load=2.1)))
    counted = tuple(server._replace(syncs={"push-100KB": 2.5}) for server in run.servers)
    assert "2.5 syncs" in render(replace(run, servers=counted))


@pytest.mark.parametrize("render", [printed, markdown.render, html.render], ids=["terminal", "markdown", "html"])
def test_a_single_server_by_its_url_has_neither_ratios_nor_cpu(render: Callable[[Run], str]) -> None:
    alone = Measured("tags-list", "localhost:5000", (Sample(1234.5, 1.0, 1234, 9999),))
    server = Server("localhost:5000", "http://localhost:5000")
    run = replace(five(), servers=(server,), measured=(alone,), reference=server.name, rounds=1)
    run = replace(run, scenarios=(NAMES["tags-list"],), ceilings={})
    said = render(run)
    assert "1,234" in said
    assert "×" not in said
    assert "±" not in said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (1.5, "1.50"),
        (9.996, "10.0"),
        (99.96, "100"),
        (999.6, "1,000"),
        (12345.6, "12,346"),
        (1e-20, "1e-20"),
        (2e20, "2e+20"),
    ],
)
def test_numbers_have_three_digits_that_count(value: float, said: str) -> None:
    assert figures.number(value) == said


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("distribution github.com/distribution/distribution/v3 v3.1.2+unknown", "v3.1.2"),
        ("holdfast 0.1.0", "0.1.0"),
        ("nginx", "nginx"),
        ("", "http://a"),
    ],
)
def test_a_version_is_told_without_the_words_around_it(version: str, said: str) -> None:
    assert figures.version(Server("a", "http://a", version)) == said


def test_cpu_is_judged_by_what_every_server_did() -> None:
    push = Sample(1.0, 1.0, 10, 2_000_000_000, cpu_seconds=3.0)
    tags = Sample(1.0, 1.0, 500, 10, cpu_seconds=2.0)
    wrong = push._replace(wrong="GET /v2/: 500")
    rows = tuple(
        Measured(scenario, server, (one,))
        for server, samples in (("a", (push, push, tags)), ("b", (wrong, push, tags)))
        for scenario, one in zip(("blob-get-3MB", "push-10MB", "tags-list"), samples, strict=True)
    )
    run = replace(five(), servers=(Server("a", ""), Server("b", "")), measured=rows, reference="a")
    assert figures.cost(run, "a") == figures.Cost(None, 1.5, 4.0)


# Before and after


def test_a_comparison_tells_what_changed_and_what_is_noise() -> None:
    text = compared(five(), five(2))
    assert "2.00×" in text
    assert "differ" not in text
    assert compared(five(), five(1.01)).count("~ 1.01×") == 5 * (len(SCENARIOS) - 3)


def test_a_comparison_says_when_the_machines_differ_and_what_one_run_lacks() -> None:
    other = replace(five(), machine=MACHINE._replace(cores=8), servers=five().servers[1:], reference="distribution")
    other = replace(other, measured=tuple(row for row in other.measured if row.server != FIVE[0]))
    comparison = compare.compare(five(), replace(other, scenarios=other.scenarios[2:]))
    assert any("machines differ (cores: 2 before, 8 now)" in warning for warning in comparison.warnings)
    assert f"server {FIVE[0]}: only before" in comparison.missing
    assert f"scenario {SCENARIOS[0].name}: only before" in comparison.missing
    assert not any(change.new_to_reference for change in comparison.servers["ggcr"])
    assert "machines differ" in compare.render_markdown(comparison)


def test_a_scenario_measured_differently_is_not_compared() -> None:
    run = five()
    changed = (SCENARIOS[0]._replace(connections=1), *SCENARIOS[1:])
    comparison = compare.compare(run, replace(run, scenarios=changed))
    assert any(one.startswith(f"scenario {SCENARIOS[0].name}: measured differently") for one in comparison.missing)
    assert SCENARIOS[0].name not in [change.scenario.name for change in comparison.servers["ggcr"]]


# JSON


def test_the_schema_is_one_and_refuses_what_is_none() -> None:
    jsonschema_rs.meta.validate(json_report.schema())
    assert json_report.schema()["$id"] == json_report.SCHEMA
    document = json.loads(json_report.render(five()))
    del document["measured"][0]["samples"][0]["value"]
    with pytest.raises(jsonschema_rs.ValidationError):
        SCHEMA.validate(document)


TEXT = json_report.render(five())


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        TEXT.replace("run:1", "run:2"),
        '{"schema": "urn:holdfast:bench:run:1"}',
        TEXT.replace('"MB/s"', '"GB/s"'),
        TEXT.replace('"rounds": 3', '"rounds": true'),
        TEXT.replace('"rounds": 3', '"rounds": 1e999'),
        TEXT.replace('"load": 0.5', '"load": NaN'),
        TEXT.replace('"cores": 2', '"cores": -2'),
        TEXT.replace('"reference": "holdfast-1"', '"reference": "somebody"'),
        TEXT.replace('"server": "ggcr"', '"server": "distribution"'),
        TEXT.replace('"scenario": "mixed"', '"scenario": "nothing"'),
        TEXT.replace('"syncs": null', '"syncs": []'),
        TEXT.replace('"title": "', '"title": 5, "x": "'),
    ],
    ids=range(16),
)
def test_what_is_no_report_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(json_report.ReportInvalid, match=r"other\.json"):
        json_report.load(path)


# Progress


def told(*, is_terminal: bool) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=is_terminal, color_system=None)
    ticks = iter(range(0, 1000, 10))
    scenario = NAMES["push-4KB"]
    with Live(console, 4, 1, clock=lambda: next(ticks)) as live:
        live.note(f"building the client {EVIL}")
        live.starting(1, "ggcr")
        for one, reason in ((sample(5), ""), (None, f"not offered {EVIL}"), (sample(5, wrong="500"), "")):
            live.measuring(1, scenario, "ggcr")
            live.measured(1, scenario, "ggcr", one, reason)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_progress_is_a_line_for_each_sample_where_there_is_no_terminal() -> None:
    text = told(is_terminal=False)
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    rows = text.splitlines()
    assert [row.split()[:2] for row in rows[1:]] == [["round", "1/1"]] * 3
    assert rows[1].endswith("5.00 pushes/s")
    assert "not offered" in rows[2]
    assert rows[3].endswith("wrong: 500")


def test_progress_on_a_terminal_tells_of_what_is_wrong() -> None:
    text = told(is_terminal=True)
    assert "wrong: 500" in text
    assert "pushes/s" not in text
    assert "\x1b[2J" not in text
