"""The clients: how each of them pushes a whole image and pulls one, in a home of its own."""

import json
import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import pytest

from tests.interop.registry import Registry
from tests.speak.images import Files, Image, docker_archive_files, layout_files, write_docker_archive, write_layout

PATIENCE = 60
"""Seconds that a command may take."""


def environment(home: Path, **more: str) -> dict[str, str]:
    """Nothing of the user's own: no credentials, no configuration, no caches, no proxies."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.json").write_text("{}")
    places = {"HOME": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home, "XDG_RUNTIME_DIR": home, "TMPDIR": home}
    settings = {"DOCKER_CONFIG": home, "REGCTL_CONFIG": home / "regctl.json"}
    return {"PATH": os.environ["PATH"], **{key: str(path) for key, path in (places | settings).items()}, **more}


def run(command: list[str], environ: dict[str, str], stdin: bytes | None = None) -> bytes:
    """Its standard output; fails the test with its standard error."""
    done = subprocess.run(command, input=stdin, capture_output=True, env=environ, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stderr.decode(errors='replace')}"
    return done.stdout


class Program:
    """A program that talks to a registry."""

    program: ClassVar[str]

    def __init__(self, registry: Registry, folder: Path) -> None:
        if shutil.which(self.program) is None:
            pytest.skip(f"{self.program} is not installed")
        self.registry = registry
        self.folder = folder
        self.environ = environment(folder / "home")
        self.prepare()

    def prepare(self) -> None:
        """What has to be set up before the first command."""

    def command(self, *arguments: str) -> list[str]:
        return [self.program, *arguments]

    def __call__(self, *arguments: str, stdin: bytes | None = None) -> str:
        """Run it; what it printed."""
        return self.bytes(*arguments, stdin=stdin).decode().strip()

    def bytes(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        return run(self.command(*arguments), self.environ, stdin)

    def fails(self, *arguments: str) -> str:
        """Run it, expecting that it fails; what it said."""
        done = subprocess.run(
            self.command(*arguments), capture_output=True, env=self.environ, timeout=PATIENCE, check=False
        )
        assert done.returncode != 0, done.stdout
        return (done.stdout + done.stderr).decode()

    def fresh(self, suffix: str = "") -> Path:
        """A path in its folder that nothing has."""
        return self.folder / f"{len(list(self.folder.iterdir()))}{suffix}"

    def layout(self, image: Image, tag: str = "latest") -> Path:
        return write_layout(self.fresh(), image, tag)


class Client(Program, ABC):
    """One that everybody pushes images with and pulls them."""

    @abstractmethod
    def push(self, image: Image, name: str, tag: str) -> None: ...

    @abstractmethod
    def pull(self, name: str, reference: str) -> Files:
        """What the image contains, from the registry, not from what the client knows already."""


class Skopeo(Client):
    program = "skopeo"

    def prepare(self) -> None:
        # As root it keeps what it knows of blobs in /var/lib, unless it takes itself for somebody else.
        self.environ["_CONTAINERS_ROOTLESS_UID"] = "1000"

    def push(self, image: Image, name: str, tag: str) -> None:
        self.copy(f"oci:{self.layout(image, 'it')}:it", self.docker(name, tag))

    def pull(self, name: str, reference: str) -> Files:
        target = self.fresh()
        self.copy(self.docker(name, reference), f"oci:{target}:it")
        return layout_files(target)

    def copy(self, source: str, target: str, *flags: str) -> None:
        self("copy", "--src-tls-verify=false", "--dest-tls-verify=false", *flags, source, target)

    def docker(self, name: str, reference: str) -> str:
        return f"docker://{self.registry.ref(name, reference)}"


class Crane(Client):
    program = "crane"

    def command(self, *arguments: str) -> list[str]:
        return [self.program, "--insecure", *arguments]

    def push(self, image: Image, name: str, tag: str) -> None:
        printed = self("push", str(self.layout(image)), self.registry.ref(name, tag))
        assert printed == self.registry.ref(name, image.digest)

    def pull(self, name: str, reference: str) -> Files:
        target = self.fresh()
        self("pull", "--format", "oci", self.registry.ref(name, reference), str(target))
        return layout_files(target)


class Regctl(Client):
    program = "regctl"

    def prepare(self) -> None:
        self("registry", "set", "--tls", "disabled", self.registry.host)

    def push(self, image: Image, name: str, tag: str) -> None:
        self("image", "copy", f"ocidir://{self.layout(image, 'it')}:it", self.registry.ref(name, tag))

    def pull(self, name: str, reference: str) -> Files:
        target = self.fresh()
        self("image", "copy", self.registry.ref(name, reference), f"ocidir://{target}:it")
        return layout_files(target)


class Podman(Client):
    program = "podman"
    driver: ClassVar[str] = "vfs"

    def command(self, *arguments: str) -> list[str]:
        store = ["--root", str(self.folder / "root"), "--runroot", str(self.folder / "run")]
        return [self.program, "--storage-driver", self.driver, *store, "--tmpdir", str(self.folder / "tmp"), *arguments]

    def push(self, image: Image, name: str, tag: str) -> None:
        local = self.load(image)
        self("push", "--quiet", "--tls-verify=false", local, self.registry.ref(name, tag))
        self("rmi", "--force", local)

    def load(self, image: Image) -> str:
        """Its id."""
        return self("pull", "--quiet", f"oci:{self.layout(image, 'it')}:it")

    def pull(self, name: str, reference: str) -> Files:
        """From nothing: afterwards it has forgotten the image."""
        local = self("pull", "--quiet", "--tls-verify=false", self.registry.ref(name, reference))
        listed = json.loads(self("image", "inspect", local))[0]
        assert self.registry.digest(name, reference) == listed["Digest"]
        files = self.saved(local)
        self("rmi", "--force", local)
        return files

    def saved(self, local: str) -> Files:
        target = self.fresh()
        self("save", "--quiet", "--format", "oci-dir", "--output", str(target), local)
        return layout_files(target)


class Buildah(Client):
    program = "buildah"

    def command(self, *arguments: str) -> list[str]:
        store = ["--root", str(self.folder / "root"), "--runroot", str(self.folder / "run")]
        return [self.program, "--storage-driver", "vfs", *store, *arguments]

    def push(self, image: Image, name: str, tag: str) -> None:
        local = self.build(image)
        self("push", "--quiet", "--tls-verify=false", local, f"docker://{self.registry.ref(name, tag)}")
        self("rmi", "--force", local)

    def build(self, image: Image, *flags: str) -> str:
        """An image with the same files, one layer from each of its layers; the new image's id."""
        base = "scratch"
        for layer in image.layers:
            folder = self.fresh()
            for path, content in layer.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)
            container = self("from", "--pull-never", base)
            self("config", "--arch", image.architecture, container)
            self("copy", "--quiet", container, str(folder), "/")
            base = self("commit", "--quiet", "--rm", "--timestamp", "0", *flags, container)
        return base

    def pull(self, name: str, reference: str) -> Files:
        local = self("pull", "--quiet", "--tls-verify=false", f"docker://{self.registry.ref(name, reference)}")
        target = self.fresh()
        self("push", "--quiet", local, f"oci:{target}:it")
        self("rmi", "--force", local)
        return layout_files(target)


