"""Manifests that Docker's registry refuses: each is a good image but for one fault, and the case sees who mends it."""

import json

import pytest

from conformance import runner
from conformance.cases import load
from conformance.cases.docker.content import BAD
from conformance.client.registry import OCI_MANIFEST, Target
from conformance.lab.mutants.host import hosted
from conformance.lab.mutants.layer import Call, Mutant, Reply, Request
from conformance.model import Level, Outcome

MARK = b"\xef\xbb\xbf"
IMAGE = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": []}).encode()


async def mark_skipped(call: Call, request: Request) -> Reply:
    """A byte order mark is passed over."""
    return await call(request.with_body(request.body.removeprefix(MARK)))


async def keys_mended(call: Call, request: Request) -> Reply:
    """The last of equal keys counts, and the others are gone."""
    if request.asks("PUT", "manifest") and request.body.startswith(b"{"):
        return await call(request.with_body(json.dumps(json.loads(request.body)).encode()))
    return await call(request)


async def keys_kept(call: Call, request: Request) -> Reply:
    """The last of equal keys counts, and all are kept: as Docker's registry does it."""
    if request.asks("GET", "manifest") and request.path in request.state:
        return (await call(request)).with_body(request.state[request.path])
    reply = await keys_mended(call, request)
    if request.asks("PUT", "manifest") and reply.status == 201:
        request.state[request.path] = request.body
    return reply


@pytest.mark.parametrize(
    ("variant", "function", "outcome"),
    [
        ("a byte order mark", None, Outcome.PASSED),
        ("a byte order mark", mark_skipped, Outcome.FAILED),
        ("repeated keys", None, Outcome.PASSED),
        ("repeated keys", keys_mended, Outcome.FAILED),
        ("repeated keys", keys_kept, Outcome.PASSED),
    ],
)
def test_one_fault_alone_is_judged(variant: str, function: object, outcome: Outcome) -> None:
    case = load()[f"docker_content/bad_manifest[{variant}]"]
    with hosted() as host:
        host.layer.use(Mutant("made up", "…", function) if function else None)  # type: ignore[arg-type]
        done = runner.run(Target(host.url, level=Level.DEV, seed=1), [case])
    assert [(result.outcome, result.reason) for result in done.results] == [(outcome, "")]


def test_what_is_spoiled_is_a_good_image() -> None:
    assert BAD["a byte order mark"][1](IMAGE) == MARK + IMAGE
    repeated = BAD["repeated keys"][1](IMAGE)
    assert json.loads(repeated) == json.loads(IMAGE)
    assert len(json.loads(repeated, object_pairs_hook=list)) == len(json.loads(IMAGE)) + 1
