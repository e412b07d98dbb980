"""Reports of made-up runs say what happened, and stay whole whatever a registry answers."""

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema_rs
import pytest
from hypothesis import given
from rich.console import Console

from conformance.model import Outcome, Run, Subject
from conformance.reports import badge, compare, json_report, junit
from conformance.reports import html as page
from conformance.reports.redact import redacted
from conformance.requirements import find
from tests.conformance.made_up import (
    BROKEN,
    DISABLED,
    EVIL,
    FAILED,
    MIXED,
    PASSED,
    REPORTS,
    SKIPPED,
    TARGET,
    WARNING,
    Page,
    anything,
    exchange,
    live,
    printed,
    run_of,
    runs,
)

SCHEMA = jsonschema_rs.Draft202012Validator(json_report.schema())


@cache
def known_pages() -> Page:
    return Page(page.render(MIXED) + compare.html(compare.compare([MIXED])))


def assert_harmless(text: str) -> None:
    """A page whose elements are ours, whatever was put into it."""
    found = Page(text)
    ours = known_pages()
    assert {tag for tag, _ in found.elements} <= {tag for tag, _ in ours.elements}
    assert [tag for tag, _ in found.elements].count("script") == 1
    assert found.scripts[0] in ours.scripts
    names = {name for _, attributes in found.elements for name in attributes}
    assert not {name for name in names if name.startswith("on") or name in ("href", "src", "srcset", "style", "action")}
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text)


@anything
@given(runs)
def test_pages_are_harmless_whatever_was_answered(run: Run) -> None:
    assert_harmless(page.render(run))
    assert_harmless(compare.html(compare.compare([run, MIXED], [EVIL, "b"])))


@anything
@given(runs)
def test_a_terminal_is_never_steered(run: Run) -> None:
    for text in (printed(run), live(run)):
        assert all(letter.isprintable() or letter in "\n\t" for letter in text)


@anything
@given(runs)
def test_junit_is_xml_whose_counts_are_right(run: Run) -> None:
    text = junit.render(run)
    text.encode()
    root = ET.fromstring(text)
    cases = root.findall("testsuite/testcase")
    assert int(root.attrib["tests"]) == len(cases)
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(root.attrib[attribute]) == len(root.findall(f"testsuite/testcase/{tag}"))
    assert all(len(one) <= 1 for one in cases)


@anything
@given(runs)
def test_json_follows_its_schema_and_reads_back(tmp_path_factory: pytest.TempPathFactory, run: Run) -> None:
    text = json_report.render(run)
    assert text.isascii()
    SCHEMA.validate(json.loads(text))
    path = tmp_path_factory.mktemp("report") / "run.json"
    path.write_text(text)
    read = json_report.load(path)
    assert comparable(read) == comparable(redacted(run))
    assert json_report.render(read) == text


@anything
@given(runs)
def test_redacting_twice_changes_nothing_more(run: Run) -> None:
    once = redacted(run)
    assert comparable(redacted(comparable(once))) == comparable(once)


@anything
@given(runs)
def test_markdown_keeps_its_columns(run: Run) -> None:
    for row in compare.markdown(compare.compare([run, MIXED], [EVIL, "b"])).split("\n"):
        assert row == "" or row.startswith("### ") or len(re.findall(r"(?<!\\)\|", row)) == 4


def comparable(run: Run) -> Run:
    """To the microsecond."""
    return Run(
        *(run.target, run.level, run.strict, run.seed, run.started),
        trouble=run.trouble,
        subject=run.subject,
        seconds=round(run.seconds, 6),
        results=tuple(
            replace(
                result,
                seconds=round(result.seconds, 6),
                exchanges=tuple(replace(one, seconds=round(one.seconds, 6)) for one in result.exchanges),
            )
            for result in run.results
        ),
    )


def test_the_schema_is_one_and_refuses_what_is_none() -> None:
    jsonschema_rs.meta.validate(json_report.schema())
    assert json_report.schema()["$id"] == json_report.SCHEMA
    document = json.loads(json_report.render(MIXED))
    del document["results"][1]["finding"]["got"]
    with pytest.raises(jsonschema_rs.ValidationError):
        SCHEMA.validate(document)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"[" * 100_000,
        json_report.render(MIXED).replace("report:1", "report:2").encode(),
        b'{"schema": "urn:holdfast:conformance:report:1"}',
        json_report.render(MIXED).replace('"1.1"', '"9.9"').encode(),
        json_report.render(MIXED).replace('"title": "', '"title": 5, "x": "').encode(),
        json_report.render(MIXED).replace('"seed": 7', '"seed": 1e999').encode(),
        json_report.render(MIXED).replace('"utf-8"', '"base64"').encode(),
    ],
    ids=range(11),
)
def test_what_is_no_report_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(json_report.ReportInvalid, match=r"other\.json"):
        json_report.load(path)


