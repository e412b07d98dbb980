"""The contract between the registry and the place where bytes live.

A driver keeps **objects**: immutable byte strings under keys. It knows nothing of digests being right, of
repositories or of SQL: the registry decides what exists (a row), the driver keeps what was finished.
An object comes to be in one of two ways: `put`, whole, or an **upload**: `begin`, any number of appends, `finish`.

What every driver must hold
---------------------------
1. *Durable.* When `put` or `finish` returns, the object survives `kill -9` and a power cut, under the key returned.
2. *All or nothing.* No reader ever sees a part of an object: before `put` or `finish` has returned there may be
   nothing under the key, or the whole object, never less.
3. *Immutable.* An object under a key never changes, as the caller names content. `put` and `finish` onto a key that
   exists replace the old object by the new one, which was just verified: what the store has may be damaged.
4. *No copying.* `finish` costs the same for 1 byte and for 100 GB. It returns the key under which the bytes stand,
   which need not be derived from the name: a store that cannot rename (S3, Swift) chooses its key at `begin`
   and returns that. The registry keeps the key in a row and asks for nothing else.
5. *Isolated.* Calls for different keys or uploads never disturb each other, from any number of tasks, threads and
   processes. Calls for one upload never overlap: the registry claims a session before it touches it; a driver that
   can also lock (`flock`) does so, and raises `UploadLocked`.
6. *Cancellable.* A call that is cancelled or fails leaves nothing that a reader sees, and no resource open.

What may be weak
----------------
- `list` may lag: it may miss what was stored, or still show what was deleted, a short while ago.
- Bytes appended but not finished may be lost by a power cut if `volatile` is true (files are not synced before
  `finish`); the registry then hashes again what is really there. Object stores keep acknowledged parts: false.
- An upload may hold back a tail of its bytes (S3: the smallest part is 5 MiB), as long as `append` has stored it
  somewhere that another process finds through the state before it returns.

State
-----
`begin` and `Appender.close` return the upload's **state**: a JSON object of at most 64 KiB that only the driver
understands. The registry stores it beside the session and hands it back, in this or in another process, any number
of times; the last one stored counts. Bytes appended after the last stored state are to be dropped by the next
`append`, whose `offset` says how many count.

Errors
------
`KeyUnknown`, `ObjectDamaged`, `UploadLost`, `UploadLocked`; `errors.StorageFull` where no space is left: what was
stored before is intact, and deleting or aborting makes space; `errors.Unavailable` for a store that cannot be written
to at the moment; or any other exception for a failure of it. None of them may leave the driver unable to serve the
next call.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import ClassVar, Protocol

from registry.system.files import uninterrupted

State = dict[str, object]
"""What a driver remembers of an upload; plain JSON, opaque to everyone else."""

Observer = Callable[[bytes | memoryview], object]
"""Told of every block that is appended, in order, in the thread that writes it: the hasher."""

BLOCK = 256 * 1024
"""Bytes in one block of a read."""


class DriverError(Exception):
    """What a driver deliberately raises."""


class KeyUnknown(DriverError):
    """No object stands under this key."""


class ObjectDamaged(DriverError):
    """The object is shorter than what was asked for, or the store cannot read it any more."""


class UploadLost(DriverError):
    """The upload's bytes are not there, or are fewer than the offset that was asked for."""


class UploadLocked(DriverError):
    """Another process is appending to or finishing this very upload."""


@dataclass(frozen=True, slots=True)
class Stat:
    """An object as the store lists it: its key, size in bytes and time of last change in seconds since 1970."""

    key: str
    size: int
    modified: float


class Source(Protocol):
    """What is appended, in one of two ways."""

    def blocks(self) -> AsyncGenerator[bytes, None]:
        """Of 1 byte to 1 MiB."""

    async def pour(self, sink: Callable[[bytes | memoryview], object]) -> None:
        """The same into `sink`, which is called in threads, one call after the other; each block may change when its
        call has returned."""


class Appender(ABC):
    """Bytes on their way to the end of one upload. Made by `Driver.append`; used by one task; closed once."""

    async def take(self, source: Source, observe: Observer) -> None:
        """Append all that comes of `source`, and call `observe` with each block; what `observe` raises ends it.

        Raises what `source` and `write` raise. Where it is `source` that fails, or the task is cancelled, what was
        observed was appended, no more and no less."""
        async with aclosing(source.blocks()) as blocks:
            async for block in blocks:
                await uninterrupted(asyncio.ensure_future(self.write(block, observe)))

    @abstractmethod
    async def write(self, block: bytes, observe: Observer) -> None:
        """Append `block` (1 byte to 1 MiB) and call `observe(block)` once, before or after, in any thread.

        Raises `errors.StorageFull`. After any exception only `close` may follow."""

    @abstractmethod
    async def close(self) -> State:
        """Let go of the upload and return its state: everything written counts and is found by another process.

        Called exactly once, also after `write` failed or was cancelled; then the state returned may cover any
        number of the bytes written since the last state, and the caller drops it."""


