"""What is on a server before it is measured: an image, tags, repositories, blobs, referrers.

Each is pushed when it is first asked for."""

import base64
import functools
import hashlib
import http.client
import json
import os
import ssl
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from conformance.bench.errors import BenchError
from conformance.bench.load import Json

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest"
ACCEPT = ", ".join((f"{DOCKER}.v2+json", f"{DOCKER}.list.v2+json", MANIFEST, INDEX))
"""As docker asks."""

TAGS = 10
REPOSITORIES = 20
REFERRERS = 1_000
SAME_LENGTH = -1
"""Of an answer: as long as the first one."""
ANY_LENGTH = -2
TIMEOUT = 60.0


class SetUpFailed(Exception):
    """The server did not take, or give back, what is to be measured."""


class Blob(NamedTuple):
    """Content and its digest."""

    data: bytes
    digest: str

    def descriptor(self, media_type: str) -> Json:
        return {"mediaType": media_type, "digest": self.digest, "size": len(self.data)}


def blob(data: bytes) -> Blob:
    return Blob(data, f"sha256:{hashlib.sha256(data).hexdigest()}")


@functools.cache
def random_blob(size: int, number: int = 0) -> Blob:
    """The same for all servers of a run, and nowhere else."""
    return blob(os.urandom(size))


def document(value: Json) -> Blob:
    return blob(json.dumps(value).encode())


