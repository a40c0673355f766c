"""The servers of the tests: the product's own throw-away PostgreSQL, and a MariaDB made the same way.

`OwnServer` is one for a test that ends it and starts it again; it keeps what it has acknowledged, as the others do not.

MariaDB comes from the system alone. How a server is started, kept without durability and ended with the process that
started it is told in `splice.testing.servers`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pymysql

from splice.testing import servers
from splice.testing.servers import (
    HOST,
    USER,
    Home,
    Server,
    free_port,
    home,
    new_password,
    postgresql,
    postgresql_binaries,
    version_of,
)

__all__ = [
    "OwnServer",
    "Server",
    "free_port",
    "home",
    "mariadb",
    "mariadb_is_installed",
    "own_server",
    "postgresql",
    "reserved_port",
]


def mariadb_is_installed() -> bool:
    """Say whether this machine has a MariaDB server to start."""
    return find_mariadb("mariadbd") is not None and find_mariadb("mariadb-install-db") is not None


@contextlib.contextmanager
def mariadb() -> Iterator[Server]:
    """Run a MariaDB until the end of the block."""
    server, installer = find_mariadb("mariadbd"), find_mariadb("mariadb-install-db")
    if server is None or installer is None:
        message = "mariadbd is not installed"
        raise RuntimeError(message)
    password = new_password()
    with home(owners=("mysql", "nobody")) as place, place.secret(first_statements(password)) as file:
        install_mariadb(installer, place)
        with place.serve(
            "KILL", lambda port: mariadb_command(server, place, port, file), answers(password)
        ) as port:
            yield Server("mariadb", version_of(server), port, password)


def install_mariadb(installer: Path, place: Home) -> None:
    place.run(installer, "--no-defaults", f"--datadir={place.data}", "--skip-test-db", "--skip-name-resolve")


def first_statements(password: str) -> str:
    return (
        f"CREATE USER '{USER}'@'{HOST}' IDENTIFIED BY '{password}';\n"
        f"GRANT ALL ON *.* TO '{USER}'@'{HOST}' WITH GRANT OPTION;\n"
    )


def mariadb_command(server: Path, place: Home, port: int, first_statements: Path) -> list[str]:
    return [
        str(server),
        "--no-defaults",
        f"--datadir={place.data}",
        f"--tmpdir={place.path}",
        f"--socket={place.path / 'socket'}",
        f"--pid-file={place.path / 'pid'}",
        f"--init-file={first_statements}",
        f"--bind-address={HOST}",
        f"--port={port}",
        "--skip-name-resolve",
        "--character-set-server=utf8mb4",
        "--max-connections=200",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-fast-shutdown=2",
        "--sync-binlog=0",
    ]


def find_mariadb(program: str) -> Path | None:
    # Debian keeps the server in a folder that is only on root's path.
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/usr/bin")
    return Path(found) if found else None


def answers(password: str) -> Callable[[int], bool]:
    """Say whether the server lets its user in."""

    def answers(port: int) -> bool:
        with contextlib.suppress(pymysql.err.OperationalError):
            pymysql.connect(host=HOST, port=port, user=USER, password=password, connect_timeout=2).close()
            return True
        return False

    return answers


@dataclass(frozen=True)
class OwnServer:
    """A server that a test may stop, kill and start again: its port and its data stay."""

    server: Server
    place: Home
    command: Sequence[str]
    pid_file: Path
    stop_signal: str
    ask: Callable[[int], bool]
    _running: list[ExitStack] = field(default_factory=list)

    def start(self) -> None:
        """Start it, unless it runs, and wait until it answers."""
        if not self._running:
            # What a lifeline removes, some time after its server has ended, is a folder of its own: the data stay.
            folder = Path(tempfile.mkdtemp(prefix="lifeline-", dir=self.place.path))
            folder.chmod(0o777)
            lifeline, running = Home(folder, self.place.account), ExitStack()
            running.enter_context(
                lifeline.serve(self.stop_signal, lambda _: self.command, lambda _: self.ask(self.server.port))
            )
            self._running.append(running)

    def stop(self) -> None:
        """Stop it as its administrator does: what runs is cut off, what is committed is kept."""
        if self._running:
            self._running.pop().close()

    def kill(self) -> None:
        """End it at once, as `kill -9` does."""
        os.kill(int(self.pid_file.read_text().split()[0]), signal.SIGKILL)
        self.stop()


@contextlib.contextmanager
def own_server(dialect: str) -> Iterator[OwnServer]:
    """Make a server of one's own, and start it; it ends with the block, its folder with the process at the latest."""
    make = {"postgresql": _own_postgresql, "mariadb": _own_mariadb}[dialect]
    owners = {"postgresql": ("postgres", "nobody"), "mariadb": ("mysql", "nobody")}[dialect]
    with home(owners) as place, reserved_port() as port, ExitStack() as ends:
        # Its own lifeline would leave the data behind if the tests were killed.
        ends.enter_context(place.serve("KILL", lambda _: ["sleep", "infinity"], lambda _: True))
        server = ends.enter_context(make(place, port))
        ends.callback(server.stop)
        server.start()
        yield server


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """A port that stays free for those who listen on it, again and again, until the end of the block.

    While nobody listens, the system gives it to no outgoing connection, which would otherwise take it sooner or later.
    """
    with socket.socket() as reservation:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reservation.bind((HOST, 0))
        yield int(reservation.getsockname()[1])


@contextlib.contextmanager
def _own_postgresql(place: Home, port: int) -> Iterator[OwnServer]:
    password = new_password()
    with servers._reachable(postgresql_binaries(), place) as binaries:
        with place.secret(password) as file:
            place.run(binaries / "initdb", *servers._INITDB_OPTIONS, f"--pwfile={file}", "-D", place.data)
        durable = ("-c", "synchronous_commit=on", "-c", "fsync=on", "-c", "full_page_writes=on")
        yield OwnServer(
            Server("postgresql", version_of(binaries / "postgres"), port, password),
            place,
            [*servers._command(binaries, place, port), *durable],
            place.data / "postmaster.pid",
            "INT",
            postgresql_answers(password),
        )


@contextlib.contextmanager
def _own_mariadb(place: Home, port: int) -> Iterator[OwnServer]:
    program, installer = find_mariadb("mariadbd"), find_mariadb("mariadb-install-db")
    if program is None or installer is None:
        message = "mariadbd is not installed"
        raise RuntimeError(message)
    password = new_password()
    install_mariadb(installer, place)
    # IF NOT EXISTS, since the file is read at each start.
    statements = first_statements(password).replace("CREATE USER", "CREATE USER IF NOT EXISTS")
    with place.secret(statements) as file:
        yield OwnServer(
            Server("mariadb", version_of(program), port, password),
            place,
            [*mariadb_command(program, place, port, file), "--innodb-flush-log-at-trx-commit=1"],
            place.path / "pid",
            "TERM",
            answers(password),
        )


def postgresql_answers(password: str) -> Callable[[int], bool]:
    """Say whether the server lets its user in; the file of its state is from before, if it was killed."""

    def answers(port: int) -> bool:
        address = {"host": HOST, "user": USER, "password": password, "dbname": "postgres"}
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(**address, port=port, connect_timeout=2).close()
            return True
        return False

    return answers
