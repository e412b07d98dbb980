"""The OpenAPI document: valid, complete, and the file in `spec/` is the current one."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openapi_spec_validator
import pytest
import yaml

from registry import errors
from registry.api.oci.openapi import OPERATIONS
from registry.api.oci.openapi.components import CODES
from registry.errors import RegistryError
from registry.names import parse_name, parse_reference
from registry.openapi import document, entry
from registry.routes import APIS, ROUTES
from tests.server import running

FILE = Path(__file__).parents[1] / "spec" / "openapi.yaml"
METHODS = {"get", "head", "put", "post", "patch", "delete"}


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    paths = document(APIS)["paths"]
    return {
        (method.upper(), path): told
        for path, item in paths.items()
        for method, told in item.items()
        if method in METHODS
    }


def test_the_file_is_current() -> None:
    written = yaml.safe_load(FILE.read_text())
    assert written == document(APIS), "run: registry openapi > spec/openapi.yaml"
    assert FILE.read_text() == yaml.safe_dump(document(APIS), sort_keys=False, allow_unicode=True)


def test_it_is_a_valid_document() -> None:
    openapi_spec_validator.validate(document(APIS))


def test_every_route_is_described_and_nothing_else() -> None:
    assert set(operations()) == {(row.method, row.path.replace(":path}", "}")) for row in ROUTES}
    assert {entry(row) for row in ROUTES} == set(OPERATIONS.of)


def test_a_server_starts_and_answers_without_it(tmp_path: Path) -> None:
    """It is text for others: no start should wait for it."""
    with running(tmp_path, "--workers", "1", environ={"PYTHONPROFILEIMPORTTIME": "1"}) as server:
        httpx.get(server.url + "/v2/").raise_for_status()
    lines = [line for line in server.output.splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip() for line in lines}
    assert {"registry.routes", "registry.api.oci.manifests"} <= imported
    assert {name for name in imported if "openapi" in name} <= {"registry.cli.openapi"}
    assert "registry.http.operations" not in imported


def test_operations_have_ids_of_their_own() -> None:
    ids = [told["operationId"] for told in operations().values()]
    assert len(set(ids)) == len(ids) == len(ROUTES)


def test_head_is_get_without_a_body() -> None:
    found = operations()
    for (method, path), told in found.items():
        if method == "HEAD":
            assert not [status for status, answer in told["responses"].items() if "content" in answer]
            assert set(told["responses"]) <= set(found["GET", path]["responses"])


@pytest.mark.spec("CONNECTION-16")
def test_conditions_may_be_sent_with_every_request() -> None:
    for (method, path), told in operations().items():
        sent = {parameter["$ref"].rpartition("/")[2] for parameter in told["parameters"] if "$ref" in parameter}
        assert {"If-Match", "If-None-Match"} <= sent, (method, path)
        assert "412" in told["responses"], (method, path)
        assert ("304" in told["responses"]) == (method in ("GET", "HEAD")), (method, path)


def test_every_error_has_a_code_of_the_list() -> None:
    raised = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RegistryError)]
    assert len(raised) > 20
    assert {kind.code for kind in raised} <= set(CODES)
    assert all(kind.status >= 500 for kind in raised if kind.code == "UNKNOWN")
    assert len(CODES) == len(set(CODES)) == 15
    schemas = document(APIS)["components"]["schemas"]
    assert schemas["Error"]["properties"]["code"]["enum"] == CODES


def pattern(schema: str) -> re.Pattern[str]:
    return re.compile(document(APIS)["components"]["schemas"][schema]["pattern"])


@pytest.mark.parametrize("text", ["a", "a/b", "a__b/c-d.e", "a---b", "", "A", "a/", "/a", "a..b", "a/../b", "-a"])
def test_names_have_the_pattern_of_the_parser(text: str) -> None:
    assert bool(pattern("Name").search(text)) == accepted(parse_name, text)


@pytest.mark.parametrize(
    "text", ["v1", "a" * 128, "a" * 129, "", ".a", "sha256:" + "0" * 64, "a+b:c", "a:", ":b", "a b"]
)
def test_references_have_the_pattern_of_the_parser(text: str) -> None:
    assert bool(pattern("Tag").search(text) or pattern("Digest").search(text)) == accepted(parse_reference, text)


def accepted(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except RegistryError:
        return False
    return True
