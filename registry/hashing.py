"""Digests of bytes as they pass, which can be saved with an upload and taken up again by another process.

`hashlib` hides its state. OpenSSL's `SHA256_CTX` and `SHA512_CTX` are plain memory of a fixed layout (the same since
0.9.7), so they are kept here in our own buffers and saved as bytes. Where libcrypto has no such functions, `hashlib`
hashes just as well, but nothing can be saved: who continues must read the bytes again.
"""

import ctypes
import ctypes.util
import hashlib
from typing import Protocol

from registry.names import ALGORITHMS, Digest


class Hasher(Protocol):
    """A digest in the making."""

    algorithm: str

    def update(self, block: bytes | memoryview) -> object: ...

    def save(self) -> bytes | None:
        """What `resume` takes; None where it cannot be saved."""

    def digest(self) -> Digest:
        """The digest of all blocks so far; more may follow."""


def start(algorithm: str) -> Hasher:
    """A hasher that has seen nothing. `algorithm` is one of `names.ALGORITHMS`."""
    assert algorithm in ALGORITHMS
    return _OpenSSL(algorithm) if algorithm in _CONTEXTS else _Hashlib(algorithm)


def resume(algorithm: str, saved: bytes | None) -> Hasher | None:
    """The hasher whose `save` returned this; None where it cannot be had and the bytes must be read again."""
    if saved is None or algorithm not in _CONTEXTS or len(saved) != _CONTEXTS[algorithm].size:
        return None
    return _OpenSSL(algorithm, saved)


def digest_of(content: bytes, algorithm: str = "sha256") -> Digest:
    """The digest of bytes that are there as a whole."""
    return Digest(f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}")


class _Hashlib:
    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self._hash = hashlib.new(algorithm)
        self.update = self._hash.update

    def save(self) -> bytes | None:
        return None

    def digest(self) -> Digest:
        return Digest(f"{self.algorithm}:{self._hash.hexdigest()}")


class _Context:
    """OpenSSL's three functions for one algorithm, and the size in bytes of its context and of its result."""

    def __init__(self, library: ctypes.CDLL, prefix: str, size: int, result: int) -> None:
        self.size = size
        self.result = result
        self.init, self.update, self.final = (
            getattr(library, f"{prefix}_{name}") for name in ("Init", "Update", "Final")
        )
        self.init.argtypes = [ctypes.c_void_p]
        self.update.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
        self.final.argtypes = [ctypes.c_void_p, ctypes.c_void_p]


class _OpenSSL:
    def __init__(self, algorithm: str, saved: bytes | None = None) -> None:
        self.algorithm = algorithm
        self._context = _CONTEXTS[algorithm]
        self._state = ctypes.create_string_buffer(saved or bytes(self._context.size), self._context.size)
        if saved is None:
            self._context.init(self._state)

    def update(self, block: bytes | memoryview) -> None:
        # The call lets go of the interpreter's lock, as hashlib does.
        if isinstance(block, memoryview):
            whole = (ctypes.c_char * block.nbytes).from_buffer(block)
            self._context.update(self._state, whole, block.nbytes)
        else:
            self._context.update(self._state, block, len(block))

    def save(self) -> bytes | None:
        return self._state.raw

    def digest(self) -> Digest:
        # Final spoils the context, so it gets a copy.
        copy = ctypes.create_string_buffer(self._state.raw, self._context.size)
        result = ctypes.create_string_buffer(self._context.result)
        self._context.final(result, copy)
        return Digest(f"{self.algorithm}:{result.raw.hex()}")


def _find_contexts() -> dict[str, _Context]:
    """The algorithms that this machine's libcrypto can save, tried out against hashlib before they are trusted."""
    try:
        library = ctypes.CDLL(_libcrypto())
        found = {"sha256": _Context(library, "SHA256", 112, 32), "sha512": _Context(library, "SHA512", 216, 64)}
    except (OSError, AttributeError):
        return {}
    return {algorithm: context for algorithm, context in found.items() if _trustworthy(algorithm, context)}


def _libcrypto() -> str | None:
    """The library that this interpreter's own hashlib has loaded, else the one that the linker finds."""
    try:
        with open("/proc/self/maps") as maps:
            for line in maps:
                if "/libcrypto" in line:
                    return line.split(maxsplit=5)[5].strip()
    except OSError:
        pass
    return ctypes.util.find_library("crypto")


def _trustworthy(algorithm: str, context: _Context) -> bool:
    """Whether a context of the assumed size, saved half way, goes on to the right digest and stays in its bounds."""
    guard = b"\xa5" * 64
    text = bytes(range(256)) * 3
    state = ctypes.create_string_buffer(bytes(context.size) + guard, context.size + len(guard))
    context.init(state)
    context.update(state, text[:333], 333)
    moved = ctypes.create_string_buffer(state.raw, len(state.raw))
    context.update(moved, text[333:], len(text) - 333)
    result = ctypes.create_string_buffer(context.result)
    context.final(result, moved)
    return result.raw == hashlib.new(algorithm, text).digest() and moved.raw.endswith(guard)


_CONTEXTS: dict[str, _Context] = _find_contexts()
