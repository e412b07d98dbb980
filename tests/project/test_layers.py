"""Who may import whom: the layers of the architecture, lowest first, kept by walking every import."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "registry"

# A module may import from lower rows, and from its own row where they are one package.
LAYERS = [
    [
        "http.cache",
        "http.clients",
        "errors",
        "system",
        "settings",
        "database",
        "http",
        "settings.units",
        "settings.file",
    ],
    [
        "names",
        "settings.fields",
        "preconditions",
        "database.reserve",
        "log",
        "http.room",
        "server.chunked",
        "server.head",
    ],
    ["hashing", "http.ranges", "http.proxies", "http.responses", "models", "storage.driver"],
    ["http.cors", "database.contract", "http.tap", "storage", "database.connection"],
    ["http.body", "server.cycle", "database.checkpoint"],
    ["database.sqlite"],
    ["database.migrations"],
    ["services"],
    ["app"],
    ["http.context"],
    ["api"],
    ["routes", "http.matcher"],
    ["asgi", "openapi"],
    ["server.patience"],
    ["server.protocol"],
    ["server.listener"],
    ["server.worker"],
    ["server.supervisor"],
    ["server"],
    ["cli"],
]

FORBIDDEN = {
    "services": ["starlette", "uvicorn", "httpx"],
    "storage": ["sqlalchemy", "sqlmodel", "sqlite3", "registry.models", "registry.database.contract", "starlette"],
    "api": ["sqlalchemy", "sqlmodel", "sqlite3", "registry.models", "registry.database.contract", "registry.storage"],
    "database": ["registry.storage"],
    "sqlite": ["registry.storage"],
    "models": ["registry.storage"],
}


def modules() -> list[str]:
    paths = [path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py")]
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in paths if path.parts[0] != "__init__")


def imports(module: str) -> set[str]:
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


def layer(module: str) -> int:
    """The row of the longest name that the module begins with."""
    best, row = "", -1
    for number, names in enumerate(LAYERS):
        for name in names:
            if (module == name or module.startswith(name + ".")) and len(name) > len(best):
                best, row = name, number
    assert row >= 0, f"{module} is in no layer"
    return row


@pytest.mark.parametrize("module", [name for name in modules() if name != "__main__"])
def test_imports_point_downwards(module: str) -> None:
    own = layer(module)
    for imported in sorted(imports(module)):
        if not imported.startswith("registry."):
            continue
        target = imported.removeprefix("registry.")
        if target == "__version__":
            continue
        same_package = target.split(".")[0] == module.split(".")[0]
        assert layer(target) < own or (layer(target) == own and same_package), f"{module} imports {imported}"


@pytest.mark.parametrize("layer_name", FORBIDDEN)
def test_a_layer_does_not_see_what_is_not_its_own(layer_name: str) -> None:
    for module in modules():
        if module == layer_name or module.startswith(layer_name + "."):
            for imported in imports(module):
                for forbidden in FORBIDDEN[layer_name]:
                    if imported == forbidden or imported.startswith(forbidden + "."):
                        pytest.fail(f"{module} imports {imported}")


def test_a_further_api_could_be_deleted() -> None:
    """Nobody but the table of routes knows a module of `api`, but for the helpers that modules of `api` share."""
    for module in modules():
        if not module.startswith("api") and module != "routes":
            assert not [name for name in imports(module) if name.startswith("registry.api")], module
