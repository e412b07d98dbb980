"""What holds for every answer, whatever was asked."""

import json

from registry.api.oci.openapi.components import CODES
from tests.speak.answer import Answer
from tests.speak.wire import Talk

LARGEST_ERROR = 64 * 1024


def obeys(method: str, reply: Answer) -> None:
    """No failure of the server, errors in the one form (R-200, R-201), HEAD without a body."""
    assert reply.status < 500, reply
    if method == "HEAD":
        assert reply.body == b""
        return
    if reply.status >= 400:
        assert reply.headers.get("content-type") == "application/json", reply
        told = json.loads(reply.body)
        assert set(told) == {"errors"}
        assert told["errors"]
        assert len(reply.body) < LARGEST_ERROR
        for entry in told["errors"]:
            assert set(entry) <= {"code", "message", "detail"}
            assert entry["code"] in CODES
            assert entry["code"] != "UNKNOWN"
            assert all(isinstance(value, str) for value in entry.values())
        if reply.status == 405:
            assert reply.headers.get("allow") is not None


def all_obey(methods: list[str], found: Talk) -> None:
    """The same for a whole connection, which holds nothing but whole answers."""
    assert found.rest == b"", found
    for method, reply in zip(methods, found.answers, strict=False):
        obeys(method, reply)
