"""The kit inside another project's pytest: each case a test, its id the case and the requirements that it judges by.

    from conformance.pytest_plugin import ConformanceSuite

    @pytest.fixture(scope="session")
    def registry_url() -> str:
        return "http://127.0.0.1:5000"

    class TestMyRegistry(ConformanceSuite):
        level = "1.1"

Nothing has to be registered with pytest; `-k R-075` runs what judges by that requirement."""

import secrets
from collections.abc import Iterator
from typing import ClassVar

import pytest

from conformance import runner
from conformance.case import RegistryCase
from conformance.cases import load
from conformance.client.registry import Target
from conformance.client.wire import Wire
from conformance.model import Case, Category, Level, Outcome, Result
from conformance.reports import explain
from conformance.reports.redact import redacted_result
from conformance.settings import Settings, url_and_login

_TARGETS: dict[tuple[type, str], Target] = {}


class ConformanceSuite:
    """Subclass it, and provide the fixture `registry_url`; the attributes are what the command calls by the same name.

    A warning (a SHOULD that is not met) is an expected failure, unless `strict`; an option that the registry does not
    offer is skipped; what could not be judged is an error."""

    level: ClassVar[str] = "1.1"
    category: ClassVar[tuple[str, ...]] = ()
    only: ClassVar[tuple[str, ...]] = ()
    allow: ClassVar[tuple[str, ...]] = ()
    user: ClassVar[str] = ""
    password: ClassVar[str] = ""
    token: ClassVar[str] = ""
    insecure: ClassVar[bool] = False
    strict: ClassVar[bool] = False
    timeout: ClassVar[float] = 30.0

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "conformance_case" in metafunc.fixturenames:
            cases = self._selected()
            metafunc.parametrize("conformance_case", cases, ids=[named(case) for case in cases])

    def _selected(self) -> list[RegistryCase]:
        categories = {Category(name) for name in self.category} or {kind for kind in Category if kind.by_default}
        target = Target("", level=Level(self.level))
        return Settings(target, frozenset(categories), only=tuple(self.only)).selected(list(load().values()))

    @pytest.fixture
    def conformance_target(self, registry_url: str) -> Target:
        """One for all cases of a registry: it keeps what was found out, and tokens that worked."""
        found = _TARGETS.get((type(self), registry_url))
        if found is None:
            url, login = url_and_login(registry_url)
            found = _TARGETS[type(self), registry_url] = Target(
                url,
                level=Level(self.level),
                user=self.user or login[0],
                password=self.password or login[1],
                token=self.token,
                insecure=self.insecure,
                allow=frozenset(self.allow),
                seed=secrets.randbits(32),
                timeout=self.timeout,
            )
        return found

    @pytest.fixture
    def conformance_wire(self, conformance_target: Target) -> Iterator[Wire]:
        wire = Wire(conformance_target.timeout, runner.context(conformance_target))
        yield wire
        wire.close()

    def test_conformance(
        self, conformance_target: Target, conformance_wire: Wire, conformance_case: RegistryCase
    ) -> None:
        report(redacted_result(runner.judge(conformance_target, conformance_wire, conformance_case)), self.strict)


def named(case: Case) -> str:
    return f"{case.id}-{'-'.join(case.requirements)}"


def report(result: Result, strict: bool) -> None:
    """End the test as the case has ended."""
    match result.outcome:
        case Outcome.FAILED if result.warning and not strict:
            pytest.xfail(f"warning: {explain.brief(result)}")
        case Outcome.FAILED:
            pytest.fail(explain.text(result), pytrace=False)
        case Outcome.SKIPPED | Outcome.DISABLED:
            pytest.skip(result.reason)
        case Outcome.BROKEN:
            pytest.fail(f"could not be judged: {explain.text(result)}", pytrace=False)
