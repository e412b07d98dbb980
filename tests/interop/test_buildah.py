"""Buildah: images committed in both formats, indexes, compression."""

import pytest

from tests.interop.clients import Buildah
from tests.interop.conftest import Make
from tests.interop.registry import Registry
from tests.speak.content import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from tests.speak.images import ZSTD_LAYER, layout_files, new_image


@pytest.fixture
def buildah(make: Make, registry: Registry) -> Buildah:
    return make(Buildah, registry)


@pytest.mark.parametrize(("form", "media_type"), [("oci", OCI_MANIFEST), ("docker", DOCKER_MANIFEST)])
def test_both_formats(form: str, media_type: str, buildah: Buildah, registry: Registry, name: str) -> None:
    image = new_image()
    local = buildah.build(image, "--format", form)
    buildah("push", "--quiet", "--tls-verify=false", local, f"docker://{registry.ref(name, 'v1')}")
    buildah("rmi", "--force", local)
    assert registry.document(name, "v1")["mediaType"] == media_type
    assert buildah.pull(name, "v1") == image.files


def test_a_commit_goes_straight_to_the_registry(buildah: Buildah, registry: Registry, name: str) -> None:
    image = new_image(1)
    buildah.push(image, name, "base")
    container = buildah("from", "--pull", "--tls-verify=false", registry.ref(name, "base"))
    extra = buildah.fresh()
    extra.write_bytes(b"on top")
    buildah("copy", "--quiet", container, str(extra), "/extra")
    registry.mark()
    target = f"{name}/derived"
    buildah("commit", "--quiet", "--rm", "--tls-verify=false", container, f"docker://{registry.ref(target, 'v1')}")
    assert len(registry.mounted(target)) == 1  # The base's layer.
    assert registry.files(target, "v1") == image.files | {"extra": b"on top"}


def test_an_index(buildah: Buildah, registry: Registry, name: str) -> None:
    images = [new_image(1, "amd64"), new_image(1, "arm64")]
    buildah("manifest", "create", "list")
    for image in images:
        buildah("manifest", "add", "list", buildah.build(image))
    buildah("manifest", "push", "--all", "--tls-verify=false", "list", f"docker://{registry.ref(name, 'multi')}")
    index = registry.document(name, "multi")
    assert index["mediaType"] == OCI_INDEX
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["amd64", "arm64"]
    for entry, image in zip(index["manifests"], images, strict=True):
        assert registry.files(name, entry["digest"]) == image.files
    called = registry.ref(name, "multi")
    local = buildah("pull", "--quiet", "--tls-verify=false", "--arch", "arm64", called)
    target = buildah.fresh()
    buildah("push", "--quiet", local, f"oci:{target}:it")
    assert layout_files(target) == images[1].files


def test_zstd(buildah: Buildah, registry: Registry, name: str) -> None:
    image = new_image(1)
    local = buildah.build(image)
    called = f"docker://{registry.ref(name, 'v1')}"
    buildah("push", "--quiet", "--tls-verify=false", "--compression-format", "zstd", local, called)
    buildah("rmi", "--force", local)
    assert registry.document(name, "v1")["layers"][0]["mediaType"] == ZSTD_LAYER
    assert registry.files(name, "v1") == image.files
    assert buildah.pull(name, "v1") == image.files
