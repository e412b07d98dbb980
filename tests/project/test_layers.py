"""Who may import whom: the rooms of `registry/`, each with what it may know, kept by walking every import."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "registry"

VOCABULARY = {"errors", "names", "hashing", "preconditions", "change"}
"""Values and what is said of them: nothing that waits, nothing that is kept."""

ALLOWED: dict[str, set[str]] = {
    "system": set(),
    "errors": set(),
    "names": {"errors"},
    "hashing": {"names"},
    "preconditions": {"errors"},
    "change": {"system"},
    "models": set(),
    "log": {"system"},
    "settings": {"errors", "storage"},
    "storage": {"errors", "system"},
    "database": {"errors", "models", "settings", "system"},
    "services": {*VOCABULARY, "models", "database", "storage", "system"},
    "background": {"errors", "models", "database", "system"},
    "app": {"settings", "database", "storage", "services", "background"},
    "http": {*VOCABULARY, "log", "settings", "system", "app"},
    "api": {*VOCABULARY, "services", "http"},
    "routes": {"http", "api"},
    "openapi": {"errors", "http"},
    "asgi": {"app", "http", "routes"},
    "server": {"errors", "log", "settings", "system", "database", "app", "http", "asgi"},
    "cli": {"errors", "settings", "database", "openapi", "routes", "server"},
    "__main__": {"cli"},
}
"""By folder or module of the top floor."""

FOREIGN: dict[str, set[str]] = {
    "sqlalchemy": {"models", "database", "services", "background"},
    "sqlmodel": {"models", "database", "services"},
    "sqlite3": {"database"},
    "alembic": {"database"},
    "uvicorn": {"server"},
    "uvloop": {"server"},
    "httptools": {"server"},
    "starlette": {"asgi"},
    "typer": {"cli"},
    "pydantic": {"settings", "cli"},
    "yaml": {"settings", "cli"},
}
"""Libraries, and who alone may know them."""

WITHIN: dict[str, set[str]] = {
    "database.contract": set(),
    "storage.driver": set(),
    "services.registry": {"services.documents.Document"},
}
"""Contracts, which know none of those that keep them: what of their own room they may import."""


ASKED = {"services.registry", "services.documents"}
"""What of the services `api` may know: the verbs and values by which they are asked, and documents. Not who answers."""


def modules() -> list[str]:
    paths = [path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py")]
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in paths if path.parts[0] != "__init__")


def imports(module: str) -> set[str]:
    """What it imports, whole names: `registry.errors.NotFound`, `os.path`."""
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
    """What it imports of the registry, without `registry.`."""
    found = {name.removeprefix("registry.") for name in imports(module) if name.startswith("registry.")}
    return found - {"__version__"}


def test_every_room_is_in_the_list() -> None:
    assert {module.split(".")[0] for module in modules()} == set(ALLOWED)


def test_rooms_know_each_other_in_one_direction() -> None:
    TopologicalSorter(ALLOWED).prepare()


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_what_its_room_may(module: str) -> None:
    room = module.split(".")[0]
    assert {name.split(".")[0] for name in ours(module)} - {room} <= ALLOWED[room]


@pytest.mark.parametrize("module", modules())
def test_a_library_is_known_where_it_belongs(module: str) -> None:
    known = {name.split(".")[0] for name in imports(module)}
    assert [
        library for library, rooms in FOREIGN.items() if library in known and module.split(".")[0] not in rooms
    ] == []


def test_what_is_allowed_is_used() -> None:
    used = {room: {name.split(".")[0] for module in modules() if module.split(".")[0] == room for name in ours(module)}
            for room in ALLOWED}  # fmt: skip
    superfluous = {room: ALLOWED[room] - used[room] - VOCABULARY for room in ALLOWED}
    assert {room: names for room, names in superfluous.items() if names} == {}


@pytest.mark.parametrize("contract", WITHIN)
def test_a_contract_knows_nobody_who_keeps_it(contract: str) -> None:
    room = contract.split(".")[0]
    assert {name for name in ours(contract) if name.split(".")[0] == room} <= WITHIN[contract]


def test_handlers_do_not_know_who_answers() -> None:
    known = {name for module in modules() if module.startswith("api") for name in ours(module)}
    assert {name.rpartition(".")[0] for name in known if name.startswith("services")} == ASKED


def test_no_module_needs_itself() -> None:
    """No circle of imports, within rooms neither."""
    known = set(modules())

    def module_of(name: str) -> str:
        while name not in known:
            name = name.rpartition(".")[0]
        return name

    TopologicalSorter({module: {module_of(name) for name in ours(module)} - {module} for module in known}).prepare()


def test_a_further_api_could_be_deleted() -> None:
    """Nobody but the table of routes knows a module of `api`, but for the helpers that modules of `api` share."""
    for module in modules():
        if not module.startswith("api") and module != "routes":
            assert not [name for name in imports(module) if name.startswith("registry.api")], module
