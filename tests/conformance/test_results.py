"""The verdicts that the kit's README shows are those that were found, and each has its page."""

import re
from itertools import takewhile
from pathlib import Path

KIT = Path(__file__).parents[2] / "conformance"
RESULTS = KIT / "lab" / "results"
SURVEY = (RESULTS / "README.md").read_text()


def rows(text: str) -> list[str]:
    """The lines of the first table that names all registries."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| | [holdfast]"))
    return list(takewhile(lambda line: line.startswith("|"), lines[start:]))


def test_the_summary_in_the_readme_is_the_generated_one() -> None:
    readme = (KIT / "README.md").read_text().replace("](lab/results/", "](")
    assert rows(readme) == rows(SURVEY)


def test_every_registry_has_a_page_that_explains_each_failure() -> None:
    names = re.findall(r"\[([a-z-]+)\]\(\1\.md\)", SURVEY)
    assert names == ["holdfast", "distribution", "docker-registry", "ggcr"]
    counts = next(row for row in rows(SURVEY) if row.startswith("| failed |")).split("|")[2:-1]
    for name, count in zip(names, counts, strict=True):
        page = (RESULTS / f"{name}.md").read_text()
        failures = page.partition("## Failures")[2].partition("\n## ")[0]
        assert failures.count("\n- `") == int(count), name


def test_this_registry_fails_nothing() -> None:
    assert "failed" not in (RESULTS / "holdfast.md").read_text().splitlines()[2]
