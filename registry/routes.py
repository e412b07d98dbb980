"""Every URL of every API, a block each: method, path, handler, what it takes to be allowed, name."""

from typing import TYPE_CHECKING

from registry.api.oci import base, blobs, catalog, manifests, referrers, tags, uploads
from registry.api.oci.rules import API_VERSION, plainly_encoded
from registry.http.api import Api
from registry.http.policy import Action
from registry.http.responses import failure
from registry.http.row import Row

if TYPE_CHECKING:
    from registry.http.operations import Operations

PULL, PUSH, DELETE, CATALOG = Action.PULL, Action.PUSH, Action.DELETE, Action.CATALOG

REPOSITORY = "/v2/{name:path}"
UPLOAD = REPOSITORY + "/blobs/uploads/{reference}"
BLOB = REPOSITORY + "/blobs/{reference}"
MANIFEST = REPOSITORY + "/manifests/{reference}"


# The order is that in which paths are tried: the frequent ones first, uploads before blobs.
OCI_ROWS = [
    Row("GET", MANIFEST, manifests.get, PULL, "manifest", steady=True, tagged=True),
    Row("HEAD", MANIFEST, manifests.head, PULL, "manifest", steady=True, tagged=True),
    Row("PUT", MANIFEST, manifests.put, PUSH, "manifest", tagged=True),
    Row("DELETE", MANIFEST, manifests.delete, DELETE, "manifest", tagged=True),
    Row("POST", REPOSITORY + "/blobs/uploads/", uploads.start, PUSH, "uploads"),
    Row("POST", REPOSITORY + "/blobs/uploads", uploads.start, PUSH, "uploads"),
    Row("GET", UPLOAD, uploads.status, PUSH, "upload"),
    Row("HEAD", UPLOAD, uploads.status, PUSH, "upload"),
    Row("PATCH", UPLOAD, uploads.append, PUSH, "upload"),
    Row("PUT", UPLOAD, uploads.finish, PUSH, "upload"),
    Row("DELETE", UPLOAD, uploads.cancel, PUSH, "upload"),
    Row("GET", BLOB, blobs.get, PULL, "blob", steady=True, tagged=True),
    Row("HEAD", BLOB, blobs.head, PULL, "blob", steady=True, tagged=True),
    Row("DELETE", BLOB, blobs.delete, DELETE, "blob", tagged=True),
    Row("GET", REPOSITORY + "/tags/list", tags.list_, PULL, "tags", steady=True),
    Row("HEAD", REPOSITORY + "/tags/list", tags.list_, PULL, "tags", steady=True),
    Row("GET", REPOSITORY + "/referrers/{reference}", referrers.list_, PULL, "referrers", steady=True),
    Row("HEAD", REPOSITORY + "/referrers/{reference}", referrers.list_, PULL, "referrers", steady=True),
    Row("GET", "/v2/_catalog", catalog.list_, CATALOG, "catalog", steady=True),
    Row("HEAD", "/v2/_catalog", catalog.list_, CATALOG, "catalog", steady=True),
    Row("GET", "/v2/", base.get, PULL, "base"),
    Row("HEAD", "/v2/", base.get, PULL, "base"),
    Row("GET", "/v2", base.get, PULL, "base"),
    Row("HEAD", "/v2", base.get, PULL, "base"),
]


def oci_operations() -> "Operations":
    from registry.api.oci.openapi import OPERATIONS

    return OPERATIONS


OCI = Api("oci", "/v2", OCI_ROWS, failure, oci_operations, [API_VERSION], plainly_encoded)

APIS = [OCI]
"""The first one answers for what none of them has."""

ROUTES = [row for api in APIS for row in api.rows]
