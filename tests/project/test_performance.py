"""spec/performance.md: its table is the benchmark's output, and knows every scenario."""

from pathlib import Path

from conformance.bench.cli import BEGIN, END
from conformance.bench.reports import json_report, markdown
from conformance.bench.scenarios import SCENARIOS

SPEC = Path(__file__).parents[2] / "spec"


def test_the_table_is_what_the_benchmark_printed() -> None:
    page = (SPEC / "performance.md").read_text()
    run = json_report.load(SPEC / "performance.json")
    assert f"{BEGIN}\n\n{markdown.render(run)}\n{END}\n" in page
    assert {scenario.name for scenario in run.scenarios} == {scenario.name for scenario in SCENARIOS}
