"""Every statement of the program finds its rows by a key: none reads a table through, none sorts."""

import re
from collections.abc import Iterator

import pytest

from tests.scale import plans
from tests.scale.plans import Databases, nameless, statements

KEYED = re.compile(
    r"SEARCH \w+ USING (INTEGER PRIMARY KEY|PRIMARY KEY|(COVERING )?INDEX \w+) \(.+\)( LEFT-JOIN)?"
    # Its own steps stand below it.
    r"|(CORRELATED )?SCALAR SUBQUERY \d+"
    # No table: the one row that a statement without FROM gives.
    r"|SCAN CONSTANT ROW"
)


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    with plans.databases(tmp_path_factory.mktemp("plans")) as found:
        yield found


@pytest.mark.parametrize("name", statements())
def test_rows_are_found_by_key(name: str, databases: Databases) -> None:
    plan = databases.plan(statements()[name])
    assert [step for step in plan if not KEYED.fullmatch(step)] == [], plan


def test_there_are_statements_to_look_at() -> None:
    found = statements()
    assert len(found) > 50
    assert {"blobs.FIND_WITH_CONTENT", "blobs.INSERT_CONTENT", "rows.SAVE_AND_RELEASE"} <= set(found)


def test_every_statement_has_a_name() -> None:
    assert nameless() == []
