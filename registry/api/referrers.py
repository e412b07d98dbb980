"""Referrers of a digest, as an image index, in pages, by artifact type."""

from urllib.parse import urlencode

from registry.context import Context
from registry.errors import ParameterInvalid
from registry.names import LARGEST_NUMBER, Digest, parse_number
from registry.responses import Response, header
from registry.services.documents import OCI_INDEX

OPENING = b'{"schemaVersion":2,"mediaType":"%s","manifests":[' % OCI_INDEX.encode()
CLOSING = b"]}"


async def list_(ctx: Context) -> Response:
    name = ctx.name
    subject = Digest.parse(ctx.parameters["reference"])
    artifact_type = ctx.query("artifactType") or None
    if artifact_type is not None:
        # A plus that the client left as it is arrives as a blank, which no media type holds.
        artifact_type = artifact_type.replace(" ", "+")
    page = await ctx.app.referrers.page(name, subject, artifact_type, after(ctx))
    headers = [header(b"content-type", OCI_INDEX)]
    if artifact_type is not None:
        headers.append((b"oci-filters-applied", b"artifactType"))
    if page.last is not None:
        query = urlencode(({"artifactType": artifact_type} if artifact_type else {}) | {"after": str(page.last)})
        url = ctx.shared_location(f"/v2/{name}/referrers/{subject}?{query}")
        headers.append(header(b"link", f'<{url}>; rel="next"'))
    return Response(200, headers, OPENING + b",".join(page.entries) + CLOSING)


def after(ctx: Context) -> int:
    """Where the page starts: a number of ours, taken from a `Link`. Raises `ParameterInvalid`."""
    text = ctx.query("after")
    if text is None:
        return 0
    number = parse_number(text)
    if number is None or number == LARGEST_NUMBER:
        raise ParameterInvalid(f"after is not from a Link of ours: {text[:100]}")
    return number
