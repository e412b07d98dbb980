"""An answer as it came, whoever asked."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Headers(Mapping[str, str]):
    """Names in lower case. To read one that was sent twice fails."""

    def __init__(self, lines: Iterable[tuple[str, str]]) -> None:
        self._lines = [(name.lower(), value.strip()) for name, value in lines]

    def __getitem__(self, name: str) -> str:
        values = [value for key, value in self._lines if key == name]
        if not values:
            raise KeyError(name)
        assert len(values) == 1, f"{name} was sent {len(values)} times"
        return values[0]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self._lines))

    def __len__(self) -> int:
        return len(set(self))

    def __repr__(self) -> str:
        return repr(self._lines)


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Headers
    body: bytes

    @property
    def codes(self) -> list[str]:
        """The codes of an error; fails for an answer that is not in the one form that errors have (R-200)."""
        assert self.headers["content-type"] == "application/json", self
        entries: list[dict[str, Any]] = json.loads(self.body)["errors"]
        assert all(set(entry) <= {"code", "message", "detail"} for entry in entries), self
        return [entry["code"] for entry in entries]

    @property
    def location(self) -> str:
        """Where it points to, without the host."""
        url = urlsplit(self.headers["location"])
        return f"{url.path}?{url.query}" if url.query else url.path

    @property
    def offset(self) -> int:
        """How many bytes a status says have arrived."""
        first, _, last = self.headers["range"].partition("-")
        assert first == "0", self
        return int(last) + 1

    def json(self) -> Any:
        return json.loads(self.body)


def parse_head(head: bytes) -> tuple[int, Headers]:
    """The status and the headers, of the bytes before the empty line. Fails for what is no answer."""
    first, *lines = head.decode("latin-1").split("\r\n")
    match = re.fullmatch(r"HTTP/1\.1 ([1-5][0-9]{2}) [^\r\n]*", first)
    assert match is not None, f"not a status line: {first[:200]!r}"
    return int(match[1]), Headers((name, value) for name, _, value in (line.partition(":") for line in lines))
