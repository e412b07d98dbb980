"""The kinds of content that registries are asked to hold: the data sets of the official suite, made anew each time."""

import base64
import gzip
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.client.registry import OCI_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Content, Registry

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
NON_DISTRIBUTABLE = "application/vnd.oci.image.layer.nondistributable.v1.tar"
EXAMPLE = "application/vnd.example"
LARGE = 3_910_601
"""Bytes of the large manifest, as in the official suite."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A manifest of a set, and the tags that it gets."""

    content: Content
    media_type: str = OCI_MANIFEST
    tags: tuple[str, ...] = ()

    @property
    def fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.content.data)
        return fields

    @property
    def subject(self) -> str:
        """The digest of its subject; empty without one."""
        return str(self.fields.get("subject", {}).get("digest", ""))

    @property
    def artifact_type(self) -> str:
        """What it is listed as among its subject's referrers (R-155)."""
        return str(self.fields.get("artifactType") or self.fields.get("config", {}).get("mediaType", ""))

    def descriptor(self, **more: Any) -> dict[str, Any]:
        return self.content.descriptor(self.media_type, **more)


@dataclass
class DataSet:
    """Blobs to push, then manifests to push in this order. `parameters`: the tags go with the push by digest."""

    r: Registry
    algorithm: str = "sha256"
    parameters: bool = False
    embedded: bool = False
    base: dict[str, Any] | None = None
    blobs: list[Content] = field(default_factory=list)
    manifests: list[Entry] = field(default_factory=list)

    def tag(self, name: str) -> str:
        """The name itself, as registries have stumbled over some; another where cases share their repository."""
        return self.r.tag(name) if self.r.target.fixed else name

    def blob(self, data: bytes, media_type: str, *, push: bool = True, **more: Any) -> dict[str, Any]:
        """The descriptor of a blob of the set."""
        content = Content(data, self.algorithm)
        if push and content not in self.blobs:
            self.blobs.append(content)
        if self.embedded:
            more["data"] = base64.b64encode(data).decode()
        return content.descriptor(media_type, **more)

    def add(self, fields: dict[str, Any], media_type: str, tags: Sequence[str]) -> Entry:
        content = Content(json.dumps(fields).encode(), self.algorithm)
        entry = Entry(content, media_type, tuple(self.tag(tag) for tag in tags))
        self.manifests.append(entry)
        return entry

    def manifest(self, config: dict[str, Any], layers: Sequence[dict[str, Any]], *tags: str, **more: Any) -> Entry:
        fields = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers, **more}
        return self.add(fields, OCI_MANIFEST, tags)

    def image(
        self,
        *tags: str,
        layers: Sequence[dict[str, Any]] | None = None,
        architecture: str = "amd64",
        unknown: dict[str, Any] | None = None,
        **more: Any,
    ) -> Entry:
        """An image that could be run, with two layers unless they are given: one that all of the set are based on."""
        if layers is None:
            self.base = self.base or self.layer()
            layers = [self.base, self.layer()]
        config = {
            "architecture": architecture,
            "os": "linux",
            "author": f"{self.r.random.getrandbits(64):x}",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
            **(unknown or {}),
        }
        return self.manifest(
            self.blob(json.dumps(config).encode(), OCI_CONFIG), layers, *tags, **(unknown or {}), **more
        )

    def layer(self, media_type: str = GZIP, **more: Any) -> dict[str, Any]:
        """A layer with one file."""
        plain = tar(self.r.random.randbytes(256))
        return self.blob(gzip.compress(plain, mtime=0) if media_type.endswith("gzip") else plain, media_type, **more)

    def empty(self) -> dict[str, Any]:
        """The descriptor of the empty JSON object."""
        return self.blob(b"{}", OCI_EMPTY)

    def artifact(self, *tags: str, kind: str = f"{EXAMPLE}.artifact", **more: Any) -> Entry:
        content = self.blob(self.r.random.randbytes(64), f"{EXAMPLE}.content")
        return self.manifest(self.empty(), [content], *tags, artifactType=kind, **more)

    def index(self, entries: Sequence[dict[str, Any]], *tags: str, **more: Any) -> Entry:
        fields = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, **more}
        return self.add(fields, OCI_INDEX, tags)

    def platforms(self, *tags: str, **more: Any) -> Entry:
        """An index over an image for each of two architectures."""
        entries = []
        for architecture in ("amd64", "arm64"):
            entry = self.image(architecture=architecture, unknown=more)
            data = {"data": base64.b64encode(entry.content.data).decode()} if self.embedded else {}
            entries.append(entry.descriptor(platform={"os": "linux", "architecture": architecture}, **data))
        return self.index(entries, *tags, **more)


