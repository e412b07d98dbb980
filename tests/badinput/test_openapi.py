"""Schemathesis: requests made from the OpenAPI document, valid and not, and answers that are as it says."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from registry.openapi import document
from registry.routes import APIS
from tests.badinput.conftest import Site

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    allow_header_conformance,
]
EVERYTHING = list(HealthCheck)

schema = schemathesis.openapi.from_dict(document(APIS))
# Every value at its bounds, one after the other: thorough, and slow.
brief = schemathesis.openapi.from_dict(document(APIS))
brief.config.phases.coverage.enabled = False


@brief.exclude(method="HEAD").parametrize()
@settings(max_examples=6, deadline=None, database=None, suppress_health_check=EVERYTHING)
def test_answers_are_as_described(case: Case[Any], site: Site) -> None:
    case.call_and_validate(base_url=site.server.url, checks=CHECKS, timeout=8)


@pytest.mark.slow
@pytest.mark.timeout(600)
@schema.parametrize()
@settings(max_examples=100, deadline=None, database=None, suppress_health_check=EVERYTHING)
def test_answers_are_as_described_at_length(case: Case[Any], site: Site) -> None:
    case.call_and_validate(base_url=site.server.url, checks=CHECKS, timeout=8)
