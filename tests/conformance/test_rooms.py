"""The rooms of `conformance/`: what each may know of the others, and of the registry. Kept by walking every import."""

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "conformance"

ALLOWED: dict[str, set[str]] = {
    "model": set(),
    "requirements": {"model"},
    "official": {"model"},
    "client": {"model"},
    "settings": {"model", "official", "client"},
    "case": {"model", "requirements", "client"},
    "cases": {"model", "client", "case"},
    "runner": {"model", "client", "case"},
    "reports": {"model", "requirements"},
    "drivers": {"model", "settings"},
    "pytest_plugin": {"model", "client", "settings", "case", "cases", "runner", "reports"},
    "cli": {"model", "requirements", "settings", "cases", "runner", "reports", "drivers"},
    "bench": {"settings", "reports", "cli"},
    "lab": {"model", "requirements", "official", "client", "case", "cases", "runner", "reports", "drivers", "bench"},
    "__main__": {"cli"},
}
"""By folder or module of the top floor, lowest first. Nobody knows `lab`: it is in no wheel."""

REGISTRY: dict[str, str] = {
    "drivers": "registry.storage",
    "lab": "registry",
}
"""Who may know the registry, and what of it: all others know a URL and nothing else."""


@cache
def modules() -> list[str]:
    paths = [path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py")]
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in paths if path.parts[0] != "__init__")


@cache
def imports(module: str) -> set[str]:
    """What it imports, at its top or later, for its types too; whole names: `conformance.model.Case`, `os.path`."""
    path = PACKAGE.joinpath(*module.split("."))
    source = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            assert node.module is not None
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(module: str) -> set[str]:
    """What it imports of the kit, without `conformance.`."""
    found = {name.removeprefix("conformance.") for name in imports(module) if name.startswith("conformance.")}
    return found - {"__version__"}


def room(name: str) -> str:
    return name.split(".")[0]


def test_every_room_is_in_the_list() -> None:
    assert {room(module) for module in modules()} == set(ALLOWED)


def test_rooms_know_each_other_in_one_direction() -> None:
    TopologicalSorter(ALLOWED).prepare()


@pytest.mark.parametrize("name", ALLOWED)
def test_a_room_imports_what_it_may_and_all_of_it(name: str) -> None:
    known = {module: {room(imported) for imported in ours(module)} - {name} for module in modules()}
    known = {module: rooms for module, rooms in known.items() if room(module) == name}
    assert {module: rooms - ALLOWED[name] for module, rooms in known.items() if rooms - ALLOWED[name]} == {}
    assert ALLOWED[name] - {imported for rooms in known.values() for imported in rooms} == set()


def test_no_module_needs_itself() -> None:
    """No circle of imports, within rooms neither."""
    known = set(modules())

    def module_of(name: str) -> str:
        return max((module for module in known if f"{name}.".startswith(f"{module}.")), key=len)

    TopologicalSorter({module: {module_of(name) for name in ours(module)} - {module} for module in known}).prepare()


def test_the_registry_is_known_to_those_who_need_it() -> None:
    strange = {
        module: imported
        for module in modules()
        for imported in imports(module)
        if room(imported) == "registry" and not f"{imported}.".startswith(f"{REGISTRY.get(room(module), 'nothing')}.")
    }
    assert strange == {}
