"""The servers of the tests: the product's own throw-away PostgreSQL, and a MariaDB made the same way.

MariaDB comes from the system alone. How a server is started, kept without durability and ended with the process that
started it is told in `splice.testing.servers`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pymysql

from splice.testing.servers import (
    HOST,
    USER,
    Home,
    Server,
    free_port,
    home,
    new_password,
    postgresql,
    version_of,
)

__all__ = ["Server", "free_port", "home", "mariadb", "mariadb_is_installed", "postgresql"]


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
        place.run(
            installer, "--no-defaults", f"--datadir={place.data}", "--skip-test-db", "--skip-name-resolve"
        )
        with place.serve(
            "KILL", lambda port: mariadb_command(server, place, port, file), answers(password)
        ) as port:
            yield Server("mariadb", version_of(server), port, password)


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
