"""regctl: artifacts and their subjects, chunked uploads, copies with all that refers to an image."""

import json
import os

import pytest

from tests.interop.clients import Regctl
from tests.interop.conftest import Make
from tests.interop.registry import Registry
from tests.speak.content import DOCKER_LIST, OCI_INDEX, digest_of
from tests.speak.images import layout_files, new_image, new_index, write_layout

SBOM = "application/spdx+json"
SIGNATURE = "application/vnd.example.signature"


@pytest.fixture
def regctl(make: Make, registry: Registry) -> Regctl:
    return make(Regctl, registry)


def attach(regctl: Regctl, name: str, subject: str, artifact_type: str, content: bytes) -> str:
    """The digest of an artifact that refers to `subject`."""
    return regctl(
        *("artifact", "put", "--artifact-type", artifact_type, "--subject", regctl.registry.ref(name, subject)),
        *("--format", "{{.Manifest.GetDescriptor.Digest}}"),
        stdin=content,
    )


def referrers(regctl: Regctl, name: str, subject: str, *flags: str) -> list[str]:
    called = regctl.registry.ref(name, subject)
    listed = json.loads(regctl("artifact", "list", *flags, "--format", "{{json .Descriptors}}", called)) or []
    return [entry["digest"] for entry in listed]


def test_an_artifact(regctl: Regctl, registry: Registry, name: str) -> None:
    called = registry.ref(name, "report")
    regctl("artifact", "put", "--artifact-type", "application/vnd.example.report", called, stdin=b"all is well")
    assert registry.document(name, "report")["artifactType"] == "application/vnd.example.report"
    assert regctl.bytes("artifact", "get", called) == b"all is well"


def test_artifacts_that_refer_to_an_image(regctl: Regctl, registry: Registry, name: str) -> None:
    image = new_image(1)
    regctl.push(image, name, "v1")
    assert referrers(regctl, name, "v1") == []
    sbom = attach(regctl, name, "v1", SBOM, b"sbom")
    signature = attach(regctl, name, "v1", SIGNATURE, b"signature")
    countersignature = attach(regctl, name, signature, SIGNATURE, b"countersignature")
    assert registry.tags(name) == ["v1"]  # No fallback tag: the registry has told that it takes care of referrers.
    assert referrers(regctl, name, "v1") == [sbom, signature]
    assert referrers(regctl, name, image.digest, "--filter-artifact-type", SIGNATURE) == [signature]
    tree = regctl("artifact", "tree", registry.ref(name, "v1"))
    assert all(digest in tree for digest in (sbom, signature, countersignature))
    got = regctl.bytes("artifact", "get", "--subject", registry.ref(name, "v1"), "--filter-artifact-type", SBOM)
    assert got == b"sbom"
    regctl("manifest", "delete", registry.ref(name, sbom))
    assert referrers(regctl, name, "v1") == [signature]


def test_a_copy_takes_referrers_and_digest_tags_along(regctl: Regctl, registry: Registry, name: str) -> None:
    image, target = new_image(), f"{name}/copy"
    regctl.push(image, name, "v1")
    signature = attach(regctl, name, "v1", SIGNATURE, b"signature")
    beside = f"sha256-{image.digest.partition(':')[2]}.sig"
    regctl("artifact", "put", "--artifact-type", SIGNATURE, registry.ref(name, beside), stdin=b"beside")
    registry.mark()
    regctl("image", "copy", "--referrers", "--digest-tags", registry.ref(name, "v1"), registry.ref(target, "v1"))
    assert len(registry.mounted(target)) >= len(image.blobs) + 1
    assert registry.uploaded(target) == []
    assert registry.files(target, "v1") == image.files
    assert referrers(regctl, target, "v1") == [signature]
    assert registry.tags(target) == sorted(["v1", beside])


def test_a_repository_is_copied(regctl: Regctl, registry: Registry, name: str) -> None:
    images = {"v1": new_image(1), "v2": new_image(1)}
    for tag, image in images.items():
        regctl.push(image, name, tag)
    regctl("repo", "copy", f"{registry.host}/{name}", f"{registry.host}/{name}/copy")
    assert regctl("tag", "ls", f"{registry.host}/{name}/copy").split() == ["v1", "v2"]
    assert {name, f"{name}/copy"} <= set(regctl("repo", "ls", registry.host).split())
    for tag, image in images.items():
        assert registry.files(f"{name}/copy", tag) == image.files


