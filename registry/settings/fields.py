"""The settings: one list of fields, from which flags, environment, file, `config show` and the documentation derive."""

import os
import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, unquote

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ValidationInfo,
    field_validator,
)

from registry.settings.secrets import without_user
from registry.settings.sections import Section, setting
from registry.settings.units import (
    DAY,
    SECOND,
    Duration,
    MediaType,
    Metavar,
    Network,
    Origin,
    Size,
    Url,
    any_origin_alone,
    between,
    listed,
    positive,
)
from registry.settings.values import Values
from registry.storage import MEMORY, SCHEMES

_PUBLIC_URL = re.compile(
    r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<prefix>(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*)/?"
)


def _plain(path: str) -> bool:
    """Whether this is the path of a URL and nothing more."""
    return bool(path) and not set(path) & set("?#") and unquote(path).isprintable()


class Settings(Values):
    """Everything an operator can set. `load` reads file and environment; made directly it is made from values alone."""

    host: str = setting(Section.NETWORK, "127.0.0.1", "Address to listen on; 0.0.0.0 or :: for every one.")
    port: int = setting(Section.NETWORK, 5000, "Port to listen on; 0 picks a free one.", ge=0, le=65535)
    public_url: Url = setting(
        Section.NETWORK, None, "URL that clients reach the registry by, prefix included. By default the one they used."
    )
    trusted_proxy: Annotated[list[Network], BeforeValidator(listed), Metavar("NETWORK")] = setting(
        Section.NETWORK, [], "Network of proxies whose X-Forwarded-… headers count; repeatable."
    )
    cors_origins: Annotated[
        list[Origin], BeforeValidator(listed), AfterValidator(any_origin_alone), Metavar("ORIGIN")
    ] = setting(
        Section.NETWORK, [], "Origin of web pages that may use the registry from a browser, or * for all; repeatable."
    )

    data: Path = setting(Section.STORAGE, Path("registry-data"), "Folder for everything that is kept.")
    storage: Url = setting(
        Section.STORAGE,
        None,
        "Where blobs are kept: file:///PATH, or memory:. By default the folder blobs in the data folder.",
    )
    database: Url = setting(
        Section.STORAGE,
        None,
        "Where facts are kept: sqlite:////PATH, and open uploads beside. By default registry.db in the data folder.",
    )
    small_blob: Annotated[Size, between(0, 1 << 20)] = setting(
        Section.STORAGE, 16 << 10, "Largest blob that is kept in the database instead of in storage: 0 to 1MiB."
    )

    read_only: bool = setting(Section.CONTENT, False, "Refuse everything that would change the registry.")
    delete: bool = setting(Section.CONTENT, True, "Let clients delete tags, manifests and blobs.")
    manifest_types: Annotated[list[MediaType], BeforeValidator(listed), Metavar("MEDIA-TYPE")] = setting(
        Section.CONTENT, [], "Media type of manifests accepted besides the built-in ones; repeatable."
    )
    sparse: bool = setting(Section.CONTENT, True, "Accept manifests whose blobs or children are not in the repository.")

    manifest_limit: Annotated[Size, between(1 << 10, 64 << 20)] = setting(
        Section.LIMITS, 4 << 20, "Largest manifest accepted: 1KiB to 64MiB."
    )
    page_limit: int = setting(Section.LIMITS, 10000, "Most entries in one page of tags or catalogue.", ge=1, le=100000)
    upload_expiry: Annotated[Duration, AfterValidator(positive)] = setting(
        Section.LIMITS, DAY, "How long an upload may rest before it is dropped."
    )
    body_timeout: Annotated[Duration, AfterValidator(positive)] = setting(
        Section.LIMITS, 300 * SECOND, "How long to wait for more bytes of a request body."
    )
    send_timeout: Annotated[Duration, AfterValidator(positive)] = setting(
        Section.LIMITS, 60 * SECOND, "How long to wait for a client to take bytes of an answer."
    )

    workers: int | None = setting(
        Section.PROCESSES, None, "Processes that serve. By default one for each core, at most 4.", ge=1, le=64
    )
    answer_memory: Annotated[Size, between(0, 1 << 30)] = setting(
        Section.PROCESSES, 16 << 20, "Memory of each worker for answers kept until the registry changes: 0 to 1GiB."
    )
    drain_timeout: Duration = setting(
        Section.PROCESSES, 30 * SECOND, "How long running requests may take after SIGTERM."
    )

    log_format: Literal["text", "json"] = setting(Section.LOG, "text", "Form of the log.")
    log_requests: bool = setting(Section.LOG, True, "Log a line for each request.")

    @field_validator("storage")
    @classmethod
    def _storage_supported(cls, value: str | None) -> str | None:
        if value is not None and value != MEMORY:
            scheme, _, path = value.partition("://")
            if scheme != "file":
                raise ValueError(f"is not a storage supported: {' and '.join(SCHEMES.values())} are")
            if not path.startswith("/") or not _plain(path):
                raise ValueError("must be file:/// and an absolute path, with %3F for ? and %23 for #")
        return value

    @field_validator("database")
    @classmethod
    def _database_supported(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            if info.data.get("storage") == MEMORY:
                raise ValueError("would outlive the blobs that it describes: storage is memory:")
            scheme, _, path = value.partition(":///")
            if scheme != "sqlite":
                raise ValueError("is not a database supported: sqlite:////PATH is")
            if not _plain(path) or path == ":memory:":
                raise ValueError("must be sqlite:/// and the path of a file, with %3F for ? and %23 for #")
            if not path.startswith("/"):
                raise ValueError(f"is relative: sqlite:////{path} is the absolute path, with four slashes")
            if Path(unquote(path)).name == "uploads.db":
                raise ValueError("has the name of the file that keeps open uploads")
        return value

    @field_validator("workers")
    @classmethod
    def _workers_share(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and value > 1 and info.data.get("storage") == MEMORY:
            raise ValueError("must be 1: with storage memory: workers would not see each other's blobs")
        return value

    @field_validator("public_url")
    @classmethod
    def _public_url_plain(cls, value: str | None) -> str | None:
        if value is None:
            return None
        match = _PUBLIC_URL.fullmatch(value)
        if match is None or not 0 < int(match["port"] or 1) < 65536:
            raise ValueError("must be http(s)://HOST, HOST:PORT or either with /PREFIX, and nothing more")
        if f"{match['prefix']}/".startswith("/v2/"):
            raise ValueError("must not end in /v2: that is added to it")
        return value.removesuffix("/")

    @property
    def in_memory(self) -> bool:
        """Whether everything is forgotten when the registry stops."""
        return self.storage == MEMORY

    @property
    def storage_url(self) -> str:
        """`memory:` or an absolute `file://` URL, percent-encoded."""
        if self.in_memory:
            return MEMORY
        path = self.data / "blobs" if self.storage is None else Path(unquote(self.storage.removeprefix("file://")))
        return path.absolute().as_uri()

    @property
    def database_url(self) -> str:
        """An absolute `sqlite:///` URL, percent-encoded; for `memory:` the server makes `data` a temporary one."""
        return self._beside_database(None)

    @property
    def uploads_url(self) -> str:
        """The same for the database of open uploads, `uploads.db` beside the other one."""
        return self._beside_database("uploads.db")

    def _beside_database(self, name: str | None) -> str:
        given = self.database and Path(unquote(self.database.removeprefix("sqlite:///")))
        path = (given or self.data / "registry.db").absolute()
        return "sqlite:///" + quote(str(path.with_name(name) if name else path))

    @property
    def worker_count(self) -> int:
        """How many processes serve."""
        if self.in_memory:
            return 1
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return self.workers or min(usable or 1, 4)

    @property
    def prefix(self) -> str:
        """The path of `public_url`: empty or `/prefix`."""
        match = _PUBLIC_URL.fullmatch(self.public_url or "")
        return match["prefix"] if match else ""

    def effective(self) -> dict[str, object]:
        """Every setting as it would stand in a file, what was left to the registry as it was decided, and no secret."""
        shown = self.model_dump(mode="json", by_alias=True)
        shown["storage"] = without_user(self.storage_url)
        shown["workers"] = self.worker_count
        if not self.in_memory:
            shown["database"] = without_user(self.database_url)
        return shown
