"""Pages lead somewhere: relative links, anchors, and the paths of the repository that stand in backticks."""

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]

NOT_OURS = {"build", "dist", "registry-data"}

# `[text](target)` and `[text]: target`. No page of ours has a title or a blank in a target.
LINK = re.compile(r"\]\(\s*([^)\s]+)\s*\)|^\[[^\]]+\]:\s+(\S+)", re.M)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.I)
FENCED = re.compile(r"^(?P<fence>```+|~~~+).*?^(?P=fence)\s*$", re.M | re.S)
IN_BACKTICKS = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?:registry|spec|tests|conformance)/[A-Za-z0-9_./-]*(?:::\w+)?")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.M)
ANCHOR = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")
CITED = re.compile(r"\b((?:spec|tests|conformance)/[A-Za-z0-9_./-]+\.md)(?:#([\w-]+))?")

BENCHMARK = ROOT / "benchmark.md"
"""What `.ci/run` leaves, and git ignores."""


def files(*suffixes: str) -> Iterator[Path]:
    """Those of the project, without what was installed, built or stored in its folder."""
    for folder, folders, names in os.walk(ROOT):
        here = Path(folder)
        folders[:] = sorted(
            each
            for each in folders
            if not each.startswith(".") and each not in NOT_OURS and not (here / each / "pyvenv.cfg").exists()
        )
        yield from (here / name for name in sorted(names) if name.endswith(suffixes) and here / name != BENCHMARK)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


PAGES = list(files(".md"))


@cache
def anchors(page: Path) -> set[str]:
    """What headings of a page are called in links, as GitHub makes it of their text."""
    text = FENCED.sub("", page.read_text())
    found = set(ANCHOR.findall(text))
    for heading in HEADING.findall(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 0
        while (slug if number == 0 else f"{slug}-{number}") in found:
            number += 1
        found.add(slug if number == 0 else f"{slug}-{number}")
    return found


def links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Those that do not lead elsewhere: as they are written, the file that is meant, and the anchor in it."""
    prose = IN_BACKTICKS.sub("", FENCED.sub("", page.read_text()))
    for match in LINK.finditer(prose):
        target = match[1] or match[2]
        if not ELSEWHERE.match(target):
            path, _, anchor = target.partition("#")
            yield target, (page.parent / unquote(path)).resolve() if path else page, anchor


def wrong_links(page: Path) -> list[str]:
    """Those that lead nowhere, each with why."""
    wrong = []
    for target, there, anchor in links(page):
        if not there.exists():
            wrong.append(f"{target}: no such file")
        elif not there.is_relative_to(ROOT):
            wrong.append(f"{target}: not in the repository")
        elif anchor and (there.suffix != ".md" or anchor not in anchors(there)):
            wrong.append(f"{target}: no such anchor")
    return wrong


def wrong_paths(page: Path) -> list[str]:
    """Paths of the repository in backticks that there are not."""
    quoted = IN_BACKTICKS.findall(FENCED.sub("", page.read_text()))
    paths = {text.partition("::")[0] for text in quoted if PATH.fullmatch(text)}
    return sorted(path for path in paths if not (ROOT / path).exists())


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    assert wrong_links(page) == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_paths_in_backticks_are_there(page: Path) -> None:
    assert wrong_paths(page) == []


def test_every_page_is_found_from_the_first_one() -> None:
    found: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in found:
            found.add(page)
            ahead += [there for _, there, _ in links(page) if there.suffix == ".md" and there.exists()]
    assert [name(page) for page in PAGES if page not in found] == []


def test_pages_that_code_cites_are_there() -> None:
    wrong = []
    for source in files(".py", ".toml", ".yaml"):
        if source != Path(__file__).resolve():
            for page, anchor in CITED.findall(source.read_text()):
                there = ROOT / page
                if not there.exists() or (anchor and anchor not in anchors(there)):
                    wrong.append(f"{name(source)}: {page}{anchor and '#' + anchor}")
    assert wrong == []


def test_code_cites_rules_by_their_page() -> None:
    """Whoever meets one in a comment finds it: `spec/architecture.md#rule-4`."""
    bare = [name(source) for source in files(".py") if re.search(r"\brules? [0-9]", source.read_text())]
    assert bare == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[a](README.md) [b](./README.md#run-it) [c](#here)\n# Here\n", []),
        ("[a](nothing.md)", ["nothing.md: no such file"]),
        ("[a](README.md#nothing)", ["README.md#nothing: no such anchor"]),
        ("[a](#there)\n# Here\n", ["#there: no such anchor"]),
        ("[a]: nothing.md", ["nothing.md: no such file"]),
        ("`registry/routes.py` `registry/api/` `tests/conftest.py::name` `conformance/a/…`", []),
        ("`registry/nothing.py`", ["registry/nothing.py"]),
        ("`[a](nothing.md)`\n```\n[a](nothing.md) `registry/nothing.py`\n```\n", []),
        ("# The `a` of *b*, c: d\n## The `a` of *b*, c: d\n[x](#the-a-of-b-c-d) [y](#the-a-of-b-c-d-1)", []),
    ],
)
def test_what_leads_nowhere_is_found(
    text: str, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("registry/api", "tests"):
        (tmp_path / folder).mkdir(parents=True)
    for path in ("registry/routes.py", "tests/conftest.py"):
        (tmp_path / path).touch()
    (tmp_path / "README.md").write_text("# Run it\n")
    (tmp_path / "page.md").write_text(text)
    monkeypatch.setattr("tests.project.test_pages.ROOT", tmp_path)
    assert wrong_links(tmp_path / "page.md") + wrong_paths(tmp_path / "page.md") == told
