"""Clients that leave in the midst of it, and a registry that is told to stop while they send."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.faults.held import MIB, as_much_as_goes, pushed
from tests.server import Server, running
from tests.speak.client import Client, open_socket, reset_at_close
from tests.speak.content import digest_of, image
from tests.speak.requests import with_digest
from tests.speak.wire import chunked, head

# Clients that leave


def sent_ahead(client: Client) -> dict[str, bytes]:
    name = "left/app"
    body = image(annotations={"nonce": os.urandom(8).hex()})
    path = pushed(client, name, body)
    small, large = (client.push(name, os.urandom(size)) for size in (5_000, 3 * MIB))
    upload = client.start(name)
    put = head("PUT", path, content_type="application/vnd.oci.image.manifest.v1+json", content_length=len(body)) + body
    return {
        "reads": (head("GET", path) + head("GET", "/v2/_catalog") + head("GET", f"/v2/{name}/tags/list")) * 100,
        "heads": head("HEAD", path) * 300,
        "small blobs": head("GET", f"/v2/{name}/blobs/{small}") * 300,
        "large blobs": head("GET", f"/v2/{name}/blobs/{large}") * 30,
        "pushes of manifests": put * 60,
        "uploads": (head("POST", f"/v2/{name}/blobs/uploads/", content_length=0)) * 60,
        "chunks": (head("PATCH", upload.partition("?")[0], content_length=5) + b"12345") * 60,
        "large chunks": (head("PATCH", upload.partition("?")[0], content_length=300_000) + b"x" * 300_000) * 5,
        "pieces without an end": (
            head("PATCH", upload.partition("?")[0], transfer_encoding="chunked") + chunked(b"x" * 20_000)
        )
        * 20,
        "unknown": head("GET", "/v2/left/none/manifests/none") * 300,
        "refused": head("PUT", "/v2/", content_length=0) * 300,
    }


@pytest.mark.spec("CONNECTION-15")
@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
def test_who_leaves_with_requests_sent_ahead_is_no_failure(reset: bool, data: Path) -> None:
    """Each has a line in the log, 499 where its answer could not be sent any more; nothing has failed."""
    with running(data, "--workers", "1") as server, Client(server.url) as client:
        for requests in sent_ahead(client).values():
            for part in (1.0, 0.999, 0.5):
                for pause in (0, 0.01):
                    with open_socket(server.url) as connection:
                        if reset:
                            reset_at_close(connection)
                        as_much_as_goes(connection, requests[: int(len(requests) * part)], 0.3)
                        time.sleep(pause)
        assert client.get("/v2/").status == 200
        time.sleep(0.5)
    assert "Traceback" not in server.output, server.output[server.output.index("Traceback") :][:3000]
    assert " 500 " not in server.output


# Stopping


@pytest.mark.spec("UPLOAD-60")
@pytest.mark.parametrize("coded", [False, True], ids=["with its length", "in chunked transfer coding"])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("size", [1_000, 30_000, 2_000_000])
def test_what_came_before_sigterm_counts(size: int, method: str, coded: bool, data: Path) -> None:
    """A body that is not complete when the registry stops is one that was cut off."""
    content = os.urandom(size)
    server = Server(data, "--workers", "1", "--drain-timeout", "1s").start()
    try:
        with Client(server.url) as client:
            path = client.start("term/app")
        target = path if method == "PATCH" else with_digest(path, digest_of(content))
        with open_socket(server.url) as sending:
            if coded:
                opening = head(method, target, transfer_encoding="chunked")
                sending.sendall(opening + chunked(content).removesuffix(b"0\r\n\r\n"))
            else:
                sending.sendall(head(method, target, content_length=size + 1) + content)
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(15) == 0
        server.stop()
        assert "Traceback" not in server.output, server.output
        server.start()
        with Client(server.url) as client:
            status = client.get(path)
            assert status.status == 204
            assert status.offset in ({size} if method == "PATCH" else {0, size})
            assert client.finish(status.location, content, content[status.offset :]).status == 201
            assert client.get(f"/v2/term/app/blobs/{digest_of(content)}").body == content
    finally:
        server.kill()
