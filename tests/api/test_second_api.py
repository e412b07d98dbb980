"""A further API beside the first: its own form of errors, headers and paths, told by its block of the routes alone."""

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx
import openapi_spec_validator
import pytest

from registry.app import App
from registry.asgi import Registry
from registry.database import migrations
from registry.errors import RegistryError, TagInvalid, UploadUnknown
from registry.http.api import Api
from registry.http.context import Context
from registry.http.operations import Answer, AnswerHeader, Content, Json, Operation, Operations, Segment
from registry.http.policy import Action
from registry.http.responses import Response
from registry.http.row import Row
from registry.openapi import document
from registry.routes import APIS
from registry.settings.fields import Settings

TEXT = ("text/plain",)


async def get(ctx: Context) -> Response:
    if ctx.parameters["thing"] == "none":
        raise UploadUnknown("none")
    return Response(200, [(b"content-type", b"text/plain")], ctx.parameters["thing"].encode())


def render(error: RegistryError) -> Response:
    return Response(error.status, [(b"content-type", b"text/plain")], f"sorry: {error.code}\n".encode())


SORRY: Json = {"type": "string", "pattern": "^sorry: "}

OPERATIONS = Operations(
    text="Things.",
    of={
        ("GET", "thing"): Operation(
            "Get a thing", {200: Answer("It.", ("X-Things",), Content(TEXT, "Thing"))}, errors=(UploadUnknown,)
        )
    },
    path={"thing": Segment({"type": "string"}, (TagInvalid,))},
    failure=Content(TEXT, "Sorry"),
    schemas={"Thing": {"type": "string"}, "Sorry": SORRY},
    parameters={},
    headers={"X-Things": AnswerHeader({"const": "1"}, "Always.", required=True)},
)

THINGS = Api(
    "things",
    "/things",
    [Row("GET", "/things/{thing}", get, Action.PULL, "thing")],
    render,
    lambda: OPERATIONS,
    [(b"x-things", b"1")],
)


async def asked(
    paths: list[tuple[str, str]], data: Path, api: Api = THINGS, *, read_only: bool = False
) -> list[httpx.Response]:
    settings = Settings(data=data, storage="memory:")
    migrations.upgrade(settings)
    registry = Registry(App(settings.model_copy(update={"read_only": read_only})), [*APIS, api])
    await registry.open()
    try:
        transport = httpx.ASGITransport(registry)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            return [await http.request(method, path) for method, path in paths]
    finally:
        await registry.close()


def test_each_api_has_its_own_form(tmp_path: Path) -> None:
    found, encoded, missing, unknown, refused, base, elsewhere, hidden = asyncio.run(
        asked(
            [
                ("GET", "/things/a"),
                ("GET", "/things/a%20b"),
                ("GET", "/things/none"),
                ("GET", "/things/a/b"),
                ("DELETE", "/things/a"),
                ("GET", "/v2/"),
                ("GET", "/elsewhere"),
                ("GET", "/v2/a%20b/tags/list"),
            ],
            tmp_path,
        )
    )
    assert (found.status_code, found.text, found.headers["x-things"]) == (200, "a", "1")
    assert (encoded.status_code, encoded.text) == (200, "a b")
    assert (missing.status_code, missing.text) == (404, "sorry: BLOB_UPLOAD_UNKNOWN\n")
    assert (unknown.status_code, unknown.text) == (404, "sorry: UNSUPPORTED\n")
    assert (refused.status_code, refused.headers["allow"], refused.text) == (405, "GET", "sorry: UNSUPPORTED\n")
    for answer in (found, missing, unknown, refused):
        assert "docker-distribution-api-version" not in answer.headers
        assert answer.headers["x-request-id"]
    assert base.headers["docker-distribution-api-version"] == "registry/2.0"
    assert elsewhere.json()["errors"][0]["code"] == "UNSUPPORTED"
    assert hidden.json()["errors"][0]["code"] == "NAME_INVALID"
    assert "x-things" not in base.headers


def test_each_api_describes_its_own_operations() -> None:
    alone, both = document(APIS), document([*APIS, THINGS])
    openapi_spec_validator.validate(both)
    assert both["info"]["description"] == alone["info"]["description"] + "\n\nThings."
    told = both["paths"].pop("/things/{thing}")["get"]
    assert both["paths"] == alone["paths"]
    for kind, ours in {"schemas": {"Thing", "Sorry"}, "parameters": set(), "headers": {"X-Things"}}.items():
        assert both["components"][kind].keys() == alone["components"][kind].keys() | ours
        assert alone["components"][kind].items() <= both["components"][kind].items()
    assert told["parameters"][0] == {"name": "thing", "in": "path", "required": True, "schema": {"type": "string"}}
    bodies = {status: answer["content"] for status, answer in told["responses"].items() if status != "304"}
    refused = {"text/plain": {"schema": {"$ref": "#/components/schemas/Sorry"}}}
    assert bodies.pop("200") == {"text/plain": {"schema": {"$ref": "#/components/schemas/Thing"}}}
    assert bodies == dict.fromkeys(("400", "404", "412", "431", "500", "501", "503"), refused)
    assert "not a valid tag" in told["responses"]["400"]["description"]
    assert "BLOB_UPLOAD_UNKNOWN" in told["responses"]["404"]["description"]


def test_a_name_has_one_meaning_in_all_of_them() -> None:
    taken = replace(OPERATIONS, schemas={**OPERATIONS.schemas, "Error": SORRY})
    with pytest.raises(ValueError, match="Error"):
        document([*APIS, replace(THINGS, operations=lambda: taken)])


def test_what_changes_nothing_is_done_by_a_read_only_registry(tmp_path: Path) -> None:
    """Whatever its method: a question may be too long for a URL."""
    rows = [
        *THINGS.rows,
        Row("POST", "/things/{thing}", get, Action.PULL, "question"),
        Row("PUT", "/things/{thing}", get, Action.PUSH, "change"),
    ]
    paths = [("POST", "/things/a"), ("PUT", "/things/a"), ("PATCH", "/things/a")]
    api = replace(THINGS, rows=rows)
    questioned, refused, unknown = asyncio.run(asked(paths, tmp_path, api, read_only=True))
    assert (questioned.status_code, questioned.text) == (200, "a")
    assert (refused.status_code, refused.text, refused.headers["allow"]) == (405, "sorry: UNSUPPORTED\n", "GET, POST")
    assert (unknown.status_code, unknown.headers["allow"]) == (405, "GET, POST")
