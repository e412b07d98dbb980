"""`/v2/_catalog`: the repositories that hold something, in pages."""

from registry.api.oci.tags import following
from registry.http.context import Context
from registry.http.responses import Response, json


async def list_(ctx: Context) -> Response:
    size = ctx.page_size()
    page = await ctx.app.repositories.page(ctx.query("last") or "", size)
    return json({"repositories": page.names}, headers=following(ctx, "/v2/_catalog", page, size))
