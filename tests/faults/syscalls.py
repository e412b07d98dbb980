"""What a server asks of the kernel, in order: `registry serve` under strace."""

import re
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.server import Server, running

TRACED = [
    *("openat", "read", "pread64", "readv", "preadv", "preadv2", "mmap", "write", "pwrite64", "writev", "pwritev"),
    *("sendto", "sendmsg", "fsync", "fdatasync", "sync_file_range", "mkdir", "mkdirat", "ftruncate", "unlink"),
    *("rename", "renameat", "renameat2", "link", "linkat", "copy_file_range", "sendfile", "splice"),
]
READS = {"read", "pread64", "readv", "preadv", "preadv2", "mmap", "sendfile", "splice", "copy_file_range"}
WRITES = {"write", "pwrite64", "writev", "pwritev"}
SYNCS = {"fsync", "fdatasync"}
RENAMES = {"rename", "renameat", "renameat2"}

BEGUN = re.compile(r"(?P<pid>\d+) +(?P<name>\w+)\((?P<rest>.*)")
RESUMED = re.compile(r"(?P<pid>\d+) +<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)")
DESCRIPTOR = re.compile(r"\d+<((?:[^<>]|->)*)>")
TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')


class Call(NamedTuple):
    """One call: the lines of the log at which it began and ended, the file or socket, and the texts it was given."""

    name: str
    begun: int
    ended: int
    target: str
    texts: tuple[str, ...]
    result: int


class Trace:
    """A server under strace."""

    def __init__(self, server: Server, log: Path) -> None:
        self.server = server
        self._log = log

    def size(self) -> int:
        """How many lines there are, once no more come."""
        seen = -1
        while seen != (seen := self._log.stat().st_size):
            time.sleep(0.15)
        return len(self._log.read_text(errors="replace").splitlines())

    def calls(self, start: int = 0) -> list[Call]:
        """Every finished call from that line on, as they ended."""
        found: list[Call] = []
        open_calls: dict[str, tuple[int, str]] = {}
        lines = self._log.read_text(errors="replace").splitlines()
        for number, line in enumerate(lines[start:], start):
            begun, resumed = BEGUN.match(line), RESUMED.match(line)
            if begun and line.endswith("<unfinished ...>"):
                open_calls[begun["pid"]] = number, begun["rest"].removesuffix("<unfinished ...>")
            elif begun:
                found.append(call(begun["name"], number, number, begun["rest"]))
            elif resumed and resumed["pid"] in open_calls:
                at, rest = open_calls.pop(resumed["pid"])
                found.append(call(resumed["name"], at, number, rest + resumed["rest"]))
        return found


def call(name: str, begun: int, ended: int, rest: str) -> Call:
    arguments, _, result = rest.rpartition(" = ")
    descriptor = DESCRIPTOR.search(arguments)
    number = re.match(r"-?\d+", result)
    return Call(
        name,
        begun,
        ended,
        descriptor[1] if descriptor and name != "openat" else "",
        tuple(TEXT.findall(arguments)),
        int(number[0]) if number else 0,
    )


@contextmanager
def traced(data: Path, folder: Path, *flags: str) -> Iterator[Trace]:
    """A server with one worker whose calls are recorded from its first instruction on."""
    log = folder / "strace.log"
    launcher = folder / "traced"
    command = ["strace", "-D", "-f", "--seccomp-bpf", "-yy", "-s", "80", "-e", f"trace={','.join(TRACED)}"]
    launcher.write_text(f'#!/bin/sh\nexec {shlex.join([*command, "-o", str(log), sys.executable])} "$@"\n')
    launcher.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(launcher))
        with running(data, "--workers", "1", *flags) as server:
            yield Trace(server, log)
