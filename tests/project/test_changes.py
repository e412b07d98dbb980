"""Every transaction that writes is given the `Change`, and takes its times from it (spec/architecture.md#rule-8)."""

import ast
from pathlib import Path

import pytest

import registry

SERVICES = Path(registry.__file__).parent / "services"

NOT_A_TIME = {"fallback.insert_list"}
"""Functions of a transaction that ask the clock for what is no time of the change."""


def functions() -> dict[str, ast.FunctionDef]:
    """Those of `services` that are part of a transaction, by module and name."""
    return {
        f"{path.stem}.{node.name}": node
        for path in SERVICES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.args.args and node.args.args[0].arg == "tx"
    }


def transactions() -> list[str]:
    """What is given to `Database.run`."""
    return [
        f"{path.stem}.{ast.unparse(node.args[0])}"
        for path in SERVICES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "run"
    ]


def test_there_are_transactions_to_look_at() -> None:
    assert {"blobs.unlink", "manifests.put", "promises.renew", "fallback.sweep"} <= set(transactions())


@pytest.mark.parametrize("name", sorted(set(transactions())))
def test_a_transaction_is_given_the_change(name: str) -> None:
    """Those that only read are lookups, which need no transaction."""
    assert [each.arg for each in functions()[name].args.args[:2]] == ["tx", "change"]


def test_a_time_is_that_of_the_change() -> None:
    asking = {
        name
        for name, function in functions().items()
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("clock.now", "Change.own", "change.completed")
    }
    assert asking == NOT_A_TIME
