"""The registry under test, as a case sees it: requests, content to push, and judgements."""

import hashlib
import json
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import quote, urlencode, urlsplit

from conformance.client import auth
from conformance.client.wire import Answer, Body, Headers, Wire
from conformance.model import Exchange, Finding, Level

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
OCTETS = ("Content-Type", "application/octet-stream")

CODES = frozenset(
    {
        "BLOB_UNKNOWN",
        "BLOB_UPLOAD_INVALID",
        "BLOB_UPLOAD_UNKNOWN",
        "DENIED",
        "DIGEST_INVALID",
        "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_INVALID",
        "MANIFEST_UNKNOWN",
        "NAME_INVALID",
        "NAME_UNKNOWN",
        "SIZE_INVALID",
        "TOOMANYREQUESTS",
        "UNAUTHORIZED",
        "UNSUPPORTED",
    }
)
"""The error codes of the specification (R-201)."""


class Failed(Exception):
    """A requirement is not met."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"{finding.requirement}: expected {finding.expected}, got {finding.got}")
        self.finding = finding


class Skipped(Exception):
    """The registry does not offer what the case is about, and need not."""


class Disabled(Exception):
    """The user does not want the case to run."""


@dataclass
class Target:
    """What the user said of the registry, and what was found out about it. Shared by all tasks.

    `repository` and `second` are the names that cases push to; unless `fixed`, each case adds a part of its own."""

    url: str
    level: Level = Level.V1_1
    repository: str = "conformance/a"
    second: str = "conformance/b"
    fixed: bool = False
    user: str = ""
    password: str = ""
    token: str = ""
    insecure: bool = False
    read_only: bool = False
    image: str = ""
    allow: frozenset[str] = frozenset()
    seed: int = 0
    timeout: float = 30.0
    known: dict[str, bool] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    tokens: auth.Tokens = field(default_factory=auth.Tokens)


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes and their digest."""

    data: bytes
    algorithm: str = "sha256"

    @property
    def digest(self) -> str:
        return f"{self.algorithm}:{hashlib.new(self.algorithm, self.data).hexdigest()}"

    @property
    def size(self) -> int:
        return len(self.data)

    def descriptor(self, media_type: str, **more: Any) -> dict[str, Any]:
        return {"mediaType": media_type, "digest": self.digest, "size": self.size, **more}


