"""Crane: appends, copies, indexes, validates, lists, deletes."""

import json

import pytest

from tests.interop.clients import Crane
from tests.interop.conftest import Make
from tests.interop.registry import Registry
from tests.speak.content import OCI_INDEX, digest_of
from tests.speak.images import docker_archive_files, new_image, new_index, some_files, tar_of, write_layout


@pytest.fixture
def crane(make: Make, registry: Registry) -> Crane:
    return make(Crane, registry)


def test_layers_are_appended_and_exported(crane: Crane, registry: Registry, name: str) -> None:
    below, above = some_files(), some_files() | {"new": b"1"}
    paths = []
    for files in (below, above):
        paths.append(crane.fresh(".tar"))
        paths[-1].write_bytes(tar_of(files))
    base, upper = registry.ref(name, "base"), registry.ref(name, "upper")
    crane("append", "--oci-empty-base", "--new_layer", str(paths[0]), "--new_tag", base)
    crane("append", "--base", base, "--new_layer", str(paths[1]), "--new_tag", upper)
    assert registry.files(name, "base") == below
    assert registry.files(name, "upper") == below | above
    exported = crane.fresh(".tar")
    crane("export", upper, str(exported))
    crane("flatten", upper, "--tag", registry.ref(name, "flat"))
    assert registry.files(name, "flat") == below | above
    crane("mutate", base, "--label", "a=b", "--tag", registry.ref(name, "labelled"))
    assert json.loads(crane("config", registry.ref(name, "labelled")))["config"]["Labels"] == {"a": "b"}
    crane("rebase", upper, *("--old_base", base, "--new_base", registry.ref(name, "labelled")), "--tag", upper)
    assert registry.files(name, "upper") == below | above


def test_what_it_reads(crane: Crane, registry: Registry, name: str) -> None:
    image = new_image()
    crane.push(image, name, "v1")
    called = registry.ref(name, "v1")
    assert crane("digest", called) == image.digest
    assert crane.bytes("manifest", called).rstrip(b"\n") == image.manifest
    assert crane.bytes("config", called).rstrip(b"\n") == image.config
    for blob in image.blobs:
        assert crane.bytes("blob", registry.ref(name, digest_of(blob))) == blob
    for form in ("tarball", "legacy"):
        target = crane.fresh(".tar")
        crane("pull", "--format", form, called, str(target))
        assert docker_archive_files(target) == image.files
    assert "PASS" in crane("validate", "--remote", called)


def test_tags_and_repositories(crane: Crane, registry: Registry, name: str) -> None:
    image = new_image(1)
    crane.push(image, name, "v1")
    crane("tag", registry.ref(name, "v1"), "v2")
    assert crane("ls", f"{registry.host}/{name}").split() == ["v1", "v2"]
    assert crane("ls", "--full-ref", f"{registry.host}/{name}").split()[0] == registry.ref(name, "v1")
    assert name in crane("catalog", registry.host).split()


def test_a_copy_mounts(crane: Crane, registry: Registry, name: str) -> None:
    image, target = new_image(), f"{name}/copy"
    crane.push(image, name, "v1")
    crane("tag", registry.ref(name, "v1"), "v2")
    registry.mark()
    crane("copy", registry.ref(name, "v1"), registry.ref(target, "v1"))
    assert len(registry.mounted(target)) == len(image.blobs) + 1  # The config is one too.
    assert registry.uploaded(target) == []
    assert registry.requests(method="GET", route="blob") == []
    assert registry.files(target, image.digest) == image.files
    crane("copy", "--all-tags", f"{registry.host}/{name}", f"{registry.host}/{target}")
    assert registry.tags(target) == ["v1", "v2"]


def test_deleting_a_tag_or_a_manifest(crane: Crane, registry: Registry, name: str) -> None:
    image = new_image(1)
    crane.push(image, name, "v1")
    crane("tag", registry.ref(name, "v1"), "v2")
    crane("delete", registry.ref(name, "v1"))
    assert registry.tags(name) == ["v2"]
    assert registry.files(name, image.digest) == image.files
    crane("delete", registry.ref(name, image.digest))
    assert not registry.has(name, "v2")
    assert not registry.has(name, image.digest)
    assert "MANIFEST_UNKNOWN" in crane.fails("delete", registry.ref(name, image.digest))


def test_an_index(crane: Crane, registry: Registry, name: str) -> None:
    images = [new_image(1, "amd64"), new_image(1, "arm64")]
    for image in images:
        crane.push(image, name, image.architecture)
    sources = [argument for image in images for argument in ("-m", registry.ref(name, image.architecture))]
    crane("index", "append", *sources, "-t", registry.ref(name, "multi"))
    index = registry.document(name, "multi")
    assert index["mediaType"] == OCI_INDEX
    assert [entry["digest"] for entry in index["manifests"]] == [image.digest for image in images]
    assert crane("digest", "--platform", "linux/arm64", registry.ref(name, "multi")) == images[1].digest
    assert "PASS" in crane("validate", "--remote", registry.ref(name, "multi"))
    crane("index", "filter", registry.ref(name, "multi"), "--platform", "linux/arm64", "-t", registry.ref(name, "arm"))
    assert [entry["digest"] for entry in registry.document(name, "arm")["manifests"]] == [images[1].digest]
    # The index goes to another repository with all that it lists, though nothing there is known yet.
    crane("copy", registry.ref(name, "multi"), registry.ref(f"{name}/copy", "multi"))
    assert registry.files(f"{name}/copy", images[1].digest) == images[1].files


def test_an_index_from_a_layout(crane: Crane, registry: Registry, name: str) -> None:
    index = new_index()
    layout = str(write_layout(crane.fresh(), index))
    crane("push", layout, registry.ref(name, "multi"))
    assert registry.digest(name, "multi") == index.digest
    for image in index.images:
        assert registry.files(name, image.digest) == image.files
    # With this flag the layout's own index is pushed, which lists ours: an index of an index.
    crane("push", "--index", layout, registry.ref(name, "nested"))
    assert [entry["digest"] for entry in registry.document(name, "nested")["manifests"]] == [index.digest]
    target = crane.fresh()
    crane("pull", "--format", "oci", registry.ref(name, "nested"), str(target))
    assert (target / "blobs" / index.digest.replace(":", "/")).read_bytes() == index.manifest
