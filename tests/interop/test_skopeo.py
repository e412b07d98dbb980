"""Skopeo: copies between places and forms, lists, deletes, synchronises."""

import json

import pytest

from tests.interop.clients import Skopeo
from tests.interop.conftest import Make
from tests.interop.registry import Registry
from tests.speak.content import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, digest_of
from tests.speak.images import ZSTD_LAYER, layout_files, new_image, new_index, write_layout


@pytest.fixture
def skopeo(make: Make, registry: Registry) -> Skopeo:
    return make(Skopeo, registry)


def test_inspect_and_list(skopeo: Skopeo, registry: Registry, name: str) -> None:
    image = new_image()
    skopeo.push(image, name, "v1")
    skopeo.push(image, name, "v2")
    told = json.loads(skopeo("inspect", "--tls-verify=false", skopeo.docker(name, "v1")))
    assert told["Digest"] == image.digest
    assert sorted(told["RepoTags"]) == ["v1", "v2"]
    assert told["Layers"] == [digest_of(blob) for blob in image.blobs]
    raw = skopeo.bytes("inspect", "--tls-verify=false", "--raw", skopeo.docker(name, image.digest))
    assert raw == image.manifest
    config = skopeo.bytes("inspect", "--tls-verify=false", "--config", "--raw", skopeo.docker(name, "v1"))
    assert config == image.config
    listed = json.loads(skopeo("list-tags", "--tls-verify=false", f"docker://{registry.host}/{name}"))
    assert listed["Tags"] == ["v1", "v2"]


def test_a_copy_to_another_repository_mounts(skopeo: Skopeo, registry: Registry, name: str) -> None:
    image, target = new_image(), f"{name}/copy"
    skopeo.push(image, name, "v1")
    registry.mark()
    skopeo.copy(skopeo.docker(name, "v1"), skopeo.docker(target, "v1"))
    assert len(registry.mounted(target)) == len(image.blobs)
    assert len(registry.uploaded(target)) == 1  # The config: it never asks whether that could be mounted.
    assert registry.digest(target, "v1") == image.digest
    assert registry.files(target, "v1") == image.files


def test_deleting_takes_the_manifest_and_all_its_tags(skopeo: Skopeo, registry: Registry, name: str) -> None:
    first, second = new_image(1), new_image(1)
    for image, tag in [(first, "a"), (first, "b"), (second, "c")]:
        skopeo.push(image, name, tag)
    skopeo("delete", "--tls-verify=false", skopeo.docker(name, "a"))
    assert registry.tags(name) == ["c"]
    assert not registry.has(name, first.digest)
    assert registry.files(name, "c") == second.files
    skopeo("delete", "--tls-verify=false", skopeo.docker(name, second.digest))
    assert not registry.has(name, "c")


def test_an_index_with_all_its_images(skopeo: Skopeo, registry: Registry, name: str) -> None:
    index = new_index()
    layout = write_layout(skopeo.fresh(), index, "it")
    skopeo.copy(f"oci:{layout}:it", skopeo.docker(name, "multi"), "--all")
    assert registry.digest(name, "multi") == index.digest
    for image in index.images:
        assert registry.files(name, image.digest) == image.files
        pulled = skopeo.fresh()
        platform = f"--override-arch={image.architecture}"
        skopeo(platform, "copy", "--src-tls-verify=false", skopeo.docker(name, "multi"), f"oci:{pulled}:it")
        assert layout_files(pulled) == image.files

    target = f"{name}/copy"
    skopeo.copy(skopeo.docker(name, index.digest), skopeo.docker(target, "multi"), "--all", "--preserve-digests")
    assert registry.digest(target, "multi") == index.digest
    assert [registry.files(target, image.digest) for image in index.images] == [image.files for image in index.images]


@pytest.mark.parametrize("form", ["zstd", "zstd:chunked"])
def test_layers_compressed_on_the_way(form: str, skopeo: Skopeo, registry: Registry, name: str) -> None:
    image = new_image()
    layout = skopeo.layout(image, "it")
    skopeo.copy(f"oci:{layout}:it", skopeo.docker(name, "v1"), f"--dest-compress-format={form}")
    layers = registry.document(name, "v1")["layers"]
    assert {layer["mediaType"] for layer in layers} == {ZSTD_LAYER}
    position = "io.containers.zstd-chunked.manifest-position"
    assert all((position in layer.get("annotations", {})) == (form == "zstd:chunked") for layer in layers)
    assert registry.files(name, "v1") == image.files
    assert skopeo.pull(name, "v1") == image.files


def test_docker_schema_2_and_back(skopeo: Skopeo, registry: Registry, name: str) -> None:
    image = new_image()
    layout = skopeo.layout(image, "it")
    skopeo.copy(f"oci:{layout}:it", skopeo.docker(name, "docker"), "--format=v2s2")
    assert registry.document(name, "docker")["mediaType"] == DOCKER_MANIFEST
    skopeo.copy(skopeo.docker(name, "docker"), skopeo.docker(name, "oci"), "--format=oci")
    assert registry.document(name, "oci")["mediaType"] == OCI_MANIFEST
    assert registry.files(name, "docker") == registry.files(name, "oci") == image.files
    assert skopeo.pull(name, "docker") == image.files


def test_an_index_becomes_a_docker_manifest_list(skopeo: Skopeo, registry: Registry, name: str) -> None:
    index = new_index()
    layout = write_layout(skopeo.fresh(), index, "it")
    skopeo.copy(f"oci:{layout}:it", skopeo.docker(name, "docker"), "--all", "--format=v2s2")
    listed = registry.document(name, "docker")
    assert listed["mediaType"] == DOCKER_LIST
    for entry, image in zip(listed["manifests"], index.images, strict=True):
        assert registry.files(name, entry["digest"]) == image.files
    skopeo.copy(skopeo.docker(name, "docker"), skopeo.docker(name, "oci"), "--all", "--format=oci")
    assert registry.document(name, "oci")["mediaType"] == OCI_INDEX


def test_synchronising_to_a_folder_and_back(skopeo: Skopeo, registry: Registry, name: str) -> None:
    images = {"v1": new_image(), "v2": new_image(1)}
    for tag, image in images.items():
        skopeo.push(image, name, tag)
    folder, target = skopeo.fresh(), f"{name}/back"
    source = f"{registry.host}/{name}"
    skopeo("sync", "--src-tls-verify=false", "--src", "docker", "--dest", "dir", source, str(folder))
    skopeo(
        *("sync", "--dest-tls-verify=false", "--src", "dir", "--dest", "docker"),
        *(str(folder), f"{registry.host}/{target}"),
    )
    restored = f"{target}/{name.rpartition('/')[2]}"
    assert registry.tags(restored) == ["v1", "v2"]
    for tag, image in images.items():
        assert registry.digest(restored, tag) == image.digest
        assert registry.files(restored, tag) == image.files
