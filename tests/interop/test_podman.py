"""Podman: lists of images, layers compressed with zstd, layers of which only what is missing is pulled."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from tests.interop.clients import Podman
from tests.interop.conftest import Make
from tests.interop.registry import Registry
from tests.speak.content import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX
from tests.speak.images import MEGABYTE, ZSTD_LAYER, Image, new_image


@pytest.fixture
def podman(make: Make, registry: Registry) -> Podman:
    return make(Podman, registry)


def test_tags_are_listed(podman: Podman, registry: Registry, name: str) -> None:
    local = podman.load(new_image(1))
    for tag in ("v1", "v2"):
        podman("push", "--quiet", "--tls-verify=false", local, registry.ref(name, tag))
    found = json.loads(
        podman("search", "--list-tags", "--tls-verify=false", "--format", "json", f"{registry.host}/{name}")
    )
    assert found == [{"Name": f"{registry.host}/{name}", "Tags": ["v1", "v2"]}]


def test_a_push_to_a_second_repository_mounts(podman: Podman, registry: Registry, name: str) -> None:
    image, target = new_image(), f"{name}/copy"
    local = podman.load(image)
    podman("push", "--quiet", "--tls-verify=false", local, registry.ref(name, "v1"))
    registry.mark()
    podman("push", "--quiet", "--tls-verify=false", local, registry.ref(target, "v1"))
    assert len(registry.mounted(target)) == len(image.layers)
    assert registry.files(target, "v1") == image.files


@pytest.mark.parametrize(
    ("form", "index", "manifest"), [("oci", OCI_INDEX, None), ("v2s2", DOCKER_LIST, DOCKER_MANIFEST)]
)
def test_a_manifest_list(
    form: str, index: str, manifest: str | None, podman: Podman, registry: Registry, name: str
) -> None:
    images = [new_image(1, "amd64"), new_image(1, "arm64")]
    podman("manifest", "create", "list")
    for image in images:
        podman.push(image, name, image.architecture)
        podman("manifest", "add", "--tls-verify=false", "list", f"docker://{registry.ref(name, image.architecture)}")
    target = f"{name}/multi"
    podman(
        *("manifest", "push", "--all", "--tls-verify=false", "--format", form),
        *("list", f"docker://{registry.ref(target, 'v1')}"),
    )
    listed = registry.document(target, "v1")
    assert listed["mediaType"] == index
    for entry, image in zip(listed["manifests"], images, strict=True):
        assert entry["platform"]["architecture"] == image.architecture
        assert entry["mediaType"] == (manifest or entry["mediaType"])
        assert registry.files(target, entry["digest"]) == image.files
    for image in images:
        called = registry.ref(target, "v1")
        local = podman("pull", "--quiet", "--tls-verify=false", f"--arch={image.architecture}", called)
        assert podman.saved(local) == image.files


def test_docker_format(podman: Podman, registry: Registry, name: str) -> None:
    image = new_image()
    local = podman.load(image)
    podman("push", "--quiet", "--tls-verify=false", "--format", "v2s2", local, registry.ref(name, "v1"))
    podman("rmi", local)
    assert registry.document(name, "v1")["mediaType"] == DOCKER_MANIFEST
    assert podman.pull(name, "v1") == image.files


def test_zstd(podman: Podman, registry: Registry, name: str) -> None:
    image = new_image()
    local = podman.load(image)
    called = registry.ref(name, "v1")
    podman("push", "--quiet", "--tls-verify=false", "--compression-format", "zstd", local, called)
    podman("rmi", local)
    assert {layer["mediaType"] for layer in registry.document(name, "v1")["layers"]} == {ZSTD_LAYER}
    assert registry.files(name, "v1") == image.files
    assert podman.pull(name, "v1") == image.files


def test_a_tag_that_moves(podman: Podman, registry: Registry, name: str) -> None:
    first, second = new_image(1), new_image(1)
    for image in (first, second):
        podman.push(image, name, "latest")
        assert podman.pull(name, "latest") == image.files


class PartialPodman(Podman):
    """On overlay, the driver that pulls only those parts of layers that it lacks."""

    driver: ClassVar[str] = "overlay"

    def prepare(self) -> None:
        settings = self.folder / "storage.conf"
        settings.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self.folder}/root"\nrunroot = "{self.folder}/run"\n'
            "[storage.options]\n"
            'pull_options = {enable_partial_images = "true", use_hard_links = "false", ostree_repos = ""}\n'
        )
        self.environ["CONTAINERS_STORAGE_CONF"] = str(settings)


@pytest.fixture
def partial(make: Make, registry: Registry) -> Iterator[PartialPodman]:
    if os.geteuid() != 0:
        pytest.skip("overlay needs root")
    podman = make(PartialPodman, registry)
    yield podman
    podman("rmi", "--all", "--force")


def test_only_the_missing_parts_of_a_layer_are_pulled(
    podman: Podman, partial: PartialPodman, registry: Registry, name: str
) -> None:
    """zstd:chunked: one request for the layer's table of contents, one with many ranges for files."""
    # Without a folder: this version copies what it has before it has made the folder for it, now and then.
    files = {f"file-{number:03}": os.urandom(50_000) for number in range(60)}
    changed = dict(files) | {f"file-{number:03}": os.urandom(50_000) for number in range(0, 60, 6)}
    images = {"v1": Image((files,)), "v2": Image((changed,))}
    for tag, image in images.items():
        called = registry.ref(name, tag)
        local = podman.load(image)
        podman("push", "--quiet", "--tls-verify=false", "--compression-format", "zstd:chunked", local, called)
    for tag, image in images.items():
        registry.mark()
        local = partial("pull", "--quiet", "--tls-verify=false", registry.ref(name, tag))
        layer = registry.document(name, tag)["layers"][0]
        parts = registry.requests(method="GET", route="blob", reference=layer["digest"])
        assert [line.status for line in parts] == [206, 206]
        mounted = partial("image", "mount", local)
        assert {path: (Path(mounted) / path).read_bytes() for path in image.files} == image.files
        partial("image", "unmount", local)
        if tag == "v2":
            assert 500_000 < parts[1].size < MEGABYTE  # Ten files of sixty.
