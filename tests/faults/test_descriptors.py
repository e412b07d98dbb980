"""Descriptors that are few: they are kept for work, those who rest give way, and nobody is taken for dead."""

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.faults.launch import Launched, cpu_within, launched
from tests.server import Server, running
from tests.soon import soon
from tests.speak.client import Client, Slow, open_socket, read_all
from tests.speak.content import digest_of

FEW = ["prlimit", "--nofile=256:256"]

FULL = "all are at something"


@contextmanager
def with_few(data: Path, workers: int, tmp_path: Path) -> Iterator[tuple[Launched, Path]]:
    """At 256 descriptors a worker; and its log."""
    log = tmp_path / "log"
    with log.open("wb") as written, launched(data, "--workers", str(workers), stderr=written, prefix=FEW) as server:
        yield server, log
        assert server.end() == 0
    assert "Traceback" not in log.read_text(), log.read_text()[-3000:]


def crowd(server: Launched, stack: ExitStack, count: int, said: Sequence[bytes]) -> None:
    """So many connections that say something and then nothing more."""
    for number in range(count):
        connection = stack.enter_context(open_socket(server.url))
        connection.sendall(said[number % len(said)])


@pytest.mark.spec("OPERATE-9")
def test_those_who_rest_give_way(workers: int, tmp_path: Path) -> None:
    """Many more idle connections than descriptors: new clients are served, and the one at work stays."""
    asked = b"GET /v2/ HTTP/1.1\r\nHost: test\r\n\r\n"
    with with_few(tmp_path / "data", workers, tmp_path) as (server, _), ExitStack() as stack:
        content = os.urandom(2_000_000)
        with Client(server.url) as client:
            path = client.start("few/app")
        slow = stack.enter_context(Slow(server.url, "PATCH", path, len(content)))
        slow.send(content[:1_000_000])
        crowd(server, stack, 270 * workers, [b"", asked])
        with Client(server.url) as client:
            digest = client.push("few/app", os.urandom(300_000))
            for _ in range(20):
                assert client.get(f"/v2/few/app/blobs/{digest}").status == 200
        slow.send(content[1_000_000:])
        assert slow.answer().status == 202
        with Client(server.url) as client:
            assert client.finish(path, content).status == 201
            assert digest_of(client.get(f"/v2/few/app/blobs/{digest_of(content)}").body) == digest_of(content)


@pytest.mark.spec("OPERATE-9")
def test_all_at_something(tmp_path: Path) -> None:
    """Others wait until one is done, without a loop that spins; requests at work have the descriptors they need."""
    with with_few(tmp_path / "data", 1, tmp_path) as (server, log):
        with ExitStack() as stack:
            with Client(server.url) as client:
                paths = [client.start("few/app") for _ in range(52)]
            slow = []
            for path in paths:
                slow.append(stack.enter_context(Slow(server.url, "PATCH", path, 2_000_000)))
                slow[-1].send(bytes(400_000))
            answers: list[int] = []

            def ask() -> None:
                with Client(server.url) as client:
                    answers.append(client.get("/v2/").status)

            waiting = threading.Thread(target=ask)
            waiting.start()
            assert soon(lambda: FULL in log.read_text())
            assert cpu_within(server.process.pid, 1.0) < 0.3
            for each in slow[:5]:
                each.send(bytes(1_600_000))
                assert each.answer().status == 202
            waiting.join(10)
            assert answers == [200]
        assert log.read_text().count(FULL) == 1


@pytest.mark.spec("OPERATE-9")
@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (b"GET /v2/ HTTP/1.1\r\nHo", 40),
        (b"PUT /v2/few/app/manifests/a HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\n{", 70),
    ],
    ids=["heads", "bodies"],
)
def test_a_newcomer_behind_many_that_stall(said: bytes, seconds: float, tmp_path: Path) -> None:
    """He does not wait for the sum of what each of them is given: of 400 on 10 places, 40 seconds and more, or 200."""
    prefix = ["prlimit", "--nofile=64:64"]
    flags = ("--workers", "1")
    with launched(tmp_path / "data", *flags, stderr=subprocess.DEVNULL, prefix=prefix) as server, ExitStack() as stack:
        crowd(server, stack, 400, [said])
        begun = time.monotonic()
        newcomer = stack.enter_context(open_socket(server.url))
        newcomer.settimeout(120)
        newcomer.sendall(b"GET /v2/ HTTP/1.1\r\nHost: test\r\n\r\n")
        assert newcomer.recv(100).startswith(b"HTTP/1.1 200")
        assert time.monotonic() - begun < seconds
        stack.close()
        assert server.end() == 0


@pytest.mark.spec("OPERATE-9")
def test_who_pauses_beside_newcomers_that_rest(tmp_path: Path) -> None:
    """One newcomer after the other finds all connections taken: those go that rest, not those that upload slowly."""
    prefix = ["prlimit", "--nofile=64:64"]
    flags = ("--workers", "1")
    with launched(tmp_path / "data", *flags, stderr=subprocess.DEVNULL, prefix=prefix) as server, ExitStack() as stack:
        with Client(server.url) as client:
            paths = [client.start("few/app") for _ in range(6)]
        slow = [stack.enter_context(Slow(server.url, "PATCH", path, 4000)) for path in paths]
        for number in range(36):
            if number % 9 == 0:
                for each in slow:
                    each.send(bytes(1000))
            newcomer = stack.enter_context(open_socket(server.url))
            newcomer.settimeout(5)
            newcomer.sendall(b"GET /v2/ HTTP/1.1\r\nHost: test\r\n\r\n")
            assert newcomer.recv(100).startswith(b"HTTP/1.1 200")
            time.sleep(0.3)
        assert [each.answer().status for each in slow] == [202] * 6
        assert server.end() == 0


