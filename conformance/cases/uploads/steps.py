"""Steps that the cases about uploads share; each is judged by the requirement that it is given."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from conformance.client.registry import OCTETS, Content, Registry
from conformance.client.wire import Answer, Body

ALGORITHMS = ("sha256", "sha512")
SMALLEST = 1024
MINIMUM = "oci-chunk-min-length"


@dataclass
class Upload:
    """An open session. `location` is that of the last accepted request, `piece` a length that a chunk may have;
    `name` is the repository."""

    r: Registry
    location: str
    piece: int
    name: str

    def patch(self, data: Body, start: int | None = None, *, length: int | None = None) -> Answer:
        """A chunk that begins at `start`, or a part of a stream; not judged."""
        if start is None:
            return self.r.patch(self.location, [OCTETS], data)
        size = len(data) if isinstance(data, bytes) else length or 0
        return self.r.patch(self.location, [OCTETS, ("Content-Range", f"{start}-{start + size - 1}")], data)

    def put(self, digest: str, data: bytes = b"", start: int | None = None) -> Answer:
        """The closing PUT, with the last chunk if there is one; not judged."""
        place = [] if start is None else [("Content-Range", f"{start}-{start + len(data) - 1}")]
        return self.r.put(self.location, [OCTETS, *place] if data else [], data, digest=digest)

    def take(self, answer: Answer, requirement: str = "R-072") -> Answer:
        """The answer is that of an accepted part: 202, and a Location to go on with."""
        self.r.status(answer, 202, requirement)
        self.location = self.r.location(answer, requirement)
        return answer

    def chunk(self, data: bytes, start: int) -> Answer:
        """A chunk that has to be accepted (R-072)."""
        return self.take(self.patch(data, start))

    def close(self, content: Content, data: bytes = b"", start: int | None = None, *, by: str = "R-079") -> Answer:
        """The closing PUT is answered 201, and then the blob is there, by the requirement `by`."""
        answer = self.put(content.digest, data, start)
        kept(self.r, answer, content, by, self.name)
        return answer

    def received(self, requirement: str = "R-090") -> int:
        """How many bytes the status says that the session has. `0-0` is one byte, unless it was to be none."""
        answer = self.r.get(self.location)
        self.r.status(answer, 204, "R-090", "the status of an open upload")
        return end_of(self.r, answer, requirement) + 1


def begin(r: Registry, name: str | None = None, **query: Any) -> Upload:
    """A new session (R-050), and a length for its chunks that is not below the registry's smallest (R-057)."""
    answer = r.post(r.uploads_path(name), [("Content-Length", "0")], **query)
    r.status(answer, 202, "R-050")
    smallest = answer.header(MINIMUM) or ""
    return Upload(
        r, r.location(answer, "R-050"), max(SMALLEST, int(smallest) if smallest.isdecimal() else 0), name or r.name
    )


def end_of(r: Registry, answer: Answer, requirement: str) -> int:
    """The last byte that `Range` names; -1 for none."""
    value = answer.header("range") or ""
    found = re.fullmatch(r"0-(-1|[0-9]+)", value)
    r.that(found, requirement, "a Range header of the form 0-<end>", f"Range: {value}" if value else "none")
    return int(found[1]) if found else -1


def sent(
    r: Registry,
    method: str,
    location: str,
    length: int,
    *pieces: bytes,
    more: str = "",
    pause: float = 0,
    half_close: bool = False,
) -> bytes:
    """What comes back, if anything, to a request whose body is these pieces, whatever length it claims."""
    parts = urlsplit(location)
    own = parts.netloc == urlsplit(r.target.url).netloc
    login = "".join(f"{name}: {value}\r\n" for name, value in (r.credentials(method, location) if own else ()))
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    head = (
        f"{method} {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n{login}{more}Content-Type: application/octet-stream\r\n"
        f"Content-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    return r.wire.raw(location, head.encode(), *pieces, pause=pause, half_close=half_close)


def kept(r: Registry, answer: Answer, content: Content, requirement: str, name: str | None = None) -> None:
    """The answer is 201, and the repository has the blob."""
    r.status(answer, 201, requirement)
    present(r, requirement, content, name)


def located(r: Registry, answer: Answer, content: Content, requirement: str) -> None:
    """The answer's Location gives this content."""
    pulled = r.get(r.location(answer, requirement))
    r.status(pulled, 200, requirement, "GET of the Location")
    r.body(pulled, content.data, requirement)


def absent(r: Registry, requirement: str, *digests: str, name: str | None = None) -> None:
    """None of these blobs can be seen in the repository."""
    for digest in digests:
        r.status(r.head(r.blob_path(digest, name)), 404, requirement, "a blob that must not be there")


def present(r: Registry, requirement: str, content: Content, name: str | None = None) -> None:
    """The blob can be pulled from the repository."""
    answer = r.get(r.blob_path(content.digest, name))
    r.status(answer, 200, requirement)
    r.body(answer, content.data, requirement)


def pieces(data: bytes, size: int) -> list[tuple[int, bytes]]:
    """The data in parts of this size, each with where it starts."""
    return [(start, data[start : start + size]) for start in range(0, len(data), size)]


def three_chunks(r: Registry, upload: Upload, algorithm: str = "sha256") -> tuple[Content, Sequence[tuple[int, bytes]]]:
    """Content for an upload, and its three chunks, the last one shorter."""
    content = r.content(3 * upload.piece - 5, algorithm)
    return content, pieces(content.data, upload.piece)
