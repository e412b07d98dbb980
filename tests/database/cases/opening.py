"""What cannot be used is said in one line, by `open`."""

import pytest

from registry.database.contract import Database
from registry.errors import OperatorError
from tests.database.cases.support import Cases


class OpeningCases(Cases):
    async def test_what_is_no_database_is_refused_in_one_line(self, mistakes: list[Database]) -> None:
        assert mistakes
        for database in mistakes:
            with pytest.raises(OperatorError) as refused:
                await database.open()
            assert len(str(refused.value).splitlines()) == 1
