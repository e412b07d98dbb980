"""What a registry can be asked: every verb of it, what it gives, what it raises, and the requirements of `spec/` that
whoever answers has to keep.

Handlers in `api/` know this page and nothing else of `services/`. The services there have these verbs; so has whatever
wraps one of them, to answer from elsewhere, to count or to forbid: `App` takes it in its place.

Verbs that change what a repository holds are given the `Change` first: who, by which request, when. Open sessions are
nobody's content yet, and their verbs go without.

Any verb raises `Unavailable` where the database or the store cannot be had at the moment; those that write raise
`StorageFull` where there is no room, and `ReadOnly` where nothing is written. Names and digests were parsed.

What only reads may be called outside of any task, unless `App.immediate` is false: it uses nothing that needs one, no
`asyncio.timeout` nor `TaskGroup`, before it has awaited something (spec/decisions/0003-get-without-task.md). What it
answers without having waited is kept until the database changes (spec/decisions/0004-cached-answers.md).
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import NamedTuple, Protocol

from registry.change import Change
from registry.names import ContentRange, Digest, Reference, RepositoryName, Tag
from registry.preconditions import Precondition
from registry.services.documents import Document


class HeldBlob(Protocol):
    """A blob of a repository, as who holds it knows it: `Blobs.read` is given what `find` of the same object gave.

    `size` in bytes."""

    @property
    def digest(self) -> str: ...

    @property
    def size(self) -> int: ...


class Blobs(Protocol):
    """The blobs of all repositories. One is seen through a repository that holds it, and in no other way."""

    async def find(self, name: RepositoryName, digest: Digest) -> HeldBlob:
        """For somebody who wants its bytes. Raises `BlobUnknown` for what this repository does not hold (BLOB-5)."""

    async def promise(self, name: RepositoryName, digest: Digest) -> HeldBlob:
        """For somebody who will rely on its being there: it stays for a day, whatever refers to it (BLOB-4, BLOB-6).

        Raises `BlobUnknown`."""

    def read(self, found: HeldBlob, start: int, length: int) -> bytes | AsyncGenerator[bytes, None]:
        """`length` bytes from `start` on: at once, or in blocks of about a megabyte (BLOB-1, BLOB-20).

        The first block raises `BlobDamaged` if the store does not have them all."""

    async def check(self, found: HeldBlob) -> None:
        """See that all of it is there to be read, before an answer begins (BLOB-24). Raises `BlobDamaged`."""

    async def mount(self, change: Change, name: RepositoryName, digest: Digest, source: RepositoryName | None) -> bool:
        """Make a blob of `source`, or of any repository, one of `name` too, or promise one that is (UPLOAD-73).

        False if there is none: then the client has to push it (UPLOAD-70, UPLOAD-71, UPLOAD-72)."""

    async def remove(self, change: Change, name: RepositoryName, digest: Digest, condition: Precondition) -> None:
        """Take it from this repository alone, whatever refers to it (BLOB-51, BLOB-52, BLOB-54).

        Raises `BlobUnknown` (BLOB-50), `PreconditionFailed` (BLOB-42)."""


class Body(Protocol):
    """A request's body. `length` in bytes is None where the client did not say it."""

    length: int | None

    async def is_empty(self) -> bool:
        """Whether there is nothing in it. Raises `ClientGone`."""

    async def whole(self) -> bytes:
        """All of it. Raises `ClientGone`."""

    def blocks(self) -> AsyncGenerator[bytes, None]:
        """All of it, in blocks of about a megabyte. Raises `ClientGone` after the last byte that came."""

    async def pour(self, sink: Callable[[bytes | memoryview], object]) -> None:
        """All that is left of it, block by block, into `sink`, which is called in threads. Raises as `blocks` does."""

    def put_back(self, piece: bytes) -> None:
        """Let this come before what is left."""


class Place(NamedTuple):
    """Where a chunk stands in its blob, as its request says: by `Content-Range`, or by the location it was sent to.

    `offset`: how many bytes the upload had when that location was given, None for one that does not say. A chunk that
    is sent once more as its answer was lost goes to the location of before: its bytes must not count twice."""

    range: ContentRange | None
    offset: int | None


class Progress(NamedTuple):
    """A session, and how many bytes of it count."""

    id: str
    size: int


