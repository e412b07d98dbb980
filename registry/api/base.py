"""`/v2/`: yes, this is a registry (R-006)."""

from registry.context import Context
from registry.responses import Response, json


async def get(ctx: Context) -> Response:
    return json({})