class Registry:
    """One case's view. `name` and `other` are repositories that no other case uses, unless the user fixed them."""

    def __init__(self, target: Target, wire: Wire, case_id: str) -> None:
        self.target = target
        self.wire = wire
        self.random = random.Random(f"{target.seed}/{case_id}")
        part = "" if target.fixed else "/" + hashlib.sha256(f"{target.seed}/{case_id}".encode()).hexdigest()[:12]
        self.name = target.repository + part
        self.other = target.second + part
        self._case_id = case_id

    @property
    def exchanges(self) -> list[Exchange]:
        return self.wire.exchanges

    # Requests

    def url(self, path: str, **query: str | Sequence[str]) -> str:
        """An absolute URL. `path` as it is to be sent, from `/v2/` on, or a URL from a Location, kept as it is."""
        url = path if "://" in path else self.target.url + path
        if query:
            url += ("&" if "?" in url else "?") + urlencode(query, doseq=True, quote_via=quote)
        return url

    def request(
        self, method: str, path: str, headers: Headers = (), body: Body = None, *, follow: bool = True, **query: Any
    ) -> Answer:
        """Ask, with credentials if there are any; `query` is added to whatever the URL has. Raises `wire.Broken`."""
        url = self.url(path, **query)
        if urlsplit(url).netloc != urlsplit(self.target.url).netloc:
            return self.wire.request(method, url, headers, body, follow=follow)
        return auth.authorized(
            self.target.tokens,
            (self.target.user, self.target.password),
            self.target.token,
            lambda more: self.wire.request(method, url, [*headers, *more], body, follow=follow),
            self.wire,
            f"{method} {urlsplit(url).path}",
        )

    def get(self, path: str, headers: Headers = (), **query: Any) -> Answer:
        return self.request("GET", path, headers, **query)

    def head(self, path: str, headers: Headers = (), **query: Any) -> Answer:
        return self.request("HEAD", path, headers, **query)

    def post(self, path: str, headers: Headers = (), body: Body = None, **query: Any) -> Answer:
        return self.request("POST", path, headers, body, **query)

    def put(self, path: str, headers: Headers = (), body: Body = None, **query: Any) -> Answer:
        return self.request("PUT", path, headers, body, **query)

    def patch(self, path: str, headers: Headers = (), body: Body = None, **query: Any) -> Answer:
        return self.request("PATCH", path, headers, body, **query)

    def delete(self, path: str, headers: Headers = (), **query: Any) -> Answer:
        return self.request("DELETE", path, headers, **query)

    def raw(self, *pieces: bytes, **options: Any) -> bytes:
        """Bytes as they are, on a connection of their own; `{host}` in them is the host and port."""
        host = urlsplit(self.target.url).netloc.encode()
        return self.wire.raw(self.target.url, *(piece.replace(b"{host}", host) for piece in pieces), **options)

    def together(self, *calls: Callable[["Registry"], Any]) -> list[Any]:
        """What these give, all called at once, each with a view of its own. Raises what the first of them raises."""
        views = [Registry(self.target, self.wire.sibling(), self._case_id) for _ in calls]
        try:
            with ThreadPoolExecutor(len(calls)) as pool:
                return list(pool.map(lambda call, view: call(view), calls, views))
        finally:
            for view in views:
                self.exchanges.extend(view.exchanges)
                view.wire.close()

    def credentials(self, method: str, path: str) -> list[tuple[str, str]]:
        """The headers of a login for `raw`: those that worked for this request before, or those that it is asked for.

        Raises `wire.Broken`."""
        url, tokens = self.url(path), self.target.tokens
        login, scope = (self.target.user, self.target.password), f"{method} {urlsplit(url).path}"
        if self.target.token:
            return [("Authorization", f"Bearer {self.target.token}")]
        known = tokens.get(scope)
        if known is None and tokens:
            # It is known to ask: what it refuses here does nothing, but says what it wants.
            refusal = self.wire.request(method, url)
            known = auth.credential(refusal, login, self.wire) if refusal.status == 401 else None
            if known is not None:
                tokens.put(scope, known)
        if known is None and login[0]:
            known = auth.basic(login)
        return [known] if known else []

    # Paths

    def blob_path(self, digest: str, name: str | None = None) -> str:
        return f"/v2/{name or self.name}/blobs/{digest}"

    def manifest_path(self, reference: str, name: str | None = None) -> str:
        return f"/v2/{name or self.name}/manifests/{reference}"

    def uploads_path(self, name: str | None = None) -> str:
        return f"/v2/{name or self.name}/blobs/uploads/"

    def tags_path(self, name: str | None = None) -> str:
        return f"/v2/{name or self.name}/tags/list"

    def referrers_path(self, digest: str, name: str | None = None) -> str:
        return f"/v2/{name or self.name}/referrers/{digest}"

    # Content: random, but the same for the same seed

    def content(self, size: int = 512, algorithm: str = "sha256") -> Content:
        return Content(self.random.randbytes(size), algorithm)

    def tag(self, prefix: str = "t") -> str:
        """A tag that nothing else uses."""
        return f"{prefix}{self.random.getrandbits(48):012x}"

    def config(self) -> Content:
        """An image configuration that nothing else uses."""
        fields = {"architecture": "amd64", "os": "linux", "author": f"{self.random.getrandbits(64):x}"}
        return Content(json.dumps(fields | {"rootfs": {"type": "layers", "diff_ids": []}}).encode())

    # Pushing, as the beginning of a case about something else: a failure here is `Skipped` by nobody, but judged

    def start_upload(self, name: str | None = None, **query: Any) -> str:
        """The location of a new session (R-050)."""
        answer = self.post(self.uploads_path(name), [("Content-Length", "0")], **query)
        self.status(answer, 202, "R-050")
        return self.location(answer, "R-050")

    def push_blob(self, content: Content, name: str | None = None) -> Content:
        """POST and PUT (R-060)."""
        location = self.start_upload(name)
        answer = self.put(location, [OCTETS], content.data, digest=content.digest)
        self.status(answer, 201, "R-060")
        return content

    def put_manifest(
        self,
        manifest: Content,
        reference: str | None = None,
        media_type: str = OCI_MANIFEST,
        name: str | None = None,
        **query: Any,
    ) -> Answer:
        """PUT by `reference`, or by its digest; not judged."""
        path = self.manifest_path(reference or manifest.digest, name)
        return self.put(path, [("Content-Type", media_type)], manifest.data, **query)

    def push_manifest(
        self, manifest: Content, reference: str | None = None, media_type: str = OCI_MANIFEST, name: str | None = None
    ) -> Answer:
        """PUT by `reference`, or by its digest; 201 (R-111)."""
        answer = self.put_manifest(manifest, reference, media_type, name)
        self.status(answer, 201, "R-111")
        return answer

    def image(self, algorithm: str = "sha256", layers: int = 1, name: str | None = None, **more: Any) -> Content:
        """The manifest of an image whose blobs were pushed; itself not pushed yet."""
        config = Content(self.config().data, algorithm)
        contents = [self.content(512, algorithm) for _ in range(layers)]
        for blob in [config, *contents]:
            self.push_blob(blob, name)
        return manifest(config, contents, algorithm, **more)

    def push_image(self, reference: str | None = None, name: str | None = None, **more: Any) -> Content:
        """A whole image, by `reference` or by its digest."""
        image = self.image(name=name, **more)
        self.push_manifest(image, reference, name=name)
        return image

    # Judgements

    def that(self, holds: object, requirement: str, expected: str, got: object) -> None:
        """Raises `Failed` unless it holds."""
        if not holds:
            raise Failed(Finding(requirement, expected, str(got)[:2000]))

    def status(self, answer: Answer, wanted: int | Sequence[int], requirement: str, what: str = "") -> None:
        """The answer has this status, or one of these."""
        allowed = (wanted,) if isinstance(wanted, int) else tuple(wanted)
        wording = f"{wanted[0]} to {wanted[-1]}" if isinstance(wanted, range) else " or ".join(map(str, allowed))
        expected = f"status {wording}{f' for {what}' if what else ''}"
        self.that(answer.status in allowed, requirement, expected, f"status {answer.status}")

    def location(self, answer: Answer, requirement: str) -> str:
        """The absolute URL in `Location`."""
        self.that(answer.location is not None, requirement, "a Location header", "none")
        return str(answer.location)

    def header(self, answer: Answer, name: str, wanted: str | Callable[[str], bool], requirement: str) -> str:
        """A header is there and is this, or passes this test."""
        value = answer.header(name)
        if callable(wanted):
            self.that(value is not None and wanted(value), requirement, f"a {name} header that is right", value)
        else:
            self.that(value == wanted, requirement, f"{name}: {wanted}", f"{name}: {value}")
        return value or ""

    def body(self, answer: Answer, wanted: bytes, requirement: str) -> None:
        """The body is exactly this."""
        if answer.body != wanted:
            first = next((i for i, (a, b) in enumerate(zip(answer.body, wanted, strict=False)) if a != b), None)
            where = "" if first is None else f", different from byte {first} on"
            self.that(False, requirement, f"the {len(wanted)} bytes pushed", f"{len(answer.body)} bytes{where}")

    def error(self, answer: Answer, codes: str | Sequence[str], requirement: str = "R-201") -> None:
        """If the body is JSON, it is an error of the specification's form; if `codes` are given, with one of them."""
        kind = (answer.header("content-type") or "").partition(";")[0]
        if kind != "application/json" and not answer.body.lstrip().startswith(b"{"):
            return
        fields = answer.json()
        entries = fields.get("errors") if isinstance(fields, dict) else None
        good = isinstance(entries, list) and entries and all(isinstance(entry, dict) for entry in entries)
        self.that(good, "R-200", 'JSON of the form {"errors": [{"code": …}]}', answer.body[:300])
        assert isinstance(entries, list)
        found = [entry.get("code") for entry in entries]
        self.that(all(code in CODES for code in found), "R-201", "codes of the specification", found)
        wanted = (codes,) if isinstance(codes, str) else tuple(codes)
        if wanted:
            self.that(any(code in wanted for code in found), requirement, f"code {' or '.join(wanted)}", found)

    def skip(self, reason: str) -> NoReturn:
        """What the case is about is an option that the registry does not offer."""
        raise Skipped(reason)

    def allows(self, behaviour: str) -> bool:
        """Whether the user said that the operator has chosen this (`--allow`)."""
        return behaviour in self.target.allow

    def needs(self, algorithm: str) -> None:
        """Skips where blobs cannot be pushed by digests of this algorithm, an option for all but sha256 (I-004)."""

        def ask() -> bool:
            blob = Content(self._case_id.encode(), algorithm)
            return self.put(self.start_upload(), [OCTETS], blob.data, digest=blob.digest).status != 400

        if algorithm != "sha256" and not self.offers(algorithm, ask):
            self.skip(f"{algorithm} is not supported")

    def offers(self, option: str, ask: Callable[[], bool]) -> bool:
        """Whether the registry offers an option: asked once in a run, by whoever needs to know first."""
        with self.target.lock:
            if option not in self.target.known:
                self.target.known[option] = ask()
            return self.target.known[option]


def manifest(
    config: Content,
    layers: Sequence[Content],
    algorithm: str = "sha256",
    config_type: str = OCI_CONFIG,
    layer_type: str = OCI_LAYER,
    media_type: str | None = OCI_MANIFEST,
    **more: Any,
) -> Content:
    """An image manifest; `media_type` None leaves the field out."""
    fields: dict[str, Any] = {"schemaVersion": 2}
    if media_type is not None:
        fields["mediaType"] = media_type
    fields |= {
        "config": config.descriptor(config_type),
        "layers": [layer.descriptor(layer_type) for layer in layers],
        **more,
    }
    return Content(json.dumps(fields).encode(), algorithm)


def index(manifests: Sequence[Content], algorithm: str = "sha256", media_type: str = OCI_INDEX, **more: Any) -> Content:
    """An image index over manifests."""
    fields = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [entry.descriptor(OCI_MANIFEST) for entry in manifests],
        **more,
    }
    return Content(json.dumps(fields).encode(), algorithm)