def tar(data: bytes) -> bytes:
    """An archive of one file."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo("file")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def image(made: DataSet) -> None:
    made.image("image")


def image_uncompressed(made: DataSet) -> None:
    made.image("image", layers=[made.layer(OCI_LAYER), made.layer(OCI_LAYER)])


def large_manifest(made: DataSet) -> None:
    annotations = {f"org.example.large{number:03d}": made.r.random.randbytes(5000).hex() for number in range(389)}
    annotations["org.example.fill"] = ""
    short = made.image(annotations=annotations)
    made.manifests.remove(short)
    annotations["org.example.fill"] = "x" * (LARGE - short.content.size)
    made.add({**short.fields, "annotations": annotations}, OCI_MANIFEST, ["large"])


def index(made: DataSet) -> None:
    made.platforms("index")


def nested_index(made: DataSet) -> None:
    made.index([made.platforms().descriptor(), made.platforms().descriptor()], "index")


def empty_index(made: DataSet) -> None:
    made.index([], "index", annotations={"org.example.unique": made.r.tag()})


def artifact(made: DataSet) -> None:
    made.artifact("artifact")


def artifact_index(made: DataSet) -> None:
    entries = [made.artifact().descriptor(artifactType=f"{EXAMPLE}.artifact") for _ in range(2)]
    made.index(entries, "artifact-index", artifactType=f"{EXAMPLE}.artifact")


def artifact_without_layers(made: DataSet) -> None:
    unique = {"org.example.unique": made.r.tag()}
    made.manifest(made.empty(), [made.empty()], "artifact", artifactType=f"{EXAMPLE}.artifact", annotations=unique)


def artifacts_with_subject(made: DataSet) -> None:
    subject = made.image("image").descriptor()
    made.image("tagged-artifact1", subject=subject, annotations={"org.example.note": "one"})
    for number, kind in enumerate(("sbom+json", "signature"), 2):
        note = {"org.example.note": str(number), "org.example.empty": ""}
        tag = f"tagged-artifact{number}"
        made.artifact(tag, kind=f"{EXAMPLE}.{kind}", subject=subject, annotations=note)


def index_with_subject(made: DataSet) -> None:
    subject = made.platforms("index").descriptor()
    made.index(
        [made.artifact().descriptor()],
        "tagged-artifact",
        artifactType=f"{EXAMPLE}.artifacts",
        annotations={"org.example.note": "index"},
        subject=subject,
    )


def missing_subject(made: DataSet) -> None:
    subject = Content(made.r.random.randbytes(128)).descriptor(OCI_MANIFEST)
    made.artifact("tagged-missing", subject=subject)


def data_field(made: DataSet) -> None:
    made.embedded = True
    made.platforms("index")


def non_distributable_layers(made: DataSet) -> None:
    absent = [
        made.blob(
            made.r.random.randbytes(64),
            NON_DISTRIBUTABLE + suffix,
            push=False,
            urls=[f"https://layers.example.com/{made.r.tag()}.tar"],
        )
        for suffix in ("+gzip", "")
    ]
    made.image("image", layers=[*absent, made.layer()])


def custom_fields(made: DataSet) -> None:
    made.platforms("index", **{"org.example.custom": {"nested": [1, 2.5, None, True, "text"]}})


def no_layers(made: DataSet) -> None:
    made.image("image", layers=[])


def sparse(made: DataSet) -> None:
    absent = made.blob(made.r.random.randbytes(64), OCI_LAYER, push=False)
    made.image("image", layers=[made.layer(), absent])
    here = made.image()
    missing = Content(json.dumps(here.fields | {"layers": []}).encode())
    made.index([here.descriptor(), missing.descriptor(OCI_MANIFEST)], "index")


def by_digest(made: DataSet) -> None:
    made.platforms()


def tagged_by_parameter(made: DataSet) -> None:
    made.parameters = True
    made.platforms("by-parameter", "by-parameter-too")


@dataclass(frozen=True, slots=True)
class Kind:
    """What is pushed, and the requirement that is not met if it is refused."""

    make: Callable[[DataSet], None]
    requirement: str = "R-111"
    api: str = "Manifest put by tag"
    algorithm: str = "sha256"

    def build(self, r: Registry) -> DataSet:
        r.needs(self.algorithm)
        made = DataSet(r, self.algorithm)
        self.make(made)
        return made


PARAMETERS = "Manifest put with tag params"
SUBJECT = "Manifest put with subject"
KINDS = {
    "image": Kind(image),
    "image-uncompressed": Kind(image_uncompressed),
    "large-manifest": Kind(large_manifest, "R-118"),
    "index": Kind(index, "R-119"),
    "nested-index": Kind(nested_index, "I-034"),
    "empty-index": Kind(empty_index, "R-116"),
    "artifact": Kind(artifact, "I-022"),
    "artifact-index": Kind(artifact_index, "I-033"),
    "artifact-without-layers": Kind(artifact_without_layers, "I-031"),
    "artifacts-with-subject": Kind(artifacts_with_subject, "R-130", SUBJECT),
    "index-with-subject": Kind(index_with_subject, "R-130", SUBJECT),
    "missing-subject": Kind(missing_subject, "R-040", SUBJECT),
    "data-field": Kind(data_field, "I-016"),
    "non-distributable-layers": Kind(non_distributable_layers, "R-043"),
    "custom-fields": Kind(custom_fields, "I-027"),
    "no-layers": Kind(no_layers, "R-116"),
    "sparse": Kind(sparse, "R-041"),
    "sha512": Kind(by_digest, "I-004", "Manifest put by digest", "sha512"),
    "tag-param-sha256": Kind(tagged_by_parameter, "R-120", PARAMETERS),
    "tag-param-sha512": Kind(tagged_by_parameter, "R-125", PARAMETERS, "sha512"),
}
"""Every set by the official suite's name; `bad-digest-image`, which is nothing to hold, is a case of its own."""
