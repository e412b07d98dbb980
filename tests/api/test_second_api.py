"""A further API beside the first: its own form of errors, headers and paths, told by its block of the routes alone."""

import asyncio
from pathlib import Path

import httpx

from registry.app import App
from registry.asgi import Registry
from registry.database import migrations
from registry.errors import RegistryError, UploadUnknown
from registry.http.api import Api
from registry.http.context import Context
from registry.http.responses import Response
from registry.http.row import Action, Row
from registry.routes import APIS
from registry.settings.fields import Settings


async def get(ctx: Context) -> Response:
    if ctx.parameters["thing"] == "none":
        raise UploadUnknown("none")
    return Response(200, [(b"content-type", b"text/plain")], ctx.parameters["thing"].encode())


def render(error: RegistryError) -> Response:
    return Response(error.status, [(b"content-type", b"text/plain")], f"sorry: {error.code}\n".encode())


THINGS = Api(
    "things", "/things", [Row("GET", "/things/{thing}", get, Action.PULL, "thing")], render, [(b"x-things", b"1")]
)


async def asked(paths: list[tuple[str, str]], data: Path) -> list[httpx.Response]:
    settings = Settings(data=data)
    migrations.upgrade(settings)
    registry = Registry(App(settings), [*APIS, THINGS])
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