@pytest.mark.spec("OPERATE-9")
def test_who_reads_slowly_beside_many_that_stall(tmp_path: Path) -> None:
    """An answer that is taken all the time, if slowly, is not taken for one that stalls."""
    prefix = ["prlimit", "--nofile=64:64"]
    flags = ("--workers", "1")
    with launched(tmp_path / "data", *flags, stderr=subprocess.DEVNULL, prefix=prefix) as server, ExitStack() as stack:
        content = os.urandom(24 << 20)
        with Client(server.url) as client:
            digest = client.push("few/app", content)
        reader = stack.enter_context(open_socket(server.url))
        reader.sendall(f"GET /v2/few/app/blobs/{digest} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
        crowd(server, stack, 250, [b"GET /v2/ HTTP/1.1\r\nHo"])
        received = bytearray()
        while piece := reader.recv(100_000):
            received += piece
            time.sleep(len(piece) / 2_500_000)
        assert digest_of(bytes(received).partition(b"\r\n\r\n")[2]) == digest
        assert server.end() == 0


@pytest.mark.spec("OPERATE-9")
def test_no_descriptor_for_a_connection(data: Path) -> None:
    """As where the whole machine has none: it waits, does not spin, and goes on."""
    with running(data, "--workers", "1") as server, ExitStack() as stack:
        client = stack.enter_context(Client(server.url))
        assert client.get("/v2/").status == 200
        pid = server.process.pid
        subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={len(os.listdir(f'/proc/{pid}/fd'))}:"], check=True)
        others = [stack.enter_context(open_socket(server.url)) for _ in range(3)]
        for other in others:
            other.sendall(b"GET /v2/ HTTP/1.1\r\nHost: test\r\n\r\n")
        assert server.wait_for_output("no more connections can be accepted for now")
        assert cpu_within(pid, 1.5) < 0.4
        subprocess.run(["prlimit", "--pid", str(pid), "--nofile=1024:"], check=True)
        for other in others:
            assert other.recv(100).startswith(b"HTTP/1.1 200")
    assert server.output.count("no more connections can be accepted for now") == 1


@pytest.mark.spec("OPERATE-10")
def test_the_soft_limit_is_raised(workers: int, tmp_path: Path) -> None:
    with launched(
        tmp_path / "data", "--workers", str(workers), stderr=subprocess.DEVNULL, prefix=["prlimit", "--nofile=256:4096"]
    ) as server:
        for pid in [server.process.pid, *server.workers()]:
            assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (4096, 4096)


# Who is dead


def without_descriptors(program: str) -> None:
    """Run it where `exhaust()` takes away all further descriptors."""
    begin = """if True:
        import os, resource, subprocess, sys
        from registry.system import host
        def exhaust():
            used = len(os.listdir("/proc/self/fd")) - 1
            resource.setrlimit(resource.RLIMIT_NOFILE, (used, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    """
    subprocess.run([sys.executable, "-c", begin + program], check=True, timeout=30)


@pytest.mark.spec("OPERATE-11")
def test_who_cannot_be_looked_for_is_neither_dead_nor_alive() -> None:
    without_descriptors("""
        me = host.process_id()
        assert host.is_alive(me) and not host.is_dead(me)
        other = subprocess.Popen(["sleep", "100"])
        named = me.rsplit("/", 2)[0] + f"/{other.pid}/"
        named += open(f"/proc/{other.pid}/stat").read().rpartition(")")[2].split()[19]
        assert host.is_alive(named) and not host.is_dead(named)
        exhaust()
        for process in (me, named):
            assert not host.is_dead(process) and not host.is_alive(process)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        other.kill()
        assert os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert host.is_dead(named) and not host.is_alive(named)  # a zombie
        other.wait()
        assert host.is_dead(named) and not host.is_alive(named)
        assert not host.is_dead("another boot/" + named.partition("/")[2])
        boot = named.partition("/")[0]
        for process in ("", boot, f"{boot}/unknown/1/0", f"{boot}/pid:[1]/1/0", named.rsplit("/", 2)[0] + "/x/1"):
            assert not host.is_dead(process) and not host.is_alive(process), process
""")


@pytest.mark.spec("OPERATE-11")
def test_a_boot_is_not_made_up_for_want_of_a_descriptor() -> None:
    without_descriptors("""
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        exhaust()
        try:
            host.boot_id()
        except OSError:
            pass
        else:
            raise AssertionError
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert host.boot_id() == open("/proc/sys/kernel/random/boot_id").read().strip()
        assert "unknown" not in host.process_id()
""")


BROKEN = """
import registry.server

class Protocol(registry.server.Protocol):
    def expire(self, now):
        if self._head.size:
            raise RuntimeError("broken")
        super().expire(now)

registry.server.Protocol = Protocol
"""


@pytest.mark.spec("OPERATE-14")
def test_a_connection_that_fails_when_it_is_looked_at(data: Path, tmp_path: Path) -> None:
    """It is cut off, with one line for all of the kind, and the others have their limits all the same."""
    (tmp_path / "sitecustomize.py").write_text(BROKEN)
    environ = {"PYTHONPATH": str(tmp_path)}
    with ExitStack() as stack:
        server = Server(data, "--workers", "1", "--body-timeout", "1s", environ=environ).start()
        stack.callback(server.kill)
        for _ in range(3):
            half = stack.enter_context(open_socket(server.url, 5))
            half.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n")
            with suppress(ConnectionResetError):
                assert half.recv(1) == b""
        unwanted = stack.enter_context(open_socket(server.url, 5))
        unwanted.sendall(b"PUT /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")
        assert read_all(unwanted).startswith(b"HTTP/1.1 404")
        assert server.stop() == 0
        assert server.output.count("RuntimeError: broken") == 1
