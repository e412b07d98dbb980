"""The OCI API for the OpenAPI document: a module for each noun that has more than one operation."""

from registry.api.oci.openapi import blobs, components, discovery, manifests, uploads
from registry.errors import NameInvalid
from registry.http.operations import JSON, Content, Operations, Segment, ref

OPERATIONS = Operations(
    text="The OCI distribution API. The name of a repository may have slashes, which stand in the "
    "path as they are; only the colon of a digest may be percent-encoded.",
    of=discovery.OPERATIONS | manifests.OPERATIONS | uploads.OPERATIONS | blobs.OPERATIONS,
    path={
        "name": Segment(ref("schemas", "Name"), (NameInvalid,)),
        "reference": Segment(ref("schemas", "Digest")),
    },
    failure=Content(JSON, "Errors"),
    schemas=components.SCHEMAS,
    parameters=components.PARAMETERS,
    headers=components.HEADERS,
)
