"""What a client holds of a server: memory, descriptors, and what its connection takes."""

import os
import socket
from contextlib import suppress
from pathlib import Path

from tests.server import Server
from tests.speak.client import Client

MIB = 1024 * 1024


def pushed(client: Client, name: str, body: bytes) -> str:
    """The path of a manifest."""
    assert client.put_manifest(name, "latest", body).status == 201
    return f"/v2/{name}/manifests/latest"


def memory(server: Server) -> int:
    """Bytes that the one worker holds and shares with nobody."""
    (pid,) = server.workers()
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    private = (line.split()[1] for line in lines if line.startswith("Private_"))
    return 1024 * sum(map(int, private))


def descriptors(server: Server) -> int:
    (pid,) = server.workers()
    return len(os.listdir(f"/proc/{pid}/fd"))


def as_much_as_goes(connection: socket.socket, content: bytes, patience: float = 1) -> int:
    """Send until the server takes no more for a while; how many bytes it took."""
    connection.settimeout(patience)
    sent = 0
    with suppress(TimeoutError):
        while sent < len(content):
            sent += connection.send(content[sent : sent + MIB])
    connection.settimeout(30)
    return sent
