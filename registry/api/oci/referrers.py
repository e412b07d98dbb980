"""Referrers of a digest, as an image index, in pages, by artifact type."""

from urllib.parse import quote, unquote, unquote_plus, urlencode

from registry.errors import ParameterInvalid
from registry.http.context import Context
from registry.http.responses import Response, header
from registry.names import LARGEST_NUMBER, Digest, parse_number
from registry.services.documents import OCI_INDEX

OPENING = b'{"schemaVersion":2,"mediaType":"%s","manifests":[' % OCI_INDEX.encode()
CLOSING = b"]}"


async def list_(ctx: Context) -> Response:
    name = ctx.name
    subject = Digest.parse(ctx.parameters["reference"])
    artifact_type = literal(ctx, "artifactType") or None
    page = await ctx.app.referrers.page(name, subject, artifact_type, after(ctx))
    in_a_form = ctx.query("artifactType")
    if in_a_form != artifact_type and in_a_form and not page.entries:
        artifact_type = in_a_form
        page = await ctx.app.referrers.page(name, subject, artifact_type, after(ctx))
    headers = [header(b"content-type", OCI_INDEX)]
    if artifact_type is not None:
        headers.append((b"oci-filters-applied", b"artifactType"))
    if page.last is not None:
        asked = ({"artifactType": artifact_type} if artifact_type else {}) | {"after": str(page.last)}
        query = urlencode(asked, quote_via=quote)
        url = ctx.shared_location(f"/v2/{name}/referrers/{subject}?{query}")
        headers.append(header(b"link", f'<{url}>; rel="next"'))
    return Response(200, headers, OPENING + b",".join(page.entries) + CLOSING)


def literal(ctx: Context, parameter: str) -> str | None:
    """The parameter's first value, in which a plus is a plus, as clients leave those of media types (R-161).

    In forms it is a blank, which hardly any media type has; `Context.query` reads it so."""
    if ctx.query(parameter) is None:
        return None
    pairs = (pair.partition("=") for pair in ctx.scope["query_string"].decode("ascii").split("&"))
    return next(unquote(value) for key, _, value in pairs if unquote_plus(key) == parameter)


def after(ctx: Context) -> int:
    """Where the page starts: a number of ours, taken from a `Link`. Raises `ParameterInvalid`."""
    text = ctx.query("after")
    if text is None:
        return 0
    number = parse_number(text)
    if number is None or number == LARGEST_NUMBER:
        raise ParameterInvalid(f"after is not from a Link of ours: {text[:100]}")
    return number
