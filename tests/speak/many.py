"""A small HTTP client on asyncio, cheap enough for hundreds of them in one process, and raw sockets beside it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from tests.speak.answer import Answer, parse_head
from tests.speak.wire import head

Gone = (OSError, EOFError, asyncio.IncompleteReadError)
"""The server has gone, or had gone before the request reached it."""

PATIENCE = 60.0
"""Seconds that a normal client waits for an answer; longer is a failure."""

ESTABLISHED = 1


class Connection:
    """One kept-alive connection, made anew after every failure."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self, method: str, path: str, pieces: Sequence[bytes] = (), *lines: str) -> Answer:
        """A body of several pieces is sent in chunked transfer coding. Raises one of `Gone`, and `TimeoutError`."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._request(method, path, pieces, lines)
        except BaseException:
            self.close()
            raise

    async def _request(self, method: str, path: str, pieces: Sequence[bytes], lines: Sequence[str]) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        coded = len(pieces) > 1
        length = "Transfer-Encoding: chunked" if coded else f"Content-Length: {sum(map(len, pieces))}"
        writer.write(head(method, path, *([length] if pieces or method not in ("GET", "HEAD") else []), *lines))
        for piece in pieces:
            writer.writelines([b"%x\r\n" % len(piece), piece, b"\r\n"] if coded else [piece])
            await writer.drain()
        if coded:
            writer.write(b"0\r\n\r\n")
        status, headers = parse_head((await reader.readuntil(b"\r\n\r\n")).removesuffix(b"\r\n\r\n"))
        bodiless = method == "HEAD" or status in (204, 304)
        body = b"" if bodiless else await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        return Answer(status, headers, body)

    async def closed(self) -> None:
        """Close it, and wait until that is done."""
        if self._streams is not None:
            writer = self._streams[1]
            self.close()
            with suppress(*Gone):
                await writer.wait_closed()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


@asynccontextmanager
async def raw(port: int, *, narrow: bool = False) -> AsyncIterator[socket.socket]:
    """A socket of which nothing is read unless somebody does. `narrow`: the kernel keeps little of it for us."""
    connection = socket.socket()
    try:
        connection.setblocking(False)
        if narrow:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        yield connection
    finally:
        connection.close()


async def send(connection: socket.socket, content: bytes, patience: float = 5) -> None:
    """As much of it as is taken in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            await asyncio.get_running_loop().sock_sendall(connection, content)


async def receive(connection: socket.socket, most: int, patience: float = 5) -> int:
    """One read; how many bytes. Raises `EOFError` at the end."""
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            content = await asyncio.get_running_loop().sock_recv(connection, most)
            if not content:
                raise EOFError
            return len(content)
    return 0


async def held(connection: socket.socket, longest: float) -> float:
    """Seconds until the server lets go of the connection, of which nothing is read; at most `longest`."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while loop.time() - begun < longest:
        if connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != ESTABLISHED:
            break
        await asyncio.sleep(0.5)
    return loop.time() - begun
