"""Memory stays flat whatever a blob's size, and the bytes arrive right."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.server import Server, running
from tests.speak.requests import start_upload, with_digest

MIB = 1024 * 1024
SEED = os.urandom(MIB)


def blocks(count: int) -> Iterator[bytes]:
    """`count` MiB, each different from the one before."""
    for number in range(count):
        yield number.to_bytes(8, "big") + SEED[8:]


def digest_of(count: int) -> str:
    digest = hashlib.sha256()
    for block in blocks(count):
        digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def peak(server: Server) -> dict[int, int]:
    """The most memory that each worker ever held, in KiB."""
    found = {}
    for pid in server.workers():
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                found[pid] = int(line.split()[1])
    return found


def push_and_pull(server: Server, count: int) -> None:
    digest = digest_of(count)
    with httpx.Client(base_url=server.url, timeout=120) as http:
        headers = {"content-length": str(count * MIB)}
        answer = http.put(with_digest(start_upload(http, "large/one"), digest), content=blocks(count), headers=headers)
        assert answer.status_code == 201, answer.text
        location = start_upload(http, "large/streamed")
        assert http.patch(location, content=blocks(count)).status_code == 202
        assert http.put(with_digest(location, digest)).status_code == 201
        pulled = hashlib.sha256()
        with http.stream("GET", f"/v2/large/one/blobs/{digest}") as download:
            for block in download.iter_raw(MIB):
                pulled.update(block)
    assert f"sha256:{pulled.hexdigest()}" == digest


@pytest.mark.parametrize("count", [128, pytest.param(2048, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_the_blob(data: Path, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    with running(data, "--workers", "1") as server:
        push_and_pull(server, 8)
        (before,) = peak(server).values()
        push_and_pull(server, count)
        (after,) = peak(server).values()
    with capsys.disabled():
        print(f"\npeak memory of the server: {before // 1024} MiB after 8 MiB, {after // 1024} MiB after {count} MiB")
    assert after - before < 24 * 1024
