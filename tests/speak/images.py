"""Images made from files, as clients see them: OCI layouts and docker archives, written and read back."""

import functools
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.speak.content import OCI_INDEX, OCI_MANIFEST, descriptor, digest_of, image, index

Files = dict[str, bytes]
"""Paths, relative, and what they contain."""

GZIP_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
ZSTD_LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"
MEGABYTE = 1024 * 1024


def some_files(size: int = MEGABYTE) -> Files:
    """Files that no other image has: one large, which does not compress, and two small ones."""
    return {
        "data/large.bin": os.urandom(size),
        "etc/name": os.urandom(4).hex().encode(),
        "etc/text": os.urandom(8).hex().encode() * 500,
    }


def tar_of(files: Files) -> bytes:
    with io.BytesIO() as content:
        with tarfile.open(fileobj=content, mode="w") as archive:
            for path, data in sorted(files.items()):
                member = tarfile.TarInfo(path)
                member.size, member.mode = len(data), 0o644
                archive.addfile(member, io.BytesIO(data))
        # Without what pads it to a whole record, which zstd:chunked leaves out too.
        return content.getvalue()[: archive.offset]


def files_of(layers: Iterable[bytes]) -> Files:
    """What a container would see: every layer over those before it; compressed in any of the usual ways."""
    files: Files = {}
    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(decompressed(layer))) as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is not None:
                    files[member.name.removeprefix("./").lstrip("/")] = content.read()
    return files


def decompressed(layer: bytes) -> bytes:
    if layer.startswith(b"\x1f\x8b"):
        return gzip.decompress(layer)
    if layer.startswith(b"\x28\xb5\x2f\xfd"):
        if shutil.which("zstd") is None:
            pytest.skip("zstd, which reads such layers, is not installed")
        return subprocess.run(["zstd", "-dc"], input=layer, stdout=subprocess.PIPE, check=True).stdout
    return layer


@dataclass(frozen=True)
class Image:
    """An image of gzip layers for one platform. `files` are what its layers together contain."""

    layers: tuple[Files, ...]
    architecture: str = "amd64"

    @property
    def files(self) -> Files:
        return functools.reduce(lambda below, above: below | above, self.layers, {})

    @functools.cached_property
    def tars(self) -> list[bytes]:
        return [tar_of(files) for files in self.layers]

    @functools.cached_property
    def blobs(self) -> list[bytes]:
        return [gzip.compress(tar, 1, mtime=0) for tar in self.tars]

    @functools.cached_property
    def config(self) -> bytes:
        diffs = [digest_of(tar) for tar in self.tars]
        return json.dumps(
            {
                "architecture": self.architecture,
                "os": "linux",
                "config": {"Cmd": ["/etc/name"]},
                "rootfs": {"type": "layers", "diff_ids": diffs},
                "history": [{"created_by": "files"} for _ in diffs],
            }
        ).encode()

    @functools.cached_property
    def manifest(self) -> bytes:
        return image(self.config, [descriptor(blob, GZIP_LAYER) for blob in self.blobs])

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


@dataclass(frozen=True)
class Index:
    """Images for several platforms under one name."""

    images: tuple[Image, ...]

    @functools.cached_property
    def manifest(self) -> bytes:
        return index(
            [
                descriptor(each.manifest, OCI_MANIFEST, platform={"os": "linux", "architecture": each.architecture})
                for each in self.images
            ]
        )

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


def new_image(layers: int = 2, architecture: str = "amd64") -> Image:
    """The upper layers replace a file of the lower ones."""
    return Image(tuple(some_files() | {f"layer/{number}": b"here"} for number in range(layers)), architecture)


def new_index() -> Index:
    return Index((new_image(1, "amd64"), new_image(1, "arm64")))


def write_layout(folder: Path, content: Image | Index, tag: str = "latest") -> Path:
    """An OCI image layout with one entry."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    images = content.images if isinstance(content, Index) else (content,)
    for each in images:
        for blob in [each.manifest, each.config, *each.blobs]:
            (blobs / hashlib.sha256(blob).hexdigest()).write_bytes(blob)
    (blobs / content.digest.partition(":")[2]).write_bytes(content.manifest)
    media_type = OCI_INDEX if isinstance(content, Index) else OCI_MANIFEST
    entry = descriptor(content.manifest, media_type, annotations={"org.opencontainers.image.ref.name": tag})
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return folder


def layout_files(folder: Path) -> Files:
    """What the only image of an OCI image layout contains. Every blob is checked against its digest."""

    def blob(digest: str) -> bytes:
        return (folder / "blobs" / digest.replace(":", "/")).read_bytes()

    entries = json.loads((folder / "index.json").read_text())["manifests"]
    assert len(entries) == 1, entries
    return tree_files(entries[0]["digest"], blob)


def tree_files(digest: str, read: Callable[[str], bytes]) -> Files:
    """What the image with this digest contains, where `read` gives the bytes of digests, which are checked."""

    def checked(digest: str) -> bytes:
        content = read(digest)
        assert digest_of(content) == digest
        return content

    manifest = json.loads(checked(digest))
    config = json.loads(checked(manifest["config"]["digest"]))
    layers = [checked(layer["digest"]) for layer in manifest["layers"]]
    assert [digest_of(decompressed(layer)) for layer in layers] == config["rootfs"]["diff_ids"]
    return files_of(layers)


def write_docker_archive(path: Path, image: Image, name: str) -> Path:
    """What `docker load` reads."""
    config = hashlib.sha256(image.config).hexdigest() + ".json"
    members = {f"{number}/layer.tar": tar for number, tar in enumerate(image.tars)}
    listed = [{"Config": config, "RepoTags": [name], "Layers": list(members)}]
    path.write_bytes(tar_of({**members, config: image.config, "manifest.json": json.dumps(listed).encode()}))
    return path


def docker_archive_files(path: Path) -> Files:
    """What the only image that `docker save` or `crane pull` wrote contains."""
    with tarfile.open(path) as archive:

        def member(name: str) -> bytes:
            content = archive.extractfile(name)
            assert content is not None
            return content.read()

        (entry,) = json.loads(member("manifest.json"))
        layers = [member(name) for name in entry["Layers"]]
        diffs = json.loads(member(entry["Config"]))["rootfs"]["diff_ids"]
    assert [digest_of(decompressed(layer)) for layer in layers] == diffs
    return files_of(layers)
