"""`/v2/`: yes, this is a registry (R-006)."""

from registry.http.context import Context
from registry.http.responses import Response, json


async def get(ctx: Context) -> Response:
    return json({})