def test_the_terminal_explains_a_failure_and_tells_warnings_apart() -> None:
    text = printed(MIXED, width=200)
    requirement = find("R-075")
    for said in (
        "FAIL 1 of 1: uploads/gap",
        "Warn 1 of 1: uploads/hint",
        "Broken 1 of 1: blobs/reset",
        f"R-075 {requirement.duty.value}, since {requirement.since.value} ({requirement.section})",
        requirement.text,
        "Expected: status 416",
        "Got:      status 400",
        f"> PATCH {TARGET}/v2/a/blobs/uploads/1",
        "> Content-Range: 5-9",
        "> hello",
        "< 400 in 250.0 ms",
        '< {"errors":[]}',
        "--data-raw hello",
        "Reason: connection lost",
        "deleting is not offered\n",
        "Level 1.1: 1 failed, 1 broken, 1 warning, 1 passed, 1 skipped, 1 disabled",
    ):
        assert said in text, said
    assert re.search(r"Blob chunked +FAIL +1 +1 +1 +1 ", text)
    assert re.search(r"Image +FAIL", text)
    assert re.search(r"push +FAIL", text)
    assert re.search(r"docker +Disabled", text)
    assert text.index("Warn 1") < text.index("FAIL 1")


def test_a_command_comes_out_whole_on_a_narrow_terminal() -> None:
    url = f"{TARGET}/v2/{'a' * 200}"
    assert f"\n  {url}\n" in printed(run_of(replace(FAILED, exchanges=(exchange(url=url),))), width=60)


def test_the_bar_shows_a_strangers_words_harmlessly() -> None:
    hostile = replace(FAILED, case=replace(FAILED.case, id=EVIL), finding=None, reason=EVIL)
    bar = live(run_of(hostile), is_terminal=True)
    assert "\x1b]0;" not in bar
    assert r"\x1b]0;owned\x07[bold red]" in bar


def test_progress_is_a_line_for_each_result_or_a_bar() -> None:
    lines = live(MIXED).splitlines()
    assert [row.split()[0] for row in lines] == ["passed", "failed", "warning", "skipped", "disabled", "broken", "6"]
    assert "uploads/gap: R-075: expected status 416, got status 400" in lines[1]
    bar = live(MIXED, is_terminal=True)
    assert "✓ 1" in bar
    assert "blobs/get" not in [row for row in bar.splitlines() if row.startswith("passed")]
    assert bar.rindex("\x1b[?25h") > bar.rindex("\x1b[?25l")


@pytest.mark.parametrize("strict", [False, True])
def test_junit_has_elements_that_viewers_know(strict: bool) -> None:
    root = ET.fromstring(junit.render(replace(MIXED, strict=strict)))
    found = {one.attrib["name"]: [child.tag for child in one] for one in root.iter("testcase")}
    assert found == {
        "blobs/get": [],
        "uploads/gap": ["failure"],
        "uploads/hint": ["failure" if strict else "skipped"],
        "tags/delete": ["skipped"],
        "docker/catalog": ["skipped"],
        "blobs/reset": ["error"],
    }
    failure = root.find(".//failure")
    assert failure is not None
    assert failure.attrib["message"] == "R-075: expected status 416, got status 400"
    assert find("R-075").text in (failure.text or "")
    assert [suite.attrib["name"] for suite in root] == ["conformance.pull", "conformance.push", "conformance.docker"]


def test_a_run_that_could_not_start_is_an_error_everywhere() -> None:
    run = run_of(trouble="connection refused")
    assert ET.fromstring(junit.render(run)).attrib["errors"] == "1"
    for report in ("html", "junit", "terminal"):
        assert "could not run: connection refused" in REPORTS[report](run)
    assert "could not run" in badge.render(run)
    assert json.loads(json_report.render(run))["exitStatus"] == 2


def test_the_page_holds_everything_and_needs_nothing() -> None:
    text = page.render(MIXED)
    found = Page(text)
    assert len(found.having("details", "case")) == len(MIXED.results)
    assert len(found.having("details", "exchange")) == 2
    assert [one["data-verdict"] for tag, one in found.elements if tag == "section"] == [
        "failed",
        "broken",
        "warning",
        "passed",
        "skipped",
        "disabled",
    ]
    assert {one["data-category"] for one in found.having("details", "case")} == {"pull", "push", "docker"}
    assert not any("hidden" in one for one in found.having("details", "case"))
    assert find("R-075").text in text
    assert "http" not in re.sub(rf"{re.escape(TARGET)}|http-equiv", "", text)


