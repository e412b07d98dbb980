"""What an API tells of its operations, each beside what its row says. `registry.openapi` makes the document of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from registry.errors import RegistryError

Json = dict[str, Any]
Errors = Sequence[type[RegistryError]]

JSON = ("application/json",)
STRING: Json = {"type": "string"}


class Content(NamedTuple):
    """What a body may be: media types, and the name of a schema; None: bytes."""

    types: Sequence[str]
    schema: str | None = None


class Answer(NamedTuple):
    """A success: what it means, the names of its headers, and its body, if it has one."""

    meaning: str
    headers: Sequence[str] = ()
    content: Content | None = None


class Segment(NamedTuple):
    """A parameter of a path: its schema, and how one is refused that has not got it."""

    schema: Json
    errors: Errors = ()


class Parameter(NamedTuple):
    """A parameter that is not in the path. `place`: "query" or "header". `repeated`: whether it may come twice."""

    place: str
    schema: Json
    meaning: str
    repeated: bool = False


class AnswerHeader(NamedTuple):
    """A header of answers. `required`: whether it is there wherever it is named."""

    schema: Json
    meaning: str
    required: bool = False


class Operation(NamedTuple):
    """What a route does. `answers`: successes by status. `path`: segments that are other ones here than elsewhere."""

    summary: str
    answers: dict[int, Answer]
    parameters: Sequence[str] = ()
    errors: Errors = ()
    body: Content | None = None
    path: Mapping[str, Segment] = {}


@dataclass(frozen=True, slots=True)
class Operations:
    """Those of an API, and what they name.

    `text`: what there is to say of the whole. `of`: by method and name of the route; HEAD is GET without a body, also
    here. `path`: the segments that stand in its paths. `failure`: the body of an error."""

    text: str
    of: Mapping[tuple[str, str], Operation]
    path: Mapping[str, Segment]
    failure: Content
    schemas: Mapping[str, Json]
    parameters: Mapping[str, Parameter]
    headers: Mapping[str, AnswerHeader]


def text(pattern: str, **more: object) -> Json:
    """The schema of text that has the pattern, from end to end."""
    return {"type": "string", "pattern": f"^(?:{pattern})$", **more}


def ref(kind: str, name: str) -> Json:
    """What is found under the name among the components of this kind: "schemas", "parameters", "headers"."""
    return {"$ref": f"#/components/{kind}/{name}"}


# Conditions may be sent with every request (RFC 9110 section 13).
CONDITIONS = {
    "If-Match": Parameter("header", STRING, "Only if one of these ETags is what is there."),
    "If-None-Match": Parameter("header", STRING, "Only if none of these ETags is what is there."),
}