def test_a_blob_in_chunks(regctl: Regctl, registry: Registry, name: str) -> None:
    regctl("registry", "set", "--blob-chunk", "300000", "--blob-max", "400000", registry.host)
    content = os.urandom(1_000_000)
    assert regctl("blob", "put", f"{registry.host}/{name}", stdin=content) == digest_of(content)
    assert len(registry.requests(method="PATCH", route="upload", status=202)) == 4
    called = f"{registry.host}/{name}"
    assert regctl.bytes("blob", "get", called, digest_of(content)) == content
    assert "Content-Length: 1000000" in regctl("blob", "head", called, digest_of(content))
    registry.mark()
    regctl("blob", "copy", called, f"{called}/copy", digest_of(content))
    assert len(registry.mounted(f"{name}/copy")) == 1
    regctl("blob", "delete", called, digest_of(content))
    assert "not found" in regctl.fails("blob", "head", called, digest_of(content))
    assert regctl.bytes("blob", "get", f"{called}/copy", digest_of(content)) == content


def test_deleting_a_tag_or_a_manifest(regctl: Regctl, registry: Registry, name: str) -> None:
    image = new_image(1)
    for tag in ("v1", "v2", "v3"):
        regctl.push(image, name, tag)
    regctl("tag", "delete", registry.ref(name, "v1"))
    assert regctl("tag", "ls", f"{registry.host}/{name}").split() == ["v2", "v3"]
    assert registry.files(name, image.digest) == image.files
    regctl("manifest", "delete", "--force-tag-dereference", registry.ref(name, "v2"))
    assert not registry.has(name, "v3")
    assert "not found" in regctl.fails("tag", "delete", registry.ref(name, "v3"))


def test_an_index(regctl: Regctl, registry: Registry, name: str) -> None:
    images = [new_image(1, "amd64"), new_image(1, "arm64")]
    for image in images:
        regctl.push(image, name, image.architecture)
    sources = [argument for image in images for argument in ("--ref", registry.ref(name, image.architecture))]
    regctl("index", "create", registry.ref(name, "multi"), sources[0], sources[1])
    regctl("index", "add", registry.ref(name, "multi"), sources[2], sources[3])
    index = registry.document(name, "multi")
    assert index["mediaType"] == OCI_INDEX
    assert [entry["digest"] for entry in index["manifests"]] == [image.digest for image in images]
    found = regctl("image", "digest", "--platform", "linux/arm64", registry.ref(name, "multi"))
    assert found == images[1].digest
    regctl("index", "delete", registry.ref(name, "multi"), "--digest", images[0].digest)
    assert [entry["digest"] for entry in registry.document(name, "multi")["manifests"]] == [images[1].digest]
    regctl("index", "create", "--media-type", DOCKER_LIST, registry.ref(name, "docker"), *sources)
    assert registry.document(name, "docker")["mediaType"] == DOCKER_LIST


def test_an_index_is_copied_and_comes_back(regctl: Regctl, registry: Registry, name: str) -> None:
    index = new_index()
    layout = write_layout(regctl.fresh(), index, "it")
    regctl("image", "copy", f"ocidir://{layout}:it", registry.ref(name, "multi"))
    assert registry.digest(name, "multi") == index.digest
    for image in index.images:
        target = regctl.fresh()
        platform = f"linux/{image.architecture}"
        regctl("image", "copy", "--platform", platform, registry.ref(name, "multi"), f"ocidir://{target}:it")
        assert layout_files(target) == image.files


def test_export_and_import(regctl: Regctl, registry: Registry, name: str) -> None:
    image, archive = new_image(), regctl.fresh(".tar")
    regctl.push(image, name, "v1")
    regctl("image", "export", registry.ref(name, "v1"), str(archive))
    regctl("image", "import", registry.ref(f"{name}/back", "v1"), str(archive))
    assert registry.digest(f"{name}/back", "v1") == image.digest
    assert registry.files(f"{name}/back", "v1") == image.files
    assert regctl("manifest", "head", registry.ref(name, "v1")) == image.digest
    assert regctl.bytes("image", "get-file", registry.ref(name, "v1"), "layer/0") == b"here"
