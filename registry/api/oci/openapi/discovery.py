"""Operations that tell what there is: the base, tags, referrers, the catalogue."""

from registry import errors as e
from registry.http.operations import JSON, Answer, Content, Operation
from registry.services.documents import OCI_INDEX

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "base"): Operation("Say that this is a registry", {200: Answer("It is.", (), Content(JSON, "Base"))}),
    ("GET", "tags"): Operation(
        "List the tags of a repository in pages",
        {200: Answer("A page.", ("Link",), Content(JSON, "Tags"))},
        ("n", "last"),
        (e.NameUnknown, e.ParameterInvalid),
    ),
    ("GET", "referrers"): Operation(
        "List the manifests whose subject is this digest, in pages",
        {200: Answer("A page, as an image index.", ("Link", "OCI-Filters-Applied"), Content((OCI_INDEX,), "Manifest"))},
        ("artifactType", "after"),
        (e.DigestMalformed, e.ParameterInvalid),
    ),
    ("GET", "catalog"): Operation(
        "List the repositories that hold a manifest, in pages",
        {200: Answer("A page.", ("Link",), Content(JSON, "Catalog"))},
        ("n", "last"),
        (e.ParameterInvalid,),
    ),
}
