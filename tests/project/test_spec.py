"""The specification and the tests cover each other: every requirement of `spec/` is named by a test."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]

# A requirement is one bullet: `- **BLOB-7** MUST: text`.
REQUIREMENT = re.compile(r"^- \*\*([A-Z]+-[0-9]+)\*\* (MUST|SHOULD|MAY)(?: \((R-[0-9]+(?:, R-[0-9]+)*)\))?: \S", re.M)
LOOKS_LIKE_ONE = re.compile(r"^\s*[-*] \*\*[A-Z]+-[0-9]+\*\*", re.M)


def requirements() -> dict[str, str]:
    found: dict[str, str] = {}
    for page in sorted((ROOT / "spec").glob("*.md")):
        text = page.read_text()
        matches = list(REQUIREMENT.finditer(text))
        assert len(matches) == len(LOOKS_LIKE_ONE.findall(text)), f"{page.name}: a requirement that is not well formed"
        for match in matches:
            assert match[1] not in found, f"{match[1]} stands in {found[match[1]]} and in {page.name}"
            found[match[1]] = page.name
    return found


@cache
def named_by_tests() -> dict[str, list[str]]:
    """Which tests carry `@pytest.mark.spec("ID", …)`, on themselves or on their class."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.spec":
                        for argument in mark.args:
                            found.setdefault(ast.literal_eval(argument), []).append(f"{path.name}:{node.name}")
    return found


def test_every_requirement_is_named_by_a_test() -> None:
    assert sorted(set(requirements()) - set(named_by_tests())) == []


def test_tests_name_only_requirements_that_there_are() -> None:
    unknown = {identity: where for identity, where in named_by_tests().items() if identity not in requirements()}
    assert unknown == {}