class Docker(Client):
    """The command line and the daemon behind it, whose socket is found in the environment."""

    program = "docker"

    def push(self, image: Image, name: str, tag: str) -> None:
        self.load(image, self.registry.ref(name, tag))
        self("push", "--quiet", self.registry.ref(name, tag))
        self.forget(self.registry.ref(name, tag))

    def load(self, image: Image, called: str) -> None:
        self("load", "--input", str(write_docker_archive(self.fresh(".tar"), image, called)))

    def pull(self, name: str, reference: str) -> Files:
        called = self.registry.ref(name, reference)
        assert self("pull", "--quiet", called) == called
        files = self.saved(called)
        self.forget(called)
        return files

    def saved(self, called: str) -> Files:
        target = self.fresh(".tar")
        self("save", "--output", str(target), self("image", "inspect", "--format", "{{.Id}}", called))
        return docker_archive_files(target)

    def forget(self, called: str) -> None:
        """Remove the image and all its names, so that the next pull comes from the registry."""
        self("rmi", "--force", self("image", "inspect", "--format", "{{.Id}}", called))


class Ctr(Client):
    """containerd without Docker, found in the environment too: it has a resolver of its own."""

    program = "ctr"

    def command(self, *arguments: str) -> list[str]:
        return [self.program, "--namespace", "interop", *arguments]

    def push(self, image: Image, name: str, tag: str) -> None:
        called = self.registry.ref(name, tag)
        archive = self.fresh(".tar")
        layout = self.layout(image, tag)
        run(["tar", "-C", str(layout), "-cf", str(archive), "."], self.environ)
        self("images", "import", "--base-name", called.rpartition(":")[0], "--no-unpack", str(archive))
        self("images", "push", "--plain-http", called)
        self("images", "remove", "--sync", called)

    def pull(self, name: str, reference: str) -> Files:
        called = self.registry.ref(name, reference)
        self("content", "fetch", "--plain-http", "--platform", "linux/amd64", called)
        archive = self.fresh(".tar")
        self("images", "export", "--platform", "linux/amd64", str(archive), called)
        self("images", "remove", "--sync", called)
        target = self.fresh()
        target.mkdir()
        run(["tar", "-C", str(target), "-xf", str(archive)], self.environ)
        return layout_files(target)


CLIENTS: dict[str, type[Client]] = {
    kind.program: kind for kind in (Skopeo, Crane, Regctl, Podman, Buildah, Docker, Ctr)
}