class Driver(ABC):
    """One store.

    `key`, `name` and `upload` are one or more parts joined by `/`, at most 400 characters in all; a part matches
    `[a-z0-9][a-z0-9._-]*`, has at most 255 characters and never two dots together. No key is the folder of another:
    who stores `a/b` never stores `a`."""

    volatile: ClassVar[bool]
    """Whether bytes that were appended may be lost by a power cut before `finish` (see the module)."""

    shared: ClassVar[bool] = True
    """Whether other processes see what this one stores; false only for memory."""

    immediate: ClassVar[bool] = False
    """Whether what `read` hands out is mostly there without waiting. Then it may be asked for its first block outside
    of any task, by the first step of a request: it uses nothing that needs one, no `asyncio.timeout` nor `TaskGroup`,
    before it has awaited something."""

    def incarnation(self) -> str:
        """Changes when bytes that were appended may have been lost since, as by a power cut: then the registry looks at
        what is there before it goes on with an upload. At most 64 characters; of use where `volatile` is true."""
        return ""

    async def open(self) -> None:
        """Make ready to serve: called once per process, in its event loop, before anything else.

        Raises `errors.OperatorError` with one clear line if the store cannot be used."""

    async def close(self) -> None:
        """Let go of everything. Nothing else is called afterwards."""

    # Objects

    @abstractmethod
    async def put(self, name: str, content: bytes) -> str:
        """Store `content` whole, durably, and return its key (promises 1 to 3). Raises `errors.StorageFull`."""

    @abstractmethod
    async def size(self, key: str) -> int:
        """The size in bytes of the object. Raises `KeyUnknown`. Never lags behind `put`, `finish` or `delete`."""

    @abstractmethod
    def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        """The object's bytes from `start` on, `length` of them (None: to the end), in blocks of at most `BLOCK`.

        An object deleted while it is read is read to its end, or the iterator raises. Yields nothing where `start`
        is the object's size. Raises `ObjectDamaged` where the object is shorter than what was asked for: who reaches
        the end has every byte. Raises `KeyUnknown` at the first step. Closed early, it lets go of all it holds."""

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Remove the object; what is not there is no error. Afterwards `size` and `read` raise `KeyUnknown`."""

    @abstractmethod
    def list(self, prefix: str = "") -> AsyncIterator[Stat]:
        """Every object whose key starts with `prefix`, ordered by key (byte order), in pages that stay small.

        Uploads that are not finished are not listed."""

    # Uploads

    @abstractmethod
    async def begin(self, upload: str) -> State:
        """The state of a new, empty upload. `upload` is unique for ever. Should store nothing yet."""

    @abstractmethod
    async def append(self, state: State, offset: int) -> Appender:
        """Continue the upload at `offset`, dropping whatever it holds beyond.

        Raises `UploadLost` if it holds less, `UploadLocked` if someone else is at it."""

    @abstractmethod
    async def appended(self, state: State) -> int:
        """How many bytes the upload really holds now, at least those that its state vouches for, unless lost."""

    @abstractmethod
    def reread(self, state: State) -> AsyncIterator[bytes]:
        """The bytes of an upload that is not finished, from its start; raises `UploadLost`.

        Only drivers with `volatile` true are asked before the upload is to be finished. For the others nothing but
        `finish` or `abort` follows, so that an object store may complete the upload to read it back."""

    @abstractmethod
    async def finish(self, state: State, name: str, size: int) -> str:
        """Turn an upload of exactly `size` bytes into an object and return its key (promises 1 to 4).

        Repeated with the same arguments after it had succeeded (the process died before it could note the key), it
        succeeds again. Raises `UploadLost` if the upload holds another number of bytes."""

    @abstractmethod
    async def abort(self, state: State) -> None:
        """Drop the upload and its bytes; what is not there is no error."""

    @abstractmethod
    def stale(self, before: float) -> AsyncIterator[State]:
        """The states (good for `abort` only) of unfinished uploads not touched since `before`, seconds since 1970."""
