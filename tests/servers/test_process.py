"""What no real server does by itself: one that does not stop, and one that goes on in further processes."""

import os
import signal
import socket
import sys
import time
from collections.abc import Sequence

import pytest

from tests.servers.process import RealServer, family_of, is_alive, state_of

SCRIPT = """
import os, signal, socket, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        break
else:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(60)
"""


class Stubborn(RealServer):
    """Listens, ignores SIGTERM, and has three more processes, each a session of its own, as PostgreSQL's are."""

    name = "stubborn"
    programs = ("sleep",)
    remedy = "apt-get install coreutils"
    stopping = 0.5

    @property
    def url(self) -> str:
        return "stubborn:"

    def fresh(self) -> str:
        return self.url

    def _make(self) -> None:
        pass

    def _furnish(self) -> None:
        pass

    def _command(self) -> Sequence[str]:
        return [sys.executable, "-c", SCRIPT, str(self.port)]

    def _answers(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0


def test_what_does_not_stop_is_killed_with_all_below_it() -> None:
    server = Stubborn().start()
    pids = server.pids
    assert len(pids) == 4
    with pytest.raises(RuntimeError, match="did not stop"):
        server.stop()
    assert not any(map(is_alive, pids))
    server.close()
    assert not server.folder.exists()


def test_a_pause_holds_all_processes() -> None:
    with Stubborn() as server:
        server.pause()
        assert {state_of(pid) for pid in server.pids} == {"T"}
        server.resume()
        assert "T" not in {state_of(pid) for pid in server.pids}
        server.kill()


def test_a_child_that_nobody_waited_for_is_not_alive() -> None:
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    assert is_alive(pid)
    assert pid in family_of(os.getpid())
    os.kill(pid, signal.SIGKILL)
    while is_alive(pid):
        time.sleep(0.01)
    os.waitpid(pid, 0)
    assert not is_alive(pid)
