"""What mutants share: documents in JSON, and what they remember of the manifests that were pushed."""

import hashlib
import json
from dataclasses import replace
from typing import Any

from conformance.lab.mutants.layer import Call, Reply, Request


def fields_of(reply: Reply) -> dict[str, Any]:
    """The JSON object of an answer; empty if it is none."""
    return document(reply.body)


def document(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def replaced(reply: Reply, **fields: Any) -> Reply:
    """The answer with these members of its JSON object."""
    return reply.with_body(json.dumps(fields_of(reply) | fields).encode())


def is_digest(reference: str) -> bool:
    return ":" in reference


def digest_of(request: Request) -> str:
    """The digest of a pushed manifest: that of its path, or else sha256."""
    reference = request.reference
    return reference if is_digest(reference) else f"sha256:{hashlib.sha256(request.body).hexdigest()}"


def pushing(request: Request) -> bool:
    return request.asks("PUT", "manifest")


async def asked(call: Call, request: Request, method: str, path: str) -> Reply:
    """Another request of the same client's, without parameters and body."""
    return await call(replace(request, method=method, path=path, query="", body=b"", chunked=False))


def remember(request: Request, key: str) -> Any:
    """A dictionary of this mutant's own, by this name."""
    return request.state.setdefault(key, {})
