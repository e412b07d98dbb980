"""Every URL in one table: method, path, handler, what it takes to be allowed, name."""

from registry.api import base, blobs, catalog, manifests, referrers, tags, uploads
from registry.context import Action, Handler, Row

PULL, PUSH, DELETE, CATALOG = Action.PULL, Action.PUSH, Action.DELETE, Action.CATALOG

REPOSITORY = "/v2/{name:path}"
UPLOAD = REPOSITORY + "/blobs/uploads/{reference}"
BLOB = REPOSITORY + "/blobs/{reference}"
MANIFEST = REPOSITORY + "/manifests/{reference}"


def route(method: str, path: str, handler: Handler, action: Action, name: str, *, steady: bool = False) -> Row:
    return Row(method, path, handler, action, name, steady)


# The order is that in which paths are tried: the frequent ones first, uploads before blobs.
ROUTES = [
    route("GET", MANIFEST, manifests.get, PULL, "manifest", steady=True),
    route("HEAD", MANIFEST, manifests.head, PULL, "manifest", steady=True),
    route("PUT", MANIFEST, manifests.put, PUSH, "manifest"),
    route("DELETE", MANIFEST, manifests.delete, DELETE, "manifest"),
    route("POST", REPOSITORY + "/blobs/uploads/", uploads.start, PUSH, "uploads"),
    route("POST", REPOSITORY + "/blobs/uploads", uploads.start, PUSH, "uploads"),
    route("GET", UPLOAD, uploads.status, PUSH, "upload"),
    route("HEAD", UPLOAD, uploads.status, PUSH, "upload"),
    route("PATCH", UPLOAD, uploads.append, PUSH, "upload"),
    route("PUT", UPLOAD, uploads.finish, PUSH, "upload"),
    route("DELETE", UPLOAD, uploads.cancel, PUSH, "upload"),
    route("GET", BLOB, blobs.get, PULL, "blob", steady=True),
    route("HEAD", BLOB, blobs.head, PULL, "blob", steady=True),
    route("DELETE", BLOB, blobs.delete, DELETE, "blob"),
    route("GET", REPOSITORY + "/tags/list", tags.list_, PULL, "tags", steady=True),
    route("HEAD", REPOSITORY + "/tags/list", tags.list_, PULL, "tags", steady=True),
    route("GET", REPOSITORY + "/referrers/{reference}", referrers.list_, PULL, "referrers", steady=True),
    route("HEAD", REPOSITORY + "/referrers/{reference}", referrers.list_, PULL, "referrers", steady=True),
    route("GET", "/v2/_catalog", catalog.list_, CATALOG, "catalog", steady=True),
    route("HEAD", "/v2/_catalog", catalog.list_, CATALOG, "catalog", steady=True),
    route("GET", "/v2/", base.get, PULL, "base"),
    route("HEAD", "/v2/", base.get, PULL, "base"),
    route("GET", "/v2", base.get, PULL, "base"),
    route("HEAD", "/v2", base.get, PULL, "base"),
]
