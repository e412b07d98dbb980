"""All APIs as one OpenAPI 3.1 document: their rows, what they tell of them, and what is the same for every request."""

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import TypeVar

from registry import __version__
from registry import errors as e
from registry.http.api import Api
from registry.http.operations import (
    CONDITIONS,
    STRING,
    Answer,
    AnswerHeader,
    Content,
    Errors,
    Json,
    Operations,
    Parameter,
    ref,
)
from registry.http.policy import Action
from registry.http.row import Row

T = TypeVar("T")

SEGMENT = re.compile(r"{(\w+)(?::\w+)?}")
ALLOW = {"Allow": AnswerHeader(STRING, "The methods that are allowed here.", required=True)}

# What any request may get, and what the settings may refuse.
ANYWHERE: Errors = (e.RequestInvalid, e.HeadersTooLarge, e.CodingUnknown, e.RegistryError, e.Unavailable)
BY_SETTING: dict[Action, Errors] = {
    Action.PUSH: (e.ReadOnly, e.StorageFull),
    Action.DELETE: (e.ReadOnly, e.DeleteDisabled, e.StorageFull),
}

# RFC 9110: ranges are for GET alone.
RANGED = (e.RangeNotSatisfiable, e.TooManyRanges)
RANGES = ("Range", "If-Range")


def document(apis: Sequence[Api]) -> Json:
    """As plain JSON. Raises `ValueError` if two APIs call different things by one name."""
    told = [(api, api.operations()) for api in apis]
    paths: dict[str, Json] = {}
    for api, operations in told:
        for row in api.rows:
            paths.setdefault(SEGMENT.sub(r"{\1}", row.path), {})[row.method.lower()] = operation(row, operations)
    parameters = merged([*(operations.parameters for _, operations in told), CONDITIONS])
    headers = merged([*(operations.headers for _, operations in told), ALLOW])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Holdfast",
            "summary": "An OCI registry.",
            "description": "\n\n".join(operations.text for _, operations in told),
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": merged(operations.schemas for _, operations in told),
            "parameters": {name: described_parameter(name, found) for name, found in parameters.items()},
            "headers": {
                name: {"description": found.meaning, "required": found.required, "schema": dict(found.schema)}
                for name, found in headers.items()
            },
        },
    }


def merged(parts: Iterable[Mapping[str, T]]) -> dict[str, T]:
    """All of them under their names. Raises `ValueError` for a name of two that differ."""
    found: dict[str, T] = {}
    for part in parts:
        if differing := [name for name in part if name in found and found[name] != part[name]]:
            raise ValueError(f"two components are called {', '.join(differing)}")
        found |= part
    return found


def entry(row: Row) -> tuple[str, str]:
    """Where a route stands in `Operations.of`."""
    return ("GET" if row.method == "HEAD" else row.method), row.name


def operation(row: Row, operations: Operations) -> Json:
    told = operations.of[entry(row)]
    head = row.method == "HEAD"
    path = {name: {**operations.path, **told.path}[name] for name in SEGMENT.findall(row.path)}
    answers = {status: answer for status, answer in told.answers.items() if not (head and status == 206)}
    failures = [*ANYWHERE, *(error for error in told.errors if not (head and error in RANGED))]
    # Conditions are looked at everywhere; of what has no tag `If-None-Match: *` alone can fail (RFC 9110 section
    # 13.1.2).
    failures.append(e.PreconditionFailed)
    if not row.tagged and row.method in ("GET", "HEAD"):
        there = next(iter(answers.values()))
        answers[304] = Answer("`If-None-Match: *` was sent, and it is there.", there.headers)
    if any(operations.parameters[name].place == "query" for name in told.parameters):
        failures.append(e.TooManyParameters)
    failures += [error for segment in path.values() for error in segment.errors]
    failures += BY_SETTING.get(row.action, ())
    responses = {status: success(answer, head) for status, answer in answers.items()}
    for status in {error.status for error in failures}:
        responses[status] = failure(status, failures, None if head else operations.failure)
    wanted = [name for name in (*told.parameters, *CONDITIONS) if not (head and name in RANGES)]
    described: Json = {
        "operationId": f"{row.method.lower()}-{row.name}{'-slash' if row.path.endswith('/') else ''}",
        "summary": told.summary + (": the headers alone" if head else ""),
        "tags": [row.action.value],
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": dict(path[name].schema)} for name in path),
            *(ref("parameters", name) for name in wanted),
        ],
        "responses": {str(status): responses[status] for status in sorted(responses)},
    }
    if told.body is not None:
        described["requestBody"] = {"content": described_content(told.body)}
    return described


def described_parameter(name: str, found: Parameter) -> Json:
    repeated = {"style": "form", "explode": True} if found.repeated else {}
    return {
        "name": name,
        "in": found.place,
        "description": found.meaning,
        "schema": dict(found.schema),
        **repeated,
    }


def described_content(content: Content) -> Json:
    def schema() -> Json:
        return ref("schemas", content.schema) if content.schema else {"type": "string", "format": "binary"}

    return {kind: {"schema": schema()} for kind in content.types}


def success(answer: Answer, head: bool) -> Json:
    described: Json = {"description": answer.meaning}
    if answer.headers:
        described["headers"] = {name: ref("headers", name) for name in answer.headers}
    if answer.content is not None and not head:
        described["content"] = described_content(answer.content)
    return described


def failure(status: int, errors: Errors, body: Content | None) -> Json:
    """All that may be said with one status."""
    meant = dict.fromkeys(f"{error.code}: {error.message}" for error in errors if error.status == status)
    described: Json = {"description": f"{HTTPStatus(status).phrase}. {'; '.join(meant)}."}
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        described["headers"] = {"Allow": ref("headers", "Allow")}
    if body is not None:
        described["content"] = described_content(body)
    return described
