"""Docker and containerd: mounts, tags that move, manifest lists, many images at once."""

import json

import pytest

from tests.interop.clients import Crane, Ctr, Docker
from tests.interop.conftest import Make
from tests.interop.registry import Registry
from tests.speak.content import DOCKER_LIST, DOCKER_MANIFEST
from tests.speak.images import new_image, new_index, write_layout


@pytest.fixture
def docker(make: Make, registry: Registry) -> Docker:
    return make(Docker, registry)


def test_a_push_to_a_second_repository_mounts(docker: Docker, registry: Registry, name: str) -> None:
    image, target = new_image(3), f"{name}/copy"
    docker.load(image, registry.ref(name, "v1"))
    pushed = docker("push", registry.ref(name, "v1")).splitlines()[-1]
    assert registry.digest(name, "v1") in pushed
    assert registry.document(name, "v1")["mediaType"] == DOCKER_MANIFEST
    docker("tag", registry.ref(name, "v1"), registry.ref(target, "v1"))
    registry.mark()
    assert "Mounted from" in docker("push", registry.ref(target, "v1"))
    assert len(registry.mounted(target)) == len(image.layers)
    assert registry.files(target, "v1") == image.files
    docker.forget(registry.ref(name, "v1"))


def test_an_image_that_an_image_is_based_on(docker: Docker, registry: Registry, name: str) -> None:
    """Only the layers that are new travel, in both directions."""
    lower = new_image(1)
    upper = type(lower)((*lower.layers, *new_image(1).layers))
    docker.push(lower, name, "lower")
    registry.mark()
    docker.push(upper, name, "upper")
    assert len(registry.uploaded(name)) == 2  # A layer and a config.
    docker("pull", "--quiet", registry.ref(name, "lower"))
    registry.mark()
    assert docker.pull(name, "upper") == upper.files
    assert len(registry.requests(method="GET", route="blob")) == 2
    docker.forget(registry.ref(name, "lower"))


def test_all_tags(docker: Docker, registry: Registry, name: str) -> None:
    images = {"v1": new_image(1), "v2": new_image(1)}
    for tag, image in images.items():
        docker.load(image, registry.ref(name, tag))
    docker("push", "--quiet", "--all-tags", f"{registry.host}/{name}")
    for tag in images:
        docker.forget(registry.ref(name, tag))
    assert registry.tags(name) == ["v1", "v2"]
    docker("pull", "--quiet", "--all-tags", f"{registry.host}/{name}")
    for tag, image in images.items():
        assert docker.saved(registry.ref(name, tag)) == image.files
        docker.forget(registry.ref(name, tag))


def test_a_manifest_list(docker: Docker, registry: Registry, name: str) -> None:
    images = [new_image(1, "amd64"), new_image(1, "arm64")]
    called = registry.ref(name, "multi")
    for image in images:
        docker.push(image, name, image.architecture)
    sources = [registry.ref(name, image.architecture) for image in images]
    docker("manifest", "create", "--insecure", called, *sources)
    docker("manifest", "annotate", called, sources[1], "--variant", "v8")
    pushed = docker("manifest", "push", "--insecure", called)
    assert registry.digest(name, "multi") in pushed
    listed = registry.document(name, "multi")
    assert listed["mediaType"] == DOCKER_LIST
    assert [entry["platform"]["architecture"] for entry in listed["manifests"]] == ["amd64", "arm64"]
    inspected = json.loads(docker("manifest", "inspect", "--insecure", called))
    assert inspected["manifests"] == listed["manifests"]
    for image in images:
        docker("pull", "--quiet", "--platform", f"linux/{image.architecture}", called)
        assert docker.saved(called) == image.files
        docker.forget(called)


def test_oci_content_of_others(docker: Docker, make: Make, registry: Registry, name: str) -> None:
    index = new_index()
    crane = make(Crane, registry)
    crane("push", str(write_layout(crane.fresh(), index)), registry.ref(name, "multi"))
    docker("pull", "--quiet", "--platform", "linux/arm64", registry.ref(name, "multi"))
    assert docker.saved(registry.ref(name, "multi")) == index.images[1].files
    docker.forget(registry.ref(name, "multi"))
    assert docker.pull(name, index.images[0].digest) == index.images[0].files


def test_containerd_takes_all_platforms(make: Make, registry: Registry, name: str) -> None:
    index, target = new_index(), f"{name}/copy"
    crane, ctr = make(Crane, registry), make(Ctr, registry)
    crane("push", str(write_layout(crane.fresh(), index)), registry.ref(name, "multi"))
    ctr("content", "fetch", "--plain-http", "--all-platforms", registry.ref(name, "multi"))
    ctr("images", "tag", registry.ref(name, "multi"), registry.ref(target, "multi"))
    registry.mark()
    ctr("images", "push", "--plain-http", registry.ref(target, "multi"))
    assert registry.digest(target, "multi") == index.digest
    for image in index.images:
        assert registry.files(target, image.digest) == image.files
    assert len(registry.mounted(target)) >= 2  # It knows where the layers came from.
    for called in (registry.ref(name, "multi"), registry.ref(target, "multi")):
        ctr("images", "remove", "--sync", called)


def test_containerd_takes_it_for_a_mirror(make: Make, registry: Registry, name: str) -> None:
    """It says of which registry it believes to ask, in a query parameter, and the answer is the same."""
    image, ctr = new_image(), make(Ctr, registry)
    make(Crane, registry).push(image, name, "v1")
    folder = ctr.fresh()
    (folder / "example.test").mkdir(parents=True)
    (folder / "example.test" / "hosts.toml").write_text(
        f'server = "https://example.test"\n[host."{registry.server.url}"]\ncapabilities = ["pull", "resolve"]\n'
    )
    registry.mark()
    ctr("content", "fetch", "--hosts-dir", str(folder), f"example.test/{name}:v1")
    assert len(registry.requests(method="GET", route="blob", status=200)) == len(image.blobs) + 1
    assert ctr.bytes("content", "get", image.digest) == image.manifest
    ctr("images", "remove", "--sync", f"example.test/{name}:v1")