def test_the_page_allows_its_own_script_and_style_only() -> None:
    text = page.render(MIXED)
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        part = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(part[0].encode()).digest()).decode()
        policy = next(one["content"] or "" for _, one in Page(text).elements if "http-equiv" in one)
        assert len(part) == 1
        assert f"{directive} 'sha256-{digest}'" in policy


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (run_of(PASSED), "1.1 passed"),
        (run_of(PASSED, WARNING), "1.1 passed"),
        (run_of(PASSED, WARNING, strict=True), "1 failed"),
        (run_of(PASSED, FAILED, FAILED, BROKEN), "2 failed"),
        (run_of(PASSED, BROKEN), "1 not judged"),
        (run_of(), "nothing was run"),
        (run_of(DISABLED), "nothing was run"),
        (run_of(DISABLED, SKIPPED), "1.1 passed"),
        (run_of(PASSED, trouble="lost"), "could not run"),
    ],
)
def test_the_badge_says(run: Run, said: str) -> None:
    root = ET.fromstring(badge.render(run))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["OCI conformance", said]


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (run_of(), "no case was selected"),
        (run_of(DISABLED, DISABLED), "every case is disabled: switched off"),
    ],
)
def test_a_run_of_nothing_passes_nowhere(run: Run, why: str) -> None:
    assert run.exit_status == 2
    for report in ("html", "junit", "terminal"):
        assert f"nothing was run: {why}" in REPORTS[report](run)
    assert "passed" not in badge.render(run)
    assert ET.fromstring(junit.render(run)).attrib["errors"] == "1"
    assert json.loads(json_report.render(run))["exitStatus"] == 2


def test_a_driver_is_called_a_driver_everywhere(tmp_path: Path) -> None:
    run = run_of(PASSED, target="file:///store", subject=Subject.DRIVER)
    texts = {name: render(run) for name, render in REPORTS.items() if name != "live"}
    assert [name for name, text in texts.items() if "OCI conformance" in text] == []
    for name in ("html", "junit", "badge", "terminal", "compare as html"):
        assert "Storage driver" in texts[name], name
    assert printed(run).splitlines()[-1] == "Storage driver: 1 passed"
    assert "seed" not in texts["terminal"] + texts["html"]
    assert ">passed</text>" in texts["badge"]
    assert ET.fromstring(texts["junit"]).attrib["name"] == "Storage driver"
    document = json.loads(texts["json"])
    SCHEMA.validate(document)
    assert document["subject"] == "storage driver"
    path = tmp_path / "run.json"
    path.write_text(texts["json"])
    assert json_report.load(path).subject is Subject.DRIVER


def test_a_report_that_is_older_than_its_subject_is_of_a_registry(tmp_path: Path) -> None:
    document = json.loads(json_report.render(MIXED))
    del document["subject"]
    SCHEMA.validate(document)
    path = tmp_path / "old.json"
    path.write_text(json.dumps(document))
    assert json_report.load(path).subject is Subject.REGISTRY


def test_runs_stand_side_by_side() -> None:
    healed = replace(FAILED, outcome=Outcome.PASSED, finding=None)
    found = compare.compare([MIXED, run_of(healed, PASSED, target="http://b")], ["first", "second"])
    assert [api for api, _ in found.groups] == ["Blob get", "Blob chunked", "Other"]
    rows = {row.case.id: [cell.verdict for cell in row.cells] for _, rows in found.groups for row in rows}
    assert rows["uploads/gap"] == ["failed", "passed"]
    assert rows["blobs/get"] == ["passed", "passed"]
    assert rows["blobs/reset"] == ["broken", ""]
    assert [column.counts["passed"] for column in found.columns] == [1, 2]

    text = compare.markdown(found)
    assert "| `uploads/gap` | ❌ fail | ✅ pass |" in text
    assert "| passed | 1 | 2 |" in text
    assert "### Blob chunked" in text

    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(compare.terminal(found))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert re.search(r"uploads/gap +FAIL +Pass", shown)
    assert re.search(r"first +second", shown)

    differing = {one["data-text"]: one["data-differs"] for one in Page(compare.html(found)).having("tr", "case")}
    assert [answer for text, answer in differing.items() if text and "blobs/get" in text] == ["no"]
    assert [answer for text, answer in differing.items() if text and "uploads/gap" in text] == ["yes"]