class Uploads(Protocol):
    """The open sessions of all repositories, each known in its own one alone (UPLOAD-53)."""

    async def start(self, name: RepositoryName, algorithm: str) -> Progress:
        """A new session, whose bytes are hashed by `algorithm` as they pass; any other may be named at the end
        (UPLOAD-1, UPLOAD-14). The repository need not exist (UPLOAD-6)."""

    async def status(self, name: RepositoryName, upload_id: str) -> Progress:
        """Where to continue (UPLOAD-50, UPLOAD-56). Raises `UploadUnknown` (UPLOAD-52)."""

    async def append(self, name: RepositoryName, upload_id: str, body: Body, place: Place) -> Progress:
        """Add the body to the end (UPLOAD-20, UPLOAD-27). What came of one that was cut off counts (UPLOAD-40).

        Raises `UploadUnknown`; `ChunkOutOfOrder` for one that does not start where the upload ends, which stays as it
        is (UPLOAD-22, UPLOAD-32); `UploadBusy` where another request is at it (UPLOAD-31); `SizeInvalid` for a body of
        another length than its place says (UPLOAD-26); `ClientGone`."""

    async def finish(
        self,
        change: Change,
        name: RepositoryName,
        upload_id: str,
        body: Body,
        place: Place,
        expected: Callable[[], Digest],
    ) -> Digest:
        """Add the body, and make all bytes a blob of the repository if they have the digest that `expected` gives
        (UPLOAD-10, UPLOAD-21). That is asked for only once the place is right (UPLOAD-24).

        Raises what `append` does, and what `expected` does, after which the session goes on (UPLOAD-15, UPLOAD-41);
        `DigestInvalid` for bytes that do not have it, which ends the session (UPLOAD-12); `ContentGone` where they went
        with what was being deleted, after which it begins anew."""

    async def finished(self, name: RepositoryName, digest: Digest, body: Body) -> None:
        """For a client that closes a session that is no more: return if the repository holds the digest, which is
        promised, once the body has come, which is thrown away (UPLOAD-61). Raises `BlobUnknown`, `ClientGone`."""

    async def push(self, change: Change, name: RepositoryName, digest: Digest, body: Body) -> None:
        """A blob in one request (UPLOAD-11, UPLOAD-17). Of one that fails nothing is left that can be seen (UPLOAD-42).

        Raises `DigestInvalid` (UPLOAD-12), `ContentGone`, `ClientGone`."""

    async def cancel(self, name: RepositoryName, upload_id: str) -> None:
        """Drop the session and its bytes (UPLOAD-54). Raises `UploadUnknown`, `UploadBusy`."""


class Head(NamedTuple):
    """What is known of a manifest without its body; `size` in bytes."""

    digest: str
    media_type: str
    size: int


class FoundManifest(NamedTuple):
    """A manifest as it was pushed."""

    digest: str
    media_type: str
    body: bytes


class Manifests(Protocol):
    """The manifests of all repositories, and the tags that name them."""

    async def find(self, name: RepositoryName, reference: Reference) -> FoundManifest:
        """Byte for byte as it was pushed, of the type of its last push (MANIFEST-1, MANIFEST-3); by a fallback tag, the
        list that is served there (REFERRER-25). Raises `ManifestUnknown` for what is not in this repository
        (MANIFEST-5)."""

    async def head(self, name: RepositoryName, reference: Reference) -> Head:
        """`find` without the body (MANIFEST-4). Raises `ManifestUnknown`."""

    async def parse(self, body: bytes, content_type: str | None, expected: Digest | None) -> Document:
        """The manifest in a request's body, which must have the digest `expected` if there is one.

        Raises `DigestInvalid` (MANIFEST-10), `ManifestInvalid` (MANIFEST-14, MANIFEST-15, MANIFEST-19, MANIFEST-20)."""

    async def put(
        self,
        change: Change,
        name: RepositoryName,
        document: Document,
        reference: Reference,
        tagged: Sequence[Tag],
        condition: Precondition,
    ) -> None:
        """Store it and let the tags point to it, all or nothing (MANIFEST-26, MANIFEST-27, MANIFEST-29, MANIFEST-31).

        The condition is about what `reference` names until then. Raises `ManifestBlobUnknown` (MANIFEST-24),
        `PreconditionFailed` (MANIFEST-35, MANIFEST-37)."""

    async def remove(self, change: Change, name: RepositoryName, reference: Reference, condition: Precondition) -> None:
        """Delete a tag alone, or a manifest and all its tags (MANIFEST-38, MANIFEST-39, MANIFEST-43).

        Raises `ManifestUnknown` (MANIFEST-40), `PreconditionFailed` (MANIFEST-36)."""


class ReferrerPage(NamedTuple):
    """Entries, oldest first, each as JSON; `last` is where the next page starts, None if there is none."""

    entries: list[bytes]
    last: int | None


class Referrers(Protocol):
    """The manifests of a repository whose subject is a given digest. The subject need not exist (REFERRER-6)."""

    async def page(self, name: RepositoryName, subject: Digest, artifact_type: str | None, after: int) -> ReferrerPage:
        """The entries after `after`, of one computed artifact type or of all, as many as fit in a manifest; none for a
        repository that there is not (REFERRER-1, REFERRER-3, REFERRER-9, REFERRER-17)."""


class NamePage(NamedTuple):
    """Names in byte order, and whether more follow."""

    names: list[str]
    more: bool


class Tags(Protocol):
    """The tags of all repositories, as lists."""

    async def page(self, name: RepositoryName, after: str, most: int) -> NamePage:
        """At most `most` tags that come after `after`, which need not be one (TAG-4, TAG-9, TAG-12).

        Raises `NameUnknown` for a repository that nothing was ever pushed to (TAG-2)."""


class Repositories(Protocol):
    """The catalogue."""

    async def page(self, after: str, most: int) -> NamePage:
        """At most `most` names of repositories that hold a manifest, which come after `after` (CATALOG-2, CATALOG-3,
        CATALOG-6)."""
