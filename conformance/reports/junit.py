"""A run as JUnit XML, as build servers read it: one test suite for each category."""

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from conformance.model import Category, Result, Run
from conformance.reports import explain, summary
from conformance.reports.redact import redacted
from conformance.reports.text import line, visible


def render(run: Run) -> str:
    """The document. A warning is a skipped test with its explanation, so that it is seen and fails no build, unless the
    run is strict. A run that could not start is one test with an error."""
    run = redacted(run)
    root = ET.Element("testsuites", name=run.subject.title)
    for category in Category:
        results = [result for result in run.results if result.case.category is category]
        if results:
            _suite(root, run, category.value, results)
    if run.trouble or run.idle:
        suite = _element(root, "testsuite", name="conformance", tests="1", failures="0", errors="1", skipped="0")
        suite.set("time", f"{run.seconds:.3f}")
        case = _element(suite, "testcase", classname="conformance", name="run", time=f"{run.seconds:.3f}")
        _element(case, "error", summary.headline(run), type="broken", message=line(summary.headline(run)))
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    root.set("time", f"{run.seconds:.3f}")
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, run: Run, name: str, results: list[Result]) -> None:
    suite = _element(root, "testsuite", name=f"conformance.{name}")
    properties = _element(suite, "properties")
    for key, value in (
        ("subject", run.subject.value),
        ("target", run.target),
        ("level", run.level.value),
        ("strict", str(run.strict).lower()),
        ("seed", str(run.seed)),
    ):
        _element(properties, "property", name=key, value=line(value))
    tags = [_case(suite, run, f"conformance.{name}", result) for result in results]
    suite.set("tests", str(len(results)))
    suite.set("failures", str(tags.count("failure")))
    suite.set("errors", str(tags.count("error")))
    suite.set("skipped", str(tags.count("skipped")))
    suite.set("time", f"{sum(result.seconds for result in results):.3f}")
    suite.set("timestamp", _timestamp(run))


def _case(suite: ET.Element, run: Run, suite_name: str, result: Result) -> str:
    """Adds the test case; the name of the element that says how it ended, empty if it passed."""
    verdict = summary.verdict(result)
    case = _element(suite, "testcase", classname=suite_name, name=line(result.case.id), time=f"{result.seconds:.3f}")
    if verdict == "passed":
        return ""
    tag = {"failed": "failure", "broken": "error", "warning": "failure" if run.strict else "skipped"}.get(
        verdict, "skipped"
    )
    text = explain.text(result) if verdict in ("failed", "warning", "broken") else ""
    message = explain.brief(result)
    _element(case, tag, text, type=verdict, message=line(f"warning: {message}" if verdict == "warning" else message))
    return tag


def _element(parent: ET.Element, tag: str, text: str = "", **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    element.text = visible(text) or None
    return element


def _timestamp(run: Run) -> str:
    """In UTC and without a zone: the common schema of JUnit reports allows none."""
    try:
        return datetime.fromtimestamp(run.started, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return "1970-01-01T00:00:00"
