"""PostgreSQL as it is installed: names sort as people sort them, unless a column says that its bytes count."""

import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from tests.servers.process import RealServer

INSTALLED = tuple(str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
"""Debian keeps each version's programs in a folder of its own, none of them in PATH."""


class Spare(NamedTuple):
    """A database that is being made for the next who wants one."""

    name: str
    making: "subprocess.Popen[str]"


class Postgresql(RealServer):
    """`url` is the database `registry`, of the role `registry`, which may do in it what it wants and nothing else."""

    name = "postgresql"
    programs = ("initdb", "postgres", "psql", "pg_isready")
    remedy = "apt-get install postgresql"
    account = "postgres"
    path = INSTALLED
    stop_signal = signal.SIGINT
    """Which does not wait for clients."""

    UNSYNCED: ClassVar = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    """Settings under which a power cut may take what was acknowledged, and the database with it."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(settings)
        self._spare: Spare | None = None

    @property
    def url(self) -> str:
        return self._url_of("registry")

    def _url_of(self, database: str) -> str:
        return f"postgresql://registry@127.0.0.1:{self.port}/{database}"

    def fresh(self) -> str:
        # PostgreSQL takes a tenth of a second for one: the next is made while this one is used.
        spare = self._spare or self._spared()
        _, why = spare.making.communicate()
        if spare.making.returncode:
            raise RuntimeError(f"a database could not be made: {why.strip()}")
        self._spare = self._spared()
        return self._url_of(spare.name)

    def _spared(self) -> Spare:
        name = self._next()
        command = self._client(f"CREATE DATABASE {name} OWNER registry", "postgres")
        making = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=self._environ())
        return Spare(name, making)

    def stop(self) -> int:
        status = super().stop()
        self._forget()
        return status

    def kill(self) -> None:
        super().kill()
        self._forget()

    def _forget(self) -> None:
        """Whether one that was begun is there nobody knows."""
        if self._spare is not None:
            self._spare.making.communicate()
            self._spare = None

    def sql(self, statement: str, database: str = "postgres") -> list[str]:
        """What psql prints for a statement of the superuser: one line for each row, columns between `|`."""
        command = self._client(statement, database)
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=self._environ())
        if done.returncode:
            raise RuntimeError(f"{statement}: {done.stderr.strip()}")
        return done.stdout.splitlines()

    def _client(self, statement: str, database: str) -> list[str]:
        url = f"postgresql://postgres@127.0.0.1:{self.port}/{database}"
        return [self._found["psql"], "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement, url]

    def _make(self) -> None:
        # A locale that sorts `a` beside `A`, as most installations have one: what has to sort by bytes must say so.
        locale = ("--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")
        # Not synced: a power cut here ends the test as well.
        data = str(self.folder / "data")
        self._run(self._found["initdb"], "--no-sync", "-D", data, "-U", "postgres", "--auth=trust", *locale)

    def _furnish(self) -> None:
        self.sql("CREATE ROLE registry LOGIN")
        self.sql("CREATE DATABASE registry OWNER registry")
        self._spare = self._spared()

    def _command(self) -> Sequence[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "shared_buffers": "32MB",
        }
        options = [f"--{name}={value}" for name, value in {**settings, **self.settings}.items()]
        return [self._found["postgres"], "-D", str(self.folder / "data"), *options]

    def _answers(self) -> bool:
        command = [self._found["pg_isready"], "-q", "-h", str(self.folder), "-p", str(self.port)]
        return subprocess.run(command, check=False, env=self._environ()).returncode == 0
