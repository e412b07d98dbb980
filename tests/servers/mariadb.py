"""MariaDB as Debian sets it up: utf8mb4, where `a` equals `A` unless a column says that its bytes count."""

import socket
import subprocess
from collections.abc import Sequence
from typing import ClassVar

from tests.servers.process import RealServer


class Mariadb(RealServer):
    """`url` is the database `registry`, of the user `registry`, which may do what it wants in databases so called."""

    name = "mariadb"
    programs = ("mariadb-install-db", "mariadbd", "mariadb")
    remedy = "apt-get install mariadb-server"
    account = "mysql"
    path = ("/usr/sbin",)

    UNSYNCED: ClassVar = {"innodb-flush-log-at-trx-commit": "0", "innodb-flush-method": "nosync"}
    """Settings under which a power cut may take what was acknowledged, and the database with it."""

    @property
    def url(self) -> str:
        return self._url_of("registry")

    def _url_of(self, database: str) -> str:
        return f"mysql://registry@127.0.0.1:{self.port}/{database}"

    def fresh(self) -> str:
        name = self._next()
        self.sql(f"CREATE DATABASE {name}")
        return self._url_of(name)

    def sql(self, statement: str, database: str = "") -> list[str]:
        """What the client prints for a statement of root: one line for each row, columns between tabs."""
        connection = ("--no-defaults", "--user=root", f"--socket={self._socket}")
        command = [self._found["mariadb"], *connection, "--batch", "--skip-column-names", "-e", statement, database]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=self._environ())
        if done.returncode:
            raise RuntimeError(f"{statement}: {done.stderr.strip()}")
        return done.stdout.splitlines()

    @property
    def _socket(self) -> str:
        return str(self.folder / "socket")

    @property
    def _data(self) -> str:
        return f"--datadir={self.folder / 'data'}"

    def _make(self) -> None:
        # Not synced: a power cut here ends the test as well.
        unsynced = ("--innodb-flush-method=nosync", "--sync-frm=0")
        users = ("--auth-root-authentication-method=normal", "--skip-name-resolve", "--skip-test-db")
        # Two that are made at once would call their temporary tables alike.
        apart = f"--tmpdir={self.folder}"
        self._run(self._found["mariadb-install-db"], "--no-defaults", self._data, apart, *users, *unsynced)

    def _furnish(self) -> None:
        self.sql("CREATE USER registry@127.0.0.1; GRANT ALL ON `registry%`.* TO registry@127.0.0.1")
        self.sql("CREATE DATABASE registry")

    def _command(self) -> Sequence[str]:
        settings = {
            "port": str(self.port),
            "socket": self._socket,
            "pid-file": str(self.folder / "pid"),
            "tmpdir": str(self.folder),
            "bind-address": "127.0.0.1",
            "skip-name-resolve": "ON",
            # What Debian writes into /etc/mysql.
            "character-set-server": "utf8mb4",
            "collation-server": "utf8mb4_general_ci",
            "innodb-buffer-pool-size": "64M",
            # A manifest of the largest size, also where a client writes two characters for a byte; 16M as installed.
            "max-allowed-packet": "192M",
        }
        options = [f"--{name}={value}" for name, value in {**settings, **self.settings}.items()]
        return [self._found["mariadbd"], "--no-defaults", self._data, *options]

    def _answers(self) -> bool:
        # It listens once its log was read again, and greets whoever comes.
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(5)
                client.connect(self._socket)
                return bool(client.recv(1))
        except OSError:
            return False
