"""A request's body read by a thread, straight from the socket: it never passes through the loop.

A connection is tapped while a request's body is on its way: the loop stops reading from it, threads take the bytes up
to the body's end, and the loop goes on behind them. A client that pauses, or is slow, holds no thread.
"""

import asyncio
import fcntl
import os
import select
import socket
import struct
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from registry.errors import BodyStalled, ClientGone
from registry.system.files import uninterrupted

BLOCK = 1024 * 1024
"""Bytes that are read at a time, and the memory that a body takes."""

TURN = 0.5
"""Seconds after which a thread comes back to the loop: others may wait for one, or the registry be told to stop."""

DRY = 20
"""Milliseconds that a thread waits for a client before it leaves that to the loop."""

WORTH = 64 * 1024
"""Bytes for which a thread is worth waking, and for which one waits: slower clients are the loop's to wait for."""

Sink = Callable[[bytes | memoryview], object]
"""Told of every block of a body in a thread; the bytes are there only as long as the call lasts."""


class Connection(Protocol):
    """What a tap needs of the protocol: a body of known length, some of which has come."""

    def tapped(self, request: object) -> tuple[socket.socket, bytes, int] | None:
        """Stop reading; a duplicate of the socket, what came of the body and was not received, and how many bytes of
        it are still on their way.

        None if it came whole, or is cut off."""

    @property
    def has_stalled(self) -> bool:
        """Whether it is the connection that gave up waiting for more."""

    def tap_reads(self, reads: bool) -> None:
        """A thread is at it, or the client is waited for from now on."""

    def untapped(self, left: int, gone: bool) -> None:
        """Go on behind the body, of which `left` bytes are still on their way and to be ignored; or the client left."""


class Tap:
    """The body of one request."""

    def __init__(self, connection: Connection, request: object) -> None:
        self._connection = connection
        self._request = request
        self._left = 0
        self._gone = False
        self._since = 0
        """Bytes that came since a thread last waited for some."""

    async def pour(self, sink: Sink, patience: float) -> bool:
        """All of the body into `sink`; False if there is nothing to tap, and it is to be had as others are.

        Raises `BodyStalled` if nothing came for `patience` seconds, `ClientGone` after the last byte that came, and
        what `sink` raises."""
        found = self._connection.tapped(self._request)
        if found is None:
            return False
        plug, early, coming = found
        self._left = len(early) + coming
        loop = asyncio.get_running_loop()
        with plug:
            try:
                while self._left:
                    self._connection.tap_reads(True)
                    dry = await uninterrupted(loop.run_in_executor(None, self._read, plug, early, sink))
                    self._connection.tap_reads(False)
                    early = b""
                    if self._gone:
                        raise BodyStalled if self._connection.has_stalled else ClientGone
                    if dry:
                        await self._readable(plug, patience)
            finally:
                self._connection.untapped(self._left, self._gone)
        return True

    def _read(self, plug: socket.socket, early: bytes, sink: Sink) -> bool:
        """In a thread: until the body's end, or the client's, or until the client pauses (True)."""
        if early:
            self._left -= len(early)
            sink(early)
        buffer = memoryview(bytearray(min(BLOCK, self._left)))
        ready = select.poll()
        ready.register(plug, select.POLLIN)
        until = time.monotonic() + TURN
        self._since = WORTH
        while self._left and not self._gone and time.monotonic() < until:
            filled, dry = self._fill(plug, ready, buffer[: min(len(buffer), self._left)])
            if filled:
                self._left -= filled
                sink(buffer[:filled])
            if dry:
                return True
        return False

    def _fill(self, plug: socket.socket, ready: select.poll, room: memoryview) -> tuple[int, bool]:
        """Read until `room` is full or the client pauses: so many bytes, and whether it does."""
        filled = 0
        while filled < len(room):
            try:
                read = plug.recv_into(room[filled:], 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                if self._since < WORTH or not ready.poll(DRY):
                    return filled, True
                self._since = 0
                continue
            except OSError:
                read = 0
            if read == 0:
                self._gone = True
                break
            filled += read
            self._since += read
        return filled, False

    async def _readable(self, plug: socket.socket, patience: float) -> None:
        loop = asyncio.get_running_loop()
        readable = loop.create_future()
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, min(WORTH, self._left))
        loop.add_reader(plug.fileno(), set_ready, readable)
        try:
            async with asyncio.timeout(patience):
                await readable
        except TimeoutError:
            # Less than that may have come: only silence is a stall.
            try:
                plug.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK)
            except BlockingIOError:
                raise BodyStalled from None
        finally:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            loop.remove_reader(plug.fileno())


def set_ready(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def duplicate(transport: asyncio.Transport) -> socket.socket | None:
    """A socket of our own for the connection, which may be closed without closing that; None where it has none."""
    original = transport.get_extra_info("socket")
    with suppress(OSError):
        if original is not None and original.fileno() >= 0:
            return socket.socket(fileno=os.dup(original.fileno()))
    return None


def in_send_queue(transport: asyncio.Transport) -> int:
    """Bytes that the kernel keeps for the client until it has confirmed them (tcp(7): SIOCOUTQ); 0: cannot be told."""
    connection = transport.get_extra_info("socket")
    try:
        return int(struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))[0])
    except (OSError, ValueError, AttributeError):
        return 0
