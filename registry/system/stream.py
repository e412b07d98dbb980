"""Standard error as a stream that can neither fail nor block: a thread writes, and what finds no room is counted."""

import io
import os
import select
import signal
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

ATOMIC = 4096
"""Bytes that reach a pipe in one piece, between those of other workers."""

ROOM = 1024 * 1024
"""Bytes of lines that may wait to be written."""

RETRY = 1.0
"""Seconds after which a write that failed is tried again."""

PATIENCE = 0.5
"""Seconds that the end of a process waits for whoever reads the stream."""


class Stream:
    """Lines of one process in the order in which they were put, on their way to a descriptor.

    The descriptor may be a pipe that nobody reads, or a file on a full disk, for as long as it likes. `notice` makes
    the line that tells how many were lost; it stands where they would have stood."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.notice: Callable[[int], bytes] = lambda lost: b"%d log lines lost\n" % lost
        self._reset()
        # Lines that wait at a fork are the parent's to write, and so is a lock that its thread holds.
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        # Reentrant, as a finalizer that warns may run anywhere.
        self._changed = threading.Condition(threading.RLock())
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        self._wanted = self._writing = self._closing = False
        self._thread: threading.Thread | None = None

    def put(self, line: bytes) -> None:
        """To be written with the next one that is in a hurry, or at the next `wake`."""
        with self._changed:
            # Once lines are lost, more are until there is room for many: few gaps tell more than many small ones.
            if self._size + len(line) > (ROOM // 2 if self._lost else ROOM):
                self._lost += 1
                return
            if self._lost:
                self._tell_lost()
            self._lines.append(line)
            self._size += len(line)

    def wake(self) -> None:
        """Let what was put be written."""
        with self._changed:
            self._wanted = True
            if self._thread is None and not self._start():
                self._write_what_fits()
            self._changed.notify_all()

    def write(self, line: bytes) -> None:
        """Put it, and let it be written now."""
        self.put(line)
        self.wake()

    def close(self) -> None:
        """Wait a moment until all is written; what cannot be is dropped."""
        with self._changed:
            self._closing = True
            self.wake()
            self._changed.wait_for(lambda: not (self._wanted or self._writing), PATIENCE)

    def _tell_lost(self) -> None:
        notice = self.notice(self._lost)
        self._lost = 0
        self._lines.append(notice)
        self._size += len(notice)

    def _start(self) -> bool:
        thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False  # No more threads for now; the next line tries again.
        self._thread = thread
        return True

    def _write_all(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            with self._changed:
                self._writing = False
                while not (piece := self._next()):
                    self._wanted = False
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._wanted)
                self._writing = True
            self._write_piece(piece)
            with self._changed:
                self._size = max(self._size - len(piece), 0)

    def _next(self) -> bytes:
        """Lines for one write; empty if none waits."""
        if not self._lines and self._lost:
            self._tell_lost()
        piece: list[bytes] = []
        size = 0
        while self._lines and (not piece or size + len(self._lines[0]) <= ATOMIC):
            line = self._lines.popleft()
            piece.append(line)
            size += len(line)
        return b"".join(piece)

    def _write_piece(self, piece: bytes) -> None:
        """Return when it is written, however long that takes, or when the process ends and it cannot be."""
        while piece:
            try:
                piece = piece[os.write(self._fd, piece) :]
            except BlockingIOError:
                # Another process has made our common terminal or pipe one that does not wait.
                self._ready(RETRY)
            except OSError:
                with self._changed:
                    if self._changed.wait_for(lambda: self._closing, RETRY):
                        self._lines.clear()
                        self._lost = self._size = 0
                        return

    def _ready(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        # An error counts as ready: the write that follows tells which.
        return bool(poll.poll(seconds * 1000))

    def _write_what_fits(self) -> None:
        """Without a thread: as much as is taken at once. What fails is lost."""
        while self._ready(0) and (piece := self._next()):
            self._size -= len(piece)
            with suppress(OSError):
                # A pipe that is ready has room for a piece.
                for start in range(0, len(piece), ATOMIC):
                    if self._ready(0):
                        os.write(self._fd, piece[start : start + ATOMIC])
        self._wanted = bool(self._lines)


class Text(io.TextIOBase):
    """`sys.stderr` and `sys.stdout` for what knows nothing of streams: whole lines go to one."""

    def __init__(self, stream: Stream, fd: int) -> None:
        self._stream = stream
        self._fd = fd
        self._begun = ""
        self._writing = threading.RLock()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"text is written here, not {type(text).__name__}")
        with self._writing:
            whole, newline, self._begun = (self._begun + text).rpartition("\n")
            if newline:
                self._stream.write(encoded(whole + newline))
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def write_now(fd: int, line: bytes) -> None:
    """One line for whoever is there to take it at once; lost if nobody is."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    with suppress(OSError):
        if poll.poll(0):
            os.write(fd, line[:ATOMIC])


def open_standard_descriptors() -> None:
    """Let 0, 1 and 2 lead to nowhere where they were closed: a database that got such a number would get the log."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != fd:
                os.dup2(nowhere, fd)
                os.close(nowhere)
            os.set_inheritable(fd, True)