class Target:
    """Where a server is: what its URL says."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise BenchError(f"{redacted(parts)} is not the URL of a registry: give it as http://host:port")
        self.tls = parts.scheme == "https"
        try:
            self.port = parts.port or (443 if self.tls else 80)
        except ValueError:
            raise BenchError(f"{redacted(parts)} has no port that there is") from None
        self.host = parts.hostname
        self.authority = parts.netloc.rpartition("@")[2]
        self.url = f"{parts.scheme}://{self.authority}"
        self.headers: dict[str, str] = {}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self.headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"

    def job(self) -> Json:
        """The part of a job that says where."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return {
            "address": f"{host}:{self.port}",
            "host": self.authority,
            "tls": self.tls,
            "headers": "".join(f"{name}: {value}\r\n" for name, value in self.headers.items()),
        }

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One request. Raises `OSError` or `HTTPException` if there is no answer."""
        if self.tls:
            context = ssl.create_default_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self.host, self.port, timeout=TIMEOUT, context=context
            )
        else:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, body, self.headers | (headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


def redacted(parts: SplitResult) -> str:
    """A URL without its user and password."""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


class Stock:
    """What one server has. Each property pushes what it names the first time."""

    def __init__(self, target: Target, prefix: str, load: Callable[[Json], None]) -> None:
        self.target = target
        self.prefix = prefix
        """Of the names of all repositories."""
        self._load = load
        self.repository = f"{prefix}/read"

    def request(self, method: str, path: str, length: int, *, digest: str = "", status: int = 200, more: str = "",
                optional: bool = False) -> Json:  # fmt: skip
        """A request of a job."""
        return {"method": method, "path": path, "length": length, "digest": digest, "status": status, "more": more,
                "optional": optional}  # fmt: skip

    @functools.cached_property
    def small(self) -> Blob:
        return self._pushed(self.repository, random_blob(233))

    @functools.cached_property
    def medium(self) -> Blob:
        return self._pushed(self.repository, random_blob(3_000_000))

    @functools.cached_property
    def large(self) -> Blob:
        return self._pushed(self.repository, random_blob(200_000_000))

    @functools.cached_property
    def layers(self) -> list[Blob]:
        return [self._pushed(self.repository, random_blob(100_000, number)) for number in range(3)]

    @functools.cached_property
    def config(self) -> Blob:
        ids = [layer.digest for layer in self.layers]
        rootfs = {"type": "layers", "diff_ids": ids}
        return self._pushed(self.repository, document({"architecture": "amd64", "os": "linux", "rootfs": rootfs}))

    @functools.cached_property
    def manifest(self) -> Blob:
        """An image, under `TAGS` tags: v0, v1, …"""
        layers = [layer.descriptor("application/vnd.oci.image.layer.v1.tar+gzip") for layer in self.layers]
        image = self._image(self.config, layers)
        for number in range(TAGS):
            self._put_manifest(self.repository, f"v{number}", image)
        return image

    @functools.cached_property
    def tags(self) -> str:
        """The path of the list of tags."""
        assert self.manifest
        path = f"/v2/{self.repository}/tags/list"
        found = self._json(path).get("tags")
        if not isinstance(found, list) or sorted(found) != [f"v{number}" for number in range(TAGS)]:
            raise SetUpFailed(f"GET {path}: not the {TAGS} tags that were pushed")
        return path

    @functools.cached_property
    def catalog(self) -> str:
        """The path of a page of as many repositories as were pushed."""
        for number in range(REPOSITORIES):
            name = f"{self.prefix}/catalog-{number:02}"
            config = self._pushed(name, blob(b"{}"))
            self._put_manifest(name, "v0", self._image(config, []))
        path = f"/v2/_catalog?n={REPOSITORIES}"
        if self._ask("GET", path)[0] == 200 and len(self._json(path).get("repositories") or ()) != REPOSITORIES:
            raise SetUpFailed(f"GET {path}: not {REPOSITORIES} repositories, though that many were pushed")
        return path

    @functools.cached_property
    def referrers(self) -> str:
        """The path of the referrers of the image. They are not pushed to a server that has no such API."""
        subject = self.manifest
        path = f"/v2/{self.repository}/referrers/{subject.digest}"
        if self._ask("GET", path)[0] != 200:
            return path
        empty = self._pushed(self.repository, blob(b"{}")).descriptor("application/vnd.oci.empty.v1+json")
        referrer = {"repository": self.repository, "subject": subject.descriptor(MANIFEST), "config": empty}
        self._load({"connections": 8, "count": REFERRERS, "operations": [{"referrer": referrer}]})
        found = self._json(path).get("manifests")
        if not isinstance(found, list) or not found:
            raise SetUpFailed(f"GET {path}: none of the {REFERRERS} referrers that were pushed")
        return path

    def _image(self, config: Blob, layers: list[Json]) -> Blob:
        described = config.descriptor("application/vnd.oci.image.config.v1+json")
        return document({"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": layers})

    def _pushed(self, repository: str, content: Blob) -> Blob:
        path = f"/v2/{repository}/blobs/uploads/"
        status, headers, _ = self._ask("POST", path, b"")
        location = headers.get("Location", "")
        if status != 202 or not location:
            raise SetUpFailed(f"POST {path}: answered {status}")
        parts = urlsplit(location)
        query = f"{parts.query}&" if parts.query else ""
        octets = {"Content-Type": "application/octet-stream"}
        status, _, _ = self._ask("PUT", f"{parts.path}?{query}digest={content.digest}", content.data, octets)
        if status != 201:
            raise SetUpFailed(f"PUT {parts.path}: answered {status}")
        return content

    def _put_manifest(self, repository: str, tag: str, manifest: Blob) -> None:
        path = f"/v2/{repository}/manifests/{tag}"
        status, _, _ = self._ask("PUT", path, manifest.data, {"Content-Type": MANIFEST})
        if status != 201:
            raise SetUpFailed(f"PUT {path}: answered {status}")

    def _json(self, path: str) -> Json:
        status, _, body = self._ask("GET", path)
        if status != 200:
            raise SetUpFailed(f"GET {path}: answered {status}")
        try:
            found = json.loads(body)
        except ValueError:
            raise SetUpFailed(f"GET {path}: no JSON") from None
        return found if isinstance(found, dict) else {}

    def _ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
             ) -> tuple[int, http.client.HTTPMessage, bytes]:  # fmt: skip
        try:
            return self.target.ask(method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            raise SetUpFailed(f"{method} {path}: {str(error) or type(error).__name__}") from None


class NoStock(Stock):
    """For the server that does nothing: what is asked of it is only as long as the real thing."""

    def request(self, method: str, path: str, length: int, *, digest: str = "", status: int = 200, more: str = "",
                optional: bool = False) -> Json:  # fmt: skip
        return super().request(method, f"/null/{length if length >= 0 else 1_000}", length, more=more)

    def _pushed(self, repository: str, content: Blob) -> Blob:
        return content

    def _put_manifest(self, repository: str, tag: str, manifest: Blob) -> None:
        pass

    @property
    def tags(self) -> str:
        return ""

    @property
    def catalog(self) -> str:
        return ""

    @property
    def referrers(self) -> str:
        return ""
