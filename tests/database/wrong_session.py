"""What `test_suite.py` runs pytest on: for each wrong database those cases of the suite that have to find it.

No module of tests itself: everything in here has to fail."""

from pathlib import Path

import pytest

from registry.database.contract import Database
from tests.database.cases.support import Make
from tests.database.other import Elsewhere
from tests.database.suite import DatabaseSuite
from tests.database.test_sqlite import SQLITE, migrated, wrong_files
from tests.database.wrong import Around, wrong_databases


def cases() -> set[str]:
    """What the suite's cases are called."""
    return {name for name in dir(DatabaseSuite) if name.startswith("test_")}


class Spoiled(DatabaseSuite):
    """The suite on a wrong database."""

    __test__ = False
    kind: type[Around]
    abilities = SQLITE

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = migrated(tmp_path / "data")
        self.kind.spoil(path)
        return path

    @pytest.fixture
    def make(self, path: Path) -> Make:
        return lambda: self.kind(path)

    @pytest.fixture
    def elsewhere(self, path: Path) -> Elsewhere:
        return Elsewhere("tests.database.wrong:make", f"{self.kind.__name__} {path}")

    @pytest.fixture
    def mistakes(self, tmp_path: Path) -> list[Database]:
        return [self.kind(path) for path in wrong_files(tmp_path / "wrong")]


for _name, _kind in wrong_databases().items():
    _others = dict.fromkeys(cases() - _kind.found_by)
    globals()[f"Test{_name}"] = type(f"Test{_name}", (Spoiled,), {"__test__": True, "kind": _kind, **_others})
