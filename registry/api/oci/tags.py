"""Tags of a repository, in pages."""

from urllib.parse import quote

from registry.http.context import Context
from registry.http.responses import Header, Response, header, json
from registry.services.registry import NamePage


async def list_(ctx: Context) -> Response:
    name = ctx.name
    size = ctx.page_size()
    page = await ctx.app.tags.page(name, ctx.query("last") or "", size)
    return json({"name": name, "tags": page.names}, headers=following(ctx, f"/v2/{name}/tags/list", page, size))


def following(ctx: Context, path: str, page: NamePage, size: int) -> list[Header]:
    """The `Link` to the next page (R-144); none after the last, nor for `n=0` (R-145)."""
    if not page.more or not page.names:
        return []
    url = ctx.shared_location(f"{path}?n={size}&last={quote(page.names[-1], safe='')}")
    return [header(b"link", f'<{url}>; rel="next"')]
