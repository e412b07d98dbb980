"""What everybody does with every client: push an image, pull it by tag and by digest; and what follows from it."""

import pytest

from tests.interop.clients import CLIENTS
from tests.interop.conftest import Make
from tests.interop.registry import Registry
from tests.speak.images import new_image
from tests.speak.requests import push_image


@pytest.mark.parametrize("program", CLIENTS)
@pytest.mark.parametrize("registry", ["single", "double"], indirect=True)
def test_an_image_is_pushed_and_pulled(program: str, registry: Registry, make: Make, name: str) -> None:
    client, image = make(CLIENTS[program], registry), new_image(3)
    client.push(image, name, "v1")
    assert registry.tags(name) == ["v1"]
    assert registry.files(name, "v1") == image.files
    assert len(registry.uploaded(name)) == 4  # Three layers and a config, none of them twice.

    registry.mark()
    assert client.pull(name, "v1") == image.files
    blobs = registry.requests(method="GET", route="blob", name=name)
    assert len({line.reference for line in blobs}) == 4
    assert {line.status for line in blobs} == {200}
    assert client.pull(name, registry.digest(name, "v1")) == image.files


@pytest.mark.parametrize("program", CLIENTS)
def test_a_second_push_sends_nothing_again(program: str, registry: Registry, make: Make, name: str) -> None:
    client, image = make(CLIENTS[program], registry), new_image()
    client.push(image, name, "v1")
    registry.mark()
    client.push(image, name, "v2")
    assert registry.uploaded(name) == []
    assert registry.tags(name) == ["v1", "v2"]
    assert registry.files(name, "v2") == image.files


@pytest.mark.parametrize("program", CLIENTS)
def test_what_is_not_there_is_an_error_for_the_user(program: str, registry: Registry, make: Make, name: str) -> None:
    client = make(CLIENTS[program], registry)
    with pytest.raises(AssertionError, match=r"(?i)unknown|not found"):
        client.pull(name, "missing")
    push_image(registry.http, name, "v1")
    with pytest.raises(AssertionError, match=r"(?i)unknown|not found"):
        client.pull(name, "missing")
