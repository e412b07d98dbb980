"""What the client is told to do for each scenario."""

import random
from collections.abc import Callable

from conformance.bench.content import ACCEPT, ANY_LENGTH, INDEX, SAME_LENGTH, Blob, Stock, blob
from conformance.bench.load import Json
from conformance.bench.model import Scenario

ACCEPTING = f"Accept: {ACCEPT}\r\n"
RANGE = 1_000_000
SLOW_BODY = 200_000_000
"""More than a slow client can send or read while it is measured."""


def get_blob(stock: Stock, content: Blob, method: str = "GET") -> Json:
    path = f"/v2/{stock.repository}/blobs/{content.digest}"
    return stock.request(method, path, len(content.data), digest=content.digest)


def get_manifest(stock: Stock, method: str = "GET", *, by_tag: bool) -> Json:
    manifest = stock.manifest
    path = f"/v2/{stock.repository}/manifests/{'v0' if by_tag else manifest.digest}"
    return stock.request(method, path, len(manifest.data), digest=manifest.digest, more=ACCEPTING)


def one(request: Json) -> list[Json]:
    return [{"requests": [request]}]


def ranges(stock: Stock) -> list[Json]:
    """One place after the other, so that not all clients read the same."""
    found = []
    path = f"/v2/{stock.repository}/blobs/{stock.large.digest}"
    for number in range(16):
        first = number * 12_000_000 + 1_234_567
        more = f"Range: bytes={first}-{first + RANGE - 1}\r\n"
        digest = blob(stock.large.data[first : first + RANGE]).digest
        found += one(stock.request("GET", path, RANGE, digest=digest, status=206, more=more))
    return found


def push(stock: Stock, size: int, style: str = "whole", chunk: int = 0) -> list[Json]:
    return [{"push": {"repository": f"{stock.prefix}/push", "size": size, "style": style, "piece": chunk}}]


def image(stock: Stock, layer: int) -> list[Json]:
    return [{"image": {"repository": f"{stock.prefix}/images", "layer": layer, "layers": 3}}]


def pull(stock: Stock) -> list[Json]:
    """As docker does: the manifest by its tag, the config, the layers."""
    blobs = [get_blob(stock, content) for content in (stock.config, *stock.layers)]
    return [{"requests": [get_manifest(stock, "HEAD", by_tag=True), get_manifest(stock, by_tag=True), *blobs]}]


def mixed(stock: Stock) -> list[Json]:
    """80 of 100 read, half a manifest and half a layer of 100 KB; 15 ask for the head of one; 5 push 100 KB."""
    layer = stock.layers[0]
    every = [
        *one(get_manifest(stock, by_tag=True)) * 40,
        *one(get_blob(stock, layer)) * 40,
        *one(get_manifest(stock, "HEAD", by_tag=True)) * 8,
        *one(get_blob(stock, layer, "HEAD")) * 7,
        *push(stock, 100_000) * 5,
    ]
    random.Random(1).shuffle(every)
    return every


def catalog(stock: Stock) -> list[Json]:
    """Of any length: which repositories are in the page may change while others push."""
    return one(stock.request("GET", stock.catalog, ANY_LENGTH, optional=True))


def referrers(stock: Stock) -> list[Json]:
    return one(stock.request("GET", stock.referrers, SAME_LENGTH, more=f"Accept: {INDEX}\r\n", optional=True))


OPERATIONS: dict[str, Callable[[Stock], list[Json]]] = {
    "manifest-get-tag": lambda it: one(get_manifest(it, by_tag=True)),
    "manifest-get-digest": lambda it: one(get_manifest(it, by_tag=False)),
    "manifest-head-tag": lambda it: one(get_manifest(it, "HEAD", by_tag=True)),
    "manifest-head-digest": lambda it: one(get_manifest(it, "HEAD", by_tag=False)),
    "tags-list": lambda it: one(it.request("GET", it.tags, SAME_LENGTH)),
    "catalog": catalog,
    "referrers": referrers,
    "blob-head": lambda it: one(get_blob(it, it.medium, "HEAD")),
    "blob-get-233B": lambda it: one(get_blob(it, it.small)),
    "blob-get-3MB": lambda it: one(get_blob(it, it.medium)),
    "blob-get-200MB": lambda it: one(get_blob(it, it.large)),
    "blob-range": ranges,
    "push-4KB": lambda it: push(it, 4_000),
    "push-100KB": lambda it: push(it, 100_000),
    "push-1MB": lambda it: push(it, 1_000_000),
    "push-10MB": lambda it: push(it, 10_000_000),
    "push-100MB": lambda it: push(it, 100_000_000),
    "push-single-100KB": lambda it: push(it, 100_000, "single"),
    "push-chunked-8MB": lambda it: push(it, 100_000_000, "chunks", 8_000_000),
    "push-chunked-1MB": lambda it: push(it, 50_000_000, "chunks", 1_000_000),
    "push-streamed-10MB": lambda it: push(it, 10_000_000, "streamed"),
    "image-push": lambda it: image(it, 100_000),
    "image-push-4KB": lambda it: image(it, 4_000),
    "image-pull": pull,
    "mixed": mixed,
    "blob-get-233B-p99": lambda it: one(get_blob(it, it.small)),
    "blob-get-233B-p99-beside": lambda it: one(get_blob(it, it.small)),
    "slow-beside": lambda it: one(get_blob(it, it.small)),
}

FRESH = {"push-1MB", "push-10MB", "push-100MB", "push-chunked-8MB", "push-chunked-1MB", "push-streamed-10MB"}
"""What writes gigabytes: a server that is started here is started anew for it, and its data go at once."""


def beside(name: str, stock: Stock) -> list[Json]:
    """Who keeps the server busy while others are timed."""
    if name == "blob-get-233B-p99-beside":
        return [{"kind": "read", "count": 1} | where(stock)]
    if name == "slow-beside":
        slow = {"count": 8, "repository": f"{stock.prefix}/slow"}
        return [{"kind": "slow-read"} | slow | where(stock), {"kind": "slow-send", "size": SLOW_BODY} | slow]
    return []


def where(stock: Stock) -> Json:
    request = get_blob(stock, stock.large)
    return {"path": request["path"], "size": request["length"]}


def job(scenario: Scenario, stock: Stock, seconds: float) -> Json:
    """The whole job. Pushes what it needs first, and raises `SetUpFailed` if the server does not take it."""
    return stock.target.job() | {
        "connections": scenario.connections,
        "seconds": seconds,
        "operations": OPERATIONS[scenario.name](stock),
        "beside": beside(scenario.name, stock),
    }
