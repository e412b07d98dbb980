"""Servers that break every rule, and the kit at them: it says that it could not judge, and why, in the time allowed."""

import gzip
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

TIMEOUT = 2
"""Seconds that a case may take; the whole run must not take much longer."""

SHORT = 1
"""The same where nothing but the end of that time is waited for."""

NO_ANSWER = "no complete answer within"

Talk = Callable[[socket.socket], None]


def send(connection: socket.socket, *pieces: bytes, pause: float = 0) -> None:
    for piece in pieces:
        connection.sendall(piece)
        time.sleep(pause)


def for_ever(connection: socket.socket, piece: bytes, pause: float = 0) -> None:
    """Until the client has had enough."""
    while True:
        send(connection, piece, pause=pause)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def reset_in_the_body(connection: socket.socket) -> None:
    send(connection, b"HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n12345", pause=0.1)
    reset(connection)


def reset_in_the_head(connection: socket.socket) -> None:
    send(connection, b"HTTP/1.1 404 Not Fo", pause=0.1)
    reset(connection)


def closed_at_once(connection: socket.socket) -> None:
    connection.close()


def silent(connection: socket.socket) -> None:
    time.sleep(20)


def endless_body(connection: socket.socket) -> None:
    send(connection, b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n")
    for_ever(connection, b"x" * 65536)


def endless_chunks(connection: socket.socket) -> None:
    send(connection, b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n")
    for_ever(connection, b"8000\r\n" + b"x" * 0x8000 + b"\r\n")


def chunks_of_nonsense(connection: socket.socket) -> None:
    send(connection, b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\nlots\r\n12345\r\n0\r\n\r\n")


def body_too_short(connection: socket.socket) -> None:
    send(connection, b"HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n12345")


def redirects_in_a_loop(connection: socket.socket) -> None:
    send(connection, b"HTTP/1.1 307 Temporary Redirect\r\nLocation: ?again\r\nContent-Length: 0\r\n\r\n")


def redirect_to_nowhere(connection: socket.socket) -> None:
    send(connection, b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n")


def redirect_to_a_file(connection: socket.socket) -> None:
    send(connection, b"HTTP/1.1 307 Temporary Redirect\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n")


def slow_head(connection: socket.socket) -> None:
    send(connection, b"HTTP/1.1 404 Not Found\r\n")
    for_ever(connection, b"a", pause=0.1)


def slow_body(connection: socket.socket) -> None:
    send(connection, b"HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\n")
    for_ever(connection, b"a", pause=0.1)


def garbage(connection: socket.socket) -> None:
    send(connection, bytes(range(256)) * 40)


def another_protocol(connection: socket.socket) -> None:
    send(connection, b"SSH-2.0-OpenSSH_9.2\r\n", pause=0.5)


def continue_for_ever(connection: socket.socket) -> None:
    for_ever(connection, b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.001)


def one_huge_header(connection: socket.socket) -> None:
    send(connection, b"HTTP/1.1 404 Not Found\r\nX-Huge: " + b"x" * 1_000_000 + b"\r\nContent-Length: 0\r\n\r\n")


def headers_for_ever(connection: socket.socket) -> None:
    send(connection, b"HTTP/1.1 404 Not Found\r\n")
    for_ever(connection, b"X-One: more\r\n")


BROKEN: dict[str, tuple[Talk, str]] = {
    talk.__name__: (talk, reason)
    for talk, reason in (
        (reset_in_the_body, "reset"),
        (reset_in_the_head, "reset"),
        (closed_at_once, "closed connection"),
        (silent, NO_ANSWER),
        (endless_body, "longer than"),
        (endless_chunks, "longer than"),
        (chunks_of_nonsense, "IncompleteRead"),
        (body_too_short, "IncompleteRead"),
        (redirects_in_a_loop, "redirects"),
        (redirect_to_nowhere, ""),
        (redirect_to_a_file, "not a URL that can be asked"),
        (slow_head, NO_ANSWER),
        (slow_body, NO_ANSWER),
        (garbage, "BadStatusLine"),
        (another_protocol, "BadStatusLine"),
        (continue_for_ever, NO_ANSWER),
        (one_huge_header, "LineTooLong"),
        (headers_for_ever, "headers"),
    )
}


@contextmanager
def server(talk: Talk, polite: bool) -> Iterator[str]:
    """Answers `GET /v2/` properly if it is polite, and everything else by `talk`."""

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while request := connection.recv(65536):
                if polite and request.startswith(b"GET /v2/ "):
                    send(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                    continue
                talk(connection)
                if talk not in (redirects_in_a_loop,):
                    return

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def run(
    url: str, report: Path, *flags: str, timeout: int = TIMEOUT
) -> "tuple[subprocess.CompletedProcess[str], float]":
    started = time.monotonic()
    command = [sys.executable, "-m", "conformance", url, "--timeout", str(timeout), "--json", str(report), *flags]
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("OCI_", "REGISTRY_"))}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environ)
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done, time.monotonic() - started


ONE = ("--read-only", "--image", "a/b:latest", "--only", "read_only/missing_blob")


@pytest.mark.parametrize("name", BROKEN)
def test_a_case_is_broken_and_says_why(name: str, tmp_path: Path) -> None:
    talk, reason = BROKEN[name]
    report = tmp_path / "report.json"
    with server(talk, polite=True) as url:
        done, seconds = run(url, report, *ONE, timeout=SHORT if reason == NO_ANSWER else TIMEOUT)
    assert done.returncode == 2, done.stdout + done.stderr
    [result] = json.loads(report.read_text())["results"]
    assert result["outcome"] == "broken"
    assert result["reason"], "a reason"
    assert reason in result["reason"]
    assert seconds < TIMEOUT + 10


@pytest.mark.parametrize("name", BROKEN)
def test_a_server_that_is_hostile_from_the_start_is_one_line(name: str, tmp_path: Path) -> None:
    talk, reason = BROKEN[name]
    with server(talk, polite=False) as url:
        timeout = SHORT if reason == NO_ANSWER else TIMEOUT
        done, seconds = run(url, tmp_path / "report.json", *ONE, timeout=timeout)
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("registry-conformance: ")
    assert reason in done.stderr
    assert seconds < TIMEOUT + 10


def test_what_a_bomb_packs_is_not_unpacked(tmp_path: Path) -> None:
    """4 GB in 4 MB: judged by the bytes that came."""
    bomb = gzip.compress(bytes(16 * 1024 * 1024)) * 256
    head = b"HTTP/1.1 404 Not Found\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    report = tmp_path / "report.json"

    def talk(connection: socket.socket) -> None:
        send(connection, head, bomb)

    with server(talk, polite=True) as url:
        done, seconds = run(url, report, *ONE)
    assert done.returncode == 0, done.stdout + done.stderr
    [result] = json.loads(report.read_text())["results"]
    assert result["exchanges"][-1]["answer"]["size"] == len(bomb)
    assert seconds < TIMEOUT + 10


def test_many_cases_at_a_silent_server_end_together(tmp_path: Path) -> None:
    """Each in its time: more jobs are less waiting, and nothing waits for ever."""
    report = tmp_path / "report.json"
    flags = ("--read-only", "--image", "a/b:latest", "--only", "read_only", "--jobs", "16")
    with server(silent, polite=True) as url:
        done, seconds = run(url, report, *flags, timeout=SHORT)
    assert done.returncode == 2
    results = json.loads(report.read_text())["results"]
    assert len(results) >= 8
    assert {result["outcome"] for result in results} == {"broken"}
    assert seconds < TIMEOUT + 10


def test_what_a_server_says_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """Control characters of a stranger are shown, not obeyed."""

    def talk(connection: socket.socket) -> None:
        body = b"\x1b]0;owned\x07\x1b[2J"
        send(
            connection, b"HTTP/1.1 200 \x1b[31m\r\nX-Evil: \x1b[2J\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )

    with server(talk, polite=True) as url:
        done, _ = run(url, tmp_path / "report.json", *ONE)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout + done.stderr
    assert "\\x1b" in done.stdout
