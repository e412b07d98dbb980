"""Operations on manifests."""

from registry import errors as e
from registry.api.oci.openapi.components import CONTENT, CREATED
from registry.http.operations import Answer, Content, Operation, Segment, ref
from registry.services.documents import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

MANIFEST = Content((OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST), "Manifest")
PATH = {"reference": Segment(ref("schemas", "Reference"))}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "manifest"): Operation(
        "Get a manifest, byte for byte as it was pushed",
        {200: Answer("The manifest.", CONTENT, MANIFEST), 304: Answer("The client has it.", CONTENT)},
        errors=(e.ManifestUnknown,),
        path=PATH,
    ),
    ("PUT", "manifest"): Operation(
        "Push a manifest and let tags point to it",
        {201: Answer("It is stored.", (*CREATED, "OCI-Subject", "OCI-Tag"))},
        ("tag",),
        (
            *(e.ManifestInvalid, e.TagInvalid, e.DigestInvalid, e.DigestMalformed, e.ManifestBlobUnknown),
            *(e.ParameterInvalid, e.ManifestTooLarge, e.TooManyTags, e.RequestTimeout),
        ),
        MANIFEST,
        PATH,
    ),
    ("DELETE", "manifest"): Operation(
        "Delete a tag, or a manifest and all its tags",
        {202: Answer("It is gone.")},
        errors=(e.ManifestUnknown,),
        path=PATH,
    ),
}
